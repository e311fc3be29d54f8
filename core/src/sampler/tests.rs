//! What holds for every sample, on random graphs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*};

use super::*;

/// Edges between `nodes` nodes, as sources and targets.
#[derive(Clone, Debug)]
struct Edges {
    nodes: u32,
    src: Vec<u32>,
    dst: Vec<u32>,
}

impl Edges {
    fn csr(&self) -> Arc<HostCsr> {
        let nodes = self.nodes as usize;
        Arc::new(HostCsr::from_coo(&self.src, &self.dst, nodes, nodes).unwrap())
    }
}

fn edges() -> impl Strategy<Value = Edges> {
    (1_u32..30, 0_usize..200).prop_flat_map(|(nodes, edges)| {
        (vec(0..nodes, edges), vec(0..nodes, edges)).prop_map(move |(src, dst)| Edges {
            nodes,
            src,
            dst,
        })
    })
}

/// A graph, some of its nodes, and fan-outs.
fn request() -> impl Strategy<Value = (Edges, Vec<u32>, Vec<i64>)> {
    edges().prop_flat_map(|edges| {
        let seeds = vec(0..edges.nodes, 0..6);
        (Just(edges), seeds, vec(-1_i64..5, 0..4))
    })
}

fn sample(sampler: &NeighborSampler, seeds: &[u32], batch: u64) -> SamplerOutput {
    let input = NodeSamplerInput {
        node: seeds,
        time: None,
        batch,
    };
    sampler.sample(&input, &mut Scratch::new()).unwrap()
}

/// What holds whatever the options.
fn check_structure(edges: &Edges, seeds: &[u32], out: &SamplerOutput) {
    assert_eq!(&out.node[..seeds.len()], seeds);
    assert_eq!(out.num_sampled_nodes[0], seeds.len());
    assert_eq!(out.num_sampled_nodes.iter().sum::<usize>(), out.node.len());
    assert_eq!(out.num_sampled_edges.iter().sum::<usize>(), out.row.len());
    assert!(out.col.is_sorted());
    for ((&row, &col), &edge) in out.row.iter().zip(&out.col).zip(&out.edge) {
        assert_eq!(out.node[row as usize], edges.src[edge as usize]);
        assert_eq!(out.node[col as usize], edges.dst[edge as usize]);
        if let Some(batch) = &out.batch {
            assert_eq!(batch[row as usize], batch[col as usize]);
        }
    }
    // Besides the seeds, each node of an example is there once, and is the source of an edge.
    let example = |at: usize| out.batch.as_ref().map_or(0, |batch| batch[at]);
    let mut seen: BTreeSet<_> = (0..seeds.len())
        .map(|at| (example(at), seeds[at]))
        .collect();
    let sources: BTreeSet<u32> = out.row.iter().copied().collect();
    for at in seeds.len()..out.node.len() {
        assert!(seen.insert((example(at), out.node[at])));
        assert!(sources.contains(&u32::try_from(at).unwrap()));
    }
}

/// Hop in which each node of the batch was discovered; its edges are sampled in the next.
fn hops(out: &SamplerOutput) -> Vec<usize> {
    let counts = out.num_sampled_nodes.iter().enumerate();
    counts
        .flat_map(|(hop, &count)| std::iter::repeat_n(hop, count))
        .collect()
}

