//! The files of the repository as text.

use std::path::{Path, PathBuf};

/// A file with its path from the root of the repository.
pub(crate) struct SourceFile {
    /// Its path, with `/`.
    pub(crate) name: String,
    /// Its contents.
    pub(crate) text: String,
}

impl SourceFile {
    /// Its code: without comments, and without what only tests have.
    pub(crate) fn code(&self) -> String {
        let is_test = self.name.ends_with("/tests.rs") || self.name.contains("/tests/");
        if is_test { String::new() } else { code_of(&self.text) }
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file that must be there.
#[track_caller]
pub(crate) fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All files with this extension below `directories`, sorted.
pub(crate) fn files(directories: &[&str], extension: &str) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    for directory in directories {
        collect(&root().join(directory), extension, &mut paths);
    }
    paths.sort();
    let files: Vec<SourceFile> = paths
        .iter()
        .map(|path| SourceFile {
            name: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect();
    assert!(!files.is_empty(), "no .{extension} in {directories:?}");
    files
}

fn collect(directory: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, paths);
        } else if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
}

fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == "#[cfg(test)]" {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            // The item ends with a semicolon on its own line, or with a brace below its start.
            let _ = lines.find(|line| {
                line.ends_with(';') && !line.starts_with(&format!("{indent} ")) || *line == end
            });
        } else if !line.trim_start().starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "//! a\n#[cfg(test)]\nmod x;\nuse b; // c\n    /// d\nfn e() {}\n\
                #[cfg(test)]\nmod tests {\n    use f;\n    fn g() {}\n}\nfn h() {}\n";
    assert_eq!(code_of(text), "use b; // c\nfn e() {}\nfn h() {}\n");
}
