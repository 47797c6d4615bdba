//! Plans the requests to read many ranges of one object.

use std::ops::Range;

use bytes::Bytes;

/// The maximum size of a request that merges ranges, in bytes.
const LARGEST: u64 = 16 << 20;

/// The requests, and the request of each range.
pub(super) struct RangePlan {
    /// The ranges to request, sorted by start.
    pub(super) requests: Vec<Range<u64>>,
    /// For each range, the index of the request that contains it.
    request_of: Vec<usize>,
}

/// Merges ranges with at most `gap` bytes between them, up to a maximum size.
pub(super) fn merge(ranges: &[Range<u64>], gap: u64) -> RangePlan {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|index| (ranges[*index].start, ranges[*index].end));
    let mut requests: Vec<Range<u64>> = Vec::new();
    let mut request_of = vec![0; ranges.len()];
    for index in order {
        let range = &ranges[index];
        match requests.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(gap)
                    && (range.end <= last.end || range.end - last.start <= LARGEST) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => requests.push(range.clone()),
        }
        request_of[index] = requests.len() - 1;
    }
    RangePlan { requests, request_of }
}

impl RangePlan {
    /// Extracts the bytes of each range from the answers, without copying.
    pub(super) fn pieces(&self, ranges: &[Range<u64>], bodies: &[Bytes]) -> Vec<Bytes> {
        let pieces = ranges.iter().zip(&self.request_of).map(|(range, request)| {
            let start = self.requests[*request].start;
            let (from, to) = ((range.start - start) as usize, (range.end - start) as usize);
            bodies[*request].slice(from..to)
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn adjacent_ranges_become_one_request() {
        let plan = merge(&[100..110, 0..10, 15..20, 5..8], 5);
        assert_eq!(plan.requests, [0..20, 100..110]);
        assert_eq!(plan.request_of, [1, 0, 0, 0]);
        assert_eq!(merge(&[0..LARGEST, LARGEST..LARGEST + 1], 5).requests.len(), 2);
    }

    proptest! {
        #[test]
        fn every_range_gets_its_own_bytes(
            ranges in prop::collection::vec((0u64..200, 0u64..50), 0..20),
            gap in 0u64..40,
        ) {
            let ranges: Vec<_> = ranges.into_iter().map(|(at, len)| at..at + len).collect();
            let object: Vec<u8> = (0..=255).collect();
            let plan = merge(&ranges, gap);
            prop_assert!(plan.requests.windows(2).all(|pair| pair[0].end + gap < pair[1].start));
            let cut = |range: &Range<u64>| {
                Bytes::copy_from_slice(&object[range.start as usize..range.end as usize])
            };
            let bodies: Vec<Bytes> = plan.requests.iter().map(cut).collect();
            let pieces = plan.pieces(&ranges, &bodies);
            prop_assert!(pieces.iter().eq(ranges.iter().map(cut).collect::<Vec<_>>().iter()));
        }
    }
}
