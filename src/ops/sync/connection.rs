//! A connection to a remote: its store, its log, and what the log came to when it was last read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::place::{check_place, is_not_writable, note_used, was_used};
use super::unions::Unions;
use super::{cache, open_store, who};
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::log::{Entry, News, State};
use crate::remote::{
    Guarantee, Log, Protocol, RemoteUri, Store, StoreOptions, TrafficCount, probe,
};
use crate::repo::{RemoteConfig, Repository};

/// What a log without exclusive create means.
const FROM_NOW_ON: &str =
    "from now on pushes that meet stand side by side, and a ref that both move is a conflict";

/// A remote that is being talked to.
pub(crate) struct Connection<'r> {
    repo: &'r Repository,
    /// Where it is.
    pub(crate) remote: RemoteConfig,
    /// Its log.
    pub(crate) log: Log,
    /// What the log came to, as far as it was read: [`Connection::refresh`] reads on.
    pub(crate) state: State,
    /// Whether something is to be pushed.
    pushes: bool,
    /// What of the state is remembered already.
    remembered: Option<Mark>,
    /// How the log relates to what was remembered of it.
    memory: Memory,
}

/// How a log that is there relates to what was remembered of it.
#[derive(Default)]
struct Memory {
    /// It goes on from there, and so do the tracking refs.
    goes_on: bool,
    /// It does not, and was not read yet.
    is_new: bool,
    /// How far it went that was remembered, where it is another one.
    left: Option<u64>,
    /// The refs that entries deleted which were read just now.
    deleted: BTreeSet<RefName>,
}

/// What tells one state from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    entries: u64,
    last: Option<Uuid>,
}

impl Mark {
    fn of(state: &State) -> Self {
        Mark { entries: state.fold().entries, last: state.fold().last_write }
    }
}

impl<'r> Connection<'r> {
    /// Connects to the remote called `name`, or to the one that is meant without a name. One request
    /// where the remote is remembered, up to three where it is not.
    ///
    /// Fails with [`ErrorKind::NotFound`] if nothing was pushed there yet, with
    /// [`ErrorKind::Unavailable`] if something was and all of it is gone, and with
    /// [`ErrorKind::Corrupt`] if only what says that it is a remote is gone.
    pub(crate) fn open(repo: &'r Repository, name: Option<&Name>) -> Result<Self> {
        let remote = repo.choose_remote(name)?;
        let name = remote.name.clone();
        Self::open_if_made(repo, &remote)?.0.ok_or_else(|| {
            Error::not_found(format!("nothing was pushed to the remote '{name}' yet"))
                .with_hint(format!("art push {name}"))
        })
    }

    /// As [`Connection::try_open`], but fails with [`ErrorKind::Unavailable`] if something was pushed
    /// there and all of it is gone.
    pub(crate) fn open_if_made(
        repo: &'r Repository,
        remote: &RemoteConfig,
    ) -> Result<(Option<Self>, TrafficCount)> {
        let opened = Self::try_open(repo, remote.clone())?;
        if opened.0.is_none() {
            check_is_new(repo, remote)?;
        }
        Ok(opened)
    }

    /// As [`Connection::open`], but no connection if nothing was pushed there yet. What was asked of
    /// the remote stands beside it.
    pub(crate) fn try_open(
        repo: &'r Repository,
        remote: RemoteConfig,
    ) -> Result<(Option<Self>, TrafficCount)> {
        check_place(repo, &remote)?;
        let store = store_of(repo, &remote)?;
        let connection = Self::connect(repo, remote, &store, |_| Log::try_find(&store))?;
        Ok((connection, store.traffic()))
    }

    /// As [`Connection::open`], but makes the store a remote if it is none yet: for a push.
    ///
    /// How writers take turns there follows from what the store guarantees. Where that is not known, or
    /// nothing could be written before, it is tried out now; fails if nothing can be written. A remote
    /// of which nothing is left is made again only if `recreate` says so.
    pub(crate) fn open_or_make(
        repo: &'r Repository,
        name: Option<&Name>,
        recreate: bool,
    ) -> Result<Self> {
        let mut remote = repo.choose_remote(name)?;
        if !recreate {
            check_place(repo, &remote)?;
        }
        let store = store_of(repo, &remote)?;
        let find = |was_known| {
            if was_known { Log::try_find(&store) } else { Log::try_open(store.clone()) }
        };
        let opened = Self::connect(repo, remote.clone(), &store, find)?;
        let mut connection = if let Some(mut connection) = opened {
            find_guarantee(repo, &mut connection.remote, &store)?;
            connection
        } else {
            if !recreate {
                check_is_new(repo, &remote)?;
            }
            let guarantee = find_guarantee(repo, &mut remote, &store)?;
            let log = Log::make(&store, guarantee.protocol())?;
            let left = known_number(repo, &remote);
            let memory = Memory { is_new: true, left, ..Memory::default() };
            let state = log.load()?;
            Connection { repo, remote, log, state, pushes: false, remembered: None, memory }
        };
        connection.pushes = true;
        Ok(connection)
    }

