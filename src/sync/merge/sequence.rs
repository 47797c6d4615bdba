//! Merges two lists that only grow.

use std::collections::{HashMap, VecDeque};

/// One element of a list.
#[derive(Debug, Clone)]
pub(super) struct ListItem<T> {
    /// Rows with equal identity are the same row.
    pub(super) identity: String,
    /// The order of two rows that neither list orders: the lower rank comes first.
    pub(super) rank: i64,
    pub(super) value: T,
}

/// Returns the rows of both lists, each list in its order and common rows once. The result does not
/// depend on the order of the arguments.
pub(super) fn union<T>(ours: Vec<ListItem<T>>, theirs: Vec<ListItem<T>>) -> Vec<T> {
    let (mut a, mut b) = (Waiting::new(ours), Waiting::new(theirs));
    let mut merged = Vec::new();
    loop {
        let is_a = match (a.head(), b.head()) {
            (None, None) => return merged,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(first), Some(second)) => {
                // A row that comes later in the other list waits until its position there.
                let waits = (b.has(&first.identity), a.has(&second.identity));
                let order = |row: &ListItem<T>| (row.rank, row.identity.clone());
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
    rows: VecDeque<ListItem<T>>,
    /// The count of each row.
    counts: HashMap<String, usize>,
    /// The count of each row that the result already has from the other list.
    dropped: HashMap<String, usize>,
}

impl<T> Waiting<T> {
    fn new(rows: Vec<ListItem<T>>) -> Self {
        let mut counts = HashMap::new();
        for row in &rows {
            *counts.entry(row.identity.clone()).or_insert(0) += 1;
        }
        Waiting { rows: rows.into(), counts, dropped: HashMap::new() }
    }

    fn head(&self) -> Option<&ListItem<T>> {
        self.rows.front()
    }

    fn has(&self, identity: &str) -> bool {
        self.counts.get(identity).is_some_and(|count| *count > 0)
    }

    fn take(&mut self) -> Option<ListItem<T>> {
        let row = self.rows.pop_front()?;
        self.count_down(&row.identity);
        self.skip_dropped();
        Some(row)
    }

    /// Records that the result has the row from the other list.
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

    fn rows(list: &[u8]) -> Vec<ListItem<u8>> {
        let row = |value: &u8| ListItem { identity: value.to_string(), rank: 0, value: *value };
        list.iter().map(row).collect()
    }

    fn united(ours: &[u8], theirs: &[u8]) -> Vec<u8> {
        union(rows(ours), rows(theirs))
    }

    #[test]
    fn each_list_keeps_its_order_and_common_rows_occur_once() {
        assert_eq!(united(&[1, 2, 5], &[1, 2, 3]), [1, 2, 3, 5]);
        assert_eq!(united(&[9, 1, 7], &[8, 1, 2]), [8, 9, 1, 2, 7]);
        assert_eq!(united(&[], &[4]), [4]);
        assert_eq!(united(&[1, 2], &[2, 1]), [1, 2], "two orders that exclude each other");
        assert_eq!(united(&[1, 1, 2], &[1, 3]), [1, 1, 2, 3], "twice in one list is twice");
    }

    proptest! {
        #[test]
        fn no_row_is_lost_and_swapped_sides_give_the_same_result(
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
