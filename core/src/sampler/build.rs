//! Sorting edges by target, in parallel and stably.
//!
//! ```text
//! 1. each thread puts its piece of the edges into buckets of neighbouring targets
//! 2. each bucket is sorted by target, by counting, and written to its place in the result
//! ```
//!
//! A bucket is small enough for a processor's own cache, so the scattered writes of the second step
//! stay there. Pieces follow each other in the order of the edges and buckets read them in that
//! order, so edges of one target keep theirs, whatever the number of threads.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked that nodes and edges fit 32 bits"
)]

use rayon::prelude::*;

/// Integers that node numbers come in.
pub trait NodeIndex: Copy + Send + Sync + Into<i64> {}

impl NodeIndex for u32 {}
impl NodeIndex for i32 {}
impl NodeIndex for i64 {}

/// Buckets are no more than this, so that writing to all of them in turn stays in the cache.
const MOST_BUCKETS: usize = 1024;

/// Fewer edges than this are sorted by one thread.
const SMALL: usize = 1 << 16;

/// An edge on its way: target, source and number.
#[derive(Clone, Copy, Default)]
struct Entry {
    dst: u32,
    src: u32,
    id: u32,
}

/// Edges of one piece, by bucket: bucket `b` has `entries[start[b]..start[b + 1]]`.
struct Piece {
    entries: Vec<Entry>,
    start: Vec<usize>,
}

fn narrow<I: NodeIndex>(node: I) -> u32 {
    let node: i64 = node.into();
    node as u32
}

/// Edges in compressed form, sorted by target.
pub(super) struct Sorted {
    /// Row pointers, `[num_dst + 1]`.
    pub(super) rowptr: Vec<u32>,
    /// Sources, `[E]`.
    pub(super) col: Vec<u32>,
    /// Numbers of the edges; `None` if they were sorted before.
    pub(super) edge_ids: Option<Vec<u32>>,
}

/// Sorts edges that are in range.
pub(super) fn sort_by_target<I: NodeIndex>(src: &[I], dst: &[I], num_dst: usize) -> Sorted {
    if dst
        .par_windows(2)
        .all(|pair| narrow(pair[0]) <= narrow(pair[1]))
    {
        return already_sorted(src, dst, num_dst);
    }
    let edges = dst.len();
    let threads = if edges < SMALL {
        1
    } else {
        rayon::current_num_threads()
    };
    let buckets = num_dst.clamp(1, MOST_BUCKETS);
    let width = num_dst.div_ceil(buckets).next_power_of_two();
    let shift = width.trailing_zeros();
    let buckets = num_dst.div_ceil(width).max(1);

    let size = edges.div_ceil(threads).max(1);
    let pieces: Vec<Piece> = (0..edges.div_ceil(size))
        .into_par_iter()
        .map(|number| {
            let from = number * size;
            let to = edges.min(from + size);
            cut(&src[from..to], &dst[from..to], from, buckets, shift)
        })
        .collect();

    let mut rowptr = vec![0_u32; num_dst + 1];
    let mut col = vec![0_u32; edges];
    let mut ids = vec![0_u32; edges];
    let mut jobs = Vec::with_capacity(buckets);
    let (mut rows_left, mut col_left, mut ids_left) =
        (&mut rowptr[1..], col.as_mut_slice(), ids.as_mut_slice());
    let mut first_edge = 0_usize;
    for bucket in 0..buckets {
        let count = pieces
            .iter()
            .map(|piece| piece.start[bucket + 1] - piece.start[bucket])
            .sum();
        let (rows, col, ids);
        (rows, rows_left) = rows_left.split_at_mut(width.min(num_dst - bucket * width));
        (col, col_left) = col_left.split_at_mut(count);
        (ids, ids_left) = ids_left.split_at_mut(count);
        jobs.push((bucket, first_edge, rows, col, ids));
        first_edge += count;
    }
    jobs.into_par_iter()
        .for_each(|(bucket, first_edge, rows, col, ids)| {
            let first_row = (bucket * width) as u32;
            let segments = || {
                pieces
                    .iter()
                    .flat_map(|piece| &piece.entries[piece.start[bucket]..piece.start[bucket + 1]])
            };
            // `rows[r]` counts row `r`, then is where its next edge goes, and in the end where it
            // ends.
            for entry in segments() {
                rows[(entry.dst - first_row) as usize] += 1;
            }
            let mut at = 0;
            for row in rows.iter_mut() {
                at += std::mem::replace(row, at);
            }
            for entry in segments() {
                let next = &mut rows[(entry.dst - first_row) as usize];
                col[*next as usize] = entry.src;
                ids[*next as usize] = entry.id;
                *next += 1;
            }
            for row in rows.iter_mut() {
                *row += first_edge as u32;
            }
        });
    Sorted {
        rowptr,
        col,
        edge_ids: Some(ids),
    }
}

