//! `art remote` and `art log --remote`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use artifacts::Id;
use artifacts::clock::Timestamp;
use artifacts::remote::log::{Commit, LogState, Proposal, RefMove, Stored};
use artifacts::remote::{Log, Protocol, RemoteUri, Store, StoreOptions};
use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn repository() -> Sandbox {
    Sandbox::with(&[Step::Art("init --project o/p")])
}

/// The log of the store in the directory `share` beside the work.
pub(crate) fn log(sandbox: &Sandbox, protocol: Protocol) -> Log {
    let uri = RemoteUri::parse("share", &sandbox.root()).unwrap();
    let store = Store::open(&uri, StoreOptions::default()).unwrap();
    Log::open_or_make(&store, protocol).unwrap()
}

fn id(text: &str) -> Option<Id> {
    (text != "-").then(|| Id::of_blob(text.as_bytes()))
}

/// A push by Ada with moves of refs, as `refs/NAME OLD NEW`.
pub(crate) fn proposal(message: &str, moves: &[&str]) -> Proposal {
    let now = Timestamp::from_seconds(1_795_262_400);
    let mut proposal = Proposal::new("Ada <ada@example.org>", now, message);
    for line in moves {
        let [name, old, new] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        proposal.refs.push(RefMove { name: name.parse().unwrap(), old: id(old), new: id(new) });
    }
    proposal
}

pub(crate) fn push(log: &Log, proposal: &Proposal) {
    let mut state = log.load().unwrap();
    log.refresh(&mut state).unwrap();
    let done = log.commit(&mut state, proposal).unwrap();
    assert!(matches!(done, Commit::Done(_)), "{done:?}");
}

/// Two writers with the same entries move one ref at the same time, in a log with sibling entries.
pub(crate) fn push_apart(sandbox: &Sandbox, name: &str) {
    let log = log(sandbox, Protocol::Siblings);
    push(&log, &proposal("first", &[&format!("{name} - a")]));
    let mut states = [log.load().unwrap(), log.load().unwrap()];
    for state in &mut states {
        log.refresh(state).unwrap();
    }
    // The entry of the first writer is not visible yet when the second writer looks.
    let entries = || -> BTreeSet<PathBuf> {
        let listed = std::fs::read_dir(sandbox.root().join("share/log")).unwrap();
        listed.map(|entry| entry.unwrap().path()).collect()
    };
    let before = entries();
    let commit = |state: &mut LogState, new: &str| {
        let done = log.commit(state, &proposal("race", &[&format!("{name} a {new}")])).unwrap();
        assert!(matches!(done, Commit::Done(_)), "{done:?}");
    };
    commit(&mut states[0], "b");
    let first = entries().into_iter().find(|path| !before.contains(path)).unwrap();
    let hidden = sandbox.root().join("hidden");
    std::fs::rename(&first, &hidden).unwrap();
    commit(&mut states[1], "c");
    std::fs::rename(&hidden, &first).unwrap();
}

