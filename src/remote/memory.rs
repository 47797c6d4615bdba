//! A store in this process's memory, for tests and experiments.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::object_store::{
    Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt, check_key, too_long, too_many,
    too_short,
};
use super::traffic::Traffic;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Error;

/// The behaviour of a [`MemoryStore`] when several writers create one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Honesty {
    /// One writer wins, and the others get an error.
    #[default]
    Honest,
    /// A later writer gets an error; of simultaneous writers, several win.
    Races,
    /// Every writer wins and replaces the existing object.
    Ignores,
    /// The store reports that it can't create exclusively.
    Declines,
}

/// Objects in memory, shared by all stores with the same name.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<String, (Bytes, Timestamp)>>,
    honesty: Honesty,
    /// Seconds by which the store's clock is ahead.
    ahead: AtomicI64,
    traffic: Traffic,
}

static NAMED: LazyLock<Mutex<HashMap<String, Arc<MemoryStore>>>> = LazyLock::new(Mutex::default);

impl MemoryStore {
    /// Creates an empty, unnamed store.
    pub fn new(honesty: Honesty) -> Self {
        MemoryStore { honesty, ..MemoryStore::default() }
    }

    /// Returns the store that this process calls `name`.
    pub fn named(name: &str) -> Arc<Self> {
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(named.entry(name.to_owned()).or_default())
    }

    /// Sets the store's clock ahead of this machine's clock.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, (Bytes, Timestamp)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stored object with its time.
    fn stored(&self, body: Bytes) -> (Bytes, Timestamp) {
        let now = SystemClock.now().seconds();
        let ahead = self.ahead.load(Ordering::SeqCst);
        (body, Timestamp::from_seconds(now.saturating_add(ahead)))
    }
}

impl ObjectStore for MemoryStore {
    fn abilities(&self) -> Abilities {
        Abilities { create: self.honesty != Honesty::Declines, ..Abilities::ALL }
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn read(&self, key: &str, range: Option<Range<u64>>, limit: u64) -> Result<Bytes, Failure> {
        self.traffic.request(0);
        let (body, _) = self.objects().get(key).cloned().ok_or(Failure::Absent)?;
        let length = body.len() as u64;
        let wanted = range.unwrap_or(0..length);
        if wanted.end - wanted.start > limit {
            return Err(too_long(key, limit));
        }
        if wanted.end > length {
            return Err(too_short(key, &wanted, length.saturating_sub(wanted.start)));
        }
        self.traffic.answer(wanted.end - wanted.start);
        Ok(body.slice(wanted.start as usize..wanted.end as usize))
    }

    fn write(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        check_key(key)?;
        self.traffic.request(body.len() as u64);
        self.objects().insert(key.to_owned(), self.stored(body));
        Ok(Receipt::Proven)
    }

    fn create(&self, key: &str, body: Bytes) -> Result<Receipt, Failure> {
        check_key(key)?;
        match self.honesty {
            Honesty::Ignores => return self.write(key, body),
            Honesty::Declines => {
                let message = "the store can't create an object only if it is absent";
                let error = Error::new(crate::ErrorKind::Unsupported, message);
                return Err(Failure::Permanent(error));
            }
            Honesty::Honest | Honesty::Races => self.traffic.request(body.len() as u64),
        }
        if self.honesty == Honesty::Races {
            if self.objects().contains_key(key) {
                return Err(Failure::Taken);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
            self.objects().insert(key.to_owned(), self.stored(body));
            return Ok(Receipt::Proven);
        }
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Err(Failure::Taken);
        }
        objects.insert(key.to_owned(), self.stored(body));
        Ok(Receipt::Proven)
    }

    fn stream(&self, key: &str, size: u64, source: &mut dyn Read) -> Result<Receipt, Failure> {
        let mut body = Vec::new();
        let read = source.take(size).read_to_end(&mut body);
        read.map_err(|error| Failure::Permanent(Error::io("read the source of", key, error)))?;
        if (body.len() as u64) < size {
            let message = format!("got only {} of {size} bytes for '{key}'", body.len());
            return Err(Failure::Permanent(Error::corrupt(message)));
        }
        self.write(key, body.into())
    }

    fn stat(&self, key: &str) -> Result<ObjectStat, Failure> {
        self.traffic.request(0);
        let objects = self.objects();
        let (body, modified) = objects.get(key).ok_or(Failure::Absent)?;
        Ok(ObjectStat { size: body.len() as u64, modified: Some(*modified) })
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, Failure> {
        self.traffic.request(0);
        let objects = self.objects();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let found: Vec<Listed> = objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit.saturating_add(1))
            .map(|(key, (body, modified))| Listed {
                key: key.clone(),
                size: Some(body.len() as u64),
                modified: Some(*modified),
            })
            .collect();
        if found.len() > limit { Err(too_many(prefix, limit)) } else { Ok(found) }
    }

    fn delete(&self, keys: &[String]) -> Result<(), Failure> {
        self.traffic.request(0);
        let mut objects = self.objects();
        for key in keys {
            objects.remove(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_and_the_clock_have_the_time_of_the_store() {
        let store = MemoryStore::default();
        store.set_clock_ahead(-172_800);
        let early = store.now().unwrap().unwrap();
        store.set_clock_ahead(172_800);
        let _ = store.write("a", Bytes::new()).unwrap();
        let listed = store.list("", None, 10).unwrap();
        let late = listed[0].modified.unwrap();
        assert_eq!(listed.len(), 1, "the probe is removed");
        assert!(late.seconds() - early.seconds() >= 2 * 172_800);
        assert!(store.now().unwrap().unwrap() >= late);
    }
}