/// Numbers of the edges into each node of the batch.
fn taken(out: &SamplerOutput) -> Vec<Vec<u32>> {
    let mut taken = vec![Vec::new(); out.node.len()];
    for (&col, &edge) in out.col.iter().zip(&out.edge) {
        taken[col as usize].push(edge);
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn samples_are_subgraphs_and_respect_fan_outs(
        (edges, seeds, num_neighbors) in request(),
        replace: bool,
        disjoint: bool,
        seed: u64,
    ) {
        let csr = edges.csr();
        let sampler = NeighborSampler::new(csr.clone(), &num_neighbors)
            .unwrap()
            .with_replace(replace)
            .with_disjoint(disjoint)
            .with_seed(seed);
        let out = sample(&sampler, &seeds, 3);
        check_structure(&edges, &seeds, &out);
        prop_assert_eq!(out.batch.is_some(), disjoint);
        for ((hop, node), taken) in hops(&out).into_iter().zip(&out.node).zip(taken(&out)) {
            let all = csr.neighbors(*node as usize).len();
            let distinct: BTreeSet<_> = taken.iter().collect();
            match num_neighbors.get(hop) {
                None => prop_assert!(taken.is_empty()),
                Some(-1) => prop_assert_eq!(distinct.len(), all),
                Some(&count) => {
                    let count = usize::try_from(count).unwrap();
                    let draws = if all == 0 { 0 } else { count };
                    let expected = if replace { draws } else { count.min(all) };
                    prop_assert_eq!(taken.len(), expected);
                    prop_assert!(replace || distinct.len() == taken.len());
                }
            }
        }
    }

    #[test]
    fn disjoint_samples_are_those_of_trees(
        (edges, seeds, num_neighbors) in request(),
    ) {
        // Taking all, the tree of each seed is what the seed alone gives.
        let all = vec![-1; num_neighbors.len()];
        let sampler = NeighborSampler::new(edges.csr(), &all).unwrap().with_disjoint(true);
        let together = sample(&sampler, &seeds, 0);
        let batch = together.batch.as_ref().unwrap();
        for (example, &seed) in (0_u32..).zip(&seeds) {
            let mine = |at: &usize| batch[*at] == example;
            let nodes: BTreeSet<u32> = (0..batch.len()).filter(mine).map(|at| together.node[at]).collect();
            let alone = sample(&sampler, &[seed], 0);
            prop_assert_eq!(nodes, alone.node.into_iter().collect());
        }
    }

    #[test]
    fn nothing_is_later_than_its_seed(
        (edges, seeds, num_neighbors) in request(),
        times in vec(-5_i64..5, 200),
        seed_times in vec(-5_i64..5, 6),
        by_edge: bool,
        last: bool,
        replace: bool,
    ) {
        let nodes = edges.nodes as usize;
        let sampler = NeighborSampler::new(edges.csr(), &num_neighbors).unwrap().with_replace(replace);
        let strategy = if last { TemporalStrategy::Last } else { TemporalStrategy::Uniform };
        let sampler = sampler.with_temporal_strategy(strategy);
        let sampler = if by_edge {
            sampler.with_edge_time(&times[..edges.src.len()])
        } else {
            sampler.with_node_time(&times[..nodes])
        }.unwrap();
        let seed_times = &seed_times[..seeds.len()];
        let input = NodeSamplerInput { node: &seeds, time: Some(seed_times), batch: 1 };
        let out = sampler.sample(&input, &mut Scratch::new()).unwrap();
        check_structure(&edges, &seeds, &out);
        let batch = out.batch.as_ref().unwrap();
        let time = |edge: u32| {
            times[if by_edge { edge as usize } else { edges.src[edge as usize] as usize }]
        };
        for (at, (hop, taken)) in hops(&out).into_iter().zip(taken(&out)).enumerate() {
            let now = seed_times[batch[at] as usize];
            prop_assert!(taken.iter().all(|&edge| time(edge) <= now));
            let Some(&count) = num_neighbors.get(hop) else { continue };
            let node = out.node[at];
            let mut allowed: Vec<i64> = (0_u32..)
                .zip(&edges.dst)
                .filter(|&(edge, &dst)| dst == node && time(edge) <= now)
                .map(|(edge, _)| time(edge))
                .collect();
            allowed.sort_unstable();
            let wanted = usize::try_from(count).unwrap_or(usize::MAX);
            if !replace || count < 0 {
                prop_assert_eq!(taken.len(), wanted.min(allowed.len()));
            }
            if last && !taken.is_empty() {
                let oldest = allowed[allowed.len() - wanted.min(allowed.len())];
                prop_assert!(taken.iter().all(|&edge| time(edge) >= oldest));
            }
        }
    }

    #[test]
    fn types_of_a_hetero_graph_keep_to_themselves(
        one in vec((0_u32..7, 0_u32..9), 0..60),
        two in vec((0_u32..9, 0_u32..7), 0..60),
        seeds in vec(0_u32..9, 0..5),
        disjoint: bool,
    ) {
        let ends = [(7_usize, 9_usize), (9, 7)];
        let lists = [one, two];
        let mut csr = lists.iter().zip(ends).map(|(list, (num_src, num_dst))| {
            let (src, dst): (Vec<u32>, Vec<u32>) = list.iter().copied().unzip();
            HostCsr::from_coo(&src, &dst, num_src, num_dst).unwrap()
        });
        let types = [("a", "to", "b"), ("b", "back", "a")];
        let graph = HeteroGraph::new(&[("a", 7), ("b", 9)]).unwrap()
            .with_edges(types[0], csr.next().unwrap()).unwrap()
            .with_edges(types[1], csr.next().unwrap()).unwrap();
        let fan_outs = NumNeighbors::new(&[2, -1]).with(types[1], &[3, 1]);
        let sampler = HeteroNeighborSampler::new(Arc::new(graph), &fan_outs)
            .unwrap()
            .with_disjoint(disjoint);
        let input = NodeSamplerInput { node: &seeds, time: None, batch: 0 };
        let out = sampler.sample("b", &input, &mut Scratch::new()).unwrap();
        prop_assert_eq!(&out.node["b"][..seeds.len()], &seeds[..]);
        for ((src, rel, dst), list) in types.into_iter().zip(&lists) {
            let name = (src.to_owned(), rel.to_owned(), dst.to_owned());
            let ends = out.row[&name].iter().zip(&out.col[&name]);
            for ((&row, &col), &edge) in ends.zip(&out.edge[&name]) {
                let pair = (out.node[src][row as usize], out.node[dst][col as usize]);
                prop_assert_eq!(pair, list[edge as usize]);
                if let Some(batch) = &out.batch {
                    prop_assert_eq!(batch[src][row as usize], batch[dst][col as usize]);
                }
            }
            prop_assert_eq!(out.num_sampled_edges[&name].len(), 2);
        }
        // Nothing points to `b` but from `a`, so what is new of `b` comes in hop 2 from `a`.
        prop_assert_eq!(out.num_sampled_nodes["b"][1], 0);
        prop_assert_eq!(out.num_sampled_edges[&("b".into(), "back".into(), "a".into())][0], 0);
    }
}

/// A graph with hubs: edge `i` goes from `i * 7919 % n` to a node that is often small.
fn hubs(nodes: u32, edges: u32) -> Arc<HostCsr> {
    let src: Vec<u32> = (0..edges)
        .map(|edge| edge.wrapping_mul(7919) % nodes)
        .collect();
    let dst: Vec<u32> = (0..edges)
        .map(|edge| (edge % nodes) * (edge % 97) / 97)
        .collect();
    let nodes = nodes as usize;
    Arc::new(HostCsr::from_coo(&src, &dst, nodes, nodes).unwrap())
}

#[test]
fn threads_do_not_matter() {
    let graph = hubs(20_000, 400_000);
    let seeds: Vec<u32> = (0..3000).map(|at| at * 5).collect();
    let times: Vec<i64> = (0..20_000).map(|node| node % 100).collect();
    let plain = NeighborSampler::new(graph, &[60, 4]).unwrap().with_seed(9);
    let samplers = [
        plain.clone(),
        plain.clone().with_replace(true),
        plain.clone().with_disjoint(true),
        plain.with_node_time(times).unwrap(),
    ];
    for sampler in &samplers {
        let expected = sample(sampler, &seeds, 5);
        assert!(expected.row.len() > 10_000);
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let input = NodeSamplerInput {
                node: &seeds,
                time: None,
                batch: 5,
            };
            let run = || sampler.sample(&input, &mut Scratch::parallel());
            assert_eq!(pool.build().unwrap().install(run).unwrap(), expected);
        }
        assert_ne!(sample(sampler, &seeds, 6), expected, "batches differ");
        let other = sampler.clone().with_seed(10);
        assert_ne!(sample(&other, &seeds, 5), expected, "seeds differ");
    }
}

