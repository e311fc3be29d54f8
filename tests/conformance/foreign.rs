//! Modules that are not Kiln's, and forward passes that cannot be recorded.

use std::collections::BTreeMap;

use kiln::{
    burn::{
        self,
        module::{Module, Param},
        nn::{
            BatchNorm, BatchNormConfig, Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear,
            LinearConfig,
        },
        tensor::{Bool, Device, Int, Tensor, TensorData, activation::gelu},
    },
    core::{AnyTensor, Value},
    ir::{DenseOp, ElementwiseOp, Model, Op, RecordError, Recorder, Session, tensor},
};

use crate::call;

/// A residual block of Burn's own layers.
#[derive(Module, Debug)]
pub(crate) struct Block {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    stats: BatchNorm,
}

impl Block {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            norm: LayerNormConfig::new(6).init(device),
            up: LinearConfig::new(6, 24).init(device),
            down: LinearConfig::new(24, 6).with_bias(false).init(device),
            stats: BatchNormConfig::new(6).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = gelu(self.up.forward(self.norm.forward(x.clone())));
        self.stats.forward(x + self.down.forward(hidden))
    }

    pub(crate) fn record(&self) -> Model {
        Recorder::new(self)
            .overload("forward", (tensor!(f32["N", 6]),), |block: &Self, (x,)| {
                block.forward(x)
            })
            .finish()
            .unwrap()
    }
}

/// Numbers between -1 and 1.
pub(crate) fn random(shape: [usize; 2], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|i| (f32::from(u16::try_from(i).unwrap()) * 0.7).sin())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[test]
fn a_burn_mlp_with_layer_norm_and_residual_records() {
    let device = Device::flex();
    let block = Block::new(&device);
    let model = block.record();
    let names: Vec<&str> = model
        .program
        .weights
        .iter()
        .map(|w| w.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "norm.weight",
            "norm.bias",
            "up.weight",
            "up.bias",
            "down.weight",
            "stats.weight",
            "stats.bias",
            "stats.running_mean",
            "stats.running_var",
            "stats.num_batches_tracked"
        ]
    );
    let session = Session::new(&model, &device).unwrap();
    for rows in [1, 2, 33] {
        let x = random([rows, 6], &device);
        let inputs = BTreeMap::from([("x".to_owned(), AnyTensor::from(x.clone()))]);
        let got = session.run("forward", inputs).unwrap().remove(0).1;
        let expected = block.valid().forward(x).into_data();
        call::assert_close("block", &[call::download(got)], &[expected], 1e-6);
    }
}

#[test]
fn recording_leaves_the_module_where_it_was() {
    let device = Device::flex();
    let block = Block::new(&device);
    block.record();
    assert_eq!(block.devices(), [device]);
    block.forward(random([3, 6], &Device::flex())).into_data();
}

