//! Calls of typed forward variants with plain data: random inputs for any sizes, and the eager
//! result that every other way of running must equal.

use std::collections::BTreeMap;

use kiln::{
    burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData},
    core::{
        Adjacency, AnyTensor, EdgeIndex, Kind, Value,
        signature::{Dim, Signature, Type},
    },
    nn::Overload,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Tensors by the names of a method's leaves.
pub(crate) type Inputs = BTreeMap<String, TensorData>;

/// Values of the symbols.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) nodes: usize,
    pub(crate) targets: usize,
    pub(crate) edges: usize,
}

impl Sizes {
    /// Value of a dimension; groups are as many as targets, and a symbol of no graph is 3.
    fn get(&self, dim: &Dim) -> usize {
        match dim {
            Dim::Fixed(size) => *size,
            Dim::Symbol(name) => match name.as_str() {
                "N" => self.nodes,
                "M" | "G" | "hyperedges" => self.targets,
                "E" => self.edges,
                _ => 3,
            },
        }
    }
}

/// Random inputs of a signature; `optional` tells whether optional ones are there.
pub(crate) fn random_inputs(
    signature: &Signature,
    sizes: Sizes,
    optional: bool,
    seed: u64,
) -> Inputs {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut inputs = Inputs::new();
    for param in &signature.params {
        fill(
            &param.ty,
            &param.name,
            sizes,
            optional,
            &mut rng,
            &mut inputs,
        );
    }
    inputs
}

fn fill(
    ty: &Type,
    name: &str,
    sizes: Sizes,
    optional: bool,
    rng: &mut StdRng,
    inputs: &mut Inputs,
) {
    let mut floats = |shape: Vec<usize>| {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        TensorData::new(values, shape)
    };
    match ty {
        Type::Tensor {
            kind: Kind::Float,
            dtype: None | Some(DType::F32),
            dims,
        } => {
            let data = floats(dims.iter().map(|dim| sizes.get(dim)).collect());
            inputs.insert(name.to_owned(), data);
        }
        // The group of each row.
        Type::Tensor {
            kind: Kind::Int,
            dims,
            ..
        } if name == "index" => {
            let rows = sizes.get(&dims[0]);
            let index = (0..rows).map(|_| int(rng.random_range(0..sizes.targets)));
            let data = TensorData::new(index.collect::<Vec<_>>(), [rows]);
            inputs.insert(name.to_owned(), data);
        }
        // Where the nodes of each type start, and the last ones end.
        Type::Tensor {
            kind: Kind::Int,
            dims,
            ..
        } if name == "type_ptr" => {
            let between = sizes.get(&dims[0]) - 2;
            let ends = (0..between).map(|_| int(rng.random_range(0..=sizes.nodes)));
            let mut ptr: Vec<i64> = [0, int(sizes.nodes)].into_iter().chain(ends).collect();
            ptr.sort_unstable();
            let length = ptr.len();
            inputs.insert(name.to_owned(), TensorData::new(ptr, [length]));
        }
        Type::Int(size) => {
            let size = vec![int(sizes.get(size))];
            inputs.insert(name.to_owned(), TensorData::new(size, [1]));
        }
        // Which nodes are there: all of the first graph, and of others some.
        Type::Tensor {
            kind: Kind::Bool,
            dims,
            ..
        } => {
            let shape: Vec<usize> = dims.iter().map(|dim| sizes.get(dim)).collect();
            let (count, first) = (shape.iter().product(), shape[1]);
            let there = (0..count).map(|at: usize| at % 3 != 1 || at < first);
            inputs.insert(
                name.to_owned(),
                TensorData::new(there.collect::<Vec<bool>>(), shape),
            );
        }
        // Types of edges, graphs of nodes, and numbers of embeddings.
        Type::Tensor {
            kind: Kind::Int,
            dtype: None,
            dims,
        } => {
            let shape: Vec<usize> = dims.iter().map(|dim| sizes.get(dim)).collect();
            let count = shape.iter().product();
            let values: Vec<i64> = (0..count).map(|_| rng.random_range(0..3)).collect();
            inputs.insert(name.to_owned(), TensorData::new(values, shape));
        }
        Type::Tensor { kind, .. } => panic!("no random values for `{name}` of kind {kind:?}"),
        Type::EdgeIndex { src, dst, edges } => {
            let (src, dst, edges) = (sizes.get(src), sizes.get(dst), sizes.get(edges));
            let mut index = Vec::with_capacity(2 * edges);
            for count in [src, dst] {
                index.extend((0..edges).map(|_| int(rng.random_range(0..count))));
            }
            inputs.insert(name.to_owned(), TensorData::new(index, [2, edges]));
        }
        Type::Adjacency { src, dst, edges } => {
            let (src, dst, edges) = (sizes.get(src), sizes.get(dst), sizes.get(edges));
            let mut rows: Vec<(usize, usize)> = (0..edges)
                .map(|_| (rng.random_range(0..dst), rng.random_range(0..src)))
                .collect();
            rows.sort_unstable();
            let rowptr: Vec<i64> = (0..=dst)
                .map(|row| int(rows.partition_point(|&(r, _)| r < row)))
                .collect();
            let col: Vec<i64> = rows.iter().map(|&(_, col)| int(col)).collect();
            inputs.insert(format!("{name}.rowptr"), TensorData::new(rowptr, [dst + 1]));
            inputs.insert(format!("{name}.col"), TensorData::new(col, [edges]));
            if optional {
                let value = (0..edges)
                    .map(|_| rng.random_range(0.1..1.0))
                    .collect::<Vec<f32>>();
                inputs.insert(format!("{name}.value"), TensorData::new(value, [edges]));
            }
        }
        Type::Optional(inner) if optional => fill(inner, name, sizes, true, rng, inputs),
        Type::Tuple(items) => {
            for (position, item) in items.iter().enumerate() {
                fill(
                    item,
                    &format!("{name}.{position}"),
                    sizes,
                    optional,
                    rng,
                    inputs,
                );
            }
        }
        Type::Size { src, dst } => {
            let size = vec![int(sizes.get(src)), int(sizes.get(dst))];
            inputs.insert(name.to_owned(), TensorData::new(size, [2]));
        }
        Type::Optional(_) | Type::Flag | Type::OneOf(_) => {}
        other => panic!("no layer takes {other:?} as `{name}`"),
    }
    // Half of the nodes of dense graphs are no neighbours, but each is its own.
    if name == "adj"
        && let Some(data) = inputs.get_mut(name)
    {
        let (shape, nodes) = (data.shape().clone(), data.shape()[2]);
        let entry = |(at, weight): (usize, f32)| {
            let is_loop = at % nodes == at / nodes % nodes;
            if is_loop {
                weight.abs() + 0.1
            } else {
                weight.max(0.0)
            }
        };
        let entries = data.iter::<f32>().enumerate().map(entry);
        *data = TensorData::new(entries.collect::<Vec<f32>>(), shape);
    }
    // Edge weights that add up to a negative degree make a normalised layer NaN, as in PyG, and
    // eigenvalues near zero make large numbers.
    let least = match name {
        "edge_weight" | "hyperedge_weight" => Some(0.1),
        "lambda_max" => Some(1.0),
        _ => None,
    };
    if let Some(least) = least
        && let Some(data) = inputs.get_mut(name)
    {
        let positive: Vec<f32> = data.iter::<f32>().map(|w| w.abs() + least).collect();
        *data = TensorData::new(positive, data.shape().clone());
    }
}

fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

/// Numbers of sources and targets of the edges that a signature declares.
pub(crate) fn counts(signature: &Signature, sizes: Sizes) -> [usize; 2] {
    let mut types = signature.params.iter().map(|param| &param.ty);
    let ends = types.find_map(|ty| match ty {
        Type::EdgeIndex { src, dst, .. } | Type::Adjacency { src, dst, .. } => Some([src, dst]),
        _ => None,
    });
    ends.map_or([sizes.nodes; 2], |ends| ends.map(|dim| sizes.get(dim)))
}

/// Calls a variant eagerly; its results are flat, in order.
pub(crate) fn eager<M>(
    module: &M,
    overload: &Overload<M>,
    inputs: &Inputs,
    [nodes, targets]: [usize; 2],
    device: &Device,
) -> Vec<TensorData> {
    let results = on_device(module, overload, inputs, [nodes, targets], device);
    results.into_iter().map(download).collect()
}

/// The same with results that stay on the device.
pub(crate) fn on_device<M>(
    module: &M,
    overload: &Overload<M>,
    inputs: &Inputs,
    counts: [usize; 2],
    device: &Device,
) -> Vec<AnyTensor> {
    flat(value(module, overload, inputs, counts, device))
}

/// The same with its structure.
pub(crate) fn value<M>(
    module: &M,
    overload: &Overload<M>,
    inputs: &Inputs,
    counts: [usize; 2],
    device: &Device,
) -> Value {
    let params = overload.signature.params.iter();
    let arguments = params
        .map(|param| argument(&param.ty, &param.name, inputs, counts, device))
        .collect();
    overload.call(module, arguments)
}

/// The tensors of a result, in order.
pub(crate) fn flat(value: Value) -> Vec<AnyTensor> {
    let mut results = Vec::new();
    flatten(value, &mut results);
    results
}

