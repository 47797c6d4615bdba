//! Queries over records: `status: failed, created_at: >=2026-11-01`.
//!
//! | written | holds when |
//! | --- | --- |
//! | `field: value` | the field is the value; a set has it; a time lies in it (a day, a minute, a second) |
//! | `field: a\|b` | one of them holds |
//! | `field: ~value`, `field: ~a\|b` | none of them holds |
//! | `field: nil`, `field: ~nil` | the field is empty, is not |
//! | `field: >x` `>=x` `<x` `<=x` | a time or a number is after, from, before, up to `x` |
//! | `field: FROM..TO` | a time or a number lies between, both ends included; one may be left out |
//! | `field: %x%` `%x` `x%` | a text contains, ends with, starts with `x`, in any case of letters |
//! | `A, B` or `A AND B` | both hold |
//! | `A OR B` | one holds; `AND` binds tighter, parentheses group |
//!
//! Keywords may be written in any case. A value may contain blanks; what has a meaning here
//! (`, | ( ) " ~ % > < ..`, the words `and`, `or`, `nil`) stands for itself in double quotes, in
//! which `\"` is a quote and `\\` a backslash. A date alone is the whole day, in UTC:
//! `>2026-11-21` begins with the 22nd. An empty query holds always.
//!
//! A query is parsed against the list of [`Field`]s of what is asked, so a wrong field or value is
//! an error that points at its column, not an empty answer.

mod eval;
mod parse;
mod sort;
mod value;

use std::borrow::Cow;
use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::clock::Timestamp;
use crate::error::Error;

pub use sort::Sort;

/// The longest query, in bytes.
pub const MAX_LEN: usize = 16 << 10;

/// A field that can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in a query.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// What it says, in one line.
    pub doc: &'static str,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// Several texts, of which one has to match.
    Set,
    /// A moment.
    Time,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
}

/// The value of a field in one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// For [`FieldKind::Text`] and [`FieldKind::Word`].
    Text(Cow<'a, str>),
    /// For [`FieldKind::Set`].
    Set(Vec<Cow<'a, str>>),
    /// For [`FieldKind::Time`].
    Time(Timestamp),
    /// For [`FieldKind::Number`]; whole numbers are exact to 2^53.
    Number(f64),
    /// For [`FieldKind::Bool`].
    Bool(bool),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }
}

/// Something with fields: a record, or a record and what is known around it.
pub trait Fields {
    /// The value of `field`; `None` where it has none or there is no such field.
    fn get(&self, field: &str) -> Option<Value<'_>>;
}

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    root: Expression,
    text: String,
}

impl Query {
    /// Parses `text`, which may ask for `fields`.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self, QueryError> {
        parse::parse(text, fields).map(|root| Query { root, text: text.to_owned() })
    }

    /// Fails with a [`QueryError`] at the first value of `field` that is not one of `known`, if
    /// `field` is a text. Patterns and `nil` are no such values.
    pub fn check_words(&self, field: &str, known: &[&str]) -> Result<(), QueryError> {
        let mut waiting = vec![&self.root];
        while let Some(expression) = waiting.pop() {
            let condition = match expression {
                Expression::All(parts) | Expression::Any(parts) => {
                    waiting.extend(parts.iter().rev());
                    continue;
                }
                Expression::Condition(condition) => condition,
            };
            let unknown =
                condition.matchers.iter().zip(&condition.places).find_map(|(matcher, place)| {
                    let value::Matcher::Text(text) = matcher else { return None };
                    let is_known = condition.field != field || known.contains(&text.as_str());
                    (!is_known).then_some((text, *place))
                });
            if let Some((text, (from, to))) = unknown {
                let (problem, hint) = value::unknown_word(field, text, known);
                let query = self.text.clone();
                return Err(QueryError { problem, hint: Some(hint), query, from, to });
            }
        }
        Ok(())
    }

    /// Whether the query holds for `record`.
    pub fn matches(&self, record: &dyn Fields) -> bool {
        self.root.holds(record)
    }
}

/// Conditions and what joins them. An empty `All` holds always.
#[derive(Debug, Clone)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Condition(Condition),
}

/// `FIELD: [~] MATCHER | MATCHER …`
#[derive(Debug, Clone)]
struct Condition {
    field: &'static str,
    negated: bool,
    matchers: Vec<value::Matcher>,
    /// Where each of them stands in the query: its first character and the one behind it.
    places: Vec<(usize, usize)>,
}

/// Why a text is no query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    problem: String,
    hint: Option<String>,
    query: String,
    /// The characters at fault, counted from 0; empty for "here something is missing".
    from: usize,
    to: usize,
}

impl QueryError {
    /// The column of the first character at fault, counted from 1.
    pub fn column(&self) -> usize {
        self.from + 1
    }

    /// What to write instead.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The line with the fault in it and the line that points at it, for the eye.
    fn excerpt(&self) -> (String, String) {
        const AROUND: usize = 36;
        let line: Vec<char> =
            self.query.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = self.from.min(line.len());
        let to = self.to.clamp(from, line.len());
        let start = from.saturating_sub(AROUND);
        let end = (to.min(from + AROUND) + AROUND).min(line.len());
        let text = |part: &[char]| part.iter().collect::<String>();
        let before = if start > 0 { "…" } else { "" }.to_owned() + &text(&line[start..from]);
        let fault = text(&line[from..to.min(end)]);
        let after = text(&line[to.min(end)..end]) + if end < line.len() { "…" } else { "" };
        let marks = "^".repeat(fault.width().max(1));
        (format!("{before}{fault}{after}"), " ".repeat(before.width()) + &marks)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, marks) = self.excerpt();
        write!(f, "{}, at column {}\n  {line}\n  {marks}", self.problem, self.column())
    }
}

impl std::error::Error for QueryError {}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        let outer = Error::invalid(error.to_string());
        match error.hint {
            Some(hint) => outer.with_hint(hint),
            None => outer,
        }
    }
}

/// "did you mean" where a name is near, and all names of the fields.
fn hint_for_field(wanted: &str, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let all = format!("the fields are {}", names.join(", "));
    match crate::suggest::closest(wanted, &names) {
        Some(near) => format!("did you mean '{near}'? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests;
