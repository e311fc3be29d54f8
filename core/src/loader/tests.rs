//! Order, workers and failures of loaders.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::sampler::{
    HeteroGraph, HeteroNeighborSampler, HostCsr, NeighborSampler, NumNeighbors, SamplerError,
};

const NODES: u32 = 100;

fn graph() -> Arc<HostCsr> {
    let src: Vec<u32> = (0..1000).map(|edge| edge * 37 % NODES).collect();
    let dst: Vec<u32> = (0..1000).map(|edge| edge * edge % NODES).collect();
    Arc::new(HostCsr::from_coo(&src, &dst, 100, 100).unwrap())
}

fn x() -> MemoryFeatures {
    let values = (0..200_u16).map(f32::from).collect();
    MemoryFeatures::new(values, 2).unwrap()
}

fn loader() -> NeighborLoader {
    let sampler = NeighborSampler::new(graph(), &[3, 2]).unwrap();
    let labels: Vec<i64> = (0..100).map(|node| node % 7).collect();
    NeighborLoader::new(sampler, (10..53).collect::<Vec<u32>>())
        .and_then(|loader| loader.with_batch_size(10))
        .and_then(|loader| loader.with_x(x()))
        .and_then(|loader| loader.with_y(labels))
        .unwrap()
}

fn batches(loader: &NeighborLoader, epoch: u64) -> Vec<HostBatch> {
    loader.epoch(epoch).collect::<Result<_, _>>().unwrap()
}

/// A store that fails, or panics, at the call of a number.
#[derive(Debug)]
struct Broken {
    call: usize,
    panics: bool,
    calls: AtomicUsize,
}

impl Broken {
    fn new(call: usize, panics: bool) -> Self {
        Self {
            call,
            panics,
            calls: AtomicUsize::new(0),
        }
    }
}

impl FeatureStore for Broken {
    fn num_rows(&self) -> usize {
        100
    }

    fn num_features(&self) -> usize {
        1
    }

    fn gather(&self, _: &[u32], _: &mut [f32]) -> Result<(), FeatureError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.call {
            return Ok(());
        }
        assert!(!self.panics, "the disk is on fire");
        Err(FeatureError::Other("the disk is full".into()))
    }
}

#[test]
fn batches_have_seeds_features_and_labels() {
    let all = batches(&loader(), 0);
    assert_eq!(all.len(), loader().num_batches());
    let sizes: Vec<usize> = all.iter().map(|batch| batch.batch_size).collect();
    assert_eq!(sizes, [10, 10, 10, 10, 3]);
    let mut input_id = 0..43_u32;
    for batch in &all {
        for (id, node) in batch.input_id.iter().zip(&batch.n_id) {
            assert_eq!(Some(*id), input_id.next());
            assert_eq!(*node, id + 10);
        }
        let x = batch.x.as_ref().unwrap();
        let y = batch.y.as_ref().unwrap();
        for ((&node, x), &y) in batch.n_id.iter().zip(x.values.chunks(2)).zip(y) {
            let node = u16::try_from(node).unwrap();
            assert_eq!(x, [f32::from(2 * node), f32::from(2 * node + 1)]);
            assert_eq!(y, i64::from(node % 7));
        }
        assert_eq!(
            (batch.num_sampled_nodes.len(), batch.num_sampled_edges.len()),
            (3, 2)
        );
    }
}

#[test]
fn the_last_batch_may_be_left_out() {
    let loader = loader().with_drop_last(true);
    assert_eq!(loader.num_batches(), 4);
    assert_eq!(batches(&loader, 0).len(), 4);
    let none = loader.with_batch_size(44).unwrap();
    assert!(batches(&none.with_num_workers(2), 0).is_empty());
    let error = self::loader().with_batch_size(0).unwrap_err();
    assert!(matches!(error, LoaderError::EmptyBatch));
}

#[test]
fn epochs_differ_and_workers_do_not_matter() {
    let loader = loader().with_shuffle(true).with_seed(4);
    let expected = batches(&loader, 1);
    for (workers, prefetch) in [(1, 2), (2, 0), (3, 1), (4, 5), (9, 1)] {
        let loader = loader
            .clone()
            .with_num_workers(workers)
            .with_prefetch_factor(prefetch);
        assert_eq!(batches(&loader, 1), expected, "{workers} workers");
    }
    let ids = |batches: &[HostBatch]| -> Vec<u32> {
        batches
            .iter()
            .flat_map(|batch| batch.input_id.clone())
            .collect()
    };
    let other = ids(&batches(&loader, 2));
    assert_ne!(other, ids(&expected));
    assert_ne!(
        ids(&batches(&loader.clone().with_seed(5), 1)),
        ids(&expected)
    );
    let mut sorted = other;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..43).collect::<Vec<_>>());
}

#[test]
fn without_shuffling_epochs_differ_in_what_is_sampled() {
    let loader = loader();
    assert_eq!(batches(&loader, 0), batches(&loader, 0));
    assert_ne!(batches(&loader, 0), batches(&loader, 1));
}

#[test]
fn an_epoch_may_be_left_early() {
    let loader = loader().with_batch_size(1).unwrap();
    for workers in [0, 1, 4] {
        for taken in [0, 1, 5] {
            let loader = loader.clone().with_num_workers(workers);
            let mut epoch = loader.epoch(0);
            for _ in 0..taken {
                assert!(epoch.next().unwrap().is_ok());
            }
            // Workers are blocked by full channels by now.
            std::thread::sleep(Duration::from_millis(5));
            drop(epoch);
        }
    }
}

