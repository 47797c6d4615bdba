//! What a policy says of one move: every rule that refuses it, and who has to make room.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::pattern::fits_author;
use super::{After, Policy, StageRules};
use crate::clock::{Span, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::name::Name;
use crate::record::{RunStatus, StageCondition, Tags, VersionRecord, VersionSummary};

/// A version that shall move to another stage, and all that a policy wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// What it is called.
    pub version: &'a Name,
    /// Its description; empty if it has none.
    pub description: &'a str,
    /// Its tags.
    pub tags: &'a Tags,
    /// The status of its run; nothing if the run is not known.
    pub run_status: Option<RunStatus>,
    /// Its files. Counting may stop at what [`Policy::min_files`] asks for.
    pub files: u64,
    /// The stages it has been in, the oldest first; the last one is where it is.
    pub stays: &'a [Stay],
    /// The stage that it is in.
    pub from: &'a Name,
    /// The stage that it shall be in.
    pub to: &'a Name,
    /// The reason that was given; empty if none was.
    pub reason: &'a str,
    /// The message that was given; empty if none was.
    pub message: &'a str,
    /// Who moves it, as `NAME <EMAIL>`.
    pub author: &'a str,
    /// The time.
    pub now: Timestamp,
    /// Who is in the stages that [`Policy::crowded_by`] names; others do not matter, the version
    /// itself may be among them.
    pub occupants: &'a [Occupant],
}

/// A stage that a version came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The stage.
    pub stage: Name,
    /// When it came there.
    pub since: Timestamp,
}

/// A version in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// What it is called.
    pub version: Name,
    /// The stage it is in.
    pub stage: Name,
    /// Since when.
    pub since: Timestamp,
}

impl Stay {
    /// The stages that a version has been in, the oldest first.
    pub fn all_of(version: &VersionRecord) -> Vec<Stay> {
        let entered = version.stage_conditions.iter().filter(|condition| condition.status);
        let stay = |condition: &StageCondition| Stay {
            stage: condition.stage.clone(),
            since: condition.last_transition_time,
        };
        entered.map(stay).collect()
    }
}

impl From<&VersionSummary> for Occupant {
    fn from(version: &VersionSummary) -> Self {
        Occupant {
            version: version.name.clone(),
            stage: version.stage.clone(),
            since: version.staged_at,
        }
    }
}

/// What a policy says of a move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rules that refuse it; none: it is allowed.
    pub failed: Vec<RuleFailure>,
    /// Who makes room for it if it is allowed, in the order in which they go.
    pub displaced: Vec<Displaced>,
}

/// A rule that refuses a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFailure {
    /// Its key in the policy: `moves`, `stage.production.reason`.
    pub rule: String,
    /// Why.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// A version that makes room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Displaced {
    /// What it is called.
    pub version: Name,
    /// The stage that it leaves.
    pub from: Name,
    /// Where it goes.
    pub to: Name,
}

impl Verdict {
    /// Whether no rule refuses.
    pub fn is_allowed(&self) -> bool {
        self.failed.is_empty()
    }

    /// Who makes room; fails with [`Policy`](ErrorKind::Policy) if a rule refuses, and names each
    /// that does as a cause of its own.
    pub fn into_displaced(self, change: &Move<'_>) -> Result<Vec<Displaced>> {
        let Move { version, from, to, .. } = change;
        self.or_refuse(|| format!("the policy refuses to move '{version}' from {from} to {to}"))
    }

    /// As [`Verdict::into_displaced`], where `message` says what is refused.
    pub(super) fn or_refuse(self, message: impl FnOnce() -> String) -> Result<Vec<Displaced>> {
        if self.failed.is_empty() {
            return Ok(self.displaced);
        }
        let hints: Vec<&str> =
            self.failed.iter().filter_map(|failure| failure.hint.as_deref()).collect();
        let hint = hints.join("; ");
        let mut error = Error::new(ErrorKind::Policy, message());
        let chain = self.failed.into_iter().rev().fold(None, |next, failure| {
            Some(Box::new(Refusal { text: format!("{}: {}", failure.rule, failure.message), next }))
        });
        if let Some(chain) = chain {
            error = error.with_source(chain);
        }
        Err(if hint.is_empty() { error } else { error.with_hint(hint) })
    }
}

/// One rule of those that refuse; the others are its causes.
#[derive(Debug)]
struct Refusal {
    text: String,
    next: Option<Box<Refusal>>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

impl Policy {
    /// Whether `change` is allowed, by every rule. Changes nothing.
    ///
    /// Fails with [`Invalid`](ErrorKind::Invalid) if its stage is not one of the project's.
    pub fn check(&self, change: &Move<'_>) -> Result<Verdict> {
        self.check_stage(change.to)?;
        let mut verdict = Verdict::default();
        verdict.failed.extend(self.check_moves(change));
        if let Some(rules) = self.stage.get(change.to) {
            rules.check(change, &mut verdict.failed);
        }
        match self.make_room(change) {
            Ok(displaced) => verdict.displaced = displaced,
            Err(failure) => verdict.failed.push(failure),
        }
        Ok(verdict)
    }

