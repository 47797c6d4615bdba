//! Object ids: the SHA-256 of Git's header followed by the bytes of an object.
//!
//! The id of a file is exactly the `git hash-object` of its bytes in a SHA-256 repository, however
//! the bytes are stored. The digest of a pack ([`Digest`]) is a plain SHA-256 without a header.
//!
//! ```
//! use artifacts::Id;
//!
//! // `printf hello | git hash-object --stdin`, in a repository with SHA-256 ids
//! let id = Id::of_blob(b"hello");
//! assert_eq!(id.short(), "8aec4e4876f8");
//! assert_eq!(id.to_hex().parse::<Id>()?, id);
//! # Ok::<(), artifacts::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::error::Error;

/// The id of a blob, tree or commit: 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; Id::LEN]);

impl Id {
    /// The number of bytes in an id.
    pub const LEN: usize = 32;
    /// The number of hexadecimal digits in a written id.
    pub const HEX_LEN: usize = 64;
    /// The id that means "nothing" in reflogs and ref updates.
    pub const NULL: Id = Id([0; Id::LEN]);
    /// The id of the tree without entries: an empty directory.
    pub const EMPTY_TREE: Id = Id([
        0x6e, 0xf1, 0x9b, 0x41, 0x22, 0x5c, 0x53, 0x69, 0xf1, 0xc1, 0x04, 0xd4, 0x5d, 0x8d, 0x85,
        0xef, 0xa9, 0xb0, 0x57, 0xb5, 0x3b, 0x14, 0xb4, 0xb9, 0xb9, 0x39, 0xdd, 0x74, 0xde, 0xcc,
        0x53, 0x21,
    ]);

    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; Id::LEN]) -> Self {
        Id(bytes)
    }

    /// An id from a slice, or `None` unless the slice is exactly [`Id::LEN`] bytes long.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Id)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Id::LEN] {
        &self.0
    }

    /// Returns true if this is [`Id::NULL`].
    pub fn is_null(&self) -> bool {
        *self == Id::NULL
    }

    /// Returns all 64 digits.
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// Returns the first 12 digits, for display.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(12);
        hex
    }

    /// The id of a blob with these bytes.
    pub fn of_blob(bytes: &[u8]) -> Self {
        let mut hasher = ObjectHasher::blob(bytes.len() as u64);
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0u8; Id::HEX_LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&hex).expect("because hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Id::from_hex(text.as_bytes())
            .ok_or_else(|| Error::invalid(format!("'{}' is not an object id", text.escape_debug())))
    }
}

impl Id {
    /// Parses an id from its 64 lower-case digits.
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        let hex: &[u8; Id::HEX_LEN] = hex.try_into().ok()?;
        let mut bytes = [0u8; Id::LEN];
        let mut all = 0;
        // No branch for each digit: a listing of 100,000 refs reads six million digits.
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
            all |= high | low;
            *byte = high << 4 | low;
        }
        (all <= 15).then_some(Id(bytes))
    }
}

/// The value of each lower-case hexadecimal digit; 255 for every other byte.
const DIGITS: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The kinds of Git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// The bytes of a file or the target of a symbolic link.
    Blob,
    /// A directory.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag. This program never writes tags, but reads tags that others wrote.
    Tag,
}

impl ObjectKind {
    /// Returns the word in the object's header.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Blob => "blob",
            ObjectKind::Tree => "tree",
            ObjectKind::Commit => "commit",
            ObjectKind::Tag => "tag",
        }
    }
}

/// Computes the id of an object from its bytes, block by block.
#[derive(Clone)]
pub struct ObjectHasher {
    state: sha2::Sha256,
}

impl ObjectHasher {
    /// A hasher for an object of `kind` whose body has `size` bytes.
    pub fn new(kind: ObjectKind, size: u64) -> Self {
        let mut state = sha2::Sha256::new();
        state.update(format!("{} {size}\0", kind.as_str()));
        ObjectHasher { state }
    }

    /// A hasher for a blob of `size` bytes.
    pub fn blob(size: u64) -> Self {
        Self::new(ObjectKind::Blob, size)
    }

    /// Adds the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// Returns the id. The id is correct only if exactly `size` bytes were added.
    pub fn finish(self) -> Id {
        Id(self.state.finalize().into())
    }
}

/// Computes a plain SHA-256 of bytes, block by block. Packs are named by this digest.
#[derive(Clone, Default)]
pub struct Digest {
    state: sha2::Sha256,
}

impl Digest {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// Returns the digest as an [`Id`], which has the same length and hexadecimal format.
    pub fn finish(self) -> Id {
        Id(self.state.finalize().into())
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Id {
        let mut digest = Digest::default();
        digest.update(bytes);
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_id_is_the_hash_of_an_empty_tree() {
        assert_eq!(ObjectHasher::new(ObjectKind::Tree, 0).finish(), Id::EMPTY_TREE);
    }

    #[test]
    fn blob_ids_equal_git_hash_object() {
        // `git init --object-format=sha256 && printf '' | git hash-object --stdin`
        assert_eq!(
            Id::of_blob(b"").to_hex(),
            "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"
        );
        assert_eq!(
            Id::of_blob(b"hello\n").to_hex(),
            "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4"
        );
    }

    #[test]
    fn hex_round_trips_and_other_text_is_refused() {
        let id = Id::of_blob(b"x");
        assert_eq!(id.to_hex().parse::<Id>().unwrap(), id);
        assert!("xyz".parse::<Id>().is_err());
        assert!(id.to_hex().to_uppercase().parse::<Id>().is_err());
    }
}
