//! What the verbs on versions take from the command line: which version, what is said about it.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artifacts::error::{Error, Result};
use artifacts::fs::read;
use artifacts::history::Revision;
use artifacts::record::Tags;
use artifacts::{Name, tree_path};

use crate::context::Context;
use crate::revision;

/// The longest text that is read from a file, in bytes; what may be longer is uploaded.
const MAX_LEN: u64 = 1 << 20;

/// Which version.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct VersionArg {
    /// The version: a name, `OWNER/PROJECT:NAME`, `@STAGE` or `@latest`
    #[arg(value_name = "VERSION", value_parser = revision::parser())]
    pub(crate) version: Revision,
}

/// What is said about a version.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AboutArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// Its tags: a,b
    #[arg(long, value_name = "LIST")]
    tags: Option<String>,

    /// JSON or YAML on it, kept as given: the text, @FILE or @- (standard input)
    #[arg(long, value_name = "JSON|@FILE")]
    content: Option<OsString>,

    /// The text to read first, Markdown: @FILE, @- or the text itself
    #[arg(long, value_name = "@FILE")]
    readme: Option<OsString>,
}

impl AboutArgs {
    /// The tags, if any were given; none of them means none.
    pub(crate) fn tags(&self) -> Result<Option<Tags>> {
        self.tags.as_deref().map(Tags::parse).transpose()
    }

    /// The bytes of the content, if any was given, to be parsed; an empty one clears it.
    pub(crate) fn content(&self, context: &Context<'_>) -> Result<Option<Vec<u8>>> {
        self.content.as_ref().map(|given| text_or_file(context, given, "content")).transpose()
    }

    /// The readme, if any was given; an empty one clears it.
    pub(crate) fn readme(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(given) = &self.readme else { return Ok(None) };
        let bytes = text_or_file(context, given, "readme")?;
        String::from_utf8(bytes).map(Some).map_err(|error| {
            Error::invalid("the readme is not UTF-8")
                .with_source(error)
                .with_hint("upload it as a file of the run: art upload")
        })
    }
}

/// Why a version is put in a stage.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct WhyArgs {
    /// Why, in a word for programs
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,

    /// Why, in a sentence for people
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

impl WhyArgs {
    /// The reason; an empty one is none.
    pub(crate) fn reason(&self) -> Result<Option<String>> {
        let reason = self.reason.clone().filter(|reason| !reason.trim().is_empty());
        reason.map(|text| checked(text, "reason")).transpose()
    }

    /// The message; empty if none was given.
    pub(crate) fn message(&self) -> Result<String> {
        checked(self.message.clone().unwrap_or_default(), "message")
    }
}

fn checked(text: String, what: &str) -> Result<String> {
    const LONGEST: usize = 16 << 10;
    if text.len() > LONGEST {
        let message = format!("the {what} has {} bytes; it may have {LONGEST}", text.len());
        return Err(Error::invalid(message).with_hint("put long texts into the readme: art update"));
    }
    Ok(text)
}

/// What the project's names are separated by in `--artifacts a,b`.
pub(crate) fn names(list: &str) -> Result<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let name = name.parse()?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The text itself, or what is in the file behind `@`; `@-` is standard input.
pub(crate) fn text_or_file(context: &Context<'_>, given: &OsString, what: &str) -> Result<Vec<u8>> {
    let Some(file) = given.as_bytes().strip_prefix(b"@") else {
        return Ok(given.as_bytes().to_vec());
    };
    if file.is_empty() {
        return Err(Error::invalid("there is no file name behind '@'")
            .with_hint(format!("name the file with the {what}: @FILE")));
    }
    let shown = tree_path::escaped(file);
    let failed = |error: std::io::Error| {
        Error::io("read", Path::new(&shown), error).context(format!("cannot take the {what}"))
    };
    let mut bytes = Vec::new();
    if file == b"-" {
        std::io::stdin().lock().take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let path = context.cwd().join(std::ffi::OsStr::from_bytes(file));
        let file = read::open_given(&path).map_err(failed)?;
        file.take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > MAX_LEN {
        let message = format!("the {what} in '{shown}' has more than {MAX_LEN} bytes");
        return Err(Error::invalid(message)
            .with_hint("upload it as a file of the run, which has no limit: art upload"));
    }
    Ok(bytes)
}