/// Burn's sums and order along axes, at sizes that were not recorded. Its order of equal elements
/// is not said, so positions are those of different ones.
#[test]
fn sums_and_order_along_axes_record() {
    type Outputs = (Tensor<2>, Tensor<2>, Tensor<2, Int>, Tensor<2, Int>);
    fn forward(x: Tensor<2>, i: Tensor<2, Int>) -> Outputs {
        let (sorted, order) = x.clone().sort_descending_with_indices(0);
        let (top, place) = x.clone().topk_with_indices(3, 1);
        let sums = x.clone().cumsum(0) + sorted + x.clone().sort(1);
        let integers = i.clone().cumsum(1) + i.clone().sort(0);
        let places = order + x.clone().argsort(0);
        let top = top + x.clone().topk(3, 1);
        (
            sums,
            top,
            integers + places,
            place + x.argtopk(3, 1) + i.topk(3, 1),
        )
    }
    let device = Device::flex();
    let module = Plain {
        lin: LinearConfig::new(4, 4).init(&device),
    };
    let inputs = (tensor!(f32["N", 4]), tensor!(i64["N", 4]));
    let recorder = Recorder::new(&module);
    let model = recorder.overload("forward", inputs, |_: &Plain, (x, i)| {
        let (sums, top, integers, places) = forward(x, i);
        Value::Tuple(vec![
            sums.into(),
            top.into(),
            integers.into(),
            places.into(),
        ])
    });
    let session = Session::new(&model.finish().unwrap(), &device).unwrap();
    for rows in [1, 2, 33, 600] {
        let x = random([rows, 4], &device);
        let i = x.clone().mul_scalar(50.0).int();
        let inputs = BTreeMap::from([
            ("x".to_owned(), AnyTensor::from(x.clone())),
            ("index".to_owned(), AnyTensor::from(i.clone())),
        ]);
        let got = session.run("forward", inputs).unwrap();
        let got: Vec<_> = got
            .into_iter()
            .map(|(_, one)| call::download(one))
            .collect();
        let (sums, top, integers, places) = forward(x, i);
        let expected = [sums, top].map(Tensor::into_data);
        call::assert_close("order", &got[..2], &expected, 1e-5);
        let expected = [integers, places].map(Tensor::into_data);
        call::assert_close("order", &got[2..], &expected, 0.0);
    }
}

/// A module whose forward pass is the test's.
#[derive(Module, Debug)]
struct Plain {
    lin: Linear,
}

/// Records a forward pass on `x [N, 4]` and `index [E]` and returns what it refuses.
fn refused(
    forward: impl Fn(&Plain, Tensor<2>, Tensor<1, Int>) -> Tensor<2> + Send + Sync + 'static,
) -> RecordError {
    let plain = Plain {
        lin: LinearConfig::new(4, 4).init(&Device::flex()),
    };
    Recorder::new(&plain)
        .overload(
            "forward",
            (tensor!(f32["N", 4]), tensor!(i64["E"])),
            move |plain: &Plain, (x, index)| forward(plain, x, index),
        )
        .finish()
        .unwrap_err()
}

#[test]
fn an_operation_without_counterpart_is_named() {
    let error = refused(|_, x, _| x.flip([0]));
    assert!(
        matches!(&error, RecordError::Unsupported { operation, .. } if operation.contains("Flip")),
        "{error}"
    );
    assert!(error.to_string().contains("in `forward`"), "{error}");
}

#[test]
fn an_unsupported_operation_in_a_layer_names_the_layer() {
    let error = refused(|plain, x, _| {
        let scope = kiln::ops::scope::layer(plain, "OddConv", "forward");
        let x = scope.input("x", x);
        scope.exit(x.cumprod(0))
    });
    let text = error.to_string();
    assert!(
        text.contains("OddConv.forward") && text.contains("CumProd"),
        "{text}"
    );
}

#[test]
fn control_flow_that_depends_on_a_size_is_refused() {
    let error = refused(|plain, x, _| {
        if x.dims()[0] > 100 {
            plain.lin.forward(x)
        } else {
            x.exp()
        }
    });
    assert!(
        matches!(error, RecordError::SizeDependent { .. }),
        "{error}"
    );
}

#[test]
fn a_float_made_from_a_size_is_refused() {
    #[expect(clippy::cast_precision_loss, reason = "the mistake under test")]
    let error = refused(|_, x, _| {
        let rows = x.dims()[0] as f32;
        x / rows
    });
    assert!(
        matches!(error, RecordError::FloatDependsOnSize { .. }),
        "{error}"
    );
}

#[test]
fn operands_of_the_wrong_type_are_refused_with_their_operation() {
    let error = refused(|_, x, index| {
        let table = index.clone().unsqueeze_dim::<2>(1);
        let product = table.clone().matmul(table.transpose());
        let [rows, _] = x.dims();
        x + product.float().slice([0..1, 0..1]).expand([rows, 4])
    });
    let text = error.to_string();
    assert!(
        matches!(&error, RecordError::Unproven { operation, .. } if operation == "Matmul"),
        "{text}"
    );
    assert!(
        text.contains("in `forward`") && text.contains("i64"),
        "{text}"
    );
}

