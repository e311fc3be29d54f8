//! Linear maps of node features: products of a tall matrix and a small one; and products of any
//! matrices.
//!
//! Features have a row for each node, thousands or millions, and some hundred columns; weights are
//! small. The forward pass is an ordinary product. The gradients are not: the one of the weights
//! multiplies two tall matrices to a small one, and the one of the bias adds up all rows. General
//! kernels have one worker per tile of the result, so a handful of workers walk all nodes. Here
//! nodes are cut in ranges, whose partial sums are added up in order (split-K).

pub(crate) mod backward;
pub(crate) mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::backend::Dispatch;
use burn::tensor::{DType, Shape, Tensor, module};

use crate::{GraphOps, OptionalTensor, dispatch, relu, scope};

/// A linear map of each row, and a bias.
///
/// ```text
/// out[i] = x[i] · W + b
/// ```
///
/// The same as Burn's `linear`, and recorded as that; gradients take a quarter of the time or less
/// where there are many rows.
///
/// # Shapes
/// x: `[N, d_input]` float · weight: `[d_input, d_output]` · bias: `[d_output]` · output: `[N,
/// d_output]`
///
/// # Numerics
/// Products of `f32` have the [precision](kiln_core::precision) of the device; unless another is
/// set, factors keep all of their bits on every device. Sums are `f32`. What is infinite or not a
/// number in a row comes out in that row, and in no other.
///
/// # Panics
/// If the widths disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
/// let weight = Tensor::<2>::from_floats([[1.0], [10.0]], &device);
/// let bias = Tensor::<1>::from_floats([0.5], &device);
/// let out = kiln_ops::linear(x, weight, Some(bias)).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [21.5, 43.5]);
/// ```
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    check("linear", &x, &weight, bias.as_ref());
    if scope::is_recorded(&x) {
        return module::linear(x, weight, bias);
    }
    linear_map(x, weight, bias.map(Tensor::unsqueeze))
}

/// [`linear`] and the rectified linear unit.
///
/// ```text
/// out[i] = max( x[i] · W + b, 0 )
/// ```
///
/// The same as Burn's `linear` and `relu`, and recorded as those; the result is written once.
///
/// # Shapes
/// As [`linear`].
///
/// # Panics
/// If the widths disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0], [-2.0]], &device);
/// let weight = Tensor::<2>::from_floats([[2.0]], &device);
/// let bias = Tensor::<1>::from_floats([1.0], &device);
/// let out = kiln_ops::linear_relu(x, weight, Some(bias)).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [3.0, 0.0]);
/// ```
pub fn linear_relu(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    match bias {
        Some(bias) if !scope::is_recorded(&x) => {
            check("linear_relu", &x, &weight, Some(&bias));
            Tensor::from_dispatch(<Dispatch as GraphOps>::linear_map(
                x.into_dispatch(),
                weight.into_dispatch(),
                OptionalTensor::Some(bias.unsqueeze::<2>().into_dispatch()),
                true,
            ))
        }
        bias => relu(linear(x, weight, bias)),
    }
}

/// A linear map of each row, and a row of another matrix.
///
/// ```text
/// out[i] = x[i] · W + term[i]
/// ```
///
/// The same as [`linear`] and a sum; the product is added up on top of the term, or the term in the
/// pass that writes the product.
///
/// # Shapes
/// x: `[N, d_input]` float · weight: `[d_input, d_output]` · term: `[N, d_output]` · output: `[N,
/// d_output]`
///
/// # Panics
/// If the widths or the numbers of rows disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let matrix = |values| Tensor::<2>::from_floats(values, &device);
/// let out = kiln_ops::linear_add(matrix([[2.0]]), matrix([[10.0]]), matrix([[1.0]])).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [21.0]);
/// ```
pub fn linear_add(x: Tensor<2>, weight: Tensor<2>, term: Tensor<2>) -> Tensor<2> {
    check("linear_add", &x, &weight, None);
    let (shape, other) = ([x.dims()[0], weight.dims()[1]], term.dims());
    assert!(
        shape == other,
        "linear_add: expected a product and a term of the same shape, got {shape:?} and {other:?}"
    );
    if scope::is_recorded(&x) {
        return module::linear(x, weight, None) + term;
    }
    linear_map(x, weight, Some(term))
}

