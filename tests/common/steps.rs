//! Sandboxes that begin with a repository.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use super::saved::Saved;
use super::{Sandbox, noise};

/// A step that prepares a sandbox.
#[derive(Clone, Copy, Hash)]
pub(crate) enum Step<'s> {
    /// Runs `art`, which must succeed.
    Art(&'s str),
    /// Runs `art` at a time.
    ArtAt(&'s str, &'s str),
    /// Writes a file with this content.
    File(&'s str, &'s str),
    /// Writes a file of incompressible bytes from a seed.
    Noise(&'s str, u64, usize),
    /// Runs a script of the shell, which must succeed.
    Shell(&'s str),
    /// Does anything else.
    Do(fn(&Sandbox)),
}

impl Step<'_> {
    fn run(self, sandbox: &Sandbox) {
        match self {
            Step::Art(line) => drop(sandbox.art(line).ok()),
            Step::ArtAt(time, line) => drop(sandbox.command(line).at(time).run().ok()),
            Step::File(path, content) => drop(sandbox.write(path, content)),
            Step::Noise(path, seed, length) => drop(sandbox.write(path, noise(seed, length))),
            Step::Shell(script) => drop(sandbox.shell(script).ok()),
            Step::Do(act) => act(sandbox),
        }
    }
}

/// The results of steps that ran in this process.
static RESULTS: Mutex<BTreeMap<u64, Arc<OnceLock<Saved>>>> = Mutex::new(BTreeMap::new());

impl Sandbox {
    /// Creates a sandbox with the result of `steps`. The same steps run once in a process.
    #[track_caller]
    pub(crate) fn with(steps: &[Step<'_>]) -> Self {
        let mut hasher = DefaultHasher::new();
        steps.hash(&mut hasher);
        let result = Arc::clone(RESULTS.lock().unwrap().entry(hasher.finish()).or_default());
        let saved = result.get_or_init(|| {
            let sandbox = Sandbox::new();
            for step in steps {
                step.run(&sandbox);
            }
            Saved::of(&sandbox.root())
        });
        let sandbox = Sandbox::new();
        saved.restore(&sandbox.root());
        sandbox
    }
}
