//! Which files to merge into one, so that few files remain and little is rewritten.

/// The policy of one kind of merge.
#[derive(Debug, Clone, Copy)]
pub struct MergePolicy {
    /// Files of at most this size are merged regardless of the sizes of the other files.
    pub tiny: u64,
    /// A larger file is included if its size is at most this multiple of the total of all smaller
    /// files. So the sizes of the remaining files grow by this factor, and data is rewritten only
    /// when its file grows by a constant fraction.
    pub times: u64,
    /// The largest total size of one merge.
    pub most: u64,
    /// The most files that one merge reads.
    pub most_files: usize,
    /// If more files than this would remain, further files are included.
    pub remaining: usize,
}

impl MergePolicy {
    /// Returns how many of the smallest files to merge. `sizes` are sorted, smallest first.
    pub fn count(&self, sizes: &[u64]) -> usize {
        let (mut sum, mut worth) = (0u64, 0);
        for (number, size) in sizes.iter().take(self.most_files).enumerate() {
            if sum.saturating_add(*size) > self.most {
                break;
            }
            if *size <= self.tiny || *size <= self.times.saturating_mul(sum) {
                worth = number + 1;
            }
            sum += size;
        }
        let is_over = sizes.len() > self.remaining;
        if is_over { worth.max(sizes.len() + 1 - self.remaining) } else { worth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_files_are_merged_and_others_only_if_too_many_would_remain() {
        let policy =
            MergePolicy { tiny: 0, times: 2, most: u64::MAX, most_files: usize::MAX, remaining: 4 };
        assert_eq!(policy.count(&[5, 5, 7, 100]), 3);
        assert_eq!(policy.count(&[1, 10, 100, 1000]), 0);
        assert_eq!(policy.count(&[1, 10, 100, 1000, 10_000]), 2);
        let bounded = MergePolicy { most: 12, tiny: 1, remaining: usize::MAX, ..policy };
        assert_eq!(bounded.count(&[5, 5, 7, 100]), 2);
        assert_eq!(bounded.count(&[1, 10, 100]), 1);
        assert_eq!(MergePolicy { most_files: 2, ..bounded }.count(&[1, 1, 1, 1]), 2);
    }
}
