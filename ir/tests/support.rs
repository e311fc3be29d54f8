//! The device under test, and tensors on it.

use std::{
    collections::BTreeMap,
    env,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use kiln_core::{AnyTensor, Kind, backend};

/// Tensors by the names of inputs.
pub(crate) type Inputs = BTreeMap<String, AnyTensor>;

/// Name of the backend under test.
pub(crate) fn backend_name() -> String {
    env::var("KILN_TEST_BACKEND").unwrap_or_else(|_| "flex".to_owned())
}

/// The device under test. While it notes launches, no other thread may use it.
pub(crate) fn device() -> (Device, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (backend::device(&backend_name()).unwrap(), guard)
}

/// Multiples of 1/8 between -1 and 2.
pub(crate) fn floats<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> AnyTensor {
    let count = shape.iter().product();
    let value = |i: usize| f32::from(i16::try_from((i * 37 + seed * 11) % 23).unwrap()) / 8.0 - 1.0;
    let data = TensorData::new((0..count).map(value).collect(), shape);
    Tensor::<D>::from_data(data, (device, DType::F32)).into()
}

/// Edges from pairs of source and target.
pub(crate) fn edges(pairs: &[[i64; 2]], device: &Device) -> AnyTensor {
    let ends = |end: usize| pairs.iter().map(move |pair| pair[end]);
    let values: Vec<i64> = ends(0).chain(ends(1)).collect();
    Tensor::<2, Int>::from_data(TensorData::new(values, [2, pairs.len()]), device).into()
}

/// One input.
pub(crate) fn one(name: &str, tensor: AnyTensor) -> Inputs {
    BTreeMap::from([(name.to_owned(), tensor)])
}

/// Shape and values.
pub(crate) fn values(tensor: AnyTensor) -> (Vec<usize>, Vec<f64>) {
    let shape = tensor.shape().iter().copied().collect();
    let data = match (tensor.kind(), tensor.shape().num_dims()) {
        (Kind::Float, 1) => tensor.float::<1>().into_data(),
        (Kind::Float, 2) => tensor.float::<2>().into_data(),
        (Kind::Int, 1) => tensor.int::<1>().into_data(),
        (Kind::Bool, 1) => tensor.bool::<1>().int().into_data(),
        _ => panic!("no such test output"),
    };
    (shape, data.convert_dtype(DType::F64).try_to_vec().unwrap())
}

/// Requires equality up to `tolerance`, relative to 1 or to the expected value if that is larger.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: AnyTensor, expected: AnyTensor, tolerance: f64) {
    let ((shape, got), (expected_shape, expected)) = (values(got), values(expected));
    assert_eq!(shape, expected_shape, "{what}");
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs().max(1.0);
    assert!(
        got.iter().zip(&expected).all(near),
        "{what}: {got:?}, expected {expected:?}"
    );
}
