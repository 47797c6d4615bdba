//! What can be done to a repository: one file a verb.

mod snapshot;
