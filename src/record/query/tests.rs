//! Tests that parse, refuse and answer queries.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const FIELDS: &[Field] = &[
    Field { name: "name", kind: FieldKind::Text, doc: "" },
    Field { name: "description", kind: FieldKind::Text, doc: "" },
    Field { name: "tags", kind: FieldKind::Set, doc: "" },
    Field { name: "status", kind: FieldKind::Word(&["created", "failed", "succeeded"]), doc: "" },
    Field { name: "created_at", kind: FieldKind::Time, doc: "" },
    Field { name: "exit_code", kind: FieldKind::Number, doc: "" },
    Field { name: "dirty", kind: FieldKind::Bool, doc: "" },
];

struct Row(BTreeMap<&'static str, Value<'static>>);

impl Fields for Row {
    fn get(&self, field: &str) -> Option<Value<'_>> {
        self.0.get(field).cloned()
    }
}

fn row() -> Row {
    Row(BTreeMap::from([
        ("name", "sharp-shrimp-1".into()),
        ("description", "First try, (with care)".into()),
        ("tags", Value::Set(vec!["prod".into(), "gpu".into()])),
        ("status", "failed".into()),
        ("created_at", Value::Time("2026-11-21T08:30:15Z".parse().unwrap())),
        ("exit_code", Value::Number(-3.0)),
        ("dirty", Value::Bool(true)),
    ]))
}

fn holds(query: &str, row: &Row) -> bool {
    match Query::parse(query, FIELDS) {
        Ok(query) => query.matches(row),
        Err(error) => panic!("{query}: {error}"),
    }
}

fn check(holding: &[&str], failing: &[&str]) {
    for query in holding {
        assert!(holds(query, &row()), "{query}");
    }
    for query in failing {
        assert!(!holds(query, &row()), "{query}");
    }
}

fn refusal(query: &str) -> String {
    let error = Query::parse(query, FIELDS).unwrap_err();
    match error.hint() {
        Some(hint) => format!("{error}\n  hint: {hint}"),
        None => error.to_string(),
    }
}

#[test]
fn values_are_compared_with_fields() {
    check(
        &[
            "",
            " ",
            "name: sharp-shrimp-1",
            "name:sharp-shrimp-1",
            "name : sharp-shrimp-1 ",
            "name: a|sharp-shrimp-1|b",
            "name: a | sharp-shrimp-1",
            "name: ~a|b",
            "tags: gpu",
            "tags: cpu|prod",
            "tags: ~cpu",
            "status: failed",
            "exit_code: -3",
            "dirty: true",
            "description: \"First try, (with care)\"",
            "name: \"sharp\"-shrimp-1",
        ],
        &[
            "name: Sharp-shrimp-1",
            "name: ~sharp-shrimp-1",
            "name: ~a|sharp-shrimp-1",
            "tags: ~gpu",
            "tags: ~cpu|gpu",
            "tags: gp",
            "status: created|succeeded",
            "dirty: false",
            "dirty: ~true",
        ],
    );
}

#[test]
fn nil_matches_missing_and_empty_values() {
    let empty = Row(BTreeMap::from([
        ("description", "".into()),
        ("tags", Value::Set(Vec::new())),
        ("name", "nil".into()),
    ]));
    for query in [
        "description: nil",
        "tags: NIL",
        "created_at: nil",
        "status: nil|failed",
        "name: ~nil",
        "name: \"nil\"",
        "tags: ~a",
        "created_at: ~2026-11-21",
    ] {
        assert!(holds(query, &empty), "{query}");
    }
    for query in ["created_at: ~nil", "exit_code: 0", "created_at: <2030-01-01", "name: nil"] {
        assert!(!holds(query, &empty), "{query}");
    }
    check(&["tags: ~nil", "created_at: ~nil"], &["tags: nil", "dirty: nil"]);
}

#[test]
fn patterns_contain_begin_and_end_in_any_case() {
    check(
        &[
            "name: %SHRIMP%",
            "name: sharp%",
            "name: %-1",
            "name: s%-%-1",
            "name: %",
            "description: %\"y, (w\"%",
            "tags: g%",
            "status: fail%",
            "name: ~%whale%",
        ],
        &["name: %whale%", "name: shrimp%", "name: %shrimp", "name: sharp%p-1%1", "name: \"%\""],
    );
    // A piece cannot match text that the previous piece matched.
    let row = Row(BTreeMap::from([("name", "aba".into())]));
    assert!(!holds("name: ab%ba", &row));
    assert!(holds("name: a%a", &row));
}