#[test]
fn an_error_of_the_store_ends_the_epoch() {
    for workers in [0, 1, 3] {
        let loader = loader().with_x(Broken::new(2, false)).unwrap();
        let mut epoch = loader.with_num_workers(workers).epoch(0);
        let results: Vec<_> = epoch.by_ref().collect();
        let error = results.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.to_string(), "cannot read `x` of the batch");
        let source = std::error::Error::source(error).unwrap();
        assert_eq!(source.to_string(), "the disk is full");
        assert!(results[..results.len() - 1].iter().all(Result::is_ok));
        assert!(epoch.next().is_none());
    }
}

#[test]
fn a_panic_of_a_worker_is_an_error() {
    let loader = loader().with_x(Broken::new(0, true)).unwrap();
    let mut epoch = loader.with_num_workers(2).epoch(0);
    let error = epoch.next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the worker of batch 0 panicked: the disk is on fire"
    );
    assert!(epoch.next().is_none());
}

#[test]
fn input_times_go_with_their_nodes() {
    let times: Vec<i64> = (0..100).collect();
    let sampler = NeighborSampler::new(graph(), &[-1]).unwrap();
    let sampler = sampler.with_node_time(times.clone()).unwrap();
    let input: Vec<u32> = (0..100).rev().collect();
    let times: Vec<i64> = input.iter().map(|&node| i64::from(node) / 2).collect();
    let loader = NeighborLoader::new(sampler, input)
        .and_then(|loader| loader.with_input_time(times))
        .and_then(|loader| loader.with_batch_size(7))
        .unwrap();
    for batch in batches(&loader.with_shuffle(true), 3) {
        let example = batch.batch.as_ref().unwrap();
        for (&node, &example) in batch.n_id.iter().zip(example).skip(batch.batch_size) {
            assert!(node <= batch.n_id[example as usize] / 2);
        }
    }
}

#[test]
fn edges_have_features_by_their_numbers() {
    let values = (0..1000_u16).map(f32::from).collect();
    let loader = loader()
        .with_edge_attr(MemoryFeatures::new(values, 1).unwrap())
        .unwrap();
    for batch in batches(&loader, 0) {
        let attr = batch.edge_attr.unwrap().values;
        let expected = batch.e_id.iter().map(|&id| u16::try_from(id).unwrap());
        assert_eq!(attr, expected.map(f32::from).collect::<Vec<_>>());
    }
}

#[test]
fn a_hetero_loader_gives_types() {
    let edges = HostCsr::from_coo(&[0_u32, 1, 2, 2], &[0, 0, 1, 3], 3, 4).unwrap();
    let hetero = HeteroGraph::new(&[("author", 3), ("paper", 4)])
        .and_then(|graph| graph.with_edges(("author", "writes", "paper"), edges))
        .unwrap();
    let sampler = HeteroNeighborSampler::new(Arc::new(hetero), &NumNeighbors::new(&[5])).unwrap();
    let loader = HeteroNeighborLoader::new(sampler, "paper", vec![3, 0, 1])
        .and_then(|loader| loader.with_batch_size(2))
        .and_then(|loader| {
            let x = MemoryFeatures::new(vec![0.0, 1.0, 2.0], 1);
            loader.with_x("author", x.unwrap())
        })
        .and_then(|loader| loader.with_y("paper", vec![0, 10, 20, 30]))
        .unwrap();
    let all = |workers| -> Vec<HeteroHostBatch> {
        let epoch = loader.clone().with_num_workers(workers).epoch(0);
        epoch.collect::<Result<_, _>>().unwrap()
    };
    let expected = all(0);
    assert_eq!(expected, all(2));
    let first = &expected[0];
    assert_eq!(first.sample.node["paper"], [3, 0]);
    assert_eq!(first.sample.node["author"], [2, 0, 1]);
    assert_eq!(first.x["author"].values, [2.0, 0.0, 1.0]);
    assert_eq!(first.y["paper"], [30, 0]);
    assert_eq!((first.batch_size, expected[1].batch_size), (2, 1));

    let sampler = loader.clone();
    let error = sampler.with_y("paper", vec![0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`y of paper` has 1 rows, expected 4, one for each node"
    );
}

#[test]
fn what_does_not_fit_the_graph_is_refused() {
    let text = |result: Result<NeighborLoader, LoaderError>| result.unwrap_err().to_string();
    let sampler = NeighborSampler::new(graph(), &[1]).unwrap();
    let error = NeighborLoader::new(sampler, vec![5, 100]).unwrap_err();
    let LoaderError::Sampler(SamplerError::SeedOutOfRange { position, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(position, 1);
    let small = MemoryFeatures::new(vec![0.0; 99], 1).unwrap();
    assert_eq!(
        text(loader().with_x(small)),
        "`x` has 99 rows, expected 100, one for each node"
    );
    assert_eq!(
        text(loader().with_y(vec![])),
        "`y` has 0 rows, expected 100, one for each node"
    );
    assert_eq!(
        text(loader().with_input_time(vec![0])),
        "`input_time` has 1 entries, expected 43, one for each input node"
    );
}
