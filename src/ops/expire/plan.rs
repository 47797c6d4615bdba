//! Applies the rules of a project to its runs and versions.

use std::collections::{HashMap, HashSet};

use super::uploads::{Upload, live_uploads};
use super::{ExpireKind, ExpireRow, Rules};
use crate::catalog::version::read_all_versions;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::ops::runs::{RunRow, RunsOptions, list};
use crate::progress::{Progress, check_interrupt};
use crate::record::policy::{Candidate, RetentionKind, RetentionRule};
use crate::record::query::Fields;
use crate::record::{RunStatus, Tags};
use crate::repo::Repository;
use crate::threads;

/// The number of runs whose history a thread reads between two checks for an interrupt.
const BATCH: usize = 64;

/// The tags of commits.
pub(super) type TaggedCommits = HashMap<Id, Name>;

/// Returns the commits that tags of any project keep.
pub(super) fn tagged_commits(repo: &Repository) -> Result<TaggedCommits> {
    let history = repo.history();
    let tags = history.refs(&format!("refs/{}/", RefKind::Tag.directory()))?;
    tags.into_iter().map(|(name, id)| Ok((history.peel(&id)?, name.name().clone()))).collect()
}

/// Returns the tag that keeps the files of an upload.
pub(super) fn tag_of<'t>(tagged: &'t TaggedCommits, upload: &Upload) -> Option<&'t Name> {
    upload.commits.iter().find_map(|commit| tagged.get(commit))
}

/// A run or version that a rule decides about.
struct Member<'a> {
    reference: &'a RefName,
    commit: Id,
    tags: &'a Tags,
    time: Timestamp,
    /// The reason that no rule overrides.
    protected: Option<String>,
}

/// Plans what expires by the rules of `project`. Objects that no rule is about are left out.
pub(super) fn by_rules(
    repo: &Repository,
    project: &ProjectName,
    rules: &Rules,
    progress: &dyn Progress,
) -> Result<Vec<ExpireRow>> {
    let now = repo.settings().clock.now();
    let tagged = tagged_commits(repo)?;
    let options = RunsOptions::default().project(project.clone());
    let has = |kind| rules.retention.rules().iter().any(|rule| rule.kind == kind);
    let mut rows = Vec::new();
    if has(RetentionKind::Runs) || has(RetentionKind::Uploads) {
        let runs = list(repo, &options, progress)?.runs;
        let planner = RunPlanner { repo, rules, tagged: &tagged, now, progress };
        planner.plan_runs(&runs, &mut rows)?;
        planner.plan_uploads(&runs, &mut rows)?;
    }
    if has(RetentionKind::Versions) {
        plan_versions(repo, project, rules, &tagged, &mut rows, progress)?;
    }
    Ok(rows)
}

/// Groups `objects` by the first rule of `kind` whose query matches.
fn by_first_rule<'r, 'o, T>(
    rules: &'r Rules,
    kind: RetentionKind,
    objects: &'o [T],
    matches: impl Fn(&RetentionRule, &T) -> bool,
) -> Vec<(&'r RetentionRule, Vec<&'o T>)> {
    let rules = rules.retention.rules().iter().filter(|rule| rule.kind == kind);
    let mut groups: Vec<(&RetentionRule, Vec<&T>)> = rules.map(|rule| (rule, Vec::new())).collect();
    for object in objects {
        if let Some((_, group)) = groups.iter_mut().find(|(rule, _)| matches(rule, object)) {
            group.push(object);
        }
    }
    groups
}

/// Decides about the members of one rule.
fn decide(
    (rules, rule, now): (&Rules, &RetentionRule, Timestamp),
    kind: ExpireKind,
    members: Vec<Member<'_>>,
    rows: &mut Vec<ExpireRow>,
) {
    let candidate = |member: &Member<'_>| (member.time, member.tags.clone());
    let owned: Vec<(Timestamp, Tags)> = members.iter().map(candidate).collect();
    let candidates: Vec<Candidate<'_>> =
        owned.iter().map(|(time, tags)| Candidate { time: *time, tags }).collect();
    let kept = rules.retention.decide(&rule.keep, &candidates, now);
    for (member, kept) in members.into_iter().zip(kept) {
        let kept_by = member.protected.or_else(|| kept.map(str::to_owned));
        rows.push(ExpireRow {
            kind,
            name: member.reference.name().clone(),
            project: member.reference.project().clone(),
            commit: member.commit,
            last_upload: member.time,
            files: 0,
            bytes: 0,
            frees: 0,
            expires: kept_by.is_none(),
            rule: rule.to_string(),
            kept_by,
            through: member.commit,
        });
    }
}

/// Plans runs and their uploads.
struct RunPlanner<'a> {
    repo: &'a Repository,
    rules: &'a Rules,
    tagged: &'a TaggedCommits,
    now: Timestamp,
    progress: &'a dyn Progress,
}

