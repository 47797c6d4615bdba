//! Sends missing data to a remote: content packs, Git objects, and the index of the sent packs.
//!
//! Files are named by their content, so a retry sends only missing files. Files that an earlier
//! attempt stored are noted locally, and are verified on the remote before a push relies on them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::connection::Connection;
use super::former_tips::{add_former_tips, overtaken};
use super::remote_file::UnreadableSegment;
use crate::clock::Moment;
use crate::content::{Need, OutgoingSegment, SendPlan, Session};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::read;
use crate::history::{OutgoingPack, OutgoingWalk};
use crate::id::{Digest, Id};
use crate::name::{Name, RefName};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::log::{RefMove, Stored};
use crate::remote::{FileKind, PerKind, Store};

/// The result of sending, or of its preview.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The files that the remote needs, including those that are on it already.
    pub(crate) files: PerKind<Vec<Stored>>,
    /// Packs on the remote that the sent data needs.
    pub(crate) relies_on: Vec<Id>,
    /// The number of Git objects.
    pub(crate) objects: u64,
    /// The sent bytes, without files that an earlier attempt already stored.
    pub(crate) bytes: u64,
    /// When the log was read for the plan.
    pub(crate) planned: Option<Moment>,
    /// In a dry run: the number of contents that are missing locally and would first be fetched
    /// from another remote.
    pub(crate) missing: u64,
}

/// The data to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendMode {
    /// Nothing: only report what would be sent.
    Preview,
    /// The data that the remote lacks.
    New,
    /// The data that the remote lacks, if it had none of the moved refs. After these refs have moved, because
    /// another writer removed files at the same time.
    Again,
}

/// A file to be sent.
pub(crate) struct Item {
    pub(crate) kind: FileKind,
    pub(crate) id: Id,
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
}

impl Item {
    /// The key of the file on the remote.
    pub(crate) fn key(&self) -> String {
        self.kind.key(self.id)
    }
}

/// The content to send, and the packs of the remote that it relies on.
struct ContentPlan {
    plan: SendPlan,
    relies_on: Vec<Id>,
    /// The number of contents that are missing locally. Set in a dry run only.
    missing: u64,
}

