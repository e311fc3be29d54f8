//! Walks along sorted edges on the CPU.
//!
//! A row's features are reduced in tiles that fit the vector registers: the sums of up to 128
//! features stay in registers while the row's entries pass. Tiles have lengths known to the
//! compiler, which makes vector code of them for the instruction set that the machine has
//! (`pulp` picks it when the program runs).
//!
//! Rows are cut in ranges of about equal numbers of rows and entries together (merge path), one
//! task each. One task reduces a row, in entry order, so results do not depend on the number of
//! threads.
//!
//! # Long rows
//! Numbers that are added one after the other lose more the more there are. So a row's entries are
//! added up in pieces of [`HUB`], and then the pieces: see [`in_pieces`] and [`sum`].

use core::{
    mem::MaybeUninit,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use burn::backend::Flex;
use burn_flex::FlexTensor;
use kiln_core::HUB;
use pulp::Arch;
use rayon::prelude::*;

use super::stored::{Real, Stored};
use crate::CsrTensors;

/// Work (entries times features, and rows times features) below which one thread is faster.
const PARALLEL_WORK: usize = 1 << 16;
/// Entries between those of a row and those behind it that are fetched.
const AHEAD: usize = 32;
/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Most lines of a row that are fetched.
const LINES: usize = 16;

/// Ranges a thread gets on average: more than one, because estimates of work are rough.
const RANGES_PER_THREAD: usize = 32;

/// Compressed rows as slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    ptr: &'a [i32],
    col: &'a [i32],
    edge: &'a [i32],
}

/// Compressed rows whose tensors are contiguous.
pub(crate) struct Contiguous([FlexTensor; 3]);

impl Contiguous {
    pub(crate) fn new(csr: &CsrTensors<Flex>) -> Self {
        Self([&csr.ptr, &csr.col, &csr.edge].map(FlexTensor::to_contiguous))
    }

    /// The rows as slices.
    ///
    /// # Panics
    /// If the tensors are not those that sorting made.
    pub(crate) fn walk(&self) -> Walk<'_> {
        let [ptr, col, edge] = self.0.each_ref().map(|tensor| {
            let ids: Option<&[i32]> = tensor.as_slice();
            ids.expect("compressed rows of i32")
        });
        Walk { ptr, col, edge }
    }
}

impl<'a> Walk<'a> {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.ptr.len() - 1
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> usize {
        self.col.len()
    }

