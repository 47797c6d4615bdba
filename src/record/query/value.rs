//! One value of a query. Its meaning depends on the kind of its field.

use std::ops::Bound;

use super::{Field, FieldKind};
use crate::clock::Timestamp;
use crate::suggest;
use crate::tree_path::escaped;

/// A [`QueryError`](super::QueryError) without the text of its query.
pub(super) struct QueryFault {
    pub(super) problem: String,
    pub(super) hint: Option<String>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl QueryFault {
    pub(super) fn new(problem: impl Into<String>, from: usize, to: usize) -> Self {
        QueryFault { problem: problem.into(), hint: None, from, to }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A character of a value. A quoted character is literal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter {
    pub(super) c: char,
    pub(super) quoted: bool,
    pub(super) at: usize,
}

impl Letter {
    fn is(self, sign: char) -> bool {
        !self.quoted && self.c == sign
    }
}

/// The value that a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    Nil,
    Text(String),
    Like(Pattern),
    Time(Interval<Timestamp>),
    Number(Interval<f64>),
    Bool(bool),
}

/// The lower and the upper bound.
pub(super) type Interval<T> = (Bound<T>, Bound<T>);

/// The pieces between the `%` of a pattern, in lower case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// Returns true if `text` begins with the first piece, ends with the last, and contains the
    /// others in between, in order. Ignores letter case.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let Some(((first, last), middle)) = self.0.split_first().and_then(|(first, rest)| {
            rest.split_last().map(|(last, middle)| ((first, last), middle))
        }) else {
            return false;
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

/// A comparison operator.
#[derive(Clone, Copy)]
enum Sign {
    After,
    From,
    Before,
    UpTo,
}

/// Parses `letters`, which begin at `start` of the query, as a value for `field`.
pub(super) fn matcher(
    letters: &[Letter],
    start: usize,
    field: &Field,
) -> Result<Matcher, QueryFault> {
    let value = Literal { letters, start };
    if value.is_word("nil") {
        return Ok(Matcher::Nil);
    }
    if let Some(first) = letters.first().filter(|letter| letter.is('~')) {
        return Err(QueryFault::new(
            "'~' is allowed only before the first value",
            first.at,
            first.at + 1,
        )
        .hint(
            "'~a|b' means neither a nor b; if '~' is part of the value, put it in double quotes",
        ));
    }
    match field.kind {
        FieldKind::Time => value
            .interval(field, time_span, "time", "2026-11-21 or 2026-11-21 08:30")
            .map(Matcher::Time),
        FieldKind::Number => {
            let number = |text: &str| {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
                Some((number, number))
            };
            value.interval(field, number, "number", "0 or 0.5").map(Matcher::Number)
        }
        FieldKind::Bool => match value.text().as_str() {
            "true" => Ok(Matcher::Bool(true)),
            "false" => Ok(Matcher::Bool(false)),
            other => {
                let other = escaped(other.as_bytes());
                Err(value.fault(format!("'{}' is true or false, not '{other}'", field.name)))
            }
        },
        FieldKind::Text | FieldKind::Set | FieldKind::Word(_) => value.texts(field),
    }
}

/// The problem and the hint for a value that is not a word of its field.
pub(super) fn unknown_word(field: &str, text: &str, words: &[&str]) -> (String, String) {
    let all = format!("'{field}' is one of {}", words.join(", "));
    let hint = match suggest::closest(text, words) {
        Some(near) => format!("did you mean '{near}'? {all}"),
        None => all,
    };
    (format!("'{field}' is never '{}'", escaped(text.as_bytes())), hint)
}

/// The first and the last second of the time span `text`.
fn time_span(text: &str) -> Option<(Timestamp, Timestamp)> {
    Timestamp::parse_span(text).ok()
}

/// The letters of a value, and the position where they begin.
struct Literal<'a> {
    letters: &'a [Letter],
    start: usize,
}

impl<'a> Literal<'a> {
    fn text(&self) -> String {
        self.letters.iter().map(|letter| letter.c).collect()
    }

    fn is_word(&self, word: &str) -> bool {
        self.letters.iter().all(|letter| !letter.quoted) && self.text().eq_ignore_ascii_case(word)
    }

    fn fault(&self, problem: impl Into<String>) -> QueryFault {
        let from = self.letters.first().map_or(self.start, |letter| letter.at);
        let to = self.letters.last().map_or(self.start, |letter| letter.at + 1);
        QueryFault::new(problem, from, to)
    }

