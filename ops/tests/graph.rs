//! Graph utilities against hand-computed results, which are those of `torch_geometric.utils`.

use kiln_core::EdgeIndex;
use kiln_ops::graph;

use crate::support::{assert_close, device, floats, ints, read, read_ints};

fn edges(src: &[i64], dst: &[i64], nodes: usize) -> EdgeIndex {
    EdgeIndex::from_arrays(src, dst, nodes, nodes, &device()).unwrap()
}

fn ends(edges: &EdgeIndex) -> (Vec<usize>, Vec<usize>) {
    (read_ints(edges.src()), read_ints(edges.dst()))
}

#[test]
fn adjacency_and_back() {
    let edges = edges(&[3, 0, 1, 2], &[1, 0, 1, 3], 4);
    let value = floats(&[10., 20., 30., 40.], [4], &device());
    let (adjacency, perm) = graph::to_adjacency(&edges, Some(value));
    assert_eq!(read_ints(perm), [1, 0, 2, 3]);
    assert_eq!(read_ints(adjacency.rowptr()), [0, 1, 3, 3, 4]);
    assert_eq!(read_ints(adjacency.col()), [0, 3, 1, 2]);
    assert_close(
        "value",
        &read(adjacency.value().unwrap()),
        &[20., 10., 30., 40.],
        1.0,
    );
    assert_eq!(
        ends(&graph::to_edge_index(&adjacency)),
        (vec![0, 3, 1, 2], vec![0, 1, 1, 3])
    );
}

#[test]
fn self_loops_come_and_go() {
    let graph_edges = edges(&[0, 1, 1, 2], &[1, 1, 1, 0], 3);
    let weight = || floats(&[1., 2., 3., 4.], [4], &device());
    assert!(graph::contains_self_loops(&graph_edges));

    let (left, left_weight) = graph::remove_self_loops(&graph_edges, Some(weight()));
    assert_eq!(ends(&left), (vec![0, 2], vec![1, 0]));
    assert_close("left", &read(left_weight.unwrap()), &[1., 4.], 1.0);
    assert!(!graph::contains_self_loops(&left));

    let (more, more_weight) = graph::add_self_loops(&graph_edges, Some(weight()), 0.5);
    assert_eq!(
        ends(&more),
        (vec![0, 1, 1, 2, 0, 1, 2], vec![1, 1, 1, 0, 0, 1, 2])
    );
    assert_close(
        "more",
        &read(more_weight.unwrap()),
        &[1., 2., 3., 4., 0.5, 0.5, 0.5],
        1.0,
    );

    let (rest, rest_weight) = graph::add_remaining_self_loops(&graph_edges, Some(weight()), 0.5);
    assert_eq!(ends(&rest), (vec![0, 2, 0, 1, 2], vec![1, 0, 0, 1, 2]));
    assert_close(
        "rest",
        &read(rest_weight.unwrap()),
        &[1., 4., 0.5, 3., 0.5],
        1.0,
    );

    let (rest, no_weight) = graph::add_remaining_self_loops(&graph_edges, None, 1.0);
    assert_eq!(rest.num_edges(), 5);
    assert!(no_weight.is_none());
}

#[test]
fn graphs_without_edges() {
    let empty = edges(&[], &[], 2);
    assert!(!graph::contains_self_loops(&empty));
    let (adjacency, perm) = graph::to_adjacency(&empty, None);
    assert_eq!(read_ints(adjacency.rowptr()), [0, 0, 0]);
    assert_eq!(perm.dims(), [0]);
    assert_eq!(ends(&graph::to_edge_index(&adjacency)), (vec![], vec![]));
    let (loops, _) = graph::add_remaining_self_loops(&empty, None, 1.0);
    assert_eq!(ends(&loops), (vec![0, 1], vec![0, 1]));
    let (nothing, _) = graph::add_self_loops(&edges(&[], &[], 0), None, 1.0);
    assert_eq!(ends(&nothing), (vec![], vec![]));
    assert_eq!(read_ints(ints(&[], &device())), [0_usize; 0]);
}
