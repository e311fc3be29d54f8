//! Sorting of edges on the CPU: a counting sort in two steps that stay in the cache.
//!
//! Each thread first sorts its stretch of edges roughly, by groups of rows. Then each group, whose
//! rows and entries lie together, is sorted by row; groups are independent, and their results are
//! neighbouring parts of the output. The order is that of a serial counting sort.

use burn::backend::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::rows::flex::{Id, checked, elements, tensor, with_id};

/// Edges below which one thread is faster.
const PARALLEL_EDGES: usize = 1 << 15;
/// Rows of a group, as a power of two: their counts fit the fastest cache.
const GROUP_BITS: u32 = 12;

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: &FlexTensor,
    col: &FlexTensor,
    size: usize,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (row, col) = (row.to_contiguous(), col.to_contiguous());
    with_id!(row, I => with_id!(col, J => {
        let (row, col) = (elements!(row, I), elements!(col, J));
        let (ptr, col, edge) = sort(row, col, size, ["sort_edges", "row"]);
        let vector = |values: Vec<i32>| {
            let shape = Shape::new([values.len()]);
            tensor(values, shape)
        };
        (vector(ptr), vector(col), vector(edge))
    }))
}

/// An edge on its way.
#[derive(Clone, Copy, Default)]
struct Entry {
    row: u32,
    col: u32,
    edge: u32,
}

/// A stretch of the edges, by groups of rows.
struct Stretch {
    /// Where each group starts, and the end of the last.
    starts: Vec<usize>,
    entries: Vec<Entry>,
}

impl Stretch {
    /// The edges of `row` and `col`, the first of which has number `first`.
    fn new<I: Id, J: Id>(
        (row, col): (&[I], &[J]),
        first: usize,
        rows: usize,
        [op, name]: [&str; 2],
    ) -> Self {
        let groups = (rows >> GROUP_BITS) + 1;
        let mut starts = vec![0; groups + 1];
        for &row in row {
            let row = checked(row, rows, op, name);
            starts[(row >> GROUP_BITS) + 1] += 1;
        }
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut places = starts.clone();
        let mut entries = vec![Entry::default(); row.len()];
        for (edge, (&row, &col)) in row.iter().zip(col).enumerate() {
            let row = checked(row, rows, op, name);
            let col = checked(col, usize::MAX, op, "col");
            let place = &mut places[row >> GROUP_BITS];
            entries[*place] = Entry {
                row: narrow(row),
                col: narrow(col),
                edge: narrow(first + edge),
            };
            *place += 1;
        }
        Self { starts, entries }
    }

    fn group(&self, group: usize) -> &[Entry] {
        &self.entries[self.starts[group]..self.starts[group + 1]]
    }
}

/// The part of the output that belongs to a group of rows.
struct Part<'a> {
    ptr: &'a mut [i32],
    col: &'a mut [i32],
    edge: &'a mut [i32],
    /// Entries before it.
    first: usize,
}

impl Part<'_> {
    fn fill(self, group: usize, stretches: &[Stretch]) {
        let start = group << GROUP_BITS;
        let local = |entry: &Entry| entry.row as usize - start;
        let mut places = vec![0_usize; self.ptr.len()];
        for entry in stretches.iter().flat_map(|stretch| stretch.group(group)) {
            places[local(entry)] += 1;
        }
        let mut before = 0;
        for (ptr, place) in self.ptr.iter_mut().zip(&mut places) {
            let count = *place;
            *ptr = narrow(self.first + before).cast_signed();
            *place = before;
            before += count;
        }
        for entry in stretches.iter().flat_map(|stretch| stretch.group(group)) {
            let place = &mut places[local(entry)];
            self.col[*place] = entry.col.cast_signed();
            self.edge[*place] = entry.edge.cast_signed();
            *place += 1;
        }
    }
}

/// `ptr`, `col` and `edge` of edges sorted by row; `names` are the operation's and the rows', for messages.
pub(crate) fn sort<I: Id, J: Id>(
    row: &[I],
    col: &[J],
    rows: usize,
    names: [&str; 2],
) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let edges = row.len();
    assert!(
        i32::try_from(edges.max(rows)).is_ok(),
        "expected at most 2^31 - 1 edges and nodes, got {edges} and {rows}"
    );
    let threads = if edges < PARALLEL_EDGES {
        1
    } else {
        rayon::current_num_threads()
    };
    let length = edges.div_ceil(threads).max(1);
    let stretches: Vec<Stretch> = row
        .par_chunks(length)
        .zip(col.par_chunks(length))
        .enumerate()
        .map(|(at, ends)| Stretch::new(ends, at * length, rows, names))
        .collect();

    let mut ptr = vec![0_i32; rows + 1];
    let (mut col, mut edge) = (vec![0_i32; edges], vec![0_i32; edges]);
    let mut parts = Vec::new();
    let (mut cols, mut numbers, mut first) = (col.as_mut_slice(), edge.as_mut_slice(), 0);
    let (last, ptrs) = ptr.split_last_mut().expect("one more than rows");
    *last = narrow(edges).cast_signed();
    for (group, ptr) in ptrs.chunks_mut(1 << GROUP_BITS).enumerate() {
        let count = stretches
            .iter()
            .map(|stretch| stretch.group(group).len())
            .sum();
        let (col, edge);
        (col, cols) = cols.split_at_mut(count);
        (edge, numbers) = numbers.split_at_mut(count);
        parts.push(Part {
            ptr,
            col,
            edge,
            first,
        });
        first += count;
    }
    let fill = |(group, part): (usize, Part<'_>)| part.fill(group, &stretches);
    if threads == 1 {
        parts.into_iter().enumerate().for_each(fill);
    } else {
        parts.into_par_iter().enumerate().for_each(fill);
    }
    (ptr, col, edge)
}

/// A number that is known to be below 2^32.
#[expect(
    clippy::cast_possible_truncation,
    reason = "edges and rows are counted first; a column beyond is out of range in any case"
)]
fn narrow(number: usize) -> u32 {
    number as u32
}
