//! Many new runs in parallel that want the same name.

use std::path::Path;

use artifacts::config::{Config, Sources, initial};
use artifacts::ops::init::{InitOptions, init};
use artifacts::ops::run::{RunOptions, run};
use artifacts::{NoProgress, Repository, Settings};

/// The number of parallel writers, and of runs that each makes.
const WRITERS: usize = 16;
const RUNS_EACH: usize = 16;

fn open(directory: &Path) -> Repository {
    let project = "o/p".parse().unwrap();
    // The same seed for all, so that the same two words are wanted.
    Repository::open(directory, Settings { project, seed: 1, ..Settings::default() }).unwrap()
}

#[test]
fn a_name_that_another_writer_took_meanwhile_is_chosen_again() {
    let work = tempfile::tempdir().unwrap();
    let config = Config::load(Sources::default()).unwrap();
    let config = initial(&config, Some(&"o/p".parse().unwrap())).unwrap();
    let repository = init(&InitOptions { directory: work.path().to_owned(), config }).unwrap();
    let make_runs = || {
        let repo = open(&repository.directory);
        let options = RunOptions { cwd: work.path().to_owned(), ..RunOptions::default() };
        let made = (0..RUNS_EACH).map(|_| run(&repo, &options, &mut (), &NoProgress).unwrap().run);
        made.collect::<Vec<_>>()
    };
    let mut names: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(make_runs)).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    names.sort();
    names.dedup();
    assert_eq!(names.len(), WRITERS * RUNS_EACH);
}
