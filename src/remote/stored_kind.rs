//! The kinds of files that a remote's log names.

/// The kind of a remote's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredKind {
    /// A content pack.
    Pack,
    /// A Git pack.
    Meta,
    /// An index segment.
    Segment,
}
