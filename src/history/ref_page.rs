//! Lists one page of refs in the order of their names. Reads the names up to the page, and the
//! values and logs of the page only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

use bstr::ByteSlice;

use super::History;
use super::packed_file::PackedRefs;
use super::refs::{DamagedRef, MAX_RETRIES, RefListing};
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::name::RefName;

/// The range and order of a list of refs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefPage {
    /// Reverses the order.
    pub is_reversed: bool,
    /// The number of refs to skip.
    pub offset: usize,
    /// The maximum number of refs.
    pub limit: Option<usize>,
}

/// A ref on a page.
struct PageRef {
    name: String,
    packed: Option<Id>,
    is_loose: bool,
}

/// The names of a page, and the range of names that belong to it.
struct Window {
    page: RefPage,
    limit: usize,
    /// The names of the page, sorted. In a reversed list, up to `offset + limit + 1` names while
    /// names are added.
    refs: VecDeque<PageRef>,
    skipped: usize,
    /// The last name before those of the page.
    before: Option<String>,
    /// True if no name follows those of the page.
    is_end: bool,
}

impl Window {
    fn new(page: &RefPage) -> Self {
        let limit = page.limit.unwrap_or(usize::MAX);
        let refs = VecDeque::new();
        Window { page: *page, limit, refs, skipped: 0, before: None, is_end: true }
    }

    /// Adds the next name. Breaks if the page is complete.
    fn add(&mut self, name: &str, packed: Option<Id>, is_loose: bool) -> ControlFlow<()> {
        let RefPage { is_reversed, offset, .. } = self.page;
        if !is_reversed && self.skipped < offset {
            self.skipped += 1;
            self.before = Some(name.to_owned());
            return ControlFlow::Continue(());
        }
        if !is_reversed && self.refs.len() == self.limit {
            self.is_end = false;
            return ControlFlow::Break(());
        }
        self.refs.push_back(PageRef { name: name.to_owned(), packed, is_loose });
        if is_reversed && self.refs.len() > self.limit.saturating_add(offset).saturating_add(1) {
            self.refs.pop_front();
        }
        ControlFlow::Continue(())
    }

    /// Drops the names after and before a reversed page.
    fn finish(&mut self) {
        if !self.page.is_reversed {
            return;
        }
        self.is_end = self.page.offset == 0;
        self.refs.truncate(self.refs.len().saturating_sub(self.page.offset));
        while self.refs.len() > self.limit {
            self.before = self.refs.pop_front().map(|one| one.name);
        }
    }

    /// Returns true if a missing ref called `name` would be on this page. Each name belongs to one
    /// page: the page of the next name, or the page of the last name of all.
    fn has(&self, name: &str) -> bool {
        match self.refs.back() {
            None => self.before.is_none() && self.is_end,
            Some(last) => {
                self.before.as_deref().is_none_or(|before| before < name)
                    && (self.is_end || name <= last.name.as_str())
            }
        }
    }
}

