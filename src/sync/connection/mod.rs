//! A connection to a remote: its store, its log, and the remote state as of the last read of the
//! log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::remote_directory::{check_remote_directory, not_writable_error, note_used, was_used};
use super::remote_memory::RemoteMemory;
use super::{author_line, open_store};
use crate::clock::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::log::{Entry, LogState, News};
use crate::remote::{Guarantee, Log, Protocol, Store, TrafficCount, probe};
use crate::repo::{RemoteConfig, Repository};

/// The age of a plan that rests on a state of unknown age.
const LONG_AGO: Duration = Duration::from_hours(24 * 365);
/// The consequence of a log without exclusive create.
const FROM_NOW_ON: &str =
    "from now on concurrent pushes are both kept, and a ref that both move is a conflict";

/// An open connection to a remote.
pub(crate) struct Connection<'r> {
    /// The local repository.
    pub(crate) repo: &'r Repository,
    /// The name and the location of the remote.
    pub(crate) remote: RemoteConfig,
    /// The log of the remote.
    pub(crate) log: Log,
    /// The remote state, as far as the log was read. [`Connection::refresh`] reads further.
    pub(crate) state: LogState,
    /// True if the connection is for a push.
    pushes: bool,
    /// The part of the state that the cache already holds.
    remembered: Option<Mark>,
    /// The notes of this repository about the remote. [`Connection::save`] creates its directory,
    /// and creates it again if the remote's URI changed.
    pub(crate) memory: RemoteMemory,
    /// How the log relates to the cached state.
    relation: LogRelation,
    /// When the last refresh began. Plans rest on the state of that time.
    refreshed: Option<Moment>,
}

/// How the log of a remote relates to the cached state.
#[derive(Default)]
struct LogRelation {
    /// The log continues the cached one, and the tracking refs belong to it.
    goes_on: bool,
    /// The log does not continue the cached one, and was not read yet.
    is_new: bool,
    /// The number of the last cached entry, if the log is a different one.
    left: Option<u64>,
    /// The refs that the newly read entries deleted.
    deleted: BTreeSet<RefName>,
}

/// Identifies a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    entries: u64,
    last: Option<Uuid>,
}

impl Mark {
    pub(super) fn of(state: &LogState) -> Self {
        Mark { entries: state.remote_state().entries, last: state.remote_state().last_write }
    }
}

impl<'r> Connection<'r> {
    /// Connects to the remote called `name`, or to the default remote. Sends one request if the
    /// remote is cached, and up to three otherwise.
    ///
    /// Fails with [`ErrorKind::NotFound`] if nothing was pushed to the remote yet, with
    /// [`ErrorKind::Unavailable`] if the whole remote disappeared after a push, and with
    /// [`ErrorKind::Corrupt`] if only the file that marks it as a remote is missing.
    pub(crate) fn open(repo: &'r Repository, name: Option<&Name>) -> Result<Self> {
        let remote = repo.choose_remote(name)?;
        let name = remote.name.clone();
        Self::open_if_made(repo, &remote)?.0.ok_or_else(|| {
            Error::not_found(format!("nothing was pushed to the remote '{name}' yet"))
                .with_hint(format!("art push {name}"))
        })
    }

    /// Like [`Connection::try_open`], but fails with [`ErrorKind::Unavailable`] if the whole remote
    /// disappeared after a push.
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

    /// Like [`Connection::open`], but returns no connection if nothing was pushed to the remote
    /// yet. Also returns the count of requests.
    pub(crate) fn try_open(
        repo: &'r Repository,
        remote: RemoteConfig,
    ) -> Result<(Option<Self>, TrafficCount)> {
        check_remote_directory(repo, &remote)?;
        let store = store_of(repo, &remote)?;
        let connection = Self::connect(repo, remote, &store, |_| Log::try_find(&store))?;
        Ok((connection, store.traffic()))
    }

    /// Like [`Connection::open`], but for a push: initializes the store as a remote if necessary.
    ///
    /// The store's guarantee decides how concurrent writers are ordered. If the guarantee is
    /// unknown, or if nothing could be written before, this function probes the store. It fails if
    /// nothing can be written. An emptied remote is created again only if `recreate` is true.
    pub(crate) fn open_or_make(
        repo: &'r Repository,
        name: Option<&Name>,
        recreate: bool,
    ) -> Result<Self> {
        let mut remote = repo.choose_remote(name)?;
        if !recreate {
            check_remote_directory(repo, &remote)?;
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
            let relation = LogRelation { is_new: true, left, ..LogRelation::default() };
            let state = log.load()?;
            Self::new(repo, remote, (log, state), None, relation)
        };
        connection.pushes = true;
        Ok(connection)
    }

