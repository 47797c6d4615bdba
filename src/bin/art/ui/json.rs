//! JSON that is safe on a terminal: characters that move the cursor or reorder text are written as
//! `\uXXXX`.

use std::io;

use artifacts::error::{Error, Result};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::sanitize;

/// `value` over several lines, with a final newline.
pub(crate) fn pretty<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    write(value, PrettyFormatter::new())
}

/// `value` on one line, with a final newline.
pub(crate) fn line<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    write(value, CompactFormatter)
}

fn write<T: Serialize + ?Sized>(value: &T, formatter: impl Formatter) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, Safe(formatter)))
        .map_err(|error| Error::internal("cannot convert an outcome to JSON").with_source(error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A formatter that also escapes unsafe characters in strings.
struct Safe<F>(F);

/// Forwards a method to the inner formatter.
macro_rules! hand_on {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    hand_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(sanitize::is_unsafe) {
            let (safe, unsafe_on) = rest.split_at(at);
            writer.write_all(safe.as_bytes())?;
            let Some(c) = unsafe_on.chars().next() else { break };
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &unsafe_on[c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_escaped_and_parse_back() {
        let text = "a\u{1b}[31m\u{7f}\u{9b}\u{202e}é\n\"";
        let bytes = line(&[text]).unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            "[\"a\\u001b[31m\\u007f\\u009b\\u202eé\\n\\\"\"]\n"
        );
        let back: Vec<String> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back, [text]);
    }

    #[test]
    fn a_single_value_is_indented_and_a_stream_item_is_one_line() {
        let value = serde_json::json!({ "a": [1, 2], "b": {} });
        assert_eq!(
            String::from_utf8(pretty(&value).unwrap()).unwrap(),
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        );
        assert_eq!(line(&value).unwrap(), b"{\"a\":[1,2],\"b\":{}}\n");
    }
}
