//! Lineage: the named artifacts of a run, with their kind and origin.

use std::fmt;
use std::str::FromStr;

use bstr::BString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Extra;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::tree_path::{TreePath, escaped, hex};

/// One `[[lineage]]` entry of a run: an artifact that the run produced or used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct LineageEntry {
    /// The artifact's name, unique within the run.
    pub name: Name,
    /// The kind: `model`, `dataframe`, `file`, `dir`, …, or the project's own word.
    pub kind: Name,
    /// The path: below the run's `artifacts/`, or, for an input, any path. It may hold any bytes;
    /// [`LineageEntry::tree_path`] checks them.
    pub path: BString,
    /// True if the run used the artifact, false if the run produced it.
    pub is_input: bool,
    /// Facts about the artifact, such as `accuracy = 0.91`.
    pub summary: toml::Table,
    /// The id of the blob or tree at the path, if the run contains the path.
    pub id: Option<Id>,
    /// For an input: the version that the artifact came from.
    pub origin: Option<Origin>,
    /// The commit that `origin` named when the entry was recorded.
    pub origin_commit: Option<Id>,
    /// Keys this program does not know.
    pub extra: Extra,
}

impl LineageEntry {
    /// Creates an output entry without a summary or an id.
    pub fn new(name: Name, kind: Name, path: impl Into<BString>) -> Self {
        LineageEntry {
            name,
            kind,
            path: path.into(),
            is_input: false,
            summary: toml::Table::new(),
            id: None,
            origin: None,
            origin_commit: None,
            extra: Extra::new(),
        }
    }

    /// The path, checked for use in a tree.
    pub fn tree_path(&self) -> Result<TreePath> {
        TreePath::parse(&self.path)
    }

    /// The entry for `--json`: the keys of the record, with TOML's dates and times as text.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        super::to_json(self, "a lineage entry")
    }

    /// Sets one value of the summary from typed text, `KEY=VALUE`. Fails if the key already has a
    /// value.
    ///
    /// Numbers, `true` and `false` keep their type. All other values are text, including text in
    /// double quotes (`build="1.10"`) and digits with a leading zero. `NaN` and infinity are
    /// refused: JSON cannot hold them, and as text they would hide a failed metric.
    pub fn summarize(&mut self, assignment: &str) -> Result<()> {
        let parts = assignment.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = parts.filter(|(key, _)| !key.is_empty()) else {
            return Err(Error::invalid(format!(
                "'{}' is not KEY=VALUE",
                assignment.escape_debug()
            ))
            .with_hint("give a summary as --summary accuracy=0.91"));
        };
        if is_not_finite(value) {
            return Err(Error::invalid(format!(
                "'{key}' is {value}, which is not a finite number"
            ))
            .with_hint(format!("to keep it as text: --summary '{key}=\"{value}\"'")));
        }
        if self.summary.insert(key.to_owned(), typed(value)).is_some() {
            return Err(Error::invalid(format!("the summary has '{}' twice", key.escape_debug()))
                .with_hint("give each key one value"));
        }
        Ok(())
    }
}

/// Returns true if `text` spells NaN or infinity as a word. Digits that overflow a float, such as
/// the abbreviated hash `1e9999`, are a label instead.
fn is_not_finite(text: &str) -> bool {
    let is_word = !text.contains(|c: char| c.is_ascii_digit());
    is_word && text.parse().is_ok_and(|float: f64| !float.is_finite())
}

