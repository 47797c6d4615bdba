//! File metadata that shows whether a file's bytes changed.

/// The metadata that changes when a file's bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The size in bytes.
    pub size: u64,
    /// The last change of the bytes, in nanoseconds since 1970.
    pub mtime: i64,
    /// The last change of bytes or metadata, in nanoseconds since 1970. A user cannot set it.
    pub ctime: i64,
    /// The inode number.
    pub inode: u64,
    /// The device that contains the inode.
    pub device: u64,
    /// True if the owner has execute permission.
    pub executable: bool,
    /// True if the inode has more than one name.
    pub linked: bool,
}

impl Stat {
    /// Converts the system's structure.
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

    /// Reads the metadata of an open file.
    pub fn of_file(file: &impl std::os::fd::AsFd) -> std::io::Result<Self> {
        Ok(Self::from_rustix(&rustix::fs::fstat(file)?))
    }

    /// Returns true if the file did not change between the two readings of its metadata.
    pub fn same_content(&self, other: &Stat) -> bool {
        self.size == other.size
            && self.mtime == other.mtime
            && self.ctime == other.ctime
            && self.inode == other.inode
            && self.device == other.device
    }
}
