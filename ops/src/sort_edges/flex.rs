//! Sorting of edges on the CPU: a counting sort by several threads.
//!
//! Each thread counts the rows of its stretch of edges; sums over rows and threads give each thread
//! the places of its edges, which it then fills. The order is that of a serial counting sort.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::backend::Shape;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::rows::flex::{Id, checked, elements, tensor, with_id};

/// Edges below which one thread is faster.
const PARALLEL_EDGES: usize = 1 << 15;

/// See [`crate::GraphOps::sort_edges`].
pub(crate) fn sort_edges(
    row: &FlexTensor,
    col: &FlexTensor,
    size: usize,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (row, col) = (row.to_contiguous(), col.to_contiguous());
    with_id!(row, I => with_id!(col, J => {
        let (ptr, col, edge) = sort(elements!(row, I), elements!(col, J), size);
        let vector = |values: Vec<i32>| {
            let shape = Shape::new([values.len()]);
            tensor(values, shape)
        };
        (vector(ptr), vector(col), vector(edge))
    }))
}

fn sort<I: Id, J: Id>(row: &[I], col: &[J], rows: usize) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
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
    let stretch = edges.div_ceil(threads).max(1);
    let mut places: Vec<Vec<u32>> = row
        .par_chunks(stretch)
        .map(|row| {
            let mut counts = vec![0_u32; rows];
            for &row in row {
                counts[checked(row, rows, "sort_edges", "row")] += 1;
            }
            counts
        })
        .collect();

    let mut ptr = Vec::with_capacity(rows + 1);
    let mut before = 0_u32;
    for row in 0..rows {
        ptr.push(before.cast_signed());
        for places in &mut places {
            let count = places[row];
            places[row] = before;
            before += count;
        }
    }
    ptr.push(before.cast_signed());

    // One store an entry: the number of its edge above the node at its other end.
    let entries: Vec<AtomicU64> = (0..edges).map(|_| AtomicU64::new(0)).collect();
    row.par_chunks(stretch)
        .zip(col.par_chunks(stretch))
        .zip(&mut places)
        .enumerate()
        .for_each(|(part, ((row, col), places))| {
            for (offset, (&row, &col)) in row.iter().zip(col).enumerate() {
                let edge = part * stretch + offset;
                let place = &mut places[checked(row, rows, "sort_edges", "row")];
                let col = checked(col, usize::MAX, "sort_edges", "col");
                let entry = (edge as u64) << 32 | (col as u64 & u64::from(u32::MAX));
                entries[*place as usize].store(entry, Ordering::Relaxed);
                *place += 1;
            }
        });
    let (mut col, mut edge) = (Vec::new(), Vec::new());
    entries
        .into_par_iter()
        .map(|entry| {
            let entry = entry.into_inner();
            (low(entry), low(entry >> 32))
        })
        .unzip_into_vecs(&mut col, &mut edge);
    (ptr, col, edge)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half, which holds a number below 2^31"
)]
fn low(entry: u64) -> i32 {
    (entry as u32).cast_signed()
}
