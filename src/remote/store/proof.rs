//! Proof that written objects are stored. A proxy or a login page may report success without
//! passing the data on.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;

use super::super::object_store::{Failure, Receipt};
use super::Store;
use crate::error::{Error, ErrorKind, Result};

/// Up to this many objects are checked without a listing.
const FEW: usize = 4;
/// The number of objects in one request of a listing.
const PAGE: u64 = 1000;
/// The maximum number of objects to list in search of the written ones.
const MOST: usize = 1_000_000;

impl Store {
    /// Records what the answer to a write proves.
    pub(super) fn note_written(&self, key: &str, size: u64, receipt: Receipt) {
        let mut unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        match receipt {
            Receipt::Proven => drop(unproven.remove(key)),
            Receipt::Unproven => drop(unproven.insert(key.to_owned(), size)),
        }
    }

    /// Writes an object, as [`Store::write`] does, that no reader relies on and others may replace.
    pub fn write_hint(&self, key: &str, body: impl Into<Bytes>) -> Result<()> {
        self.write(key, body)?;
        self.forget_written(&[key.to_owned()]);
        Ok(())
    }

    /// Records that nobody relies on these objects any longer.
    pub(super) fn forget_written(&self, keys: &[String]) {
        let mut unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            unproven.remove(key);
        }
    }

    /// Checks that all objects written so far are stored with their sizes. Objects without proof
    /// are checked one by one, or by a listing if that is cheaper. `known` is the approximate
    /// number of other objects.
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if an object is not stored.
    pub fn prove_writes(&self, known: u64) -> Result<()> {
        let unproven = {
            let mut all = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *all)
        };
        let checked = self.find_unstored(&unproven, known);
        if let Ok(None) = &checked {
            return Ok(());
        }
        // These objects are still unproven.
        let mut all = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(unproven);
        drop(all);
        match checked? {
            Some((key, size, stored)) => Err(self.named(not_stored(&key, size, stored))),
            None => Ok(()),
        }
    }

    /// Finds an object that is not stored with its size. Also returns the expected and the actual
    /// size.
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
            // A cache may still have an answer from before the write.
            self.read_sound(|| match self.try_size(key)? {
                Some(stored) if stored == *size => Ok(None),
                stored => Err(not_stored(key, *size, stored).with_kind(ErrorKind::Corrupt)),
            })
            .or_else(|error| match error.kind() {
                ErrorKind::Corrupt => Ok(Some(self.try_size(key)?)),
                _ => Err(error),
            })
        })?;
        let wrong = left.iter().zip(sizes).find_map(|((key, size), stored)| {
            stored
                .filter(|stored| *stored != Some(*size))
                .map(|stored| ((*key).clone(), *size, stored))
        });
        Ok(wrong)
    }

    /// Lists the sizes of the objects in the directories of `objects`. Omits directories that can't
    /// be listed.
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

    /// Writes an object as [`Store::write`] does. If the answer does not prove that the object is
    /// stored, reads it back.
    pub fn write_proven(&self, key: &str, body: impl Into<Bytes>) -> Result<()> {
        self.write_proven_if(key, body, &|| true).map(drop)
    }

    /// Writes an object as [`Store::write_proven`] does, but starts each attempt only if `is_allowed`
    /// returns true. Returns false if it does not; an earlier attempt may then have stored the object.
    pub fn write_proven_if(
        &self,
        key: &str,
        body: impl Into<Bytes>,
        is_allowed: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let body: Bytes = body.into();
        if !self.write_if(key, &body, is_allowed)? {
            return Ok(false);
        }
        let unproven = self.inner.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        let is_proven = !unproven.contains_key(key);
        drop(unproven);
        if !is_proven {
            self.read_back(key, &body)?;
        }
        Ok(true)
    }

    /// Reads back an object that was just written. Fails unless it has these bytes.
    fn read_back(&self, key: &str, body: &[u8]) -> Result<()> {
        let stored = self.repeat(|objects| objects.read(key, None, body.len() as u64));
        let problem = match stored {
            Ok(stored) if stored == body => {
                self.note_written(key, body.len() as u64, Receipt::Proven);
                return Ok(());
            }
            Ok(stored) => not_stored(key, body.len() as u64, Some(stored.len() as u64)),
            Err(Failure::Absent) => not_stored(key, body.len() as u64, None),
            Err(Failure::Permanent(error)) if error.kind() == ErrorKind::Corrupt => {
                not_stored(key, body.len() as u64, None).with_source(error)
            }
            Err(failure) => failure.into_error(key),
        };
        Err(self.named(problem))
    }
}

fn not_stored(key: &str, size: u64, stored: Option<u64>) -> Error {
    let found = match stored {
        None => "the store does not have it".to_owned(),
        Some(stored) if stored == size => "the store has other bytes".to_owned(),
        Some(stored) => format!("the store has {stored} bytes of {size}"),
    };
    let message = format!("'{key}' was not stored, although the store reported success: {found}");
    Error::new(ErrorKind::Unavailable, message).with_hint(
        "a proxy or a login page may have answered: open a web page, in case this network wants a \
         login, then run the command again",
    )
}
