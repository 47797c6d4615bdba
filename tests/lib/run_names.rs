//! Many new runs in parallel that want the same name.

use artifacts::ops::run::{RunOptions, run};
use artifacts::{NoProgress, Repository, Settings};

/// The number of parallel writers, and of runs that each makes.
const WRITERS: usize = 16;
const RUNS_EACH: usize = 16;

/// The same seed for all, so that the same two words are wanted.
fn settings() -> Settings {
    Settings { project: "o/p".parse().unwrap(), seed: 1, ..Settings::default() }
}

#[test]
fn a_name_that_another_writer_took_meanwhile_is_chosen_again() {
    let work = tempfile::tempdir().unwrap();
    let repository = Repository::create(work.path(), settings()).unwrap();
    let make_runs = || {
        let repo = Repository::open(repository.directory(), settings()).unwrap();
        let options = RunOptions::new(work.path().to_owned());
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
