//! Two lists that only grow, in one.

use std::collections::{HashMap, VecDeque};

/// One place in a list.
#[derive(Debug, Clone)]
pub(super) struct Row<T> {
    /// What is the same in both lists is the same row.
    pub(super) identity: String,
    /// Of two rows that neither list puts in order, the lower one comes first.
    pub(super) rank: i64,
    pub(super) value: T,
}

/// All rows of both lists: each list in its order, what both have once. Whose list is which means
/// nothing.
pub(super) fn union<T>(ours: Vec<Row<T>>, theirs: Vec<Row<T>>) -> Vec<T> {
    let (mut a, mut b) = (Waiting::new(ours), Waiting::new(theirs));
    let mut merged = Vec::new();
    loop {
        let is_a = match (a.head(), b.head()) {
            (None, None) => return merged,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(first), Some(second)) => {
                // A row that the other list has further down waits until that is where it stands.
                let waits = (b.has(&first.identity), a.has(&second.identity));
                let order = |row: &Row<T>| (row.rank, row.identity.clone());
                match waits {
                    (true, false) => false,
                    (false, true) => true,
                    _ => order(first) <= order(second),
                }
            }
        };
        let (from, other) = if is_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
        if let Some(row) = from.take() {
            other.drop_twin(&row.identity);
            merged.push(row.value);
        }
    }
}

/// The rows of one list that are not in the result yet.
struct Waiting<T> {
    rows: VecDeque<Row<T>>,
    /// How many there are of each.
    counts: HashMap<String, usize>,
    /// How many of each are in the result already, from the other list.
    dropped: HashMap<String, usize>,
}

impl<T> Waiting<T> {
    fn new(rows: Vec<Row<T>>) -> Self {
        let mut counts = HashMap::new();
        for row in &rows {
            *counts.entry(row.identity.clone()).or_insert(0) += 1;
        }
        Waiting { rows: rows.into(), counts, dropped: HashMap::new() }
    }

    fn head(&self) -> Option<&Row<T>> {
        self.rows.front()
    }

    fn has(&self, identity: &str) -> bool {
        self.counts.get(identity).is_some_and(|count| *count > 0)
    }

    fn take(&mut self) -> Option<Row<T>> {
        let row = self.rows.pop_front()?;
        self.count_down(&row.identity);
        self.skip_dropped();
        Some(row)
    }

    /// The row is in the result by the other list.
    fn drop_twin(&mut self, identity: &str) {
        if self.has(identity) {
            self.count_down(identity);
            *self.dropped.entry(identity.to_owned()).or_insert(0) += 1;
            self.skip_dropped();
        }
    }

    fn count_down(&mut self, identity: &str) {
        if let Some(count) = self.counts.get_mut(identity) {
            *count -= 1;
        }
    }

    fn skip_dropped(&mut self) {
        while let Some(row) = self.rows.front() {
            match self.dropped.get_mut(&row.identity) {
                Some(count) if *count > 0 => *count -= 1,
                _ => return,
            }
            self.rows.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(list: &[u8]) -> Vec<Row<u8>> {
        let row = |value: &u8| Row { identity: value.to_string(), rank: 0, value: *value };
        list.iter().map(row).collect()
    }

    fn united(ours: &[u8], theirs: &[u8]) -> Vec<u8> {
        union(rows(ours), rows(theirs))
    }

    #[test]
    fn each_list_keeps_its_order_and_nothing_is_there_twice() {
        assert_eq!(united(&[1, 2, 5], &[1, 2, 3]), [1, 2, 3, 5]);
        assert_eq!(united(&[9, 1, 7], &[8, 1, 2]), [8, 9, 1, 2, 7]);
        assert_eq!(united(&[], &[4]), [4]);
        assert_eq!(united(&[1, 2], &[2, 1]), [1, 2], "two orders that exclude each other");
        assert_eq!(united(&[1, 1, 2], &[1, 3]), [1, 1, 2, 3], "twice in one list is twice");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_sides_mean_nothing(
            ours in prop::collection::vec(0u8..12, 0..12),
            theirs in prop::collection::vec(0u8..12, 0..12),
        ) {
            let merged = united(&ours, &theirs);
            prop_assert_eq!(&merged, &united(&theirs, &ours));
            let count = |list: &[u8], value: u8| {
                list.iter().map(|it| usize::from(*it == value)).sum::<usize>()
            };
            for value in 0..12 {
                let most = count(&ours, value).max(count(&theirs, value));
                prop_assert_eq!(count(&merged, value), most);
            }
            prop_assert_eq!(united(&ours, &ours), ours);
        }
    }
}
