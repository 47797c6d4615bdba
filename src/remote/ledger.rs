//! The traffic of all stores that one program used.

use std::sync::{Arc, Mutex, PoisonError};

use super::store::Store;
use super::traffic::TrafficCount;

/// Collects stores to report the sum of their traffic. Clones share the collection.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    stores: Arc<Mutex<Vec<Store>>>,
}

impl Ledger {
    /// Adds the traffic of `store` to the sum.
    pub fn add(&self, store: &Store) {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if !stores.iter().any(|known| known.shares_counts_with(store)) {
            stores.push(store.clone());
        }
    }

    /// Returns the traffic of all stores so far, or `None` if there was none.
    pub fn total(&self) -> Option<TrafficCount> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let total = stores.iter().fold(TrafficCount::default(), |sum, store| {
            let count = store.traffic();
            TrafficCount {
                requests: sum.requests + count.requests,
                sent: sum.sent + count.sent,
                received: sum.received + count.received,
                retries: sum.retries + count.retries,
            }
        });
        (total.requests > 0).then_some(total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Honesty, MemoryStore};
    use super::super::store::StoreOptions;
    use super::*;

    #[test]
    fn the_total_counts_each_store_once() {
        let memory = || {
            let objects = Arc::new(MemoryStore::new(Honesty::Honest));
            Store::on(objects, "memory://test", StoreOptions::default())
        };
        let (first, second) = (memory(), memory());
        let ledger = Ledger::default();
        for store in [&first, &first.clone(), &second] {
            ledger.add(store);
        }
        assert_eq!(ledger.total(), None);
        first.write("a", &b"12345"[..]).unwrap();
        second.read("b", 9).unwrap_err();
        let total = ledger.clone().total().unwrap();
        assert_eq!((total.requests, total.sent, total.received), (2, 5, 0));
    }
}