/// The sum of two linear maps, of each row of two matrices, and a bias.
///
/// ```text
/// out[i] = x₀[i] · W₀ + x₁[i] · W₁ + b
/// ```
///
/// The same as [`linear`] twice and a sum; on the CPU the second product is added up on top of the
/// first.
///
/// # Shapes
/// x: `[N, d₀]` and `[N, d₁]` float · weight: `[d₀, d_output]` and `[d₁, d_output]` · bias:
/// `[d_output]` · output: `[N, d_output]`
///
/// # Panics
/// If the widths or the numbers of rows disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let matrix = |values| Tensor::<2>::from_floats(values, &device);
/// let (x, weight) = ([matrix([[1.0]]), matrix([[2.0]])], [matrix([[10.0]]), matrix([[100.0]])]);
/// let out = kiln_ops::linear_sum(x, weight, None).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [210.0]);
/// ```
pub fn linear_sum(x: [Tensor<2>; 2], weight: [Tensor<2>; 2], bias: Option<Tensor<1>>) -> Tensor<2> {
    check("linear_sum", &x[0], &weight[0], bias.as_ref());
    check("linear_sum", &x[1], &weight[1], bias.as_ref());
    let [shape, other] = [0, 1].map(|at| [x[at].dims()[0], weight[at].dims()[1]]);
    assert!(
        shape == other,
        "linear_sum: expected two products of the same shape, got {shape:?} and {other:?}"
    );
    let ([x, other_x], [weight, other_weight]) = (x, weight);
    if scope::is_recorded(&x) {
        return module::linear(x, weight, bias) + module::linear(other_x, other_weight, None);
    }
    let other = linear_map(other_x, other_weight, bias.map(Tensor::unsqueeze));
    linear_map(x, weight, Some(other))
}

#[track_caller]
fn check(op: &str, x: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let ([_, d_input], [rows, d_output]) = (x.dims(), weight.dims());
    let biases = bias.map_or(d_output, |bias| bias.dims()[0]);
    assert!(
        d_input == rows && biases == d_output,
        "{op}: expected `weight` with {d_input} rows, as many as `x` has columns, and `bias` with \
         {d_output} entries, got {rows} rows and {biases} entries"
    );
}

fn linear_map(x: Tensor<2>, weight: Tensor<2>, term: Option<Tensor<2>>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let term = term.map(Tensor::into_dispatch).into();
    Tensor::from_dispatch(<Dispatch as GraphOps>::linear_map(x, weight, term, false))
}

/// Products of matrices, or of batches of them, with the precision of the device.
///
/// ```text
/// out[.., i, j] = Σ_k  lhs[.., i, k] · rhs[.., k, j]
/// ```
///
/// The same as Burn's `matmul`, and recorded as that. Burn's takes the fastest format of the
/// device, such as TF32 by CUDA; this one takes what the [precision](kiln_core::precision) of the
/// device allows.
///
/// # Shapes
/// lhs: `[.., N, K]` float · rhs: `[.., K, M]` · output: `[.., N, M]`; where one has a batch of
/// size 1, its matrix stands for all
///
/// # Numerics
/// As [`linear`].
///
/// # Panics
/// If the columns of `lhs` are not as many as the rows of `rhs`, or batches disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let lhs = Tensor::<3>::from_floats([[[1.0, 2.0]], [[3.0, 4.0]]], &device);
/// let rhs = Tensor::<3>::from_floats([[[1.0], [10.0]]], &device);
/// let out = kiln_ops::matmul(lhs, rhs).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [21.0, 43.0]);
/// ```
pub fn matmul<const D: usize>(lhs: Tensor<D>, rhs: Tensor<D>) -> Tensor<D> {
    // Of batches Burn's own takes some sizes by other operations, which no recording may see.
    if D == 2 && scope::is_recorded(&lhs) {
        return lhs.matmul(rhs);
    }
    Tensor::from_dispatch(dispatch::matmul(lhs.into_dispatch(), rhs.into_dispatch()))
}

