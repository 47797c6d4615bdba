//! Splits a line into words as a shell does, with blanks, single and double quotes.

/// The words of `line`.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote is left open in: {line}");
    words.extend(word);
    words
}

#[test]
fn lines_are_cut_as_a_shell_does() {
    assert_eq!(split("upload -m 'a \"b\"' \"\" x=y"), ["upload", "-m", "a \"b\"", "", "x=y"]);
}
