//! Gather, weigh and reduce in one walk over the sorted edges.
//!
//! This is what [`spmm`](crate::spmm) does, for edges that keep their sorted form: nothing is
//! sorted in a call, gradients walk the edges by source, and no `E × F` tensor is made either way.

pub(crate) mod along;
pub(crate) mod backward;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;
mod terms;

use burn::backend::{Dispatch, Shape, get_or_init_device_settings, tensor::FloatTensor};
use burn::tensor::{DType, FloatDType, Int, Tensor};
use kiln_core::{EdgeForm, Flow, int_dtype};

use along::walk;
pub use terms::Terms;
pub(crate) use terms::TermsForm;

use crate::{
    Endpoints, GraphOps, Reduce, arange, backend::CsrTensors, degree, scope, spmm, spmm_csr,
    wire::GraphOp,
};

/// Combines the rows of the sources at each target.
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
/// x: `[N, F]` float · weight: `[E]` of the type of `x`, in the order of the edges · output: `[n,
/// F]`
///
/// # Panics
/// If `x` does not have a row for each source, or `weight` not an entry for each edge.
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
    if ends.has_sorted_kernels(&x) && reduce != Reduce::Mul {
        let weight = weight.map(Tensor::into_dispatch);
        let csrs = csrs(ends, &x);
        return Tensor::from_dispatch(walk(x.into_dispatch(), weight, csrs, reduce));
    }
    if let (EdgeForm::Csr(adjacency), Flow::SourceToTarget) = (ends.edges().form(), ends.flow()) {
        spmm_csr(x, adjacency.rowptr(), adjacency.col(), weight, reduce)
    } else {
        let (src, dst) = (ends.source(), ends.target());
        spmm(x, src, dst, weight, ends.num_targets(), reduce)
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
/// If `x` does not have a row for each source, or `weight` not a row for each edge and a column for
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
    if ends.has_sorted_kernels(&x) && reduce != Reduce::Mul {
        let csrs = csrs(ends, &x);
        let weight = Some(weight.into_dispatch());
        return Tensor::from_dispatch(walk(x.into_dispatch(), weight, csrs, reduce));
    }
    // Every head is a graph of its own: head `h` of node `i` is row `i · H + h`. So all heads are
    // one product over `E · H` scalar weights.
    let x = x.reshape([num_nodes * heads, channels]);
    let weight = weight.reshape([num_edges * heads]);
    let (src, dst) = if heads == 1 {
        (ends.source(), ends.target())
    } else {
        let head = arange(0..heads, &ends.device()).unsqueeze_dim::<2>(0);
        let last = num_nodes.max(ends.num_targets()).saturating_mul(heads);
        let dtype = int_dtype(ends.source().dtype(), last);
        // A recording has one type of integers.
        let dtype = (!scope::is_recorded(&weight)).then_some(dtype);
        let head = cast(head, dtype);
        let rows = |node: Tensor<1, Int>| {
            let first = cast(node, dtype)
                .mul_scalar(int(heads))
                .unsqueeze_dim::<2>(1);
            (first + head.clone()).reshape([num_edges * heads])
        };
        (rows(ends.source()), rows(ends.target()))
    };
    let rows = ends.num_targets();
    spmm(x, src, dst, Some(weight), rows * heads, reduce).reshape([rows, heads, channels])
}

fn cast<const D: usize>(ids: Tensor<D, Int>, dtype: Option<DType>) -> Tensor<D, Int> {
    match dtype {
        Some(dtype) => ids.cast(dtype),
        None => ids,
    }
}

