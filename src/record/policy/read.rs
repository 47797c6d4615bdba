//! Reads a policy from its table and checks every value against the others.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use toml::{Table, Value};

use super::defect::PolicyDefect;
use super::{After, AllowedMove, DISABLED, Policy, StageRules};
use crate::clock::Span;
use crate::name::Name;
use crate::record::{MAX_LEN, RunStatus, Tags, toml_problem};
use crate::suggest;

pub(super) type Read<T> = Result<T, PolicyDefect>;

/// The maximum number of stages. This bounds the cost of a hostile record.
const MAX_STAGES: usize = 64;

/// The keys of a policy.
pub(super) const KEYS: [&str; 3] = ["stages", "moves", "stage"];

/// The keys of a stage.
pub(super) const RULES: [&str; 10] = [
    "reason",
    "message",
    "description",
    "tags",
    "run_status",
    "min_files",
    "after",
    "who",
    "capacity",
    "displaced",
];

/// Parses the text below `[policy]` as a table, which may still be an invalid policy.
///
/// Fails with [`Invalid`](crate::ErrorKind::Invalid) if the text is not TOML or is longer than a
/// record.
pub fn parse_table(text: &str) -> crate::Result<Table> {
    if text.len() > MAX_LEN {
        let message = format!("the policy has {} bytes; it may have {MAX_LEN}", text.len());
        return Err(crate::Error::invalid(message));
    }
    toml::from_str(text).map_err(|error| {
        crate::Error::invalid("the policy is not TOML").with_source(toml_problem(text, &error))
    })
}

impl Policy {
    /// Reads the table `[policy]`. An empty table is [`Policy::default`].
    ///
    /// Fails for an unknown key, an invalid value, a stage that `stages` does not list, and rules
    /// that contradict each other.
    pub fn from_table(table: &Table) -> Result<Policy, PolicyDefect> {
        let mut policy = Policy::default();
        for (key, value) in table {
            match key.as_str() {
                "stages" => policy.stages = read_stages(value)?,
                "moves" => {
                    let moves = texts(key, value)?;
                    let moves: Read<_> = moves.map(|text| parsed(key, text)).collect();
                    policy.moves = Some(moves?);
                }
                "stage" => policy.stage = read_rules(table_of(key, value)?)?,
                other if value.as_table().is_some_and(is_rules) => {
                    let hint = format!("put the rules of a stage into [stage.{}]", shown(other));
                    return Err(PolicyDefect::Unknown { key: shown(other), hint });
                }
                other => return Err(unknown(other, other, &KEYS)),
            }
        }
        policy.check_whole()?;
        policy.stage.retain(|_, rules| *rules != StageRules::default());
        Ok(policy)
    }

    /// Checks the values against each other.
    fn check_whole(&self) -> Read<()> {
        for allowed in self.moves.iter().flatten() {
            for stage in [&allowed.from, &allowed.to].into_iter().flatten() {
                self.check_known("moves", stage)?;
            }
        }
        for (stage, rules) in &self.stage {
            let key = |rule: &str| format!("stage.{stage}.{rule}");
            self.check_known(&format!("stage.{stage}"), stage)?;
            for after in &rules.after {
                self.check_known(&key("after"), &after.stage)?;
                if after.stage == *stage {
                    let reason = format!("no version could ever enter '{stage}'");
                    return Err(PolicyDefect::invalid(key("after"), reason));
                }
            }
            if rules.capacity.is_some() && (stage == self.first_stage() || is_disabled(stage)) {
                let reason =
                    format!("'{stage}' cannot have a capacity: versions enter it without a check");
                return Err(PolicyDefect::invalid(key("capacity"), reason));
            }
            if let Some(displaced) = &rules.displaced {
                self.check_known(&key("displaced"), displaced)?;
                if rules.capacity.is_none() {
                    let reason = "it needs a capacity too";
                    return Err(PolicyDefect::invalid(key("displaced"), reason));
                }
                self.check_displacement(stage, displaced)?;
            }
        }
        Ok(())
    }

