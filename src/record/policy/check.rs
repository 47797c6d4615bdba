//! Checks one move against a policy: the rules that refuse it, and the versions that it displaces.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::pattern::fits_author;
use super::{After, Policy, StageRules};
use crate::clock::{Span, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::name::Name;
use crate::record::{RunStatus, StageCondition, Tags, VersionRecord, VersionSummary};

/// A move of a version to a stage, with every fact that a policy checks.
#[derive(Debug, Clone, Copy)]
pub struct ProposedMove<'a> {
    /// The version's name.
    pub version: &'a Name,
    /// The version's description; may be empty.
    pub description: &'a str,
    /// The version's tags.
    pub tags: &'a Tags,
    /// The status of the version's run, if the run is known.
    pub run_status: Option<RunStatus>,
    /// The number of files. Counting may stop at [`Policy::min_files`].
    pub files: u64,
    /// The version's stages, oldest first. The last one is its current stage.
    pub stays: &'a [Stay],
    /// The current stage.
    pub from: &'a Name,
    /// The new stage.
    pub to: &'a Name,
    /// The reason; may be empty.
    pub reason: &'a str,
    /// The message; may be empty.
    pub message: &'a str,
    /// The author of the move, as `NAME <EMAIL>`.
    pub author: &'a str,
    /// The current time.
    pub now: Timestamp,
    /// The versions in the stages that [`Policy::crowded_by`] returns. Other stages do not matter.
    /// The moved version may be among them.
    pub occupants: &'a [Occupant],
}

/// A stage that a version entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The stage.
    pub stage: Name,
    /// When the version entered the stage.
    pub since: Timestamp,
}

/// A version in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// The version's name.
    pub version: Name,
    /// The stage.
    pub stage: Name,
    /// When the version entered the stage.
    pub since: Timestamp,
}

impl Stay {
    /// Lists the stages that a version has been in, oldest first.
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

/// The result of checking a move against a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The rules that refuse the move. If there are none, the move is allowed.
    pub failed: Vec<RuleFailure>,
    /// The versions that an allowed move displaces, in the order in which they move.
    pub displaced: Vec<Displaced>,
}

/// A rule that refuses a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFailure {
    /// Its key in the policy: `moves`, `stage.production.reason`.
    pub rule: String,
    /// The reason.
    pub message: String,
    /// How to satisfy the rule.
    pub hint: Option<String>,
}

/// A version that leaves a full stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Displaced {
    /// The version's name.
    pub version: Name,
    /// The old stage.
    pub from: Name,
    /// The new stage.
    pub to: Name,
}

impl Verdict {
    /// Returns true if no rule refuses the move.
    pub fn is_allowed(&self) -> bool {
        self.failed.is_empty()
    }

    /// Returns the displaced versions. If rules refuse the move, fails with
    /// [`Policy`](ErrorKind::Policy) and names each rule as a separate cause.
    pub fn into_displaced(self, change: &ProposedMove<'_>) -> Result<Vec<Displaced>> {
        let ProposedMove { version, from, to, .. } = change;
        self.or_refuse(|| format!("the policy refuses to move '{version}' from {from} to {to}"))
    }

