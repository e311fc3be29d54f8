//! Models by hand, with results from a reference of a few lines.

mod attention;
mod names;
mod network;
mod overloads;
mod selection;
mod sizes;

use kiln_ir::{ModuleId, ShapeOp, Size, ValueId, WeightId, WeightRole};

pub(crate) use attention::attention;
pub(crate) use names::names;
pub(crate) use network::network;
pub(crate) use overloads::overloads;
pub(crate) use selection::selection;
pub(crate) use sizes::sizes;

use crate::{
    builder::{Body, Builder, int},
    expectation::{Arg, Data, write},
};

/// A matrix for reference results.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Matrix {
    /// `rows x width` values that are all different and small.
    pub(super) fn sample(rows: usize, width: usize, seed: usize) -> Self {
        let value = |position: usize| {
            let number = u16::try_from((position * 37 + seed * 11) % 41).unwrap();
            (f32::from(number) - 20.0) / 16.0
        };
        Self {
            width,
            values: (0..rows * width).map(value).collect(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    pub(super) fn data(&self) -> Data {
        Data::float(&[self.rows(), self.width], &self.values)
    }

    /// All values along one axis.
    pub(super) fn row_data(&self) -> Data {
        Data::float(&[self.values.len()], &self.values)
    }

    /// `x wᵀ`
    pub(super) fn linear(&self, weight: &Matrix) -> Self {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let values = (0..self.rows())
            .flat_map(|row| {
                (0..weight.rows()).map(move |column| dot(self.row(row), weight.row(column)))
            })
            .collect();
        Self {
            width: weight.rows(),
            values,
        }
    }

    pub(super) fn map(&self, f: impl Fn(usize, f32) -> f32) -> Self {
        let values = self
            .values
            .iter()
            .enumerate()
            .map(|(at, &value)| f(at % self.width, value));
        Self {
            width: self.width,
            values: values.collect(),
        }
    }

    pub(super) fn add(&self, other: &Matrix) -> Self {
        let values = self
            .values
            .iter()
            .zip(&other.values)
            .map(|(a, b)| a + b)
            .collect();
        Self {
            width: self.width,
            values,
        }
    }

    /// Sums, or averages, the weighted rows of each edge at its target.
    pub(super) fn propagate(
        &self,
        edges: &[(usize, usize)],
        weights: &[f32],
        size: usize,
        mean: bool,
    ) -> Self {
        let mut out = Self {
            width: self.width,
            values: vec![0.0; size * self.width],
        };
        for (&(src, dst), weight) in edges.iter().zip(weights) {
            let count = edges.iter().filter(|(_, other)| *other == dst).count();
            let scale = if mean {
                weight / f32::from(u16::try_from(count).unwrap())
            } else {
                *weight
            };
            for (at, value) in self.row(src).iter().enumerate() {
                out.values[dst * self.width + at] += scale * value;
            }
        }
        out
    }
}

/// Edges with a self loop, a duplicate and a node that receives nothing.
pub(super) const EDGES: [(usize, usize); 6] = [(0, 1), (0, 1), (2, 2), (3, 0), (1, 2), (4, 0)];

pub(super) fn edge_index(edges: &[(usize, usize)]) -> Data {
    let number = |node: usize| i64::try_from(node).unwrap();
    let src = edges.iter().map(|edge| number(edge.0));
    let dst = edges.iter().map(|edge| number(edge.1));
    Data::int(&[2, edges.len()], &src.chain(dst).collect::<Vec<_>>())
}

/// `(rowptr, col, value)` of edges that are sorted by target first.
pub(super) fn adjacency(edges: &[(usize, usize)], size: usize, value: Arg) -> Arg {
    let number = |node: usize| i64::try_from(node).unwrap();
    let mut sorted = edges.to_vec();
    sorted.sort_by_key(|edge| edge.1);
    let before = |node: usize| number(sorted.iter().filter(|edge| edge.1 < node).count());
    let rowptr: Vec<i64> = (0..=size).map(before).collect();
    let col: Vec<i64> = sorted.iter().map(|edge| number(edge.0)).collect();
    Arg::Tuple(vec![
        Data::int(&[size + 1], &rowptr).into(),
        Data::int(&[edges.len()], &col).into(),
        value,
    ])
}

pub(super) fn linear(
    builder: &mut Builder,
    parent: ModuleId,
    path: &str,
    weight: &Matrix,
) -> WeightId {
    let module = builder.module(Some(parent), path, "Linear");
    builder.weight(
        module,
        &format!("{path}.weight"),
        WeightRole::Parameter,
        weight.data(),
    )
}

/// Row `row` of an edge index, as the operations that a recording would hold.
pub(super) fn row(body: &mut Body<'_>, edge_index: ValueId, e: &Size, row: i64) -> ValueId {
    let range = (row.into(), (row + 1).into());
    let slice = ShapeOp::Slice {
        ranges: vec![range, (0.into(), e.clone())],
    };
    let slice = body.op(slice, &[edge_index], &int(vec![1.into(), e.clone()]));
    body.op(
        ShapeOp::Reshape {
            dims: vec![e.clone()],
        },
        &[slice],
        &int(vec![e.clone()]),
    )
}

#[test]
fn models_are_written() {
    for (name, (builder, calls)) in [
        ("network", network()),
        ("overloads", overloads()),
        ("attention", attention()),
        ("selection", selection()),
        ("names", names()),
    ] {
        write(name, &builder.model(), &calls, &[]);
    }
    let (builder, calls, refused) = sizes();
    write("sizes", &builder.model(), &calls, &refused);
}
