//! Tests whether a store creates objects exclusively: if several writers create one object, exactly
//! one must succeed.
//!
//! Documentation is not enough. Some servers accept the condition and ignore it. Others respect it
//! for sequential requests, but let several racing writers win. Therefore the probe creates one
//! object twice, and then lets writers race for several others.

use std::fmt;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout::Protocol;
use super::object_store::{Failure, Receipt};
use super::runtime;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::threads::spawn;

/// The number of writers that race for one object.
const WRITERS: usize = 8;
/// The number of objects that they race for.
const RACES: usize = 8;
/// The number of listings before an object counts as missing in the list.
const LISTS: u32 = 4;
/// The wait before the second listing; it grows.
const LIST_WAIT: Duration = Duration::from_millis(250);
/// The maximum number of objects below `probe/`: the remains of probes that could not clean up.
const MAX_LISTED: usize = 100_000;

/// The guarantee of a store, found by a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// If several writers create one object, exactly one wins.
    Exclusive,
    /// A later writer gets an error, but racing writers can win together.
    Races,
    /// The store accepts the condition and ignores it.
    Ignored,
    /// The store can't create objects conditionally.
    None,
    /// The store is read-only.
    ReadOnly,
}

impl Guarantee {
    const ALL: [Guarantee; 5] = [
        Guarantee::Exclusive,
        Guarantee::Races,
        Guarantee::Ignored,
        Guarantee::None,
        Guarantee::ReadOnly,
    ];

    /// The name in settings and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Guarantee::Exclusive => "exclusive",
            Guarantee::Races => "races",
            Guarantee::Ignored => "ignored",
            Guarantee::None => "none",
            Guarantee::ReadOnly => "read_only",
        }
    }

    /// Finds the guarantee with this name.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guarantee| guarantee.as_str() == word)
    }

    /// The protocol by which writers take turns on such a store.
    pub fn protocol(self) -> Protocol {
        match self {
            Guarantee::Exclusive => Protocol::Linear,
            _ => Protocol::Siblings,
        }
    }

    /// The consequence for pushes, as a phrase.
    pub fn meaning(self) -> &'static str {
        match self {
            Guarantee::Exclusive => "concurrent pushes are safe",
            Guarantee::Races | Guarantee::Ignored | Guarantee::None => {
                "if two concurrent pushes move one ref, both succeed and nothing is lost; the conflict is \
                 recorded, and art resolve settles it"
            }
            Guarantee::ReadOnly => "fetch works, push does not",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::Exclusive => "conditional writes work",
            Guarantee::Races => "conditional writes fail when writers race",
            Guarantee::Ignored => "conditional writes are accepted, but the condition is ignored",
            Guarantee::None => "no conditional writes",
            Guarantee::ReadOnly => "read-only",
        })
    }
}

/// The result of a probe.
#[derive(Debug)]
pub struct Findings {
    /// The guarantee of the store.
    pub guarantee: Guarantee,
    /// The error of the first write, if the store refused it.
    pub refusal: Option<Error>,
}

/// Determines the guarantee of `store` with objects below `probe/`, which are removed afterwards.
///
/// Fails if the store is unreachable or refuses reads.
pub fn probe(store: &Store) -> Result<Guarantee> {
    try_out(store).map(|findings| findings.guarantee)
}

/// Like [`probe`], but also returns why the store cannot be written to.
pub fn try_out(store: &Store) -> Result<Findings> {
    let abilities = store.abilities();
    if !abilities.write {
        return Ok(Findings { guarantee: Guarantee::ReadOnly, refusal: None });
    }
    let prefix = format!("probe/{}", Uuid::new_v4());
    let key = format!("{prefix}-0");
    if let Err(error) = store.write(&key, Bytes::from_static(b"first")) {
        // The object may exist although the store reported a failure.
        let _ = store.delete(&[key]);
        return match error.kind() {
            ErrorKind::Unauthorized | ErrorKind::Unsupported => {
                Ok(Findings { guarantee: Guarantee::ReadOnly, refusal: Some(error) })
            }
            _ => Err(error),
        };
    }
    let found = probe_below(store, &prefix, abilities.create);
    let keys: Vec<String> = (0..=RACES).map(|index| format!("{prefix}-{index}")).collect();
    // Objects that can't be removed are small and do no harm.
    let _ = store.delete(&keys);
    found.map(|guarantee| Findings { guarantee, refusal: None })
}

