//! Sorting of edges on the CPU: a counting sort in two steps that stay in the cache.
//!
//! Each thread first sorts its stretch of edges roughly, by groups of rows. Then each group, whose
//! rows and entries lie together, is sorted by row; groups are independent, and their results are
//! neighbouring parts of the output. The order is that of a serial counting sort.

use burn::backend::{DType, Flex};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{
    CsrTensors,
    rows::{
        flex::{Id, checked, checked_ptr, elements, vector, with_id},
        walk::{Part, Unfilled},
    },
};

/// Edges below which one thread is faster, in one step.
const PARALLEL_EDGES: usize = 1 << 15;
/// Rows of a group, as a power of two: their counts fit the fastest cache.
const GROUP_BITS: u32 = 12;
/// Edges of a stretch, at most, as a power of two: with a row of a group they make a number of 32
/// bits.
const STRETCH_BITS: u32 = u32::BITS - GROUP_BITS;
/// Stretches a thread gets, at least: several, since another program may hold a thread up.
const STRETCHES_PER_THREAD: usize = 4;

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: &FlexTensor,
    col: &FlexTensor,
    [rows, cols]: [usize; 2],
    [op, row_name, col_name]: [&str; 3],
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (row, col) = (row.to_contiguous(), col.to_contiguous());
    with_id!(row, I => with_id!(col, J => {
        let (row, col) = (elements!(row, I), elements!(col, J));
        let other = |edge: usize| i32::from_position(checked(col[edge], cols, op, col_name));
        let Sorted { ptr, perm, carried } = sort(row, other, rows, [op, row_name]);
        (vector::<i32>(ptr), vector(carried), vector(perm))
    }))
}

/// The edges of a list sorted by `row`.
pub(crate) fn of_list(
    row: &FlexTensor,
    col: &FlexTensor,
    sizes: [usize; 2],
    names: [&str; 3],
) -> CsrTensors<Flex> {
    let (ptr, col, edge) = sort_edges(row, col, sizes, names);
    csr(ptr, col, edge)
}

/// Entries sorted by `index`, each its own column.
pub(crate) fn of_entries(index: &FlexTensor, size: usize, names: [&str; 2]) -> CsrTensors<Flex> {
    let index = index.to_contiguous();
    with_id!(index, I => {
        let Sorted { ptr, perm, .. } = sort(elements!(index, I), |_| (), size, names);
        let entry = vector::<i32>(perm);
        csr(vector::<i32>(ptr), entry.clone(), entry)
    })
}

/// Entries that are sorted, whose rows `ptr` bounds; `col` has their columns, or is `None` where
/// each entry is its own.
pub(crate) fn of_rows(
    ptr: &FlexTensor,
    col: Option<(&FlexTensor, usize, &str)>,
    entries: usize,
    [op, name]: [&str; 2],
) -> CsrTensors<Flex> {
    let ptr = ptr.to_contiguous();
    let ptr = with_id!(ptr, I => checked_ptr(elements!(ptr, I), entries, op, name));
    let ptr = vector(ptr.into_iter().map(i32::from_position).collect());
    let last = i32::from_position(entries).cast_unsigned();
    let entry = vector((0..last).map(u32::cast_signed).collect());
    let col = col.map(|(col, cols, name)| positions_below(col, cols, [op, name]));
    csr(ptr, col.unwrap_or_else(|| entry.clone()), entry)
}

/// Positions as `i32`, which are below a number.
fn positions_below(ids: &FlexTensor, count: usize, [op, name]: [&str; 2]) -> FlexTensor {
    let ids = ids.to_contiguous();
    with_id!(ids, I => {
        let values = elements!(ids, I);
        // Without branches first, so that the compiler makes vector code of it.
        let is_below = |id: I| id.to_usize().is_some_and(|id| id < count);
        let all = values.iter().fold(true, |all, &id| all & is_below(id));
        if all && ids.dtype() == DType::I32 {
            return ids;
        }
        let position = |&id: &I| i32::from_position(checked(id, count, op, name));
        vector(values.iter().map(position).collect())
    })
}

/// Compressed rows, which the CPU cuts in pieces where it walks them.
fn csr(ptr: FlexTensor, col: FlexTensor, edge: FlexTensor) -> CsrTensors<Flex> {
    let none = || vector::<i32>(Vec::new());
    CsrTensors {
        ptr,
        col,
        edge,
        chunk: none(),
        hub: none(),
    }
}

/// Edges sorted by row.
pub(crate) struct Sorted<I, C> {
    /// Where each row starts, and the end of the last.
    pub(crate) ptr: Vec<I>,
    /// The edges' numbers.
    pub(crate) perm: Vec<I>,
    /// What was carried along with them.
    pub(crate) carried: Vec<C>,
}

/// A stretch of the edges, by groups of rows.
struct Stretch<C> {
    /// Where each group starts, and the end of the last.
    starts: Vec<usize>,
    keys: Vec<Key>,
    carried: Vec<C>,
}

/// An edge of a stretch: its row's place in the group, and its own place in the stretch.
#[derive(Clone, Copy, Default)]
struct Key(u32);

impl Key {
    fn new(row: usize, edge: usize) -> Self {
        Self(narrow(row % (1 << GROUP_BITS)) << STRETCH_BITS | narrow(edge))
    }

    fn row(self) -> usize {
        (self.0 >> STRETCH_BITS) as usize
    }

    fn edge(self) -> usize {
        (self.0 % (1 << STRETCH_BITS)) as usize
    }
}