impl History {
    /// Returns one page of the refs that `art` manages below `prefix`, a kind and a project.
    ///
    /// A damaged ref takes a place on its page. A missing ref is reported on the page where its
    /// name would be.
    pub fn list_refs_page(&self, prefix: &str, page: &RefPage) -> Result<RefListing> {
        let mut retries = 0;
        loop {
            let packed = PackedRefs::open(self.git_dir())?;
            let window = self.window(&packed, prefix, page)?;
            let mut damaged = BTreeMap::new();
            let mut found = Vec::new();
            for PageRef { name, packed, is_loose } in &window.refs {
                match if *is_loose { self.read_loose_id(name) } else { Ok(None) } {
                    Ok(loose) => found.extend(loose.or(*packed).map(|id| (name.clone(), id))),
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        damaged.insert(name.clone(), error);
                    }
                    Err(error) => return Err(error),
                }
            }
            // See `visit_refs`: an unchanged file shows that no transaction happened meanwhile.
            if !packed.is_current() && retries < MAX_RETRIES {
                retries += 1;
                continue;
            }
            for (name, error) in self.listing_damage(prefix, &found, &|name| window.has(name))? {
                damaged.entry(name).or_insert(error);
            }
            found.retain(|(name, _)| !damaged.contains_key(name));
            if page.is_reversed {
                found.reverse();
            }
            let refs = found.into_iter().filter_map(|(name, id)| Some((name.parse().ok()?, id)));
            let damaged = damaged.into_iter();
            let damaged = damaged
                .filter_map(|(name, error)| Some(DamagedRef { name: name.parse().ok()?, error }));
            return Ok(RefListing { refs: refs.collect(), damaged: damaged.collect() });
        }
    }

    /// Finds the names of a page. Stops reading `packed` after them.
    fn window(&self, packed: &PackedRefs, prefix: &str, page: &RefPage) -> Result<Window> {
        let mut loose = BTreeSet::new();
        self.visit_loose(prefix, &mut |name| {
            loose.insert(name);
            Ok(())
        })?;
        let mut loose = loose.into_iter().peekable();
        let mut window = Window::new(page);
        packed.visit_from(prefix.as_bytes(), &mut |name, id| {
            if !name.starts_with(prefix.as_bytes()) {
                return Ok(ControlFlow::Break(()));
            }
            let Ok(name) = name.to_str() else { return Ok(ControlFlow::Continue(())) };
            while let Some(before) = loose.next_if(|before| before.as_str() < name) {
                if window.add(&before, None, true).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let is_loose = loose.next_if(|same| same == name).is_some();
            // Ignore the refs of other tools.
            if name.parse::<RefName>().is_err() {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(window.add(name, Some(id), is_loose))
        })?;
        // If the page is complete, the first call breaks.
        let _ = loose.try_for_each(|name| window.add(&name, None, true));
        window.finish();
        Ok(window)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::packed_file::{OPENED, READ};
    use super::*;
    use crate::clock::Timestamp;
    use crate::fs::{atomic, read};
    use crate::history::tests::temporary_history;
    use crate::history::{Commit, Expected, Signature};

    const PREFIX: &str = "refs/tags/o/p/";

    fn ada() -> Signature {
        let time = Timestamp::from_seconds(1_700_000_000);
        Signature { name: "Ada".into(), email: "ada@example.org".into(), time }
    }

    fn commits(history: &History) -> [Id; 2] {
        let mut writer = history.writer().unwrap();
        let tree = writer.tree(Vec::new()).unwrap();
        let ids = ["a", "b"].map(|message| {
            let commit = Commit {
                tree,
                parents: Vec::new(),
                author: ada(),
                committer: ada(),
                message: message.into(),
            };
            writer.commit(&commit).unwrap()
        });
        writer.flush().unwrap();
        ids
    }

    fn name(at: usize) -> RefName {
        format!("{PREFIX}t{at:05}").parse().unwrap()
    }

    fn move_all(history: &History, count: usize, expected: Expected, id: Id) {
        let ada = ada();
        let mut transaction = history.transaction(&ada, "test");
        for at in 0..count {
            transaction.update(name(at), expected, Some(id), "test");
        }
        transaction.commit(Duration::from_secs(9)).unwrap();
    }

    fn counted(work: impl FnOnce()) -> (u64, u64) {
        let before = (OPENED.get(), READ.get());
        work();
        (OPENED.get() - before.0, READ.get() - before.1)
    }

    #[test]
    fn a_transaction_reads_packed_refs_as_often_for_many_refs_as_for_few() {
        let (directory, history) = temporary_history();
        let [a, b] = commits(&history);
        let many = counted(|| move_all(&history, 2000, Expected::Absent, a));
        let again = counted(|| move_all(&history, 2000, Expected::Id(a), b));
        let few = counted(|| move_all(&history, 2, Expected::Id(b), a));
        let size = std::fs::metadata(directory.path().join("packed-refs")).unwrap().len();
        // The first transaction finds no file.
        assert!(many.0 <= few.0 && again.0 == few.0, "opened {many:?} {again:?} {few:?}");
        // Once for the values, once for the new file, and the blocks around a search.
        assert!(again.1 < 3 * size, "read {} bytes of {size}", again.1);
        let last = history.find_ref(&name(1999)).unwrap();
        assert_eq!((history.find_ref(&name(1)).unwrap(), last), (a, b));
    }

    #[test]
    fn a_page_reads_packed_refs_up_to_its_last_name() {
        let (directory, history) = temporary_history();
        let line = |at: usize| format!("{} {}\n", Id::of_blob(b"x"), name(at));
        let lines: String = (0..60_000).map(line).collect();
        let text = format!("# pack-refs with: peeled fully-peeled sorted \n{lines}");
        atomic::append(&directory.path().join("packed-refs"), text.as_bytes()).unwrap();
        let list = |offset, limit| {
            let page = RefPage { offset, limit: Some(limit), ..RefPage::default() };
            history.list_refs_page(PREFIX, &page).unwrap().refs
        };
        let (_, read) = counted(|| assert_eq!(list(10, 2)[1].0, name(11)));
        assert!(read < text.len() as u64 / 3, "read {read} bytes of {}", text.len());
        assert_eq!(list(59_999, 5).len(), 1);
    }

    #[test]
    fn pages_of_loose_and_packed_refs_add_up_to_the_list() {
        let (directory, history) = temporary_history();
        let [a, b] = commits(&history);
        move_all(&history, 9, Expected::Absent, a);
        let mut transaction = history.transaction(&ada(), "test");
        transaction.update(name(4), Expected::Any, Some(b), "test");
        transaction.commit(Duration::from_secs(9)).unwrap();
        let other = format!("{PREFIX}t00003x");
        let mut transaction = history.transaction(&ada(), "test");
        transaction.update(other.parse().unwrap(), Expected::Absent, Some(b), "test");
        transaction.commit(Duration::from_secs(9)).unwrap();
        assert!(read::is_file(&directory.path().join(&other)).unwrap(), "the ref is loose");
        let mut all = history.refs(PREFIX).unwrap();
        assert_eq!(all.len(), 10);
        for is_reversed in [false, true] {
            for size in 1..12 {
                let mut found = Vec::new();
                for offset in (0..12).step_by(size) {
                    let page = RefPage { is_reversed, offset, limit: Some(size) };
                    let listing = history.list_refs_page(PREFIX, &page).unwrap();
                    assert!(listing.damaged.is_empty());
                    found.extend(listing.refs);
                }
                assert_eq!(found, all, "{size}");
            }
            all.reverse();
        }
    }

    #[test]
    fn a_missing_ref_is_reported_on_the_page_of_its_name() {
        let (directory, history) = temporary_history();
        let [a, _] = commits(&history);
        move_all(&history, 5, Expected::Absent, a);
        let path = directory.path().join("packed-refs");
        let text = read::read_text(&path, read::LARGE).unwrap();
        for missing in 0..5 {
            let gone = format!("{a} {}\n", name(missing));
            let rest = text.replace(&gone, "");
            assert!(rest.len() < text.len());
            atomic::write(&path, &history.tmp_dir(), rest.as_bytes()).unwrap();
            for is_reversed in [false, true] {
                for size in [1, 2, 4, 9] {
                    let mut damaged = Vec::new();
                    for offset in (0..4).step_by(size) {
                        let page = RefPage { is_reversed, offset, limit: Some(size) };
                        let listing = history.list_refs_page(PREFIX, &page).unwrap();
                        damaged.extend(listing.damaged.into_iter().map(|one| one.name));
                    }
                    assert_eq!(damaged, [name(missing)], "{is_reversed} {size}");
                }
            }
        }
    }

    #[test]
    fn a_page_next_to_a_flipped_name_fails() {
        let (directory, history) = temporary_history();
        let [a, _] = commits(&history);
        move_all(&history, 100, Expected::Absent, a);
        let path = directory.path().join("packed-refs");
        let text = read::read_text(&path, read::LARGE).unwrap();
        for flipped in ["refs/sags/o/p/t00003", "refs/uags/o/p/t00003", "refs/tags/o/p/u00003"] {
            let damaged = text.replace(&name(3).to_string(), flipped);
            atomic::write(&path, &history.tmp_dir(), damaged.as_bytes()).unwrap();
            let page = RefPage { limit: Some(3), ..RefPage::default() };
            let error = history.list_refs_page(PREFIX, &page).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{flipped}");
            assert!(error.message().contains("not in order"), "{error:?}");
        }
    }
}
