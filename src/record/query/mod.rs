//! Queries over records: `status: failed, created_at: >=2026-11-01`.
//!
//! | syntax | true if |
//! | --- | --- |
//! | `field: value` | the field equals the value; a set contains the value; a time lies within the given day, minute or second |
//! | `field: a\|b` | at least one alternative is true |
//! | `field: ~value`, `field: ~a\|b` | no alternative is true |
//! | `field: nil`, `field: ~nil` | the field is empty, is not empty |
//! | `field: >x` `>=x` `<x` `<=x` | a time or a number is after, from, before, up to `x` |
//! | `field: FROM..TO` | a time or a number lies between both ends, inclusive; one end may be omitted |
//! | `field: %x%` `%x` `x%` | a text contains, ends with, starts with `x`, ignoring letter case |
//! | `A, B` or `A AND B` | both are true |
//! | `A OR B` | at least one is true; `AND` binds tighter, parentheses group |
//!
//! Keywords may be written in any letter case. A value may contain blanks. In double quotes,
//! special characters (`, | ( ) " ~ % > < ..`) and words (`and`, `or`, `nil`) are literal; `\"` is
//! a quote and `\\` a backslash. A date alone is the whole day, in UTC: `>2026-11-21` begins with
//! the 22nd. An empty query is always true.
//!
//! A query is parsed against the list of [`Field`]s of its records. A wrong field or value is
//! therefore an error that points at its column, not an empty result.

mod eval;
mod parse;
mod sort;
mod value;

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::clock::Timestamp;
use crate::error::Error;

pub use sort::Sort;

/// The longest query, in bytes.
pub const MAX_LEN: usize = 16 << 10;

/// A field that a query can name.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name in a query.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: FieldKind,
    /// The description, in one line.
    pub doc: &'static str,
}

/// The kind of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of a fixed set of words.
    Word(&'static [&'static str]),
    /// Several texts. A condition is true if one of them matches.
    Set,
    /// A time.
    Time,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
}

/// The value of a field in one record. In JSON, a text, a list of texts, a number or a boolean.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
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

/// A record with fields: a stored record, or a record with facts from elsewhere.
pub trait Fields {
    /// Returns the value of `field`. Returns `None` if the field has no value or does not exist.
    fn get(&self, field: &str) -> Option<Value<'_>>;
}

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    root: Expression,
    text: String,
}

impl Query {
    /// Parses `text`, which may name any of `fields`.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self, QueryError> {
        parse::parse(text, fields).map(|root| Query { root, text: text.to_owned() })
    }

    /// Fails with a [`QueryError`] at the first value of the text field `field` that is not in
    /// `known`. Patterns and `nil` are not checked.
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

    /// The query as typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if every match has one of the values `allowed` in the text field `field`.
    pub fn is_limited_to(&self, field: &str, allowed: &[&str]) -> bool {
        self.root.is_limited_to(field, allowed)
    }

    /// Returns true if `record` matches the query.
    pub fn matches(&self, record: &dyn Fields) -> bool {
        self.root.holds(record)
    }
}

/// Conditions and their connectives. An empty `All` is always true.
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
    /// The position of each matcher in the query: its first character and the character after it.
    places: Vec<(usize, usize)>,
}

/// A syntax error in a query, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    problem: String,
    hint: Option<String>,
    query: String,
    /// The faulty characters, counted from 0. The range is empty if something is missing there.
    from: usize,
    to: usize,
}

impl QueryError {
    /// The column of the first faulty character, counted from 1.
    pub fn column(&self) -> usize {
        self.from + 1
    }

    /// The suggested correction.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The line that contains the fault, and the line that points at it.
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

/// Suggests a similar field name, and lists all field names.
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
