//! Parses text to [`Expression`] by recursive descent.
//!
//! ```text
//! query     = [ any ]
//! any       = all { "OR" all }
//! all       = one { ( "," | "AND" ) one }
//! one       = "(" any ")" | FIELD ":" [ "~" ] value { "|" value }
//! ```
//!
//! A value extends to the next separator, so it may contain blanks. Its meaning depends on the kind
//! of its field (`value.rs`).

use super::value::{self, Letter, QueryFault};
use super::{Condition, Expression, Field, MAX_LEN, QueryError, hint_for_field};

/// The maximum nesting of parentheses.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str, fields: &[Field]) -> Result<Expression, QueryError> {
    if text.len() > MAX_LEN {
        return Err(QueryError {
            problem: format!("the query is longer than {MAX_LEN} bytes"),
            hint: None,
            query: text.chars().take(80).collect(),
            from: 0,
            to: 0,
        });
    }
    let mut parser = Parser { text: text.chars().collect(), at: 0, fields, depth: 0 };
    parser.query().map_err(|fault| QueryError {
        problem: fault.problem,
        hint: fault.hint,
        query: text.to_owned(),
        from: fault.from,
        to: fault.to,
    })
}

type Result<T, E = QueryFault> = std::result::Result<T, E>;

struct Parser<'f> {
    text: Vec<char>,
    at: usize,
    fields: &'f [Field],
    depth: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Expression> {
        self.skip_blanks();
        if self.at == self.text.len() {
            return Ok(Expression::All(Vec::new()));
        }
        let root = self.any()?;
        self.skip_blanks();
        match self.peek() {
            None => Ok(root),
            Some(')') => Err(QueryFault::new("')' without '('", self.at, self.at + 1)),
            Some(_) => Err(QueryFault::new("expected ',', AND or OR", self.at, self.at + 1)
                .hint("separate conditions as in 'name: a, tags: b'")),
        }
    }

    fn any(&mut self) -> Result<Expression> {
        let mut parts = vec![self.all()?];
        while self.eat_word("or") {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression> {
        let mut parts = vec![self.one()?];
        while self.eat(',') || self.eat_word("and") {
            parts.push(self.one()?);
        }
        Ok(joined(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression> {
        let open = {
            self.skip_blanks();
            self.at
        };
        if !self.eat('(') {
            return self.condition().map(Expression::Condition);
        }
        if self.depth == MAX_DEPTH {
            return Err(QueryFault::new("parentheses are nested too deeply", open, open + 1));
        }
        self.depth += 1;
        let inside = self.any()?;
        self.depth -= 1;
        if self.eat(')') {
            return Ok(inside);
        }
        if self.at < self.text.len() {
            return Err(QueryFault::new("expected ',', AND, OR or ')'", self.at, self.at + 1));
        }
        Err(QueryFault::new("this '(' is not closed", open, open + 1))
    }

    fn condition(&mut self) -> Result<Condition> {
        let from = self.at;
        let name = self.name_at(from);
        if name.is_empty() {
            return Err(QueryFault::new("expected a condition", from, from + 1)
                .hint("write a condition as FIELD: VALUE, for example 'name: sharp-%'"));
        }
        self.at += name.chars().count();
        let to = self.at;
        if !self.eat(':') {
            return Err(QueryFault::new(format!("expected ':' after '{name}'"), to, to).hint(
                "write a condition as FIELD: VALUE; put values with special characters in \"…\"",
            ));
        }
        let Some(field) = self.fields.iter().find(|field| field.name == name) else {
            return Err(QueryFault::new(format!("unknown field '{name}'"), from, to)
                .hint(hint_for_field(&name, self.fields)));
        };
        let negated = self.eat('~');
        let (mut matchers, mut places) = (Vec::new(), Vec::new());
        loop {
            let start = self.at;
            let letters = self.value(field)?;
            matchers.push(value::matcher(&letters, start, field)?);
            let from = letters.first().map_or(start, |letter| letter.at);
            places.push((from, letters.last().map_or(start, |letter| letter.at + 1)));
            if !self.eat('|') {
                return Ok(Condition { field: field.name, negated, matchers, places });
            }
            self.refuse_condition_as_value()?;
        }
    }

    /// Refuses `a: x | b: y`, which would compare `a` with `b: y`.
    fn refuse_condition_as_value(&mut self) -> Result<()> {
        self.skip_blanks();
        let name = self.name_at(self.at);
        let to = self.at + name.chars().count();
        let is_condition =
            self.text.get(to) == Some(&':') && self.fields.iter().any(|field| field.name == name);
        if is_condition {
            return Err(QueryFault::new("expected a value, found a condition", self.at, to + 1)
                .hint("write OR between conditions, and | between values"));
        }
        Ok(())
    }

    /// Reads the letters of one value, without the surrounding blanks.
    fn value(&mut self, field: &Field) -> Result<Vec<Letter>> {
        self.skip_blanks();
        let from = self.at;
        let mut letters: Vec<Letter> = Vec::new();
        let mut was_quoted = false;
        while let Some(c) = self.peek() {
            match c {
                ',' | '|' | ')' => break,
                '(' => {
                    return Err(QueryFault::new("'(' inside a value", self.at, self.at + 1)
                        .hint("put the value in double quotes"));
                }
                '"' => {
                    was_quoted = true;
                    self.quoted(&mut letters)?;
                }
                _ if self.next_keyword().is_some() => break,
                _ => {
                    self.refuse_missing_comma(&letters)?;
                    letters.push(Letter { c, quoted: false, at: self.at });
                    self.at += 1;
                }
            }
        }
        while letters.last().is_some_and(|letter| !letter.quoted && letter.c.is_whitespace()) {
            letters.pop();
        }
        if letters.is_empty() && !was_quoted {
            return Err(QueryFault::new(format!("'{}' has no value", field.name), from, from).hint(
                "write nil for an empty field; put and, or and special characters in double quotes",
            ));
        }
        Ok(letters)
    }

    /// Reads `"…"` through the closing quote.
    fn quoted(&mut self, letters: &mut Vec<Letter>) -> Result<()> {
        let open = self.at;
        self.at += 1;
        while let Some(mut c) = self.peek() {
            let at = self.at;
            self.at += 1;
            match c {
                '"' => return Ok(()),
                '\\' => {
                    c = self.peek().filter(|c| matches!(c, '"' | '\\')).ok_or_else(|| {
                        QueryFault::new("unknown escape", at, at + 2).hint(
                            r#"in double quotes, write \" for a quote and \\ for a backslash"#,
                        )
                    })?;
                    self.at += 1;
                }
                _ => {}
            }
            letters.push(Letter { c, quoted: true, at });
        }
        Err(QueryFault::new("this quote is not closed", open, open + 1))
    }

    /// Refuses `a: x b: y`, which would mean the value `x b: y`.
    fn refuse_missing_comma(&self, letters: &[Letter]) -> Result<()> {
        let after_blank = letters.last().is_some_and(|letter| letter.c.is_whitespace());
        if !after_blank {
            return Ok(());
        }
        let name = self.name_at(self.at);
        let end = self.at + name.chars().count();
        let known = self.fields.iter().any(|field| field.name == name);
        if known && self.text.get(end) == Some(&':') {
            return Err(QueryFault::new(
                format!("expected ',' before '{name}:'"),
                self.at,
                end + 1,
            )
            .hint("separate conditions with ',' or OR, or put the value in double quotes"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Skips blanks, and `sign` if it follows. Returns true if `sign` followed.
    fn eat(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(sign);
        self.at += usize::from(found);
        found
    }

    /// Skips blanks, and the keyword `word` if it follows. Returns true if `word` followed.
    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let found = self.next_keyword() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Returns the keyword that begins at the current position as a separate word.
    fn next_keyword(&self) -> Option<&'static str> {
        let boundary = |c: Option<&char>| {
            c.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '|' | ':' | '"'))
        };
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        ["and", "or"].into_iter().find(|word| {
            let end = self.at + word.len();
            let text = self.text.get(self.at..end).unwrap_or_default();
            text.iter().map(char::to_ascii_lowercase).eq(word.chars())
                && boundary(before)
                && boundary(self.text.get(end))
        })
    }

    /// Returns the letters of a name, starting at `at`.
    fn name_at(&self, at: usize) -> String {
        let letters = self.text[at..].iter().take(64);
        letters.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')).collect()
    }
}

/// Returns a single part unchanged, and joins several parts with `join`.
fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