fn argument(
    ty: &Type,
    name: &str,
    inputs: &Inputs,
    [nodes, targets]: [usize; 2],
    device: &Device,
) -> Value {
    let tensor = |name: &str| inputs.get(name).map(|data| upload(data.clone(), device));
    match ty {
        Type::Tensor { .. } => tensor(name).map_or(Value::None, Value::Tensor),
        Type::EdgeIndex { src, dst, .. } => {
            let index: Tensor<2, Int> = tensor(name).unwrap().int();
            let (nodes, targets) = (fixed(src, nodes), fixed(dst, targets));
            Value::EdgeIndex(EdgeIndex::new(index, nodes, targets).unwrap())
        }
        Type::Adjacency { src, .. } => {
            let nodes = fixed(src, nodes);
            let part = |part: &str| tensor(&format!("{name}.{part}"));
            let (rowptr, col) = (part("rowptr").unwrap().int(), part("col").unwrap().int());
            let value = part("value").map(AnyTensor::float);
            Value::Adjacency(Adjacency::new(rowptr, col, value, nodes).unwrap())
        }
        Type::Optional(inner) => argument(inner, name, inputs, [nodes, targets], device),
        Type::Tuple(items) => Value::Tuple(
            items
                .iter()
                .enumerate()
                .map(|(position, item)| {
                    let name = format!("{name}.{position}");
                    argument(item, &name, inputs, [nodes, targets], device)
                })
                .collect(),
        ),
        Type::Int(_) => {
            let size = inputs[name].iter::<i64>().next().unwrap();
            Value::Int(usize::try_from(size).unwrap())
        }
        Type::OneOf(literals) => Value::Literal(literals[0].clone()),
        Type::Size { .. } | Type::Flag => Value::None,
        other => panic!("no layer takes {other:?} as `{name}`"),
    }
}

/// A number of nodes, unless the model fixes it.
fn fixed(dim: &Dim, nodes: usize) -> usize {
    match dim {
        Dim::Fixed(nodes) => *nodes,
        Dim::Symbol(_) => nodes,
    }
}

fn flatten(value: Value, results: &mut Vec<AnyTensor>) {
    match value {
        Value::Tensor(tensor) => results.push(tensor),
        Value::EdgeIndex(edges) => results.push(edges.tensor().into()),
        Value::Adjacency(adjacency) => {
            results.push(adjacency.rowptr().into());
            results.push(adjacency.col().into());
            results.extend(adjacency.value().map(AnyTensor::from));
        }
        Value::Tuple(items) => items.into_iter().for_each(|item| flatten(item, results)),
        Value::Dict(entries) => entries
            .into_iter()
            .for_each(|(_, item)| flatten(item, results)),
        Value::None => {}
        other => panic!("expected results made of tensors, got {other:?}"),
    }
}

/// Data on a device, of any rank and kind.
pub(crate) fn upload(data: TensorData, device: &Device) -> AnyTensor {
    let (is_float, is_bool) = (data.dtype().is_float(), data.dtype().is_bool());
    macro_rules! ranks {
        ($($rank:literal),*) => {
            match (data.shape().num_dims(), is_float) {
                $(
                    ($rank, _) if is_bool => AnyTensor::from(Tensor::<$rank, Bool>::from_data(data, device)),
                    ($rank, true) => AnyTensor::from(Tensor::<$rank>::from_data(data, device)),
                    ($rank, false) => AnyTensor::from(Tensor::<$rank, Int>::from_data(data, device)),
                )*
                (rank, _) => panic!("rank {rank}"),
            }
        };
    }
    ranks!(1, 2, 3)
}

/// Data of a tensor of any rank and kind; floats as `f32`, integers as `i64`.
pub(crate) fn download(tensor: AnyTensor) -> TensorData {
    macro_rules! ranks {
        ($($rank:literal),*) => {
            match (tensor.shape().num_dims(), tensor.kind()) {
                $(
                    ($rank, Kind::Float) => tensor.float::<$rank>().into_data().convert_dtype(DType::F32),
                    ($rank, _) => tensor.int::<$rank>().into_data().convert_dtype(DType::I64),
                )*
                (rank, _) => panic!("rank {rank}"),
            }
        };
    }
    ranks!(1, 2, 3)
}

/// Largest difference of results, relative to the largest number of each.
///
/// # Panics
/// If there are other results, of other shapes, or numbers that are finite on one side only.
pub(crate) fn worst_error(name: &str, got: &[TensorData], expected: &[TensorData]) -> f64 {
    assert_eq!(got.len(), expected.len(), "{name}: number of results");
    let mut worst: f64 = 0.0;
    for (position, (got, expected)) in got.iter().zip(expected).enumerate() {
        let place = format!("{name}: result {position}");
        assert_eq!(got.shape(), expected.shape(), "{place}: shape");
        let values = expected.iter::<f64>().filter(|x| x.is_finite());
        let scale = values.fold(1.0, |scale: f64, x| scale.max(x.abs()));
        for (index, (a, b)) in got.iter::<f64>().zip(expected.iter::<f64>()).enumerate() {
            if a.is_nan() && b.is_nan() || a.is_infinite() && a.total_cmp(&b).is_eq() {
                continue;
            }
            let error = (a - b).abs() / scale;
            assert!(error.is_finite(), "{place}, element {index}: {a} != {b}");
            worst = worst.max(error);
        }
    }
    worst
}

/// Asserts that results are equal within `tolerance`, relative to the largest value.
pub(crate) fn assert_close(
    name: &str,
    got: &[TensorData],
    expected: &[TensorData],
    tolerance: f64,
) {
    let error = worst_error(name, got, expected);
    assert!(
        error <= tolerance,
        "{name}: differs by {error:.1e}, more than {tolerance:.0e}"
    );
}
