//! The Git repository of records: the only door to gix.
