//! What the system says of a file, as far as it tells whether its bytes changed.

/// The metadata that changes when a file's bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Bytes.
    pub size: u64,
    /// The last change of the bytes, in nanoseconds since 1970.
    pub mtime: i64,
    /// The last change of bytes or metadata, in nanoseconds since 1970; can't be set by a user.
    pub ctime: i64,
    /// The number of the inode.
    pub inode: u64,
    /// The device the inode is on.
    pub device: u64,
    /// Whether the owner may execute it.
    pub executable: bool,
    /// Whether other names share the inode.
    pub linked: bool,
}

impl Stat {
    /// From the system's own structure.
    #[expect(clippy::useless_conversion, reason = "the widths differ between systems")]
    pub(crate) fn from_rustix(stat: &rustix::fs::Stat) -> Self {
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000) + nanos;
        Stat {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: nanos(stat.st_mtime.into(), stat.st_mtime_nsec as i64),
            ctime: nanos(stat.st_ctime.into(), stat.st_ctime_nsec as i64),
            inode: stat.st_ino.into(),
            device: stat.st_dev.into(),
            executable: stat.st_mode & 0o100 != 0,
            linked: stat.st_nlink > 1,
        }
    }

    /// The metadata of an open file.
    pub fn of_file(file: &impl std::os::fd::AsFd) -> std::io::Result<Self> {
        Ok(Self::from_rustix(&rustix::fs::fstat(file)?))
    }

    /// Whether bytes read between two looks at the metadata are those of one state of the file.
    pub fn same_content(&self, other: &Stat) -> bool {
        self.size == other.size
            && self.mtime == other.mtime
            && self.ctime == other.ctime
            && self.inode == other.inode
            && self.device == other.device
    }
}