    /// Like [`Connection::open`], but for the preview of a push: if nothing was pushed yet, assumes
    /// an empty remote. Writes nothing to the store.
    pub(crate) fn open_for_preview(
        repo: &'r Repository,
        name: Option<&Name>,
        recreate: bool,
    ) -> Result<Self> {
        let remote = repo.choose_remote(name)?;
        let is_missing = recreate && check_remote_directory(repo, &remote).is_err();
        if !is_missing && let (Some(connection), _) = Self::try_open(repo, remote.clone())? {
            return Ok(connection);
        }
        if !recreate {
            check_is_new(repo, &remote)?;
        }
        let log = Log::in_memory(Protocol::Linear);
        let state = LogState::empty(Protocol::Linear);
        Ok(Self::new(repo, remote, (log, state), None, LogRelation::default()))
    }

    fn new(
        repo: &'r Repository,
        remote: RemoteConfig,
        (log, state): (Log, LogState),
        remembered: Option<Mark>,
        relation: LogRelation,
    ) -> Self {
        let memory = RemoteMemory::of(repo, &remote.name);
        Connection {
            repo,
            remote,
            log,
            state,
            pushes: false,
            remembered,
            memory,
            relation,
            refreshed: None,
        }
    }

    /// When the log was read for a plan that is made now. Later reads, such as those of a commit, do
    /// not make an old plan younger.
    pub(super) fn planned(&self) -> Moment {
        self.refreshed.unwrap_or_else(|| Moment::ago(LONG_AGO))
    }

    /// Connects to the log that `open` finds. The argument of `open` is true if a log is cached.
    fn connect(
        repo: &'r Repository,
        remote: RemoteConfig,
        store: &Store,
        open: impl FnOnce(bool) -> Result<Option<Log>>,
    ) -> Result<Option<Self>> {
        let memory = RemoteMemory::of(repo, &remote.name);
        let mut left = None;
        if let Some((made, state)) = memory.log(&remote) {
            let reopened = Log::try_reopen(store.clone(), made, &state);
            if let Some(log) = reopened.map_err(|error| names_remote(error, &remote.name))? {
                let remembered = Some(Mark::of(&state));
                let relation =
                    LogRelation { goes_on: !memory.is_broken_off()?, ..LogRelation::default() };
                return Ok(Some(Self::new(repo, remote, (log, state), remembered, relation)));
            }
            left = Some(state.remote_state().number());
        }
        let Some(log) = open(left.is_some())? else { return Ok(None) };
        let state = log.load()?;
        let relation = LogRelation { is_new: true, left, ..LogRelation::default() };
        Ok(Some(Self::new(repo, remote, (log, state), None, relation)))
    }

    /// Returns true if the log is known to continue the log from which the tracking refs were
    /// fetched.
    pub(crate) fn goes_on(&self) -> bool {
        self.relation.goes_on
    }

    /// Returns true if a newly read entry deleted the ref.
    pub(super) fn saw_deleted(&self, name: &RefName) -> bool {
        self.relation.deleted.contains(name)
    }

    /// Reads new log entries. Sends one request if there are none.
    ///
    /// If the store let one entry replace another, it broke its guarantee. The user is warned, the
    /// finding is recorded, and from then on the log allows entries side by side. The same happens
    /// before a push to a store that was found not to create exclusively. Entries that arrive
    /// during this change are in the state, but not in the returned news.
    pub(crate) fn refresh(&mut self, progress: &dyn Progress) -> Result<News> {
        let begun = Moment::now();
        let known = self.state.remote_state().doubled.clone();
        let news = self.log.refresh(&mut self.state);
        let news = news.map_err(|error| names_remote(error, &self.remote.name))?;
        self.refreshed = Some(begun);
        let moves = news.entries.iter().flat_map(|entry| &entry.refs);
        let deleted = moves.filter(|moved| moved.new.is_none()).map(|moved| moved.name.clone());
        self.relation.deleted.extend(deleted);
        if std::mem::take(&mut self.relation.is_new) {
            self.warn_if_recreated(progress);
            self.check_end()?;
        }
        self.note(&news.entries)?;
        let doubled = &self.state.remote_state().doubled;
        let mut lies: BTreeSet<u64> = doubled.difference(&known).copied().collect();
        lies.extend(&news.replaced);
        if !doubled.is_empty() || !lies.is_empty() {
            self.note_lies(&lies, progress)?;
        } else if self.pushes && self.is_linear() && self.has_broken_store() {
            let name = &self.remote.name;
            progress.warn(&format!(
                "the log of the remote '{name}' relies on exclusive create, which its store does \
                 not support: {FROM_NOW_ON}"
            ));
            self.write_downgrade()?;
        }
        Ok(news)
    }

