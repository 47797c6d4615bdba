//! Lists: the shared options, and the same rows as a table, CSV or JSON.

use std::borrow::Cow;

use artifacts::clock::Timestamp;
use artifacts::error::{Error, Result};
use artifacts::name::{RefKind, RefName};
use artifacts::record::query::{self, Field, FieldKind, Fields, Query, Sort};
use artifacts::suggest;
use serde::Serialize;
use serde_json::{Map, Value};

use super::table::{Cell, Table};
use super::text::{Page, Style};
use super::{Dates, Ui, csv, format, json, sanitize};

/// The options of verbs that list.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "List options")]
pub(crate) struct ListArgs {
    /// Show only rows that match QUERY, such as 'status: failed, name: %digits%'
    #[arg(short, long, value_name = "QUERY")]
    pub(crate) query: Option<String>,

    /// Sort by FIELD, or by -FIELD in descending order; separate several fields with commas
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,

    /// Show at most N rows
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Skip the first N rows
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: usize,

    /// Show these fields in this order
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,

    /// Print comma-separated values (CSV) with a header line
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// The display of a field for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// Unchanged text.
    Text,
    /// A name, in colour.
    Name,
    /// An object's id, shortened.
    Id,
    /// A number.
    Count,
    /// A time.
    Time,
    /// Several texts.
    Set,
    /// The words of a command.
    Words,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// Yes or no.
    Flag,
    /// A star, or nothing; without a heading.
    Mark,
}

impl Show {
    /// The type of the field in queries.
    fn kind(self) -> FieldKind {
        match self {
            Show::Text | Show::Name | Show::Id | Show::Words => FieldKind::Text,
            Show::Count => FieldKind::Number,
            Show::Time => FieldKind::Time,
            Show::Set => FieldKind::Set,
            Show::Word(words) => FieldKind::Word(words),
            Show::Flag | Show::Mark => FieldKind::Bool,
        }
    }
}

/// A field of the rows of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// The field's key; `a.b` is the field `b` of the object `a`.
    name: &'static str,
    show: Show,
    is_hidden: bool,
}

impl Column {
    /// A column that is shown by default.
    pub(crate) const fn new(name: &'static str, show: Show) -> Self {
        Column { name, show, is_hidden: false }
    }

    /// A column that is shown only on request.
    pub(crate) const fn hidden(name: &'static str, show: Show) -> Self {
        Column { name, show, is_hidden: true }
    }

    /// A column with the values of `field`, shown by default.
    pub(crate) fn of(field: &Field) -> Self {
        let show = match field.kind {
            FieldKind::Text => Show::Text,
            FieldKind::Word(words) => Show::Word(words),
            FieldKind::Set => Show::Set,
            FieldKind::Time => Show::Time,
            FieldKind::Number => Show::Count,
            FieldKind::Bool => Show::Flag,
        };
        Column::new(field.name, show)
    }

    /// The column, shown only on request.
    pub(crate) fn hide(self) -> Self {
        Column { is_hidden: true, ..self }
    }

    /// The key of the field.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn heading(&self) -> String {
        match self.show {
            Show::Mark => String::new(),
            _ => self.name.to_uppercase().replace(['_', '.'], " "),
        }
    }

    fn value<'r>(&self, row: &'r Value) -> &'r Value {
        self.name.split('.').fold(row, |value, key| value.get(key).unwrap_or(&Value::Null))
    }

    /// The value as text for CSV and tables.
    fn plain(&self, row: &Value) -> String {
        joined(self.value(row), if self.show == Show::Words { " " } else { "," })
    }

    fn cell(&self, row: &Value, dates: Dates) -> Cell {
        let value = self.value(row);
        if value.is_null() {
            return Cell::text("");
        }
        match (self.show, value.as_u64()) {
            (Show::Count, Some(number)) => Cell::figure(format::grouped(number)),
            (Show::Count, None) => Cell::figure(sanitize::subject(&plain(value))),
            (Show::Name, _) => Cell::text(sanitize::subject(&plain(value))).styled(Style::Name),
            (Show::Id, _) => {
                let id: String = plain(value).chars().take(12).collect();
                Cell::text(sanitize::subject(&id)).styled(Style::Id)
            }
            (Show::Time, _) => match plain(value).parse::<Timestamp>() {
                Ok(time) => Cell::text(dates.show(time)),
                Err(_) => Cell::text(sanitize::subject(&plain(value))),
            },
            (Show::Flag, _) => {
                let word = if value.as_bool() == Some(true) { "yes" } else { "no" };
                Cell::text(word)
            }
            (Show::Mark, _) => Cell::text(if value.as_bool() == Some(true) { "*" } else { "" }),
            (Show::Text | Show::Set | Show::Word(_) | Show::Words, _) => {
                Cell::text(sanitize::subject(&self.plain(row)))
            }
        }
    }
}

