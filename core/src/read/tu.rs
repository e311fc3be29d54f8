//! Folders of the TU collection of graph classification datasets.
//!
//! A dataset `NAME` is a folder of text files, one item a line, columns separated by commas; nodes
//! and graphs are numbered from 1:
//!
//! | file | a line is | |
//! |---|---|---|
//! | `NAME_A.txt` | an edge: `source, target` | required |
//! | `NAME_graph_indicator.txt` | the graph of a node, ascending | required |
//! | `NAME_graph_labels.txt` | the class of a graph | |
//! | `NAME_node_attributes.txt` | numbers of a node | |
//! | `NAME_node_labels.txt` | one or more labels of a node | |
//! | `NAME_edge_attributes.txt` | numbers of an edge, in the order of `NAME_A.txt` | |
//! | `NAME_edge_labels.txt` | one or more labels of an edge | |
//!
//! The result is that of PyG's `TUDataset` with `use_node_attr` and `use_edge_attr`: attributes
//! first and then the labels, each as one-hot columns; self loops removed, edges sorted by source
//! and then target, features of equal edges summed; classes numbered from 0 in ascending order.
//! Three departures: nodes without any feature get the constant 1 (PyG's `Constant` transform)
//! instead of none, graphs of `graph_attributes` (regression) are read without them, and an edge
//! between two graphs is an error.
//!
//! Source: Morris et al., *TUDataset: a collection of benchmark datasets for learning with graphs*,
//! arXiv:2007.08663.
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, TensorData};

use super::error::{Place, ReadError, ReadErrorKind, quote};
use crate::{EdgeIndex, Graph, GraphError, integers::size_to_i64};

/// The most numbers that one-hot labels may become: 4 GiB of features.
const MAX_ONE_HOT_ELEMS: usize = 1 << 30;

/// The graphs of a TU dataset.
#[derive(Clone, Debug)]
pub struct TuDataset {
    /// Name, which begins the names of the files.
    pub name: String,
    /// The graphs, each with `y` `[1]` where the dataset has labels.
    pub graphs: Vec<Graph>,
    /// Number of classes; 0 without labels.
    pub num_classes: usize,
    /// How many of the node features, from the left, are attributes.
    pub num_node_attributes: usize,
    /// How many of the node features, after the attributes, are one-hot labels.
    pub num_node_labels: usize,
    /// How many of the edge features, from the left, are attributes.
    pub num_edge_attributes: usize,
    /// How many of the edge features, after the attributes, are one-hot labels.
    pub num_edge_labels: usize,
}

impl TuDataset {
    /// Number of features of a node, at least 1.
    pub fn num_features(&self) -> usize {
        self.num_node_attributes
            .saturating_add(self.num_node_labels)
            .max(1)
    }

    /// Number of features of an edge; 0 without `edge_attr`.
    pub fn num_edge_features(&self) -> usize {
        self.num_edge_attributes
            .saturating_add(self.num_edge_labels)
    }
}