    /// Whether the files of a version may still be others: where there are rules, until it has left
    /// the first stage. Else what was looked at, or has waited in a stage, would not be what is
    /// released.
    ///
    /// Fails with [`Policy`](ErrorKind::Policy).
    pub fn check_files(&self, version: &Name, stays: &[Stay]) -> Result<()> {
        let Some(left) = stays.iter().find(|stay| stay.stage != *self.first_stage()) else {
            return Ok(());
        };
        if self.is_free() {
            return Ok(());
        }
        let message = format!(
            "'{version}' has been in {}, so under the policy its files stay as they are",
            left.stage
        );
        Err(Error::new(ErrorKind::Policy, message).with_hint("register them as a new version"))
    }

    fn check_moves(&self, change: &Move<'_>) -> Option<RuleFailure> {
        let allowed = self.moves.as_ref()?;
        let leaves = |from: &Option<Name>| from.as_ref().is_none_or(|from| from == change.from);
        let enters = |to: &Option<Name>| to.as_ref().is_none_or(|to| to == change.to);
        if change.from == change.to
            || allowed.iter().any(|allowed| leaves(&allowed.from) && enters(&allowed.to))
        {
            return None;
        }
        let open: Vec<&str> = allowed
            .iter()
            .filter(|allowed| leaves(&allowed.from))
            .filter_map(|allowed| allowed.to.as_ref())
            .map(Name::as_str)
            .collect();
        let (from, to) = (change.from, change.to);
        let open = match open.as_slice() {
            [] => format!("no version leaves {from}"),
            open => format!("from {from} it goes to {}", open.join(", ")),
        };
        let message = format!("a move from {from} to {to} is not allowed; {open}");
        Some(RuleFailure { rule: "moves".to_owned(), message, hint: None })
    }

