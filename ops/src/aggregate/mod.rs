//! Gather, weigh and reduce in one walk over the sorted edges.
//!
//! This is what [`spmm`](crate::spmm) does, for edges that keep their sorted form: nothing is sorted
//! in a call, gradients walk the edges by sender, and no `E × F` tensor is made either way.

pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::{Int, Tensor};
use kiln_core::{Csr, Edges, Flow};

use crate::{Endpoints, GraphOps, Reduce, arange, backend::CsrTensors, spmm, spmm_csr};

/// Combines the rows of the senders at each receiver.
///
/// ```text
/// out[i, f] = ⊕ { w[e] · x[j, f] : edge e = j → i }          (w = 1 without weights)
/// ```
///
/// With [`Reduce::Mean`] the sum is divided by the number of edges, not by the sum of weights. A
/// node without edges gets 0 (1 for [`Reduce::Mul`]).
///
/// Gradients: `dx` is the sum over the edges the other way round, `dw[e] = dout[i] · x[j]`. That of
/// max and min is shared by equal extrema.
///
/// # Shapes
/// x: `[N, F]` float · weight: `[E]` of the type of `x`, in the order of the edges · output: `[n, F]`
///
/// # Panics
/// If `x` does not have a row for each sender, or `weight` not an entry for each edge.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Flow};
/// use kiln_ops::{Endpoints, Reduce};
///
/// let device = Device::default();
/// let edges = EdgeIndex::from_pairs(&[(0, 0), (1, 0), (1, 1)], 2, &device).unwrap();
/// let ends = Endpoints::new(edges, Flow::SourceToTarget);
/// let x = Tensor::<2>::from_floats([[1.0], [10.0]], &device);
/// let out = kiln_ops::aggregate(x, None, &ends, Reduce::Sum).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [11.0, 10.0]);
/// ```
pub fn aggregate(
    x: Tensor<2>,
    weight: Option<Tensor<1>>,
    ends: &Endpoints,
    reduce: Reduce,
) -> Tensor<2> {
    check(
        ends,
        x.dims()[0],
        weight.as_ref().map(|weight| weight.dims()[0]),
    );
    if ends.walks_sorted(&x) && reduce != Reduce::Mul {
        let weight = weight.map(Tensor::into_dispatch);
        let csrs = csrs(ends, &x);
        return Tensor::from_dispatch(walk(x.into_dispatch(), weight, csrs, reduce));
    }
    if let (Edges::Csr(adjacency), Flow::SourceToTarget) = (ends.edges(), ends.flow()) {
        spmm_csr(x, adjacency.rowptr(), adjacency.col(), weight, reduce)
    } else {
        let (src, dst) = (ends.sender(), ends.receiver());
        spmm(x, src, dst, weight, ends.num_receivers(), reduce)
    }
}

/// [`aggregate`] with several heads: each has a weight of its own for each edge.
///
/// ```text
/// out[i, h, c] = ⊕ { w[e, h] · x[j, h, c] : edge e = j → i }
/// ```
///
/// # Shapes
/// x: `[N, H, C]` float · weight: `[E, H]` of the type of `x`, in the order of the edges · output:
/// `[n, H, C]`
///
/// # Panics
/// If `x` does not have a row for each sender, or `weight` not a row for each edge and a column for
/// each head.
pub fn aggregate_heads(
    x: Tensor<3>,
    weight: Tensor<2>,
    ends: &Endpoints,
    reduce: Reduce,
) -> Tensor<3> {
    let [num_nodes, heads, channels] = x.dims();
    let [num_edges, columns] = weight.dims();
    check(ends, num_nodes, Some(num_edges));
    assert!(
        columns == heads,
        "aggregate: expected `weight` with {heads} columns, one for each head, got {columns}"
    );
    if ends.walks_sorted(&x) && reduce != Reduce::Mul {
        let csrs = csrs(ends, &x);
        let weight = Some(weight.into_dispatch());
        return Tensor::from_dispatch(walk(x.into_dispatch(), weight, csrs, reduce));
    }
    // Every head is a graph of its own: head `h` of node `i` is row `i · H + h`. So all heads are one
    // product over `E · H` scalar weights.
    let x = x.reshape([num_nodes * heads, channels]);
    let weight = weight.reshape([num_edges * heads]);
    let (src, dst) = if heads == 1 {
        (ends.sender(), ends.receiver())
    } else {
        let head = arange(0..heads, &ends.device()).unsqueeze_dim::<2>(0);
        let rows = |node: Tensor<1, Int>| {
            let first = i64::try_from(heads).unwrap_or(i64::MAX);
            let first = node.mul_scalar(first).unsqueeze_dim::<2>(1);
            (first + head.clone()).reshape([num_edges * heads])
        };
        (rows(ends.sender()), rows(ends.receiver()))
    };
    let rows = ends.num_receivers();
    spmm(x, src, dst, Some(weight), rows * heads, reduce).reshape([rows, heads, channels])
}