/// Combines the rows of the sources at each target, normalised symmetrically, as graph
/// convolutions without edge weights do.
///
/// ```text
/// out[i] = s[i] · ( Σ { s[j] · x[j] : edge j → i } + w · s[i] · x[i] )
/// ```
///
/// With `self_loop`, the weight `w`, edges from a node to itself give way to one loop for each
/// node; without it the last term is missing. The usual `s` is [`Endpoints::inverse_sqrt_degree`].
/// One number per node takes the place of one per edge, which would have to be made and read.
///
/// Gradients: for `x`, the same along the edges the other way round. `scale` has none.
///
/// # Shapes
/// x: `[N, F]` float · scale: `[N]` of the type of `x` · output: `[N, F]`
///
/// # Numerics
/// What is not summed is not read: a row without edges is 0, and an edge that gives way to a loop
/// has no effect, even if features are not finite.
///
/// # Panics
/// If sources and targets are not the same number of nodes, or if `x` or `scale` does not have a
/// row for each of them.
pub fn aggregate_normalized(
    x: Tensor<2>,
    scale: Tensor<1>,
    ends: &Endpoints,
    self_loop: Option<f64>,
) -> Tensor<2> {
    let (rows, factors) = (x.dims()[0], scale.dims()[0]);
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    assert!(
        sources == targets && rows == sources && factors == sources,
        "aggregate_normalized: expected a graph of one node set with a row of `x` and a `scale` for each \
         node, got {sources} sources, {targets} targets, {rows} rows and {factors} scales"
    );
    if ends.has_sorted_kernels(&x) {
        let scale = scale.into_dispatch();
        return sum(x, Terms::Nodes { scale, self_loop }, ends);
    }
    if scope::is_recorded(&x) {
        let op = GraphOp::SpmmNormalized { self_loop };
        return scope::write_down(op, &x, &ends.recorded(x.clone(), [scale]));
    }
    let weight = ends.lift_j(scale.clone()) * ends.lift_i(scale.clone());
    match self_loop {
        Some(self_loop) => {
            let self_loop = (scale.clone() * scale).mul_scalar(self_loop);
            aggregate_with_loops(x, weight, self_loop, ends)
        }
        None => aggregate(x, Some(weight), ends, Reduce::Sum),
    }
}

/// Adds up the weighted rows of the sources at each target, where edges from a node to itself
/// give way to one loop for each node.
///
/// ```text
/// out[i] = Σ { w[e] · x[j] : edge e = j → i, j ≠ i } + l[i] · x[i]
/// ```
///
/// Gradients: for `x`, the same along the edges the other way round; for `w` and `l`, inner
/// products of `x` and the gradient at the output, 0 for edges that give way.
///
/// # Shapes
/// x: `[N, F]` float · weight: `[E]` · self_loop: `[N]`, both of the type of `x` · output: `[N, F]`
///
/// # Numerics
/// As [`aggregate_normalized`].
///
/// # Panics
/// If sources and targets are not the same number of nodes, if `x` or `self_loop` does not have a
/// row for each of them, or `weight` not an entry for each edge.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::{EdgeIndex, Flow};
/// use kiln_ops::Endpoints;
///
/// let device = Device::default();
/// let edges = EdgeIndex::from_pairs(&[(1, 0), (1, 1)], 2, &device).unwrap();
/// let ends = Endpoints::new(edges, Flow::SourceToTarget);
/// let x = Tensor::<2>::from_floats([[1.0], [10.0]], &device);
/// let [weight, loops] = [[2.0, 7.0], [1.0, 0.5]].map(|values| Tensor::from_floats(values, &device));
/// let out = kiln_ops::aggregate_with_loops(x, weight, loops, &ends).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [21.0, 5.0]);
/// ```
pub fn aggregate_with_loops(
    x: Tensor<2>,
    weight: Tensor<1>,
    self_loop: Tensor<1>,
    ends: &Endpoints,
) -> Tensor<2> {
    let [rows, weights, loops] = [x.dims()[0], weight.dims()[0], self_loop.dims()[0]];
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    assert!(
        sources == targets && rows == sources && loops == sources && weights == ends.num_edges(),
        "aggregate_with_loops: expected a graph of one node set with a row of `x` and a loop for each node, \
         and {} weights, one for each edge, got {sources} sources, {targets} targets, {rows} rows, \
         {loops} loops and {weights} weights",
        ends.num_edges()
    );
    if ends.has_sorted_kernels(&x) {
        // No gradient reaches the weights of edges that give way.
        let weight = if weight.device().is_autodiff() {
            weight.mask_fill(ends.is_loop(), 0.0)
        } else {
            weight
        };
        let (weight, self_loop) = (weight.into_dispatch(), self_loop.into_dispatch());
        return sum(x, Terms::Loops { weight, self_loop }, ends);
    }
    if scope::is_recorded(&x) {
        let inputs = ends.recorded(x.clone(), [weight, self_loop]);
        return scope::write_down(GraphOp::SpmmWithLoops, &x, &inputs);
    }
    with_loops_in_parts(x, weight, self_loop, ends)
}

