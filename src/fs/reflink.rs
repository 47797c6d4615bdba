//! Copies that share their blocks with the original, on file systems that can do this, such as XFS
//! and btrfs.

use std::fs::File;
use std::io;

/// Makes the empty file `target` a copy of `source` that shares its blocks. Fails, with `target`
/// unchanged, if the file system cannot do this.
pub fn reflink(source: &File, target: &File) -> io::Result<()> {
    #[cfg(all(target_os = "linux", not(any(target_arch = "sparc", target_arch = "sparc64"))))]
    {
        Ok(rustix::fs::ioctl_ficlone(target, source)?)
    }
    #[cfg(not(all(
        target_os = "linux",
        not(any(target_arch = "sparc", target_arch = "sparc64"))
    )))]
    {
        let _ = (source, target);
        Err(io::ErrorKind::Unsupported.into())
    }
}