/// Combines the rows of the senders at each receiver, normalised symmetrically, as graph convolutions
/// without edge weights do.
///
/// ```text
/// out[i] = s[i] · ( Σ { s[j] · x[j] : edge j → i } + w · s[i] · x[i] )
/// ```
///
/// With `self_loop`, the weight `w`, edges from a node to itself give way to one loop a node; without
/// it the last term is missing. The usual `s` is [`Endpoints::inverse_sqrt_degree`]. One number a node
/// takes the place of one an edge, which would have to be made and read.
///
/// Gradients: for `x`, the same along the edges the other way round. `scale` has none.
///
/// # Shapes
/// x: `[N, F]` float · scale: `[N]` of the type of `x` · output: `[N, F]`
///
/// # Panics
/// If senders and receivers are not the same number of nodes, if `x` or `scale` does not have a row for
/// each of them, or in a recording: see [`Endpoints::walks_sorted`].
pub fn aggregate_normalized(
    x: Tensor<2>,
    scale: Tensor<1>,
    ends: &Endpoints,
    self_loop: Option<f64>,
) -> Tensor<2> {
    let (rows, factors) = (x.dims()[0], scale.dims()[0]);
    let (senders, receivers) = (ends.num_senders(), ends.num_receivers());
    assert!(
        senders == receivers && rows == senders && factors == senders,
        "aggregate_normalized: expected a graph of one node set with a row of `x` and a `scale` for each \
         node, got {senders} senders, {receivers} receivers, {rows} rows and {factors} scales"
    );
    assert!(
        ends.walks_sorted(&x),
        "aggregate_normalized: a recording writes down its parts: coefficients and `aggregate`"
    );
    let [csr, transposed] = csrs(ends, &x);
    Tensor::from_dispatch(<Dispatch as GraphOps>::aggregate_normalized(
        x.into_dispatch(),
        scale.into_dispatch(),
        csr,
        transposed,
        self_loop,
    ))
}

/// Adds up the rows of the senders at each receiver, and the receiver's own with a weight.
///
/// ```text
/// out[i, f] = Σ { x[j, f] : edge j → i } + w · x[i, f]
/// ```
///
/// Gradients: for `x`, the same along the edges the other way round; for `w`, the inner product of `x`
/// and the gradient at the output.
///
/// # Shapes
/// x: `[N, F]` float · weight: `[1]` of the type of `x` · output: `[N, F]`
///
/// # Panics
/// If senders and receivers are not the same number of nodes, if `x` does not have a row for each of them,
/// or in a recording: see [`Endpoints::walks_sorted`].
pub fn aggregate_self(x: Tensor<2>, weight: Tensor<1>, ends: &Endpoints) -> Tensor<2> {
    let (rows, weights) = (x.dims()[0], weight.dims()[0]);
    let (senders, receivers) = (ends.num_senders(), ends.num_receivers());
    assert!(
        senders == receivers && rows == senders && weights == 1,
        "aggregate_self: expected a graph of one node set with a row of `x` for each node, and one weight, \
         got {senders} senders, {receivers} receivers, {rows} rows and {weights} weights"
    );
    assert!(
        ends.walks_sorted(&x),
        "aggregate_self: a recording writes down its parts: `aggregate` and a sum"
    );
    let [csr, transposed] = csrs(ends, &x);
    Tensor::from_dispatch(<Dispatch as GraphOps>::aggregate_self(
        x.into_dispatch(),
        weight.into_dispatch(),
        csr,
        transposed,
    ))
}

fn check(ends: &Endpoints, rows: usize, weights: Option<usize>) {
    let (senders, edges) = (ends.num_senders(), ends.num_edges());
    assert!(
        rows == senders,
        "aggregate: expected `x` with {senders} rows, one for each sender, got {rows}"
    );
    assert!(
        weights.is_none_or(|weights| weights == edges),
        "aggregate: expected `weight` with {edges} rows, one for each edge, got {}",
        weights.unwrap_or_default()
    );
}

/// The edges by receiver, and by sender where gradients may be asked for.
pub(crate) fn csrs<const D: usize>(ends: &Endpoints, x: &Tensor<D>) -> [CsrTensors<Dispatch>; 2] {
    [ends.by_receiver(), ends.transposed_for(x)].map(CsrTensors::from)
}

/// Combines rows of `x` along a walk; the other walk is its reverse, for gradients.
pub(crate) fn along<const D: usize>(x: Tensor<D>, walks: [Csr; 2], reduce: Reduce) -> Tensor<D> {
    let columns = walks[1].ptr.dims()[0] - 1;
    let rows = x.dims()[0];
    assert!(
        !x.device().is_autodiff() || rows == columns,
        "expected {columns} rows, got {rows}"
    );
    let walks = walks.map(CsrTensors::from);
    Tensor::from_dispatch(walk(x.into_dispatch(), None, walks, reduce))
}

fn walk(
    x: DispatchTensor,
    weight: Option<DispatchTensor>,
    [csr, transposed]: [CsrTensors<Dispatch>; 2],
    reduce: Reduce,
) -> DispatchTensor {
    match weight {
        None => <Dispatch as GraphOps>::aggregate(x, csr, transposed, reduce),
        Some(weight) => {
            <Dispatch as GraphOps>::aggregate_weighted(x, weight, csr, transposed, reduce)
        }
    }
}
