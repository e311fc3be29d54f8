//! The device under test, tensors on it, and random graphs.

use std::sync::LazyLock;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use proptest::prelude::*;

/// Name of the backend under test.
pub(crate) static BACKEND: LazyLock<String> =
    LazyLock::new(|| std::env::var("KILN_TEST_BACKEND").unwrap_or_else(|_| "flex".to_owned()));

/// The device under test.
pub(crate) fn device() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| {
        kiln_core::backend::device(&BACKEND).unwrap_or_else(|error| panic!("{error}"))
    });
    DEVICE.clone()
}

/// Whether the CPU reference backend is under test, which has `f64` and checks indices.
pub(crate) fn is_flex() -> bool {
    *BACKEND == "flex"
}

/// The widest float type of a device.
pub(crate) fn float_type(device: &Device) -> DType {
    if *device == Device::flex() {
        DType::F64
    } else {
        DType::F32
    }
}

/// Allowed error, relative to 1 or to the expected value if that is larger.
pub(crate) fn tolerance() -> f64 {
    if is_flex() { 1e-9 } else { 2e-4 }
}

/// A float tensor of [`float_type`].
pub(crate) fn floats<const D: usize>(
    values: &[f64],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(values.to_vec(), shape),
        (device, float_type(device)),
    )
}

/// An index tensor of the device's default type.
pub(crate) fn ints(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values
        .iter()
        .map(|&value| i64::try_from(value).unwrap())
        .collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values of a float tensor.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// The values of an index tensor.
pub(crate) fn read_ints(tensor: Tensor<1, Int>) -> Vec<usize> {
    tensor
        .into_data()
        .iter::<i64>()
        .map(|value| usize::try_from(value).unwrap())
        .collect()
}

/// Requires equality up to [`tolerance`] times `scale`.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: &[f64], expected: &[f64], scale: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(
            error <= scale * tolerance() * expected.abs().max(1.0),
            "{what}: value {i} is {got}, expected {expected}"
        );
    }
}

/// A bipartite graph with features of its sources and edges.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) num_src: usize,
    pub(crate) num_dst: usize,
    pub(crate) width: usize,
    pub(crate) src: Vec<usize>,
    pub(crate) dst: Vec<usize>,
    /// `[num_src, width]`
    pub(crate) x: Vec<f64>,
    /// `[E]`
    pub(crate) weight: Vec<f64>,
    /// `[E, width]`
    pub(crate) messages: Vec<f64>,
}

impl Case {
    pub(crate) fn num_edges(&self) -> usize {
        self.src.len()
    }

    /// Row pointers of the edges sorted by destination, and the sorting permutation.
    pub(crate) fn csr(&self) -> (Vec<usize>, Vec<usize>) {
        let mut perm: Vec<usize> = (0..self.num_edges()).collect();
        perm.sort_by_key(|&e| self.dst[e]);
        let ptr = (0..=self.num_dst)
            .map(|i| self.dst.iter().filter(|&&dst| dst < i).count())
            .collect();
        (ptr, perm)
    }
}

/// Random cases. `value` makes one feature; few nodes and many edges give duplicates, many nodes
/// and few edges give empty rows.
pub(crate) fn cases<S: Strategy<Value = f64> + Clone + 'static>(
    max_nodes: usize,
    max_edges: usize,
    max_width: usize,
    value: S,
) -> impl Strategy<Value = Case> {
    (0..=max_nodes, 0..=max_nodes, 1..=max_width).prop_flat_map(move |(num_src, num_dst, width)| {
        let edges = if num_src == 0 || num_dst == 0 {
            0
        } else {
            max_edges
        };
        let ends = (0..num_src.max(1), 0..num_dst.max(1));
        let value = value.clone();
        let values = move |count| prop::collection::vec(value.clone(), count);
        (
            prop::collection::vec(ends, 0..=edges),
            values(num_src * width),
        )
            .prop_flat_map({
                let values = values.clone();
                move |(edges, x)| {
                    let count = edges.len();
                    (Just(edges), Just(x), values(count), values(count * width))
                }
            })
            .prop_map(move |(edges, x, weight, messages)| {
                let (src, dst) = edges.into_iter().unzip();
                Case {
                    num_src,
                    num_dst,
                    width,
                    src,
                    dst,
                    x,
                    weight,
                    messages,
                }
            })
    })
}

/// Multiples of 1/4 between -2 and 2: with ties and zeros.
pub(crate) fn coarse() -> impl Strategy<Value = f64> + Clone + 'static {
    (-8_i8..=8).prop_map(|value| f64::from(value) / 4.0)
}

/// Numbers between -1 and 1 that hardly ever coincide.
pub(crate) fn fine() -> impl Strategy<Value = f64> + Clone + 'static {
    -1.0..1.0_f64
}

/// Numbers that look random, the same in each run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// Between -1 and 1, exact in `f32` too.
    pub(crate) fn float(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 40).unwrap();
        f64::from(bits) / f64::from(1_u32 << 23) - 1.0
    }

    pub(crate) fn floats(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.float()).collect()
    }
}
