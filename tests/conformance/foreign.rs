//! Modules that are not Kiln's, and forward passes that cannot be recorded.

use std::collections::BTreeMap;

use kiln::{
    burn::{
        self,
        module::Module,
        nn::{BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig},
        tensor::{Bool, Device, Int, Tensor, TensorData, activation::gelu},
    },
    core::AnyTensor,
    ir::{Model, RecordError, Recorder, Session, tensor},
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
    let error = refused(|_, x, _| x.sort(0));
    assert!(
        matches!(&error, RecordError::Unsupported { operation, .. } if operation.contains("Sort")),
        "{error}"
    );
    assert!(error.to_string().contains("in `forward`"), "{error}");
}

#[test]
fn an_unsupported_operation_in_a_layer_names_the_layer() {
    let error = refused(|plain, x, _| {
        let scope = kiln::ops::scope::layer(plain, "OddConv", "forward");
        let x = scope.input("x", x);
        scope.exit(x.cumsum(0))
    });
    let text = error.to_string();
    assert!(
        text.contains("OddConv.forward") && text.contains("CumSum"),
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
fn a_size_that_is_no_polynomial_is_refused() {
    let error = refused(|_, x, _| {
        let half = x.dims()[0] / 2;
        x.narrow(0, 0, half)
    });
    assert!(
        matches!(error, RecordError::NotPolynomial { .. }),
        "{error}"
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