    /// Who leaves the stage that `change` enters, and the stages behind it.
    fn make_room(&self, change: &Move<'_>) -> Result<Vec<Displaced>, RuleFailure> {
        let mut displaced: BTreeMap<&Name, Displaced> = BTreeMap::new();
        let mut order: Vec<&Name> = Vec::new();
        let mut stage = change.to;
        // Those who come to `stage`, the longest in their last one first; before them, the version.
        let mut coming: Vec<&Occupant> = Vec::new();
        let mut newcomer = usize::from(change.from != change.to);
        while newcomer + coming.len() > 0 {
            let Some(rules) = self.stage.get(stage) else { break };
            let Some(capacity) = rules.capacity else { break };
            let there = change.in_stage(stage);
            let room = usize::try_from(capacity.get()).unwrap_or(usize::MAX);
            let excess = (there.len() + coming.len() + newcomer).saturating_sub(room);
            if excess == 0 {
                break;
            }
            let Some(target) = &rules.displaced else {
                return Err(full(stage, capacity.get(), &there, change));
            };
            let leaving: Vec<&Occupant> = there.into_iter().chain(coming).take(excess).collect();
            for occupant in &leaving {
                let version = &occupant.version;
                if !displaced.contains_key(version) {
                    order.push(version);
                }
                let from = occupant.stage.clone();
                let go = Displaced { version: version.clone(), from, to: target.clone() };
                displaced.insert(version, go);
            }
            (coming, newcomer, stage) = (leaving, 0, target);
        }
        Ok(order.into_iter().filter_map(|version| displaced.remove(version)).collect())
    }
}

fn full(stage: &Name, capacity: u32, there: &[&Occupant], change: &Move<'_>) -> RuleFailure {
    const SHOWN: usize = 5;
    let names: Vec<&str> =
        there.iter().take(SHOWN).map(|occupant| occupant.version.as_str()).collect();
    let more = match there.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let whom = if stage == change.to { "" } else { ", so nothing can be displaced to it" };
    RuleFailure {
        rule: format!("stage.{stage}.capacity"),
        message: format!("{stage} holds {capacity} and is full ({}{more}){whom}", names.join(", ")),
        hint: names.first().map(|version| format!("make room: art stage {version} STAGE")),
    }
}

impl StageRules {
    /// Adds what refuses `change`, in the order of the keys in the documentation.
    pub(super) fn check(&self, change: &Move<'_>, failed: &mut Vec<RuleFailure>) {
        let (version, to) = (change.version, change.to);
        let mut fail = |rule: &str, message: String, hint: Option<String>| {
            failed.push(RuleFailure { rule: format!("stage.{to}.{rule}"), message, hint });
        };
        if self.reason && change.reason.trim().is_empty() {
            fail("reason", "a reason is needed".to_owned(), Some("add --reason REASON".to_owned()));
        }
        if self.message && change.message.trim().is_empty() {
            let hint = "add --message MESSAGE".to_owned();
            fail("message", "a message is needed".to_owned(), Some(hint));
        }
        if self.description && change.description.trim().is_empty() {
            let hint = format!("art update {version} --description DESCRIPTION");
            fail("description", "the version has no description".to_owned(), Some(hint));
        }
        let missing: Vec<&str> =
            self.tags.iter().filter(|tag| !change.tags.contains(tag)).collect();
        if !missing.is_empty() {
            let missing = missing.join(",");
            let hint = format!("art update {version} --add-tag '{missing}'");
            fail("tags", format!("the version lacks the tags {missing}"), Some(hint));
        }
        self.check_source(change, &mut fail);
        for after in &self.after {
            if let Some((message, hint)) = after.defect(change) {
                fail("after", message, hint);
            }
        }
        if !self.who.is_empty() && !self.who.iter().any(|who| fits_author(who, change.author)) {
            let (author, who) = (change.author, self.who.join(", "));
            fail("who", format!("{author} is none of those who may: {who}"), None);
        }
    }
}

impl StageRules {
    /// Checks the run and the files that the version was made from.
    fn check_source(&self, change: &Move<'_>, fail: &mut dyn FnMut(&str, String, Option<String>)) {
        let is_allowed =
            |status: &RunStatus| self.run_status.is_empty() || self.run_status.contains(status);
        match change.run_status {
            Some(status) if is_allowed(&status) => {}
            None if self.run_status.is_empty() => {}
            status => {
                let words: Vec<&str> = self.run_status.iter().map(|word| word.as_str()).collect();
                let status = status.map_or("unknown", RunStatus::as_str);
                let message =
                    format!("the run's status is {status}, which has to be {}", words.join(" or "));
                let hint = "register a version of a run with that status: art runs".to_owned();
                fail("run_status", message, Some(hint));
            }
        }
        if let Some(least) = self.min_files.filter(|least| change.files < u64::from(least.get())) {
            let files = if change.files == 1 { "file" } else { "files" };
            let message =
                format!("the version has {} {files}; the stage needs {least}", change.files);
            fail("min_files", message, Some("upload the files and register again".to_owned()));
        }
    }
}

impl After {
    /// Why the version's past is not enough, and what can be done.
    fn defect(&self, change: &Move<'_>) -> Option<(String, Option<String>)> {
        let stage = &self.stage;
        let Some(longest) = change.longest(stage) else {
            let message = format!("the version was never in {stage}");
            return Some((message, Some(format!("art stage {} {stage}", change.version))));
        };
        let wanted = self.span?;
        let needed =
            i64::try_from(wanted.duration().as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        if longest.seconds >= needed {
            return None;
        }
        let was = Span::new(std::time::Duration::from_secs(longest.seconds.unsigned_abs()));
        let message = format!("the version was in {stage} for {was}, not for {wanted}");
        let until =
            Timestamp::from_seconds(change.now.seconds().saturating_add(needed - longest.seconds));
        Some((message, longest.goes_on.then(|| format!("wait until {until}"))))
    }
}

/// The longest time in a stage without a break.
struct Longest {
    seconds: i64,
    /// It is the stay that goes on.
    goes_on: bool,
}

impl Move<'_> {
    /// The longest of the stays in `stage`; of equal ones the last. A clock that was set back makes
    /// a stay of no length, never one that is too long.
    fn longest(&self, stage: &Name) -> Option<Longest> {
        let mut longest: Option<Longest> = None;
        let mut stays = self.stays.iter().peekable();
        while let Some(stay) = stays.next() {
            while stays.peek().is_some_and(|next| next.stage == stay.stage) {
                stays.next();
            }
            if stay.stage != *stage {
                continue;
            }
            let end = stays.peek().map_or(self.now, |next| next.since.min(self.now));
            let seconds = end.seconds().saturating_sub(stay.since.seconds()).max(0);
            if longest.as_ref().is_none_or(|longest| seconds >= longest.seconds) {
                longest = Some(Longest { seconds, goes_on: stays.peek().is_none() });
            }
        }
        longest
    }

    /// The other versions in `stage`, the longest there first.
    pub(super) fn in_stage(&self, stage: &Name) -> Vec<&Occupant> {
        let others = self.occupants.iter().filter(|other| other.version != *self.version);
        let mut there: Vec<&Occupant> = others.filter(|other| other.stage == *stage).collect();
        there.sort_by(|a, b| (a.since, &a.version).cmp(&(b.since, &b.version)));
        there
    }
}
