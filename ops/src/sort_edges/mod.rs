//! Edges sorted by one end, once for a graph: [`kiln_core::Csr`].

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::{Backend, Dispatch, Scalar, TensorMetadata as _, tensor::IntTensor};
use burn::tensor::{DType, Device, Int, IntDType, Tensor, TensorData, try_read_sync};
use kiln_core::{Csr, EdgeForm, Edges, HUB, Walk};

use crate::{CsrTensors, GraphOps, arange, ptr_to_index};

/// What messages of [`GraphOps::sort_edges`] call the operation and the ends of edges, unless
/// another operation sorts for itself.
pub(crate) const SORT_NAMES: [&str; 3] = ["sort_edges", "row", "col"];

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
    if count == 1 {
        // Not computed: see `Endpoints::settle`.
        return numbers_like(vec![0; ids.dims()[0]], &ids);
    }
    ids.clamp(0, int(count - 1))
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn sort(
    row: Tensor<1, Int>,
    col: Tensor<1, Int>,
    sizes: [usize; 2],
) -> (Tensor<1, Int>, Tensor<1, Int>, Tensor<1, Int>) {
    let (row, col) = (row.into_dispatch(), col.into_dispatch());
    let (ptr, col, edge) = <Dispatch as GraphOps>::sort_edges(row, col, sizes, SORT_NAMES);
    (
        Tensor::from_dispatch(ptr),
        Tensor::from_dispatch(col),
        Tensor::from_dispatch(edge),
    )
}

/// The edges of a list sorted by `row`, on any backend; `sizes` are the numbers of rows and
/// columns. Waits for the row pointers, to cut long rows in pieces.
pub(crate) fn of_list<B: GraphOps>(
    row: IntTensor<B>,
    col: IntTensor<B>,
    sizes: [usize; 2],
) -> CsrTensors<B> {
    let (ptr, col, edge) = B::sort_edges(row, col, sizes, SORT_NAMES);
    let data = try_read_sync(B::int_into_data(ptr.clone()));
    let data = data.expect("sorting edges needs a backend that can be read from synchronously");
    let data = data.expect("row pointers that have just been made");
    let schedule = pieces(data.as_slice().unwrap_or_default());
    rows::<B>([ptr, col, edge], schedule)
}

/// Sorted edges whose rows are walked whole, whatever their length: nothing waits for the pointers.
pub(crate) fn unscheduled<B: Backend>(
    (ptr, col, edge): (IntTensor<B>, IntTensor<B>, IntTensor<B>),
) -> CsrTensors<B> {
    rows::<B>([ptr, col, edge], (vec![], vec![0]))
}

/// Each of the nodes `ids`, which are below `count`, a row with one entry.
pub(crate) fn one_each<B: GraphOps>(ids: IntTensor<B>, count: usize) -> CsrTensors<B> {
    let (edges, device) = (ids.shape()[0], ids.device());
    let [ptr, edge] = [edges + 1, edges].map(|length| positions::<B>(length, &device));
    unscheduled::<B>((ptr, positions_below::<B>(ids, count), edge))
}

/// `0 .. count`.
pub(crate) fn positions<B: Backend>(count: usize, device: &B::Device) -> IntTensor<B> {
    if count == 0 {
        return int_data::<B>(vec![], device);
    }
    B::int_arange(0..int(count), device, IntDType::I32)
}

/// Ids as `i32`, which kernels do not check. The CPU has checked them; on GPUs those out of range
/// become others that are not.
pub(crate) fn positions_below<B: Backend>(ids: IntTensor<B>, count: usize) -> IntTensor<B> {
    if ids.shape()[0] == 0 || count <= 1 {
        // Not computed: see `Endpoints::settle`.
        return int_data::<B>(vec![0; ids.shape()[0]], &ids.device());
    }
    let last = Scalar::Int(int(count - 1));
    B::int_cast(B::int_clamp(ids, Scalar::Int(0), last), IntDType::I32)
}

fn rows<B: Backend>(
    [ptr, col, edge]: [IntTensor<B>; 3],
    (chunks, hubs): (Vec<i32>, Vec<i32>),
) -> CsrTensors<B> {
    let device = ptr.device();
    CsrTensors {
        ptr,
        col,
        edge,
        chunk: int_data::<B>(chunks, &device),
        hub: int_data::<B>(hubs, &device),
    }
}

fn int_data<B: Backend>(values: Vec<i32>, device: &B::Device) -> IntTensor<B> {
    let shape = [values.len()];
    B::int_from_data(TensorData::new(values, shape), device)
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
