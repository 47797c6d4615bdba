//! Creates, copies, changes and counts trees of files. Existing inputs are used again, so the
//! second run of a benchmark starts immediately.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::data::{Author, Random, weights};
use super::{Failure, Outcome};

/// The number of files in the set `small`.
const SMALL_FILES: usize = 20_000;
/// The maximum size of a file from the user's directory.
const SMALL_LIMIT: u64 = 1 << 20;
/// The size of a block of weights. Blocks are independent, so all cores can make them.
const BLOCK: usize = 16 << 20;

/// Makes the directory `target` with `make` unless it exists. A partial directory has another name.
fn once(target: &Path, make: impl FnOnce(&Path) -> Outcome<()>) -> Outcome<()> {
    if target.exists() {
        return Ok(());
    }
    eprintln!("making {}", target.display());
    let partial = target.with_extension("partial");
    remove(&partial)?;
    fs::create_dir_all(&partial)?;
    make(&partial)?;
    Ok(fs::rename(&partial, target)?)
}

/// Removes a directory or a file, even a read-only one. A missing path is not an error.
pub(crate) fn remove(path: &Path) -> Outcome<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !path.is_dir() {
        return Ok(fs::remove_file(path)?);
    }
    if fs::remove_dir_all(path).is_err() {
        std::process::Command::new("chmod").args(["-R", "u+w"]).arg(path).status()?;
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// All regular files below `root`, sorted.
pub(crate) fn files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut found, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The bytes of all regular files below `root`, or of `root` itself; 0 if there is none.
pub(crate) fn bytes(root: &Path) -> Outcome<u64> {
    match root.symlink_metadata() {
        Err(_) => return Ok(0),
        Ok(metadata) if metadata.is_file() => return Ok(metadata.len()),
        Ok(_) => {}
    }
    files(root)?.iter().try_fold(0, |sum, file| Ok(sum + file.symlink_metadata()?.len()))
}

/// Returns how many files of `wanted` exist below `root` with the same bytes, and the number of
/// files in `wanted`.
pub(crate) fn equal_files(wanted: &Path, root: &Path) -> Outcome<(usize, usize)> {
    let all = files(wanted)?;
    let mut equal = 0;
    for file in &all {
        let twin = root.join(file.strip_prefix(wanted)?);
        equal += usize::from(same(file, &twin));
    }
    Ok((equal, all.len()))
}

fn same(one: &Path, other: &Path) -> bool {
    let size = |path: &Path| path.symlink_metadata().map(|metadata| metadata.len()).ok();
    size(one).is_some() && size(one) == size(other) && same_bytes(one, other).unwrap_or(false)
}

fn same_bytes(one: &Path, other: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        let read = (&mut one).take(1 << 20).read_to_end(&mut left)?;
        (&mut other).take(1 << 20).read_to_end(&mut right)?;
        if left != right || read == 0 {
            return Ok(left == right);
        }
    }
}

