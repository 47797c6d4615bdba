//! What people say about a version beside its record: its content and its readme.

use super::load::VersionDraft;
use crate::error::{Error, Result};
use crate::history::ObjectWriter;
use crate::record::Content;

/// The longest text for people to read first, in bytes.
pub const README_MAX_LEN: usize = 1 << 20;

/// What becomes of the content of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ContentChange {
    /// It stays.
    #[default]
    Keep,
    /// There is none after that.
    Clear,
    /// It is this.
    Set(Content),
}

impl ContentChange {
    /// From what was given, if anything was: the bytes of JSON or YAML; no bytes clear it.
    pub fn parse(given: Option<&[u8]>) -> Result<Self> {
        match given {
            None => Ok(ContentChange::Keep),
            Some([]) => Ok(ContentChange::Clear),
            Some(bytes) => Content::parse(bytes).map(ContentChange::Set),
        }
    }
}

/// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a readme that is too long.
pub(crate) fn check_readme(readme: &str) -> Result<()> {
    if readme.len() <= README_MAX_LEN {
        return Ok(());
    }
    let message = format!("the readme has {} bytes; it may have {README_MAX_LEN}", readme.len());
    Err(Error::invalid(message).with_hint("upload it as a file of the run: art upload"))
}

impl VersionDraft {
    /// Gives it this content.
    pub(crate) fn set_content(
        &mut self,
        writer: &mut ObjectWriter<'_>,
        change: &ContentChange,
    ) -> Result<()> {
        match change {
            ContentChange::Keep => {}
            ContentChange::Clear => self.content = None,
            ContentChange::Set(content) => {
                let blob = writer.blob(content.text().as_bytes())?;
                self.content = Some((content.format(), blob));
            }
        }
        Ok(())
    }

    /// Gives it this readme; an empty one is none.
    pub(crate) fn set_readme(&mut self, writer: &mut ObjectWriter<'_>, readme: &str) -> Result<()> {
        self.readme = match readme {
            "" => None,
            text => Some(writer.blob(text.as_bytes())?),
        };
        Ok(())
    }

    /// What differs in `other`, but the stages: `name`, `description`, `tags`, `kind`, `content`,
    /// `readme`, `artifacts`.
    pub(crate) fn differences(&self, other: &VersionDraft) -> Vec<&'static str> {
        let (a, b) = (&self.record, &other.record);
        let is_remade =
            (&a.run, &a.artifacts, self.artifacts) != (&b.run, &b.artifacts, other.artifacts);
        let all = [
            (a.name != b.name, "name"),
            (a.description != b.description, "description"),
            (a.tags != b.tags, "tags"),
            (a.kind != b.kind, "kind"),
            (self.content != other.content, "content"),
            (self.readme != other.readme, "readme"),
            (is_remade, "artifacts"),
        ];
        all.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what).collect()
    }
}
