//! The outcome: verdict, defects, what suffers, what is left over, what to do next.

use serde::Serialize;

use super::affected::LostFile;
use super::defect::{Defects, RemoteDefect};
use super::files::FileKind;
use super::overtaken::OvertakenHistory;
use super::{Depth, Found};
use crate::error::Result;
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::TrafficCount;

/// How much of a remote was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteChecked {
    /// Entries of the log.
    pub entries: u64,
    /// Refs.
    pub refs: u64,
    /// Git packs, all read whole.
    pub meta: u64,
    /// Git objects in them.
    pub objects: u64,
    /// Index segments, all read whole.
    pub segments: u64,
    /// Places of contents that they name.
    pub index_entries: u64,
    /// Contents that the history names, all looked for in the index.
    pub contents: u64,
    /// Content packs.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Those of which every byte was read.
    pub packs_read: u64,
    /// The bytes of these.
    pub pack_bytes_read: u64,
}

impl RemoteChecked {
    fn of(found: &Found) -> Self {
        let fold = &found.audit.fold;
        RemoteChecked {
            entries: found.audit.entries,
            refs: fold.refs.len() as u64,
            meta: fold.meta.len() as u64,
            objects: found.scratch.objects,
            segments: fold.segments.len() as u64,
            index_entries: found.index.entries,
            contents: found.lost.needed,
            packs: fold.packs.len() as u64,
            pack_bytes: fold.packs.values().sum(),
            packs_read: found.read.packs,
            pack_bytes_read: found.read.bytes,
        }
    }
}

/// What no entry of the log needs. It does no harm: an interrupted push leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteLeftovers {
    /// Files that no entry names.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their keys, the first ones.
    pub keys: Vec<String>,
    /// Files that were retired and are still there.
    pub retired: u64,
    /// Their bytes.
    pub retired_bytes: u64,
}

/// What a check of a remote has found.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteFsckOutcome {
    /// The remote.
    pub remote: Name,
    /// Whether everything that was looked at is there and as it was.
    pub sound: bool,
    /// Whether every byte of every pack was read.
    pub full: bool,
    /// How many of a hundred packs were to be read.
    pub sample: Option<f64>,
    /// How much was looked at.
    pub checked: RemoteChecked,
    /// What is damaged, the first of it.
    pub defects: Vec<RemoteDefect>,
    /// How much is damaged in all.
    pub defect_count: u64,
    /// The refs that lead to what is missing or damaged, the first ones.
    pub affected: Vec<RefName>,
    /// How many these are in all.
    pub affected_count: u64,
    /// The files that can't be given back, the first ones.
    pub files: Vec<LostFile>,
    /// What became of the history that was overtaken. What is lost of it is no defect.
    pub overtaken: OvertakenHistory,
    /// The numbers of entries of the log that the store let others replace: what these pushed is not
    /// there, unless it was pushed again.
    pub doubled: Vec<u64>,
    /// How many entries the log had that was last read here, if this is another one: the remote was
    /// emptied since, and filled again.
    pub made_anew: Option<u64>,
    /// Whether the store said which files are there; else what is left over is not known.
    pub listed: bool,
    /// What nothing needs.
    pub leftovers: RemoteLeftovers,
    /// What to do next, in order.
    pub advice: Vec<String>,
    /// What it took.
    pub traffic: TrafficCount,
}

/// So many names are given.
const NAMED: usize = 200;

pub(super) fn outcome(found: &Found, progress: &dyn Progress) -> Result<RemoteFsckOutcome> {
    let affected = found.affected(progress)?;
    let defects = Defects::of(found);
    let mut doubled: Vec<u64> = found.audit.fold.doubled.iter().copied().collect();
    doubled.extend(found.audit.replaced.filter(|number| !doubled.contains(number)));
    Ok(RemoteFsckOutcome {
        remote: found.remote.name.clone(),
        sound: defects.count == 0,
        full: found.depth == Depth::Full,
        sample: match found.depth {
            Depth::Sample(percent) => Some(percent),
            _ => None,
        },
        checked: RemoteChecked::of(found),
        defects: defects.kept,
        defect_count: defects.count,
        affected_count: affected.refs.len() as u64,
        affected: affected.refs.into_iter().take(NAMED).collect(),
        files: affected.files,
        overtaken: found.overtaken.outcome(&found.scratch)?,
        doubled,
        made_anew: found.audit.made_anew,
        listed: found.audit.is_listed,
        leftovers: leftovers(found),
        advice: advice(found),
        traffic: found.store.traffic(),
    })
}

fn leftovers(found: &Found) -> RemoteLeftovers {
    let left = || found.files.leftovers.iter().chain(&found.audit.leftovers);
    RemoteLeftovers {
        files: left().count() as u64,
        bytes: left().map(|(_, size)| size).sum(),
        keys: left().take(NAMED).map(|(key, _)| key.clone()).collect(),
        retired: found.files.retired.0,
        retired_bytes: found.files.retired.1,
    }
}

fn advice(found: &Found) -> Vec<String> {
    let name = &found.remote.name;
    if found.is_sound() {
        let lost = found.overtaken.has_losses();
        return lost
            .then(|| {
                format!("a repository that has it can bring it back: art push --repair {name}")
            })
            .into_iter()
            .collect();
    }
    let full = if found.depth == Depth::Structure { "" } else { " --full" };
    let mut advice =
        vec![format!("where a good copy is here, this mends it: art push --repair{full} {name}")];
    if found.depth != Depth::Full && !found.files.wrong(FileKind::Pack).is_empty() {
        advice.push(format!(
            "read every byte, to know all that is damaged: art fsck --remote {name} --full"
        ));
    }
    advice
}
