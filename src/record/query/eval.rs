//! Evaluates a query against a record.

use std::ops::RangeBounds;

use super::value::Matcher;
use super::{Condition, Expression, Fields, Value};

impl Expression {
    pub(super) fn holds(&self, record: &dyn Fields) -> bool {
        match self {
            Expression::All(parts) => parts.iter().all(|part| part.holds(record)),
            Expression::Any(parts) => parts.iter().any(|part| part.holds(record)),
            Expression::Condition(condition) => condition.holds(record),
        }
    }

    pub(super) fn is_limited_to(&self, field: &str, allowed: &[&str]) -> bool {
        match self {
            Expression::All(parts) => parts.iter().any(|part| part.is_limited_to(field, allowed)),
            Expression::Any(parts) => parts.iter().all(|part| part.is_limited_to(field, allowed)),
            Expression::Condition(condition) => {
                let is_allowed = |matcher: &Matcher| match matcher {
                    Matcher::Text(text) => allowed.contains(&text.as_str()),
                    _ => false,
                };
                condition.field == field
                    && !condition.negated
                    && condition.matchers.iter().all(is_allowed)
            }
        }
    }
}

impl Condition {
    fn holds(&self, record: &dyn Fields) -> bool {
        let value = record.get(self.field);
        let one = self.matchers.iter().any(|matcher| matcher.matches(value.as_ref()));
        one != self.negated
    }
}

impl Matcher {
    fn matches(&self, value: Option<&Value<'_>>) -> bool {
        match (self, value) {
            (Matcher::Nil, None) => true,
            (Matcher::Nil, Some(Value::Text(text))) => text.is_empty(),
            (Matcher::Nil, Some(Value::Set(texts))) => texts.is_empty(),
            (_, Some(Value::Set(texts))) => texts.iter().any(|text| self.matches_text(text)),
            (_, Some(Value::Text(text))) => self.matches_text(text),
            (Matcher::Time(interval), Some(Value::Time(time))) => interval.contains(time),
            (Matcher::Number(interval), Some(Value::Number(number))) => interval.contains(number),
            (Matcher::Bool(wanted), Some(Value::Bool(is))) => wanted == is,
            _ => false,
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Matcher::Text(wanted) => wanted == text,
            Matcher::Like(pattern) => pattern.matches(text),
            _ => false,
        }
    }
}
