//! Draws history beside its log, one column per line of commits, like `git log --graph`.

use std::collections::HashSet;

use artifacts::Id;

/// Draws commits in log order.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The next commit of each column.
    columns: Vec<Id>,
    /// The commits already drawn; no line leads back up to them.
    drawn: HashSet<Id>,
}

/// The prefixes of the lines of one commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// The line with the commit.
    pub(crate) commit: String,
    /// The line below it.
    pub(crate) second: String,
    /// Every further line.
    pub(crate) rest: String,
    /// Extra lines before the next commit.
    pub(crate) joins: Vec<String>,
}

impl Graph {
    /// Draws the next commit.
    pub(crate) fn add(&mut self, commit: &Id, parents: &[Id]) -> Rows {
        self.drawn.insert(*commit);
        let at = self.columns.iter().position(|id| id == commit).unwrap_or_else(|| {
            self.columns.push(*commit);
            self.columns.len() - 1
        });
        let first = row((0..self.columns.len()).map(|n| (2 * n, if n == at { '*' } else { '|' })));
        let mut below: Vec<Option<Id>> = self.columns.iter().copied().map(Some).collect();
        let mut seen = HashSet::new();
        let mut parents = parents.to_vec();
        parents.retain(|id| !self.drawn.contains(id) && seen.insert(*id));
        below[at] = parents.first().copied();
        let mut rows = Vec::new();
        for (n, parent) in parents.iter().enumerate().skip(1) {
            let new = at + n;
            let straight = (0..new).map(|n| (2 * n, '|'));
            rows.push(row(straight.chain((new - 1..below.len()).map(|n| (2 * n + 1, '\\')))));
            below.insert(new, Some(*parent));
        }
        let open = (0..below.len()).filter(|n| below[*n].is_some());
        let rest = row(open.map(|n| (2 * n, '|')));
        rows.extend(self.join(&below));
        let has_branch = parents.len() > 1;
        let second = if has_branch { rows.remove(0) } else { rest.clone() };
        Rows { commit: first, second, rest, joins: rows }
    }

    /// Merges columns that lead to the same commit, and closes gaps. Returns the required lines.
    fn join(&mut self, below: &[Option<Id>]) -> Vec<String> {
        self.columns.clear();
        let mut lines: Vec<(usize, usize)> = Vec::new();
        for (place, id) in below.iter().enumerate() {
            let Some(id) = id else { continue };
            let target = self.columns.iter().position(|known| known == id).unwrap_or_else(|| {
                self.columns.push(*id);
                self.columns.len() - 1
            });
            lines.push((place, target));
        }
        let mut rows = Vec::new();
        while lines.iter().any(|(place, target)| place != target) {
            let sign = |(place, target): &(usize, usize)| {
                if place == target { (2 * place, '|') } else { (2 * place - 1, '/') }
            };
            rows.push(row(lines.iter().map(sign)));
            for (place, target) in &mut lines {
                *place -= usize::from(place != target);
            }
        }
        rows
    }
}

/// A line with signs at the given positions.
fn row(signs: impl Iterator<Item = (usize, char)>) -> String {
    let mut line: Vec<char> = Vec::new();
    for (place, sign) in signs {
        if line.len() <= place {
            line.resize(place + 1, ' ');
        }
        line[place] = sign;
    }
    line.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws commits named by letters: `("c", "ba")` is `c` with the parents `b` and `a`.
    fn draw(commits: &[(&str, &str)]) -> String {
        let id = |name: &str| Id::of_blob(name.as_bytes());
        let mut graph = Graph::default();
        let mut text = String::new();
        for (name, parents) in commits {
            let parents: Vec<Id> = parents.chars().map(|c| id(&c.to_string())).collect();
            let rows = graph.add(&id(name), &parents);
            let lines = [format!("{} {name}", rows.commit), rows.second].into_iter();
            for line in lines.chain(rows.joins) {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }

    #[test]
    fn a_line_of_commits_is_one_column_that_ends() {
        assert_eq!(draw(&[("b", "a"), ("a", "")]), "* b\n|\n* a\n\n");
    }

    #[test]
    fn a_second_parent_opens_a_column_and_a_common_ancestor_closes_it() {
        insta::assert_snapshot!(draw(&[("d", "bc"), ("c", "a"), ("b", "a"), ("a", "")]), @r"
        * d
        |\
        | * c
        | |
        * | b
        | |
        |/
        * a
        ");
    }

    #[test]
    fn columns_move_left_when_a_column_ends() {
        insta::assert_snapshot!(
            draw(&[("c", "b"), ("z", "y"), ("n", "m"), ("b", ""), ("y", ""), ("m", "")]),
            @"
        * c
        |
        | * z
        | |
        | | * n
        | | |
        * | | b
          | |
         / /
        * | y
          |
         /
        * m
        ");
    }

    #[test]
    fn a_line_crosses_a_line_to_another_commit() {
        insta::assert_snapshot!(
            draw(&[("c", "a"), ("z", "y"), ("d", "a"), ("a", ""), ("y", "")]),
            @"
        * c
        |
        | * z
        | |
        | | * d
        | | |
        | |/
        |/|
        * | a
          |
         /
        * y
        ");
    }

    #[test]
    fn a_merge_moves_the_columns_beside_it() {
        insta::assert_snapshot!(
            draw(&[("d", "b"), ("z", "y"), ("b", "ac"), ("c", ""), ("y", ""), ("a", "")]),
            @r"
        * d
        |
        | * z
        | |
        * | b
        |\ \
        | * | c
        |   |
        |  /
        | * y
        |
        * a
        ");
    }

    #[test]
    fn a_parent_that_was_already_drawn_gets_no_line() {
        assert_eq!(draw(&[("a", ""), ("b", "a")]), "* a\n\n* b\n\n");
    }
}