#[test]
fn a_date_is_the_whole_day_and_a_minute_the_whole_minute() {
    check(
        &[
            "created_at: 2026-11-21",
            "created_at: 2026-11-21 08:30",
            "created_at: 2026-11-21T08:30:15Z",
            "created_at: >=2026-11-21",
            "created_at: <=2026-11-21",
            "created_at: > 2026-11-20",
            "created_at: <2026-11-22",
            "created_at: >\"2026-11-21 08:29\"",
            "created_at: 2026-11-20..2026-11-21",
            "created_at: 2026-11-21 .. 2026-11-21 08:30",
            "created_at: 2026-11-21..",
            "created_at: ..2026-11-21",
            "created_at: ~2026-11-22..2026-11-23",
            "created_at: 2020-01-01|2026-11-21",
        ],
        &[
            "created_at: >2026-11-21",
            "created_at: <2026-11-21",
            "created_at: 2026-11-21 08:31",
            "created_at: >2026-11-21 08:30",
            "created_at: 2026-11-21T08:30:16Z",
            "created_at: 2026-11-22..2026-11-30",
            "created_at: ~2026-11-20..2026-11-21",
        ],
    );
}

#[test]
fn numbers_compare_by_value() {
    check(
        &[
            "exit_code: <0",
            "exit_code: <=-3",
            "exit_code: -3.0",
            "exit_code: -4..-2",
            "exit_code: ..0",
        ],
        &["exit_code: >-3", "exit_code: 3", "exit_code: -2..9", "exit_code: >=0"],
    );
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_group() {
    check(
        &[
            "name: a, name: b OR status: failed",
            "status: failed OR name: a, name: b",
            "status: failed or name: a And name: b",
            "(name: a OR status: failed), dirty: true",
            "( ( status:failed ) )",
            "status: failed AND(dirty: true)",
        ],
        &[
            "(status: failed OR name: a), name: b",
            "name: a OR name: b, status: failed",
            "status: failed AND dirty: false",
        ],
    );
}

#[test]
fn quoted_words_are_literal() {
    for text in
        ["a and b", "or", "nil", "~x", "%x%", ">1", "a|b", "a,b", "(", "\"", "\\", "name: x"]
    {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let row = Row(BTreeMap::from([("name", Value::Text(text.into()))]));
        assert!(holds(&format!("name: \"{quoted}\""), &row), "{text}");
    }
    let sandy = Row(BTreeMap::from([("name", "sandy orca andes".into())]));
    assert!(holds("name: sandy orca andes", &sandy), "a keyword inside a word is not a keyword");
}

#[test]
fn errors_point_at_the_column() {
    for (query, lines) in [
        (
            "tags: a, stauts: failed",
            [
                "unknown field 'stauts', at column 10",
                "  tags: a, stauts: failed",
                "           ^^^^^^",
                "  hint: did you mean 'status'? the fields are name, description, tags, status, \
                 created_at, exit_code, dirty",
            ],
        ),
        (
            "status: faild",
            [
                "'status' is never 'faild', at column 9",
                "  status: faild",
                "          ^^^^^",
                "  hint: did you mean 'failed'? 'status' is one of created, failed, succeeded",
            ],
        ),
        (
            "created_at: >yesterday, name: x",
            [
                "'yesterday' is not a time, at column 14",
                "  created_at: >yesterday, name: x",
                "               ^^^^^^^^^",
                "  hint: write a time as 2026-11-21 or 2026-11-21 08:30",
            ],
        ),
        (
            "name: 漢字 tags: b",
            [
                "expected ',' before 'tags:', at column 10",
                "  name: 漢字 tags: b",
                "             ^^^^^",
                "  hint: separate conditions with ',' or OR, or put the value in double quotes",
            ],
        ),
    ] {
        assert_eq!(refusal(query), lines.join("\n"));
    }
}

#[test]
fn invalid_queries_are_refused_at_the_faulty_column() {
    for (query, column, problem) in [
        ("failed", 7, "expected ':' after 'failed'"),
        ("status=failed", 7, "expected ':' after 'status'"),
        ("name: a,", 9, "expected a condition"),
        ("name: a OR", 11, "expected a condition"),
        ("name:", 6, "'name' has no value"),
        ("name: a|", 9, "'name' has no value"),
        ("name: or", 7, "'name' has no value"),
        ("name: a|~b", 9, "'~' is allowed only before the first value"),
        ("name: >a", 7, "'name' is text, which has no order"),
        ("name: a(b", 8, "'(' inside a value"),
        ("name: \"a", 7, "this quote is not closed"),
        (r#"name: "a\n""#, 9, "unknown escape"),
        ("(name: a", 1, "this '(' is not closed"),
        ("name: a)", 8, "')' without '('"),
        ("(name: a) name: b", 11, "expected ',', AND or OR"),
        ("exit_code: many", 12, "'many' is not a number"),
        ("exit_code: nan", 12, "'nan' is not a number"),
        ("exit_code: 3..1", 12, "the range ends before it starts"),
        ("exit_code: ..", 12, "a range needs at least one end"),
        ("created_at: >", 14, "'created_at' has no value"),
        ("dirty: yes", 8, "'dirty' is true or false, not 'yes'"),
        (": a", 1, "expected a condition"),
    ] {
        let error = Query::parse(query, FIELDS).unwrap_err();
        assert_eq!((error.column(), error.problem.as_str()), (column, problem), "{query}");
    }
}

#[test]
fn an_error_escapes_the_control_characters_of_a_value() {
    for (query, shown) in [
        ("status: a\nb", r"'status' is never 'a\nb'"),
        ("created_at: a\u{1b}[31m", r"'a\u{1b}[31m' is not a time"),
        ("dirty: a\nb", r"not 'a\nb'"),
    ] {
        let error = Query::parse(query, FIELDS).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(error.contains(shown), "{error}");
    }
}

#[test]
fn hostile_sizes_are_bounded() {
    let deep = "(".repeat(5000) + "name: a";
    assert!(refusal(&deep).contains("too deeply"));
    let long = "name: ".to_owned() + &"a".repeat(MAX_LEN);
    assert!(refusal(&long).contains("longer than"));
    let far = format!("name: {}, stauts: x, name: {}", "a".repeat(200), "b".repeat(200));
    let shown = refusal(&far);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1].chars().count() < 90 && lines[1].ends_with('…'), "{shown}");
    let mark = lines[2].find('^').unwrap();
    assert!(lines[1].chars().skip(mark).collect::<String>().starts_with("stauts"), "{shown}");
    assert!(!refusal("na\u{1b}[31mme").contains('\u{1b}'));
}

