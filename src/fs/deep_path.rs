//! Open handles of directories on the way to a deep path, so that the next path near it does not start
//! at the root again.
//!
//! The handles get sparser with their distance from the end of the path: all of the last 16 levels, then
//! every 16th, every 256th, and so on. A step down opens one directory. A walk back up reopens each
//! level a few times, whatever the depth. A few dozen handles serve any depth.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::{Errno, Result};
use rustix::process::{Resource, getrlimit};

/// The distance between kept handles grows by this factor.
const FACTOR: usize = 16;

/// Handles are kept only if the process may open this many files.
const ENOUGH_FILES: u64 = 256;

/// The number of paths whose handles are kept, if the process may open `MANY_FILES`. Each of several
/// threads works at its own place in the tree.
const PLACES: usize = 6;
const MANY_FILES: u64 = 1024;

/// A path this many bytes away from the last one is near.
const NEAR: usize = 256;

/// The bytes of a path that one call resolves; the longest name fits in addition.
const LONGEST: usize = 3000;

/// The flags of a directory that only names below it are resolved from.
pub(super) const PASS: OFlags =
    OFlags::DIRECTORY.union(OFlags::PATH).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// The handles on the way to the last paths.
#[derive(Debug, Default)]
pub(super) struct DeepPaths {
    places: Vec<DeepPath>,
}

impl DeepPaths {
    /// Opens the directory at `path` below `root`, level by level, without following a link. `path` is
    /// not empty.
    pub(super) fn open(&mut self, root: BorrowedFd<'_>, path: &[u8]) -> Result<Arc<OwnedFd>> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = if files >= MANY_FILES { PLACES } else { 1 };
        let away =
            |place: &DeepPath| place.path.len() + path.len() - 2 * common_length(&place.path, path);
        let near = NEAR.max(path.len() / 4);
        let places = self.places.iter().enumerate();
        let nearest = places.map(|(at, place)| (away(place), at)).min();
        let at = match nearest {
            Some((away, at)) if away <= near || self.places.len() >= most => at,
            _ => {
                self.places.push(DeepPath::default());
                self.places.len() - 1
            }
        };
        let keep = files >= ENOUGH_FILES;
        match self.places[at].descend(root, path, keep) {
            Err(Errno::MFILE | Errno::NFILE) => {
                self.places.clear();
                let mut place = DeepPath::default();
                let opened = place.descend(root, path, keep);
                self.places.push(place);
                opened
            }
            other => other,
        }
    }
}

/// The handles on the way to one path, outermost first.
#[derive(Debug, Default)]
struct DeepPath {
    path: Vec<u8>,
    handles: Vec<Handle>,
    #[cfg(test)]
    opened: usize,
}

#[derive(Debug)]
struct Handle {
    /// The bytes of the path up to this directory.
    length: usize,
    depth: usize,
    directory: Arc<OwnedFd>,
}

impl DeepPath {
    fn descend(&mut self, root: BorrowedFd<'_>, path: &[u8], keep: bool) -> Result<Arc<OwnedFd>> {
        self.keep_common(path);
        let (mut length, mut depth) =
            self.handles.last().map_or((0, 0), |last| (last.length, last.depth));
        let mut last = self.handles.last().map(|last| Arc::clone(&last.directory));
        let start = length;
        let levels = depth + names(&path[start..]).count();
        self.handles.retain(|handle| is_kept(handle.depth, levels));
        for (end, _) in names(&path[start..]) {
            depth += 1;
            let end = start + end;
            let is_kept = depth == levels || is_kept(depth, levels);
            if !is_kept && end - length < LONGEST {
                continue;
            }
            let from = last.as_ref().map_or(root, |directory| directory.as_fd());
            let opened = Arc::new(open_below(from, &path[length..end])?);
            length = end;
            #[cfg(test)]
            {
                self.opened += 1;
            }
            if depth == levels || (is_kept && keep) {
                let directory = Arc::clone(&opened);
                self.handles.push(Handle { length, depth, directory });
            }
            last = Some(opened);
        }
        last.ok_or(Errno::NOENT)
    }

    /// Drops the handles that are not on the way to `path`.
    fn keep_common(&mut self, path: &[u8]) {
        let mut start = 0;
        let mut common = 0;
        for handle in &self.handles {
            let end = handle.length;
            let is_same = path.get(start..end) == self.path.get(start..end);
            if !is_same || path.get(end).is_some_and(|byte| *byte != b'/') {
                break;
            }
            start = end;
            common += 1;
        }
        self.handles.truncate(common);
        self.path.clear();
        self.path.extend_from_slice(path);
    }
}

/// Opens the directory at the short `path`, in one call where the system can refuse links on the way.
fn open_below(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    if path.contains(&b'/') {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(directory, path, PASS, Mode::empty(), how) {
            // Older kernels, and sandboxes that hide the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            other => return other,
        }
    }
    let mut last: Option<OwnedFd> = None;
    for (_, name) in names(path) {
        let from = last.as_ref().map_or(directory, OwnedFd::as_fd);
        last = Some(openat(from, name, PASS, Mode::empty())?);
    }
    last.ok_or(Errno::NOENT)
}