impl RunPlanner<'_> {
    fn group<'o>(
        &self,
        kind: RetentionKind,
        runs: &'o [RunRow],
    ) -> Vec<(&RetentionRule, Vec<&'o RunRow>)> {
        by_first_rule(self.rules, kind, runs, |rule, run| rule.query.matches(&run.fields()))
    }

    /// Reads the live uploads of runs in parallel.
    fn uploads(&self, runs: &[&RunRow], limit: usize) -> Result<Vec<Vec<Upload>>> {
        threads::map_in_batches(self.repo.settings().threads, BATCH, runs, &|batch| {
            check_interrupt(self.progress)?;
            batch.iter().map(|run| live_uploads(self.repo, run.commit, limit)).collect()
        })
    }

    fn plan_runs(&self, runs: &[RunRow], rows: &mut Vec<ExpireRow>) -> Result<()> {
        for (rule, group) in self.group(RetentionKind::Runs, runs) {
            let uploads = self.uploads(&group, 1)?;
            let members = group.into_iter().zip(uploads).filter_map(|(run, uploads)| {
                let upload = uploads.into_iter().next()?;
                let tag = tag_of(self.tagged, &upload).map(|tag| format!("tag {tag}"));
                Some(Member {
                    reference: &run.reference,
                    commit: run.commit,
                    tags: &run.record.tags,
                    time: upload.time,
                    protected: is_busy(run).map(str::to_owned).or(tag),
                })
            });
            decide((self.rules, rule, self.now), ExpireKind::Run, members.collect(), rows);
        }
        Ok(())
    }

    /// Plans superseded uploads. A record expires an upload with all before it, so only uploads
    /// older than every kept one expire.
    fn plan_uploads(&self, runs: &[RunRow], rows: &mut Vec<ExpireRow>) -> Result<()> {
        let gone: HashSet<Id> =
            rows.iter().filter(|row| row.expires).map(|row| row.commit).collect();
        for (rule, group) in self.group(RetentionKind::Uploads, runs) {
            let is_open = |run: &&RunRow| is_busy(run).is_none() && !gone.contains(&run.commit);
            let group: Vec<&RunRow> = group.into_iter().filter(is_open).collect();
            let uploads = self.uploads(&group, usize::MAX)?;
            for (run, uploads) in group.into_iter().zip(uploads) {
                let tags = &run.record.tags;
                let candidates: Vec<Candidate<'_>> =
                    uploads.iter().map(|upload| Candidate { time: upload.time, tags }).collect();
                let kept = self.rules.retention.decide(&rule.keep, &candidates, self.now);
                // The newest upload is never superseded.
                let oldest_kept = kept.iter().rposition(Option::is_some).unwrap_or(0);
                let Some(newest) = uploads.get(oldest_kept + 1) else { continue };
                rows.push(ExpireRow {
                    kind: ExpireKind::Uploads,
                    name: run.reference.name().clone(),
                    project: run.reference.project().clone(),
                    commit: run.commit,
                    last_upload: newest.time,
                    files: 0,
                    bytes: 0,
                    frees: 0,
                    expires: true,
                    rule: rule.to_string(),
                    kept_by: None,
                    through: newest.commits[0],
                });
            }
        }
        Ok(())
    }
}

/// Returns the reason if the run is in use.
fn is_busy(run: &RunRow) -> Option<&'static str> {
    if run.current {
        return Some("current run");
    }
    (run.record.status == RunStatus::Running).then_some("running")
}

fn plan_versions(
    repo: &Repository,
    project: &ProjectName,
    rules: &Rules,
    tagged: &TaggedCommits,
    rows: &mut Vec<ExpireRow>,
    progress: &dyn Progress,
) -> Result<()> {
    let versions = read_all_versions(repo, Some(project), progress)?.versions;
    let now = repo.settings().clock.now();
    let matches = |rule: &RetentionRule, version: &_| rule.query.matches(version as &dyn Fields);
    for (rule, group) in by_first_rule(rules, RetentionKind::Versions, &versions, matches) {
        let mut members = Vec::new();
        for version in group {
            let summary = &version.summary;
            let uploads = live_uploads(repo, version.commit, 1)?;
            let Some(upload) = uploads.into_iter().next() else { continue };
            let is_free = rules.policy.lets_expire(&summary.stage);
            let stage = (!is_free).then(|| format!("stage {}", summary.stage));
            let tag = tag_of(tagged, &upload).map(|tag| format!("tag {tag}"));
            members.push(Member {
                reference: &version.reference,
                commit: version.commit,
                tags: &summary.tags,
                time: upload.time.max(summary.staged_at),
                protected: stage.or(tag),
            });
        }
        decide((rules, rule, now), ExpireKind::Version, members, rows);
    }
    Ok(())
}
