//! Lists of runs, versions, tags and projects, including those that cannot be read.

use artifacts::error::{Error, Result};
use artifacts::name::{RefKind, RefName};
use serde::Serialize;

use crate::context::Context;
use crate::report::{self, Exit};
use crate::ui::list::{self, Column, DamagedRow, ListArgs};

/// Shows the rows of readable records, then a row for each damaged one, regardless of query and
/// limit. Reports each damaged record. `empty` is printed if there are no rows.
pub(crate) fn show<T: Serialize>(
    context: &Context<'_>,
    args: &ListArgs,
    columns: &[Column],
    rows: &[T],
    damaged: impl IntoIterator<Item = (RefName, Error)>,
    empty: &str,
) -> Result<Exit> {
    let damaged: Vec<_> = damaged.into_iter().collect();
    let last: Vec<_> = damaged.iter().map(|(name, error)| DamagedRow::new(name, error)).collect();
    list::show_with_damaged(&context.ui, args, columns, rows, &last, empty)?;
    let mut exit = Exit::Ok;
    for (name, error) in damaged {
        exit = report_unreadable(context, &name, error);
    }
    Ok(exit)
}

/// Warns of a record that cannot be read.
pub(crate) fn report_unreadable(context: &Context<'_>, name: &RefName, error: Error) -> Exit {
    let record = match name.kind() {
        RefKind::Project => format!("the record of {}", name.project()),
        kind => format!("the {} '{}'", kind.as_str(), name.name()),
    };
    report::damaged(&error.context(format!("{record} can't be read")), &context.ui)
}
