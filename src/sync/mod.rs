//! Code shared by all verbs that access a remote: the connection and the cached knowledge about a
//! remote.

mod cache;
mod compact_packs;
mod connection;
mod content;
mod deleted;
mod estimate;
mod forgotten;
pub mod merge;
mod names;
mod need;
mod object_reader;
mod once_there;
mod past;
mod place;
mod proof;
mod removed;
mod send;
mod sizes;
mod standing;
mod take_in;
mod ties;
mod together;
mod unions;

use crate::error::Result;
use crate::remote::{RemoteUri, Store, StoreOptions};
use crate::repo::{Repository, TransferSettings};

pub(crate) use cache::{cache_directory, forget, load as load_saved, saved};
pub(crate) use connection::{
    Connection, does_not_allow_writing, is_away, names_remote, root_cause,
};
pub use content::Brought;
pub(crate) use content::RemoteContent;
pub(crate) use deleted::deleted_by_log;
pub(crate) use estimate::estimate;
pub(crate) use forgotten::{
    added_again, content_on_remotes, forgotten_remotes, note_forgotten, only_on,
};
pub(crate) use names::find_name;
pub(crate) use need::{content_of_history, content_of_tree, need};
pub(crate) use object_reader::ObjectReader;
pub(crate) use once_there::{forget_once_there, once_there};
pub(crate) use past::Past;
pub(crate) use place::{check_directory, check_place, is_no_directory, is_not_writable, was_used};
pub use proof::Proof;
pub(crate) use proof::UnreadableSegment;
pub(crate) use removed::{Removed, find_renamed, removed_here};
pub(crate) use send::{Item, Sent, remember_sent, send, send_file, track_pushed};
pub(crate) use sizes::Sizes;
pub use standing::Standing;
pub(crate) use standing::{Sides, standings};
pub use take_in::{OpenConflict, TakenIn, TrackedMove};
pub(crate) use take_in::{open_conflicts, take_in, tracked};
pub(crate) use ties::{Both, Tie, find_ties, renamed_there};
pub(crate) use together::{leaves_many_large, put_together};

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
pub(crate) fn who(repo: &Repository) -> String {
    let identity = &repo.settings().identity;
    format!("{} <{}>", identity.name, identity.email)
}
