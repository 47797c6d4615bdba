//! Runs, versions and projects as objects: load, find and change their records under one lock.
//!
//! Start here for a new field of a record, a new way to name a revision, or a new hook. The verbs in
//! [`ops`](crate::ops) use these objects; nothing here knows a verb.

mod author;
pub mod changes;
mod collected;
mod expired;
mod garbage_note;
pub mod hook;
pub(crate) mod project;
mod record_change;
pub mod revision;
pub mod run;
mod signal;
pub(crate) mod snapshot;
pub mod version;
mod wrong_name;

pub use author::Author;
pub(crate) use collected::refuse_collected;
pub(crate) use expired::{is_expired, refuse_expired, refuse_reading_expired};
pub use garbage_note::GarbageNote;
pub(crate) use garbage_note::{drop_garbage_note, note_garbage, noted_garbage};
pub(crate) use record_change::{RecordChange, change_records};
pub(crate) use signal::name_of_signal;
