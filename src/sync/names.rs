//! Resolves a typed word to one of the refs of a side.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::suggest;

/// Finds the ref that `word` names among `names`. The word is `[OWNER/PROJECT:]NAME` (a version,
/// otherwise a run, otherwise a tag), `version/NAME`, `run/NAME`, `tag/NAME` or a full name.
///
/// Fails with [`NotFound`](crate::ErrorKind::NotFound) and the nearest name as the hint. `place`
/// describes the side in the message: ` on 'origin'`.
pub(crate) fn find_name(
    word: &str,
    project: &ProjectName,
    names: &BTreeSet<RefName>,
    place: &str,
) -> Result<RefName> {
    if word.starts_with("refs/") {
        let name: RefName = word.parse()?;
        return if names.contains(&name) {
            Ok(name)
        } else {
            Err(unknown(word, project, names, place))
        };
    }
    let (project, rest) = match word.split_once(':') {
        Some((project, rest)) => (&project.parse::<ProjectName>()?, rest),
        None => (project, word),
    };
    let found = candidates(rest, project)?.into_iter().find(|name| names.contains(name));
    found.ok_or_else(|| unknown(rest, project, names, place))
}

/// The possible meanings of `word`, the likeliest first.
fn candidates(word: &str, project: &ProjectName) -> Result<Vec<RefName>> {
    let make = |kind: RefKind, name: Name| match kind {
        RefKind::Project => RefName::project_record(project.clone()),
        RefKind::Run => RefName::run(project.clone(), name),
        RefKind::Version => RefName::version(project.clone(), name),
        RefKind::Tag => RefName::tag(project.clone(), name),
    };
    let kinds = [RefKind::Version, RefKind::Run, RefKind::Tag];
    if let Some((kind, name)) = word.split_once('/') {
        let kind = kinds.into_iter().find(|known| known.as_str() == kind).ok_or_else(|| {
            Error::invalid(format!("'{}' is not the name of a ref", word.escape_debug()))
                .with_hint("use NAME, run/NAME, tag/NAME or OWNER/PROJECT:NAME")
        })?;
        return Ok(vec![make(kind, name.parse()?)]);
    }
    let name: Name = word.parse()?;
    Ok(kinds.into_iter().map(|kind| make(kind, name.clone())).collect())
}

fn unknown(word: &str, project: &ProjectName, names: &BTreeSet<RefName>, place: &str) -> Error {
    let error = Error::not_found(format!(
        "there is no version, run or tag '{}' in {project}{place}",
        word.escape_debug()
    ));
    let last = word.rsplit('/').next().unwrap_or(word);
    let near = names.iter().filter(|name| name.project() == project);
    match suggest::closest(last, near.map(|name| name.name().as_str())) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint("list the names: art versions, art runs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_name_means_a_version_before_a_run_or_a_tag() {
        let project: ProjectName = "o/p".parse().unwrap();
        let all = ["refs/runs/o/p/x", "refs/versions/o/p/x", "refs/tags/o/p/y", "refs/runs/o/q/z"];
        let names: BTreeSet<RefName> = all.iter().map(|name| name.parse().unwrap()).collect();
        let find = |word: &str| find_name(word, &project, &names, ", here");
        for (word, name) in [
            ("x", "refs/versions/o/p/x"),
            ("run/x", "refs/runs/o/p/x"),
            ("version/x", "refs/versions/o/p/x"),
            ("y", "refs/tags/o/p/y"),
            ("tag/y", "refs/tags/o/p/y"),
            ("o/q:z", "refs/runs/o/q/z"),
            ("refs/runs/o/q/z", "refs/runs/o/q/z"),
        ] {
            assert_eq!(find(word).unwrap().to_string(), name, "{word}");
        }
        for (word, kind) in [
            ("z", ErrorKind::NotFound),
            ("run/y", ErrorKind::NotFound),
            ("refs/runs/o/p/zz", ErrorKind::NotFound),
            ("a/b", ErrorKind::Invalid),
            ("", ErrorKind::Invalid),
            ("o:z", ErrorKind::Invalid),
        ] {
            assert_eq!(find(word).unwrap_err().kind(), kind, "{word}");
        }
    }
}
