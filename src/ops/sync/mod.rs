//! What all verbs that talk to a remote share: the connection, and what is remembered of a remote.

mod cache;
mod connection;

use crate::error::Result;
use crate::remote::{RemoteUri, Store, StoreOptions};
use crate::repo::{Repository, TransferSettings};

pub(crate) use cache::{forget, saved};
pub(crate) use connection::Connection;

/// The store at `uri`, opened with the secrets of the environment. Nothing is asked of it yet.
pub(crate) fn open_store(uri: &RemoteUri, transfer: &TransferSettings) -> Result<Store> {
    let secret = |(variable, option): &(&str, &str)| {
        Some(((*option).to_owned(), transfer.variables.get(*variable)?.clone()))
    };
    let options = StoreOptions {
        jobs: transfer.jobs,
        bandwidth: transfer.bandwidth,
        interrupt: transfer.interrupt.clone(),
        secrets: uri.variables().iter().filter_map(secret).collect(),
        ..StoreOptions::default()
    };
    let store = Store::open(uri, options)?;
    transfer.ledger.add(&store);
    Ok(store)
}

/// Who acts, as entries of a log name them: `NAME <ADDRESS>`.
pub(crate) fn who(repo: &Repository) -> String {
    let identity = &repo.settings().identity;
    format!("{} <{}>", identity.name, identity.email)
}
