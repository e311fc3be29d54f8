//! What must not matter to a layer: the order of edges, the numbers of nodes, and which other
//! graphs share a batch.
//!
//! Every configuration of every layer that has a fixture, on random graphs of random sizes.

use std::collections::BTreeSet;

use burn::tensor::{Device, TensorData};
use kiln_core::signature::{Dim, Signature, Type};
use kiln_nn::{AnyLayer, Overload, Overloads as _};
use proptest::{
    prelude::{Strategy as _, TestCaseError},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    call::{self, Inputs, Sizes},
    fixture::{Fixture, matches},
};

/// Random graphs of each configuration.
const GRAPHS: u32 = 6;

/// What keeps a property from holding as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    /// Results depend on the numbers of nodes.
    GoesByNumbers,
    /// Results have a row per graph of `batch`.
    IsReadOut,
    /// It looks at all nodes, of whatever graph.
    LooksAtAll,
    /// Results depend on the order of edges.
    GoesByOrder,
    /// The result of a set depends on the other sets.
    GoesBySets,
}

/// A variant of a layer, and what it does with the axes of its inputs.
struct Subject {
    name: String,
    marks: Vec<Mark>,
    module: AnyLayer,
    overload: Overload<AnyLayer>,
}

impl Subject {
    /// The configurations of a layer, with the variants that take lists of edges.
    fn all(layer: &str) -> Vec<Self> {
        let mut subjects: Vec<Self> = Vec::new();
        let mut seen = Vec::new();
        for fixture in Fixture::all(layer) {
            let key = (fixture.kwargs.to_string(), fixture.variant.clone());
            let others = ["adj", "attention", "type_ptr"];
            let is_list = !others.iter().any(|other| fixture.variant.contains(other));
            if !is_list || seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let module = fixture.module(&Device::flex());
            let mut overloads = module.overloads().into_iter();
            let overload = overloads
                .find(|overload| matches(&overload.signature, &fixture.variant))
                .unwrap();
            let looks_at_all = looks_at_all(&fixture, &module, &overload.signature);
            let marks = [
                (Mark::GoesByNumbers, goes_by_numbers(&fixture)),
                (Mark::IsReadOut, is_read_out(&fixture)),
                (Mark::LooksAtAll, looks_at_all),
                (Mark::GoesByOrder, has_aggregation(&fixture, &OF_SEQUENCES)),
                (Mark::GoesBySets, has_aggregation(&fixture, &BY_OTHER_SETS)),
            ];
            let marks = marks.into_iter().filter(|(_, has)| *has);
            subjects.push(Self {
                name: fixture.name.clone(),
                marks: marks.map(|(mark, _)| mark).collect(),
                module,
                overload,
            });
        }
        subjects
    }

    fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    fn signature(&self) -> &Signature {
        &self.overload.signature
    }

    /// The leaves of the inputs: names and types.
    fn leaves(&self) -> Vec<(String, &Type)> {
        let mut leaves = Vec::new();
        for param in &self.signature().params {
            match &param.ty {
                Type::Tuple(items) => {
                    let items = items.iter().enumerate();
                    leaves.extend(items.map(|(at, ty)| (format!("{}.{at}", param.name), bare(ty))));
                }
                ty => leaves.push((param.name.clone(), bare(ty))),
            }
        }
        leaves
    }

    /// Whether it takes batches of dense graphs.
    fn is_dense(&self) -> bool {
        self.leaves().iter().any(|(_, ty)| axis(ty) == Some("B"))
    }

    /// Whether it selects nodes by their scores.
    fn selects(&self) -> bool {
        ["ASAPooling", "TopKPooling", "SAGPooling", "PANPooling"].contains(&self.module.kind())
    }

    /// Whether the number of nodes is fixed: nodes are known by their places then.
    fn has_fixed_nodes(&self) -> bool {
        self.leaves().iter().any(|(_, ty)| {
            matches!(
                ty,
                Type::EdgeIndex {
                    src: Dim::Fixed(_),
                    ..
                }
            )
        })
    }