#[test]
fn a_scratch_can_be_lent_to_any_sampler() {
    let mut scratch = Scratch::new();
    let samplers = [hubs(50, 500), hubs(700, 3000), hubs(50, 500)]
        .map(|graph| NeighborSampler::new(graph, &[3, 3]).unwrap());
    for round in 0..3 {
        for sampler in &samplers {
            for disjoint in [false, true] {
                let sampler = sampler.clone().with_disjoint(disjoint);
                let input = NodeSamplerInput {
                    node: &[7, 9],
                    time: None,
                    batch: round,
                };
                let lent = sampler.sample(&input, &mut scratch).unwrap();
                assert_eq!(lent, sample(&sampler, &[7, 9], round));
            }
        }
    }
}

#[test]
fn a_seed_that_is_there_twice_is_expanded_twice() {
    let graph = HostCsr::from_coo(&[1_u32, 0], &[0, 1], 2, 2).unwrap();
    let sampler = NeighborSampler::new(Arc::new(graph), &[-1, -1]).unwrap();
    let out = sample(&sampler, &[0, 0], 0);
    assert_eq!(out.node, [0, 0, 1]);
    assert_eq!((out.row, out.col), (vec![2, 2, 0], vec![0, 1, 2]));
}

/// Chi-squared over which of the 40 neighbours of a node are taken, 39 degrees of freedom: 72.1 is
/// exceeded once in a thousand.
#[test]
fn neighbours_are_equally_likely() {
    let src: Vec<u32> = (1..41).collect();
    let graph = Arc::new(HostCsr::from_coo(&src, &[0; 40], 41, 41).unwrap());
    for replace in [false, true] {
        let sampler = NeighborSampler::new(graph.clone(), &[10]).unwrap();
        let sampler = sampler.with_replace(replace).with_seed(3);
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        for batch in 0..8000 {
            for edge in sample(&sampler, &[0], batch).edge {
                *seen.entry(edge).or_default() += 1;
            }
        }
        let chi: f64 = seen
            .values()
            .map(|&seen| (f64::from(seen) - 2000.0).powi(2) / 2000.0)
            .sum();
        assert!(seen.len() == 40 && chi < 72.1, "replace: {replace}, {chi}");
    }
}

