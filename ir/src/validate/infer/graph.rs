//! Operations on graphs: gather, scatter, sparse products, conversions between COO and CSR.

use super::{Infer, Problem, one, overflow};
use crate::{
    op::{Float, GraphOp, Reduce},
    program::{ElemType, TensorType},
    size::Size,
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn graph_op(&self, op: &GraphOp, inputs: &[&TensorType]) -> Types {
        match op {
            GraphOp::Gather => self.gather(inputs),
            GraphOp::Scatter { reduce, size } => self.scatter(*reduce, size, inputs),
            GraphOp::SegmentReduce { reduce: _ } => self.segment_reduce(inputs),
            GraphOp::SegmentSoftmax { size } => self.segment_softmax(size, inputs),
            GraphOp::Spmm { reduce: _, size } => self.spmm(size, inputs),
            GraphOp::SpmmCsr { reduce: _ } => self.spmm_csr(inputs),
            GraphOp::Degree { size, elem } => self.degree(size, *elem, inputs),
            GraphOp::PtrToIndex { entries } => self.ptr_to_index(entries, inputs),
            GraphOp::CooToCsr { size } => self.coo_to_csr(size, inputs),
            GraphOp::Nonzero => self.nonzero(inputs),
            GraphOp::RepeatInterleave => self.repeat_interleave(inputs),
            GraphOp::SizeOf => self.size_of(inputs),
            GraphOp::SelfLoopPosition { size } => self.self_loop_position(size, inputs),
            GraphOp::EdgeAttention {
                slope: _,
                self_loops: _,
                dropout,
                size,
            } => self.edge_attention(*dropout, size, inputs),
            GraphOp::SpmmNormalized { self_loop: _ } => self.spmm_normalized(inputs),
            GraphOp::SpmmWithLoops => self.spmm_with_loops(inputs),
            GraphOp::InverseSqrtDegree {
                self_loop: _,
                size,
                elem,
            } => self.inverse_sqrt_degree(size, *elem, inputs),
        }
    }

    fn gather(&self, inputs: &[&TensorType]) -> Types {
        let &[x, index] = inputs else {
            return Ok(Vec::new());
        };
        let elem = x.elem;
        let edges = self.index("the index", index)?;
        let (_, features) = self.rows("x", x)?;
        Ok(one(elem, rows_of(edges.clone(), features)))
    }

    fn scatter(&self, reduce: Reduce, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, _] = inputs else {
            return Ok(Vec::new());
        };
        Self::reduces(reduce, x)?;
        self.count("the number of destinations", size)?;
        let features = self.messages(inputs)?;
        Ok(one(x.elem, rows_of(size.clone(), features)))
    }

    fn segment_softmax(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, _] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        self.messages(inputs)?;
        Ok(vec![x.clone()])
    }

    /// Checks that elements have the reduction.
    pub(super) fn reduces(reduce: Reduce, x: &TensorType) -> Result<(), Problem> {
        if reduce == Reduce::Mean && !x.elem.is_float() {
            return Err(Self::element("x", "floats", x.elem));
        }
        Ok(())
    }

    /// `(x [E, ..], index [E])`; gives the sizes after `E`.
    fn messages<'t>(&self, inputs: &[&'t TensorType]) -> Result<&'t [Size], Problem> {
        let &[x, index] = inputs else { return Ok(&[]) };
        let (edges, features) = self.rows("x", x)?;
        self.entries("the index", index, edges)?;
        Ok(features)
    }

    fn segment_reduce(&self, inputs: &[&TensorType]) -> Types {
        let &[x, ptr] = inputs else {
            return Ok(Vec::new());
        };
        let elem = x.elem;
        let (_, features) = self.rows("x", x)?;
        Ok(one(elem, rows_of(self.segments(ptr)?, features)))
    }

    fn spmm(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, ref weight @ ..] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        let features = self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        weight
            .iter()
            .try_for_each(|weight| self.edge_weight(weight, edges))?;
        Ok(one(x.elem, vec![size.clone(), features.clone()]))
    }

    fn spmm_csr(&self, inputs: &[&TensorType]) -> Types {
        let &[x, rowptr, col, ref value @ ..] = inputs else {
            return Ok(Vec::new());
        };
        let features = self.features(x)?;
        let rows = self.segments(rowptr)?;
        let edges = self.index("the columns", col)?;
        value
            .iter()
            .try_for_each(|value| self.edge_weight(value, edges))?;
        Ok(one(x.elem, vec![rows, features.clone()]))
    }

    fn edge_attention(&self, dropout: Float, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, score_src, score_dst] = inputs else {
            return Ok(Vec::new());
        };
        Self::probability(dropout)?;
        self.count("the number of destinations", size)?;
        let elem = x.elem;
        let [nodes, heads, channels] = x.dims.as_slice() else {
            return Err(self.shape("x", "rank 3", x));
        };
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        for (what, ty, rows) in [
            ("the sources' scores", score_src, nodes),
            ("the destinations' scores", score_dst, size),
        ] {
            if ty.dims != [rows.clone(), heads.clone()] {
                let sizes = self.words().sizes(&[rows.clone(), heads.clone()]);
                return Err(self.shape(what, format!("shape [{sizes}]"), ty));
            }
        }
        let dims = vec![size.clone(), heads.clone(), channels.clone()];
        Ok(one(elem, dims))
    }

    fn spmm_normalized(&self, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, scale] = inputs else {
            return Ok(Vec::new());
        };
        self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.of_each_row("the scale", scale, x)?;
        Ok(vec![x.clone()])
    }

    fn spmm_with_loops(&self, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, weight, self_loop] = inputs else {
            return Ok(Vec::new());
        };
        self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.edge_weight(weight, edges)?;
        self.of_each_row("the loops", self_loop, x)?;
        Ok(vec![x.clone()])
    }

    /// Checks for a number for each row of `x`.
    fn of_each_row(
        &self,
        what: &'static str,
        ty: &TensorType,
        x: &TensorType,
    ) -> Result<(), Problem> {
        let (rows, _) = self.rows("x", x)?;
        if ty.dims == [rows.clone()] {
            return Ok(());
        }
        let expected = format!("shape [{}]", self.words().size(rows));
        Err(self.shape(what, expected, ty))
    }

    fn inverse_sqrt_degree(&self, size: &Size, elem: ElemType, inputs: &[&TensorType]) -> Types {
        let &[src, dst] = inputs else {
            return Ok(Vec::new());
        };
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.degree(size, elem, &[dst])
    }

    fn degree(&self, size: &Size, elem: ElemType, inputs: &[&TensorType]) -> Types {
        let &[index] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        self.index("the index", index)?;
        if !elem.is_float() {
            return Err(Self::element("the result", "floats", elem));
        }
        Ok(one(elem, vec![size.clone()]))
    }

    fn ptr_to_index(&self, entries: &Size, inputs: &[&TensorType]) -> Types {
        let &[ptr] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of entries", entries)?;
        self.segments(ptr)?;
        Ok(one(ElemType::I64, vec![entries.clone()]))
    }

    fn coo_to_csr(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[index] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of rows", size)?;
        let edges = self.index("the index", index)?;
        let pointers = size.checked_add(&Size::fixed(1)).ok_or_else(overflow)?;
        let mut types = one(ElemType::I64, vec![pointers]);
        types.extend(one(ElemType::I64, vec![edges.clone()]));
        Ok(types)
    }

    fn nonzero(&self, inputs: &[&TensorType]) -> Types {
        let &[mask] = inputs else {
            return Ok(Vec::new());
        };
        match mask.dims.as_slice() {
            [size] => Ok(one(ElemType::I64, vec![size.clone()])),
            _ => Err(self.shape("the mask", "rank 1", mask)),
        }
    }

    fn repeat_interleave(&self, inputs: &[&TensorType]) -> Types {
        let &[repeats] = inputs else {
            return Ok(Vec::new());
        };
        self.index("the repeats", repeats)?;
        Ok(vec![repeats.clone()])
    }

    fn size_of(&self, inputs: &[&TensorType]) -> Types {
        let &[size] = inputs else {
            return Ok(Vec::new());
        };
        match size.dims.as_slice() {
            [] => {}
            [one] if one.as_fixed() == Some(1) => {}
            _ => return Err(self.shape("the size", "one element, of shape [] or [1]", size)),
        }
        Ok(one(ElemType::I64, vec![Size::fixed(1)]))
    }

    fn self_loop_position(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[src, dst] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of nodes", size)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        Ok(one(ElemType::I64, vec![size.clone()]))
    }

    /// Columns of a float matrix.
    fn features<'t>(&self, x: &'t TensorType) -> Result<&'t Size, Problem> {
        match x.dims.as_slice() {
            [_, features] => Ok(features),
            _ => Err(self.shape("x", "rank 2", x)),
        }
    }

    /// Number of segments that a pointer tensor delimits.
    fn segments(&self, ptr: &TensorType) -> Result<Size, Problem> {
        let length = self.index("the pointers", ptr)?;
        let segments = length.checked_sub(&Size::fixed(1)).ok_or_else(overflow)?;
        if segments.as_fixed().is_some_and(|segments| segments < 0) {
            return Err(self.shape("the pointers", "at least one entry", ptr));
        }
        Ok(segments)
    }

    /// Checks for an index of the given length.
    fn entries(&self, what: &'static str, ty: &TensorType, edges: &Size) -> Result<(), Problem> {
        if self.index(what, ty)? == edges {
            return Ok(());
        }
        Err(self.shape(what, format!("{} entries", self.words().size(edges)), ty))
    }

    fn edge_weight(&self, ty: &TensorType, edges: &Size) -> Result<(), Problem> {
        match ty.dims.as_slice() {
            [own] if own == edges => Ok(()),
            _ => {
                let expected = format!("shape [{}]", self.words().size(edges));
                Err(self.shape("the edge weight", expected, ty))
            }
        }
    }
}

fn rows_of(rows: Size, features: &[Size]) -> Vec<Size> {
    let mut dims = vec![rows];
    dims.extend_from_slice(features);
    dims
}
