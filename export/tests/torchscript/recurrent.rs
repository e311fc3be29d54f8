//! Recurrent layers over sequences, as PyTorch has them, recorded as loops.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use kiln_core::Value;
use kiln_ir::{Model, Recorder, tensor};
use kiln_ops::{scan, scan_reversed};
use serde_json::json;

use crate::expectation::{Arg, Call, Data, write_beside};

const INPUTS: usize = 3;
const WIDTH: usize = 2;

/// Multiples of 1/16 between -0.75 and 1.
fn floats<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| f32::from(i16::try_from((i * 37 + seed * 11) % 29).unwrap());
    let values = (0..count).map(|i| value(i) / 16.0 - 0.75).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn matrix(gates: usize, columns: usize, seed: usize) -> Param<Tensor<2>> {
    Param::from_tensor(floats([gates * WIDTH, columns], seed, &Device::flex()))
}

fn bias(gates: usize, seed: usize) -> Param<Tensor<1>> {
    Param::from_tensor(floats([gates * WIDTH], seed, &Device::flex()))
}

fn map(x: Tensor<2>, weight: &Param<Tensor<2>>, bias: &Param<Tensor<1>>) -> Tensor<2> {
    x.matmul(weight.val().transpose()) + bias.val().unsqueeze()
}

fn gate(gates: &Tensor<2>, number: usize) -> Tensor<2> {
    gates.clone().narrow(1, number * WIDTH, WIDTH)
}

/// Long short-term memory.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "names of PyTorch")]
struct Lstm {
    weight_ih_l0: Param<Tensor<2>>,
    weight_hh_l0: Param<Tensor<2>>,
    bias_ih_l0: Param<Tensor<1>>,
    bias_hh_l0: Param<Tensor<1>>,
}

impl Lstm {
    fn new() -> Self {
        Self {
            weight_ih_l0: matrix(4, INPUTS, 1),
            weight_hh_l0: matrix(4, WIDTH, 2),
            bias_ih_l0: bias(4, 3),
            bias_hh_l0: bias(4, 4),
        }
    }

    fn forward(&self, x: Tensor<3>) -> (Tensor<3>, [Tensor<2>; 2]) {
        let [steps, sequences, _] = x.dims();
        let zeros = Tensor::zeros([sequences, WIDTH], &x.device());
        let first = (zeros.clone(), zeros);
        let ((h, c), all) = scan(steps, first, x, |(h, c): (Tensor<2>, Tensor<2>), x| {
            let gates = map(x, &self.weight_ih_l0, &self.bias_ih_l0)
                + map(h, &self.weight_hh_l0, &self.bias_hh_l0);
            let [input, forget, output] = [0, 1, 3].map(|number| sigmoid(gate(&gates, number)));
            let c = forget * c + input * gate(&gates, 2).tanh();
            let h = output * c.clone().tanh();
            ((h.clone(), c), h)
        });
        (all, [h, c])
    }
}

/// A gated recurrent unit of one direction.
#[derive(Module, Debug)]
struct Gru {
    weight_ih_l0: Param<Tensor<2>>,
    weight_hh_l0: Param<Tensor<2>>,
    bias_ih_l0: Param<Tensor<1>>,
    bias_hh_l0: Param<Tensor<1>>,
    weight_ih_l0_reverse: Param<Tensor<2>>,
    weight_hh_l0_reverse: Param<Tensor<2>>,
    bias_ih_l0_reverse: Param<Tensor<1>>,
    bias_hh_l0_reverse: Param<Tensor<1>>,
}

impl Gru {
    fn new() -> Self {
        Self {
            weight_ih_l0: matrix(3, INPUTS, 5),
            weight_hh_l0: matrix(3, WIDTH, 6),
            bias_ih_l0: bias(3, 7),
            bias_hh_l0: bias(3, 8),
            weight_ih_l0_reverse: matrix(3, INPUTS, 9),
            weight_hh_l0_reverse: matrix(3, WIDTH, 10),
            bias_ih_l0_reverse: bias(3, 11),
            bias_hh_l0_reverse: bias(3, 12),
        }
    }

    fn step(input: &Tensor<2>, state: &Tensor<2>, h: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let [reset, update] = [0, 1].map(|at| sigmoid(gate(input, at) + gate(state, at)));
        let new = (gate(input, 2) + reset * gate(state, 2)).tanh();
        let h = new.clone() + update * (h - new);
        (h.clone(), h)
    }

    fn forward(&self, x: Tensor<3>) -> (Tensor<3>, [Tensor<2>; 2]) {
        let [steps, sequences, _] = x.dims();
        let first: Tensor<2> = Tensor::zeros([sequences, WIDTH], &x.device());
        let (h, all) = scan(steps, first.clone(), x.clone(), |h: Tensor<2>, x| {
            let input = map(x, &self.weight_ih_l0, &self.bias_ih_l0);
            let state = map(h.clone(), &self.weight_hh_l0, &self.bias_hh_l0);
            Self::step(&input, &state, h)
        });
        let (back, all_back) = scan_reversed(steps, first, x, |h: Tensor<2>, x| {
            let input = map(x, &self.weight_ih_l0_reverse, &self.bias_ih_l0_reverse);
            let state = map(
                h.clone(),
                &self.weight_hh_l0_reverse,
                &self.bias_hh_l0_reverse,
            );
            Self::step(&input, &state, h)
        });
        (Tensor::cat(vec![all, all_back], 2), [h, back])
    }
}

fn record<M: Module + burn::module::ModuleDisplay>(
    module: &M,
    forward: impl Fn(&M, Tensor<3>) -> (Tensor<3>, [Tensor<2>; 2]) + Copy + Send + Sync + 'static,
) -> Model {
    Recorder::new(module)
        .overload(
            "forward",
            (tensor!(f32["T", "B", INPUTS]),),
            move |module, (x,)| {
                let (all, [a, b]) = forward(module, x);
                let parts = [all.into(), a.into(), b.into()];
                Value::Tuple(parts.map(Value::Tensor).into())
            },
        )
        .finish()
        .unwrap()
}

fn data<const D: usize>(tensor: Tensor<D>) -> Data {
    let shape = tensor.dims();
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    Data::float(&shape, &values)
}

fn calls(forward: impl Fn(Tensor<3>) -> (Tensor<3>, [Tensor<2>; 2])) -> Vec<Call> {
    let call = |[steps, sequences]: [usize; 2]| {
        let x = floats([steps, sequences, INPUTS], steps, &Device::flex());
        let (all, [a, b]) = forward(x.clone());
        let parts = [data(all), data(a), data(b)];
        Call {
            method: "forward",
            args: vec![("x", data(x).into())],
            out: Arg::Tuple(parts.map(Arg::Tensor).into()),
        }
    };
    [[4, 2], [1, 1], [0, 3], [9, 5]].map(call).into()
}

#[test]
fn recurrent_layers_are_written() {
    let lstm = Lstm::new();
    let model = record(&lstm, Lstm::forward);
    let torch = json!({ "class": "LSTM", "args": [INPUTS, WIDTH], "kwargs": {} });
    write_beside("lstm", &model, &calls(|x| lstm.forward(x)), &torch);
    let gru = Gru::new();
    let model = record(&gru, Gru::forward);
    let kwargs = json!({ "bidirectional": true });
    let torch = json!({ "class": "GRU", "args": [INPUTS, WIDTH], "kwargs": kwargs });
    write_beside("gru", &model, &calls(|x| gru.forward(x)), &torch);
}
