//! Remotes: stores of any kind, the log on them, and the rules for concurrent writers. Only this
//! module uses OpenDAL and async; its interface is synchronous.
//!
//! ```text
//! art.toml                              format, object format, which log
//! packs/ab/abcd….tar.zst                content packs, the same bytes as local ones
//! meta/ab/abcd….pack                    Git packs of commits, trees and records
//! index/ab/abcd….idx                    index segments
//! log/00000000000000000012.toml         one immutable entry per push
//! log/00000000000000000012.UUID.toml    the same on a store that can't create exclusively
//! checkpoint/…                          the remote state at some entry
//! ```
//!
//! * [`uri`] parses the location of a remote; [`Store`] requests its objects, and retries if
//!   useful.
//! * [`Log`] is the content of a remote: immutable entries, and the resulting state.
//! * An [`ObjectStore`] is one kind of store: a directory, memory, a service of OpenDAL.

mod byte_budget;
#[doc(hidden)]
pub mod fault;
mod features;
mod file_kind;
mod fs_store;
#[doc(hidden)]
pub mod layout;
mod ledger;
pub(crate) mod limits;
pub mod log;
mod memory;
mod object_store;
mod outgoing_body;
#[doc(hidden)]
pub mod probe;
mod ranges;
mod runtime;
mod scheme;
mod secrets;
mod service;
mod service_error;
mod service_options;
#[cfg(feature = "store-sftp")]
mod sftp_files;
#[cfg(feature = "store-sftp")]
mod sftp_store;
#[cfg(feature = "store-sftp")]
mod ssh;
mod store;
mod stored_kind;
mod swift_login;
mod temporary;
mod throttle;
mod tls;
mod traffic;
mod transport;
pub mod uri;
mod watch;
mod webdav;

pub use features::Features;
pub use file_kind::{FileKind, PerKind};
pub use fs_store::FsStore;
pub use layout::Protocol;
pub use ledger::Ledger;
pub use log::Log;
pub use memory::{Honesty, MemoryStore};
pub use object_store::{Abilities, Failure, Listed, ObjectStat, ObjectStore, Receipt};
pub use probe::Guarantee;
pub use runtime::Interrupt;
pub use scheme::{schemes, secret_variables};
pub use secrets::{mask_passwords, mask_secrets};
pub use store::{Creation, Store, StoreOptions, Wrap};
pub use traffic::{Traffic, TrafficCount};
pub use uri::RemoteUri;