    /// The nodes at the other end of a row's entries, and the numbers of their edges.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> (&'a [i32], &'a [i32]) {
        let range = position(self.ptr[row])..position(self.ptr[row + 1]);
        (&self.col[range.clone()], &self.edge[range])
    }

    /// The nodes and edges of as many entries as `row` has, some way behind it: what a walk that
    /// reads or writes by them does well to [`fetch`].
    #[inline(always)]
    pub(crate) fn ahead(&self, row: usize) -> (&'a [i32], &'a [i32]) {
        let place = |row: usize| (position(self.ptr[row]) + AHEAD).min(self.edge.len());
        let range = place(row)..place(row + 1);
        (&self.col[range.clone()], &self.edge[range])
    }

    /// The rows with more than [`HUB`] entries, each a range of one row.
    pub(crate) fn hubs(&self) -> Vec<Range<usize>> {
        let is_hub = |&row: &usize| self.row(row).0.len() > HUB;
        (0..self.rows())
            .filter(is_hub)
            .map(|row| row..row + 1)
            .collect()
    }

    /// Ranges of rows with about equal work; one range if there is little, at `width` features.
    pub(crate) fn ranges(&self, width: usize) -> Vec<Range<usize>> {
        let (rows, steps) = (self.rows(), self.rows() + self.entries());
        if steps * width < PARALLEL_WORK {
            return core::iter::once(0..rows).collect();
        }
        let count = rayon::current_num_threads() * RANGES_PER_THREAD;
        let bound = |range: usize| {
            let target = steps * range / count;
            // The number of rows that end before step `target`, where a row and an entry are a
            // step.
            let (mut low, mut high) = (0, rows);
            while low < high {
                let middle = usize::midpoint(low, high);
                if position(self.ptr[middle + 1]) + middle < target {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        let mut ranges = Vec::with_capacity(count);
        let mut start = 0;
        for range in 1..=count {
            let end = if range == count { rows } else { bound(range) };
            if end > start {
                ranges.push(start..end);
                start = end;
            }
        }
        ranges
    }
}

/// A node or edge number as a position. Negative ones do not occur, and would be out of range.
#[inline]
pub(crate) fn position(id: i32) -> usize {
    usize::try_from(id.cast_unsigned()).unwrap_or(usize::MAX)
}

/// Prefetches `length` values, or the first of them if there are many: rows whose addresses the
/// processor cannot predict.
#[inline(always)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a fetch reads nothing that a program sees")
)]
pub(crate) fn fetch<S>(values: &[S], start: usize, length: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first: *const i8 = values.as_ptr().wrapping_add(start).cast();
        // Rows begin anywhere in a line: what the last line holds is easily forgotten, and as far
        // away.
        let into = first.addr() % LINE;
        let bytes = (into + length * size_of::<S>()).min(LINES * LINE);
        for line in (0..bytes).step_by(LINE) {
            // SAFETY: a prefetch changes nothing that a program sees, and faults at no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_sub(into).wrapping_add(line)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, start, length);
}

/// Cuts `values`, `width` of which belong to each row, where `ranges` cut the rows.
pub(crate) fn cut<'a, T>(
    mut values: &'a mut [T],
    width: usize,
    ranges: &[Range<usize>],
) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (part, rest) = values.split_at_mut(range.len() * width);
        parts.push(part);
        values = rest;
    }
    parts
}

/// A vector that several threads fill, each its part from start to end: what has no zeros to begin
/// with is written once.
pub(crate) struct Unfilled<T> {
    values: Vec<T>,
    length: usize,
    filled: AtomicUsize,
}

/// The part of one thread.
pub(crate) struct Part<'a, T> {
    places: &'a mut [MaybeUninit<T>],
    filled: usize,
    all: &'a AtomicUsize,
}

impl<T: Copy> Unfilled<T> {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            values: Vec::with_capacity(length),
            length,
            filled: AtomicUsize::new(0),
        }
    }

    /// As [`cut`]. What was filled before is forgotten.
    pub(crate) fn cut(&mut self, width: usize, ranges: &[Range<usize>]) -> Vec<Part<'_, T>> {
        *self.filled.get_mut() = 0;
        let places = &mut self.values.spare_capacity_mut()[..self.length];
        let part = |places| Part {
            places,
            filled: 0,
            all: &self.filled,
        };
        cut(places, width, ranges).into_iter().map(part).collect()
    }

    /// The vector, all of which has been filled since it was cut.
    ///
    /// # Panics
    /// If something has not.
    #[expect(unsafe_code, reason = "the compiler does not count")]
    pub(crate) fn into_vec(mut self) -> Vec<T> {
        let filled = *self.filled.get_mut();
        assert!(
            filled == self.length,
            "filled {filled} of {} elements",
            self.length
        );
        // SAFETY: the parts of one cut do not overlap, and count each of their elements once, when
        // it is filled; so all elements are.
        unsafe { self.values.set_len(self.length) };
        self.values
    }
}

impl<T: Copy> Part<'_, T> {
    /// Fills the next places.
    #[inline(always)]
    pub(crate) fn extend<const LENGTH: usize>(&mut self, values: [T; LENGTH]) {
        let places = &mut self.places[self.filled..][..LENGTH];
        for (place, value) in places.iter_mut().zip(values) {
            place.write(value);
        }
        self.filled += LENGTH;
    }

    /// Fills the next places.
    #[inline(always)]
    pub(crate) fn copy(&mut self, values: &[T]) {
        let places = &mut self.places[self.filled..][..values.len()];
        for (place, &value) in places.iter_mut().zip(values) {
            place.write(value);
        }
        self.filled += values.len();
    }

    /// Fills the next places with as many copies of a value.
    #[inline(always)]
    pub(crate) fn repeat(&mut self, value: T, count: usize) {
        for place in &mut self.places[self.filled..][..count] {
            place.write(value);
        }
        self.filled += count;
    }
}

