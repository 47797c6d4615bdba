//! The kinds of setting values, and how they are parsed and written.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::clock::Span;
use crate::name::ProjectName;
use crate::suggest;

/// The kind of a setting's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// A non-empty line of text.
    Text,
    /// `OWNER/PROJECT`.
    Project,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second bound.
    Integer(i64, i64),
    /// A size in bytes, from the first to the second bound: `4096`, `"64 KiB"`.
    Size(u64, u64),
    /// A time span up to this number of seconds: `10`, `"10s"`, `"5m"`, `"1h30m"`.
    Duration(u64),
    /// One of a list of words.
    Choice(&'static [&'static str]),
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, a word or a project.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A size in bytes.
    Size(u64),
    /// A time span.
    Duration(Duration),
}

impl ValueKind {
    /// Parses a typed value. The error is a short reason why the value is invalid.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            ValueKind::Text => {
                if text.is_empty() {
                    return Err("it is empty".to_owned());
                }
                if text.chars().any(char::is_control) {
                    return Err("it contains a control character".to_owned());
                }
                Ok(Value::Text(text.to_owned()))
            }
            ValueKind::Project => match text.parse::<ProjectName>() {
                Ok(project) => Ok(Value::Text(project.to_string())),
                Err(_) => Err("it is not OWNER/PROJECT".to_owned()),
            },
            ValueKind::Boolean => match text {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err("it is neither true nor false".to_owned()),
            },
            ValueKind::Integer(from, to) => match text.parse::<i64>() {
                Ok(number) if (from..=to).contains(&number) => Ok(Value::Integer(number)),
                _ => Err(format!("it is not a whole number from {from} to {to}")),
            },
            ValueKind::Size(from, to) => {
                let size = parse_size(text)?;
                if (from..=to).contains(&size) {
                    return Ok(Value::Size(size));
                }
                Err(format!("it is not between {} and {}", Value::Size(from), Value::Size(to)))
            }
            ValueKind::Duration(most) => {
                let duration = parse_duration(text)?;
                if duration <= Duration::from_secs(most) {
                    return Ok(Value::Duration(duration));
                }
                let most = Value::Duration(Duration::from_secs(most));
                Err(format!("it is longer than {most}"))
            }
            ValueKind::Choice(words) => {
                if words.contains(&text) {
                    return Ok(Value::Text(text.to_owned()));
                }
                let near = suggest::closest(text, words);
                let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                Err(format!("it is not one of {}{near}", words.join(", ")))
            }
        }
    }

    /// Converts a value from a file.
    pub(super) fn read(self, value: &toml::Value) -> Result<Value, String> {
        match (self, value) {
            (ValueKind::Boolean, toml::Value::Boolean(is)) => Ok(Value::Boolean(*is)),
            (
                ValueKind::Integer(..) | ValueKind::Size(..) | ValueKind::Duration(_),
                toml::Value::Integer(n),
            ) => self.parse(&n.to_string()),
            (ValueKind::Boolean | ValueKind::Integer(..), _) => {
                Err(format!("it is not {}", self.article()))
            }
            (_, toml::Value::String(text)) => self.parse(text),
            _ => Err(format!("it is not {}", self.article())),
        }
    }

    /// Returns the kind with its article, for messages and the reference.
    pub fn article(self) -> &'static str {
        match self {
            ValueKind::Text => "a text",
            ValueKind::Project => "a text OWNER/PROJECT",
            ValueKind::Boolean => "true or false",
            ValueKind::Integer(..) => "a whole number",
            ValueKind::Size(..) => "a size such as \"64 KiB\"",
            ValueKind::Duration(_) => "a time span such as \"10s\"",
            ValueKind::Choice(_) => "one of its words",
        }
    }
}