    /// The symbol of the rows of the results: nodes, or the targets of a pair, or groups.
    fn rows(&self) -> &'static str {
        let has_targets = |ty: &Type| match ty {
            Type::Tuple(_) => true,
            Type::Int(size) => !["hyperedges", "graphs"].map(Some).contains(&size.symbol()),
            _ => false,
        };
        let mut params = self.signature().params.iter();
        if params.any(|param| has_targets(&param.ty)) {
            "M"
        } else {
            "N"
        }
    }

    fn inputs(&self, sizes: Sizes, seed: u64) -> Inputs {
        let mut inputs = call::random_inputs(self.signature(), sizes, seed.is_multiple_of(2), seed);
        for (name, ty) in self.leaves() {
            if let (Some(data), Type::EdgeIndex { .. }) = (inputs.get_mut(&name), ty) {
                *data = with_single_loops(data, sizes.nodes);
            }
            // One graph, and what is given per graph is the same for all.
            let is_shared = axis(ty).is_none() && matches!(ty, Type::Tensor { .. });
            if let Some(data) = inputs.get_mut(&name)
                && (is_shared || name == "batch")
            {
                *data = constant(data);
            }
        }
        inputs
    }

    fn run(&self, inputs: &Inputs, sizes: Sizes) -> Vec<TensorData> {
        let counts = call::counts(self.signature(), sizes);
        let device = Device::flex();
        let mut results = call::eager(&self.module, &self.overload, inputs, counts, &device);
        if self.selects() {
            // Features and scores: what is between has the order or the numbers of edges and nodes.
            results = vec![results.remove(0), results.pop().unwrap()];
        }
        // Beside the features is a matrix, whose rows are not nodes, or what is numbered anew; and
        // losses are means over batches.
        results.truncate(match self.module.kind() {
            "ASAPooling" | "EdgePooling" | "PANConv" => 1,
            "dense_diff_pool" | "dense_mincut_pool" => 2,
            "DMoNPooling" => 3,
            _ => results.len(),
        });
        results
    }
}

/// Whether PyG's result depends on the numbers of nodes or groups: loops between two node sets are
/// edges between equal numbers, and the element nearest to a quantile halfway between two is that
/// at an even place among the elements of all groups.
fn goes_by_numbers(fixture: &Fixture) -> bool {
    let adds_loops = ["FeaStConv", "GATConv", "GATv2Conv"].contains(&fixture.conv.as_str())
        && fixture.kwargs["add_self_loops"] != false;
    let is_nearest = fixture.kwargs["interpolation"] == "nearest";
    // Nodes above a score, and those without contracted edges, are in the order of their numbers.
    let is_above = !fixture.kwargs["min_score"].is_null() || fixture.conv == "EdgePooling";
    fixture.variant.starts_with("pair_") && adds_loops || is_nearest || is_above
}

/// Whether results have a row per graph, and not per node.
fn is_read_out(fixture: &Fixture) -> bool {
    let rows = fixture.below("out.")["0"].shape()[0];
    fixture.below("in.").contains_key("batch") && rows != fixture.size[0]
}

/// Whether a layer takes all nodes for those of one graph: a norm without the graph of each node,
/// by the statistics of the batch, or inside of a convolution.
fn looks_at_all(fixture: &Fixture, module: &AnyLayer, signature: &Signature) -> bool {
    let takes_graphs =
        |signature: &Signature| signature.params.iter().any(|param| param.name == "batch");
    let overloads = module.overloads();
    let mut all = overloads.iter().map(|overload| &overload.signature);
    let is_untracked = fixture.kwargs["track_running_stats"] == false;
    let is_inside = ["GIN", "EdgeCNN"].contains(&fixture.conv.as_str());
    let is_of_graphs = all.any(takes_graphs);
    is_of_graphs && (is_inside || !takes_graphs(signature)) || is_untracked
}

/// Aggregations of elements in their order.
const OF_SEQUENCES: [&str; 5] = ["lstm", "gru", "mlp", "lcm", "patch_transformer"];

/// Aggregations that read zeros up to the size of the largest set, or average over sets.
const BY_OTHER_SETS: [&str; 5] = ["lstm", "gru", "lcm", "patch_transformer", "equilibrium"];

/// Whether a layer is one of the aggregations, or aggregates by one.
fn has_aggregation(fixture: &Fixture, names: &[&str]) -> bool {
    let plain = |name: &str| name.to_lowercase().replace('_', "");
    let own = fixture.conv.strip_suffix("Aggregation");
    let inside = fixture.kwargs["aggr"].as_str();
    let found = own.or(inside).map(plain);
    names.iter().any(|name| Some(plain(name)) == found)
}