impl<'a, T: Copy> Part<'a, T> {
    /// All places, to be written in any order; those that are left are filled with copies of a
    /// value.
    #[expect(unsafe_code, reason = "the compiler does not see that all is written")]
    pub(crate) fn fill_rest(mut self, value: T) -> &'a mut [T] {
        let left = self.places.len() - self.filled;
        self.repeat(value, left);
        let places = core::mem::take(&mut self.places);
        // SAFETY: all places have been written, the last of them just now.
        unsafe { places.assume_init_mut() }
    }
}

impl<T> Drop for Part<'_, T> {
    fn drop(&mut self) {
        self.all.fetch_add(self.filled, Ordering::Relaxed);
    }
}

/// Takes out of `values`, `width` of which belong to each row, those of some rows.
pub(crate) fn pick<'a, T>(
    mut values: &'a mut [T],
    width: usize,
    rows: &[Range<usize>],
) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(rows.len());
    let mut start = 0;
    for range in rows {
        let (_, rest) = values.split_at_mut((range.start - start) * width);
        let (part, rest) = rest.split_at_mut(range.len() * width);
        parts.push(part);
        (values, start) = (rest, range.end);
    }
    parts
}

/// Runs `f` for each range with its part of the output, on several threads if there are several
/// ranges, in code for the machine's vector instructions.
pub(crate) fn for_ranges<P: Send>(
    ranges: Vec<Range<usize>>,
    parts: Vec<P>,
    f: impl Fn(Range<usize>, P) + Sync,
) {
    let arch = Arch::new();
    if ranges.len() < 2 {
        for (range, part) in ranges.into_iter().zip(parts) {
            arch.dispatch(
                #[inline(always)]
                || f(range, part),
            );
        }
        return;
    }
    ranges.into_par_iter().zip(parts).for_each(|(range, part)| {
        arch.dispatch(
            #[inline(always)]
            || f(range, part),
        );
    });
}

/// Something done to a stretch of features of one row, whose length the compiler knows.
pub(crate) trait Tile {
    /// Handles the features `at .. at + LENGTH`.
    fn tile<const LENGTH: usize>(&mut self, at: usize);
}

/// Cuts the features `start .. end` in tiles, wide ones first.
#[inline(always)]
pub(crate) fn tiles(start: usize, end: usize, tile: &mut impl Tile) {
    let mut at = start;
    while end - at >= 128 {
        tile.tile::<128>(at);
        at += 128;
    }
    if end - at >= 64 {
        tile.tile::<64>(at);
        at += 64;
    }
    if end - at >= 32 {
        tile.tile::<32>(at);
        at += 32;
    }
    if end - at >= 16 {
        tile.tile::<16>(at);
        at += 16;
    }
    if end - at >= 8 {
        tile.tile::<8>(at);
        at += 8;
    }
    if end - at >= 4 {
        tile.tile::<4>(at);
        at += 4;
    }
    if end - at >= 2 {
        tile.tile::<2>(at);
        at += 2;
    }
    if end - at >= 1 {
        tile.tile::<1>(at);
    }
}

/// The sums of `width` features of a long row's entries: `f` makes those of a piece. As many pieces
/// again are added up before the sums of others are.
#[inline(always)]
pub(crate) fn in_pieces<T: Real>(
    entries: usize,
    width: usize,
    mut f: impl FnMut(Range<usize>, &mut [T]),
) -> Vec<T> {
    let zeros = || vec![T::ZERO; width];
    let (mut sums, mut parts, mut part) = (zeros(), zeros(), zeros());
    for start in (0..entries).step_by(HUB) {
        f(start..entries.min(start + HUB), &mut part);
        for (sum, &part) in parts.iter_mut().zip(&part) {
            *sum = *sum + part;
        }
        let end = start + HUB;
        if end >= entries || end.is_multiple_of(HUB * HUB) {
            for (sum, part) in sums.iter_mut().zip(&mut parts) {
                *sum = *sum + *part;
                *part = T::ZERO;
            }
        }
    }
    sums
}

