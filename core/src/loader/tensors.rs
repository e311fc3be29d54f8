//! Batches on a device.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{HeteroHostBatch, HostBatch, LoaderError, Rows};
use crate::{EdgeIndex, Graph, GraphError, int_tensor, sampler::EdgeType};

/// Numbers as the nodes or edges of a tensor.
fn numbers(list: &[u32]) -> impl Iterator<Item = i64> {
    list.iter().map(|&number| i64::from(number))
}

/// # Panics
/// If a number does not fit the integers of the device.
fn ints(list: impl Iterator<Item = i64>, device: &Device) -> Tensor<1, Int> {
    let list: Vec<i64> = list.collect();
    let length = list.len();
    let tensor = int_tensor(TensorData::new(list, [length]), device);
    tensor.unwrap_or_else(|error| panic!("{error}"))
}

/// Edges of a batch, which are in range by construction.
#[expect(
    clippy::cast_possible_wrap,
    reason = "the sampler keeps numbers in a batch below 2^31"
)]
fn edges(row: &[u32], col: &[u32], num_src: usize, num_dst: usize, device: &Device) -> EdgeIndex {
    let ends = row.iter().chain(col).map(|&node| node as i32);
    let data = TensorData::new(ends.collect(), [2, row.len()]);
    EdgeIndex::new_unchecked(Tensor::from_data(data, device), num_src, num_dst)
}

impl Rows {
    /// The rows on a device, `[rows, num_features]`.
    ///
    /// # Errors
    /// If there are other than `rows` of them. `name` is that of the features.
    fn tensor(
        &self,
        name: &'static str,
        rows: usize,
        device: &Device,
    ) -> Result<Tensor<2>, GraphError> {
        let shape = [rows, self.num_features];
        if self.values.len() != rows * self.num_features {
            return Err(GraphError::Shape {
                tensor: name,
                expected: format!("{shape:?}"),
                got: vec![self.values.len()],
            });
        }
        let data = TensorData::new(self.values.clone(), shape);
        Ok(Tensor::from_data(data, device))
    }
}

impl HostBatch {
    /// The batch as a graph: features, edges, and what else the loader has.
    ///
    /// A loss is taken over the first [`batch_size`](Self::batch_size) rows, those of the seeds.
    ///
    /// # Errors
    /// If the loader has no features of nodes, or the batch was changed and no longer agrees with
    /// itself.
    pub fn graph(&self, device: &Device) -> Result<Graph, LoaderError> {
        let x = self.x.as_ref().ok_or(LoaderError::NoFeatures)?;
        let x = x.tensor("x", self.n_id.len(), device)?;
        let mut graph = Graph::new(x, self.edge_index(device))?;
        if let Some(attr) = &self.edge_attr {
            graph = graph.with_edge_attr(attr.tensor("edge_attr", self.e_id.len(), device)?)?;
        }
        if let Some(y) = &self.y {
            graph = graph.with_y(ints(y.iter().copied(), device))?;
        }
        Ok(graph)
    }

    /// Edges of the batch: `[2, E]`, of `N` nodes.
    pub fn edge_index(&self, device: &Device) -> EdgeIndex {
        let nodes = self.n_id.len();
        edges(&self.row, &self.col, nodes, nodes, device)
    }

    /// Nodes in the graph, `[N]`.
    ///
    /// # Panics
    /// If a number does not fit the integers of the device: one from `2^31` on, where they have 32
    /// bits.
    pub fn n_id(&self, device: &Device) -> Tensor<1, Int> {
        ints(numbers(&self.n_id), device)
    }

    /// Number of each edge in the graph, `[E]`.
    ///
    /// # Panics
    /// As [`n_id`](Self::n_id).
    pub fn e_id(&self, device: &Device) -> Tensor<1, Int> {
        ints(numbers(&self.e_id), device)
    }

    /// Position of each seed among the loader's input nodes, `[B]`.
    pub fn input_id(&self, device: &Device) -> Tensor<1, Int> {
        ints(numbers(&self.input_id), device)
    }

    /// Seed to which each node belongs, `[N]`, if the sampler is `disjoint`.
    pub fn batch(&self, device: &Device) -> Option<Tensor<1, Int>> {
        let batch = self.batch.as_ref()?;
        Some(ints(numbers(batch), device))
    }
}

impl HeteroHostBatch {
    /// Edges of a type: `[2, E]`, between the batch's nodes of its two types. `None` if there is no
    /// such type.
    pub fn edge_index(&self, edge_type: &EdgeType, device: &Device) -> Option<EdgeIndex> {
        let sample = &self.sample;
        let (row, col) = (sample.row.get(edge_type)?, sample.col.get(edge_type)?);
        let count = |node_type| Some(sample.node.get(node_type)?.len());
        let (num_src, num_dst) = (count(&edge_type.0)?, count(&edge_type.2)?);
        Some(edges(row, col, num_src, num_dst, device))
    }