impl Connection<'_> {
    /// Sends all data that the remote needs for `moves`.
    pub(crate) fn send(
        &self,
        moves: &[RefMove],
        mode: SendMode,
        progress: &dyn Progress,
    ) -> Result<Sent> {
        let planned = Some(self.planned());
        let dry_run = mode == SendMode::Preview;
        let repo = self.repo;
        let session = repo.content().begin()?;
        progress.begin("comparing", None, Unit::Items);
        let known = match mode {
            SendMode::Again => self.known_beside(moves)?,
            SendMode::Preview | SendMode::New => self.known_on_remote()?,
        };
        let is_dead = |id: &Id| self.state.remote_state().is_dead(id);
        let tips: Vec<Id> = moves.iter().filter_map(|moved| moved.new).collect();
        let expiry = self.push_expiry(moves)?;
        let walk = OutgoingWalk { tips: &tips, have: &known, expired: Some(expiry.expired()) };
        let history = repo.history();
        let mut outgoing =
            history.write_outgoing(&walk, session.directory(), &is_dead, progress)?;
        expiry.add_needed_again(repo, &mut outgoing.content)?;
        let plan = self.plan_content(&session, &outgoing.content, dry_run, progress)?;
        let mut items = items(&plan.plan, outgoing.pack.as_ref(), &[]);
        let sent = Sent {
            files: stored(&items),
            relies_on: plan.relies_on,
            objects: outgoing.objects,
            bytes: 0,
            missing: plan.missing,
            planned,
        };
        let remote_state = self.state.remote_state();
        // A segment is always sent: the remote's copy may be unreadable.
        items.retain(|item| {
            item.kind == FileKind::Segment || !item.kind.files(remote_state).contains_key(&item.id)
        });
        if dry_run {
            let bytes = items.iter().map(|item| item.size).sum();
            return Ok(Sent { bytes, ..sent });
        }
        let bytes = self.send_items(&items, progress)?;
        if let Some(segment) = &plan.plan.segment {
            // A local copy avoids a later download. It counts once the log names the segment.
            self.content()?.keep_segment(&segment.id, segment.path())?;
        }
        Ok(Sent { bytes, ..sent })
    }

    /// The commits that both the remote and this repository have.
    pub(super) fn known_on_remote(&self) -> Result<Vec<Id>> {
        self.known_beside(&[])
    }

    /// The commits that both sides have, without the remote's refs that `moves` move.
    fn known_beside(&self, moves: &[RefMove]) -> Result<Vec<Id>> {
        let remote_state = self.state.remote_state();
        let sides = remote_state.conflicts.values().flatten().filter_map(|side| side.commit);
        let names: BTreeSet<&RefName> = moves.iter().map(|one| &one.name).collect();
        let refs = remote_state.refs.iter().filter(|(name, _)| !names.contains(name));
        let all: BTreeSet<Id> = refs.map(|(_, id)| *id).chain(sides).collect();
        let mut known = Vec::new();
        for id in all {
            if self.repo.history().try_kind(&id)?.is_some() {
                known.push(id);
            }
        }
        Ok(known)
    }

    /// Plans the content to send. Fetches content first that both sides lack.
    fn plan_content(
        &self,
        session: &Session,
        wanted: &[Id],
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<ContentPlan> {
        let remote_content = self.content()?;
        let mut unreadable = Vec::new();
        if !wanted.is_empty() {
            unreadable = remote_content.complete_readable_index(progress)?;
        }
        let name = &self.remote.name;
        for UnreadableSegment { key, problem } in &unreadable {
            progress.warn(&format!(
            "'{key}' on the remote '{name}' is unusable: {problem}; content that only this file names is \
             sent again; to repair the remote: art push --repair {name}"
        ));
        }
        let mut relies_on = BTreeSet::new();
        let is_dead = |id: &Id| self.state.remote_state().is_dead(id);
        let mut plan = || {
            let mut has_content = |id: &Id, need: Need| -> Result<bool> {
                let found = remote_content.find_locations(id, need).into_iter().next();
                relies_on.extend(found.iter().map(|place| place.pack));
                Ok(found.is_some())
            };
            self.repo.content().plan_send_besides(
                session,
                wanted,
                &mut has_content,
                &is_dead,
                progress,
            )
        };
        let mut planned = plan()?;
        let mut missing = 0;
        if dry_run {
            missing = planned.missing.len() as u64;
            planned.missing.clear();
        }
        if !planned.missing.is_empty() {
            // Content that both sides lack may be on another remote. It is fetched into this repository
            // first.
            let needed = super::fetch_missing(self.repo, &planned.missing, progress);
            needed.map_err(|error| match unreadable.first() {
                Some(segment) => needed_segment_error(segment, name).with_source(error),
                None => error,
            })?;
            planned = plan()?;
        }
        let plan = planned;
        if let (Some(segment), false) = (unreadable.first(), plan.missing.is_empty()) {
            return Err(needed_segment_error(segment, name));
        }
        if let Some(first) = plan.missing.first() {
            let message = match plan.missing.len() {
                1 => {
                    format!(
                        "a content to push is neither in this repository nor on '{name}': {first}"
                    )
                }
                many => format!(
                    "{many} contents to push are neither in this repository nor on '{name}', the first \
                     is {first}"
                ),
            };
            return Err(Error::corrupt(message).with_hint("see what is damaged: art fsck"));
        }
        Ok(ContentPlan { plan, relies_on: relies_on.into_iter().collect(), missing })
    }

    /// Sends files in parallel; returns the number of sent bytes.
    fn send_items(&self, items: &[Item], progress: &dyn Progress) -> Result<u64> {
        let store = self.log.store();
        let now = self.repo.settings().clock.now();
        let max_age = self.state.remote_state().gc_times().max_age();
        let before = self.memory.sent_files(now, max_age);
        let total = items.iter().map(|item| item.size).sum();
        progress.begin("sending", Some(total), Unit::Bytes);
        let send = |item: &Item| -> Result<u64> {
            check_interrupt(progress)?;
            if before.get(&item.id) == Some(&item.size)
                && store.try_size(&item.key())? == Some(item.size)
            {
                progress.advance(item.size);
                return Ok(0);
            }
            send_file(store, item, progress)?;
            self.memory.note_sent(Stored { id: item.id, size: item.size }, now);
            Ok(item.size)
        };
        let sizes = store.at_once(items, &send)?;
        Ok(sizes.into_iter().sum())
    }

    /// Records the sent files, which the log names now, so that they are not fetched back.
    pub(crate) fn remember_sent(&self, sent: &Sent) -> Result<()> {
        let mut all = self.memory.imported_packs();
        all.extend(sent.files.meta.iter().map(|stored| stored.id));
        self.memory.save_imported_packs(&all, self.state.remote_state())?;
        self.memory.forget_sent()
    }

    /// Moves the tracking refs to the results of a push.
    pub(crate) fn track_pushed(&self, moves: &[RefMove]) -> Result<()> {
        let (repo, history) = (self.repo, self.repo.history());
        let all = moves.iter().map(|moved| (&moved.name, moved.old, moved.new));
        add_former_tips(repo, &self.remote.name, overtaken(history, all)?)?;
        // A move by another writer is left to a fetch, because its objects may be missing locally.
        let remote_refs = &self.state.remote_state().refs;
        let ours = moves.iter().filter(|moved| remote_refs.get(&moved.name).copied() == moved.new);
        let ours = ours.map(|moved| (&moved.name, moved.old, moved.new));
        self.move_tracking(&ours.collect::<Vec<_>>(), "push")
    }
}