/// The sum of a number for each of a row's entries, which are `each` values in `entries`.
#[inline(always)]
pub(crate) fn sum<E, T: Real>(entries: &[E], each: usize, mut number: impl FnMut(&[E]) -> T) -> T {
    let (first, others) = entries.split_at(entries.len().min(HUB * each));
    let mut sum = T::ZERO;
    for entry in first.chunks_exact(each) {
        sum = sum + number(entry);
    }
    for piece in others.chunks(HUB * each) {
        let mut part = T::ZERO;
        for entry in piece.chunks_exact(each) {
            part = part + number(entry);
        }
        sum = sum + part;
    }
    sum
}

/// The features `at .. at + LENGTH` of a row of `width`.
#[inline(always)]
pub(crate) fn stretch<T, const LENGTH: usize>(
    values: &[T],
    row: i32,
    width: usize,
    at: usize,
) -> &[T; LENGTH] {
    let start = position(row).wrapping_mul(width).wrapping_add(at);
    values[start..][..LENGTH]
        .first_chunk()
        .expect("a slice of that length")
}

/// The sum of products of two stretches.
#[inline(always)]
pub(crate) fn dot<S: Stored, const LENGTH: usize>(a: &[S; LENGTH], b: &[S; LENGTH]) -> S::Sum {
    const LANES: usize = 16;
    let zero = S::Sum::ZERO;
    if LENGTH < LANES {
        let products = a.iter().zip(b).map(|(a, b)| a.widen() * b.widen());
        return products.fold(zero, |sum, product| sum + product);
    }
    let mut sums = [zero; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] = sums[lane] + a[lane].widen() * b[lane].widen();
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] = sums[lane] + sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

/// A vector that several threads fill, each position by one of them.
///
/// Positions are the numbers of edges, which the sorted rows hold in another order; that no number
/// occurs twice is known to the sort, not to the compiler, so elements are atomic. On the usual
/// processors a relaxed store is an ordinary one.
pub(crate) struct Scattered<S: Stored>(Vec<S::Cell>);

impl<S: Stored> Scattered<S> {
    /// Zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        Self((0..length).map(|_| S::Cell::default()).collect())
    }

    #[inline(always)]
    pub(crate) fn set(&self, at: usize, value: S) {
        S::store(&self.0[at], value);
    }

    /// [Prefetches](fetch) some of them.
    #[inline(always)]
    pub(crate) fn fetch(&self, at: usize, length: usize) {
        fetch(&self.0, at, length);
    }

    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> S {
        S::load(&self.0[at])
    }

    pub(crate) fn into_vec(self) -> Vec<S> {
        self.0.into_iter().map(|cell| S::load(&cell)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Unfilled;

    #[test]
    fn parts_fill_a_vector() {
        let mut vector = Unfilled::new(7);
        let [mut first, second]: [_; 2] = vector.cut(1, &[0..4, 4..7]).try_into().ok().unwrap();
        first.extend([1, 2]);
        first.repeat(3, 2);
        second.fill_rest(0)[1] = 4;
        drop(first);
        assert_eq!(vector.into_vec(), [1, 2, 3, 3, 0, 4, 0]);
    }

    #[test]
    #[should_panic(expected = "filled 2 of 4 elements")]
    fn all_of_it() {
        let mut vector = Unfilled::new(4);
        // Those of an earlier cut do not count.
        vector.cut(1, &[0..2, 2..4]).remove(0).extend([1, 2]);
        vector.cut(1, &[0..2, 2..4]).remove(0).extend([1, 2]);
        vector.into_vec();
    }
}