#[test]
fn times_of_types_without_any_do_not_matter() {
    let edges = HostCsr::from_coo(&[0_u32, 1, 2], &[0, 0, 0], 3, 1).unwrap();
    let free = HostCsr::from_coo(&[0_u32, 1], &[0, 0], 2, 1).unwrap();
    let graph = HeteroGraph::new(&[("event", 3), ("user", 1), ("tag", 2)])
        .unwrap()
        .with_edges(("event", "of", "user"), edges)
        .and_then(|graph| graph.with_edges(("tag", "of", "user"), free))
        .unwrap();
    let sampler = HeteroNeighborSampler::new(Arc::new(graph), &NumNeighbors::new(&[-1]))
        .and_then(|sampler| sampler.with_node_time("event", vec![30, 10, 20]))
        .unwrap();
    let at = |time: Option<&[i64]>| {
        let (node, batch) = (&[0][..], 0);
        let input = NodeSamplerInput { node, time, batch };
        sampler.sample("user", &input, &mut Scratch::new())
    };
    let out = at(Some(&[20])).unwrap();
    assert_eq!(
        (&out.node["event"], &out.node["tag"]),
        (&vec![1, 2], &vec![0, 1])
    );
    assert_eq!(at(None).unwrap_err(), SamplerError::NoSeedTime);
}