/// [`aggregate_with_loops`] of other operations. Edges that give way go to a row behind the last,
/// which is cut off: a weight of 0 would show where features are not finite.
fn with_loops_in_parts(
    x: Tensor<2>,
    weight: Tensor<1>,
    self_loop: Tensor<1>,
    ends: &Endpoints,
) -> Tensor<2> {
    let ([rows, width], is_loop) = (x.dims(), ends.is_loop());
    let weight = weight.mask_fill(is_loop.clone(), 0.0);
    let target = ends.target().mask_fill(is_loop, int(rows));
    let sums = spmm(
        x.clone(),
        ends.source(),
        target,
        Some(weight),
        rows + 1,
        Reduce::Sum,
    );
    sums.slice([0..rows, 0..width]) + x * self_loop.unsqueeze_dim(1)
}

/// Adds up the rows of the sources at each target, and the target's own with a weight.
///
/// ```text
/// out[i, f] = Σ { x[j, f] : edge j → i } + w · x[i, f]
/// ```
///
/// Gradients: for `x`, the same along the edges the other way round; for `w`, the inner product of
/// `x` and the gradient at the output. In a recording it is written down as [`aggregate`] and a
/// sum.
///
/// # Shapes
/// x: `[N, F]` float · weight: `[1]` of the type of `x` · output: `[N, F]`
///
/// # Panics
/// If sources and targets are not the same number of nodes, or if `x` does not have a row for
/// each of them.
pub fn aggregate_self(x: Tensor<2>, weight: Tensor<1>, ends: &Endpoints) -> Tensor<2> {
    let (rows, weights) = (x.dims()[0], weight.dims()[0]);
    let (sources, targets) = (ends.num_sources(), ends.num_targets());
    assert!(
        sources == targets && rows == sources && weights == 1,
        "aggregate_self: expected a graph of one node set with a row of `x` for each node, and one weight, \
         got {sources} sources, {targets} targets, {rows} rows and {weights} weights"
    );
    if !ends.has_sorted_kernels(&x) {
        let own = x.clone() * weight.unsqueeze_dim(1);
        return aggregate(x, None, ends, Reduce::Sum) + own;
    }
    sum(x, Terms::Own(weight.into_dispatch()), ends)
}