    /// The letters from `from` to `to`, without surrounding blanks.
    fn part(&self, from: usize, to: usize) -> Literal<'a> {
        let start = self.letters.get(from).map_or(self.start + from, |letter| letter.at);
        let blank = |letter: &Letter| !letter.quoted && letter.c.is_whitespace();
        let mut letters = &self.letters[from..to];
        while let [first, rest @ ..] = letters
            && blank(first)
        {
            letters = rest;
        }
        while let [rest @ .., last] = letters
            && blank(last)
        {
            letters = rest;
        }
        Literal { letters, start }
    }

    /// Parses a text, a word or a pattern.
    fn texts(&self, field: &Field) -> Result<Matcher, QueryFault> {
        if self.sign().is_some() {
            return Err(self
                .fault(format!("'{}' is text, which has no order", field.name))
                .hint("if the sign is part of the value, put the value in double quotes"));
        }
        if self.letters.iter().any(|letter| letter.is('%')) {
            let pieces = self.letters.split(|letter| letter.is('%'));
            let text = |piece: &[Letter]| piece.iter().map(|letter| letter.c).collect::<String>();
            return Ok(Matcher::Like(Pattern(
                pieces.map(|piece| text(piece).to_lowercase()).collect(),
            )));
        }
        let text = self.text();
        match field.kind {
            FieldKind::Word(words) if !words.contains(&text.as_str()) => {
                let (problem, hint) = unknown_word(field.name, &text, words);
                Err(self.fault(problem).hint(hint))
            }
            _ => Ok(Matcher::Text(text)),
        }
    }

    /// Returns the comparison operator at the beginning, and its length.
    fn sign(&self) -> Option<(Sign, usize)> {
        let first = self.letters.first()?;
        let or_equal = self.letters.get(1).is_some_and(|second| second.is('='));
        match (first.is('>'), first.is('<'), or_equal) {
            (true, _, false) => Some((Sign::After, 1)),
            (true, _, true) => Some((Sign::From, 2)),
            (_, true, false) => Some((Sign::Before, 1)),
            (_, true, true) => Some((Sign::UpTo, 2)),
            _ => None,
        }
    }

    /// Parses an ordered value as an interval. `read` returns the first and the last moment (or
    /// number) that a text covers.
    fn interval<T: PartialOrd + Copy>(
        &self,
        field: &Field,
        read: impl Fn(&str) -> Option<(T, T)>,
        what: &str,
        example: &str,
    ) -> Result<Interval<T>, QueryFault> {
        let read = |part: &Literal<'_>| {
            read(&part.text()).ok_or_else(|| {
                let text = part.text();
                let problem = if text.is_empty() {
                    format!("'{}' has no value", field.name)
                } else {
                    format!("'{}' is not a {what}", escaped(text.as_bytes()))
                };
                part.fault(problem).hint(format!("write a {what} as {example}"))
            })
        };
        let end = self.letters.len();
        if let Some((sign, length)) = self.sign() {
            let (first, last) = read(&self.part(length, end))?;
            return Ok(match sign {
                Sign::After => (Bound::Excluded(last), Bound::Unbounded),
                Sign::From => (Bound::Included(first), Bound::Unbounded),
                Sign::Before => (Bound::Unbounded, Bound::Excluded(first)),
                Sign::UpTo => (Bound::Unbounded, Bound::Included(last)),
            });
        }
        let dots = self.letters.windows(2).position(|pair| pair[0].is('.') && pair[1].is('.'));
        let Some(dots) = dots else {
            let (first, last) = read(self)?;
            return Ok((Bound::Included(first), Bound::Included(last)));
        };
        let (from, to) = (self.part(0, dots), self.part(dots + 2, end));
        match (from.letters.is_empty(), to.letters.is_empty()) {
            (true, true) => Err(self.fault("a range needs at least one end")),
            (true, false) => Ok((Bound::Unbounded, Bound::Included(read(&to)?.1))),
            (false, true) => Ok((Bound::Included(read(&from)?.0), Bound::Unbounded)),
            (false, false) => {
                let (first, last) = (read(&from)?.0, read(&to)?.1);
                if first > last {
                    return Err(self.fault("the range ends before it starts"));
                }
                Ok((Bound::Included(first), Bound::Included(last)))
            }
        }
    }
}