    /// Follows displaced versions from stage to stage. The chain must end.
    fn check_displacement(&self, stage: &Name, displaced: &Name) -> Read<()> {
        let mut next = displaced;
        // A longer walk is in a cycle that does not contain `stage`. The check of a stage in that
        // cycle reports it.
        for _ in 0..=self.stage.len() {
            if next == stage {
                let reason = "displaced versions would return to the stage that they leave";
                return Err(PolicyDefect::invalid(format!("stage.{stage}.displaced"), reason));
            }
            match self.stage.get(next).and_then(|rules| rules.displaced.as_ref()) {
                Some(further) => next = further,
                None => break,
            }
        }
        Ok(())
    }

    fn check_known(&self, key: &str, stage: &Name) -> Read<()> {
        if self.has_stage(stage) {
            return Ok(());
        }
        let known = self.stages.iter().map(Name::as_str);
        let near = suggest::closest(stage.as_str(), known.chain(std::iter::once(DISABLED)));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        Err(PolicyDefect::invalid(key, format!("there is no stage '{stage}'{near}")))
    }
}

/// Returns true if the table looks like the rules of a stage.
fn is_rules(table: &Table) -> bool {
    table.keys().any(|key| RULES.contains(&key.as_str()))
}

fn is_disabled(stage: &Name) -> bool {
    stage.as_str() == DISABLED
}

fn read_stages(value: &Value) -> Read<Vec<Name>> {
    let key = "stages";
    let mut stages: Vec<Name> = Vec::new();
    for text in texts(key, value)?.take(MAX_STAGES + 1) {
        let stage = parsed(key, text)?;
        if is_disabled(&stage) {
            let reason = "'disabled' always exists, outside the order; leave it out";
            return Err(PolicyDefect::invalid(key, reason));
        }
        if stages.contains(&stage) {
            return Err(PolicyDefect::invalid(key, format!("'{stage}' is listed twice")));
        }
        stages.push(stage);
    }
    if stages.len() > MAX_STAGES {
        return Err(PolicyDefect::invalid(key, format!("it has more than {MAX_STAGES} entries")));
    }
    if stages.is_empty() {
        return Err(PolicyDefect::invalid(key, "it needs at least one stage"));
    }
    Ok(stages)
}

fn read_rules(table: &Table) -> Read<BTreeMap<Name, StageRules>> {
    let mut all = BTreeMap::new();
    for (name, value) in table {
        let stage: Name = parsed("stage", name)?;
        let key = format!("stage.{stage}");
        all.insert(stage, read_stage(&key, table_of(&key, value)?)?);
    }
    Ok(all)
}

fn read_stage(stage: &str, table: &Table) -> Read<StageRules> {
    let mut rules = StageRules::default();
    for (rule, value) in table {
        let key = format!("{stage}.{rule}");
        match rule.as_str() {
            "reason" => rules.reason = flag(&key, value)?,
            "message" => rules.message = flag(&key, value)?,
            "description" => rules.description = flag(&key, value)?,
            "tags" => {
                let tags: Read<Vec<String>> =
                    texts(&key, value)?.map(|text| tag(&key, text)).collect();
                rules.tags = tags?.into_iter().collect();
            }
            "run_status" => {
                let statuses: Read<Vec<RunStatus>> =
                    texts(&key, value)?.map(|text| parsed(&key, text)).collect();
                rules.run_status = statuses?;
                rules.run_status.sort_unstable();
                rules.run_status.dedup();
                if rules.run_status.is_empty() {
                    let reason = format!("name at least one of {}", RunStatus::WORDS.join(", "));
                    return Err(PolicyDefect::invalid(key, reason));
                }
            }
            "min_files" => rules.min_files = Some(count(&key, value)?),
            "after" => {
                let after: Read<Vec<After>> =
                    texts(&key, value)?.map(|text| parsed(&key, text)).collect();
                rules.after = after?;
                if rules.after.len() > MAX_STAGES {
                    let reason = format!("it has more than {MAX_STAGES} entries");
                    return Err(PolicyDefect::invalid(key, reason));
                }
            }
            "who" => {
                let who: Read<_> = texts(&key, value)?.map(|text| pattern(&key, text)).collect();
                rules.who = who?;
                if rules.who.is_empty() {
                    let reason = "it needs at least one pattern; '*' is everybody";
                    return Err(PolicyDefect::invalid(key, reason));
                }
            }
            "capacity" => rules.capacity = Some(count(&key, value)?),
            "displaced" => rules.displaced = Some(parsed(&key, text(&key, value)?)?),
            other => return Err(unknown(&key, other, &RULES)),
        }
    }
    Ok(rules)
}