/// Reads the dataset of a folder, such as `data/MUTAG`.
///
/// The folder holds `NAME_A.txt` and its siblings, where `NAME` need not be that of the folder as
/// long as there is one dataset in it. Features become `f32` and are, per node, the attributes
/// followed by the one-hot labels.
///
/// # Errors
/// If a required file is missing, a line is not what it should be, or files disagree in length.
pub fn read_tu(folder: impl AsRef<Path>, device: &Device) -> Result<TuDataset, ReadError> {
    let folder = folder.as_ref();
    let name = dataset_name(folder)?;
    let file = |part: &str| folder.join(format!("{name}_{part}.txt"));

    let indicator = Table::<i64>::read(file("graph_indicator"), Some(1))?;
    let labels = Table::<i64>::read_optional(file("graph_labels"), Some(1))?;
    let num_nodes = indicator.rows();
    let num_graphs = match &labels {
        Some(labels) => labels.rows(),
        None => indicator
            .values
            .iter()
            .copied()
            .max()
            .and_then(|last| usize::try_from(last).ok())
            .unwrap_or(0)
            .min(num_nodes),
    };
    let graph_of = graph_of_node(&indicator, num_graphs)?;

    let edges = Table::<i64>::read(file("A"), Some(2))?;
    let node_attributes = Table::<f32>::read_optional(file("node_attributes"), None)?;
    let node_labels = Table::<i64>::read_optional(file("node_labels"), None)?;
    let edge_attributes = Table::<f32>::read_optional(file("edge_attributes"), None)?;
    let edge_labels = Table::<i64>::read_optional(file("edge_labels"), None)?;

    let node = Features::join(
        node_attributes.as_ref(),
        node_labels.as_ref(),
        num_nodes,
        "nodes",
    )?;
    let edge = Features::join(
        edge_attributes.as_ref(),
        edge_labels.as_ref(),
        edges.rows(),
        "edges",
    )?;
    let (pairs, edge_rows) = coalesce(&edges, &graph_of, &edge)?;
    let (classes, num_classes) = match &labels {
        Some(labels) => {
            let mut distinct = labels.values.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let class =
                |label: &i64| i64::try_from(distinct.partition_point(|other| other < label));
            (
                labels
                    .values
                    .iter()
                    .filter_map(|label| class(label).ok())
                    .collect(),
                distinct.len(),
            )
        }
        None => (Vec::new(), 0),
    };

    let mut graphs = Vec::with_capacity(num_graphs);
    let (mut first_node, mut first_edge) = (0_usize, 0_usize);
    for graph in 0..num_graphs {
        let nodes = graph_of.get(first_node..).unwrap_or_default();
        let end_node = first_node.saturating_add(nodes.partition_point(|&owner| owner <= graph));
        let rest = pairs.get(first_edge..).unwrap_or_default();
        let end_edge = first_edge.saturating_add(rest.partition_point(|&(src, _)| src < end_node));
        let part = Part {
            nodes: end_node.saturating_sub(first_node),
            first_node,
            pairs: pairs.get(first_edge..end_edge).unwrap_or_default(),
            x: node.rows(&node.values, first_node, end_node),
            num_features: node.width(),
            edge_attr: edge.rows(&edge_rows, first_edge, end_edge),
            num_edge_features: edge.width(),
            class: classes.get(graph).copied(),
        };
        let built = part.build(device).map_err(|error| {
            ReadError::new(&edges.path, Place::File, ReadErrorKind::Graph(error))
        })?;
        graphs.push(built);
        (first_node, first_edge) = (end_node, end_edge);
    }
    Ok(TuDataset {
        name,
        graphs,
        num_classes,
        num_node_attributes: node.attributes,
        num_node_labels: node.labels,
        num_edge_attributes: edge.attributes,
        num_edge_labels: edge.labels,
    })
}

/// The `NAME` of the one `NAME_A.txt` in the folder, or of that which the folder is called after.
fn dataset_name(folder: &Path) -> Result<String, ReadError> {
    let fail = |kind| ReadError::new(folder, Place::File, kind);
    let io = |error| fail(ReadErrorKind::Io(error));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let file = entry.map_err(io)?.file_name();
        names.extend(
            file.to_str()
                .and_then(|file| file.strip_suffix("_A.txt"))
                .map(str::to_owned),
        );
    }
    names.sort_unstable();
    let called = folder.file_name().and_then(|name| name.to_str());
    if let Some(name) = names.iter().find(|name| Some(name.as_str()) == called) {
        return Ok(name.clone());
    }
    if let [name] = names.as_slice() {
        return Ok(name.clone());
    }
    let list: Vec<&str> = names.iter().map(String::as_str).collect();
    let got = if list.is_empty() {
        "none".to_owned()
    } else {
        super::error::quote_all(&list)
    };
    Err(fail(ReadErrorKind::Mismatch {
        expected: "one file NAME_A.txt".to_owned(),
        got,
    }))
}

/// A number in a text file.
trait Number: Copy {
    const WHAT: &'static str;

    fn parse(text: &str) -> Option<Self>;
}

impl Number for i64 {
    const WHAT: &'static str = "integer";

    fn parse(text: &str) -> Option<Self> {
        // Some datasets write labels as `1.0`.
        let whole = text.split_once('.').and_then(|(whole, fraction)| {
            (!whole.is_empty() && fraction.bytes().all(|digit| digit == b'0')).then_some(whole)
        });
        whole.unwrap_or(text).parse().ok()
    }
}

