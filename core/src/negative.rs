//! Edges drawn at random: pairs of nodes without an edge, and a share of a graph's edges.
//!
//! A seed decides what is drawn, on every device and with any number of threads. Functions read the
//! edges, and give them on the device and of the type of those that they get.

use std::collections::HashSet;

use burn::tensor::{DType, Tensor, TensorData};

use crate::{
    EdgeIndex, Groups,
    sampler::random::{Stream, derive},
    size_to_i64,
};

/// Draws pairs of different nodes without an edge from the first to the second, each at most once
/// and all equally likely. Matches `torch_geometric.utils.negative_sampling` of one node set, but
/// for its random numbers; where PyG may find fewer pairs than there are, this finds all that are
/// asked for.
///
/// There are fewer than `count` only if there are not as many pairs.
///
/// # Panics
/// If the graph has two node sets.
///
/// # Examples
/// ```
/// use burn::tensor::Device;
/// use kiln_core::{EdgeIndex, negative_sampling};
///
/// let edges = EdgeIndex::from_pairs(&[(0, 1), (1, 2), (2, 2)], 3, &Device::flex()).unwrap();
/// assert_eq!(negative_sampling(&edges, 2, 7).num_edges(), 2);
/// assert_eq!(negative_sampling(&edges, 100, 7).num_edges(), 4); // 0→2, 1→0, 2→0, 2→1
/// ```
pub fn negative_sampling(edges: &EdgeIndex, count: usize, seed: u64) -> EdgeIndex {
    let nodes = edges.num_nodes();
    let pairs = sorted(pairs(edges), nodes);
    let drawn = absent(&pairs, nodes, count, derive(seed, 0));
    list(
        drawn.into_iter().map(|code| [code / nodes, code % nodes]),
        edges,
    )
}

/// Draws pairs of nodes without an edge within each of several graphs: `count` in each, or as many
/// as there are. Matches `torch_geometric.utils.batched_negative_sampling` as
/// [`negative_sampling`] does.
///
/// # Panics
/// If the graph has two node sets, there is not one graph for each node, or an edge runs from one
/// graph to another.
pub fn batched_negative_sampling(
    edges: &EdgeIndex,
    batch: &Groups,
    count: usize,
    seed: u64,
) -> EdgeIndex {
    let nodes = edges.num_nodes();
    let owners: Vec<usize> = indices(batch.owner().into_data());
    assert!(
        owners.len() == nodes,
        "batched_negative_sampling: expected a graph for each of {nodes} nodes, got {}",
        owners.len()
    );
    let mut members = vec![Vec::new(); batch.num_groups()];
    let mut places = Vec::with_capacity(nodes);
    for (node, &owner) in owners.iter().enumerate() {
        places.push(members[owner].len());
        members[owner].push(node);
    }
    let mut inside = vec![Vec::new(); members.len()];
    for [from, to] in pairs(edges) {
        assert!(
            owners[from] == owners[to],
            "batched_negative_sampling: expected edges within graphs, got one from node {from} to {to}"
        );
        inside[owners[from]].push([places[from], places[to]]);
    }
    let mut drawn = Vec::new();
    for (graph, (members, inside)) in (0..).zip(members.iter().zip(inside)) {
        let size = members.len();
        let codes = absent(&sorted(inside, size), size, count, derive(seed, graph));
        drawn.extend(
            codes
                .into_iter()
                .map(|code| [members[code / size], members[code % size]]),
        );
    }
    list(drawn.into_iter(), edges)
}

/// Keeps each edge with a probability, in order. Matches `torch_geometric.utils.dropout_edge`, but
/// for its random numbers.
///
/// # Examples
/// ```
/// use burn::tensor::Device;
/// use kiln_core::{EdgeIndex, edge_sampling};
///
/// let edges = EdgeIndex::from_pairs(&[(0, 1), (1, 2)], 3, &Device::flex()).unwrap();
/// assert_eq!(edge_sampling(&edges, 1.0, 7).num_edges(), 2);
/// assert_eq!(edge_sampling(&edges, 0.0, 7).num_edges(), 0);
/// ```
pub fn edge_sampling(edges: &EdgeIndex, probability: f64, seed: u64) -> EdgeIndex {
    if probability >= 1.0 {
        return edges.clone();
    }
    // Another stream than that of pairs without an edge.
    let mut stream = Stream::new(derive(!seed, 0));
    let kept = pairs(edges).into_iter().filter(|_| {
        let draw = f64::from(stream.below(u32::MAX)) / f64::from(u32::MAX);
        draw < probability
    });
    list(kept.collect::<Vec<_>>().into_iter(), edges)
}

/// Both ends of each edge.
fn pairs(edges: &EdgeIndex) -> Vec<[usize; 2]> {
    let ends = indices(edges.tensor().into_data());
    let (src, dst) = ends.split_at(edges.num_edges());
    src.iter().zip(dst).map(|(&src, &dst)| [src, dst]).collect()
}

