//! The content and the readme of a version, which are files beside its record.

use super::load::VersionDraft;
use crate::error::{Error, Result};
use crate::history::ObjectWriter;
use crate::record::Content;

/// The longest readme, in bytes.
pub const README_MAX_LEN: usize = 1 << 20;

/// The change of a version's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ContentChange {
    /// Keeps the content.
    #[default]
    Keep,
    /// Removes the content.
    Clear,
    /// Replaces the content.
    Set(Content),
}

impl ContentChange {
    /// Parses the given bytes of JSON or YAML, if any. Empty bytes clear the content.
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
    /// Applies a change of the content.
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

    /// Sets the readme. An empty text removes it.
    pub(crate) fn set_readme(&mut self, writer: &mut ObjectWriter<'_>, readme: &str) -> Result<()> {
        self.readme = match readme {
            "" => None,
            text => Some(writer.blob(text.as_bytes())?),
        };
        Ok(())
    }

    /// Lists the fields that differ in `other`, except the stages: `name`, `description`, `tags`,
    /// `kind`, `content`, `readme`, `artifacts`.
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
