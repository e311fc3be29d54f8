//! The fixtures that real PyG wrote: `pyg/data`, made by `pyg/generate.py`, which says what is in
//! them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use burn::tensor::{BoolStore, DType, Device, TensorData};
use flate2::read::GzDecoder;
use kiln_core::{
    Kind as ElementKind,
    signature::{Signature, Type},
};
use kiln_nn::{AnyLayer, build::from_args, store::StateDict};

/// The folder of the fixtures, from this package or from the workspace's root.
pub(crate) fn data() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = package.join("tests/pyg/data");
    if here.exists() {
        here
    } else {
        package.join("nn/tests/pyg/data")
    }
}

/// One fixture: its description and its tensors.
pub(crate) struct Fixture {
    /// File name without extension.
    pub(crate) name: String,
    /// PyG's class or function name.
    pub(crate) conv: String,
    /// Constructor arguments.
    pub(crate) kwargs: serde_json::Value,
    /// Which forward variant.
    pub(crate) variant: String,
    /// Numbers of source and target nodes, and of graphs where they are given; for pooling, of
    /// graphs; for aggregations, of groups.
    pub(crate) size: Vec<usize>,
    pub(crate) tensors: BTreeMap<String, TensorData>,
}

impl Fixture {
    pub(crate) fn new(
        name: &str,
        case: &serde_json::Value,
        tensors: BTreeMap<String, TensorData>,
    ) -> Self {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let size = match &case["size"] {
            serde_json::Value::Array(sizes) => sizes.clone(),
            size => vec![size.clone()],
        };
        Self {
            name: name.to_owned(),
            conv: text("conv"),
            kwargs: case["kwargs"].clone(),
            variant: text("variant"),
            size: size
                .iter()
                .map(|n| usize::try_from(n.as_u64().unwrap()).unwrap())
                .collect(),
            tensors,
        }
    }

    /// The cases of the folder `nonfinite`, which `pyg/nonfinite.py` wrote: of each, the runs with
    /// another element of the inputs replaced. Gradients are [`Kind`]s.
    pub(crate) fn nonfinite() -> Vec<Vec<Self>> {
        let folder = data().with_file_name("nonfinite");
        let files = std::fs::read_dir(&folder).unwrap();
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let runs = |(name, case, tensors): (String, serde_json::Value, _)| {
            let runs = case["runs"].as_array().unwrap().iter().enumerate();
            runs.map(|(number, run)| Self::nonfinite_run(&name, &case, &tensors, number, run))
                .collect()
        };
        paths
            .iter()
            .flat_map(|path| cases(path))
            .map(runs)
            .collect()
    }

    fn nonfinite_run(
        name: &str,
        case: &serde_json::Value,
        tensors: &BTreeMap<String, TensorData>,
        number: usize,
        run: &serde_json::Value,
    ) -> Self {
        let mut tensors = tensors.clone();
        for (name, tensor) in &mut tensors {
            let is_result = name.starts_with("out.") || name.starts_with("grad.");
            if is_result && tensor.dtype() != DType::I64 {
                *tensor = row(tensor, number);
            }
        }
        let (input, value) = (run[0].as_str().unwrap(), run[2].as_str().unwrap());
        let index = run[1].as_array().unwrap().iter();
        let index: Vec<_> = index
            .map(|i| usize::try_from(i.as_u64().unwrap()).unwrap())
            .collect();
        let changed = tensors.get_mut(&format!("in.{input}")).unwrap();
        let axes = index.iter().zip(changed.shape().iter());
        let position = axes.fold(0, |position, (i, length)| position * length + i);
        changed.as_mut_slice::<f32>().unwrap()[position] = value.parse().unwrap();
        Self::new(
            &format!("{name} with {input}{index:?} = {value}"),
            case,
            tensors,
        )
    }

    /// Whether it is a pooling function's.
    pub(crate) fn is_pool(&self) -> bool {
        self.conv.starts_with("global_")
    }