/// Returns the number of equal bytes at the start of `a` and `b`.
fn common_length(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 256;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let start = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    start + a[start..].iter().zip(&b[start..]).take_while(|(a, b)| a == b).count()
}

/// The names in `path`, each with the place where the name ends.
fn names(path: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0;
    path.split(|byte| *byte == b'/').filter_map(move |name| {
        let end = next + name.len();
        next = end + 1;
        (!name.is_empty()).then_some((end, name))
    })
}

/// Returns true if the handle at `depth` is kept for a path of `levels` directories.
fn is_kept(depth: usize, levels: usize) -> bool {
    let mut unit = FACTOR;
    while depth.is_multiple_of(unit) && unit <= levels {
        unit *= FACTOR;
    }
    depth / unit == levels / unit
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, mkdirat};

    use super::*;

    impl DeepPaths {
        fn opened(&self) -> usize {
            self.places.iter().map(|place| place.opened).sum()
        }

        fn handles(&self) -> usize {
            self.places.iter().map(|place| place.handles.len()).sum()
        }
    }

    #[test]
    fn a_walk_down_and_back_up_opens_a_few_directories_a_level_and_keeps_few_open() {
        const LEVELS: usize = 3000;
        let temporary = tempfile::tempdir().unwrap();
        let root = openat(CWD, temporary.path(), PASS, Mode::empty()).unwrap();
        let mut deep = DeepPaths::default();
        let mut path = Vec::new();
        let mut most = 0;
        for level in 0..LEVELS {
            if level == 0 {
                mkdirat(&root, "d", Mode::from_raw_mode(0o700)).unwrap();
            } else {
                let at = deep.open(root.as_fd(), &path).unwrap();
                mkdirat(at, "d", Mode::from_raw_mode(0o700)).unwrap();
                path.push(b'/');
            }
            path.push(b'd');
            most = most.max(deep.handles());
        }
        assert_eq!(deep.opened(), LEVELS - 1, "a step down opens one directory");
        for level in (1..=LEVELS).rev() {
            deep.open(root.as_fd(), &path[..level * 2 - 1]).unwrap();
            most = most.max(deep.handles());
        }
        assert!(deep.opened() < 6 * LEVELS, "{}", deep.opened());
        assert!(most < 64, "{most}");
        assert_eq!(deep.open(root.as_fd(), b"d/x").unwrap_err(), Errno::NOENT);
        crate::fs::atomic::remove_tree(&temporary.path().join("d")).unwrap();
    }

    #[test]
    fn walks_at_several_places_do_not_disturb_one_another() {
        const LEVELS: usize = 1800;
        let temporary = tempfile::tempdir().unwrap();
        let root = openat(CWD, temporary.path(), PASS, Mode::empty()).unwrap();
        let path = vec!["d"; LEVELS].join("/");
        crate::fs::atomic::create_dir_all(&temporary.path().join(&path)).unwrap();
        let mut deep = DeepPaths::default();
        for step in 1..=LEVELS / 2 {
            for level in [step, LEVELS / 2 + step] {
                deep.open(root.as_fd(), &path.as_bytes()[..level * 2 - 1]).unwrap();
            }
        }
        assert!(deep.opened() < 2 * LEVELS, "{}", deep.opened());
        assert!(deep.handles() < 128, "{}", deep.handles());
        crate::fs::atomic::remove_tree(&temporary.path().join("d")).unwrap();
    }

    #[test]
    fn paths_in_any_order_lead_to_the_right_directory_and_no_link_is_followed() {
        let temporary = tempfile::tempdir().unwrap();
        let root = openat(CWD, temporary.path(), PASS, Mode::empty()).unwrap();
        let path = vec!["d"; 300].join("/");
        crate::fs::atomic::create_dir_all(&temporary.path().join(&path)).unwrap();
        crate::fs::atomic::create_dir_all(&temporary.path().join("dd/d")).unwrap();
        std::os::unix::fs::symlink("d", temporary.path().join("l")).unwrap();
        let inode = |directory: Arc<OwnedFd>| rustix::fs::fstat(directory).unwrap().st_ino;
        let mut deep = DeepPaths::default();
        for levels in [300, 1, 299, 17, 16, 256, 300, 33, 2] {
            let path = &path[..levels * 2 - 1];
            let expected = rustix::fs::stat(temporary.path().join(path)).unwrap().st_ino;
            assert_eq!(inode(deep.open(root.as_fd(), path.as_bytes()).unwrap()), expected);
        }
        let expected = rustix::fs::stat(temporary.path().join("dd/d")).unwrap().st_ino;
        assert_eq!(inode(deep.open(root.as_fd(), b"dd/d").unwrap()), expected);
        for path in ["l", "l/d", "d/none"] {
            assert!(deep.open(root.as_fd(), path.as_bytes()).is_err(), "{path}");
        }
    }
}