    /// Records what later commands need to know about entries that are in the state now.
    pub(crate) fn note(&self, entries: &[Arc<Entry>]) -> Result<()> {
        self.memory.note_compactions(entries, self.state.remote_state())
    }

    /// Fails if later entries exist than those that were read: an entry between them is missing,
    /// and the read part of the log is incomplete.
    fn check_end(&self) -> Result<()> {
        if self.pushes && self.state.remote_state().entries == 0 {
            // A first push skips this request. If the entry's number is taken, the commit detects
            // it.
            return Ok(());
        }
        let Some(missing) = self.log.find_gap(&self.state)? else { return Ok(()) };
        let name = &self.remote.name;
        let message =
            format!("'{missing}' on the remote '{name}' is missing, but later log entries exist");
        Err(Error::corrupt(message).with_hint(format!(
            "see what is damaged: art fsck --remote {name}; to repair it: art push --repair {name}"
        )))
    }

    /// Warns if the log is shorter than the cached one.
    fn warn_if_recreated(&self, progress: &dyn Progress) {
        let now = self.state.remote_state().number();
        if let Some(left) = self.relation.left.filter(|left| *left > now) {
            let name = &self.remote.name;
            let then = if self.pushes {
                "this push sends again what the remote lacks".to_owned()
            } else {
                format!(
                    "no ref is treated as deleted; to restore the remote from this repository: art \
                     push --all {name}"
                )
            };
            progress.warn(&format!(
                "the remote '{name}' was emptied or restored from a backup: its log had {} when it \
                 was last read, and has {now} now; {then}",
                entries(left)
            ));
        }
    }

    fn is_linear(&self) -> bool {
        self.state.remote_state().protocol == Protocol::Linear
    }

    /// Returns true if the store was found not to create exclusively.
    fn has_broken_store(&self) -> bool {
        let guarantee = self.remote.guarantee;
        matches!(guarantee, Some(Guarantee::Races | Guarantee::Ignored | Guarantee::None))
    }

