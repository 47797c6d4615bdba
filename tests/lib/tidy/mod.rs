//! The rules of the source tree that no compiler checks: sizes, floors, doors, words, and that every
//! verb is complete.

mod cycles;
mod floors;
mod prose;
pub(crate) mod source;
mod verbs;
mod words;

use source::files;

/// The longest file, in lines.
const LONGEST_FILE: usize = 600;

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let python = files(&["python", "tests/python"], "py");
    for file in files(&["src", "tests", "benches", "python"], "rs").into_iter().chain(python) {
        let lines = file.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines, not {LONGEST_FILE}", file.name);
    }
}

#[test]
fn every_file_states_its_purpose() {
    for file in files(&["src", "tests", "benches", "python"], "rs") {
        assert!(file.text.starts_with("//! "), "{}: the first line is no `//!`", file.name);
    }
    for file in files(&["python", "tests/python"], "py") {
        assert!(file.text.starts_with("\"\"\""), "{}: the first line is no docstring", file.name);
    }
}

/// Words that only some files may contain: the words, the files and the reason.
const DOORS: &[(&[&str], &[&str], &str)] = &[
    (&["gix::", "gix_"], &["src/history/"], "the only door to gix"),
    (
        &["opendal::", "openssh_sftp_client::", "reqwest::", "rustls::", "tokio::"],
        &["src/remote/"],
        "the only door to stores and to async",
    ),
    (
        &[
            "OpenOptions",
            "File::create",
            "fs::write(",
            "fs::rename(",
            "fs::copy(",
            "fs::create_dir",
            "fs::remove_",
            "fs::hard_link(",
            "fs::set_permissions(",
            "fs::symlink(",
        ],
        &["src/fs/"],
        "the only door to file writes",
    ),
    (&["expect(clippy::disallowed_methods"], &["src/fs/", "src/bin/art/env.rs"], "a door's right"),
    (&["std::env"], &["src/bin/art/env.rs"], "the only reader of the environment"),
    (
        &["println!", "print!(", "io::stdout", "io::stderr", "stdout()", "stderr()"],
        &["src/bin/art/ui/", "src/bin/art/env.rs"],
        "the only place that prints, and the one that looks at the terminal",
    ),
    (
        &["signal_hook", "SIGINT"],
        &["src/bin/art/", "src/catalog/signal.rs"],
        "the library gets no signals",
    ),
    (&["SystemTime::now", "Timestamp::now"], &["src/clock.rs"], "time is given from outside"),
    (&["clap::", "indicatif::"], &["src/bin/art/"], "the terminal is the binary's"),
];

#[test]
fn each_external_resource_has_one_door() {
    for file in files(&["src"], "rs") {
        let code = file.code();
        for (words, places, why) in DOORS {
            if places.iter().any(|place| file.name.starts_with(place)) {
                continue;
            }
            for word in *words {
                assert!(
                    !code.contains(word),
                    "{} says '{word}', but {places:?} is {why}",
                    file.name
                );
            }
        }
    }
}

#[test]
fn a_folder_of_modules_has_a_mod_rs() {
    let files = files(&["src", "tests", "benches"], "rs");
    for file in &files {
        let folder = format!("{}/", file.name.strip_suffix(".rs").unwrap());
        let has_folder = files.iter().any(|other| other.name.starts_with(&folder));
        assert!(!has_folder, "{}: its place is {folder}mod.rs", file.name);
    }
}

#[test]
fn unsafe_code_gives_its_reason() {
    for file in files(&["src"], "rs") {
        let code = file.code();
        if ["{", "fn", "impl", "extern"].iter().any(|word| code.contains(&format!("unsafe {word}")))
        {
            assert!(
                file.text.contains("allow(unsafe_code, reason")
                    || file.text.contains("expect(unsafe_code, reason"),
                "{} has unsafe code without a reason",
                file.name
            );
        }
    }
}

/// A slow machine would break such a test. `wait_for` bounds the wait for an event.
#[test]
fn no_test_asserts_that_little_time_has_passed() {
    for file in files(&["src", "tests"], "rs") {
        if matches!(file.name.as_str(), "tests/common/wait.rs" | "tests/lib/tidy/mod.rs") {
            continue;
        }
        for (number, line) in file.text.lines().enumerate() {
            let is_bound =
                ["elapsed() <", "Instant::now() <"].iter().any(|text| line.contains(text));
            let at = number + 1;
            assert!(!(is_bound && line.contains("assert")), "{}:{at}: use wait_for", file.name);
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), "placeholder"];
    let python = files(&["python", "tests/python"], "py");
    for file in files(&["src", "tests", "benches", "python"], "rs").into_iter().chain(python) {
        if file.name == "tests/lib/tidy/mod.rs" {
            continue;
        }
        for mark in marks {
            assert!(!file.text.contains(mark), "{} says '{mark}'", file.name);
        }
    }
}

#[test]
fn tests_are_named_by_sentences() {
    for file in files(&["src", "tests"], "rs") {
        let mut is_test = false;
        for line in file.text.lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if line.starts_with("#[ignore") {
                // Not a test of its own, but the other process of one.
                is_test = false;
            } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                let name = rest.split('(').next().unwrap_or_default();
                let words = name.split('_').count();
                assert!(words >= 3, "{}: what does '{name}' show?", file.name);
                is_test = false;
            }
        }
    }
}