    /// The fixtures of a layer, model or pooling function.
    pub(crate) fn all(conv: &str) -> Vec<Self> {
        let cases = cases(&data().join(format!("{conv}.safetensors.gz"))).into_iter();
        cases
            .map(|(name, case, tensors)| Self::new(&name, &case, tensors))
            .collect()
    }

    /// The tensors below a prefix.
    pub(crate) fn below(&self, prefix: &str) -> BTreeMap<String, TensorData> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
            })
            .collect()
    }

    /// Whether a gradient, such as `param.lin.weight`, is a product with other rows than in PyG:
    /// where the map and the sum are in the order that makes narrower messages, which is not PyG's,
    /// the map's gradient takes all rows of `x` in place of the sums, or the reverse. And where
    /// nodes are mapped once, and not once per edge.
    pub(crate) fn is_by_another_order(&self, gradient: &str) -> bool {
        let maps = match self.conv.as_str() {
            "RGCNConv" | "FastRGCNConv" => &["weight"][..],
            "SignedConv" => &["lin_pos_l.weight", "lin_neg_l.weight"],
            "SAGPooling" => &["gnn.lin_rel.weight"],
            _ => &["lin.weight", "lin_l.weight", "lin_rel.weight"],
        };
        let mut cases = ["-widening ", "-narrowing "].iter();
        let by_width = maps.iter().any(|map| gradient == format!("param.{map}"))
            && cases.any(|case| self.name.contains(case));
        let has = |config: &str| self.name.contains(&format!("-{config} "));
        let maps_ends: &[&str] = match self.conv.as_str() {
            "ASAPooling" => &["att.weight"],
            "EdgePooling" => &["lin.weight"],
            "CGConv" => &["lin_f.weight", "lin_s.weight"],
            "FeaStConv" => &["lin.weight", "u.weight"],
            "GeneralConv" => &["lin_msg.weight", "att_msg"],
            // From the end one element is read, since the others have no effect.
            "LSTMAggregation" => &[
                "lstm.weight_ih_l0_reverse",
                "lstm.weight_hh_l0_reverse",
                "lstm.bias_ih_l0_reverse",
                "lstm.bias_hh_l0_reverse",
            ],
            "HypergraphConv" => &["att"],
            "ResGatedGraphConv" if has("edge_dim") => {
                &["lin_key.weight", "lin_query.weight", "lin_value.weight"]
            }
            "RGATConv" => &["weight", "q", "k"],
            "SuperGATConv" if has("no_self_loops") => &["att_l", "att_r"],
            _ => &[],
        };
        let parameter = gradient.strip_prefix("param.").unwrap_or_default();
        let is_first = parameter.contains("pre_nns.") && parameter.ends_with(".0.weight");
        let is_first = ["PNA", "PNAConv"].contains(&self.conv.as_str()) && is_first;
        by_width || is_first || maps_ends.contains(&parameter)
    }

    /// The module with the fixture's parameters.
    pub(crate) fn module(&self, device: &Device) -> AnyLayer {
        let module = from_args(&self.conv, &self.kwargs, device).unwrap();
        StateDict {
            tensors: self.below("param."),
        }
        .load_into(module)
        .unwrap()
    }
}

/// Whether a number is finite, and if not, what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Finite,
    Nan,
    Infinite,
    NegativeInfinite,
}

impl Kind {
    pub(crate) fn of(value: f64) -> Self {
        match value {
            f64::INFINITY => Self::Infinite,
            f64::NEG_INFINITY => Self::NegativeInfinite,
            value if value.is_nan() => Self::Nan,
            _ => Self::Finite,
        }
    }
}

