//! `art cat`.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step, noise};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("data/notes.txt", "one\ntwo\n"),
        Step::Shell(r"printf '\000\001\002\377\n' > bytes"),
        Step::File("colours", "a\x1b[31mred\r\n\ttab\n"),
        Step::Shell("ln -s data/notes.txt link; : > nothing"),
        Step::Art("upload"),
    ])
}

#[test]
fn cat_prints_the_bytes_that_were_stored() {
    let sandbox = sandbox();
    assert_eq!(sandbox.art("cat HEAD:data/notes.txt").ok().stdout, "one\ntwo\n");
    assert_eq!(sandbox.art("cat HEAD:bytes").ok().stdout_bytes, [0, 1, 2, 0xff, b'\n']);
    assert_eq!(sandbox.art("cat HEAD:nothing").ok().stdout_bytes, b"");
    assert_eq!(sandbox.art("cat HEAD:link").ok().stdout, "data/notes.txt");
}

#[test]
fn cat_of_a_file_in_many_chunks_is_whole() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    let big = noise(1, 9_000_000);
    sandbox.write("big", &big);
    sandbox.art("upload").ok();
    assert!(sandbox.art("cat HEAD:big").ok().stdout_bytes == big);
}

#[test]
fn cat_of_a_directory_points_to_ls() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("cat HEAD:data"), @"
    exit 2
    -- stderr
    error: 'data' is a directory

    hint: list the directory: art ls HEAD:data
    ");
    assert_snapshot!(sandbox.art("cat HEAD"), @"
    exit 2
    -- stderr
    error: 'HEAD' does not name a file

    hint: list the directory: art ls HEAD
    ");
    assert_snapshot!(sandbox.art("cat data/notes.txt"), @"
    exit 2
    -- stderr
    error: invalid value 'data/notes.txt' for '<REV:PATH>': 'data/notes.txt' is not a revision: expected run/NAME, tag/NAME or OWNER/PROJECT:REVISION at column 1

    hint: write a path after a revision: HEAD:data/notes.txt
    ");
    assert_snapshot!(sandbox.art("cat HEAD:data/note.txt"), @"
    exit 1
    -- stderr
    error: there is nothing at 'data/note.txt' in run 'jolly-mallard-1'

    hint: did you mean 'data/notes.txt'?
    ");
}

#[test]
fn cat_json_has_text_as_text_and_other_bytes_in_hexadecimal() {
    let sandbox = sandbox();
    let text = sandbox.art("cat HEAD:data/notes.txt --json").ok().json();
    assert_eq!(text["content"], "one\ntwo\n");
    assert_eq!((&text["mode"], &text["size"]), (&"100644".into(), &8.into()));
    let bytes = sandbox.art("cat HEAD:bytes --json").ok().json();
    assert_eq!((bytes.get("content"), &bytes["content_bytes"]), (None, &"000102ff0a".into()));
    let link = sandbox.art("cat HEAD:link --json").ok().json();
    assert_eq!((&link["kind"], &link["content"]), (&"symlink".into(), &"data/notes.txt".into()));
}

#[test]
fn cat_on_a_terminal_escapes_text_and_refuses_binary_files() {
    let sandbox = sandbox();
    assert_eq!(sandbox.terminal("art cat HEAD:colours").stdout, "a\\u{1b}[31mred\r\r\n\ttab\r\n");
    assert_snapshot!(sandbox.terminal("art cat --color never HEAD:bytes"), @"
    exit 1
    -- stdout
    error: 'bytes' is binary and can't be shown on a terminal

    hint: write it to a file: art cat HEAD:bytes > FILE
    ");
}

#[test]
fn cat_ends_quietly_when_the_pipe_closes() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("big", noise(1, 3_000_000));
    sandbox.art("upload").ok();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sandbox.command("cat HEAD:big").into_command();
    let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.signal(), Some(13));
    let full = sandbox.shell("art cat HEAD:big > /dev/full").fails_with(14);
    assert!(full.stderr.starts_with("error: cannot write"), "{full}");
}

#[test]
fn cat_of_damaged_content_fails_and_prints_no_wrong_byte() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    let big = noise(1, 3_000_000);
    sandbox.write("big", &big);
    sandbox.art("upload").ok();
    // The middle of the pack is the middle of some chunk.
    let damage = "p=$(ls .artifacts/packs/*); chmod u+w $p; \
                  printf XXXX | dd of=$p bs=1 seek=1500000 conv=notrunc 2>/dev/null";
    sandbox.shell(damage).ok();
    let output = sandbox.art("cat HEAD:big").fails_with(20);
    assert!(big.starts_with(&output.stdout_bytes) && output.stdout_bytes.len() < big.len());
    assert!(output.stderr.contains("hint: art fsck"), "{output}");
}