pub(super) fn table_of<'v>(key: &str, value: &'v Value) -> Read<&'v Table> {
    value.as_table().ok_or_else(|| PolicyDefect::invalid(key, "it is not a table"))
}

pub(super) fn text<'v>(key: &str, value: &'v Value) -> Read<&'v str> {
    value.as_str().ok_or_else(|| PolicyDefect::invalid(key, "it is not text"))
}

pub(super) fn texts<'v>(
    key: &str,
    value: &'v Value,
) -> Read<impl Iterator<Item = &'v str> + use<'v>> {
    let no_list = || PolicyDefect::invalid(key, "it is not a list of texts, [\"a\", \"b\"]");
    let values = value.as_array().ok_or_else(no_list)?;
    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    Ok(texts.ok_or_else(no_list)?.into_iter())
}

fn flag(key: &str, value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| PolicyDefect::invalid(key, "it is neither true nor false"))
}

pub(super) fn count(key: &str, value: &Value) -> Read<NonZeroU32> {
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    number
        .and_then(NonZeroU32::new)
        .ok_or_else(|| PolicyDefect::invalid(key, "it is not a whole number from 1"))
}

pub(super) fn tag(key: &str, text: &str) -> Read<String> {
    let tags = Tags::parse(text).map_err(|error| PolicyDefect::invalid(key, error.message()))?;
    let mut tags = tags.iter();
    match (tags.next(), tags.next()) {
        (Some(tag), None) => Ok(tag.to_owned()),
        _ => Err(PolicyDefect::invalid(key, format!("'{}' is not a tag", shown(text)))),
    }
}

/// The longest pattern for authors, in bytes.
const LONGEST_PATTERN: usize = 256;

pub(super) fn pattern(key: &str, text: &str) -> Read<String> {
    if text.trim().is_empty() || text.len() > LONGEST_PATTERN || text.chars().any(char::is_control)
    {
        let reason = format!("'{}' is not a pattern such as '*@example.org'", shown(text));
        return Err(PolicyDefect::invalid(key, reason));
    }
    Ok(text.trim().to_owned())
}

pub(super) fn parsed<T: FromStr<Err = crate::Error>>(key: &str, text: &str) -> Read<T> {
    text.parse().map_err(|error: crate::Error| PolicyDefect::invalid(key, error.message()))
}

/// The maximum number of characters of user text in a message.
const LONGEST_SHOWN: usize = 160;

/// Escapes and shortens user text for a message.
fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect()
}

pub(super) fn unknown(path: &str, key: &str, known: &[&str]) -> PolicyDefect {
    let list = known.join(", ");
    let hint = match suggest::closest(key, known) {
        Some(near) => format!("did you mean '{near}'? The keys are {list}"),
        None => format!("the keys are {list}"),
    };
    PolicyDefect::Unknown { key: shown(path), hint }
}

impl FromStr for AllowedMove {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        let Some((from, to)) = text.split_once("->") else {
            let message = format!("'{}' is not FROM -> TO", shown(text));
            return Err(crate::Error::invalid(message));
        };
        let stage = |text: &str| match text.trim() {
            "*" => Ok(None),
            name => name.parse().map(Some),
        };
        Ok(AllowedMove { from: stage(from)?, to: stage(to)? })
    }
}

impl FromStr for After {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [stage] => Ok(After { stage: stage.parse()?, span: None }),
            [stage, "for", span @ ..] if !span.is_empty() => {
                let span: Span = span.join(" ").parse()?;
                Ok(After { stage: stage.parse()?, span: Some(span) })
            }
            _ => {
                let message = format!("'{}' is not STAGE or STAGE for 24h", shown(text));
                Err(crate::Error::invalid(message))
            }
        }
    }
}

impl fmt::Display for AllowedMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = |stage: &Option<Name>| stage.as_ref().map_or("*", Name::as_str).to_owned();
        write!(f, "{} -> {}", stage(&self.from), stage(&self.to))
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.span {
            Some(span) => write!(f, "{} for {span}", self.stage),
            None => write!(f, "{}", self.stage),
        }
    }
}
