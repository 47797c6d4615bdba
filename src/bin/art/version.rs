//! The arguments that the verbs on versions share.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artifacts::error::{Error, ErrorKind, Result};
use artifacts::history::Revision;
use artifacts::record::Tags;
use artifacts::{Name, tree_path};

use crate::context::Context;
use crate::input::Input;
use crate::revision;

/// The maximum length of a text from a file, in bytes; longer texts are uploaded as files.
const MAX_LEN: u64 = 1 << 20;

/// The version argument.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct VersionArg {
    /// The version: a name, `OWNER/PROJECT:NAME`, `@STAGE` or `@latest`
    #[arg(value_name = "VERSION", value_parser = revision::parser())]
    pub(crate) version: Revision,
}

/// The descriptive fields of a version.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AboutArgs {
    /// The description of the version
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,

    /// The tags of the version: a,b
    #[arg(long, value_name = "LIST")]
    tags: Option<String>,

    /// Structured metadata in JSON or YAML: the text itself, @FILE, or @- (standard input)
    #[arg(long, value_name = "JSON|@FILE")]
    content: Option<OsString>,

    /// The readme in Markdown: the text itself, @FILE, or @- (standard input)
    #[arg(long, value_name = "@FILE")]
    readme: Option<OsString>,
}

impl AboutArgs {
    /// The given tags; an empty list clears the field.
    pub(crate) fn tags(&self) -> Result<Option<Tags>> {
        self.tags.as_deref().map(Tags::parse).transpose()
    }

    /// The bytes of the given content, not yet parsed; an empty content clears the field.
    pub(crate) fn content(&self, context: &Context<'_>) -> Result<Option<Vec<u8>>> {
        self.content.as_ref().map(|given| text_or_file(context, given, "content")).transpose()
    }

    /// The given readme; an empty readme clears the field.
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

/// The reason for a move to a stage.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct WhyArgs {
    /// The reason for the move, as one word for programs
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,

    /// The reason for the move, as a sentence for people
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

impl WhyArgs {
    /// The given reason; an empty reason counts as not given.
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
        let message = format!("the {what} has {} bytes; the maximum is {LONGEST}", text.len());
        return Err(Error::invalid(message).with_hint("put long texts into the readme: art update"));
    }
    Ok(text)
}

/// Parses a list of names separated by commas, as in `--artifacts a,b`.
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

/// Reads the text itself, or the file after `@`; `@-` is standard input.
pub(crate) fn text_or_file(context: &Context<'_>, given: &OsString, what: &str) -> Result<Vec<u8>> {
    let Some(file) = given.as_bytes().strip_prefix(b"@") else {
        return Ok(given.as_bytes().to_vec());
    };
    if file.is_empty() {
        return Err(Error::invalid("there is no file name after '@'")
            .with_hint(format!("name the file with the {what}: @FILE")));
    }
    let shown = tree_path::escaped(file);
    let failed = |error: std::io::Error| {
        let error = Error::io("read", Path::new(&shown), error);
        match error.kind() {
            ErrorKind::Interrupted => Error::new(ErrorKind::Interrupted, "interrupted"),
            _ => error.context(format!("cannot read the {what}")),
        }
    };
    let mut bytes = Vec::new();
    let input = if file == b"-" {
        Input::standard(context.signals)
    } else {
        Input::open(&context.cwd().join(std::ffi::OsStr::from_bytes(file)), context.signals)
    };
    let mut limited = input.map_err(failed)?.take(MAX_LEN + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_LEN {
        let message = format!("the {what} in '{shown}' has more than {MAX_LEN} bytes");
        return Err(Error::invalid(message)
            .with_hint("upload it as a file of the run, which has no limit: art upload"));
    }
    Ok(bytes)
}