/// Makes `to` equal to `from`. Equal files are not touched, so they keep their times.
pub(crate) fn sync_tree(from: &Path, to: &Path) -> Outcome<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if !same(&file, &target) {
            fs::create_dir_all(target.parent().unwrap_or(to))?;
            fs::copy(&file, &target)?;
        }
    }
    for file in files(to)? {
        if !from.join(file.strip_prefix(to)?).exists() {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// Creates the set `small` and the changed set `small2` in `data`: copied from `source`, or
/// generated.
pub(crate) fn make_small(data: &Path, source: Option<&Path>) -> Outcome<()> {
    once(&data.join("small"), |target| match source {
        Some(source) => copy_small(source, target),
        None => write_small(target),
    })?;
    once(&data.join("small2"), |target| {
        sync_tree(&data.join("small"), target)?;
        let all = files(target)?;
        let mut random = Random::new(5);
        for _ in 0..all.len() / 100 {
            let file = &all[random.below(all.len())];
            let mut file = File::options().append(true).open(file)?;
            file.write_all(b"// changed\n")?;
        }
        Ok(())
    })
}

fn copy_small(source: &Path, target: &Path) -> Outcome<()> {
    let mut count = 0;
    for file in files(source)? {
        if count == SMALL_FILES {
            break;
        }
        if file.symlink_metadata()?.len() <= SMALL_LIMIT {
            let copy = target.join(file.strip_prefix(source)?);
            fs::create_dir_all(copy.parent().unwrap_or(target))?;
            fs::copy(&file, &copy)?;
            count += 1;
        }
    }
    if count == 0 {
        return Err(format!("no files in {}", source.display()).into());
    }
    Ok(())
}

/// Packages of about 50 files: sources in a few directories, and the same two licences in each.
fn write_small(target: &Path) -> Outcome<()> {
    let author = Author::new();
    let licences = [author.text(11, 11_357), author.text(12, 1_071)];
    for package in 0..SMALL_FILES / 50 {
        let directory = target.join(format!("package-{package:03}"));
        fs::create_dir_all(directory.join("src/parts"))?;
        fs::create_dir_all(directory.join("tests"))?;
        for (name, text) in ["LICENSE-APACHE", "LICENSE-MIT"].iter().zip(&licences) {
            fs::write(directory.join(name), text)?;
        }
        for number in 0..48 {
            let seed = (package * 50 + number) as u64 + 100;
            let place = ["src", "src/parts", "src/parts", "tests"][number % 4];
            let name = format!("{place}/part_{number:02}.rs");
            fs::write(directory.join(name), author.text(seed, source_size(seed)))?;
        }
    }
    Ok(())
}

/// The size of a source file. Most have a few KB, few have hundreds: the logarithms are normal.
fn source_size(seed: u64) -> usize {
    let (normal, _) = Random::new(seed).normal();
    let size = (normal * 1.2 + 8.68).exp();
    (size as usize).clamp(20, SMALL_LIMIT as usize)
}

/// Creates the set `model`, one file of `size` bytes, and `model2` in `data`.
pub(crate) fn make_model(data: &Path, size: usize) -> Outcome<()> {
    const NAME: &str = "weights.bin";
    once(&data.join("model"), |target| write_weights(&target.join(NAME), size))?;
    once(&data.join("model2"), |target| {
        let mut bytes = fs::read(data.join("model").join(NAME))?;
        let mut random = Random::new(3);
        let block = (bytes.len() / 16).min(1 << 20);
        for _ in 0..10 {
            let start = random.below(bytes.len() - block);
            random.fill(&mut bytes[start..start + block]);
        }
        let mut inserted = [0; 12_345];
        random.fill(&mut inserted);
        let (before, after) = bytes.split_at(bytes.len() / 2);
        let mut file = File::create(target.join(NAME))?;
        for part in [before, &inserted, after] {
            file.write_all(part)?;
        }
        Ok(())
    })
}

fn write_weights(path: &Path, size: usize) -> Outcome<()> {
    let mut file = File::create(path)?;
    let threads = std::thread::available_parallelism()?.get();
    let blocks: Vec<usize> = (0..size.div_ceil(BLOCK)).collect();
    for group in blocks.chunks(threads) {
        let made = std::thread::scope(|scope| {
            let make = |block: usize| weights(block as u64 + 7, BLOCK.min(size - block * BLOCK));
            let threads: Vec<_> =
                group.iter().map(|block| scope.spawn(move || make(*block))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a thread ended early".into()))
                .collect::<Result<Vec<_>, Failure>>()
        })?;
        made.iter().try_for_each(|bytes| file.write_all(bytes))?;
    }
    Ok(())
}

/// Writes `count` files of a few hundred bytes below `target`, 250 in a directory, all different.
pub(crate) fn make_many(target: &Path, count: usize) -> Outcome<()> {
    once(target, |target| {
        let author = Author::new();
        for first in (0..count).step_by(250) {
            let directory =
                target.join(format!("{:03}/{:03}", first / 250_000, first / 250 % 1000));
            fs::create_dir_all(&directory)?;
            for number in first..(first + 250).min(count) {
                let mut text = format!("// file {number}\n").into_bytes();
                text.extend(author.text(number as u64, 200 + number % 600));
                fs::write(directory.join(format!("{number:07}.rs")), text)?;
            }
        }
        Ok(())
    })
}