#[test]
fn reading_a_value_is_refused() {
    let error = refused(|_, x, _| {
        let largest = x.clone().max().into_scalar::<f32>();
        if largest > 0.0 { x } else { -x }
    });
    assert!(matches!(error, RecordError::ReadsValue { .. }), "{error}");
}

#[test]
fn a_constant_whose_values_depend_on_a_size_is_refused() {
    let error = refused(|_, x, _| {
        let rows = x.dims()[0];
        let weights: Vec<f32> = (0..rows)
            .map(|i| if i % 2 == 0 { 1.0 } else { 2.0 })
            .collect();
        let weights = Tensor::<1>::from_data(TensorData::new(weights, [rows]), &x.device());
        x * weights.unsqueeze_dim(1)
    });
    assert!(
        matches!(error, RecordError::BakedConstant { .. }),
        "{error}"
    );
}

#[test]
fn a_panic_in_the_forward_pass_is_an_error() {
    let error = refused(|plain, x, _| plain.lin.forward(x.slice([0..2, 0..3])));
    assert!(matches!(error, RecordError::Panicked { .. }), "{error}");
}

#[test]
fn an_arange_over_a_symbol_is_recognised() {
    let device = Device::flex();
    let plain = Plain {
        lin: LinearConfig::new(4, 4).init(&device),
    };
    let model = Recorder::new(&plain)
        .overload("forward", (tensor!(f32["N", 4]),), |plain: &Plain, (x,)| {
            let rows = i64::try_from(x.dims()[0]).unwrap();
            let numbers = Tensor::<1, Int>::arange(0..rows, &x.device()).float();
            let even: Tensor<2, Bool> = x.clone().greater_elem(0.0);
            plain.lin.forward(x).mask_fill(even, 0.0) + numbers.unsqueeze_dim::<2>(1)
        })
        .finish()
        .unwrap();
    let session = Session::new(&model, &device).unwrap();
    let x = random([5, 4], &device);
    let inputs = BTreeMap::from([("x".to_owned(), AnyTensor::from(x.clone()))]);
    let got = call::download(session.run("forward", inputs).unwrap().remove(0).1);
    let numbers = Tensor::<1, Int>::arange(0..5, &device)
        .float()
        .unsqueeze_dim::<2>(1);
    let expected = plain
        .lin
        .forward(x.clone())
        .mask_fill(x.greater_elem(0.0), 0.0)
        + numbers;
    call::assert_close("arange", &[got], &[expected.into_data()], 1e-6);
}

/// A linear layer of one's own, with PyTorch's layout.
#[derive(Module, Debug)]
struct Projection {
    map: own::Linear,
}

mod own {
    use super::{Module, Param, Tensor, burn};

    #[derive(Module, Debug)]
    pub(super) struct Linear {
        pub(super) weight: Param<Tensor<2>>,
    }
}

#[test]
fn a_layer_that_is_called_linear_keeps_its_layout() {
    let device = Device::flex();
    let weight = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device);
    let projection = Projection {
        map: own::Linear {
            weight: Param::from_tensor(weight),
        },
    };
    let forward =
        |projection: &Projection, x: Tensor<2>| x.matmul(projection.map.weight.val().transpose());
    let model = Recorder::new(&projection)
        .overload(
            "forward",
            (tensor!(f32["N", 3]),),
            move |projection: &Projection, (x,)| forward(projection, x),
        )
        .finish()
        .unwrap();
    assert_eq!(model.program.weights[0].shape, [2, 3]);
    let stored = model.weights.get("map.weight").unwrap().bytes;
    let expected: Vec<u8> = (1..=6_u8)
        .flat_map(|x| f32::from(x).to_le_bytes())
        .collect();
    assert_eq!(stored, expected);
    let x = random([5, 3], &device);
    let inputs = BTreeMap::from([("x".to_owned(), AnyTensor::from(x.clone()))]);
    let session = Session::new(&model, &device).unwrap();
    let got = call::download(session.run("forward", inputs).unwrap().remove(0).1);
    call::assert_close("own", &[got], &[forward(&projection, x).into_data()], 1e-6);
}

