//! Draws lineage as a tree of lines.

use artifacts::ops::lineage::{Consumer, InputNode, Lineage, OutputNode, Producer};
use artifacts::record::LineageEntry;
use artifacts::{Name, ProjectName, Result};

use crate::ui::{Page, Style, sanitize};

/// A line and the branches below it.
struct Branch {
    line: String,
    below: Vec<Branch>,
}

/// Draws the inputs of a run, then its outputs.
pub(super) fn draw(page: &mut Page<'_>, lineage: &Lineage) -> Result<()> {
    let home = &lineage.project;
    let name = page.paint(&lineage.run, Style::Name);
    writeln!(page, "run {name} of {home} at {}", lineage.commit.short())?;
    let used: Vec<Branch> =
        lineage.inputs.iter().map(|input| input_branch(page, home, input)).collect();
    let mut made: Vec<Branch> =
        lineage.outputs.iter().map(|output| output_branch(page, home, output)).collect();
    made.extend(consumers(page, home, &lineage.used_by));
    if used.is_empty() && made.is_empty() {
        writeln!(
            page,
            "no named artifacts; name one: art lineage add NAME --path PATH --kind KIND"
        )?;
    }
    for (title, branches) in [("used", used), ("made", made)] {
        if !branches.is_empty() {
            writeln!(page, "{title}")?;
            draw_below(page, &branches, "")?;
        }
    }
    Ok(())
}

/// One entry: its name, kind, path, id, origin and summary.
pub(super) fn entry(page: &Page<'_>, entry: &LineageEntry) -> String {
    let mut line = format!("{}  {}", page.paint(&entry.name, Style::Name), entry.kind);
    let path = if entry.path.is_empty() { "/".to_owned() } else { sanitize::name(&entry.path) };
    line.push_str(&format!("  {path}"));
    if let Some(id) = &entry.id {
        line.push_str(&format!("  {}", page.paint(id.short(), Style::Id)));
    }
    for (key, value) in &entry.summary {
        let value = match value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        line.push_str(&format!("  {}", sanitize::subject(&format!("{key}={value}"))));
    }
    if let Some(origin) = &entry.origin {
        line.push_str(&format!("  from {}", sanitize::subject(&origin.to_string())));
    }
    line
}

/// A run; with its project, if it is not `home`.
fn run(page: &Page<'_>, home: &ProjectName, project: &ProjectName, name: &Name) -> String {
    let name = page.paint(name, Style::Name);
    if project == home { format!("run {name}") } else { format!("run {name} of {project}") }
}

fn input_branch(page: &Page<'_>, home: &ProjectName, input: &InputNode) -> Branch {
    let producer = |made_by: &Producer| {
        let mut line = run(page, home, &made_by.project, &made_by.run);
        if let Some(artifact) = &made_by.artifact {
            line.push_str(&format!(", its {artifact}"));
        }
        line.push_str(if made_by.cut { " …" } else { "" });
        let below = made_by.inputs.iter().map(|input| input_branch(page, home, input)).collect();
        Branch { line, below }
    };
    Branch { line: entry(page, &input.entry), below: input.made_by.iter().map(producer).collect() }
}

fn output_branch(page: &Page<'_>, home: &ProjectName, output: &OutputNode) -> Branch {
    Branch {
        line: entry(page, &output.entry),
        below: consumers(page, home, &output.used_by).collect(),
    }
}

fn consumers<'p>(
    page: &'p Page<'_>,
    home: &'p ProjectName,
    used_by: &'p [Consumer],
) -> impl Iterator<Item = Branch> + 'p {
    used_by.iter().map(move |user| {
        let cut = if user.cut { " …" } else { "" };
        let line = format!("{}, as {}{cut}", run(page, home, &user.project, &user.run), user.input);
        let outputs = user.outputs.iter().map(|output| output_branch(page, home, output));
        let below = outputs.chain(consumers(page, home, &user.used_by).collect::<Vec<_>>());
        Branch { line, below: below.collect() }
    })
}

fn draw_below(page: &mut Page<'_>, branches: &[Branch], margin: &str) -> Result<()> {
    for (at, branch) in branches.iter().enumerate() {
        let is_last = at + 1 == branches.len();
        let (corner, gap) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        writeln!(page, "{margin}{corner}{}", branch.line)?;
        draw_below(page, &branch.below, &format!("{margin}{gap}"))?;
    }
    Ok(())
}