/// Puts a piece of the edges into buckets; its first edge has the number `first`.
fn cut<I: NodeIndex>(src: &[I], dst: &[I], first: usize, buckets: usize, shift: u32) -> Piece {
    let bucket = |dst: u32| (dst >> shift) as usize;
    let mut start = vec![0; buckets + 1];
    for &dst in dst {
        start[bucket(narrow(dst)) + 1] += 1;
    }
    for bucket in 0..buckets {
        start[bucket + 1] += start[bucket];
    }
    let mut next = start.clone();
    let mut entries = vec![Entry::default(); dst.len()];
    for (offset, (&src, &dst)) in src.iter().zip(dst).enumerate() {
        let (src, dst) = (narrow(src), narrow(dst));
        let at = &mut next[bucket(dst)];
        entries[*at] = Entry {
            dst,
            src,
            id: (first + offset) as u32,
        };
        *at += 1;
    }
    Piece { entries, start }
}

/// Nothing to move: positions are numbers.
fn already_sorted<I: NodeIndex>(src: &[I], dst: &[I], num_dst: usize) -> Sorted {
    let rowptr = (0..=num_dst)
        .into_par_iter()
        .map(|node| dst.partition_point(|&dst| (narrow(dst) as usize) < node) as u32)
        .collect();
    let col = src.par_iter().map(|&src| narrow(src)).collect();
    Sorted {
        rowptr,
        col,
        edge_ids: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Stream;
    use super::*;

    /// The same by a stable sort.
    fn expected(src: &[u32], dst: &[u32], num_dst: usize) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let mut order: Vec<u32> = (0..dst.len() as u32).collect();
        order.sort_by_key(|&edge| dst[edge as usize]);
        let end = |node: usize| dst.iter().filter(|&&dst| (dst as usize) < node).count() as u32;
        let col = order.iter().map(|&edge| src[edge as usize]).collect();
        ((0..=num_dst).map(end).collect(), col, order)
    }

    #[test]
    fn sorting_is_stable_for_any_number_of_threads() {
        let mut stream = Stream::new(1);
        for (nodes, edges) in [
            (1, 5),
            (3, 0),
            (7, 40),
            (2000, 300),
            (5000, 3000),
            (90, 100_000),
        ] {
            let mut draw = || (0..edges).map(|_| stream.below(nodes)).collect::<Vec<_>>();
            let (src, dst) = (draw(), draw());
            let (rowptr, col, order) = expected(&src, &dst, nodes as usize);
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let build = || sort_by_target(&src, &dst, nodes as usize);
                let sorted = pool.build().unwrap().install(build);
                assert_eq!(sorted.rowptr, rowptr);
                assert_eq!(sorted.col, col);
                let ids = sorted.edge_ids.unwrap_or_else(|| (0..edges).collect());
                assert_eq!(ids, order);
            }
        }
    }

    #[test]
    fn sorted_edges_need_no_numbers() {
        let sorted = sort_by_target(&[4_i64, 2, 0], &[1, 1, 3], 5);
        assert_eq!(sorted.rowptr, [0, 0, 2, 2, 3, 3]);
        assert_eq!(sorted.col, [4, 2, 0]);
        assert!(sorted.edge_ids.is_none());
    }
}