/// The type of what may be absent.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Optional(inner) => bare(inner),
        ty => ty,
    }
}

/// The symbol of the first axis, if it is one of nodes, edges or dense graphs.
fn axis(ty: &Type) -> Option<&str> {
    let Type::Tensor { dims, .. } = ty else {
        return None;
    };
    let symbol = dims.first()?.symbol()?;
    ["N", "M", "E", "B", "hyperedges"]
        .into_iter()
        .find(|known| *known == symbol)
}

/// The first element everywhere; of integers, 0.
fn constant(data: &TensorData) -> TensorData {
    let shape = data.shape().clone();
    if data.dtype().is_float() {
        let first = data.iter::<f32>().next().unwrap_or_default();
        TensorData::full(shape, first.abs() + 1.0)
    } else {
        TensorData::full(shape, 0_i64)
    }
}

/// Rows in another order.
fn select(data: &TensorData, order: &[usize]) -> TensorData {
    let rows = data.shape()[0];
    let shape = data.shape().clone();
    let width = shape.iter().skip(1).product::<usize>();
    assert_eq!(rows, order.len());
    if data.dtype().is_float() {
        let values: Vec<f32> = data.iter().collect();
        let rows = order
            .iter()
            .flat_map(|&row| values[row * width..(row + 1) * width].to_vec());
        TensorData::new(rows.collect(), shape)
    } else {
        let values: Vec<i64> = data.iter().collect();
        let rows = order
            .iter()
            .flat_map(|&row| values[row * width..(row + 1) * width].to_vec());
        TensorData::new(rows.collect(), shape)
    }
}

/// Both along the first axis; integers of the second with an offset.
fn cat(first: &TensorData, second: &TensorData, offset: i64) -> TensorData {
    let mut shape = first.shape().clone();
    shape[0] += second.shape()[0];
    if first.dtype().is_float() {
        TensorData::new(
            first.iter::<f32>().chain(second.iter::<f32>()).collect(),
            shape,
        )
    } else if first.dtype().is_bool() {
        let both = first.iter::<bool>().chain(second.iter::<bool>());
        TensorData::new(both.collect(), shape)
    } else {
        let second = second.iter::<i64>().map(|value| value + offset);
        TensorData::new(first.iter::<i64>().chain(second).collect(), shape)
    }
}

/// The columns of an edge index, `(source, target)`.
fn edges(data: &TensorData) -> Vec<[i64; 2]> {
    let values: Vec<i64> = data.iter().collect();
    let (source, target) = values.split_at(values.len() / 2);
    let ends = source.iter().zip(target);
    ends.map(|(&source, &target)| [source, target]).collect()
}

fn edge_index(edges: &[[i64; 2]]) -> TensorData {
    let ends = (0..2).flat_map(|end| edges.iter().map(move |edge| edge[end]));
    TensorData::new(ends.collect::<Vec<_>>(), [2, edges.len()])
}

/// At most one edge from a node to itself: of several, layers that put loops of their own in their
/// place take the weight of the last.
fn with_single_loops(data: &TensorData, nodes: usize) -> TensorData {
    let mut looped = BTreeSet::new();
    let nodes = i64::try_from(nodes).unwrap();
    let one = |[source, target]: [i64; 2]| {
        if source != target || looped.insert(source) {
            [source, target]
        } else {
            [(source + 1) % nodes, target]
        }
    };
    edge_index(&edges(data).into_iter().map(one).collect::<Vec<_>>())
}

/// A random order; element `i` is what stands at `i` now.
fn order(length: usize, rng: &mut StdRng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    order.shuffle(rng);
    order
}