impl Number for f32 {
    const WHAT: &'static str = "number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A text file of rows of equally many numbers.
struct Table<T> {
    path: PathBuf,
    width: usize,
    values: Vec<T>,
}

impl<T: Number> Table<T> {
    /// Reads a file that may be missing.
    fn read_optional(path: PathBuf, width: Option<usize>) -> Result<Option<Self>, ReadError> {
        if path.exists() {
            Self::read(path, width).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads a file; without a width, the first line decides.
    fn read(path: PathBuf, width: Option<usize>) -> Result<Self, ReadError> {
        let io = |error| ReadError::new(&path, Place::File, ReadErrorKind::Io(error));
        let text = fs::read_to_string(&path).map_err(io)?;
        let text = text.trim_end();
        if text.is_empty() {
            return Err(ReadError::new(&path, Place::File, ReadErrorKind::Empty));
        }
        let first = text.lines().next().unwrap_or_default();
        let width = width.unwrap_or_else(|| first.split(',').count());
        let mut values = Vec::new();
        for (line, text) in (1_usize..).zip(text.lines()) {
            let before = values.len();
            let fail = || {
                let plural = if width == 1 { "" } else { "s" };
                let expected = format!("{width} {}{plural}", T::WHAT);
                let kind = ReadErrorKind::Mismatch {
                    expected,
                    got: quote(text),
                };
                ReadError::new(&path, Place::Line(line), kind)
            };
            for column in text.split(',') {
                values.push(T::parse(column.trim()).ok_or_else(fail)?);
            }
            if values.len().saturating_sub(before) != width {
                return Err(fail());
            }
        }
        Ok(Self {
            path,
            width,
            values,
        })
    }

    fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Fails at the first row that is missing or too many.
    fn expect_rows(&self, rows: usize, what: &str) -> Result<(), ReadError> {
        if self.rows() == rows {
            return Ok(());
        }
        let line = self.rows().min(rows).saturating_add(1);
        let expected = format!("{rows} lines, one for each of the {what}");
        self.fail(line, expected, format!("{} lines", self.rows()))
    }

    fn fail<R>(&self, line: usize, expected: String, got: String) -> Result<R, ReadError> {
        let kind = ReadErrorKind::Mismatch { expected, got };
        Err(ReadError::new(&self.path, Place::Line(line), kind))
    }
}

/// The graph of each node, counted from 0.
fn graph_of_node(indicator: &Table<i64>, num_graphs: usize) -> Result<Vec<usize>, ReadError> {
    let mut owners = Vec::with_capacity(indicator.rows());
    let mut last = 0;
    for (line, &number) in (1_usize..).zip(&indicator.values) {
        let owner = usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        match owner {
            Some(owner) if owner < num_graphs && owner >= last => {
                owners.push(owner);
                last = owner;
            }
            Some(owner) if owner < num_graphs => {
                let expected = "ascending graph numbers".to_owned();
                let last = last.saturating_add(1);
                return indicator.fail(line, expected, format!("{number} after {last}"));
            }
            _ => {
                let expected = format!("a graph number in 1..={num_graphs}");
                return indicator.fail(line, expected, number.to_string());
            }
        }
    }
    Ok(owners)
}

/// Attributes and one-hot labels, row by row.
struct Features {
    values: Vec<f32>,
    attributes: usize,
    labels: usize,
}

impl Features {
    fn join(
        attributes: Option<&Table<f32>>,
        labels: Option<&Table<i64>>,
        rows: usize,
        what: &str,
    ) -> Result<Self, ReadError> {
        let mut widths = Vec::new();
        let mut total = 0_usize;
        if let Some(labels) = labels {
            labels.expect_rows(rows, what)?;
            for column in 0..labels.width {
                let values = || labels.values.iter().skip(column).step_by(labels.width);
                let least = values().copied().min().unwrap_or(0);
                let most = values().copied().max().unwrap_or(0);
                let span = most
                    .checked_sub(least)
                    .and_then(|span| usize::try_from(span).ok());
                let width = span.and_then(|span| span.checked_add(1));
                let sum = width.and_then(|width| total.checked_add(width));
                let fits = |sum: &usize| {
                    sum.checked_mul(rows)
                        .is_some_and(|elems| elems <= MAX_ONE_HOT_ELEMS)
                };
                let (Some(width), Some(sum)) = (width, sum.filter(fits)) else {
                    let expected =
                        format!("labels that make at most {MAX_ONE_HOT_ELEMS} one-hot features");
                    return labels.fail(1, expected, format!("labels in {least}..={most}"));
                };
                widths.push((least, width));
                total = sum;
            }
        }
        if let Some(attributes) = attributes {
            attributes.expect_rows(rows, what)?;
        }

        let width = attributes.map_or(0, |attributes| attributes.width);
        let mut values = Vec::with_capacity(rows.saturating_mul(width.saturating_add(total)));
        let mut attribute = attributes.iter().flat_map(|table| &table.values).copied();
        let mut label = labels.iter().flat_map(|table| &table.values).copied();
        for _ in 0..rows {
            values.extend(attribute.by_ref().take(width));
            for &(least, classes) in &widths {
                let set = label.next().and_then(|label| label.checked_sub(least));
                let set = set.and_then(|label| usize::try_from(label).ok());
                let hot = |class| if Some(class) == set { 1.0 } else { 0.0 };
                values.extend((0..classes).map(hot));
            }
        }
        Ok(Self {
            values,
            attributes: width,
            labels: total,
        })
    }

    fn width(&self) -> usize {
        self.attributes.saturating_add(self.labels)
    }

    /// Rows `start..end` of values that have the width of these features.
    fn rows<'a>(&self, values: &'a [f32], start: usize, end: usize) -> &'a [f32] {
        let range = start.saturating_mul(self.width())..end.saturating_mul(self.width());
        values.get(range).unwrap_or_default()
    }
}

/// Edges from 0, without self loops, sorted and each once, and the features of each.
#[expect(
    clippy::type_complexity,
    reason = "two parallel lists, named by the caller"
)]
fn coalesce(
    edges: &Table<i64>,
    graph_of: &[usize],
    features: &Features,
) -> Result<(Vec<(usize, usize)>, Vec<f32>), ReadError> {
    let mut order = Vec::with_capacity(edges.rows());
    for (row, pair) in edges.values.chunks_exact(2).enumerate() {
        let line = row.saturating_add(1);
        let node = |number: i64| {
            let node = usize::try_from(number)
                .ok()
                .and_then(|number| number.checked_sub(1));
            if let Some(found) = node.and_then(|node| Some((node, *graph_of.get(node)?))) {
                return Ok(found);
            }
            let expected = format!("a node number in 1..={}", graph_of.len());
            edges.fail(line, expected, number.to_string())
        };
        let &[src, dst] = pair else { continue };
        let ((src, src_graph), (dst, dst_graph)) = (node(src)?, node(dst)?);
        if src_graph != dst_graph {
            let expected = "an edge within one graph".to_owned();
            let (one, other) = (src_graph.saturating_add(1), dst_graph.saturating_add(1));
            return edges.fail(line, expected, format!("one from graph {one} to {other}"));
        }
        if src != dst {
            order.push((src, dst, row));
        }
    }
    order.sort_unstable();

    let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(order.len());
    let mut values: Vec<f32> = Vec::new();
    for (src, dst, row) in order {
        let added = features.rows(&features.values, row, row.saturating_add(1));
        if pairs.last() == Some(&(src, dst)) {
            let start = values.len().saturating_sub(features.width());
            for (sum, value) in values.iter_mut().skip(start).zip(added) {
                *sum += value;
            }
        } else {
            pairs.push((src, dst));
            values.extend(added);
        }
    }
    Ok((pairs, values))
}