/// The value that `text` spells.
fn typed(text: &str) -> toml::Value {
    if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return toml::Value::String(inner.to_owned());
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let label = !digits.starts_with(|c: char| c.is_ascii_digit())
        || digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    match text {
        "true" => toml::Value::Boolean(true),
        "false" => toml::Value::Boolean(false),
        _ if label => toml::Value::String(text.to_owned()),
        _ => number(text).unwrap_or_else(|| toml::Value::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<toml::Value> {
    match text.parse::<i64>() {
        Ok(integer) => Some(toml::Value::Integer(integer)),
        // A long row of digits is a label: a float would lose its last digits.
        Err(_) if !text.contains(['.', 'e', 'E']) => None,
        Err(_) => text.parse().ok().filter(|float: &f64| float.is_finite()).map(toml::Value::Float),
    }
}

/// The origin of an input: `OWNER/PROJECT:REVISION`, usually a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The project that contains the revision.
    pub project: ProjectName,
    /// The revision in that project, as given: `v1`.
    pub revision: String,
}

impl Origin {
    /// The version, if the revision is a plain version name.
    pub fn version(&self) -> Option<Name> {
        self.revision.parse().ok()
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once(':').filter(|(_, revision)| {
            (1..=1024).contains(&revision.len()) && !revision.contains(char::is_control)
        });
        let Some((project, revision)) = parts else {
            return Err(Error::invalid(format!(
                "'{}' is not OWNER/PROJECT:VERSION",
                text.escape_debug()
            ))
            .with_hint("name the origin as OWNER/PROJECT:VERSION, for example me/digits:v1"));
        };
        Ok(Origin { project: project.parse()?, revision: revision.to_owned() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.project, self.revision)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The entry as stored in the file.
///
/// TOML holds only text. A path that is not UTF-8 is written twice: escaped, for people, and in
/// hexadecimal, which the reader uses.
#[derive(Serialize, Deserialize)]
struct Written {
    name: Name,
    kind: Name,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    #[serde(default)]
    is_input: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin_commit: Option<Id>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    summary: toml::Table,
    #[serde(flatten)]
    extra: Extra,
}

impl From<LineageEntry> for Written {
    fn from(entry: LineageEntry) -> Self {
        let (path, path_bytes) = match String::from_utf8(entry.path.into()) {
            Ok(path) => (path, None),
            Err(error) => {
                let bytes = error.into_bytes();
                (escaped(&bytes), Some(hex(&bytes)))
            }
        };
        Written {
            name: entry.name,
            kind: entry.kind,
            path,
            path_bytes,
            is_input: entry.is_input,
            id: entry.id,
            origin: entry.origin,
            origin_commit: entry.origin_commit,
            summary: entry.summary,
            extra: entry.extra,
        }
    }
}

impl TryFrom<Written> for LineageEntry {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let path = match written.path_bytes {
            Some(hex) => from_hex(&hex).ok_or("path_bytes is not hexadecimal")?,
            None => written.path.into_bytes(),
        };
        Ok(LineageEntry {
            name: written.name,
            kind: written.kind,
            path: path.into(),
            is_input: written.is_input,
            summary: written.summary,
            id: written.id,
            origin: written.origin,
            origin_commit: written.origin_commit,
            extra: written.extra,
        })
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> LineageEntry {
        LineageEntry::new("weights".parse().unwrap(), "model".parse().unwrap(), "w.bin")
    }

    #[test]
    fn summaries_keep_numbers_as_numbers_and_labels_as_text() {
        const LABELS: [(&str, &str); 6] = [
            ("commit", "007"),
            ("plus", "+1"),
            ("sha", "1e9999"),
            ("eq", "a=b"),
            ("long", "123456789012345678901234567890"),
            ("unit", "12ms"),
        ];
        let mut entry = entry();
        for assignment in LABELS.map(|(key, text)| format!("{key}={text}")) {
            entry.summarize(&assignment).unwrap();
        }
        for assignment in ["acc=0.910", "loss = -1e-4", "epochs=12", "best=true", "build=\"1.10\""]
        {
            entry.summarize(assignment).unwrap();
        }
        assert_eq!(entry.summary["acc"], toml::Value::Float(0.91));
        assert_eq!(entry.summary["epochs"], toml::Value::Integer(12));
        assert_eq!(entry.summary["best"], toml::Value::Boolean(true));
        assert_eq!(entry.summary["loss"], toml::Value::Float(-1e-4));
        assert_eq!(entry.summary["build"], toml::Value::String("1.10".into()));
        for (key, text) in LABELS {
            assert_eq!(entry.summary[key], toml::Value::String(text.into()), "{key}");
        }
        assert!(entry.summarize("alone").is_err());
        assert!(entry.summarize("=x").is_err());
    }

    #[test]
    fn origins_name_a_project_and_a_version() {
        let origin: Origin = "me/digits:v1".parse().unwrap();
        assert_eq!(origin.version().unwrap().as_str(), "v1");
        assert_eq!(origin.to_string(), "me/digits:v1");
        let run: Origin = "me/digits:run/sharp-shrimp-1".parse().unwrap();
        assert_eq!(run.version(), None);
        for bad in ["v1", "me:v1", "me/digits", "me/digits:", "me/digits:a\nb"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_round_trips() {
        let mut entry = entry();
        entry.path = BString::from(&b"a/\xff\xfe.bin"[..]);
        let written = toml::to_string(&entry).unwrap();
        assert!(written.contains(r"path = 'a/\xff\xfe.bin'"), "{written}");
        assert!(written.contains(r#"path_bytes = "612ffffe2e62696e""#), "{written}");
        assert_eq!(toml::from_str::<LineageEntry>(&written).unwrap(), entry);
        let odd = written.replace("612f", "61f");
        assert!(toml::from_str::<LineageEntry>(&odd).is_err());
    }

    #[test]
    fn a_path_that_leaves_the_tree_is_kept_but_not_followed() {
        let mut entry = entry();
        entry.path = "../data/train.csv".into();
        assert!(entry.tree_path().is_err());
    }
}