/// Shows `rows` according to the options: filtered, sorted, cut, and in the requested format.
///
/// `empty` is printed if there are no rows ("no runs").
pub(crate) fn show<T: Serialize>(
    ui: &Ui,
    args: &ListArgs,
    columns: &[Column],
    rows: &[T],
    empty: &str,
) -> Result<()> {
    show_with_damaged(ui, args, columns, rows, &[], empty)
}

/// A record that cannot be read: its row has no other fields.
#[derive(Debug, Serialize)]
pub(crate) struct DamagedRow {
    pub(crate) name: String,
    pub(crate) project: String,
    /// The reason why the record cannot be read.
    pub(crate) error: String,
}

impl DamagedRow {
    /// The row of the record that `name` names.
    pub(crate) fn new(name: &RefName, error: &Error) -> Self {
        let project = name.project().to_string();
        let (name, project) = match name.kind() {
            RefKind::Project => (project.clone(), project),
            _ => (name.name().to_string(), project),
        };
        DamagedRow { name, project, error: error.message().to_owned() }
    }
}

/// Like [`show`]; the rows of damaged records come last, regardless of query and limit.
pub(crate) fn show_with_damaged<T: Serialize>(
    ui: &Ui,
    args: &ListArgs,
    columns: &[Column],
    rows: &[T],
    damaged: &[DamagedRow],
    empty: &str,
) -> Result<()> {
    let (mut rows, chosen) = args.arrange(columns, rows.iter().map(to_value))?;
    for row in damaged {
        rows.push(to_value(row)?);
    }
    if ui.looks().json {
        let rows = if args.columns.is_empty() { rows } else { pick(&rows, &chosen) };
        ui.raw(&json::pretty(&rows)?)
    } else if args.csv {
        ui.print(|page| print_csv(page, &chosen, &rows))
    } else if rows.is_empty() {
        ui.note(empty);
        Ok(())
    } else {
        ui.print(|page| print_table(page, &chosen, &rows))
    }
}

fn to_value<T: Serialize>(row: &T) -> Result<Value> {
    serde_json::to_value(row)
        .map_err(|error| Error::internal("cannot convert a row to JSON").with_source(error))
}

/// The number of extra rows that are held before the rows are cut.
const SPARE: usize = 1024;

impl ListArgs {
    /// Parses `--query` over `fields`.
    pub(crate) fn query(&self, fields: &[Field]) -> Result<Option<Query>> {
        Ok(self.query.as_ref().map(|query| Query::parse(query, fields)).transpose()?)
    }

    /// Parses `--sort` over `fields`.
    pub(crate) fn sort(&self, fields: &[Field]) -> Result<Option<Sort>> {
        self.sort.as_ref().map(|sort| Sort::parse(sort, fields)).transpose()
    }

    /// Returns the rows to show and the columns to show.
    fn arrange(
        &self,
        columns: &[Column],
        rows: impl IntoIterator<Item = Result<Value>>,
    ) -> Result<(Vec<Value>, Vec<Column>)> {
        let rows = self.filter_and_sort(columns, rows)?;
        let limit = self.limit.unwrap_or(usize::MAX);
        let rows = rows.into_iter().skip(self.offset).take(limit).collect();
        Ok((rows, self.choose(columns)?))
    }

    /// Returns the rows that match `--query`, sorted by `--sort`. With a limit, holds no more rows
    /// than necessary.
    fn filter_and_sort(
        &self,
        columns: &[Column],
        rows: impl IntoIterator<Item = Result<Value>>,
    ) -> Result<Vec<Value>> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field { name: column.name, kind: column.show.kind(), doc: "" })
            .collect();
        let (query, sort) = (self.query(&fields)?, self.sort(&fields)?);
        let wanted = self.limit.map(|limit| limit.saturating_add(self.offset));
        // The sort is stable: equal rows keep their order.
        let cut = |kept: &mut Vec<Value>| {
            if let Some(sort) = &sort {
                kept.sort_by(|a, b| {
                    sort.compare(&ListedRow { value: a, columns }, &ListedRow { value: b, columns })
                });
            }
            kept.truncate(wanted.unwrap_or(usize::MAX));
        };
        let full =
            wanted.map_or(usize::MAX, |wanted| wanted.saturating_mul(2).saturating_add(SPARE));
        let mut kept = Vec::new();
        for row in rows {
            let row = row?;
            let is_wanted = |query: &Query| query.matches(&ListedRow { value: &row, columns });
            if !query.as_ref().is_none_or(is_wanted) {
                continue;
            }
            kept.push(row);
            if kept.len() >= full {
                cut(&mut kept);
            }
        }
        cut(&mut kept);
        Ok(kept)
    }

    /// Returns the requested columns, otherwise all columns that are not hidden.
    fn choose(&self, columns: &[Column]) -> Result<Vec<Column>> {
        if self.columns.is_empty() {
            return Ok(columns.iter().filter(|column| !column.is_hidden).copied().collect());
        }
        self.columns.iter().map(|name| find(columns, name.trim())).collect()
    }
}