/// The sum of all rows.
///
/// ```text
/// out[0, f] = Σ_n  x[n, f]
/// ```
///
/// The same as Burn's `sum_dim(0)`, and recorded as that. Rows are added up in ranges, and those in
/// turn, so that the sum of millions is as near as that of thousands.
///
/// # Shapes
/// x: `[N, F]` float · output: `[1, F]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
/// let out = kiln_ops::column_sum(x).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [4.0, 6.0]);
/// ```
pub fn column_sum(x: Tensor<2>) -> Tensor<2> {
    if scope::is_recorded(&x) {
        return x.sum_dim(0);
    }
    let sums = <Dispatch as GraphOps>::column_sum(x.into_dispatch());
    Tensor::<1>::from_dispatch(sums).unsqueeze()
}

/// The mean of all rows.
///
/// ```text
/// out[0, f] = 1/N Σ_n  x[n, f]
/// ```
///
/// The same as Burn's `mean_dim(0)`, and recorded as that; computed as [`column_sum`].
///
/// # Shapes
/// x: `[N, F]` float · output: `[1, F]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
/// let out = kiln_ops::column_mean(x).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 3.0]);
/// ```
pub fn column_mean(x: Tensor<2>) -> Tensor<2> {
    if scope::is_recorded(&x) {
        return x.mean_dim(0);
    }
    let (rows, dtype) = (x.dims()[0] as u64, x.dtype());
    if dtype.size() < size_of::<f32>() {
        // The sum of many rows may leave the range of 16 bits.
        (column_sum(x.cast(DType::F32)) / rows).cast(dtype)
    } else {
        column_sum(x) / rows
    }
}

/// The inner product of each row with a vector, by heads: what a node adds to a score of graph
/// attention.
///
/// ```text
/// out[i, h] = Σ_c  x[i, h, c] · weight[h, c]
/// ```
///
/// The same as a product and a sum, and recorded as those; the gradient of `weight`, a sum over all
/// rows, takes a fraction of the time.
///
/// # Shapes
/// x: `[N, H, C]` float · weight: `[1, H, C]` · output: `[N, H]`
///
/// # Panics
/// If heads or channels disagree.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<3>::from_floats([[[1.0, 2.0]], [[3.0, 4.0]]], &device);
/// let weight = Tensor::<3>::from_floats([[[1.0, 10.0]]], &device);
/// let out = kiln_ops::heads_dot(x, weight).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [21.0, 43.0]);
/// ```
pub fn heads_dot(x: Tensor<3>, weight: Tensor<3>) -> Tensor<2> {
    let ([_, heads, channels], dims) = (x.dims(), weight.dims());
    assert!(
        dims == [1, heads, channels],
        "heads_dot: expected `weight` of shape {:?}, got {dims:?}",
        [1, heads, channels]
    );
    if scope::is_recorded(&x) {
        return (x * weight).sum_dim(2).squeeze_dim(2);
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GraphOps>::heads_dot(x, weight))
}

/// Adds a vector to each row.
///
/// # Shapes
/// x: `[N, F]` float · bias: `[F]` · output: `[N, F]`
///
/// # Panics
/// If the widths disagree.
pub fn add_bias(x: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let ([_, width], [entries]) = (x.dims(), bias.dims());
    assert!(
        width == entries,
        "add_bias: expected `bias` with {width} entries, got {entries}"
    );
    if scope::is_recorded(&x) {
        return x + bias.unsqueeze();
    }
    let (x, bias) = (x.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as GraphOps>::add_bias(x, bias))
}

/// The shape of a product of batches of matrices; a batch of one is broadcast.
pub(crate) fn product_shape([lhs, rhs]: [&Shape; 2]) -> Shape {
    let mut shape = lhs.clone();
    let last = shape.num_dims() - 1;
    for axis in 0..last - 1 {
        if shape[axis] == 1 {
            shape[axis] = rhs[axis];
        }
    }
    shape[last] = rhs[last];
    shape
}