    /// Stops relying on the store's guarantee. `lies` are the numbers of entries that were just
    /// found to be replaced.
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
            "a user with write access should push, to record this in the log"
        };
        progress.warn(&format!(
            "the store of the remote '{}' let pushes replace each other (log entry {}): the store \
             does not create exclusively; push lost changes again; {then}",
            self.remote.name,
            numbers.join(", ")
        ));
        Ok(())
    }

    /// Records the downgrade in the log, if this user may write to the store.
    fn write_downgrade(&mut self) -> Result<bool> {
        let is_read_only = self.remote.guarantee == Some(Guarantee::ReadOnly);
        if is_read_only || !self.log.store().abilities().write {
            return Ok(false);
        }
        let now = self.repo.settings().clock.now();
        match self.log.downgrade(&mut self.state, &author_line(self.repo), now) {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Caches the state, so that the next connection starts from it.
    ///
    /// The tracking refs may belong to an older log, from before the remote was emptied or restored
    /// from a backup. This is recorded until [`Connection::note_tracked`].
    pub(crate) fn save(&mut self) -> Result<()> {
        let mark = Some(Mark::of(&self.state));
        if self.remembered == mark {
            return Ok(());
        }
        let is_broken_off = !self.goes_on() && self.has_other_tracking_refs()?;
        self.memory.save_log(&self.remote, &self.log, &self.state, is_broken_off)?;
        if self.state.remote_state().entries > 0 {
            note_used(self.repo, &self.remote)?;
        }
        self.remembered = mark;
        Ok(())
    }

    /// Records that the tracking refs now match the state.
    pub(super) fn note_tracked(&self) -> Result<()> {
        self.memory.end_break()
    }

    /// Returns true if a tracking ref has a different commit than the state. A push to a new remote
    /// creates no such difference.
    fn has_other_tracking_refs(&self) -> Result<bool> {
        let prefix = RefName::tracking_prefix(&self.remote.name);
        let remote_refs = &self.state.remote_state().refs;
        let tracking = self.repo.history().refs(&prefix)?;
        Ok(tracking.into_iter().any(|(name, id)| remote_refs.get(&name.untracked()) != Some(&id)))
    }

    /// The requests and bytes since the connection was opened.
    pub(crate) fn traffic(&self) -> TrafficCount {
        self.log.store().traffic()
    }
}

/// Returns the error with the remote's name in place of `NAME` in its hint. For damage without a
/// hint, adds a hint to check the remote.
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

/// Fails if the remote was pushed to before but is empty now: its disk may not be mounted.
fn check_is_new(repo: &Repository, remote: &RemoteConfig) -> Result<()> {
    let known = RemoteMemory::of(repo, &remote.name).log(remote);
    match known {
        Some((_, state)) if state.remote_state().entries > 0 => {
            Err(unreachable_error(&remote.name, &remote.uri, Some(&state)))
        }
        _ if was_used(repo, remote) => Err(unreachable_error(&remote.name, &remote.uri, None)),
        _ => Ok(()),
    }
}

/// The number of the last log entry of `remote` as of the last access.
fn known_number(repo: &Repository, remote: &RemoteConfig) -> Option<u64> {
    RemoteMemory::of(repo, &remote.name).log(remote).map(|(_, state)| state.remote_state().number())
}

/// Returns the error for a remote that disappeared, with the last known `state` of its log. The
/// remote is more likely unreachable than emptied.
pub(crate) fn unreachable_error(name: &Name, uri: &str, state: Option<&LogState>) -> Error {
    let then = match state {
        Some(state) => {
            format!(
                "although its log had {} when it was last read",
                entries(state.remote_state().entries)
            )
        }
        None => "although it was in use before".to_owned(),
    };
    let message = format!("nothing is left of the remote '{name}' at '{uri}', {then}");
    Error::new(ErrorKind::Unavailable, message).with_hint(format!(
        "check the location and mount its disk; if the remote was emptied on purpose, fill it \
         again: art push --recreate {name}"
    ))
}

/// Returns the write guarantee of the store of `remote`. If it is unknown, probes the store and
/// saves the result.
fn find_guarantee(
    repo: &Repository,
    remote: &mut RemoteConfig,
    store: &Store,
) -> Result<Guarantee> {
    if let Some(known) = remote.guarantee.filter(|known| *known != Guarantee::ReadOnly) {
        return Ok(known);
    }
    let probe::Findings { guarantee: found, refusal } = probe::try_out(store)?;
    if remote.guarantee != Some(found) {
        remote.guarantee = Some(found);
        repo.set_remote(remote)?;
    }
    if found != Guarantee::ReadOnly {
        return Ok(found);
    }
    if let Some(directory) = remote.parse_uri(repo)?.directory() {
        return Err(not_writable_error(directory));
    }
    let message = format!("cannot push to the remote '{}': it is read-only", remote.name);
    if let Some(error) = refusal.filter(|error| error.kind() == ErrorKind::Unsupported) {
        return Err(not_allowed_error(&error).context(message));
    }
    Err(if store.abilities().write {
        Error::new(ErrorKind::Unauthorized, message)
            .with_hint("check the credentials in the environment: art help remote")
    } else {
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// The error for a store that refuses writes from every user; `refusal` is its answer.
pub(crate) fn not_allowed_error(refusal: &Error) -> Error {
    Error::new(ErrorKind::Unsupported, "the server does not allow writing at this URI")
        .with_source(root_cause(refusal))
        .with_hint(
            "check the host and the path of the URI, and that the server accepts uploads there: art \
             help remote",
        )
}

/// Returns the last cause of `error`.
pub(crate) fn root_cause(error: &Error) -> String {
    error.causes().pop().unwrap_or_else(|| error.to_string())
}

fn store_of(repo: &Repository, remote: &RemoteConfig) -> Result<Store> {
    open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)
}

#[cfg(test)]
mod tests;