/// The error for an unreadable segment, if a push needs content that is missing locally and that only
/// this segment may name.
fn needed_segment_error(segment: &UnreadableSegment, remote: &Name) -> Error {
    let UnreadableSegment { key, problem } = segment;
    let message = format!("'{key}' on the remote '{remote}' is unusable: {problem}");
    Error::corrupt(message).with_hint(format!(
        "repair the remote from a repository that has its content: art push --repair {remote}"
    ))
}

/// The files of a push in the order of sending. The segments are last because they name the packs.
pub(crate) fn items(
    plan: &SendPlan,
    meta: Option<&OutgoingPack>,
    more_segments: &[OutgoingSegment],
) -> Vec<Item> {
    let item =
        |kind, id: Id, size: u64, path: &Path| Item { kind, id, size, path: path.to_owned() };
    let packs = plan.packs.iter().map(|pack| item(FileKind::Pack, pack.id, pack.size, &pack.path));
    let meta = meta.iter().map(|pack| item(FileKind::Meta, pack.id, pack.size, pack.file.path()));
    let segments = plan.segment.iter().chain(more_segments);
    let segments = segments.map(|one| item(FileKind::Segment, one.id, one.size, one.path()));
    packs.chain(meta).chain(segments).collect()
}

/// The files, as a log entry names them.
pub(crate) fn stored(items: &[Item]) -> PerKind<Vec<Stored>> {
    let mut files = PerKind::<Vec<Stored>>::default();
    for Item { kind, id, size, .. } in items {
        files[*kind].push(Stored { id: *id, size: *size });
    }
    files
}

/// Sends a file and verifies its bytes against its id, so that damage does not spread.
pub(crate) fn send_file(store: &Store, item: &Item, progress: &dyn Progress) -> Result<()> {
    let open = || -> Result<Box<dyn Read + '_>> {
        let file = read::open(&item.path).on("open", &item.path)?;
        Ok(Box::new(Checked {
            file,
            digest: Some(Digest::default()),
            left: item.size,
            item,
            progress,
        }))
    };
    store.write_from(&item.key(), item.size, &open)
}

/// A reader that verifies a file while it is sent.
struct Checked<'a> {
    file: File,
    digest: Option<Digest>,
    left: u64,
    item: &'a Item,
    progress: &'a dyn Progress,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        check_interrupt(self.progress).map_err(io::Error::other)?;
        let length = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(length as u64);
        if let Some(digest) = &mut self.digest {
            digest.update(&buffer[..length]);
        }
        if (self.left == 0 || length == 0)
            && let Some(digest) = self.digest.take()
            && digest.finish() != self.item.id
        {
            let message =
                format!("'{}' has changed since it was written", self.item.path.display());
            let error = Error::corrupt(message).with_hint("see what is damaged: art fsck --full");
            return Err(io::Error::other(error));
        }
        self.progress.advance(length as u64);
        Ok(length)
    }
}