#[test]
fn sorting_goes_field_by_field_and_missing_values_come_last() {
    let row = |name: &'static str, code: Option<f64>| {
        let mut row = BTreeMap::from([("name", Value::from(name))]);
        row.extend(code.map(|code| ("exit_code", Value::Number(code))));
        Row(row)
    };
    let mut rows = [row("b", Some(1.0)), row("c", None), row("a", Some(1.0)), row("d", Some(2.0))];
    let mut sorted = |by: &str| -> String {
        let sort = Sort::parse(by, FIELDS).unwrap();
        rows.sort_by(|a, b| sort.compare(a, b));
        let name = |row: &Row| match &row.0["name"] {
            Value::Text(name) => name.to_string(),
            other => panic!("{other:?}"),
        };
        rows.iter().map(name).collect()
    };
    assert_eq!(sorted("exit_code, name"), "abdc");
    assert_eq!(sorted("-exit_code,-name"), "dbac");
    let error = Sort::parse("-nmae", FIELDS).unwrap_err();
    assert!(error.hint().unwrap().starts_with("did you mean 'name'?"));
}

/// A query as a tree, its text, and its expected result for [`row`].
#[derive(Debug, Clone)]
enum Model {
    Leaf(&'static str, bool),
    And(Vec<Model>),
    Or(Vec<Model>),
}

impl Model {
    fn text(&self) -> String {
        match self {
            Model::Leaf(text, _) => (*text).to_owned(),
            Model::And(parts) => {
                let text = |part: &Model| match part {
                    Model::Or(_) => format!("({})", part.text()),
                    _ => part.text(),
                };
                parts.iter().map(text).collect::<Vec<_>>().join(", ")
            }
            Model::Or(parts) => parts.iter().map(Model::text).collect::<Vec<_>>().join(" OR "),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Model::Leaf(_, holds) => *holds,
            Model::And(parts) => parts.iter().all(Model::holds),
            Model::Or(parts) => parts.iter().any(Model::holds),
        }
    }
}

fn models() -> impl Strategy<Value = Model> {
    let leaf = prop::sample::select(vec![
        Model::Leaf("name: sharp%", true),
        Model::Leaf("tags: cpu|gpu", true),
        Model::Leaf("created_at: >2026-01-01 10:00", true),
        Model::Leaf("status: ~failed", false),
        Model::Leaf("description: \"a, b) OR (c\"", false),
        Model::Leaf("exit_code: 0..9", false),
    ]);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let parts = prop::collection::vec(inner, 1..4);
        prop_oneof![parts.clone().prop_map(Model::And), parts.prop_map(Model::Or)]
    })
}

proptest! {
    #[test]
    fn trees_mean_what_their_text_means(model in models()) {
        prop_assert_eq!(holds(&model.text(), &row()), model.holds(), "{}", model.text());
    }

    #[test]
    fn any_text_parses_or_is_refused_inside_it(text in "\\PC{0,60}|[a-z_:~|,()\"%<>.= ]{0,60}") {
        match Query::parse(&text, FIELDS) {
            Ok(query) => { query.matches(&row()); }
            Err(error) => {
                prop_assert!(error.column() <= text.chars().count() + 1);
                prop_assert_eq!(error.to_string().lines().count(), 3);
            }
        }
    }

    #[test]
    fn pieces_of_queries_in_any_order_never_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "name", "tags", "created_at", "exit_code", "status", ":", " ", "~", "|", ",", "(", ")",
            "OR", "and", "nil", "..", ">", "<=", "%", "\"", "\\", "2026-11-21", "08:30", "1", "failed", "é",
        ]), 0..25)
    ) {
        let text = parts.concat();
        if let Ok(query) = Query::parse(&text, FIELDS) {
            query.matches(&row());
        }
    }

    #[test]
    fn a_quoted_value_is_literal(text in any::<String>()) {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let row = Row(BTreeMap::from([("name", Value::Text(text.into()))]));
        let query = format!("name: \"{quoted}\"");
        prop_assert!(holds(&query, &row));
    }
}
