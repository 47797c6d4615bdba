//! Tests of the retention rules.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::clock::Timestamp;
use crate::record::Tags;

fn retention(text: &str) -> Result<Retention, PolicyDefect> {
    Retention::from_table(&toml::from_str(text).unwrap())
}

fn span(days: u64) -> Span {
    format!("{days}d").parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The day of the week (Monday is 0), the ISO week and its year, and the month and year of a day,
/// counted step by step from 2026-01-01, a Thursday in the first ISO week of the year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Calendar {
    year: i64,
    month: i64,
    day: i64,
    weekday: i64,
    week: (i64, i64),
}

impl Calendar {
    fn next(self) -> Self {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut next = Calendar { day: self.day + 1, weekday: (self.weekday + 1) % 7, ..self };
        if next.day > lengths[next.month as usize - 1] {
            (next.day, next.month) = (1, next.month + 1);
        }
        if next.month > 12 {
            (next.month, next.year) = (1, next.year + 1);
        }
        if next.weekday == 0 {
            // The years 2026 and 2027 have 53 and 52 weeks.
            let last = if next.week.0 == 2026 { 53 } else { 52 };
            next.week = if next.week.1 == last {
                (next.week.0 + 1, 1)
            } else {
                (next.week.0, next.week.1 + 1)
            };
        }
        next
    }
}

/// A simulated run: its time, its tags, and the calendar in words.
struct Simulated {
    time: Timestamp,
    tags: Tags,
    hour: i64,
    date: Calendar,
}

/// Runs on 400 days: none on some days, several on others, some of them tagged.
fn simulate() -> Vec<Simulated> {
    const START: i64 = 1_767_225_600;
    let mut date = Calendar { year: 2026, month: 1, day: 1, weekday: 3, week: (2026, 1) };
    let mut runs = Vec::new();
    for day in 0..400i64 {
        for number in 0..(day * day + 3 * day) % 4 {
            let hour = (7 * number + day) % 24;
            let seconds = START + day * 86_400 + hour * 3_600 + number * 17;
            let tags = if (day + number) % 29 == 0 { "keep" } else { "" };
            runs.push(Simulated {
                time: Timestamp::from_seconds(seconds),
                tags: Tags::parse(tags).unwrap(),
                hour,
                date,
            });
        }
        date = date.next();
    }
    // The planner must not rely on an order.
    let middle = runs.len() / 2;
    runs.rotate_left(middle);
    runs
}

/// The reference: the newest run of each period, and then the last periods.
fn newest_of_last_periods<K: Ord>(
    runs: &[Simulated],
    count: u32,
    period: impl Fn(&Simulated) -> K,
) -> BTreeSet<usize> {
    let mut newest: BTreeMap<K, usize> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        let best = newest.entry(period(run)).or_insert(number);
        if runs[*best].time < run.time {
            *best = number;
        }
    }
    newest.into_values().rev().take(count as usize).collect()
}

fn reference(
    keep: &Keep,
    minimum_age: Option<u64>,
    runs: &[Simulated],
    now: Timestamp,
) -> BTreeSet<usize> {
    let [hourly, daily, weekly, monthly, yearly] = keep.periods;
    let mut kept = newest_of_last_periods(runs, keep.last, |run| run.time);
    kept.extend(newest_of_last_periods(runs, hourly, |run| (run.date, run.hour)));
    kept.extend(newest_of_last_periods(runs, daily, |run| run.date));
    kept.extend(newest_of_last_periods(runs, weekly, |run| run.date.week));
    kept.extend(newest_of_last_periods(runs, monthly, |run| (run.date.year, run.date.month)));
    kept.extend(newest_of_last_periods(runs, yearly, |run| run.date.year));
    let within = keep.within.map(|span| span.duration().as_secs() as i64);
    let youngest = within.into_iter().chain(minimum_age.map(|days| days as i64 * 86_400)).max();
    for (number, run) in runs.iter().enumerate() {
        let is_young = youngest.is_some_and(|age| run.time.seconds() > now.seconds() - age);
        let is_tagged = run.tags.iter().any(|tag| keep.tags.iter().any(|wanted| wanted == tag));
        if is_young || is_tagged {
            kept.insert(number);
        }
    }
    kept
}

