//! Tests of the public interface that need files or several types together.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{fs, path::Path};

use burn::tensor::{Bool, Device, Int, Tensor};
use kiln_core::{
    Adjacency, AnyTensor, EdgeIndex, Edges, Graph, Kind, Leaves, Nodes, ReadError, Value,
    read::{Place, ReadErrorKind, TuDataset, read_tu},
};
use tempfile::TempDir;

fn device() -> Device {
    Device::flex()
}

/// A folder `TOY` of the given files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (part, text) in files {
        fs::write(folder.path().join(format!("TOY_{part}.txt")), text).unwrap();
    }
    folder
}

fn read(files: &[(&str, &str)]) -> Result<TuDataset, ReadError> {
    read_tu(folder(files).path(), &device())
}

/// The message without the folder.
fn message(files: &[(&str, &str)]) -> String {
    let text = read(files).unwrap_err().to_string();
    text.split_once("TOY_")
        .map_or(text.clone(), |(_, rest)| rest.to_owned())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn ints<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
    tensor.into_data().iter::<i64>().collect()
}

const A: (&str, &str) = ("A", "2, 1\n1, 2\n4, 3\n5, 3\n");
const INDICATOR: (&str, &str) = ("graph_indicator", "1\n1\n2\n2\n2\n");
const LABELS: (&str, &str) = ("graph_labels", "1\n-1\n");

#[test]
fn tu_graphs_are_cut_apart() {
    let data = read(&[A, INDICATOR, LABELS]).unwrap();
    assert_eq!(
        (data.name.as_str(), data.num_classes, data.num_features()),
        ("TOY", 2, 1)
    );
    let [one, two] = data.graphs.as_slice() else {
        panic!("two graphs")
    };
    assert_eq!(ints(one.edges().tensor()), [0, 1, 1, 0]);
    assert_eq!(ints(two.edges().tensor()), [1, 2, 0, 0]);
    assert_eq!(
        (ints(one.y().unwrap()), ints(two.y().unwrap())),
        (vec![1], vec![0])
    );
    assert_eq!(
        floats(two.x()),
        [1.0; 3],
        "nodes without features get the constant 1"
    );
    assert!(one.edge_attr().is_none());
}

