//! Edges sorted by one end, once for a graph: [`kiln_core::Csr`].

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::{Dispatch, TensorMetadata as _, tensor::IntTensor};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, try_read_sync};
use kiln_core::{Csr, EdgeForm, Edges, HUB, Walk};

use crate::{CsrTensors, GraphOps, arange, ptr_to_index};

/// Sorts edges for a walk.
pub(crate) fn sorted(edges: &Edges, walk: Walk) -> Csr {
    let (num_src, num_dst) = (edges.num_src(), edges.num_dst());
    let (ptr, col, edge) = match (edges.form(), walk) {
        (EdgeForm::Csr(adjacency), Walk::ByDestination) => (
            narrow(within(adjacency.rowptr(), adjacency.num_edges() + 1)),
            narrow(within(adjacency.col(), num_src)),
            numbers(adjacency.num_edges(), &adjacency.device()),
        ),
        (_, Walk::ByDestination) => sort(destinations(edges), sources(edges), [num_dst, num_src]),
        (_, Walk::BySource) => sort(sources(edges), destinations(edges), [num_src, num_dst]),
        (_, Walk::ToDestination) => one_by_one(destinations(edges), num_dst),
        (_, Walk::ToSource) => one_by_one(sources(edges), num_src),
    };
    let (chunk, hub) = match walk {
        Walk::ByDestination | Walk::BySource => schedule(&ptr),
        Walk::ToDestination | Walk::ToSource => {
            (numbers_like(vec![], &ptr), numbers_like(vec![], &ptr))
        }
    };
    Csr {
        ptr,
        col,
        edge,
        chunk,
        hub,
    }
}

fn sources(edges: &Edges) -> Tensor<1, Int> {
    match edges.form() {
        EdgeForm::Coo(edges) => edges.src(),
        EdgeForm::Csr(adjacency) => adjacency.col(),
    }
}

fn destinations(edges: &Edges) -> Tensor<1, Int> {
    match edges.form() {
        EdgeForm::Coo(edges) => edges.dst(),
        EdgeForm::Csr(adjacency) => ptr_to_index(adjacency.rowptr(), adjacency.num_edges()),
    }
}

/// Ids of 32 bits. One beyond them becomes another that is out of range, not one that is in it.
fn narrow(ids: Tensor<1, Int>) -> Tensor<1, Int> {
    if ids.dims()[0] == 0 {
        return numbers_like(vec![], &ids);
    }
    if ids.dtype() == DType::I32 {
        return ids;
    }
    ids.clamp(-1, i64::from(i32::MAX)).cast(DType::I32)
}

/// `0 .. count`.
fn numbers(count: usize, device: &Device) -> Tensor<1, Int> {
    narrow(arange(0..count, device))
}

/// Each edge a row, with one node.
fn one_by_one(
    node: Tensor<1, Int>,
    count: usize,
) -> (Tensor<1, Int>, Tensor<1, Int>, Tensor<1, Int>) {
    let ([edges], device) = (node.dims(), node.device());
    let (ptr, edge) = (numbers(edges + 1, &device), numbers(edges, &device));
    (ptr, narrow(within(node, count)), edge)
}

/// Keeps GPU kernels, which do not check, inside their tensors where unchecked edges are wrong. On
/// the CPU wrong ids stay and panic where they are used.
fn within(ids: Tensor<1, Int>, count: usize) -> Tensor<1, Int> {
    if is_on_cpu(&ids) || ids.dims()[0] == 0 || count == 0 {
        return ids;
    }
    ids.clamp(0, int(count - 1))
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn sort(
    row: Tensor<1, Int>,
    col: Tensor<1, Int>,
    [rows, cols]: [usize; 2],
) -> (Tensor<1, Int>, Tensor<1, Int>, Tensor<1, Int>) {
    let (row, col) = if is_on_cpu(&row) {
        (row, col)
    } else if row.dims()[0] == 0 {
        (narrow(row), narrow(col))
    } else {
        // Edges whose other end is out of range are sorted behind the last row, which no kernel
        // reads.
        let outside = col.clone().lower_elem(0);
        let outside = outside.bool_or(col.clone().greater_equal_elem(int(cols)));
        (narrow(row.mask_fill(outside, int(rows))), narrow(col))
    };
    let (row, col) = (row.into_dispatch(), col.into_dispatch());
    let (ptr, col, edge) = <Dispatch as GraphOps>::sort_edges(row, col, rows);
    (
        Tensor::from_dispatch(ptr),
        Tensor::from_dispatch(col),
        Tensor::from_dispatch(edge),
    )
}

/// The edges of a list sorted by `row`, whose values are below `size`, on any backend.
pub(crate) fn of_list<B: GraphOps>(
    row: IntTensor<B>,
    col: IntTensor<B>,
    size: usize,
) -> CsrTensors<B> {
    let (ptr, col, edge) = B::sort_edges(row, col, size);
    let data = try_read_sync(B::int_into_data(ptr.clone()));
    let data = data.expect("sorting edges needs a backend that can be read from synchronously");
    let data = data.expect("row pointers that have just been made");
    let (chunks, hubs) = pieces(data.as_slice().unwrap_or_default());
    let device = ptr.device();
    let numbers = |values: Vec<i32>| {
        let shape = [values.len()];
        B::int_from_data(TensorData::new(values, shape), &device)
    };
    let (chunk, hub) = (numbers(chunks), numbers(hubs));
    CsrTensors {
        ptr,
        col,
        edge,
        chunk,
        hub,
    }
}

/// Cuts long rows in pieces, for GPUs. Reads the row pointers, once for a graph.
fn schedule(ptr: &Tensor<1, Int>) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let (chunks, hubs) = if is_on_cpu(ptr) {
        (Vec::new(), Vec::new())
    } else {
        pieces(ptr.to_data().as_slice().unwrap_or_default())
    };
    (numbers_like(chunks, ptr), numbers_like(hubs, ptr))
}

/// The pieces of rows between `bounds` that are long, and which rows are.
fn pieces(bounds: &[i32]) -> (Vec<i32>, Vec<i32>) {
    let (mut chunks, mut hubs) = (Vec::new(), Vec::new());
    let piece = i32::try_from(HUB).unwrap_or(i32::MAX);
    for (row, ends) in (0_i32..).zip(bounds.windows(2)) {
        if ends[1] - ends[0] > piece {
            hubs.extend([row, i32::try_from(chunks.len() / 2).unwrap_or(i32::MAX)]);
            let mut first = ends[0];
            while first < ends[1] {
                chunks.extend([row, first]);
                first += piece;
            }
        }
    }
    (chunks, hubs)
}

/// Numbers on the device of `like`.
fn numbers_like(values: Vec<i32>, like: &Tensor<1, Int>) -> Tensor<1, Int> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), (&like.device(), DType::I32))
}

fn is_on_cpu(tensor: &Tensor<1, Int>) -> bool {
    #[cfg(feature = "flex")]
    {
        use burn::backend::DispatchTensorKind;
        matches!(
            tensor.clone().into_dispatch().kind,
            DispatchTensorKind::Flex(_)
        )
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = tensor;
        false
    }
}