#[test]
fn four_hundred_days_of_runs_expire_as_the_reference_says() {
    let runs = simulate();
    assert!(runs.len() > 300);
    let keep = Keep::default();
    let tags = vec!["keep".to_owned()];
    let sets = [
        (Keep { last: 1, ..keep.clone() }, None),
        (Keep { last: 7, ..keep.clone() }, Some(7)),
        (Keep { within: Some(span(14)), ..keep.clone() }, None),
        (Keep { periods: [24, 0, 0, 0, 0], ..keep.clone() }, None),
        (Keep { periods: [0, 14, 0, 0, 0], ..keep.clone() }, None),
        (Keep { periods: [0, 0, 60, 0, 0], ..keep.clone() }, None),
        (Keep { periods: [0, 0, 0, 12, 0], ..keep.clone() }, None),
        (Keep { periods: [0, 0, 0, 0, 5], ..keep.clone() }, None),
        (Keep { last: 7, periods: [0, 14, 8, 12, 0], ..keep.clone() }, Some(7)),
        (Keep { tags: tags.clone(), ..keep.clone() }, None),
        (Keep { tags, periods: [48, 7, 5, 12, 75], ..keep.clone() }, Some(30)),
        (Keep { within: Some(span(90)), periods: [0, 0, 0, 3, 2], last: 2, ..keep }, Some(1)),
    ];
    let candidates: Vec<Candidate<'_>> =
        runs.iter().map(|run| Candidate { time: run.time, tags: &run.tags }).collect();
    for now in [at("2027-02-05T00:00:00Z"), at("2027-06-01T12:34:56Z"), at("2026-10-01T00:00:00Z")]
    {
        for (number, (keep, minimum_age)) in sets.iter().enumerate() {
            let rules = Retention { minimum_age: minimum_age.map(span), ..Retention::default() };
            let kept = rules.decide(keep, &candidates, now);
            let kept: BTreeSet<usize> =
                (0..kept.len()).filter(|run| kept[*run].is_some()).collect();
            assert_eq!(kept, reference(keep, *minimum_age, &runs, now), "rules {number} at {now}");
        }
    }
}

#[test]
fn sunday_snapshots_of_ten_weeks_are_kept_as_restic_documents_it() {
    // The example of restic's manual: snapshots on ten Sundays, and `--keep-daily 4` keeps the last
    // four of them; `--keep-weekly 4` as well.
    let tags = Tags::default();
    let times: Vec<Timestamp> =
        (0..10).map(|week| Timestamp::from_seconds(1_507_464_000 + week * 7 * 86_400)).collect();
    let candidates: Vec<Candidate<'_>> =
        times.iter().map(|time| Candidate { time: *time, tags: &tags }).collect();
    for period in [1, 2] {
        let mut keep = Keep::default();
        keep.periods[period] = 4;
        let kept = Retention::default().decide(&keep, &candidates, at("2026-01-01"));
        let kept: Vec<bool> = kept.iter().map(Option::is_some).collect();
        assert_eq!(kept, [[false; 6].as_slice(), [true; 4].as_slice()].concat());
    }
}

#[test]
fn ten_thousand_runs_of_one_moment_are_kept_in_their_order() {
    let tags = Tags::default();
    let candidates = vec![Candidate { time: at("2026-11-01"), tags: &tags }; 10_000];
    let keep = Keep { last: 3, periods: [1, 1, 1, 1, 1], ..Keep::default() };
    let kept = Retention::default().decide(&keep, &candidates, at("2026-12-01"));
    let kept: Vec<usize> = (0..kept.len()).filter(|run| kept[*run].is_some()).collect();
    assert_eq!(kept, [0, 1, 2]);
}

#[test]
fn rules_are_read_in_order_with_all_their_keys() {
    let rules = retention(
        r#"
        [[rule]]
        runs = "name: nightly%"
        keep_within = "14d"
        keep_last = 7
        keep_hourly = 1
        keep_daily = 2
        keep_weekly = 3
        keep_monthly = 4
        keep_yearly = 5
        keep_tags = ["keep"]
        [[rule]]
        versions = "stage: testing"
        keep_last = 1
        "#,
    )
    .unwrap();
    let [first, second] = rules.rules() else { panic!("{rules:?}") };
    let keep = Keep {
        within: Some(span(14)),
        last: 7,
        periods: [1, 2, 3, 4, 5],
        tags: vec!["keep".to_owned()],
    };
    assert_eq!((first.kind, &first.keep), (RetentionKind::Runs, &keep));
    assert_eq!(first.to_string(), "runs: name: nightly%");
    assert_eq!(second.kind, RetentionKind::Versions);
}

#[test]
fn unknown_keys_come_from_a_newer_program() {
    for text in ["half_life = 1", "[[rule]]\nruns = \"\"\nkeep_last = 1\nkeep_best = 1"] {
        assert!(matches!(retention(text), Err(PolicyDefect::Unknown { .. })), "{text}");
    }
    for text in ["rule = 1", "[[rule]]\nkeep_last = 1", "who = []", "minimum_age = 7"] {
        assert!(matches!(retention(text), Err(PolicyDefect::Invalid { .. })), "{text}");
    }
}

#[test]
fn a_rule_over_versions_must_be_limited_to_the_first_stage_and_disabled() {
    let check = |query: &str| {
        let text = format!("[[rule]]\nversions = \"{query}\"\nkeep_last = 1");
        retention(&text).unwrap().check(&Policy::default())
    };
    for query in [
        "stage: testing",
        "stage: disabled|testing, name: v%",
        "(stage: testing, kind: model) OR stage: disabled",
    ] {
        assert!(check(query).is_ok(), "{query}");
    }
    for query in [
        "",
        "name: v%",
        "stage: production",
        "stage: testing|staging",
        "stage: ~staging",
        "stage: %",
        "stage: testing OR name: v%",
    ] {
        assert!(check(query).is_err(), "{query}");
    }
}

#[test]
fn authors_are_limited_by_patterns() {
    let rules = retention("who = [\"*@example.org\"]").unwrap();
    assert!(rules.allows("Ada <ada@example.org>"));
    assert!(!rules.allows("Eve <eve@evil.net>"));
    assert!(Retention::default().allows("Eve <eve@evil.net>"));
}