    /// Like [`Verdict::into_displaced`], with `message` as the text of the error.
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

/// One refusing rule. The remaining rules are its causes.
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
    /// Checks `change` against every rule, without moving any version.
    ///
    /// Fails with [`Invalid`](ErrorKind::Invalid) if the project does not have the new stage.
    pub fn check(&self, change: &ProposedMove<'_>) -> Result<Verdict> {
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

    /// Checks that the files of a version may still change. If the policy has rules, the files are
    /// fixed as soon as the version leaves the first stage. Otherwise the released files could
    /// differ from the files that were reviewed or that waited in a stage.
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
            "'{version}' has been in {}, so the policy does not allow its files to change",
            left.stage
        );
        Err(Error::new(ErrorKind::Policy, message).with_hint("register them as a new version"))
    }

    fn check_moves(&self, change: &ProposedMove<'_>) -> Option<RuleFailure> {
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
            open => format!("from {from}, allowed stages are {}", open.join(", ")),
        };
        let message = format!("a move from {from} to {to} is not allowed; {open}");
        Some(RuleFailure { rule: "moves".to_owned(), message, hint: None })
    }

    /// Returns the versions that leave the stage that `change` enters, and the stages after it.
    fn make_room(&self, change: &ProposedMove<'_>) -> Result<Vec<Displaced>, RuleFailure> {
        let mut displaced: BTreeMap<&Name, Displaced> = BTreeMap::new();
        let mut order: Vec<&Name> = Vec::new();
        let mut stage = change.to;
        // The versions that enter `stage`, ordered by time in their last stage, longest first. The
        // moved version is counted separately, as `newcomer`, and comes before them.
        let mut coming: Vec<&Occupant> = Vec::new();
        let mut newcomer = usize::from(change.from != change.to);
        while newcomer + coming.len() > 0 {
            let Some(rules) = self.stage.get(stage) else { break };
            let Some(capacity) = rules.capacity else { break };
            let occupants = change.in_stage(stage);
            let room = usize::try_from(capacity.get()).unwrap_or(usize::MAX);
            let excess = (occupants.len() + coming.len() + newcomer).saturating_sub(room);
            if excess == 0 {
                break;
            }
            let Some(target) = &rules.displaced else {
                return Err(full(stage, capacity.get(), &occupants, change));
            };
            let leaving: Vec<&Occupant> =
                occupants.into_iter().chain(coming).take(excess).collect();
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

fn full(
    stage: &Name,
    capacity: u32,
    occupants: &[&Occupant],
    change: &ProposedMove<'_>,
) -> RuleFailure {
    const SHOWN: usize = 5;
    let names: Vec<&str> =
        occupants.iter().take(SHOWN).map(|occupant| occupant.version.as_str()).collect();
    let more = match occupants.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let whom = if stage == change.to { "" } else { ", so no version can be displaced to it" };
    RuleFailure {
        rule: format!("stage.{stage}.capacity"),
        message: format!("{stage} holds {capacity} and is full ({}{more}){whom}", names.join(", ")),
        hint: names.first().map(|version| format!("make room: art stage {version} STAGE")),
    }
}

impl StageRules {
    /// Adds every rule that refuses `change`, in the order of the documented keys.
    pub(super) fn check(&self, change: &ProposedMove<'_>, failed: &mut Vec<RuleFailure>) {
        let to = change.to;
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
        self.check_version(change, &mut fail);
        for after in &self.after {
            if let Some((message, hint)) = after.defect(change) {
                fail("after", message, hint);
            }
        }
        if !self.who.is_empty() && !self.who.iter().any(|who| fits_author(who, change.author)) {
            let (author, who) = (change.author, self.who.join(", "));
            fail(
                "who",
                format!("{author} is not allowed to move versions to this stage; allowed: {who}"),
                None,
            );
        }
    }

    /// Adds every rule about the version itself that refuses a new version: `description`, `tags`,
    /// `run_status` and `min_files`. The other rules are about moves.
    pub(super) fn check_new(&self, change: &ProposedMove<'_>, failed: &mut Vec<RuleFailure>) {
        self.check_version(change, &mut |rule, message, hint| {
            failed.push(RuleFailure { rule: format!("stage.{}.{rule}", change.to), message, hint });
        });
    }

    /// Checks what the version is, however it comes to the stage.
    fn check_version(
        &self,
        change: &ProposedMove<'_>,
        fail: &mut dyn FnMut(&str, String, Option<String>),
    ) {
        let version = change.version;
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
        self.check_source(change, fail);
    }
}

impl StageRules {
    /// Checks the version's run and files.
    fn check_source(
        &self,
        change: &ProposedMove<'_>,
        fail: &mut dyn FnMut(&str, String, Option<String>),
    ) {
        let is_allowed =
            |status: &RunStatus| self.run_status.is_empty() || self.run_status.contains(status);
        match change.run_status {
            Some(status) if is_allowed(&status) => {}
            None if self.run_status.is_empty() => {}
            status => {
                let words: Vec<&str> = self.run_status.iter().map(|word| word.as_str()).collect();
                let status = status.map_or("unknown", RunStatus::as_str);
                let message =
                    format!("the run's status is {status}; it must be {}", words.join(" or "));
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
    /// Returns the reason and the hint if the version's history does not satisfy the rule.
    fn defect(&self, change: &ProposedMove<'_>) -> Option<(String, Option<String>)> {
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

/// The longest uninterrupted time in a stage.
struct Longest {
    seconds: i64,
    /// True if the version is still in the stage.
    goes_on: bool,
}

impl ProposedMove<'_> {
    /// Finds the longest stay in `stage`; among equal stays, the last one. A clock that was set
    /// back produces a stay of length zero, never one that is too long.
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

    /// The other versions in `stage`, by time in the stage, longest first.
    pub(super) fn in_stage(&self, stage: &Name) -> Vec<&Occupant> {
        let others = self.occupants.iter().filter(|other| other.version != *self.version);
        let mut occupants: Vec<&Occupant> = others.filter(|other| other.stage == *stage).collect();
        occupants.sort_by(|a, b| (a.since, &a.version).cmp(&(b.since, &b.version)));
        occupants
    }
}