    /// As [`Connection::open`], but where nothing was pushed yet it is as if the remote was made and
    /// is empty: for what a push would do. Nothing is written there.
    pub(crate) fn open_or_imagine(
        repo: &'r Repository,
        name: Option<&Name>,
        recreate: bool,
    ) -> Result<Self> {
        let remote = repo.choose_remote(name)?;
        let is_missing = recreate && check_place(repo, &remote).is_err();
        if !is_missing && let (Some(connection), _) = Self::try_open(repo, remote.clone())? {
            return Ok(connection);
        }
        if !recreate {
            check_is_new(repo, &remote)?;
        }
        let place = format!("memory://{}", Uuid::new_v4());
        let store =
            Store::open(&RemoteUri::parse(&place, Path::new("/"))?, StoreOptions::default())?;
        let log = Log::make(&store, Protocol::Linear)?;
        let state = log.load()?;
        let (remembered, memory) = Default::default();
        Ok(Connection { repo, remote, log, state, pushes: false, remembered, memory })
    }

    /// Connects to the log that `open` finds; `open` is told whether a log is remembered.
    fn connect(
        repo: &'r Repository,
        remote: RemoteConfig,
        store: &Store,
        open: impl FnOnce(bool) -> Result<Option<Log>>,
    ) -> Result<Option<Self>> {
        let connection = |remote, log, state, remembered, memory| {
            Some(Connection { repo, remote, log, state, pushes: false, remembered, memory })
        };
        let mut left = None;
        if let Some((made, state)) = cache::load(repo, &remote) {
            let reopened = Log::try_reopen(store.clone(), made, &state);
            if let Some(log) = reopened.map_err(|error| names_remote(error, &remote.name))? {
                let remembered = Some(Mark::of(&state));
                let goes_on = !cache::is_broken_off(repo, &remote.name)?;
                let memory = Memory { goes_on, ..Memory::default() };
                return Ok(connection(remote, log, state, remembered, memory));
            }
            left = Some(state.fold().number());
        }
        let Some(log) = open(left.is_some())? else { return Ok(None) };
        let state = log.load()?;
        let memory = Memory { is_new: true, left, ..Memory::default() };
        Ok(connection(remote, log, state, None, memory))
    }

    /// Whether the log is known to go on from where the tracking refs were fetched from it.
    pub(crate) fn goes_on(&self) -> bool {
        self.memory.goes_on
    }

    /// Whether an entry that was read just now deleted a ref.
    pub(super) fn saw_deleted(&self, name: &RefName) -> bool {
        self.memory.deleted.contains(name)
    }

    /// Reads what is new in the log. One request if nothing is.
    ///
    /// A store that let one entry take the place of another does not keep its word: that is said,
    /// written down, and the log goes on as one in which entries can stand beside each other. So it
    /// does before a push to a store that was found not to create exclusively. What came while that
    /// was done is in the state, but not in the news.
    pub(crate) fn refresh(&mut self, progress: &dyn Progress) -> Result<News> {
        let known = self.state.fold().doubled.clone();
        let news = self.log.refresh(&mut self.state);
        let news = news.map_err(|error| names_remote(error, &self.remote.name))?;
        let moves = news.entries.iter().flat_map(|entry| &entry.refs);
        let deleted = moves.filter(|moved| moved.new.is_none()).map(|moved| moved.name.clone());
        self.memory.deleted.extend(deleted);
        if std::mem::take(&mut self.memory.is_new) {
            self.tell_if_made_anew(progress);
            self.check_end()?;
        }
        self.note(&news.entries)?;
        let doubled = &self.state.fold().doubled;
        let mut lies: BTreeSet<u64> = doubled.difference(&known).copied().collect();
        lies.extend(&news.replaced);
        if !doubled.is_empty() || !lies.is_empty() {
            self.note_lies(&lies, progress)?;
        } else if self.pushes && self.is_linear() && self.has_broken_store() {
            let name = &self.remote.name;
            progress.warn(&format!(
                "the log of the remote '{name}' relies on exclusive create, which its store does not \
                 do: {FROM_NOW_ON}"
            ));
            self.write_downgrade()?;
        }
        Ok(news)
    }

