//! Runs each command in the tables for users of other tools.

use std::path::Path;

use crate::common::{Sandbox, Step};

/// Runs, tags, versions and files with the names that the tables use.
fn sandbox() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project ada/digits").ok();
        sandbox.art("project update -p ada/other --description other").ok();
        for path in
            ["datasets/dataset1/x", "model/w", "OUT/o", "PATH/p", "P/q", "out/o", "SOURCE/s"]
        {
            sandbox.write(path, path);
        }
        for run in ["RUN", "r", "sharp-shrimp-1", "NAME"] {
            sandbox.art(&format!("run --name {run}")).ok();
            sandbox.art("upload model SOURCE datasets P").ok();
            sandbox.art("lineage add a --path model --kind model").ok();
            sandbox.art("lineage add b --path datasets --kind data").ok();
        }
        for tag in ["TAG", "my_tag"] {
            sandbox.art(&format!("tag {tag}")).ok();
        }
    })])
}

/// The commands in the second column of a table.
fn commands(page: &str) -> Vec<String> {
    let path = format!("book/src/guide/coming-from/{page}.md");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(path).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let spans = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).collect::<Vec<_>>());
    spans.filter(|span| span.starts_with("art ")).map(str::to_owned).collect()
}

/// Replaces the names in capitals by values.
fn typed(command: &str) -> String {
    let fill = |word: &str| match word {
        "OWNER/PROJECT" => "ada/digits".to_owned(),
        "CMD" => "true".to_owned(),
        "QUERY" => "'name: %'".to_owned(),
        "SORT" => "name".to_owned(),
        "KIND" => "model".to_owned(),
        "SUBPATH" | "S" => "sub".to_owned(),
        "DIR" => "directory".to_owned(),
        word => word.to_owned(),
    };
    command.split(' ').map(fill).collect::<Vec<_>>().join(" ")
}

/// Prepares the repository for `command` and returns the command with existing names.
fn prepared(sandbox: &Sandbox, command: &str) -> String {
    let mut line = typed(command);
    let verb = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_new = ["init", "register", "versions"].contains(&verb.as_str());
    if line.contains("v1") && (!is_new || line.contains("--force")) {
        sandbox.art("register v1").ok();
    }
    if verb == "lineage" {
        line = line.replace("PATH", "model").replace("add NAME", "add c");
    }
    if verb == "download" {
        line = line.replace("--path FILE", "--path model/w").replace("--path DIR", "--path P");
        line = line.replace("--path directory", "--path P");
    }
    if ["copy", "update"].contains(&verb.as_str()) {
        line = line.replace("--name NAME", "--name other");
    }
    if line.starts_with("art tag TAG") && !line.contains("--delete") {
        line = line.replace("TAG", "new");
    }
    if ["push", "pull"].contains(&verb.as_str()) {
        sandbox.art("remote add origin ../store").ok();
    }
    if verb == "pull" {
        sandbox.art("push").ok();
    }
    let deletes = line.contains("--delete") || line.starts_with("art runs delete");
    let asks = deletes || line == "art undo";
    if asks && !line.contains("--yes") {
        line.push_str(" --yes");
    }
    line
}

#[test]
fn every_command_of_the_tables_for_polyaxon_and_dstack_works() {
    let (pattern, mut tried) = (sandbox(), 0);
    for page in ["polyaxon", "dstack"] {
        for command in commands(page) {
            let sandbox = Sandbox::new();
            let copy = format!("-a {}/. .", pattern.work().display());
            sandbox.tool("cp", &copy);
            let line = prepared(&sandbox, &command);
            let output = sandbox.shell(&format!("{line} </dev/null"));
            assert_eq!(output.code, 0, "{page}: `{command}`, typed as `{line}`: {output}");
            sandbox.art("fsck").ok();
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}