/// Returns true if an object written to `store` can be read back.
pub fn keeps_objects(store: &Store) -> bool {
    let key = format!("probe/{}", Uuid::new_v4());
    let written = store.write(&key, Bytes::from_static(b"kept"));
    let is_kept = written.is_ok() && store.read(&key, 64).is_ok_and(|stored| stored == b"kept"[..]);
    let _ = store.delete(&[key]);
    is_kept
}

/// Tries out a store to which the first object was written.
fn probe_below(store: &Store, prefix: &str, creates: bool) -> Result<Guarantee> {
    let key = format!("{prefix}-0");
    if store.read(&key, 64)? != b"first"[..] {
        let message = format!("{} returned other bytes than were written to it", store.name());
        return Err(Error::corrupt(message));
    }
    check_list(store, &key)?;
    if !creates {
        return Ok(Guarantee::None);
    }
    match store.create(&key, &Bytes::from_static(b"second")) {
        Ok(super::store::Creation::Made(_)) => return Ok(Guarantee::Ignored),
        Ok(super::store::Creation::Taken) => {}
        Ok(super::store::Creation::Unknown(error)) => return Err(error),
        // The store reports that it does not support the condition.
        Err(error) if error.kind() == ErrorKind::Unauthorized => return Err(error),
        Err(_) => return Ok(Guarantee::None),
    }
    if store.read(&key, 64)? != b"first"[..] {
        // The store reports an existing object, but replaces it anyway.
        return Ok(Guarantee::Ignored);
    }
    for race in 1..=RACES {
        if !one_wins(store, &format!("{prefix}-{race}"))? {
            return Ok(Guarantee::Races);
        }
    }
    Ok(Guarantee::Exclusive)
}

/// Checks that the list of the directory has the object `key` of five bytes. A store whose lists
/// stay empty would hide what others pushed.
fn check_list(store: &Store, key: &str) -> Result<()> {
    let mut size = None;
    // A list may lag behind writes.
    for attempt in 0..LISTS {
        runtime::sleep(store.interrupt(), LIST_WAIT * attempt)?;
        let listed = match store.list("probe/", None, MAX_LISTED) {
            // A user without permission to list gets an error later, if a list is needed.
            Err(error) if error.kind() == ErrorKind::Unauthorized => return Ok(()),
            other => other?,
        };
        if let Some(found) = listed.into_iter().find(|listed| listed.key == key) {
            size = Some(found.size);
            if found.size.is_none_or(|size| size == 5) {
                return Ok(());
            }
        }
    }
    let what = match size {
        Some(_) => "has another size in the list of objects than it was written with",
        None => "can be read, but is not in the list of objects",
    };
    let message = format!("an object that was written to {} {what}", store.name());
    Err(Error::new(ErrorKind::Unsupported, message).with_hint(
        "check the container and the prefix in the URI: its path may begin with something else",
    ))
}

