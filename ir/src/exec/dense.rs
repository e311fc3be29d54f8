//! Matrix products and normalisations.

use burn::{
    backend::{
        Dispatch, DispatchTensor, TensorMetadata,
        ops::{FloatTensorOps, ModuleOps},
    },
    tensor::{Shape, Tensor},
};

use super::{Operand, VALIDATED};
use crate::op::{DenseOp, Float};

pub(super) fn eval(op: &DenseOp, operands: Vec<Operand>) -> DispatchTensor {
    let mut operands = operands.into_iter().map(|(tensor, _)| tensor);
    let x = operands.next().expect(VALIDATED);
    let weight = operands.next().expect(VALIDATED);
    let mut next = || operands.next().expect(VALIDATED);
    match op {
        DenseOp::Matmul => kiln_ops::dispatch::matmul(x, weight),
        DenseOp::Linear => linear(x, weight, operands.next()),
        DenseOp::LayerNorm {
            epsilon: Float(epsilon),
        } => Dispatch::layer_norm(x, weight, operands.next(), *epsilon),
        DenseOp::BatchNorm {
            epsilon: Float(epsilon),
            momentum: _,
        } => {
            let (bias, mean, variance) = (next(), next(), next());
            Dispatch::batch_norm(x, weight, bias, mean, variance, *epsilon)
        }
        DenseOp::RunningStatistic {
            momentum: _,
            counts: _,
        } => x,
    }
}

/// `x · wᵀ + b` as one product of matrices, whatever the rank of `x`.
fn linear(
    x: DispatchTensor,
    weight: DispatchTensor,
    bias: Option<DispatchTensor>,
) -> DispatchTensor {
    let mut sizes: Vec<usize> = x.shape().iter().copied().collect();
    let inner = sizes.pop().expect(VALIDATED);
    let rows: usize = sizes.iter().product();
    let outputs = weight.shape()[0];
    let matrix = Tensor::from_dispatch(reshape(x, vec![rows, inner]));
    let weight = Tensor::from_dispatch(Dispatch::float_transpose(weight));
    // Burn 0.22.1 cannot make a row of a bias without elements.
    let bias = bias.filter(|_| outputs > 0);
    let out = kiln_ops::linear(matrix, weight, bias.map(Tensor::from_dispatch));
    sizes.push(outputs);
    reshape(out.into_dispatch(), sizes)
}

fn reshape(x: DispatchTensor, sizes: Vec<usize>) -> DispatchTensor {
    let shape = Shape::from(sizes);
    if x.shape() == shape {
        x
    } else {
        Dispatch::float_reshape(x, shape)
    }
}
