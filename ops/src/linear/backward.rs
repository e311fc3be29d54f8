//! The gradients of linear maps: `dx = g Wᵀ`, `dW = xᵀ g`, and `db` the sum of the rows of `g`; and
//! of products.

use burn::backend::{
    Backend, Shape, TensorMetadata as _,
    autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind, unary},
    },
    tensor::FloatTensor,
};

use crate::{GraphOps, OptionalTensor};

/// `x W`.
#[derive(Debug)]
struct Linear;

impl<B: GraphOps> Backward<B, 2> for Linear {
    type State = Factors<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        for (node, grad) in ops.parents.into_iter().zip(ops.state.gradients(grad)) {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// `x W + t`, and whether `t` is one row for all.
#[derive(Debug)]
struct LinearAdd {
    is_row: bool,
}

impl<B: GraphOps> Backward<B, 3> for LinearAdd {
    type State = Factors<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let dterm = ops.parents[2].is_some().then(|| {
            if self.is_row {
                row_sum::<B>(&grad)
            } else {
                grad.clone()
            }
        });
        let [dx, dweight] = ops.state.gradients(grad);
        for (node, grad) in ops.parents.into_iter().zip([dx, dweight, dterm]) {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// The sum of all rows, as a row.
fn row_sum<B: GraphOps>(x: &FloatTensor<B>) -> FloatTensor<B> {
    let width = x.shape()[1];
    B::float_reshape(B::column_sum(x.clone()), Shape::new([1, width]))
}

/// `ReLU(x W + b)`.
#[derive(Debug)]
struct LinearRelu;

impl<B: GraphOps> Backward<B, 3> for LinearRelu {
    type State = (Factors<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (factors, out) = ops.state;
        let grad = B::relu_backward(out, grads.consume::<B>(&ops.node));
        let dbias = ops.parents[2].is_some().then(|| row_sum::<B>(&grad));
        let [dx, dweight] = factors.gradients(grad);
        for (node, grad) in ops.parents.into_iter().zip([dx, dweight, dbias]) {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// Inputs kept for the backward pass: `x` for `dW`, `W` for `dx`.
#[derive(Clone, Debug)]
struct Factors<B: Backend> {
    x: Option<FloatTensor<B>>,
    weight: Option<FloatTensor<B>>,
}

impl<B: GraphOps> Factors<B> {
    /// The gradients of the features and of the weights, as far as they are asked for.
    fn gradients(self, grad: FloatTensor<B>) -> [Option<FloatTensor<B>>; 2] {
        let dweight = self.x.map(|x| B::linear_map_weight(x, grad.clone()));
        let dx = self.weight.map(|weight| {
            let transposed = B::float_swap_dims(weight, 0, 1);
            B::linear_map(grad, transposed, OptionalTensor::None, false)
        });
        [dx, dweight]
    }
}

/// `x + b`.
#[derive(Debug)]
struct Bias;

impl<B: GraphOps> Backward<B, 2> for Bias {
    type State = ();

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [x_node, bias_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, B::column_sum(grad.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, grad);
        }
    }
}

/// Inner products by heads.
#[derive(Debug)]
struct HeadsDot;

impl<B: GraphOps> Backward<B, 2> for HeadsDot {
    type State = Factors<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Factors { x, weight } = ops.state;
        let [x_node, weight_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let [rows, heads] = grad.shape().dims();
        let grad = B::float_reshape(grad, Shape::new([rows, heads, 1]));
        if let (Some(node), Some(x)) = (weight_node, x) {
            let [_, _, channels] = x.shape().dims();
            let products = B::float_mul(x, grad.clone());
            let products = B::float_reshape(products, Shape::new([rows, heads * channels]));
            let shape = Shape::new([1, heads, channels]);
            let dweight = B::float_reshape(B::column_sum(products), shape);
            grads.register::<B>(node.id, dweight);
        }
        if let (Some(node), Some(weight)) = (x_node, weight) {
            grads.register::<B>(node.id, B::float_mul(grad, weight));
        }
    }
}

/// [`GraphOps::heads_dot`] with its gradients.
pub(crate) fn heads_dot<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let needed = [x.is_tracked(), weight.is_tracked()];
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let state = factors(needed, &x, &weight);
    let out = B::heads_dot(x, weight);
    match HeadsDot
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(state, out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}

/// A product of batches of matrices.
#[derive(Debug)]
struct Product;

/// Inputs kept for the backward pass, each for the gradient of the other, and both shapes.
#[derive(Clone, Debug)]
struct Batches<B: Backend> {
    lhs: Option<FloatTensor<B>>,
    rhs: Option<FloatTensor<B>>,
    shapes: [Shape; 2],
}

impl<B: GraphOps> Backward<B, 2> for Product {
    type State = Batches<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let Batches { lhs, rhs, shapes } = ops.state;
        let [lhs_node, rhs_node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let last = grad.shape().num_dims() - 1;
        let transposed = |x: FloatTensor<B>| B::float_swap_dims(x, last - 1, last);
        if let (Some(node), Some(rhs)) = (lhs_node, rhs) {
            let dlhs = B::matmul(grad.clone(), transposed(rhs));
            grads.register::<B>(node.id, sum_to::<B>(dlhs, &shapes[0]));
        }
        if let (Some(node), Some(lhs)) = (rhs_node, lhs) {
            let drhs = B::matmul(transposed(lhs), grad);
            grads.register::<B>(node.id, sum_to::<B>(drhs, &shapes[1]));
        }
    }
}

/// Adds up along the axes on which one matrix stands for all.
fn sum_to<B: Backend>(x: FloatTensor<B>, shape: &Shape) -> FloatTensor<B> {
    let axes = (0..shape.num_dims()).filter(|&axis| shape[axis] == 1);
    axes.fold(x, |x, axis| {
        if x.shape()[axis] == 1 {
            x
        } else {
            B::float_sum_dim(x, axis)
        }
    })
}

/// [`GraphOps::matmul`] with its gradients.
pub(crate) fn matmul<B: GraphOps, C: CheckpointStrategy>(
    lhs: FloatTensor<Autodiff<B, C>>,
    rhs: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let [has_lhs, has_rhs] = [lhs.is_tracked(), rhs.is_tracked()];
    let (lhs, lhs_node) = lhs.into_parts();
    let (rhs, rhs_node) = rhs.into_parts();
    match Product
        .prepare::<C>([lhs_node, rhs_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let batches = Batches {
                shapes: [lhs.shape(), rhs.shape()],
                lhs: has_rhs.then(|| lhs.clone()),
                rhs: has_lhs.then(|| rhs.clone()),
            };
            prep.finish(batches, B::matmul(lhs, rhs))
        }
        OpsKind::UnTracked(prep) => prep.finish(B::matmul(lhs, rhs)),
    }
}

/// The sum of all rows, of as many.
#[derive(Debug)]
struct ColumnSum;

impl<B: GraphOps> Backward<B, 1> for ColumnSum {
    type State = Shape;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let shape = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            let row = B::float_reshape(grad, Shape::new([1, shape[1]]));
            B::float_expand(row, shape)
        });
    }
}

/// [`GraphOps::column_sum`] with its gradient.
pub(crate) fn column_sum<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, node) = x.into_parts();
    let shape = x.shape();
    match ColumnSum.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(shape, B::column_sum(x)),
        OpsKind::UnTracked(prep) => prep.finish(B::column_sum(x)),
    }
}