#[test]
fn tu_attributes_come_before_one_hot_labels() {
    let data = read(&[
        A,
        INDICATOR,
        LABELS,
        ("node_attributes", " 0.5, -1e1\n1,2\n3,4\n5,6\n7,8\n"),
        ("node_labels", "3\n2\n2\n4\n3\n"),
        ("edge_attributes", "1\n2\n3\n4\n"),
        ("edge_labels", "0\n0\n1\n0"),
    ])
    .unwrap();
    assert_eq!(
        (
            data.num_node_attributes,
            data.num_node_labels,
            data.num_features()
        ),
        (2, 3, 5)
    );
    assert_eq!((data.num_edge_attributes, data.num_edge_labels), (1, 2));
    assert_eq!(data.num_edge_features(), 3);
    let [one, two] = data.graphs.as_slice() else {
        panic!("two graphs")
    };
    assert_eq!(
        floats(one.x()),
        [0.5, -10.0, 0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0]
    );
    // Edges are sorted, and their features with them.
    assert_eq!(
        floats(one.edge_attr().unwrap()),
        [2.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    );
    assert_eq!(
        floats(two.edge_attr().unwrap()),
        [3.0, 0.0, 1.0, 4.0, 1.0, 0.0]
    );
}

#[test]
fn tu_edges_are_coalesced_without_self_loops() {
    let edges = ("A", "1,2\n2,2\n2,1\n1,2\n");
    let indicator = ("graph_indicator", "1\n1\n");
    let data = read(&[edges, indicator, ("edge_attributes", "1\n10\n100\n1000\n")]).unwrap();
    let [graph] = data.graphs.as_slice() else {
        panic!("one graph")
    };
    assert_eq!(ints(graph.edges().tensor()), [0, 1, 1, 0]);
    assert_eq!(floats(graph.edge_attr().unwrap()), [1001.0, 100.0]);
    assert!(graph.y().is_none() && data.num_classes == 0);
}

#[test]
fn tu_graphs_may_be_empty_and_lines_may_end_in_crlf() {
    let indicator = ("graph_indicator", "1\r\n3\r\n");
    let data = read(&[
        ("A", "1, 1\r\n"),
        indicator,
        ("graph_labels", "0\r\n1.0\r\n0\r\n\r\n"),
    ]);
    let sizes: Vec<usize> = data.unwrap().graphs.iter().map(Graph::num_nodes).collect();
    assert_eq!(sizes, [1, 0, 1]);
}

#[test]
fn tu_label_columns_become_one_hot_side_by_side() {
    let data = read(&[A, INDICATOR, ("node_labels", "0,5\n1,5\n0,6\n0,5\n1,7\n")]).unwrap();
    assert_eq!(data.num_node_labels, 5);
    assert_eq!(
        floats(data.graphs[0].x()),
        [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn tu_files_may_be_missing_or_empty() {
    let error = read(&[]).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": expected one file NAME_A.txt, got none"),
        "{error}"
    );
    let missing = Path::new("/no/such/folder");
    let error = read_tu(missing, &device()).unwrap_err();
    assert!(matches!(error.kind(), ReadErrorKind::Io(_)) && error.path() == missing);
    assert_eq!(message(&[A]), "graph_indicator.txt: cannot read it");
    assert_eq!(
        message(&[A, ("graph_indicator", "\n")]),
        "graph_indicator.txt: the file is empty"
    );
}

#[test]
fn tu_folders_of_two_datasets_need_the_name_of_one() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("TOY");
    fs::create_dir(&folder).unwrap();
    for name in ["TOY", "OTHER"] {
        fs::write(folder.join(format!("{name}_A.txt")), "1, 1").unwrap();
        fs::write(folder.join(format!("{name}_graph_indicator.txt")), "1").unwrap();
    }
    assert_eq!(read_tu(&folder, &device()).unwrap().name, "TOY");
    let renamed = parent.path().join("renamed");
    fs::rename(&folder, &renamed).unwrap();
    let error = read_tu(&renamed, &device()).unwrap_err().to_string();
    assert!(
        error.ends_with("expected one file NAME_A.txt, got \"OTHER\", \"TOY\""),
        "{error}"
    );
}

#[test]
fn tu_lines_are_checked() {
    let with_edges = |text| message(&[("A", text), INDICATOR, LABELS]);
    assert_eq!(
        with_edges("1,2\n1,x\n"),
        "A.txt, line 2: expected 2 integers, got \"1,x\""
    );
    assert_eq!(
        with_edges("1,2\n\n1,2\n"),
        "A.txt, line 2: expected 2 integers, got \"\""
    );
    assert_eq!(
        with_edges("1,2,3\n"),
        "A.txt, line 1: expected 2 integers, got \"1,2,3\""
    );
    assert_eq!(
        with_edges("1,2\n6,1\n"),
        "A.txt, line 2: expected a node number in 1..=5, got 6"
    );
    assert_eq!(
        with_edges("0,1\n"),
        "A.txt, line 1: expected a node number in 1..=5, got 0"
    );
    assert_eq!(
        with_edges("1,2\n2,3\n"),
        "A.txt, line 2: expected an edge within one graph, got one from graph 1 to 2"
    );
    let attributes = ("node_attributes", "1,2\n3\n4,5\n6,7\n8,9\n");
    assert_eq!(
        message(&[A, INDICATOR, attributes]),
        "node_attributes.txt, line 2: expected 2 numbers, got \"3\""
    );
    assert_eq!(
        message(&[A, INDICATOR, ("graph_labels", "1\n99999999999999999999\n")]),
        "graph_labels.txt, line 2: expected 1 integer, got \"99999999999999999999\""
    );
}

#[test]
fn tu_indicators_are_checked() {
    let with = |text| message(&[A, ("graph_indicator", text), LABELS]);
    let out = |line, got| {
        format!("graph_indicator.txt, line {line}: expected a graph number in 1..=2, got {got}")
    };
    assert_eq!(with("1\n3\n"), out(2, 3));
    assert_eq!(with("0\n1\n"), out(1, 0));
    assert_eq!(with("1\n-4\n"), out(2, -4));
    assert_eq!(
        with("1\n2\n1\n"),
        "graph_indicator.txt, line 3: expected ascending graph numbers, got 1 after 2"
    );
    // Without labels, there are no more graphs than nodes.
    assert_eq!(
        message(&[A, ("graph_indicator", "1\n9000000000000000000\n")]),
        "graph_indicator.txt, line 2: expected a graph number in 1..=2, got 9000000000000000000"
    );
}

#[test]
fn tu_lengths_must_agree() {
    assert_eq!(
        message(&[A, INDICATOR, ("node_labels", "0\n1\n")]),
        "node_labels.txt, line 3: expected 5 lines, one for each of the nodes, got 2 lines"
    );
    assert_eq!(
        message(&[A, INDICATOR, ("edge_attributes", "0\n1\n2\n3\n4\n5\n")]),
        "edge_attributes.txt, line 5: expected 4 lines, one for each of the edges, got 6 lines"
    );
}

#[test]
fn tu_labels_cannot_ask_for_endless_memory() {
    let labels = ("node_labels", "0\n1\n2\n3\n9000000000000000000\n");
    let error = read(&[A, INDICATOR, labels]).unwrap_err();
    assert!(
        matches!(error.kind(), ReadErrorKind::Mismatch { .. }),
        "{error}"
    );
    let labels = (
        "node_labels",
        "-9000000000000000000\n1\n2\n3\n9000000000000000000\n",
    );
    let error = read(&[A, INDICATOR, labels]).unwrap_err();
    assert_eq!(*error.place(), Place::Line(1));
}

struct Arguments {
    x: Nodes,
    edges: Edges,
    weight: Option<Tensor<1>>,
    rest: Vec<(Tensor<1, Int>, Tensor<1, Bool>)>,
}
kiln_core::leaves!(Arguments {
    x,
    edges,
    weight,
    rest
});

fn names(value: impl Leaves, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    value.map_leaves(name, &mut |name, tensor| {
        names.push(name);
        tensor
    });
    names
}

fn adjacency(value: Option<Tensor<1>>) -> Adjacency {
    let ints = |values: &[i64]| Tensor::<1, Int>::from_ints(values, &device());
    Adjacency::new(ints(&[0, 1, 2]), ints(&[1, 0]), value, 2).unwrap()
}

#[test]
fn leaves_have_dotted_names() {
    let x = Tensor::<2>::ones([2, 3], &device());
    assert_eq!(names(x.clone(), "x"), ["x"]);
    assert_eq!(names(Nodes::from(x.clone()), "x"), ["x"]);
    assert_eq!(
        names(Nodes::from((x.clone(), x.clone())), "x"),
        ["x.0", "x.1"]
    );
    assert_eq!(names(Nodes::from((x.clone(), None)), "x"), ["x.0"]);
    let csr = adjacency(None);
    assert_eq!(
        names(csr.clone(), "edge_index"),
        ["edge_index.rowptr", "edge_index.col"]
    );
    let edges = EdgeIndex::from_pairs(&[(0, 1)], 2, &device()).unwrap();
    assert_eq!(names(edges, "edge_index"), ["edge_index"]);

    let record = |weight| Arguments {
        x: Nodes::pair(x.clone(), None),
        edges: Edges::from(&csr),
        weight,
        rest: vec![(
            Tensor::from_ints([1], &device()),
            Tensor::from_data([true], &device()),
        )],
    };
    let all = [
        "x.0",
        "edges.rowptr",
        "edges.col",
        "weight",
        "rest.0.0",
        "rest.0.1",
    ];
    assert_eq!(names(record(Some(Tensor::ones([2], &device()))), ""), all);
    assert_eq!(
        names(record(None), "in")[3..],
        ["in.rest.0.0", "in.rest.0.1"]
    );
}

#[test]
fn leaves_are_replaced() {
    let weight = Tensor::<1>::ones([2], &device());
    let doubled = adjacency(Some(weight)).map_leaves("a", &mut |_, tensor| match tensor.kind() {
        Kind::Float => AnyTensor::from(tensor.float::<1>() * 2.0),
        Kind::Int | Kind::Bool => tensor,
    });
    assert_eq!(floats(doubled.value().unwrap()), [2.0, 2.0]);
    assert_eq!(ints(doubled.col()), [1, 0]);
    assert!(doubled.with_value(None).value().is_none());
}

#[test]
fn one_node_set_is_its_own_destination() {
    let x = Tensor::<2>::ones([2, 3], &device());
    let single = Nodes::single(x.clone());
    assert!(!single.is_pair() && single.dst().is_some());
    let pair = Nodes::pair(x, None);
    assert!(pair.is_pair() && pair.dst().is_none());
}

#[test]
fn both_forms_of_edges_count_the_same() {
    let coo = Edges::from(EdgeIndex::from_arrays(&[1, 0], &[0, 1], 2, 2, &device()).unwrap());
    let csr = Edges::from(adjacency(None));
    for edges in [coo, csr] {
        assert_eq!(
            (edges.num_src(), edges.num_dst(), edges.num_edges()),
            (2, 2, 2)
        );
        assert_eq!(edges.device(), device());
    }
}

#[test]
fn tensors_keep_their_kind_through_a_value() {
    let x = AnyTensor::from(Tensor::<2>::ones([2, 3], &device()));
    assert_eq!((x.kind(), x.shape().to_vec()), (Kind::Float, vec![2, 3]));
    let flags = AnyTensor::from(Tensor::<1, Bool>::from_data([true], &device()));
    assert_eq!(flags.kind(), Kind::Bool);
    assert_eq!(flags.bool::<1>().dims(), [1]);
    let index = AnyTensor::from(Tensor::<1, Int>::from_ints([3], &device()));
    assert_eq!(index.kind(), Kind::Int);
    assert_eq!(index.device(), device());
    assert!(matches!(Value::from(index.int::<1>()), Value::Tensor(_)));
}

#[test]
#[should_panic(expected = "expected a tensor of rank 1, got shape")]
fn a_tensor_of_another_rank_is_refused() {
    let _ = AnyTensor::from(Tensor::<2>::ones([2, 3], &device())).float::<1>();
}