impl fmt::Display for ValueKind {
    /// Writes the allowed values, for the reference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ValueKind::Text => f.write_str("text"),
            ValueKind::Project => f.write_str("OWNER/PROJECT"),
            ValueKind::Boolean => f.write_str("true, false"),
            ValueKind::Integer(from, to) => write!(f, "{from} to {to}"),
            ValueKind::Size(from, to) => write!(f, "{} to {}", Value::Size(from), Value::Size(to)),
            ValueKind::Duration(most) => {
                write!(f, "0s to {}", Value::Duration(Duration::from_secs(most)))
            }
            ValueKind::Choice(words) => f.write_str(&words.join(", ")),
        }
    }
}

const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Parses a size such as `4096`, `64 KiB`, `64KiB` or `64k` (1024, as in Git).
fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = split_number(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" | "mb" | "gb" | "tb" => {
            return Err("its unit is ambiguous; write KiB, MiB or GiB".to_owned());
        }
        _ => return Err("it is not a size such as 4096 or 64 KiB".to_owned()),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "it is not a size such as 4096 or 64 KiB".to_owned())
}

/// Parses a time span like [`Span`].
fn parse_duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>().map(Span::duration);
    span.map_err(|_| "it is not a time span such as 10s, 5m or 500ms".to_owned())
}

/// Splits a text into its leading digits and the rest, without the whitespace between them.
fn split_number(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(digits);
    (digits, rest.trim_start())
}

impl fmt::Display for Value {
    /// Writes the value as typed, in the largest unit that divides it exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Boolean(is) => write!(f, "{is}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Size(0) => f.write_str("0 B"),
            Value::Size(bytes) => {
                let exact = SIZES.iter().find(|(_, factor)| bytes.is_multiple_of(*factor));
                let (unit, factor) = exact.expect("because every size is a multiple of one byte");
                write!(f, "{} {unit}", bytes / factor)
            }
            Value::Duration(span) => write!(f, "{}", Span::new(*span)),
        }
    }
}

impl Serialize for Value {
    /// Serializes texts and time spans as text, sizes in bytes, and other values as JSON values.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Boolean(is) => serializer.serialize_bool(*is),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Size(bytes) => serializer.serialize_u64(*bytes),
            Value::Duration(_) => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ValueKind = ValueKind::Size(0, u64::MAX);
    const SPAN: ValueKind = ValueKind::Duration(86_400);

    #[test]
    fn sizes_parse_in_common_formats() {
        for text in ["65536", "64 KiB", "64KiB", "64k", " 64 K ", "65536 B", "64kib"] {
            assert_eq!(SIZE.parse(text), Ok(Value::Size(65536)), "{text}");
        }
        for bad in ["", "KiB", "-1", "1.5 MiB", "64 KB", "1 XiB", "99999999 TiB", "0x10", "1 2"] {
            assert!(SIZE.parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Value::Size(65536).to_string(), "64 KiB");
        assert_eq!(Value::Size(65537).to_string(), "65537 B");
    }

    #[test]
    fn spans_parse_in_common_formats() {
        for (text, ms) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("5m", 300_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("1 h 30 m", 5_400_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(SPAN.parse(text), Ok(Value::Duration(Duration::from_millis(ms))), "{text}");
        }
        for bad in ["", "s", "-1s", "1.5s", "10x", "2d", "99999999999d", "1h30", "m5"] {
            assert!(SPAN.parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Value::Duration(Duration::from_secs(90)).to_string(), "90s");
        assert_eq!(Value::Duration(Duration::from_hours(1)).to_string(), "1h");
    }

    proptest::proptest! {
        #[test]
        fn displayed_values_parse_to_the_same_value(bytes: u64, ms in 0..86_400_000u64) {
            let size = Value::Size(bytes);
            proptest::prop_assert_eq!(SIZE.parse(&size.to_string()), Ok(size));
            let span = Value::Duration(Duration::from_millis(ms));
            proptest::prop_assert_eq!(SPAN.parse(&span.to_string()), Ok(span));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            for kind in [SIZE, SPAN, ValueKind::Text, ValueKind::Project, ValueKind::Integer(0, 9)] {
                let _ = kind.parse(&text);
            }
        }
    }
}