/// One graph's share of the dataset.
struct Part<'a> {
    nodes: usize,
    first_node: usize,
    pairs: &'a [(usize, usize)],
    x: &'a [f32],
    num_features: usize,
    edge_attr: &'a [f32],
    num_edge_features: usize,
    class: Option<i64>,
}

impl Part<'_> {
    fn build(&self, device: &Device) -> Result<Graph, GraphError> {
        let local = |node: usize| {
            node.checked_sub(self.first_node)
                .map_or(i64::MAX, size_to_i64)
        };
        let pairs: Vec<(i64, i64)> = self
            .pairs
            .iter()
            .map(|&(src, dst)| (local(src), local(dst)))
            .collect();
        let edges = EdgeIndex::from_pairs(&pairs, self.nodes, device)?;
        let x = if self.num_features == 0 {
            Tensor::ones([self.nodes, 1], device)
        } else {
            let data = TensorData::new(self.x.to_vec(), [self.nodes, self.num_features]);
            Tensor::from_data(data, device)
        };
        let mut graph = Graph::new(x, edges)?;
        if self.num_edge_features > 0 {
            let shape = [self.pairs.len(), self.num_edge_features];
            let data = TensorData::new(self.edge_attr.to_vec(), shape);
            graph = graph.with_edge_attr(Tensor::from_data(data, device))?;
        }
        if let Some(class) = self.class {
            let data = TensorData::from([class]);
            graph = graph.with_y(Tensor::from_data(data, device))?;
        }
        Ok(graph)
    }
}