/// Returns true if one of several concurrent writers of `key` wins, and its bytes are stored.
fn one_wins(store: &Store, key: &str) -> Result<bool> {
    // Closed when all writers are started.
    let (gate, start) = crossbeam_channel::bounded::<()>(0);
    let run = |writer: usize| {
        let body = Bytes::from(format!("writer {writer}"));
        let _ = start.recv();
        store.raw().create(key, body)
    };
    // Allow enough concurrent requests for a race.
    store.raw().widen(WRITERS);
    let answers: Result<Vec<Result<Receipt, Failure>>> = std::thread::scope(|scope| {
        let mut racers = Vec::new();
        let mut refusal = None;
        for writer in 1..WRITERS {
            match spawn(scope, move || run(writer)) {
                Ok(racer) => racers.push(racer),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        // A single writer cannot race. With fewer racers than wanted, the race continues.
        if let Some(error) = refusal.filter(|_| racers.is_empty()) {
            return Err(error.context("the probe needs two writers that race for one object"));
        }
        drop(gate);
        let ended = || Failure::Permanent(Error::internal("a thread of the probe ended early"));
        let answer = |racer: ScopedJoinHandle<'_, _>| racer.join().unwrap_or_else(|_| Err(ended()));
        Ok(std::iter::once(run(0)).chain(racers.into_iter().map(answer)).collect())
    });
    store.raw().narrow(WRITERS);
    let answers = answers?;
    let winners: Vec<usize> =
        (0..answers.len()).filter(|writer| answers[*writer].is_ok()).collect();
    let stored = store.try_read(key, 64)?;
    match (&winners[..], stored) {
        ([], None) => {
            let refused = answers.into_iter().find_map(|answer| match answer {
                Err(Failure::Permanent(error) | Failure::Temporary(error)) => Some(error),
                _ => None,
            });
            // All writers were refused because another one won, but none did.
            refused.map_or(Ok(false), Err)
        }
        // The answer to the winner was lost.
        ([], Some(_)) => Ok(true),
        ([winner], Some(stored)) => Ok(stored == format!("writer {winner}")),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fault::{Fault, FaultStore, Request};
    use super::super::memory::{Honesty, MemoryStore};
    use super::super::object_store::ObjectStore;
    use super::super::store::StoreOptions;
    use super::*;

    fn on(objects: Arc<dyn ObjectStore>) -> Store {
        let first_wait = Duration::from_millis(1);
        let options = StoreOptions { first_wait, retries: 4, ..StoreOptions::default() };
        Store::on(objects, "memory://test", options)
    }

    #[test]
    fn names_and_json_agree() {
        for guarantee in Guarantee::ALL {
            assert_eq!(serde_json::to_value(guarantee).unwrap(), guarantee.as_str());
            assert_eq!(Guarantee::of(guarantee.as_str()), Some(guarantee));
        }
        assert_eq!(Guarantee::of("conditional writes work"), None);
    }

    #[test]
    fn every_guarantee_is_recognized() {
        for (honesty, guarantee) in [
            (Honesty::Honest, Guarantee::Exclusive),
            (Honesty::Races, Guarantee::Races),
            (Honesty::Ignores, Guarantee::Ignored),
            (Honesty::Declines, Guarantee::None),
        ] {
            let store = on(Arc::new(MemoryStore::new(honesty)));
            assert_eq!(probe(&store).unwrap(), guarantee, "{honesty:?}");
            assert_eq!(store.list("probe/", None, 10).unwrap(), [], "{honesty:?}");
        }
    }

    #[test]
    fn a_directory_creates_exclusively() {
        let directory = tempfile::tempdir().unwrap();
        let store = on(Arc::new(super::super::FsStore::new(directory.path().join("store"))));
        assert_eq!(probe(&store).unwrap(), Guarantee::Exclusive);
    }

    /// A store whose lists are empty.
    struct Unlisted(MemoryStore);

    impl ObjectStore for Unlisted {
        fn abilities(&self) -> super::super::Abilities {
            self.0.abilities()
        }
        fn traffic(&self) -> &super::super::Traffic {
            self.0.traffic()
        }
        fn read(
            &self,
            key: &str,
            range: Option<std::ops::Range<u64>>,
            limit: u64,
        ) -> Result<Bytes, Failure> {
            self.0.read(key, range, limit)
        }
        fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
            self.0.write(key, body)
        }
        fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
            self.0.create(key, body)
        }
        fn stream(
            &self,
            key: &str,
            size: u64,
            source: &mut dyn std::io::Read,
        ) -> Result<Receipt, Failure> {
            self.0.stream(key, size, source)
        }
        fn stat(&self, key: &str) -> Result<super::super::ObjectStat, Failure> {
            self.0.stat(key)
        }
        fn list(
            &self,
            _: &str,
            _: Option<&str>,
            _: usize,
        ) -> Result<Vec<super::super::Listed>, Failure> {
            Ok(Vec::new())
        }
        fn delete(&self, keys: &[String]) -> Result<(), Failure> {
            self.0.delete(keys)
        }
    }

    #[test]
    fn a_store_whose_lists_stay_empty_is_refused() {
        let error = probe(&on(Arc::new(Unlisted(MemoryStore::new(Honesty::Honest))))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("not in the list"), "{error:?}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_store_that_refuses_writes_is_read_only_and_an_unreachable_one_is_an_error() {
        let memory = || Arc::new(MemoryStore::new(Honesty::Honest));
        let refuses = FaultStore::new(memory(), |_, request, _| {
            (request == Request::Write).then_some(Fault::Refused)
        });
        assert_eq!(probe(&on(Arc::new(refuses))).unwrap(), Guarantee::ReadOnly);
        let away = FaultStore::new(memory(), |_, _, _| Some(Fault::Fails));
        let error = probe(&on(Arc::new(away))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn lost_answers_do_not_weaken_the_guarantee() {
        let loses = FaultStore::new(Arc::new(MemoryStore::new(Honesty::Honest)), |n, _, _| {
            (n % 5 == 3).then_some(Fault::AnswerLost)
        });
        assert_eq!(probe(&on(Arc::new(loses))).unwrap(), Guarantee::Exclusive);
    }
}