    /// Features of the nodes of a type, `[N, F]`; `None` if the loader has none.
    ///
    /// # Errors
    /// If the batch was changed and no longer agrees with itself.
    pub fn x(&self, node_type: &str, device: &Device) -> Result<Option<Tensor<2>>, LoaderError> {
        let nodes = self.sample.node.get(node_type).map_or(0, Vec::len);
        let rows = self.x.get(node_type);
        Ok(rows.map(|x| x.tensor("x", nodes, device)).transpose()?)
    }

    /// Class of each node of a type, `[N]`; `None` if the loader has none.
    pub fn y(&self, node_type: &str, device: &Device) -> Option<Tensor<1, Int>> {
        let y = self.y.get(node_type)?;
        Some(ints(y.iter().copied(), device))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        loader::{MemoryFeatures, NeighborLoader},
        read::karate_club,
        sampler::{HostCsr, NeighborSampler},
    };

    fn list(tensor: Tensor<1, Int>) -> Vec<i64> {
        tensor.into_data().iter::<i64>().collect()
    }

    #[test]
    fn numbers_beyond_31_bits_are_kept() {
        let ids = [7, 1 << 31, u32::MAX];
        let batch = ints(numbers(&ids), &Device::flex());
        assert_eq!(list(batch), [7, 1 << 31, (1 << 32) - 1]);
        let labels = [-3_000_000_000, 5];
        let y = ints(labels.iter().copied(), &Device::flex());
        assert_eq!(list(y), labels);
    }

    #[test]
    fn a_batch_of_everything_is_the_graph() {
        let device = Device::flex();
        let club = karate_club(&device);
        let csr = HostCsr::from_edge_index(club.edges()).unwrap();
        let sampler = NeighborSampler::new(Arc::new(csr), &[-1]).unwrap();
        let x: Vec<f32> = club.x().into_data().iter::<f32>().collect();
        let weights = (0..156_u16).map(f32::from).collect();
        let loader = NeighborLoader::new(sampler, (0..34).collect::<Vec<u32>>())
            .and_then(|loader| loader.with_batch_size(34))
            .and_then(|loader| loader.with_x(MemoryFeatures::new(x, 34).unwrap()))
            .and_then(|loader| loader.with_edge_attr(MemoryFeatures::new(weights, 1).unwrap()))
            .and_then(|loader| loader.with_y(list(club.y().unwrap())))
            .unwrap();
        let mut batch = loader.epoch(0).next().unwrap().unwrap();
        let graph = batch.graph(&device).unwrap();
        assert_eq!((graph.num_nodes(), graph.num_edges()), (34, 156));
        assert_eq!(graph.x().into_data(), club.x().into_data());
        assert_eq!(list(graph.y().unwrap()), list(club.y().unwrap()));

        let pairs = |edges: &EdgeIndex| -> Vec<(i64, i64)> {
            list(edges.src())
                .into_iter()
                .zip(list(edges.dst()))
                .collect()
        };
        let all = pairs(club.edges());
        let e_id = list(batch.e_id(&device));
        for (pair, &id) in pairs(graph.edges()).into_iter().zip(&e_id) {
            assert_eq!(pair, all[usize::try_from(id).unwrap()]);
        }
        let attr: Vec<i64> = graph
            .edge_attr()
            .unwrap()
            .into_data()
            .iter::<i64>()
            .collect();
        assert_eq!(attr, e_id);
        assert_eq!(list(batch.n_id(&device)), (0..34).collect::<Vec<_>>());
        assert_eq!(list(batch.input_id(&device)), (0..34).collect::<Vec<_>>());
        assert!(batch.batch(&device).is_none());

        batch.n_id.pop();
        let error = batch.graph(&device).unwrap_err();
        assert_eq!(error.to_string(), "`x` has shape [1156], expected [33, 34]");
        batch.x = None;
        assert!(matches!(batch.graph(&device), Err(LoaderError::NoFeatures)));
    }

    #[test]
    fn types_have_tensors_of_their_own() {
        let device = Device::flex();
        let name = ("a".to_owned(), "to".to_owned(), "b".to_owned());
        let rows = Rows {
            values: vec![0.5, 1.5],
            num_features: 1,
        };
        let mut batch = HeteroHostBatch {
            sample: crate::sampler::HeteroSamplerOutput {
                node: BTreeMap::from([("a".into(), vec![4, 9]), ("b".into(), vec![7])]),
                row: BTreeMap::from([(name.clone(), vec![1])]),
                col: BTreeMap::from([(name.clone(), vec![0])]),
                ..Default::default()
            },
            input_type: "b".into(),
            batch_size: 1,
            input_id: vec![0],
            x: BTreeMap::from([("a".into(), rows)]),
            y: BTreeMap::from([("b".into(), vec![3])]),
        };
        let edges = batch.edge_index(&name, &device).unwrap();
        assert_eq!((edges.num_src(), edges.num_dst()), (2, 1));
        assert_eq!((list(edges.src()), list(edges.dst())), (vec![1], vec![0]));
        assert_eq!(batch.x("a", &device).unwrap().unwrap().dims(), [2, 1]);
        assert!(batch.x("b", &device).unwrap().is_none());
        assert_eq!(list(batch.y("b", &device).unwrap()), [3]);
        batch.x.get_mut("a").unwrap().values.pop();
        assert!(batch.x("a", &device).is_err());
    }
}
