//! The content of a version: JSON or YAML that a user wrote, checked and stored unchanged.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The format of a [`Content`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl ContentFormat {
    /// Every format.
    pub const ALL: [ContentFormat; 2] = [ContentFormat::Json, ContentFormat::Yaml];

    /// The name of its file beside the record.
    pub fn file(self) -> &'static str {
        match self {
            ContentFormat::Json => "content.json",
            ContentFormat::Yaml => "content.yaml",
        }
    }
}

/// The content of a version: a mapping or a list, exactly as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    format: ContentFormat,
    text: String,
}

impl Content {
    /// The longest content, in bytes. Longer content belongs in a file of the run.
    pub const MAX_LEN: usize = 1 << 20;

    /// The deepest nesting of mappings and lists. Every JSON and YAML reader supports this depth.
    pub const MAX_DEPTH: usize = 64;

    /// Checks `bytes`. Bytes that are valid JSON are stored as JSON, all others as YAML.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > Self::MAX_LEN {
            let message =
                format!("the content has {} bytes; it may have {}", bytes.len(), Self::MAX_LEN);
            return Err(Error::invalid(message)
                .with_hint("upload it as a file of the run, which has no limit: art upload FILE"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Error::invalid("the content is not UTF-8").with_source(error).with_hint(HINT)
        })?;
        let text = text.to_owned();
        // Text that begins like JSON gets the JSON parser's error.
        let is_like_json = text.trim_start().starts_with(['{', '[']);
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) if is_like_json => {
                check_depth(json_depth(&text))?;
                Ok(Content { format: ContentFormat::Json, text })
            }
            Ok(_) => Err(Error::invalid("the content is a single value").with_hint(HINT)),
            Err(wrong_json) => match check_yaml(&text) {
                Ok(()) => Ok(Content { format: ContentFormat::Yaml, text }),
                // YAML that is nested too deeply is still YAML, and keeps its own error.
                Err(error) if is_like_json && !error.causes().is_empty() => {
                    Err(Error::invalid("the content is neither JSON nor YAML")
                        .with_source(wrong_json)
                        .with_hint(HINT))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Wraps the bytes of the stored file of `format`, without checking them again.
    pub fn stored(format: ContentFormat, bytes: Vec<u8>) -> Result<Self> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Content { format, text }),
            Err(error) => {
                let message = format!("{} is not UTF-8", format.file());
                Err(Error::corrupt(message).with_source(error).with_hint("art fsck"))
            }
        }
    }

    /// The format of the content.
    pub fn format(&self) -> ContentFormat {
        self.format
    }

    /// The text, exactly as given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

const HINT: &str =
    "give a mapping or a list as JSON, such as '{\"accuracy\": 0.91}', or a file: @FILE";

/// Serializes for `--json`: JSON as its value, YAML as its text.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            ContentFormat::Json if json_depth(&self.text) <= Self::MAX_DEPTH => {
                match serde_json::from_str::<&RawValue>(&self.text) {
                    Ok(value) => value.serialize(serializer),
                    Err(_) => self.text.serialize(serializer),
                }
            }
            // JSON that another program stored with deeper nesting stays text too.
            ContentFormat::Json | ContentFormat::Yaml => self.text.serialize(serializer),
        }
    }
}

/// Returns the deepest nesting of mappings and lists in `text`, which is JSON.
fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_string, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn check_depth(depth: usize) -> Result<()> {
    if depth <= Content::MAX_DEPTH {
        return Ok(());
    }
    let message = format!(
        "the content is nested {depth} levels deep; it may be nested {}",
        Content::MAX_DEPTH
    );
    Err(Error::invalid(message).with_hint("upload it as a file of the run: art upload FILE"))
}

/// Fails unless `text` is one YAML document with a mapping or a list at its top.
///
/// Reads events only and never expands an alias, so no text grows.
fn check_yaml(text: &str) -> Result<()> {
    use saphyr_parser::{Event, Parser};
    let mut is_collection = false;
    let mut documents = 0;
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut before = Event::Nothing;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| {
            Error::invalid("the content is neither JSON nor YAML")
                .with_source(error)
                .with_hint(HINT)
        })?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        documents += usize::from(matches!(event, Event::DocumentStart(_)));
        if matches!(before, Event::DocumentStart(_)) {
            is_collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
        }
        before = event;
    }
    match documents {
        1 if is_collection => check_depth(deepest),
        0 | 1 => Err(Error::invalid("the content is a single value").with_hint(HINT)),
        _ => Err(Error::invalid(format!("the content has {documents} YAML documents, not one"))
            .with_hint(HINT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_and_yaml_are_kept_as_given() {
        for (text, format) in [
            ("{\"a\": 1,\n \"a\": 2}", ContentFormat::Json),
            (" [1, 2]", ContentFormat::Json),
            ("a: 1\nb: [x, y]\n", ContentFormat::Yaml),
            ("{a: 1}", ContentFormat::Yaml),
            ("- 1\n- 2\n", ContentFormat::Yaml),
        ] {
            let content = Content::parse(text.as_bytes()).unwrap();
            assert_eq!((content.format(), content.text()), (format, text));
        }
    }

    #[test]
    fn text_that_is_not_a_json_or_yaml_collection_is_refused() {
        for text in ["", "hello", "1", "\"x\"", "{\"a\": ", "a: [", "---\na: 1\n---\nb: 2\n"] {
            let error = Content::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{text}");
            assert!(error.hint().is_some(), "{text}");
        }
        assert!(Content::parse(b"\xff{}").is_err());
    }

    #[test]
    fn depth_size_and_aliases_take_no_memory() {
        assert!(Content::parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(Content::parse(&vec![b' '; Content::MAX_LEN + 1]).is_err());
        let mut bomb = "a: &a [x]\n".to_owned();
        for n in 1..60 {
            bomb.push_str(&format!("b{n}: &b{n} [{}]\n", vec!["*a"; 50].join(", ")));
        }
        assert_eq!(Content::parse(bomb.as_bytes()).unwrap().format(), ContentFormat::Yaml);
    }

    #[test]
    fn deeply_nested_content_is_refused_and_serializes_as_text() {
        let nested = |open: &str, close: &str, depth: usize| {
            [open.repeat(depth), close.repeat(depth)].concat()
        };
        for (open, close) in [("[", "]"), ("[[", "]]"), ("[{\"a\":[", "]}]")] {
            assert!(Content::parse(nested(open, close, 20).as_bytes()).is_ok(), "{open}");
            let error = Content::parse(nested(open, close, 65).as_bytes()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{open}");
            assert!(error.message().contains("levels deep"), "{error}");
        }
        assert!(Content::parse(nested("[", "]", 64).as_bytes()).is_ok());
        assert!(Content::parse(format!("a: {}", nested("{b: ", "}", 64)).as_bytes()).is_err());
        assert!(Content::parse(format!("[\"{}\"]", "[".repeat(999)).as_bytes()).is_ok());
        let deep = nested("[", "]", 5000);
        let stored = Content::stored(ContentFormat::Json, deep.clone().into_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&stored).unwrap(), deep);
    }

    #[test]
    fn json_content_serializes_as_a_value() {
        let json = |text: &str| serde_json::to_value(Content::parse(text.as_bytes()).unwrap());
        assert_eq!(json("{\"a\": 1}").unwrap(), serde_json::json!({"a": 1}));
        assert_eq!(json("a: 1").unwrap(), "a: 1");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Content::parse(&bytes);
        }
    }
}
