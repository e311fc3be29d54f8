//! Sparse products on the CPU: row reduction that reads features through the edges' sources.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;
use kiln_core::HUB;

use crate::{
    Reduce,
    match_sum::flex::matched,
    rows::{
        flex::{
            checked, checked_ptr, elements, for_each_row, reduce_rows, row_width, sort_by_row,
            tensor, with_id, with_real, with_rows,
        },
        stored::{Stored, widened},
    },
};

/// See [`crate::spmm`].
pub(crate) fn spmm(
    x: &FlexTensor,
    src: &FlexTensor,
    dst: &FlexTensor,
    weight: Option<FlexTensor>,
    size: usize,
    reduce: Reduce,
) -> FlexTensor {
    let (src, dst) = (src.to_contiguous(), dst.to_contiguous());
    let shape = x.shape();
    let sorted = with_id!(dst, I => sort_by_row(elements!(dst, I), size, "spmm", "dst"));
    weighted(x, weight, |x, weight| {
        with_real!(x, T => with_id!(src, I => {
            let ids = elements!(src, I);
            let source = |k: usize| checked(ids[sorted.perm[k]], shape[0], "spmm", "src");
            let weight = weight.as_ref().map(|weight| elements!(weight, T));
            let weight = weight.map(|weight| |k: usize| weight[sorted.perm[k]]);
            let weight = weight.as_ref().map(|weight| weight as &(dyn Fn(usize) -> T + Sync));
            let out =
                reduce_rows(elements!(x, T), row_width(&shape), &sorted.ptr, reduce, source, weight);
            tensor(out, with_rows(&shape, size))
        }))
    })
}

/// Runs `f` on contiguous features and weights of a type the kernels know.
fn weighted(
    x: &FlexTensor,
    weight: Option<FlexTensor>,
    f: impl FnOnce(&FlexTensor, Option<&FlexTensor>) -> FlexTensor,
) -> FlexTensor {
    match weight {
        Some(weight) => widened([x, &weight], |[x, weight]| f(x, Some(weight))),
        None => widened([x], |[x]| f(x, None)),
    }
}

/// See [`crate::spmm_csr`].
pub(crate) fn spmm_csr(
    x: &FlexTensor,
    rowptr: &FlexTensor,
    col: &FlexTensor,
    value: Option<FlexTensor>,
    reduce: Reduce,
) -> FlexTensor {
    let (rowptr, col) = (rowptr.to_contiguous(), col.to_contiguous());
    let shape = x.shape();
    let ptr = with_id!(rowptr, I => {
        checked_ptr(elements!(rowptr, I), col.shape()[0], "spmm_csr", "rowptr")
    });
    weighted(x, value, |x, value| {
        with_real!(x, T => with_id!(col, I => {
            let ids = elements!(col, I);
            let source = |k: usize| checked(ids[k], shape[0], "spmm_csr", "col");
            let value = value.as_ref().map(|value| elements!(value, T));
            let value = value.map(|value| |k: usize| value[k]);
            let value = value.as_ref().map(|value| value as &(dyn Fn(usize) -> T + Sync));
            let out = reduce_rows(elements!(x, T), row_width(&shape), &ptr, reduce, source, value);
            tensor(out, with_rows(&shape, ptr.len() - 1))
        }))
    })
}

/// See [`crate::GraphOps::edge_dot`].
pub(crate) fn edge_dot(
    a: &FlexTensor,
    b: &FlexTensor,
    row: &FlexTensor,
    col: &FlexTensor,
) -> FlexTensor {
    let (row, col) = (row.to_contiguous(), col.to_contiguous());
    let (width, edges) = (row_width(&a.shape()), row.shape()[0]);
    widened([a, b], |[a, b]| {
        with_real!(a, T => with_id!(row, I => with_id!(col, J => {
            let (a_values, b_values) = (elements!(a, T), elements!(b, T));
            let (row, col) = (elements!(row, I), elements!(col, J));
            let mut out: Vec<T> = vec![0.0; edges];
            for_each_row(&mut out, 1, edges * width, |edge, out| {
                let i = checked(row[edge], a.shape()[0], "edge_dot", "row");
                let j = checked(col[edge], b.shape()[0], "edge_dot", "col");
                let (a, b) = (&a_values[i * width..][..width], &b_values[j * width..][..width]);
                out[0] = a.iter().zip(b).map(|(a, b)| a * b).sum();
            });
            tensor(out, burn::tensor::Shape::new([edges]))
        })))
    })
}

/// See [`crate::GraphOps::match_sum`].
pub(crate) fn match_sum(
    a: &FlexTensor,
    b: &FlexTensor,
    v: &FlexTensor,
    row: &FlexTensor,
    col: &FlexTensor,
) -> FlexTensor {
    let (row, col) = (row.to_contiguous(), col.to_contiguous());
    let shape = a.shape();
    let width = row_width(&shape);
    let sorted = with_id!(row, I => sort_by_row(elements!(row, I), shape[0], "match_sum", "row"));
    widened([a, b, v], |[a, b, v]| {
        with_real!(a, T => with_id!(col, I => {
            let (a, b_values, v) = (elements!(a, T), elements!(b, T), elements!(v, T));
            let ids = elements!(col, I);
            let mut out = vec![T::ZERO; a.len()];
            for_each_row(&mut out, width, ids.len() * width, |row, out| {
                let a = &a[row * width..][..width];
                let add = |out: &mut [T], edges: &[usize]| {
                    for &edge in edges {
                        let j = checked(ids[edge], b.shape()[0], "match_sum", "col");
                        let (b, v) = (&b_values[j * width..][..width], &v[j * width..][..width]);
                        for (((out, a), b), v) in out.iter_mut().zip(a).zip(b).zip(v) {
                            *out += matched(*a, *b, *v);
                        }
                    }
                };
                let edges = &sorted.perm[sorted.ptr[row]..sorted.ptr[row + 1]];
                let (first, others) = edges.split_at(edges.len().min(HUB));
                add(out, first);
                for edges in others.chunks(HUB) {
                    let mut sums = vec![T::ZERO; width];
                    add(&mut sums, edges);
                    for (out, sum) in out.iter_mut().zip(sums) {
                        *out += sum;
                    }
                }
            });
            tensor(out, shape)
        }))
    })
}
