//! Comments, messages, help texts and the book use plain words: each banned opening and phrase
//! has a replacement.

use super::prose::{Passage, of_markdown, of_python, of_rust};
use super::source::{SourceFile, files, read, root};

/// A form of words that no reader should meet.
enum Form {
    /// The first words of a sentence that is not a question.
    Opening(&'static str),
    /// Words anywhere in a sentence.
    Phrase(&'static str),
    /// The last word of a sentence, unless the word before it is one of [`WITH_ELSE`].
    Ending(&'static str),
}

use Form::{Ending, Opening, Phrase};

/// The words with which `else` forms a pronoun or an adverb.
const WITH_ELSE: &[&str] = &[
    "anyone",
    "anything",
    "anywhere",
    "everyone",
    "everything",
    "everywhere",
    "nobody",
    "nothing",
    "nowhere",
    "someone",
    "something",
    "somewhere",
];

/// The banned forms, each with the words to write instead.
const BANNED: &[(Form, &str)] = &[
    (Opening("What"), "the noun: 'The contents of a record', not 'What a record says'"),
    (Opening("Whether"), "'Returns true if …', or 'True if …' for a field"),
    (Opening("So many"), "'The number of …', or 'The limit of …'"),
    (Opening("Of"), "the noun that the sentence is about, first"),
    (Opening("Who"), "'The user that …', 'The process that …'"),
    (Opening("Else"), "'Otherwise,'"),
    (Ending("else"), "'if … otherwise …', with the condition first"),
    (Phrase("anew"), "'recreated' or 'rebuilt'"),
    (Phrase("at once"), "'immediately' or 'in parallel'"),
    (Phrase("did away with"), "'deleted'"),
    (Phrase("does away with"), "'deletes'"),
    (Phrase("go on"), "'continue' or 'resume'"),
    (Phrase("goes on"), "'continues' or 'resumes'"),
    (Phrase("going on"), "'running' or 'happening'"),
    (Phrase("went on"), "'continued' or 'resumed'"),
    (Phrase("hear of"), "'notice' or 'receive'"),
    (Phrase("hears of"), "'notices' or 'receives'"),
    (Phrase("heard of"), "'noticed' or 'received'"),
    (Phrase("tell of"), "'print', 'record' or 'report'"),
    (Phrase("tells of"), "'prints', 'records' or 'reports'"),
    (Phrase("told of"), "'printed', 'recorded' or 'reported'"),
    (Phrase("is so already"), "'is unchanged'"),
    (Phrase("lie under"), "'are in'"),
    (Phrase("lies under"), "'is in'"),
    (Phrase("mend"), "'repair'"),
    (Phrase("mended"), "'repaired'"),
    (Phrase("mending"), "'repair'"),
    (Phrase("mends"), "'repairs'"),
    (Phrase("needs a yes"), "'pass --yes to …'"),
    (Phrase("of no use"), "'useless' or 'stale'"),
    (Phrase("put together"), "'compacted' for files, 'built' otherwise"),
    (Phrase("puts together"), "'compacts' for files, 'builds' otherwise"),
    (Phrase("puts up with"), "'tolerates'"),
    (Phrase("shall"), "the present tense"),
    (Phrase("take in"), "'import'"),
    (Phrase("taken in"), "'imported'"),
    (Phrase("takes in"), "'imports'"),
    (Phrase("took in"), "'imported'"),
    (Phrase("there are no more"), "a verb: '… are deleted', 'no … is left'"),
    (Phrase("there is no more"), "a verb: '… is deleted', 'no … is left'"),
    (Phrase("what is here"), "the noun: 'the local refs', 'the local content'"),
    (Phrase("what is there"), "the noun: 'the remote's refs', 'the existing files'"),
    (Phrase("who has it"), "'the process that holds the lock', 'the user that owns …'"),
];

/// Files that are not read, each with its reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("tests/lib/tidy/words.rs", "contains the banned forms"),
    ("book/src/reference/cli.md", "is generated from the help texts, which are read in src"),
];

/// One use of a banned form.
#[derive(Debug, PartialEq, Eq)]
struct Hit {
    line: usize,
    words: &'static str,
    instead: &'static str,
}

/// The uses of banned forms in `passages`.
fn hits(passages: &[Passage]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for passage in passages {
        let text = passage.text.replace('\n', " ");
        let lower = text.to_ascii_lowercase();
        for (form, instead) in BANNED {
            let (words, found) = match form {
                Opening(words) => (*words, openings(&text, words)),
                Phrase(words) => (*words, occurrences(&lower, words)),
                Ending(words) => (*words, endings(&text, words)),
            };
            hits.extend(found.into_iter().map(|at| {
                let line = passage.line + passage.text[..at].matches('\n').count();
                Hit { line, words, instead }
            }));
        }
    }
    hits
}

/// The places at which a sentence that is not a question starts with `words`.
fn openings(text: &str, words: &str) -> Vec<usize> {
    occurrences(text, words)
        .into_iter()
        .filter(|&at| {
            let before = text[..at].trim_end_matches(['"', '\'', '(', '*', '_']);
            let starts = before.trim_end().is_empty()
                || before.ends_with(char::is_whitespace)
                    && before.trim_end().ends_with(['.', ':', ';', '?', '!']);
            let sentence = &text[at..];
            let end = sentence.find(['.', '?', '!']).unwrap_or(sentence.len());
            let has_more = sentence[words.len()..].trim_start().starts_with(char::is_alphabetic)
                || sentence[words.len()..].trim_start().starts_with('_');
            starts && has_more && !sentence[end..].starts_with('?')
        })
        .collect()
}

/// The places at which `word` ends a sentence and is no part of a pronoun or an adverb.
fn endings(text: &str, word: &str) -> Vec<usize> {
    occurrences(text, word)
        .into_iter()
        .filter(|&at| {
            let before = text[..at].trim_end().rsplit(char::is_whitespace).next();
            let before = before.unwrap_or_default().to_ascii_lowercase();
            let after = &text[at + word.len()..];
            after.starts_with(['.', ';']) && !WITH_ELSE.contains(&before.as_str())
        })
        .collect()
}

/// The places of `words` as whole words.
fn occurrences(text: &str, words: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let is_whole = |at: usize| {
        !text[..at].ends_with(is_part) && !text[at + words.len()..].starts_with(is_part)
    };
    text.match_indices(words).map(|(at, _)| at).filter(|&at| is_whole(at)).collect()
}

/// The lines of a report about the banned forms in `file`.
fn report(file: &SourceFile, passages: &[Passage]) -> Vec<String> {
    let hits = hits(passages).into_iter();
    hits.map(|hit| format!("{}:{}: '{}': write {}", file.name, hit.line, hit.words, hit.instead))
        .collect()
}

#[test]
fn all_prose_uses_plain_words() {
    let is_read = |file: &SourceFile| LEFT_OUT.iter().all(|(name, _)| file.name != *name);
    let mut lines = Vec::new();
    for file in
        files(&["src", "tests", "benches", "python"], "rs").iter().filter(|file| is_read(file))
    {
        lines.extend(report(file, &of_rust(&file.text)));
    }
    for file in &files(&["python", "tests/python"], "py") {
        lines.extend(report(file, &of_python(&file.text)));
    }
    let pages = ["README.md", "CHANGELOG.md"]
        .map(|name| SourceFile { name: name.to_owned(), text: read(name) });
    for file in files(&["book/src"], "md").iter().chain(&pages).filter(|file| is_read(file)) {
        lines.extend(report(file, &of_markdown(&file.text, 1)));
    }
    assert!(lines.is_empty(), "{} uses of banned words:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn files_that_are_left_out_exist() {
    for (name, reason) in LEFT_OUT {
        assert!(root().join(name).is_file(), "{name} {reason}");
    }
}

#[test]
fn each_banned_form_is_found_in_comments_strings_and_pages() {
    for (form, instead) in BANNED {
        let (words, sentence) = match form {
            Opening(words) => (words, format!("{words} a record\nis, nobody knows.")),
            Phrase(words) => (words, format!("The text {} comes.", words.replace(' ', "\n"))),
            Ending(words) => (words, format!("The text, or\n{words}.")),
        };
        let wanted = |line| Hit { line, words, instead };
        let comment =
            format!("fn f() {{}}\n/// A record.\n/// {}", sentence.replace('\n', "\n/// "));
        let shift = usize::from(matches!(form, Ending(_)));
        assert_eq!(hits(&of_rust(&comment)), [wanted(3 + shift)], "{comment}");
        let string = format!("fn f() {{\n    \"{}\"\n}}", sentence.replace('\n', " "));
        assert_eq!(hits(&of_rust(&string)), [wanted(2)], "{string}");
        assert_eq!(hits(&of_markdown(&sentence, 1)), [wanted(1 + shift)], "{sentence}");
        let docstring = format!("def f():\n    \"\"\"{sentence}\"\"\"\n    return 1\n");
        assert_eq!(hits(&of_python(&docstring)), [wanted(2 + shift)], "{docstring}");
    }
}

#[test]
fn plain_sentences_have_no_hits() {
    let text = "What is a run? Nothing else. The amendment of `anew` ends.\n\n```sh\nmend\n```\n";
    assert_eq!(hits(&of_markdown(text, 1)), []);
    assert_eq!(hits(&of_rust("let at_once = \"What \"; // Returns what changed.\n")), []);
}