/// [`GraphOps::linear_map`] with its gradients.
pub(crate) fn linear_map<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    term: Option<FloatTensor<Autodiff<B, C>>>,
    relu: bool,
) -> FloatTensor<Autodiff<B, C>> {
    match term {
        None if relu => unreachable!("ReLU comes with a bias"),
        None => product::<B, C>(x, weight),
        Some(bias) if relu => product_relu::<B, C>(x, weight, bias),
        Some(term) => product_add::<B, C>(x, weight, term),
    }
}

fn product<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let needed = [x.is_tracked(), weight.is_tracked()];
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    match Linear
        .prepare::<C>([x_node, weight_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            factors(needed, &x, &weight),
            B::linear_map(x, weight, OptionalTensor::None, false),
        ),
        OpsKind::UnTracked(prep) => {
            prep.finish(B::linear_map(x, weight, OptionalTensor::None, false))
        }
    }
}

fn product_add<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    term: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let needed = [x.is_tracked(), weight.is_tracked()];
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (term, term_node) = term.into_parts();
    let linear = LinearAdd {
        is_row: term.shape()[0] != x.shape()[0],
    };
    match linear
        .prepare::<C>([x_node, weight_node, term_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish(
            factors(needed, &x, &weight),
            B::linear_map(x, weight, OptionalTensor::Some(term), false),
        ),
        OpsKind::UnTracked(prep) => {
            prep.finish(B::linear_map(x, weight, OptionalTensor::Some(term), false))
        }
    }
}

fn product_relu<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let needed = [x.is_tracked(), weight.is_tracked()];
    let (x, x_node) = x.into_parts();
    let (weight, weight_node) = weight.into_parts();
    let (bias, bias_node) = bias.into_parts();
    match LinearRelu
        .prepare::<C>([x_node, weight_node, bias_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let factors = factors(needed, &x, &weight);
            let out = B::linear_map(x, weight, OptionalTensor::Some(bias), true);
            prep.finish((factors, out.clone()), out)
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(B::linear_map(x, weight, OptionalTensor::Some(bias), true))
        }
    }
}

/// What to keep, where the features and the weights are tracked or not.
fn factors<B: Backend>(
    [has_x, has_weight]: [bool; 2],
    x: &FloatTensor<B>,
    weight: &FloatTensor<B>,
) -> Factors<B> {
    Factors {
        x: has_weight.then(|| x.clone()),
        weight: has_x.then(|| weight.clone()),
    }
}

/// [`GraphOps::add_bias`] with its gradients.
pub(crate) fn add_bias<B: GraphOps, C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<B, C>>,
    bias: FloatTensor<Autodiff<B, C>>,
) -> FloatTensor<Autodiff<B, C>> {
    let (x, x_node) = x.into_parts();
    let (bias, bias_node) = bias.into_parts();
    let out = B::add_bias(x, bias);
    match Bias
        .prepare::<C>([x_node, bias_node])
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => prep.finish((), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    }
}
