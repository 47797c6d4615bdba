//! Code shared by all verbs that access a remote: the connection and the cached knowledge about a
//! remote.

mod collect;
mod compact;
mod compact_packs;
mod compactions;
mod connection;
mod content;
mod deleted;
mod estimate;
mod expired_error;
mod expiry;
mod fetch_missing;
mod forgotten;
mod former_tips;
mod import;
mod let_go;
mod look_again;
pub mod merge;
mod names;
mod object_reader;
mod open_renames;
mod proof;
mod reached;
mod record_uuid;
mod ref_memory;
mod ref_relation;
mod remembered;
mod remote_directory;
mod remote_file;
mod remote_memory;
mod renamed_pairs;
mod retired_content;
mod send;
mod sizes;
mod transfer;
mod worth_compacting;

use crate::error::Result;
use crate::remote::{RemoteUri, Store, StoreOptions};
use crate::repo::{Repository, TransferSettings};

pub(crate) use collect::CollectRules;
pub(crate) use compact::leaves_many_large;
pub(crate) use connection::{
    Connection, names_remote, not_allowed_error, root_cause, unreachable_error,
};
pub(crate) use content::RemoteContent;
pub(crate) use fetch_missing::{content_of_history, content_of_tree, fetch_missing, supply_of};
pub(crate) use forgotten::{
    added_again, content_on_remotes, forgotten_remotes, note_forgotten, only_on,
};
pub(crate) use former_tips::{forget_former_tips, former_tips};
pub use import::{Imported, OpenConflict, TrackedMove};
pub(crate) use let_go::{LetGoCommit, let_go_commits};
pub(crate) use names::find_name;
pub(crate) use object_reader::ObjectReader;
pub(crate) use open_renames::open_renames;
pub use proof::Proof;
pub(crate) use record_uuid::uuid_of;
pub(crate) use ref_memory::RefMemory;
pub use ref_relation::RefRelation;
pub(crate) use ref_relation::{RefSides, ref_relations};
pub(crate) use remembered::{is_available, remembered_commits};
pub(crate) use remote_directory::{
    check_directory, check_remote_directory, not_a_directory_error, not_writable_error, was_used,
};
pub(crate) use remote_file::UnreadableSegment;
pub(crate) use remote_memory::RemoteMemory;
pub(crate) use renamed_pairs::{RenamedPair, Sides, find_renamed_pairs};
pub(crate) use send::{Item, SendMode, Sent, items, send_file, stored};
pub(crate) use sizes::Sizes;
pub use transfer::Brought;

/// Opens the store at `uri` with the secrets from the environment. Sends no request yet.
pub(crate) fn open_store(uri: &RemoteUri, transfer: &TransferSettings) -> Result<Store> {
    let secret = |(variable, option): &(&str, &str)| {
        Some(((*option).to_owned(), transfer.variables.get(*variable)?.clone()))
    };
    let options = StoreOptions {
        jobs: transfer.jobs,
        bandwidth: transfer.bandwidth,
        interrupt: transfer.interrupt.clone(),
        first_wait: transfer.first_wait,
        retries: transfer.retries,
        patience: transfer.patience,
        answer_timeout: transfer.answer_timeout,
        wrap: transfer.wrap.clone(),
        ca_files: transfer.ca_files.clone(),
        secrets: uri.variables().iter().filter_map(secret).collect(),
        ..StoreOptions::default()
    };
    let store = Store::open(uri, options)?;
    transfer.ledger.add(&store);
    Ok(store)
}

/// The identity of the user, as log entries record it: `NAME <ADDRESS>`.
pub(crate) fn author_line(repo: &Repository) -> String {
    let identity = &repo.settings().identity;
    format!("{} <{}>", identity.name, identity.email)
}
