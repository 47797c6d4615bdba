//! Proof that what was sent is stored. A proxy or a login page may say that all is well and pass
//! nothing on.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;

use super::super::object_store::{Failure, Receipt};
use super::Store;
use crate::error::{Error, ErrorKind, Result};

/// For so few objects no listing is worth it.
const FEW: usize = 4;
/// What one request of a listing shows.
const PAGE: u64 = 1000;
/// The most objects that are listed to find those that were sent.
const MOST: usize = 1_000_000;

impl Store {
    /// Notes what the answer to a write proves.
    pub(super) fn note_written(&self, key: &str, size: u64, receipt: Receipt) {
        let mut unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        match receipt {
            Receipt::Proven => drop(unproven.remove(key)),
            Receipt::Unproven => drop(unproven.insert(key.to_owned(), size)),
        }
    }

    /// As [`Store::write`], for what no reader relies on and others may replace.
    pub fn write_hint(&self, key: &str, body: impl Into<Bytes>) -> Result<()> {
        self.write(key, body)?;
        self.forget_written(&[key.to_owned()]);
        Ok(())
    }

    /// Notes that nobody relies on these objects any more.
    pub(super) fn forget_written(&self, keys: &[String]) {
        let mut unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            unproven.remove(key);
        }
    }

    /// Makes sure that all objects that were written so far are stored with their sizes: those
    /// whose answers did not prove it are asked for, one by one or by a listing where that is
    /// cheaper. `known` is how many other objects there are about.
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if one is not stored.
    pub fn prove_writes(&self, known: u64) -> Result<()> {
        let unproven = {
            let mut all = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all)
        };
        let checked = self.find_unstored(&unproven, known);
        if let Ok(None) = &checked {
            return Ok(());
        }
        // They are no better known than before.
        let mut all = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(unproven);
        drop(all);
        match checked? {
            Some((key, size, there)) => Err(self.named(not_stored(&key, size, there))),
            None => Ok(()),
        }
    }

    /// An object that is not stored with its size, and the size that it has.
    fn find_unstored(
        &self,
        objects: &BTreeMap<String, u64>,
        known: u64,
    ) -> Result<Option<(String, u64, Option<u64>)>> {
        let mut left: Vec<(&String, u64)> =
            objects.iter().map(|(key, size)| (key, *size)).collect();
        let pages = (known + left.len() as u64) / PAGE + 1;
        let is_cheap = left.len() > FEW && left.len() as u64 > pages;
        if is_cheap && self.inner.objects.lists_flat() {
            let listed = self.sizes_by_listing(&left)?;
            left.retain(|(key, size)| listed.get(*key) != Some(size));
        }
        let sizes = self.at_once(&left, &|(key, size)| {
            // An answer from before the write may still be about.
            self.read_sound(|| match self.try_size(key)? {
                Some(there) if there == *size => Ok(None),
                there => Err(not_stored(key, *size, there).with_kind(ErrorKind::Corrupt)),
            })
            .or_else(|error| match error.kind() {
                ErrorKind::Corrupt => Ok(Some(self.try_size(key)?)),
                _ => Err(error),
            })
        })?;
        let wrong = left.iter().zip(sizes).find_map(|((key, size), there)| {
            there.filter(|there| *there != Some(*size)).map(|there| ((*key).clone(), *size, there))
        });
        Ok(wrong)
    }

    /// The sizes of what is in the directories of `objects`. What can't be listed is not in it.
    fn sizes_by_listing(&self, objects: &[(&String, u64)]) -> Result<BTreeMap<String, u64>> {
        let mut directories: Vec<&str> = objects
            .iter()
            .filter_map(|(key, _)| key.split_once('/').map(|(top, _)| &key[..=top.len()]))
            .collect();
        directories.dedup();
        let lists =
            self.at_once(&directories, &|directory| self.list_if_allowed(directory, MOST))?;
        let all = lists.into_iter().flatten().flatten();
        Ok(all.filter_map(|listed| Some((listed.key, listed.size?))).collect())
    }

    /// As [`Store::write`], and reads the object back if the answer does not prove that it is stored.
    pub fn write_proven(&self, key: &str, body: impl Into<Bytes>) -> Result<()> {
        let body: Bytes = body.into();
        self.write(key, body.clone())?;
        let unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        let is_proven = !unproven.contains_key(key);
        drop(unproven);
        if is_proven { Ok(()) } else { self.read_back(key, &body) }
    }

    /// Reads an object that was just written back, and fails unless it has these bytes.
    fn read_back(&self, key: &str, body: &[u8]) -> Result<()> {
        let there = self.repeat(|objects| objects.read(key, None, body.len() as u64));
        let problem = match there {
            Ok(there) if there == body => {
                self.note_written(key, body.len() as u64, Receipt::Proven);
                return Ok(());
            }
            Ok(there) => not_stored(key, body.len() as u64, Some(there.len() as u64)),
            Err(Failure::Absent) => not_stored(key, body.len() as u64, None),
            Err(Failure::Permanent(error)) if error.kind() == ErrorKind::Corrupt => {
                not_stored(key, body.len() as u64, None).with_source(error)
            }
            Err(failure) => failure.into_error(key),
        };
        Err(self.named(problem))
    }
}

fn not_stored(key: &str, size: u64, there: Option<u64>) -> Error {
    let found = match there {
        None => "the store does not have it".to_owned(),
        Some(there) if there == size => "the store has other bytes".to_owned(),
        Some(there) => format!("the store has {there} bytes of {size}"),
    };
    let message = format!("'{key}' was not stored, although the answer said so: {found}");
    Error::new(ErrorKind::Unavailable, message).with_hint(
        "a proxy or a login page may have answered: open a web page, in case this network wants a \
         login, then run the command again",
    )
}