impl Endpoints {
    /// What [`aggregate_normalized`](crate::aggregate_normalized()) scales nodes by: one over the
    /// root of the number of edges that a node receives, of the type of `like`. `[N]`
    ///
    /// With `self_loop` edges from a node to itself count nothing, and the loop counts its weight.
    /// A node of degree zero gets zero.
    ///
    /// # Panics
    /// If sources and targets are not the same number of nodes.
    pub fn inverse_sqrt_degree<const D: usize>(
        &self,
        self_loop: Option<f64>,
        like: &Tensor<D>,
    ) -> Tensor<1> {
        let (nodes, dtype) = (self.num_targets(), like.dtype());
        assert!(
            self.num_sources() == nodes,
            "inverse_sqrt_degree: expected a graph of one node set, got {} sources and {nodes} targets",
            self.num_sources()
        );
        if scope::is_recorded(like) {
            let op = GraphOp::InverseSqrtDegree {
                size: nodes,
                self_loop,
            };
            return scope::write_down(op, like, &self.recorded_ends());
        }
        let device = like.device();
        if self.has_sorted_kernels(like) {
            let (walks, device) = (csrs(self, like), device.as_dispatch());
            let scale =
                inverse_sqrt::<Dispatch>(walks, nodes, self_loop, device, FloatDType::from(dtype));
            return Tensor::from_dispatch(scale);
        }
        let mut target = self.target();
        if self_loop.is_some() {
            target = target.mask_fill(self.is_loop(), int(nodes));
        }
        let degree = degree(target, nodes + 1).slice(0..nodes);
        let degree = degree.add_scalar(self_loop.unwrap_or_default());
        let isolated = degree.clone().equal_elem(0.0);
        let scale = degree.sqrt().recip().mask_fill(isolated, 0.0);
        scale.cast(dtype)
    }
}

/// One over the root of the number of entries of each row, or 0 where there are none. Counts are
/// exact in 32 bits, and the root is rounded once.
pub(crate) fn inverse_sqrt<B: GraphOps>(
    [csr, transposed]: [CsrTensors<B>; 2],
    rows: usize,
    self_loop: Option<f64>,
    device: &B::Device,
    dtype: FloatDType,
) -> FloatTensor<B> {
    let wide = match dtype {
        FloatDType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    };
    let one = |shape: Shape| B::float_ones(shape, device, wide);
    let ones = one(Shape::new([rows, 1]));
    let degree = match self_loop {
        Some(_) => {
            let scale = one(Shape::new([rows]));
            let terms = Terms::Nodes { scale, self_loop };
            B::aggregate(ones, terms, csr, transposed, Reduce::Sum)
        }
        None => B::aggregate(ones, Terms::Ones, csr, transposed, Reduce::Sum),
    };
    let degree = B::float_reshape(degree, Shape::new([rows]));
    let scale = B::float_recip(B::float_sqrt(degree.clone()));
    let scale = match self_loop {
        // With a loop every degree is positive.
        Some(weight) if weight > 0.0 => scale,
        _ => {
            let mask = get_or_init_device_settings::<B>(device).bool_dtype;
            let isolated = B::float_equal_elem(degree, 0.0.into(), mask);
            B::float_mask_fill(scale, isolated, 0.0.into())
        }
    };
    if dtype == wide {
        scale
    } else {
        B::float_cast(scale, dtype)
    }
}

fn check(ends: &Endpoints, rows: usize, weights: Option<usize>) {
    let (sources, edges) = (ends.num_sources(), ends.num_edges());
    assert!(
        rows == sources,
        "aggregate: expected `x` with {sources} rows, one for each source, got {rows}"
    );
    assert!(
        weights.is_none_or(|weights| weights == edges),
        "aggregate: expected `weight` with {edges} rows, one for each edge, got {}",
        weights.unwrap_or_default()
    );
}

/// A number of rows as an index.
pub(crate) fn int(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The edges by target, and by source where gradients may be asked for.
pub(crate) fn csrs<const D: usize>(ends: &Endpoints, x: &Tensor<D>) -> [CsrTensors<Dispatch>; 2] {
    [ends.by_target(), ends.transposed_for(x)].map(CsrTensors::from)
}

/// The sum along sorted edges.
fn sum(x: Tensor<2>, terms: Terms<Dispatch>, ends: &Endpoints) -> Tensor<2> {
    let [csr, transposed] = csrs(ends, &x);
    let x = x.into_dispatch();
    Tensor::from_dispatch(<Dispatch as GraphOps>::aggregate(
        x,
        terms,
        csr,
        transposed,
        Reduce::Sum,
    ))
}