/// What is wrong with a result, if anything: where it is not finite, it must be the same number.
pub(crate) fn difference(
    got: &TensorData,
    expected: &TensorData,
    tolerance: f64,
) -> Option<String> {
    if got.shape() != expected.shape() {
        let (got, expected) = (got.shape(), expected.shape());
        return Some(format!("shape {got:?}, PyG {expected:?}"));
    }
    let finite = expected.iter::<f64>().filter(|value| value.is_finite());
    let scale = finite.fold(1e-2, |scale: f64, value| value.abs().max(scale));
    let mut pairs = got.iter::<f64>().zip(expected.iter::<f64>()).enumerate();
    pairs.find_map(|(at, (got, expected))| {
        let close = (got - expected).abs() <= tolerance * scale;
        let fits = Kind::of(got) == Kind::of(expected) && (close || !expected.is_finite());
        (!fits).then(|| format!("[{at}] = {got}, PyG {expected}"))
    })
}

/// The bytes of a compressed file.
fn read(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The cases of a file in the order of their names: name, description and tensors.
pub(crate) fn cases(path: &Path) -> Vec<(String, serde_json::Value, BTreeMap<String, TensorData>)> {
    let bytes = read(path);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let described: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["cases"]).unwrap();
    let mut tensors: BTreeMap<String, BTreeMap<String, TensorData>> = BTreeMap::new();
    for (name, view) in safetensors::SafeTensors::deserialize(&bytes)
        .unwrap()
        .tensors()
    {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I64 => DType::I64,
            safetensors::Dtype::U8 => DType::U8,
            safetensors::Dtype::BOOL => DType::Bool(BoolStore::Native),
            other => panic!("{name}: {other:?}"),
        };
        let tensor = TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
        let (case, name) = name.split_once('/').unwrap();
        let own = tensors.entry(case.to_owned()).or_default();
        own.insert(name.to_owned(), tensor);
    }
    let cases = described.into_iter();
    cases
        .map(|(name, case)| {
            let own = tensors.remove(&name).unwrap_or_default();
            (name, case, own)
        })
        .collect()
}

/// One entry of the first axis.
fn row(tensor: &TensorData, number: usize) -> TensorData {
    let shape = tensor.shape()[1..].to_vec();
    let count: usize = shape.iter().product();
    let range = number * count..(number + 1) * count;
    match tensor.dtype() {
        DType::U8 => TensorData::new(tensor.as_slice::<u8>().unwrap()[range].to_vec(), shape),
        _ => TensorData::new(tensor.as_slice::<f32>().unwrap()[range].to_vec(), shape),
    }
}

/// Whether a forward variant is the one that a fixture names.
pub(crate) fn matches(signature: &Signature, variant: &str) -> bool {
    let ty = |name: &str| {
        signature
            .params
            .iter()
            .find(|param| param.name == name)
            .map(|param| &param.ty)
    };
    let is_int = |ty: &Type| {
        matches!(
            ty,
            Type::Tensor {
                kind: ElementKind::Int,
                ..
            }
        )
    };
    let (pair, numbers) = match ty("x") {
        Some(Type::Tuple(items)) => (true, items.iter().all(is_int)),
        Some(ty) => (false, is_int(ty)),
        None => (false, false),
    };
    let csr = signature
        .params
        .iter()
        .any(|param| matches!(param.ty, Type::Adjacency { .. }));
    let attention = ty("return_attention_weights").is_some();
    let has = |name: &str| ty(name).is_some();
    let has_size = has("batch_size") || has("dim_size") && has("batch");
    let has_groups = matches!(ty("batch"), Some(Type::Tensor { .. }));
    let no_loop = ty("add_loop") == Some(&Type::OneOf(vec![false.into()]));
    pair == variant.starts_with("pair_")
        && has_size == variant.ends_with("_batch")
        && (has_groups || !variant.ends_with("_batch_only"))
        && has("type_ptr") == variant.ends_with("_type_ptr")
        && numbers == variant.contains("ids_")
        && ty("x").is_none() == variant.starts_with("none_")
        && csr == variant.contains("adj")
        && attention == variant.ends_with("_attention")
        && no_loop == variant.ends_with("_no_loop")
}
