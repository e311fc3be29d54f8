//! Edges that share no node.

use burn::tensor::{Int, Tensor, TensorData};

use crate::{arange, float_key, group_argsort, nonzero, scan, scope};

/// Takes edges by their scores, the greatest first, unless one of their nodes belongs to an edge
/// that was taken before. Returns the numbers of those taken, in that order.
///
/// Equal scores stay in the order of the edges, and NaN counts as greater than all numbers. Not
/// differentiable. Edges are taken on the host, also where they are on a GPU; a recording holds a
/// loop of one step per edge, each of which looks at all nodes.
///
/// # Shapes
/// score: `[E]` · source, target: `[E]`, values in `0..nodes` · output: `[K]`, values in `0..E`
///
/// # Panics
/// If lengths differ, or an index is outside `0..nodes`.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let score = Tensor::<1>::from_floats([0.5, 2.0, 1.0], &device);
/// let source = Tensor::<1, Int>::from_ints([0, 1, 2], &device);
/// let target = Tensor::<1, Int>::from_ints([1, 2, 3], &device);
/// let taken = kiln_ops::edge_matching(score, source, target, 4).into_data();
/// assert_eq!(taken.iter::<i64>().collect::<Vec<_>>(), [1]); // and 1 and 2 are not free any more
/// ```
pub fn edge_matching(
    score: Tensor<1>,
    source: Tensor<1, Int>,
    target: Tensor<1, Int>,
    nodes: usize,
) -> Tensor<1, Int> {
    let ([edges], ends) = (score.dims(), [source.dims()[0], target.dims()[0]]);
    assert!(
        ends == [edges; 2],
        "edge_matching: {edges} scores, but {ends:?} sources and targets"
    );
    if scope::is_recorded(&score) {
        return recorded(score, source, target, nodes);
    }
    let (device, dtype) = (source.device(), source.dtype());
    let keys: Vec<i64> = score.into_data().iter::<f64>().map(float_key).collect();
    let [source, target] = [source, target].map(|end| {
        let end = end.into_data();
        let place = |node: i64| {
            let place = usize::try_from(node).ok().filter(|&node| node < nodes);
            place.unwrap_or_else(|| {
                panic!("edge_matching: index {node} is outside 0..{nodes}");
            })
        };
        end.iter::<i64>().map(place).collect::<Vec<usize>>()
    });
    let mut order: Vec<usize> = (0..edges).collect();
    order.sort_by_key(|&edge| !keys[edge]);
    let mut is_free = vec![true; nodes];
    let mut taken = Vec::new();
    for edge in order {
        let (source, target) = (source[edge], target[edge]);
        if is_free[source] && is_free[target] {
            is_free[source] = false;
            is_free[target] = false;
            taken.push(kiln_core::size_to_i64(edge));
        }
    }
    let count = taken.len();
    let taken = TensorData::new(taken, [count]).convert_dtype(dtype);
    Tensor::from_data(taken, (&device, dtype))
}

/// The same by a loop over the edges in order.
fn recorded(
    score: Tensor<1>,
    source: Tensor<1, Int>,
    target: Tensor<1, Int>,
    nodes: usize,
) -> Tensor<1, Int> {
    let [edges] = score.dims();
    let one_group = source.zeros_like();
    let order = group_argsort(score.unsqueeze_dim(1), one_group, true);
    let order: Tensor<1, Int> = order.squeeze_dim(1);
    let ends = [source, target].map(|end| end.select(0, order.clone()).unsqueeze_dim::<2>(1));
    let node = arange(0..nodes, &order.device());
    let is_free = node.ones_like();
    let [source, target] = ends;
    let (_, taken) = scan(
        edges,
        is_free,
        (source, target),
        |is_free, (source, target): (Tensor<1, Int>, Tensor<1, Int>)| {
            let of = |end: &Tensor<1, Int>| is_free.clone().select(0, end.clone());
            let taken = of(&source) * of(&target);
            let is_end = |end: Tensor<1, Int>| node.clone().equal(end.expand([nodes]));
            let is_end = is_end(source).bool_or(is_end(target)).int();
            let others = (is_end * taken.clone().expand([nodes]))
                .mul_scalar(-1)
                .add_scalar(1);
            (is_free.clone() * others, taken)
        },
    );
    let taken: Tensor<1, Int> = taken.squeeze_dim(1);
    order.select(0, nonzero(taken.greater_elem(0)))
}