impl<C: Copy + Default> Stretch<C> {
    /// The edges whose rows are `row`, the first of which has number `first`.
    fn new<I: Id>(
        row: &[I],
        carry: impl Fn(usize) -> C,
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
        // Zeros bring to the cache what is then written in no order.
        let mut keys = vec![Key::default(); row.len()];
        let mut carried = vec![C::default(); row.len()];
        for (edge, &row) in row.iter().enumerate() {
            let row = checked(row, rows, op, name);
            let place = &mut places[row >> GROUP_BITS];
            keys[*place] = Key::new(row, edge);
            carried[*place] = carry(first + edge);
            *place += 1;
        }
        Self {
            starts,
            keys,
            carried,
        }
    }

    fn group(&self, group: usize) -> (&[Key], &[C]) {
        let range = self.starts[group]..self.starts[group + 1];
        (&self.keys[range.clone()], &self.carried[range])
    }
}

/// The part of the output that belongs to a group of rows.
struct Group<'a, I, C> {
    ptr: &'a mut [I],
    perm: Part<'a, I>,
    carried: Part<'a, C>,
    /// Entries before it.
    first: usize,
}

impl<I: Id + Default, C: Copy + Default> Group<'_, I, C> {
    /// `length` is the number of edges of each stretch but the last.
    fn fill(self, group: usize, stretches: &[Stretch<C>], length: usize) {
        let mut places = vec![0_u32; self.ptr.len()];
        for stretch in stretches {
            for key in stretch.group(group).0 {
                places[key.row()] += 1;
            }
        }
        let mut before = 0;
        for (ptr, place) in self.ptr.iter_mut().zip(&mut places) {
            let count = *place;
            *ptr = I::from_position(self.first + before as usize);
            *place = before;
            before += count;
        }
        let perm = self.perm.fill_rest(I::default());
        let carried = self.carried.fill_rest(C::default());
        for (at, stretch) in stretches.iter().enumerate() {
            let first = at * length;
            let (keys, others) = stretch.group(group);
            for (key, &carry) in keys.iter().zip(others) {
                let place = &mut places[key.row()];
                perm[*place as usize] = I::from_position(first + key.edge());
                carried[*place as usize] = carry;
                *place += 1;
            }
        }
    }
}

/// Sorts edges, whose rows are `row`, by row; `carry` gives what is carried along with an edge.
/// `names` are the operation's and the rows', for messages.
pub(crate) fn sort<I: Id, O: Id + Default, C: Copy + Default + Send + Sync>(
    row: &[I],
    carry: impl Fn(usize) -> C + Sync,
    rows: usize,
    names: [&str; 2],
) -> Sorted<O, C> {
    let edges = row.len();
    assert!(
        u32::try_from(edges).is_ok(),
        "expected fewer than 2^32 edges, got {edges}"
    );
    if edges < PARALLEL_EDGES {
        return sort_at_once(row, carry, rows, names);
    }
    let threads = rayon::current_num_threads();
    let length = edges.div_ceil(threads * STRETCHES_PER_THREAD);
    let length = length.clamp(1, 1 << STRETCH_BITS);
    let stretches: Vec<Stretch<C>> = row
        .par_chunks(length)
        .enumerate()
        .map(|(at, row)| Stretch::new(row, &carry, at * length, rows, names))
        .collect();

    let mut ptr = vec![O::default(); rows + 1];
    let (last, ptrs) = ptr.split_last_mut().expect("one more than rows");
    *last = O::from_position(edges);
    let mut ranges = Vec::new();
    let mut first = 0;
    for group in 0..rows.div_ceil(1 << GROUP_BITS) {
        let lengths = stretches.iter().map(|stretch| stretch.group(group).0.len());
        let count: usize = lengths.sum();
        ranges.push(first..first + count);
        first += count;
    }
    let (mut perm, mut carried) = (Unfilled::new(edges), Unfilled::new(edges));
    let groups: Vec<Group<'_, O, C>> = ptrs
        .chunks_mut(1 << GROUP_BITS)
        .zip(
            perm.cut(1, &ranges)
                .into_iter()
                .zip(carried.cut(1, &ranges)),
        )
        .zip(&ranges)
        .map(|((ptr, (perm, carried)), range)| Group {
            ptr,
            perm,
            carried,
            first: range.start,
        })
        .collect();
    let fill = |(group, part): (usize, Group<'_, O, C>)| part.fill(group, &stretches, length);
    groups.into_par_iter().enumerate().for_each(fill);
    Sorted {
        ptr,
        perm: perm.into_vec(),
        carried: carried.into_vec(),
    }
}

/// The same for few edges, in one step.
fn sort_at_once<I: Id, O: Id + Default, C: Copy + Default>(
    row: &[I],
    carry: impl Fn(usize) -> C,
    rows: usize,
    [op, name]: [&str; 2],
) -> Sorted<O, C> {
    // Where the next edge of each row goes; that of a row is counted one place behind it first.
    let mut places = vec![0_usize; rows + 1];
    for &row in row {
        places[checked(row, rows, op, name) + 1] += 1;
    }
    let mut before = 0;
    for place in &mut places {
        before += *place;
        *place = before;
    }
    let ptr = places
        .iter()
        .map(|&place| O::from_position(place))
        .collect();
    let mut perm = vec![O::default(); row.len()];
    let mut carried = vec![C::default(); row.len()];
    for (edge, &row) in row.iter().enumerate() {
        let place = &mut places[checked(row, rows, op, name)];
        perm[*place] = O::from_position(edge);
        carried[*place] = carry(edge);
        *place += 1;
    }
    Sorted { ptr, perm, carried }
}

/// A number that is known to be below 2^32.
#[expect(
    clippy::cast_possible_truncation,
    reason = "edges of a stretch and rows of a group are few"
)]
fn narrow(number: usize) -> u32 {
    number as u32
}
