//! No schedule of expirations, stages, tags and undos loses content that is promised.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts::catalog::revision::resolve;
use artifacts::catalog::run::NewRun;
use artifacts::clock::FixedClock;
use artifacts::history::Revision;
use artifacts::ops::download::{DownloadOptions, download};
use artifacts::ops::expire::{ExpireOptions, expire, plan_expire};
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::ops::gc::{GcOptions, gc};
use artifacts::ops::policy::{self, PolicySource, SetPolicyOptions};
use artifacts::ops::redo::redo;
use artifacts::ops::register::{RegisterOptions, RegisterSource, register};
use artifacts::ops::stage::{StageOptions, StageTarget, stage};
use artifacts::ops::tag::{TagOptions, tag};
use artifacts::ops::undo::{UndoOptions, undo};
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::ops::versions::{VersionsOptions, versions};
use artifacts::repo::Settings;
use artifacts::{ErrorKind, Name, NoProgress, Repository, Result};

use crate::damaged::base::settings;
use crate::noise::noise;

const RULES: &str = r#"
[[retention.rule]]
runs = "name: run%"
keep_within = "2s"
[[retention.rule]]
uploads = "name: %"
keep_last = 1
[[retention.rule]]
versions = "stage: testing|disabled"
keep_within = "2s"
"#;

const NAMES: [&str; 3] = ["0", "1", "2"];

struct World {
    directory: PathBuf,
    work: PathBuf,
    random: u64,
    steps: i64,
}

fn revision(text: &str) -> Revision {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl World {
    fn new(top: &Path, seed: u64) -> Self {
        let (directory, work) = (top.join("repo"), top.join("work"));
        for path in [&directory, &work] {
            std::fs::create_dir(path).unwrap();
        }
        let repo = Repository::create(&directory, settings()).unwrap();
        let directory = repo.directory().to_owned();
        policy::set(&repo, &SetPolicyOptions::new(PolicySource::Whole(RULES.to_owned()))).unwrap();
        World { directory, work, random: seed * 2 + 1, steps: 0 }
    }

    fn open(&self) -> Repository {
        let time = artifacts::clock::Timestamp::from_seconds(1_800_000_000 + self.steps);
        let clock = Arc::new(FixedClock(time));
        Repository::open(&self.directory, Settings { clock, ..settings() }).unwrap()
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % count
    }

    /// Does something, which may be refused.
    fn step(&mut self) -> (String, Result<()>) {
        self.steps += 1;
        let repo = self.open();
        let one = NAMES[self.pick(NAMES.len())];
        let (run, version) = (format!("run{one}"), name(&format!("v{one}")));
        let exists = |text: &str| resolve(&repo, &revision(text)).is_ok();
        let action = self.pick(10);
        let done = match action {
            0 | 1 => {
                let bytes = noise(self.pick(4) as u64, 3_000);
                std::fs::write(self.work.join("file"), bytes).unwrap();
                let is_known = exists(&format!("run/{run}"));
                let options = UploadOptions::new(&self.work, ["file"])
                    .run(is_known.then(|| name(&run)))
                    .new_run(NewRun { name: Some(name(&run)), ..NewRun::default() })
                    .always_new(!is_known);
                upload(&repo, &options, &mut std::io::empty(), &NoProgress).map(drop)
            }
            2 | 3 => {
                let source = RegisterSource::Run(name(&run));
                let options = RegisterOptions::new(version.clone()).source(source).force(true);
                register(&repo, &options, &mut std::io::empty(), &NoProgress).map(drop)
            }
            4 => {
                let to = name(["testing", "staging", "disabled"][self.pick(3)]);
                let options = StageOptions::new(revision(version.as_str()), StageTarget::Stage(to));
                stage(&repo, &options, &NoProgress).map(drop)
            }
            5 => {
                let at = Some(revision(&format!("run/{run}"))).filter(|_| self.pick(3) > 0);
                let options = TagOptions::new(name(&format!("t{one}"))).revision(at).force(true);
                tag(&repo, &options).map(drop)
            }
            6 | 7 => {
                let targets = match self.pick(3) {
                    0 => Vec::new(),
                    1 => vec![revision(&format!("run/{run}"))],
                    _ => vec![revision(version.as_str())],
                };
                let options = ExpireOptions::default().targets(targets);
                let plan = plan_expire(&repo, &options, &NoProgress);
                plan.and_then(|plan| expire(&repo, plan, "")).map(drop)
            }
            8 => undo(&repo, &UndoOptions::default(), &NoProgress).map(drop),
            _ => redo(&repo, &UndoOptions::default(), &NoProgress).map(drop),
        };
        (format!("{action} {one}"), done)
    }

    /// Removes what nothing needs, and checks that all promised content can still be read.
    fn check(&self, context: &str) {
        let repo = self.open();
        let options = GcOptions::default().prune(Some(std::time::Duration::ZERO)).full(true);
        gc(&repo, &options, &NoProgress).unwrap();
        let checked = fsck(&repo, &FsckOptions::default().full(true), &NoProgress).unwrap();
        assert!(checked.sound, "{context}: {:?}", checked.defects);
        let listed = versions(&repo, &VersionsOptions::default(), &NoProgress).unwrap().versions;
        let staged = listed.iter().filter(|version| version.summary.stage.as_str() == "staging");
        let mut promised: Vec<String> =
            staged.map(|version| version.summary.name.to_string()).collect();
        let tags = repo.history().refs("refs/tags/").unwrap();
        promised.extend(tags.iter().map(|(tag, _)| format!("tag/{}", tag.name())));
        for promised in promised {
            let target = tempfile::tempdir().unwrap();
            let source = resolve(&repo, &revision(&promised)).unwrap();
            download(&repo, &DownloadOptions::new(source, target.path()), &NoProgress)
                .unwrap_or_else(|error| panic!("{context}: {promised}: {error}"));
        }
    }
}

#[test]
fn staged_versions_and_tags_keep_their_content_in_every_schedule() {
    let mut expired = 0;
    for seed in 1..=24 {
        let top = tempfile::tempdir().unwrap();
        let mut world = World::new(top.path(), seed);
        let mut context = format!("seed {seed}:");
        for _ in 0..25 {
            let (step, done) = world.step();
            context = format!("{context} {step}");
            match done {
                Ok(()) => expired += u32::from(step.starts_with(['6', '7'])),
                Err(error) => {
                    context.push('!');
                    let kind = error.kind();
                    let is_broken = matches!(kind, ErrorKind::Corrupt | ErrorKind::Internal);
                    assert!(!is_broken, "{context}: {error}");
                }
            }
        }
        world.check(&context);
    }
    assert!(expired > 30, "{expired}");
}