fn indices(data: TensorData) -> Vec<usize> {
    let index = |index: i64| usize::try_from(index).expect("indices are checked");
    data.convert_dtype(DType::I64)
        .iter::<i64>()
        .map(index)
        .collect()
}

/// Pairs that are edges or loops as numbers `from · nodes + to`, in order, each once.
fn sorted(pairs: Vec<[usize; 2]>, nodes: usize) -> Vec<usize> {
    let loops = (0..nodes).map(|node| [node, node]);
    let code = |[from, to]: [usize; 2]| from * nodes + to;
    let mut codes: Vec<usize> = pairs.into_iter().chain(loops).map(code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Numbers of different pairs that are not among those given, in order.
fn absent(present: &[usize], nodes: usize, count: usize, key: u64) -> Vec<usize> {
    let total = nodes * nodes - present.len();
    let mut stream = Stream::new(key);
    // Floyd's way to draw different numbers: one that is there already gives way to the last one.
    let mut chosen = HashSet::new();
    for last in total - count.min(total)..total {
        let draw = stream.below_size(last + 1);
        if !chosen.insert(draw) {
            chosen.insert(last);
        }
    }
    let mut ranks: Vec<usize> = chosen.into_iter().collect();
    ranks.sort_unstable();
    // Entry `k` of what is there has `present[k] - k` absent numbers before it.
    let mut before = 0;
    let code = |rank: usize| {
        while before < present.len() && present[before] - before <= rank {
            before += 1;
        }
        rank + before
    };
    ranks.into_iter().map(code).collect()
}

fn list(pairs: impl Iterator<Item = [usize; 2]>, like: &EdgeIndex) -> EdgeIndex {
    let (mut src, mut dst) = (Vec::new(), Vec::new());
    for [from, to] in pairs {
        src.push(size_to_i64(from));
        dst.push(size_to_i64(to));
    }
    let count = src.len();
    src.extend(dst);
    let dtype = like.tensor().dtype();
    let data = TensorData::new(src, [2, count]);
    let tensor = Tensor::from_data(data, (&like.device(), dtype));
    EdgeIndex::new_unchecked(tensor, like.num_src(), like.num_dst())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn edges(pairs: &[(i64, i64)], nodes: usize) -> EdgeIndex {
        EdgeIndex::from_pairs(pairs, nodes, &Device::flex()).unwrap()
    }

    #[test]
    fn pairs_without_an_edge_are_drawn_once_and_equally_often() {
        let edges = edges(&[(0, 1), (0, 1), (1, 2), (3, 0), (2, 2)], 4);
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..3000 {
            let drawn = pairs(&negative_sampling(&edges, 3, seed));
            assert_eq!(drawn, pairs(&negative_sampling(&edges, 3, seed)));
            assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 3);
            for pair in drawn {
                *counts.entry(pair).or_insert(0) += 1;
            }
        }
        let all = [
            [0, 2],
            [0, 3],
            [1, 0],
            [1, 3],
            [2, 0],
            [2, 1],
            [2, 3],
            [3, 1],
            [3, 2],
        ];
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), all);
        // Each is expected 1000 times, give or take 26.
        assert!(
            counts.values().all(|count| (880..1120).contains(count)),
            "{counts:?}"
        );
        assert_eq!(pairs(&negative_sampling(&edges, 100, 1)), all);
    }

    #[test]
    fn pairs_of_a_batch_are_within_graphs() {
        let edges = edges(&[(0, 2), (4, 1), (1, 1)], 6);
        let batch = Groups::from_array(&[0, 2, 0, 1, 2, 0], 3, &Device::flex()).unwrap();
        let drawn = pairs(&batched_negative_sampling(&edges, &batch, 100, 5));
        let expected = [[0, 5], [2, 0], [2, 5], [5, 0], [5, 2], [1, 4]];
        assert_eq!(drawn, expected);
        let drawn = pairs(&batched_negative_sampling(&edges, &batch, 2, 5));
        assert_eq!(drawn.len(), 3);
    }

    #[test]
    fn graphs_without_nodes_or_pairs_give_no_pairs() {
        for nodes in [0, 1] {
            assert_eq!(negative_sampling(&edges(&[], nodes), 4, 1).num_edges(), 0);
        }
    }

    #[test]
    fn edges_are_kept_with_the_probability() {
        let all: Vec<(i64, i64)> = (0..4000).map(|edge| (edge, edge)).collect();
        let kept = pairs(&edge_sampling(&edges(&all, 4000), 0.25, 3));
        assert!((880..1120).contains(&kept.len()), "{}", kept.len());
        assert!(kept.is_sorted());
    }
}