    /// Notes what is to be known of entries that are in the state now.
    pub(crate) fn note(&self, entries: &[Arc<Entry>]) -> Result<()> {
        let tmp = self.repo.content().tmp_dir();
        Unions::note(&self.directory(), &tmp, entries, self.state.fold())
    }

    /// Fails where later entries are there than those that were read: one between them is missing, and
    /// what was read is not all of the log.
    fn check_end(&self) -> Result<()> {
        if self.pushes && self.state.fold().entries == 0 {
            // A first push is not made to ask; a number that is taken is found out when it commits.
            return Ok(());
        }
        let Some(missing) = self.log.find_gap(&self.state)? else { return Ok(()) };
        let name = &self.remote.name;
        let message =
            format!("'{missing}' on the remote '{name}' is missing, and later ones are there");
        Err(Error::corrupt(message).with_hint(format!(
            "see what is damaged: art fsck --remote {name}; to mend it: art push --repair {name}"
        )))
    }

    /// Warns where the log is shorter than it was.
    fn tell_if_made_anew(&self, progress: &dyn Progress) {
        let now = self.state.fold().number();
        if let Some(left) = self.memory.left.filter(|left| *left > now) {
            let name = &self.remote.name;
            let then = if self.pushes {
                "what it lacks of what is pushed is sent again".to_owned()
            } else {
                format!(
                    "nothing is taken for deleted; to send what it lacks: art push --all {name}"
                )
            };
            progress.warn(&format!(
                "the remote '{name}' was emptied or brought back from a copy: its log had {} when it \
                 was last asked, and has {now} now; {then}",
                entries(left)
            ));
        }
    }

    fn is_linear(&self) -> bool {
        self.state.fold().protocol == Protocol::Linear
    }

    /// Whether the store was found not to create exclusively.
    fn has_broken_store(&self) -> bool {
        let guarantee = self.remote.guarantee;
        matches!(guarantee, Some(Guarantee::Races | Guarantee::Ignored | Guarantee::None))
    }

    /// Goes on without relying on the store's word; `lies` are the entries that were found replaced
    /// just now.
    fn note_lies(&mut self, lies: &BTreeSet<u64>, progress: &dyn Progress) -> Result<()> {
        if self.remote.guarantee == Some(Guarantee::Exclusive) {
            self.remote.guarantee = Some(Guarantee::Races);
            self.repo.set_remote(&self.remote)?;
        }
        let is_settled = !self.is_linear() || self.write_downgrade()?;
        if lies.is_empty() {
            return Ok(());
        }
        let numbers: Vec<String> = lies.iter().map(u64::to_string).collect();
        let then = if is_settled {
            FROM_NOW_ON
        } else {
            "whoever may write there should push, so that everyone learns it"
        };
        progress.warn(&format!(
            "the store of the remote '{}' let pushes replace each other (log entry {}): it does not \
             create exclusively; push again what is missing; {then}",
            self.remote.name,
            numbers.join(", ")
        ));
        Ok(())
    }