fn close(name: &str, got: &[TensorData], expected: &[TensorData]) -> Result<(), TestCaseError> {
    let error = call::worst_error(name, got, expected);
    if error <= 1e-5 {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{name}: {error:.1e}")))
}

/// Edges, and what they carry, in another order.
fn order_of_edges(subject: &Subject, sizes: Sizes, seed: u64) -> Result<(), TestCaseError> {
    // Of edges with equal scores, such as those that lead to a node alone, the first counts.
    if subject.has(Mark::GoesByOrder) || subject.module.kind() == "EdgePooling" {
        return Ok(());
    }
    let inputs = subject.inputs(sizes, seed);
    let order = order(sizes.edges, &mut StdRng::seed_from_u64(seed));
    let mut other = inputs.clone();
    for (name, ty) in subject.leaves() {
        let Some(data) = other.get_mut(&name) else {
            continue;
        };
        if matches!(ty, Type::EdgeIndex { edges, .. } if edges.symbol() == Some("E")) {
            let edges = edges(data);
            *data = edge_index(&order.iter().map(|&edge| edges[edge]).collect::<Vec<_>>());
        } else if axis(ty) == Some("E") {
            *data = select(data, &order);
        }
    }
    close(
        &subject.name,
        &subject.run(&other, sizes),
        &subject.run(&inputs, sizes),
    )
}

/// Nodes under other numbers.
fn numbers_of_nodes(subject: &Subject, sizes: Sizes, seed: u64) -> Result<(), TestCaseError> {
    let is_given = subject.leaves().iter().any(|(name, _)| name == "index");
    let goes_by_numbers =
        subject.has(Mark::GoesByNumbers) || subject.has(Mark::GoesByOrder) && is_given;
    if subject.has_fixed_nodes() || goes_by_numbers {
        return Ok(());
    }
    if subject.is_dense() {
        return numbers_of_dense_nodes(subject, sizes, seed);
    }
    let inputs = subject.inputs(sizes, seed);
    let mut rng = StdRng::seed_from_u64(seed);
    let (of_n, of_m) = (order(sizes.nodes, &mut rng), order(sizes.targets, &mut rng));
    // The new number of each node.
    let number = |order: &[usize], node: i64| {
        let position = order.iter().position(|&old| i64::try_from(old) == Ok(node));
        i64::try_from(position.unwrap()).unwrap()
    };
    let order = |symbol: &str| match symbol {
        "M" | "hyperedges" => &of_m,
        _ => &of_n,
    };
    let mut other = inputs.clone();
    for (name, ty) in subject.leaves() {
        let Some(data) = other.get_mut(&name) else {
            continue;
        };
        if let Type::EdgeIndex { src, dst, .. } = ty {
            let ends = [src, dst].map(|dim| order(dim.symbol().unwrap()));
            let renamed = edges(data)
                .into_iter()
                .map(|[source, target]| [number(ends[0], source), number(ends[1], target)]);
            *data = edge_index(&renamed.collect::<Vec<_>>());
        } else if let Some(symbol @ ("N" | "M" | "hyperedges")) = axis(ty) {
            *data = select(data, order(symbol));
            if name == "index" {
                let groups = data.iter::<i64>().map(|group| number(&of_m, group));
                *data = TensorData::new(groups.collect(), data.shape().clone());
            }
        }
    }
    let mut expected = subject.run(&inputs, sizes);
    if !subject.selects() && !subject.has(Mark::IsReadOut) {
        for result in &mut expected {
            *result = select(result, order(subject.rows()));
        }
    }
    close(&subject.name, &subject.run(&other, sizes), &expected)
}

/// Nodes of dense graphs under other numbers: they are along the second axis, and of matrices along
/// the third too. Those of clusters stay as they are.
fn numbers_of_dense_nodes(subject: &Subject, sizes: Sizes, seed: u64) -> Result<(), TestCaseError> {
    let inputs = subject.inputs(sizes, seed);
    let order = order(sizes.nodes, &mut StdRng::seed_from_u64(seed));
    let mut other = inputs.clone();
    for (name, data) in &mut other {
        *data = along(data, &order, 1);
        if name == "adj" {
            *data = along(data, &order, 2);
        }
    }
    let of_nodes = match subject.module.kind() {
        "dense_diff_pool" | "dense_mincut_pool" => None,
        "MemPooling" => Some(1),
        _ => Some(0),
    };
    let mut expected = subject.run(&inputs, sizes);
    if let Some(number) = of_nodes {
        expected[number] = along(&expected[number], &order, 1);
    }
    close(&subject.name, &subject.run(&other, sizes), &expected)
}

/// Entries along an axis in another order.
fn along(data: &TensorData, order: &[usize], axis: usize) -> TensorData {
    let shape = data.shape().clone();
    let inner: usize = shape.iter().skip(axis + 1).product();
    let length = shape[axis];
    let places = (0..shape.num_elements()).map(|at| {
        let (outer, place) = (at / (inner * length), at / inner % length);
        (outer * length + order[place]) * inner + at % inner
    });
    if data.dtype().is_float() {
        let values: Vec<f32> = data.iter().collect();
        TensorData::new(places.map(|place| values[place]).collect(), shape)
    } else {
        let values: Vec<bool> = data.iter().collect();
        TensorData::new(places.map(|place| values[place]).collect(), shape)
    }
}

/// Two graphs at once.
fn other_graphs_of_a_batch(
    subject: &Subject,
    sizes: Sizes,
    seed: u64,
) -> Result<(), TestCaseError> {
    let is_by_batch = |name: &str| subject.leaves().iter().any(|(leaf, _)| leaf == name);
    // Without `batch` what looks at all nodes looks at both graphs.
    let seed = if is_by_batch("batch") {
        seed & !1
    } else {
        seed
    };
    if subject.has_fixed_nodes()
        || subject.has(Mark::GoesByNumbers)
        || subject.has(Mark::LooksAtAll)
        || subject.has(Mark::GoesBySets)
    {
        return Ok(());
    }
    let (first, mut second) = (subject.inputs(sizes, seed), subject.inputs(sizes, seed + 2));
    let mut both = first.clone();
    for (name, ty) in subject.leaves() {
        let (Some(one), Some(other)) = (first.get(&name), second.get_mut(&name)) else {
            continue;
        };
        let joined = match ty {
            Type::EdgeIndex { src, dst, .. } => {
                let offset = |dim: &Dim| match dim.symbol() {
                    Some("M" | "hyperedges") => sizes.targets,
                    _ => sizes.nodes,
                };
                let [src, dst] = [src, dst].map(|dim| i64::try_from(offset(dim)).unwrap());
                let moved = edges(other).into_iter().map(|[a, b]| [a + src, b + dst]);
                edge_index(&edges(one).into_iter().chain(moved).collect::<Vec<_>>())
            }
            Type::Size { .. } | Type::Int(_) => {
                let sum = one.iter::<i64>().map(|size| 2 * size);
                TensorData::new(sum.collect(), one.shape().clone())
            }
            Type::Tensor { .. } if axis(ty).is_some() => {
                let offset = match name.as_str() {
                    "batch" => 1,
                    "index" => i64::try_from(sizes.targets).unwrap(),
                    _ => 0,
                };
                cat(one, other, offset)
            }
            _ => {
                *other = one.clone();
                one.clone()
            }
        };
        both.insert(name, joined);
    }
    let expected: Vec<TensorData> = subject
        .run(&first, sizes)
        .iter()
        .zip(&subject.run(&second, sizes))
        .map(|(first, second)| cat(first, second, 0))
        .collect();
    let twice = Sizes {
        nodes: 2 * sizes.nodes,
        targets: 2 * sizes.targets,
        edges: 2 * sizes.edges,
    };
    close(&subject.name, &subject.run(&both, twice), &expected)
}

type Property = fn(&Subject, Sizes, u64) -> Result<(), TestCaseError>;

/// Checks a property of all configurations of a layer.
fn check(layer: &str, property: Property) {
    for subject in Subject::all(layer) {
        let config = Config {
            cases: GRAPHS,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let graphs = (2_usize..20, 1_usize..20, 0_usize..60, 0_u64..1000);
        let sizes = graphs.prop_map(|(nodes, targets, edges, seed)| {
            let sizes = Sizes {
                nodes,
                targets,
                edges,
            };
            (sizes, seed)
        });
        let run = |(sizes, seed)| property(&subject, sizes, seed);
        if let Err(error) = TestRunner::new_with_rng(config, rng).run(&sizes, run) {
            panic!("{}: {error}", subject.name);
        }
    }
}

macro_rules! one_test_each {
    ($($place:ident :: $layer:ident),+ $(,)?) => {
        one_test_each!(@ order_of_edges $($place::$layer)+);
        one_test_each!(@ numbers_of_nodes $($place::$layer)+);
        one_test_each!(@ other_graphs_of_a_batch $($place::$layer)+);
    };
    (@ $property:ident $($place:ident :: $layer:ident)+) => {
        mod $property {
            $(
                #[test]
                fn $layer() {
                    let name = <kiln_nn::$place::$layer as kiln_nn::Layer>::NAME;
                    super::check(name, super::$property);
                }
            )+
        }
    };
}

kiln_nn::for_each_layer!(one_test_each);