#[test]
fn bad_requests_are_errors() {
    let graph = hubs(4, 10);
    let new = |num_neighbors: &[i64]| NeighborSampler::new(graph.clone(), num_neighbors);
    let text = |result: Result<NeighborSampler, SamplerError>| result.unwrap_err().to_string();
    assert_eq!(
        text(new(&[1, -2])),
        "hop 1 asks for -2 neighbours, expected 0 or more, or -1 for all"
    );
    assert_eq!(
        text(new(&[1]).and_then(|sampler| sampler.with_node_time(vec![0; 3]))),
        "`node_time` has 3 entries, expected 4, one for each node"
    );
    assert_eq!(
        text(new(&[1]).and_then(|sampler| sampler.with_edge_time(vec![0; 4]))),
        "`edge_time` has 4 entries, expected 10, one for each edge"
    );
    let timed = new(&[1]).and_then(|sampler| sampler.with_edge_time(vec![0; 10]));
    let both = timed
        .clone()
        .and_then(|sampler| sampler.with_node_time(vec![0; 4]));
    assert_eq!(both.unwrap_err(), SamplerError::TwoTimes);
    let bipartite = HostCsr::from_coo(&[0_u32], &[0], 2, 1).unwrap();
    assert_eq!(
        text(NeighborSampler::new(Arc::new(bipartite), &[1])),
        "expected one node set, got 2 sources and 1 targets"
    );

    let ask = |sampler: &NeighborSampler, node: &[u32], time: Option<&[i64]>| {
        let input = NodeSamplerInput {
            node,
            time,
            batch: 0,
        };
        let result = sampler.sample(&input, &mut Scratch::new());
        result.unwrap_err().to_string()
    };
    let plain = new(&[1]).unwrap();
    assert_eq!(
        ask(&plain, &[0, 4], None),
        "seed 1 is node 4, but there are 4 nodes"
    );
    assert_eq!(
        ask(&plain, &[0], Some(&[1, 2])),
        "`time` has 2 entries, expected 1, one for each seed"
    );
    assert!(ask(&timed.unwrap(), &[0], None).contains("the seeds have none"));
    let by_node = new(&[1]).and_then(|sampler| sampler.with_node_time(vec![0; 4]));
    assert!(ask(&by_node.unwrap(), &[9], None).contains("seed 0 is node 9"));
}

#[test]
fn bad_hetero_graphs_are_errors() {
    let edges = || HostCsr::from_coo(&[0_u32], &[0], 2, 1).unwrap();
    let graph = || HeteroGraph::new(&[("a", 2), ("b", 1)]).unwrap();
    let text = |result: Result<HeteroGraph, SamplerError>| result.unwrap_err().to_string();
    assert_eq!(
        text(HeteroGraph::new(&[("a", 1), ("a", 2)])),
        "node type \"a\" is there already"
    );
    assert_eq!(
        text(graph().with_edges(("a", "r", "c"), edges())),
        "there is no node type \"c\"; the graph has a, b"
    );
    assert_eq!(
        text(graph().with_edges(("b", "r", "b"), edges())),
        "(b, r, b) has 2 source nodes, but there are 1 of type \"b\""
    );
    let good = graph().with_edges(("a", "r", "b"), edges()).unwrap();
    assert_eq!(
        text(good.clone().with_edges(("a", "r", "b"), edges())),
        "edge type (a, r, b) is there already"
    );
    let good = good.with_edges(("a", "s", "b"), edges()).unwrap();
    let sampler = |num_neighbors: NumNeighbors| {
        let result = HeteroNeighborSampler::new(Arc::new(good.clone()), &num_neighbors);
        result.unwrap_err().to_string()
    };
    assert_eq!(
        sampler(NumNeighbors::new(&[1]).with(("a", "s", "b"), &[1, 2])),
        "`num_neighbors` of (a, s, b) has 2 hops, expected 1"
    );
    assert_eq!(
        sampler(NumNeighbors::new(&[1]).with(("a", "t", "b"), &[1])),
        "there is no edge type (a, t, b); the graph has (a, r, b), (a, s, b)"
    );
}