    /// Tells everyone in the log, if this user may write there.
    fn write_downgrade(&mut self) -> Result<bool> {
        let is_read_only = self.remote.guarantee == Some(Guarantee::ReadOnly);
        if is_read_only || !self.log.store().abilities().write {
            return Ok(false);
        }
        let now = self.repo.settings().clock.now();
        match self.log.downgrade(&mut self.state, &who(self.repo), now) {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Remembers the state, so that the next connection begins with it.
    ///
    /// The tracking refs may be of another log: of the one before the remote was emptied or brought
    /// back from a copy. That is noted until [`Connection::note_tracked`].
    pub(crate) fn save(&mut self) -> Result<()> {
        let mark = Some(Mark::of(&self.state));
        if self.remembered == mark {
            return Ok(());
        }
        let is_broken_off = !self.goes_on() && self.has_other_tracking_refs()?;
        cache::save(self.repo, &self.remote, &self.log, &self.state, is_broken_off)?;
        if self.state.fold().entries > 0 {
            note_used(self.repo, &self.remote)?;
        }
        self.remembered = mark;
        Ok(())
    }

    /// Notes that the tracking refs were moved to where the state has them.
    pub(super) fn note_tracked(&self) -> Result<()> {
        cache::end_break(self.repo, &self.remote.name)
    }

    /// Whether a tracking ref has a commit that the state does not have for its ref. A push to a new
    /// remote leaves none.
    fn has_other_tracking_refs(&self) -> Result<bool> {
        let prefix = RefName::tracking_prefix(&self.remote.name);
        let there = &self.state.fold().refs;
        let tracking = self.repo.history().refs(&prefix)?;
        Ok(tracking.into_iter().any(|(name, id)| there.get(&name.untracked()) != Some(&id)))
    }

    /// What was asked of the remote and moved since it was connected to.
    pub(crate) fn traffic(&self) -> TrafficCount {
        self.log.store().traffic()
    }

    /// Where what can be thrown away is kept of this remote. [`Connection::save`] makes it, and makes
    /// it anew if the remote is elsewhere now.
    pub(crate) fn directory(&self) -> PathBuf {
        cache::cache_directory(self.repo, &self.remote.name)
    }
}

/// The same error, whose hint names the remote where that of the log has `NAME`. Damage without a hint
/// points to the check of the remote.
pub(crate) fn names_remote(error: Error, name: &Name) -> Error {
    match error.hint().map(|hint| hint.replace("--remote NAME", &format!("--remote {name}"))) {
        Some(hint) => error.with_hint(hint),
        None if error.kind() == ErrorKind::Corrupt => {
            error.with_hint(format!("see what is damaged: art fsck --remote {name}"))
        }
        None => error,
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// Fails if something was pushed to `remote`, at which nothing is left: its disk may not be mounted.
fn check_is_new(repo: &Repository, remote: &RemoteConfig) -> Result<()> {
    let known = cache::load(repo, remote);
    match known {
        Some((_, state)) if state.fold().entries > 0 => {
            Err(is_away(&remote.name, &remote.uri, Some(&state)))
        }
        _ if was_used(repo, remote) => Err(is_away(&remote.name, &remote.uri, None)),
        _ => Ok(()),
    }
}

/// How far the log of `remote` went when it was last asked.
fn known_number(repo: &Repository, remote: &RemoteConfig) -> Option<u64> {
    cache::load(repo, remote).map(|(_, state)| state.fold().number())
}

/// The error for a remote of which nothing is left, and whose log came to `state` when it was last
/// asked: it is rather out of reach than emptied.
pub(crate) fn is_away(name: &Name, uri: &str, state: Option<&State>) -> Error {
    let then = match state {
        Some(state) => {
            format!("whose log had {} when it was last asked", entries(state.fold().entries))
        }
        None => "which was in use before".to_owned(),
    };
    let message = format!("nothing is left of the remote '{name}' at '{uri}', {then}");
    Error::new(ErrorKind::Unavailable, message).with_hint(format!(
        "check the place, and mount its disk; if the remote was emptied on purpose, fill it again: \
         art push --recreate {name}"
    ))
}

/// What the store of `remote` guarantees to who writes; tried out and written down where it is not
/// known.
fn find_guarantee(
    repo: &Repository,
    remote: &mut RemoteConfig,
    store: &Store,
) -> Result<Guarantee> {
    if let Some(known) = remote.guarantee.filter(|known| *known != Guarantee::ReadOnly) {
        return Ok(known);
    }
    let found = probe::probe(store)?;
    if remote.guarantee != Some(found) {
        remote.guarantee = Some(found);
        repo.set_remote(remote)?;
    }
    if found != Guarantee::ReadOnly {
        return Ok(found);
    }
    if let Some(directory) = remote.parse_uri(repo)?.directory() {
        return Err(is_not_writable(directory));
    }
    let message = format!("the remote '{}' can be fetched from, not pushed to", remote.name);
    Err(if store.abilities().write {
        Error::new(ErrorKind::Unauthorized, message)
            .with_hint("check the credentials in the environment: art help remote")
    } else {
        Error::new(ErrorKind::Unsupported, message)
    })
}

fn store_of(repo: &Repository, remote: &RemoteConfig) -> Result<Store> {
    open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)
}

#[cfg(test)]
mod tests;
