//! Maps verbs of other tools to commands of `art`.

/// The verbs of git, DVC and model registries, with the command to type instead.
const VERBS: &[(&str, &str)] = &[
    ("add", "art upload PATH"),
    ("apply", "art download REV --force"),
    ("archive", "art export REV -o FILE"),
    ("artifact", "art lineage add NAME --path P --kind K"),
    ("artifacts", "art ls -r"),
    ("blame", "art log REV:PATH"),
    ("branch", "art run --name NAME, or list the runs: art runs"),
    ("checkout", "art download REV --force, or make another run current: art runs switch RUN"),
    ("ci", "art upload PATH"),
    ("co", "art download REV --force"),
    ("commit", "art upload PATH -m MESSAGE"),
    ("cp", "art copy VERSION, or download files: art download REV:PATH --to DIR"),
    ("create", "art run --name NAME, or make a version: art register VERSION"),
    ("describe", "art show REV"),
    ("exp", "art runs"),
    ("experiments", "art runs"),
    ("finish", "art runs finish RUN"),
    ("import", "art upload PATH"),
    ("install", "art init"),
    ("list", "art ls, art runs or art versions"),
    ("log-artifact", "art upload PATH"),
    ("log_artifact", "art upload PATH"),
    ("login", "art remote add NAME URI"),
    ("merge", "art pull"),
    ("metrics", "art diff A B --content"),
    ("models", "art versions"),
    ("mv", "art update VERSION --name NAME"),
    ("new", "art init, or create a run: art run --name NAME"),
    ("prune", "art gc"),
    ("publish", "art register VERSION"),
    ("put", "art upload PATH"),
    ("rebase", "art pull"),
    ("release", "art register VERSION"),
    ("rename", "art update VERSION --name NAME"),
    ("repro", "art run -- COMMAND"),
    ("reset", "art undo, or restore files: art download REV --force"),
    ("restore", "art download REV --path PATH --force"),
    ("revert", "art undo"),
    ("rm", "art runs delete RUN, or delete a version: art delete VERSION"),
    ("remove", "art runs delete RUN, or delete a version: art delete VERSION"),
    ("rollback", "art undo, or art stage VERSION STAGE"),
    ("save", "art upload PATH"),
    ("start", "art run --name NAME"),
    ("stash", "art upload PATH --tag NAME, and later: art download tag/NAME --force"),
    ("submit", "art upload PATH"),
    ("switch", "art runs switch RUN"),
    ("sync", "art pull, then art push"),
    ("tags", "art tag"),
    ("track", "art upload PATH"),
    ("unstage", "art undo"),
    ("use", "art runs switch RUN"),
    ("verify", "art fsck --full"),
    ("version", "art versions, or the version of art itself: art --version"),
    ("worktree", "art download REV --to DIR"),
];

/// The verbs of git without a counterpart, with the explanation.
const MISSING: &[(&str, &str)] =
    &[("clean", "art never removes files of the work tree; to see untracked files: art status")];

/// The verbs that users try below a verb of `art`, with the command to type instead.
const NESTED: &[(&str, &str, &str)] = &[
    ("runs", "create", "art run --name NAME"),
    ("runs", "list", "art runs"),
    ("runs", "ls", "art runs"),
    ("runs", "new", "art run --name NAME"),
    ("runs", "remove", "art runs delete RUN"),
    ("runs", "rename", "art runs update RUN --name NAME"),
    ("runs", "rm", "art runs delete RUN"),
    ("remote", "delete", "art remote remove NAME"),
    ("remote", "ls", "art remote list"),
    ("remote", "rename", "art remote remove NAME, then art remote add NEW URI"),
    ("remote", "set-url", "art remote set-uri NAME URI"),
    ("remote", "get-url", "art remote show NAME"),
];

/// The hint for the unknown `verb` below the verb `parent`; empty for `art` itself.
pub(crate) fn find_hint(parent: &str, verb: &str) -> Option<String> {
    let wanted = verb.to_ascii_lowercase();
    if !parent.is_empty() {
        let found = NESTED.iter().find(|(above, nested, _)| *above == parent && *nested == wanted);
        return found.map(|(_, _, command)| format!("use {command}"));
    }
    let missing = MISSING.iter().find(|(foreign, _)| *foreign == wanted);
    let explained = missing.map(|(_, explanation)| (*explanation).to_owned());
    explained.or_else(|| find_command(verb).map(|command| format!("use {command}")))
}

/// The command that does what `verb` does in another tool.
fn find_command(verb: &str) -> Option<&'static str> {
    let verb = verb.to_ascii_lowercase();
    VERBS.iter().find(|(foreign, _)| *foreign == verb).map(|(_, command)| *command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn no_foreign_verb_is_one_of_art_and_each_hint_names_one() {
        let command = cli::command();
        for (parent, verb, _) in NESTED {
            let above = command.find_subcommand(parent).unwrap();
            assert!(above.find_subcommand(verb).is_none(), "'art {parent} {verb}' is a command");
        }
        let nested = NESTED.iter().map(|(_, _, hint)| ("runs list", *hint));
        for (verb, hint) in VERBS.iter().copied().chain(nested) {
            assert!(command.find_subcommand(verb).is_none(), "'art {verb}' is a command");
            for part in hint.split("art ").skip(1) {
                let word = part.split([' ', ',']).next().unwrap();
                let is_known = word.starts_with("--") || command.find_subcommand(word).is_some();
                assert!(is_known || word == "itself:", "{verb}: 'art {word}'");
            }
        }
    }
}