fn find(columns: &[Column], name: &str) -> Result<Column> {
    columns.iter().find(|column| column.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let hint = match suggest::closest(name, &names) {
            Some(near) => format!("did you mean '{near}'? The fields are {}", names.join(", ")),
            None => format!("the fields are {}", names.join(", ")),
        };
        Error::invalid(format!("there is no field '{}' in this list", name.escape_debug()))
            .with_hint(hint)
    })
}

/// A row for the query language.
struct ListedRow<'r> {
    value: &'r Value,
    columns: &'r [Column],
}

impl Fields for ListedRow<'_> {
    fn get(&self, field: &str) -> Option<query::Value<'_>> {
        let column = self.columns.iter().find(|column| column.name == field)?;
        let value = column.value(self.value);
        match column.show.kind() {
            FieldKind::Number => value.as_f64().map(query::Value::Number),
            FieldKind::Bool => value.as_bool().map(query::Value::Bool),
            FieldKind::Time => value.as_str()?.parse().ok().map(query::Value::Time),
            FieldKind::Set => {
                let texts = value.as_array()?.iter().map(|text| Cow::Owned(plain(text)));
                Some(query::Value::Set(texts.collect()))
            }
            FieldKind::Text | FieldKind::Word(_) if value.is_null() => None,
            FieldKind::Text | FieldKind::Word(_) => {
                Some(query::Value::Text(Cow::Owned(plain(value))))
            }
        }
    }
}

/// A value as text without quotes; list items are separated by commas.
fn plain(value: &Value) -> String {
    joined(value, ",")
}

/// A value as text without quotes; list items are separated by `between`.
fn joined(value: &Value, between: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(between),
        other => other.to_string(),
    }
}

/// The rows, reduced to the given fields.
fn pick(rows: &[Value], columns: &[Column]) -> Vec<Value> {
    let field = |column: &Column, row| (column.name.to_owned(), Column::value(column, row).clone());
    rows.iter()
        .map(|row| {
            let fields = columns.iter().map(|column| field(column, row));
            // Keep the error: a damaged record must not look empty.
            let error = row.get("error").map(|error| ("error".to_owned(), error.clone()));
            fields.chain(error).collect::<Map<_, _>>().into()
        })
        .collect()
}

fn print_csv(page: &mut Page<'_>, columns: &[Column], rows: &[Value]) -> Result<()> {
    page.raw(csv::line(columns.iter().map(|column| column.name)).as_bytes())?;
    for row in rows {
        let fields = columns.iter().map(|column| column.plain(row));
        page.raw(csv::line(fields).as_bytes())?;
    }
    Ok(())
}

/// Writes "damaged" into the first field after the name; the row of a damaged record has no other
/// fields.
fn mark_damaged(cells: &mut [Cell], columns: &[Column]) {
    let is_free = |column: &Column| !matches!(column.name, "name" | "project" | "current");
    if let Some(at) = columns.iter().position(is_free) {
        cells[at] = Cell::text("damaged").styled(Style::Error);
    }
}

