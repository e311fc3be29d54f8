//! Zachary's karate club: the graph on which one sees at a glance whether a layer learns.
//!
//! 34 members of a club, an edge where two met outside of it; the club broke in two afterwards.
//! Nodes, edges, classes and the training mask are those of PyG's `KarateClub`: four classes from
//! modularity clustering, as in Kipf and Welling, *Semi-supervised classification with graph
//! convolutional networks* (arXiv:1609.02907). Data: W. W. Zachary, *An information flow model for
//! conflict and fission in small groups*, Journal of Anthropological Research 33 (1977).

use burn::tensor::{Device, Tensor, TensorData};

use crate::{EdgeIndex, Graph};

const NUM_NODES: usize = 34;

/// Friends of each member that have a higher number.
#[rustfmt::skip]
const FRIENDS: [&[i64]; NUM_NODES] = [
    &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    &[2, 3, 7, 13, 17, 19, 21, 30],
    &[3, 7, 8, 9, 13, 27, 28, 32],
    &[7, 12, 13],
    &[6, 10], &[6, 10, 16], &[16], &[], &[30, 32, 33], &[33],
    &[], &[], &[], &[33], &[32, 33], &[32, 33], &[], &[], &[32, 33], &[33],
    &[32, 33], &[], &[32, 33], &[25, 27, 29, 32, 33], &[25, 27, 31],
    &[31], &[29, 33], &[33], &[31, 33], &[32, 33], &[32, 33], &[32, 33], &[33], &[],
];

/// Class of each member.
const CLASSES: [i64; NUM_NODES] = [
    1, 1, 1, 1, 3, 3, 3, 1, 0, 1, 3, 1, 1, 1, 0, 0, 3, 1, 0, 1, 0, 1, 0, 0, 2, 2, 0, 0, 2, 0, 0, 2,
    0, 0,
];

/// The karate club: 34 nodes, 78 friendships as 156 edges sorted by source, 4 classes.
///
/// Features are the identity matrix, `[34, 34]`: a node is known by its number alone. The training
/// mask holds the first node of each class, `{0, 4, 8, 24}`; the other masks are absent.
pub fn karate_club(device: &Device) -> Graph {
    let mut pairs = Vec::new();
    for (one, others) in (0_i64..).zip(FRIENDS) {
        pairs.extend(
            others
                .iter()
                .flat_map(|&other| [(one, other), (other, one)]),
        );
    }
    pairs.sort_unstable();
    let train: Vec<bool> = (0..NUM_NODES)
        .map(|node| !CLASSES[..node].contains(&CLASSES[node]))
        .collect();
    let build = || {
        let edges = EdgeIndex::from_pairs(&pairs, NUM_NODES, device)?;
        Graph::new(Tensor::eye(NUM_NODES, device), edges)?
            .with_y(Tensor::from_data(TensorData::from(CLASSES), device))?
            .with_train_mask(Tensor::from_data(
                TensorData::new(train, [NUM_NODES]),
                device,
            ))
    };
    build().expect("the built-in graph is consistent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_graph_of_pyg() {
        let club = karate_club(&Device::flex());
        assert_eq!(
            (club.num_nodes(), club.num_edges(), club.num_features()),
            (34, 156, 34)
        );
        assert_eq!(club.num_classes(), 4);
        assert!(club.is_undirected() && !club.has_self_loops() && !club.has_isolated_nodes());

        let indices: Vec<i64> = club.edges().tensor().into_data().iter::<i64>().collect();
        let (src, dst) = indices.split_at(156);
        assert!(src.is_sorted());
        assert_eq!(src.iter().filter(|&&node| node == 33).count(), 17);
        let of_33: Vec<i64> = (0..156)
            .filter(|&edge| src[edge] == 33)
            .map(|edge| dst[edge])
            .collect();
        let friends = [
            8, 9, 13, 14, 15, 18, 19, 20, 22, 23, 26, 27, 28, 29, 30, 31, 32,
        ];
        assert_eq!(of_33, friends);
        // Each edge counts with its position, so that order and values are all pinned.
        let sum: i64 = (1_i64..)
            .zip(src.iter().zip(dst))
            .map(|(e, (s, d))| e * (34 * s + d))
            .sum();
        assert_eq!(sum, 9_927_879);
    }

    #[test]
    fn one_node_of_each_class_is_trained_on() {
        let club = karate_club(&Device::flex());
        let mask = club.train_mask().unwrap().into_data();
        let nodes: Vec<usize> = mask
            .iter::<bool>()
            .enumerate()
            .filter_map(|(node, on)| on.then_some(node))
            .collect();
        assert_eq!(nodes, [0, 4, 8, 24]);
    }
}