#[test]
fn remote_add_probes_the_store_and_reports_its_guarantees() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("remote"), @"
    exit 0
    -- stderr
    no remotes; add one: art remote add origin URI
    ");
    assert_snapshot!(sandbox.art("remote add origin ../share"), @"
    exit 0
    -- stdout
    added the remote origin: [ROOT]/share
      conditional writes work: concurrent pushes are safe
      nothing has been pushed to it yet
    ");
    let config = sandbox.read(".artifacts/config.toml");
    let share = sandbox.root().join("share");
    let table =
        format!("\n[remotes.origin]\nuri = \"{}\"\nguarantee = \"exclusive\"\n", share.display());
    assert!(config.ends_with(&table), "{config}");
    assert_snapshot!(sandbox.art("remote"), @"
    exit 0
    -- stdout
       NAME    GUARANTEE  URI
    *  origin  exclusive  [ROOT]/share
    ");
    assert_snapshot!(sandbox.art("remote show"), @"
    exit 0
    -- stdout
    remote origin (default)
      uri        [ROOT]/share
      guarantee  conditional writes work: concurrent pushes are safe
      nothing has been pushed yet
    ");
    assert_snapshot!(sandbox.art("remote add origin ../other"), @"
    exit 1
    -- stderr
    error: the remote 'origin' already exists

    hint: to change its URI: art remote set-uri origin URI
    ");
    assert_snapshot!(sandbox.art("remote show orign"), @"
    exit 1
    -- stderr
    error: there is no remote 'orign'

    hint: did you mean 'origin'? see: art remote list
    ");
    assert_snapshot!(sandbox.art("config list --repository"), @"
    exit 0
    -- stdout
    KEY                VALUE
    content.chunk_avg  128 KiB
    content.chunk_max  512 KiB
    content.chunk_min  32 KiB
    core.project       o/p
    ");
    let json = sandbox.art("remote add memory memory://x --json").ok().json();
    assert_eq!(json["guarantee"], "exclusive");
    assert!(json["traffic"]["requests"].as_u64().unwrap() > 10, "{json}");
    assert_snapshot!(sandbox.art("remote list --csv --columns name,default,service -q 'name: mem%'"), @"
    exit 0
    -- stdout
    name,default,service
    memory,false,memory
    ");
}

#[test]
fn invalid_remotes_are_refused_with_the_reason() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("remote show"), @"
    exit 1
    -- stderr
    error: no remote is set up

    hint: art remote add origin URI
    ");
    assert_snapshot!(sandbox.art("remote show lab"), @"
    exit 1
    -- stderr
    error: there is no remote 'lab'

    hint: art remote add lab URI
    ");
    assert_snapshot!(sandbox.art("remote add lab /nowhere/mounted/share"), @"
    exit 14
    -- stderr
    error: there is no directory '/nowhere/mounted/share'

    hint: mount its disk, or create the directory: mkdir -p '/nowhere/mounted/share'
    ");
    assert_snapshot!(sandbox.art("remote add lab .artifacts/packs"), @"
    exit 2
    -- stderr
    error: '[ROOT]/desk/.artifacts/packs' is inside this repository

    hint: name a separate directory
    ");
    assert_snapshot!(sandbox.art("remote add lab ."), @"
    exit 2
    -- stderr
    error: '[ROOT]/desk' is a repository; a remote needs a store

    hint: name a separate directory, which both repositories share
    ");
    assert_snapshot!(sandbox.art("remote add lab s4://bucket"), @"
    exit 2
    -- stderr
    error: unknown kind of store 's4'

    hint: did you mean s3://…?
    ");
    assert_snapshot!(sandbox.art("remote add ../x s3://bucket"), @"
    exit 2
    -- stderr
    error: invalid value '../x' for '<NAME>': '../x' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed

    hint: use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)
    ");
    assert_eq!(sandbox.art("remote --json").ok().json(), serde_json::json!([]));
}

#[test]
fn a_store_that_can_not_be_reached_or_lets_nobody_in_is_not_written_down() {
    let sandbox = repository();
    // Nobody listens at port 1.
    let uri = "s3+http://127.0.0.1:1/bucket?skip_signature=true";
    let once = |line: &str| sandbox.command(line).arg(uri).env("ART_TRANSFER_RETRIES", "2");
    let output = once("remote add lab").run().fails_with(14);
    assert!(output.stderr.contains("gave up after 3 attempts in "), "{output}");
    assert!(output.stderr.contains("127.0.0.1:1/bucket"), "{output}");
    let output = once("remote add lab -v").run().fails_with(14);
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("remote: ") && last.ends_with(" retries"), "{output}");
    let share = sandbox.root().join("locked");
    std::fs::create_dir(&share).unwrap();
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&share, std::os::unix::fs::PermissionsExt::from_mode(0o0))
            .unwrap();
        sandbox.art("remote add lab ../locked").fails_with(12);
    }
    assert_eq!(sandbox.art("remote --json").ok().json(), serde_json::json!([]));
}

/// A web server that answers each request by its method and path with a status and a body.
fn serve(answer: impl Fn(&str, &str) -> (&'static str, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut line) = (String::new(), String::new());
            let _ = stream.read_line(&mut first);
            while stream.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let words: Vec<&str> = first.split(' ').collect();
            let [method, path, ..] = words[..] else { continue };
            let (status, body) = answer(method, path);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let body = if method == "HEAD" { Vec::new() } else { body };
            let _ = stream.get_mut().write_all(&[head.into_bytes(), body].concat());
        }
    });
    address
}

#[test]
fn refused_credentials_are_reported_without_the_secrets() {
    let sandbox = repository();
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let address = serve(move |_, _| (status, Vec::new()));
        let call = sandbox.command("remote add lab -v").arg(format!("webdav+http://{address}/x"));
        let call = call.env("ART_WEBDAV_USERNAME", "ada").env("ART_WEBDAV_PASSWORD", "geheim");
        let output = call.run().fails_with(12);
        assert!(!format!("{output}").contains("geheim"), "{output}");
        assert!(output.stderr.contains("hint: check the credentials"), "{output}");
    }
    assert_eq!(sandbox.art("remote --json").ok().json(), serde_json::json!([]));
}

#[test]
fn a_server_that_refuses_uploads_is_a_clear_error() {
    let sandbox = repository();
    let address = serve(|method, _| match method {
        "PUT" => ("405 Method Not Allowed", Vec::new()),
        "MKCOL" => ("201 Created", Vec::new()),
        _ => ("404 Not Found", Vec::new()),
    });
    let uri = format!("webdav+http://{address}/x");
    let output = sandbox.command("remote add lab").arg(uri).run().fails_with(1);
    let stderr = output.stderr.replace(&address, "HOST");
    assert_snapshot!(stderr, @"
    error: the server does not allow writing at this URI
    caused by: the server does not allow PUT (405 Method Not Allowed)

    hint: check the host and the path of the URI, and that the server accepts uploads there: art help remote
    ");
    assert_eq!(sandbox.art("remote --json").ok().json(), serde_json::json!([]));
}

#[test]
fn a_remote_on_a_web_server_is_read_only() {
    let sandbox = repository();
    push(&log(&sandbox, Protocol::Linear), &proposal("one", &["refs/runs/o/p/x - a"]));
    let share = sandbox.root().join("share");
    let address = serve(move |_, path| match std::fs::read(share.join(&path[1..])) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    });
    let added = sandbox.command("remote add web --json").arg(format!("http://{address}/")).run();
    assert_eq!(added.ok().json()["guarantee"], "read_only");
    let shown = sandbox.art("remote show").ok().stdout;
    assert!(shown.contains("read-only: fetch works, push does not"), "{shown}");
    assert!(shown.contains("1 one\n"), "{shown}");
    assert_eq!(sandbox.art("log --remote web --json").ok().json_lines().len(), 1);
}

#[test]
fn secrets_are_refused_and_never_shown() {
    let sandbox = repository();
    for uri in [
        "webdav://ada:geheim@host/x",
        "s3://bucket/x?secret_access_key=geheim",
        "azblob://box/x?sas_token=geheim",
    ] {
        for line in ["remote add lab", "remote add lab --json"] {
            let output = sandbox.command(line).arg(uri).run().fails_with(2);
            assert!(!format!("{output}").contains("geheim"), "{output}");
        }
    }
    let config = sandbox.read(".artifacts/config.toml");
    let config = format!("{config}\n[remotes.lab]\nuri = \"webdav://ada:geheim@host/x\"\n");
    sandbox.write(".artifacts/config.toml", config);
    sandbox.art("remote add good ../share").ok();
    for line in [
        "remote",
        "remote --json",
        "remote show lab",
        "log --remote lab",
        "remote remove lab --dry-run",
    ] {
        let output = sandbox.art(line);
        assert!(!format!("{output}").contains("geheim"), "{output}");
    }
    assert_snapshot!(sandbox.art("remote"), @"
    exit 2
    -- stdout
      NAME  GUARANTEE  URI
      good  exclusive  [ROOT]/share
    -- stderr
    error: the URI of the remote 'lab' can't be used
    caused by: the URI of a remote contains a password: others could read it

    hint: remove it from the URI and set it in the environment: art help remote
    ");
    assert_snapshot!(sandbox.art("remote set-uri lab ../share"), @"
    exit 0
    -- stdout
    the remote lab is at [ROOT]/share
      conditional writes work: concurrent pushes are safe
      nothing has been pushed to it yet
    ");
}

#[test]
fn remote_show_and_the_log_show_all_pushes() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    let log = log(&sandbox, Protocol::Linear);
    assert_snapshot!(sandbox.art("log --remote origin"), @"
    exit 0
    -- stderr
    nothing was pushed to the remote origin yet
    ");
    let mut first = proposal(
        "push",
        &["refs/runs/o/p/train - a", "refs/versions/o/p/v1 - b", "refs/runs/o/q/x - c"],
    );
    first.packs.push(Stored { id: Id::EMPTY_TREE, size: 5 << 20 });
    first.meta.push(Stored { id: Id::of_blob(b"m"), size: 1000 });
    first.segments.push(Stored { id: Id::of_blob(b"s"), size: 1048 });
    push(&log, &first);
    push(&log, &proposal("retrain", &["refs/runs/o/p/train a d", "refs/runs/o/q/x c -"]));
    assert_snapshot!(sandbox.art("remote show"), @"
    exit 0
    -- stdout
    remote origin (default)
      uri        [ROOT]/share
      guarantee  conditional writes work: concurrent pushes are safe
      log        2 entries, sequential entries
      packs      1, 5.0 MiB
      meta       1, 1000 B
      segments   1, 1.0 KiB
    projects:
      o/p: 1 run, 1 version, 0 tags
    last pushes:
    2 retrain
        Ada <ada@example.org>, 2026-11-21T12:00:00Z: 2 refs
    1 push
        Ada <ada@example.org>, 2026-11-21T12:00:00Z: 3 refs, 1 pack of 5.0 MiB, 2.0 KiB of records
    ");
    assert_snapshot!(sandbox.art("log --remote origin -v"), @"
    exit 0
    -- stdout
    2 retrain
        Ada <ada@example.org>, 2026-11-21T12:00:00Z: 2 refs
        refs/runs/o/p/train  [ID 1]..[ID 2]
        refs/runs/o/q/x  deleted, was [ID 3]
    1 push
        Ada <ada@example.org>, 2026-11-21T12:00:00Z: 3 refs, 1 pack of 5.0 MiB, 2.0 KiB of records
        refs/runs/o/p/train  [ID 1] (new)
        refs/versions/o/p/v1  [ID 4] (new)
        refs/runs/o/q/x  [ID 3] (new)
    -- stderr
    remote: 4 requests, 0 B sent, 1.9 KiB received
    ");
    let lines = sandbox.art("log --remote origin -n 1 --json").ok().json_lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["number"], 2);
    assert_eq!(lines[0]["refs"][1]["new"], serde_json::Value::Null);
    assert_eq!(lines[0]["packs"], serde_json::json!({ "count": 0, "bytes": 0 }));
    assert_snapshot!(sandbox.art("remote --columns name,entries,refs,conflicts"), @"
    exit 0
    -- stdout
    NAME    ENTRIES  REFS  CONFLICTS
    origin        2     2          0
    ");
    assert_snapshot!(sandbox.art("log --remote origin --all"), @"
    exit 2
    -- stderr
    error: the argument '--remote <NAME>' cannot be used with '--all'

    hint: art log --remote <NAME> [REV[:PATH]] [-- <PATH>...]
    ");
}

#[test]
fn the_cache_saves_requests_and_is_removed_with_the_remote() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    let log = log(&sandbox, Protocol::Linear);
    for number in 0..8 {
        push(&log, &proposal("push", &[&format!("refs/runs/o/p/r{number} - a")]));
    }
    let requests = |line: &str| {
        let json = sandbox.art(line).ok().json();
        json["traffic"]["requests"].as_u64().unwrap()
    };
    let first = requests("remote show --json");
    let second = requests("remote show --json");
    assert_eq!((second, second < first), (7, true), "the newest, the next, five pushes; {first}");
    let cache = ".artifacts/cache/remotes/origin";
    assert!(sandbox.path(cache).join("state").is_file());
    sandbox.art("remote set-uri origin ../elsewhere").ok();
    assert!(!sandbox.path(cache).exists());
    assert!(sandbox.art("remote show").ok().stdout.contains("nothing has been pushed yet"));
    sandbox.art("remote set-uri origin ../share").ok();
    assert_eq!(sandbox.art("remote show --json").ok().json()["entries"], 8);
    sandbox.art("fsck --full").ok();
}

#[test]
fn conflicts_are_named_where_entries_stand_side_by_side() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    push_apart(&sandbox, "refs/runs/o/p/train");
    let json = sandbox.art("remote show --json").ok().json();
    assert_eq!(json["log"], "siblings");
    assert_eq!(json["conflicts"][0]["ref"], "refs/runs/o/p/train");
    assert_eq!(json["conflicts"][0]["sides"].as_array().unwrap().len(), 1);
    let lines = sandbox.art("log --remote origin --json").ok().json_lines();
    let conflicts = lines.iter().filter(|line| line["refs"][0]["conflict"] == true).count();
    assert_eq!((lines.len(), conflicts), (3, 1));
    let shown = sandbox.art("log --remote origin").ok().stdout;
    assert_eq!(shown.matches("(conflict)").count(), 1, "{shown}");
    let shown = sandbox.art("remote show").ok().stdout;
    assert!(shown.contains("conflicts:\n  refs/runs/o/p/train  "), "{shown}");
}

#[test]
fn a_store_that_breaks_its_guarantee_is_reported_and_recorded() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    let log = log(&sandbox, Protocol::Linear);
    let entry = |number: u64| sandbox.root().join(format!("share/log/{number:020}.toml"));
    let run = |name: &str| format!("refs/runs/o/p/{name} - a");
    push(&log, &proposal("one", &[&run("x")]));
    push(&log, &proposal("two", &[&run("y")]));
    let won = std::fs::read(entry(2)).unwrap();
    std::fs::remove_file(entry(2)).unwrap();
    push(&log, &proposal("too", &[&run("z")]));
    push(&log, &proposal("three", &[&run("w")]));
    std::fs::write(entry(2), won).unwrap();
    let output = sandbox.art("remote show").ok();
    assert!(output.stderr.starts_with("warning: the store of the remote 'origin'"), "{output}");
    assert!(sandbox.read(".artifacts/config.toml").contains("guarantee = \"races\""));
    assert_eq!(sandbox.art("remote show").ok().stderr, "");
}

#[test]
fn remote_remove_forgets_the_tracking_refs_and_asks_nothing_of_the_store() {
    let sandbox = repository();
    sandbox.write("w.bin", "weights");
    sandbox.art("upload w.bin").ok();
    sandbox.art("remote add lab ../share").ok();
    sandbox.art("remote add other ../other").ok();
    sandbox.git("--git-dir .artifacts update-ref refs/remotes/lab/runs/o/p/x HEAD");
    sandbox.git("--git-dir .artifacts update-ref refs/remotes/other/runs/o/p/x HEAD");
    std::fs::remove_dir_all(sandbox.root().join("share")).unwrap();
    assert_snapshot!(sandbox.art("remote remove lab"), @"
    exit 1
    -- stderr
    error: pass --yes to remove the remote lab

    hint: use --dry-run to see what would be done
    ");
    assert_snapshot!(sandbox.art("remote remove lab --dry-run"), @"
    exit 0
    -- stdout
    would remove the remote lab at [ROOT]/share
    would remove 1 tracking ref
    ");
    assert_snapshot!(sandbox.art("remote remove lab --yes"), @"
    exit 0
    -- stdout
    removed the remote lab at [ROOT]/share
    removed 1 tracking ref
    ");
    assert_snapshot!(sandbox.git("--git-dir .artifacts for-each-ref --format=%(refname) refs/remotes"), @"refs/remotes/other/runs/o/p/x");
    assert_snapshot!(sandbox.art("remote remove lab --yes"), @"
    exit 1
    -- stderr
    error: there is no remote 'lab'

    hint: see the remotes: art remote list
    ");
    assert_snapshot!(sandbox.art("remote"), @"
    exit 0
    -- stdout
       NAME   GUARANTEE  URI
    *  other  exclusive  [ROOT]/other
    ");
    // None of this is an operation that could be undone.
    assert!(!sandbox.art("reflog").ok().stdout.contains("remote"));
}

#[test]
fn a_directory_of_a_repository_that_can_not_be_written_is_shown_all_the_same() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    push(&log(&sandbox, Protocol::Linear), &proposal("one", &["refs/runs/o/p/x - a"]));
    // A file in place of the directory.
    sandbox.write(".artifacts/cache/remotes", "");
    assert_eq!(sandbox.art("remote show --json").ok().json()["entries"], 1);
    assert_eq!(sandbox.art("log --remote origin --json").ok().json_lines().len(), 1);
}

/// The files that a probe left in the directory.
fn leftovers(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("probe"));
    entries.into_iter().flatten().map(|entry| format!("{entry:?}")).collect()
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let sandbox = repository();
    sandbox.art("remote add origin ../share").ok();
    assert_eq!(leftovers(&sandbox.root().join("share")), [""; 0]);
}

#[test]
fn a_place_that_can_be_no_remote_is_named_with_the_reason() {
    let sandbox = repository();
    sandbox.write("w.bin", "weights");
    sandbox.art("upload w.bin").ok();
    sandbox.write("../file", "x");
    for uri in ["../file", "../file/below"] {
        let refused = sandbox.art(&format!("remote add bad {uri}")).fails_with(2);
        assert!(refused.stderr.contains("/file' is a file; a remote is a directory"), "{refused}");
        assert!(!refused.stderr.contains("probe/"), "{refused}");
        let refused = sandbox.art(&format!("clone {uri} c")).fails_with(2);
        assert!(refused.stderr.contains("/file' is a file; a remote is a directory"), "{refused}");
    }
    // A remote that became a file.
    sandbox.art("remote add origin ../share").ok();
    sandbox.shell("rm -r ../share && echo x > ../share").ok();
    for line in ["push", "push --dry-run", "fetch", "remote show", "fsck --remote origin"] {
        let refused = sandbox.art(line).fails_with(2);
        assert!(refused.stderr.contains("/share' is a file; a remote is a directory"), "{refused}");
    }
}

#[test]
fn a_directory_that_a_user_may_not_write_to_is_named() {
    let sandbox = repository();
    sandbox.write("w.bin", "weights");
    sandbox.art("upload w.bin").ok();
    sandbox.art("remote add origin ../share").ok();
    sandbox.shell("chmod -R a+rwX .. && mkdir ../closed && chmod 555 ../closed ../share").ok();
    sandbox.shell("chmod 555 ../share/* || true").ok();
    for line in ["remote add other ../closed", "push"] {
        let refused = sandbox.command(line).unprivileged().run().fails_with(12);
        let place = if line == "push" { "/share" } else { "/closed'" };
        assert!(refused.stderr.contains(place), "{line}: {refused}");
    }
    sandbox.shell("chmod -R u+w ../closed ../share").ok();
}