#[test]
fn batch_norms_know_their_momentum() {
    let momenta = |model: &Model| -> Vec<Option<f64>> {
        let nodes = model
            .program
            .functions
            .iter()
            .flat_map(|function| &function.nodes);
        nodes
            .filter_map(|node| match node.op {
                Op::Dense(DenseOp::BatchNorm { momentum, .. }) => {
                    Some(momentum.map(|momentum| momentum.0))
                }
                _ => None,
            })
            .collect()
    };
    let device = Device::flex();
    let mut block = Block::new(&device);
    assert_eq!(momenta(&block.record()), [Some(0.1)]);
    block.stats = BatchNormConfig::new(6).with_momentum(0.25).init(&device);
    assert_eq!(momenta(&block.record()), [Some(0.25)]);
    // With gradients or without: what counts is what training would do.
    assert_eq!(momenta(&block.clone().train().record()), [Some(0.25)]);
    assert_eq!(momenta(&block.valid().record()), [Some(0.25)]);
    block.stats = block.stats.freeze();
    assert_eq!(momenta(&block.record()), [None]);
}

/// A layer of Burn's that acts on tensors with gradients alone.
#[derive(Module, Debug)]
struct Dropping {
    lin: Linear,
    drop: Dropout,
}

#[test]
fn dropout_that_a_recording_cannot_see_is_refused() {
    let device = Device::flex();
    let with = |prob| Dropping {
        lin: LinearConfig::new(4, 4).init(&device),
        drop: DropoutConfig::new(prob).init(),
    };
    let recorder = |module: &Dropping| {
        Recorder::new(module)
            .overload(
                "forward",
                (tensor!(f32["N", 4]),),
                |module: &Dropping, (x,)| module.drop.forward(module.lin.forward(x)),
            )
            .finish()
    };
    let error = recorder(&with(0.5)).unwrap_err();
    assert!(
        matches!(&error, RecordError::UnseenTraining { layers } if layers == "drop"),
        "{error}"
    );
    recorder(&with(0.0)).unwrap();
    recorder(&with(0.5).freeze()).unwrap();
    Recorder::new(&with(0.5))
        .overload(
            "forward",
            (tensor!(f32["N", 4]),),
            |module: &Dropping, (x,)| module.drop.forward(module.lin.forward(x)),
        )
        .inference_only()
        .finish()
        .unwrap();
}

/// A module that does something else while it is trained.
#[derive(Module, Debug)]
struct Moody {
    lin: Linear,
    drop: kiln::nn::Dropout,
}

#[test]
fn training_that_a_program_cannot_say_is_refused() {
    let device = Device::flex();
    let moody = Moody {
        lin: LinearConfig::new(4, 4).init(&device),
        drop: kiln::nn::Dropout::new(0.5),
    };
    let recorder = || {
        Recorder::new(&moody).overload("forward", (tensor!(f32["N", 4]),), |moody: &Moody, (x,)| {
            let x = moody.lin.forward(x);
            if moody.drop.is_training.is_enabled() {
                x.exp()
            } else {
                x
            }
        })
    };
    let error = recorder().finish().unwrap_err();
    assert!(
        matches!(error, RecordError::ModeDependent { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("Unary"), "{error}");
    let model = recorder().inference_only().finish().unwrap();
    let nodes = model
        .program
        .functions
        .iter()
        .flat_map(|function| &function.nodes);
    assert!(
        nodes
            .into_iter()
            .all(|node| !matches!(node.op, Op::Elementwise(ElementwiseOp::Unary { .. })))
    );
}