fn print_table(page: &mut Page<'_>, columns: &[Column], rows: &[Value]) -> Result<()> {
    let headings: Vec<String> = columns.iter().map(Column::heading).collect();
    let dates = page.looks().dates;
    let mut table = Table::new(headings.iter().map(String::as_str));
    for row in rows {
        let mut cells: Vec<Cell> = columns.iter().map(|column| column.cell(row, dates)).collect();
        if row.get("error").is_some_and(Value::is_string) {
            mark_damaged(&mut cells, columns);
        }
        table.row(cells);
    }
    table.print(page)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Looks;
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("name", Show::Name),
        Column::new("size", Show::Count),
        Column::new("source.commit", Show::Id),
        Column::hidden("tags", Show::Set),
    ];

    fn rows() -> Vec<Value> {
        vec![
            json!({ "name": "b", "size": 2048, "source": { "commit": "0123456789abcdef" }, "tags": ["x", "y"] }),
            json!({ "name": "a", "size": 100_000, "tags": [] }),
            json!({ "name": "c\u{1b}[31m", "size": null, "other": 1 }),
        ]
    }

    fn names(args: &ListArgs) -> Vec<String> {
        let (rows, _) = args.arrange(COLUMNS, given()).unwrap();
        rows.iter().map(|row| plain(&row["name"])).collect()
    }

    fn given() -> Vec<Result<Value>> {
        rows().into_iter().map(Ok).collect()
    }

    fn printed(write: impl FnOnce(&mut Page<'_>) -> Result<()>) -> String {
        let mut bytes = Vec::new();
        let mut page = Page::new(Box::new(&mut bytes), Looks::default());
        write(&mut page).unwrap();
        page.flush().unwrap();
        drop(page);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rows_are_sorted_by_value_and_rows_without_a_value_come_last() {
        let sorted =
            |sort: &str| names(&ListArgs { sort: Some(sort.into()), ..Default::default() });
        assert_eq!(sorted("name"), ["a", "b", "c\u{1b}[31m"]);
        assert_eq!(sorted("-name"), ["c\u{1b}[31m", "b", "a"]);
        assert_eq!(sorted("size"), ["b", "a", "c\u{1b}[31m"]);
        assert_eq!(sorted("-size"), ["a", "b", "c\u{1b}[31m"]);
        assert_eq!(sorted("-source.commit")[0], "b");
    }

    #[test]
    fn a_query_uses_the_fields_of_the_list() {
        let found =
            |query: &str| names(&ListArgs { query: Some(query.into()), ..Default::default() });
        assert_eq!(found("size: >=2048, size: <50000"), ["b"]);
        assert_eq!(found("tags: y OR name: a"), ["b", "a"]);
        assert_eq!(found("source.commit: ~nil"), ["b"]);
        let args = ListArgs { query: Some("nmae: a".into()), ..Default::default() };
        let error = args.arrange(COLUMNS, given()).unwrap_err();
        assert!(error.hint().unwrap().starts_with("did you mean 'name'?"), "{error:?}");
    }

    #[test]
    fn the_window_is_cut_after_sorting() {
        let args =
            ListArgs { sort: Some("name".into()), offset: 1, limit: Some(1), ..Default::default() };
        assert_eq!(names(&args), ["b"]);
    }

    #[test]
    fn a_window_of_many_rows_equals_the_window_of_all_sorted_rows() {
        let many = |count: i64| {
            (0..count)
                .map(|at| Ok(json!({ "name": format!("{at:05}"), "size": (at * 7919) % 100 })))
        };
        for (sort, offset) in [("size", 0), ("-size", 3), ("size,-name", 40), ("name", 7)] {
            let all = ListArgs { sort: Some(sort.into()), ..Default::default() };
            let (all, _) = all.arrange(COLUMNS, many(9000)).unwrap();
            let part =
                ListArgs { sort: Some(sort.into()), offset, limit: Some(5), ..Default::default() };
            let (part, _) = part.arrange(COLUMNS, many(9000)).unwrap();
            assert_eq!(part, all[offset..offset + 5], "{sort}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_a_suggestion() {
        let args = ListArgs { columns: vec!["nmae".into()], ..Default::default() };
        let error = args.arrange(COLUMNS, given()).unwrap_err();
        assert!(error.hint().unwrap().starts_with("did you mean 'name'?"), "{error:?}");
    }

    #[test]
    fn the_table_is_for_people() {
        let (rows, columns) = ListArgs::default().arrange(COLUMNS, given()).unwrap();
        insta::assert_snapshot!(printed(|page| print_table(page, &columns, &rows)), @r"
        NAME            SIZE  SOURCE COMMIT
        b              2,048  0123456789ab
        a            100,000
        c\u{1b}[31m
        ");
    }

    #[test]
    fn csv_has_the_exact_values() {
        let args = ListArgs { columns: vec!["tags".into(), "size".into()], ..Default::default() };
        let (rows, columns) = args.arrange(COLUMNS, given()).unwrap();
        let csv = printed(|page| print_csv(page, &columns, &rows));
        assert_eq!(csv, "tags,size\n\"x,y\",2048\n,100000\n,\n");
    }

    #[test]
    fn json_with_columns_has_only_these_fields() {
        let args = ListArgs { columns: vec!["source.commit".into()], ..Default::default() };
        let (rows, columns) = args.arrange(COLUMNS, given()).unwrap();
        assert_eq!(pick(&rows, &columns)[0], json!({ "source.commit": "0123456789abcdef" }));
        assert_eq!(pick(&rows, &columns)[1], json!({ "source.commit": null }));
    }
}
