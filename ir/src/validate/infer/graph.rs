//! Operations on graphs: gather, scatter, sparse products, conversions between COO and CSR.

use super::{Infer, Problem, one, overflow};
use crate::{
    op::Float,
    program::{ElemType, TensorType},
    size::Size,
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn gather(&self, inputs: &[&TensorType]) -> Types {
        let &[x, index] = inputs else {
            return Ok(Vec::new());
        };
        let elem = Self::float("x", x)?;
        let edges = self.index("the index", index)?;
        let (_, features) = self.rows("x", x)?;
        Ok(one(elem, rows_of(edges.clone(), features)))
    }

    pub(super) fn scatter(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, _] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        let features = self.messages(inputs)?;
        Ok(one(x.elem, rows_of(size.clone(), features)))
    }

    pub(super) fn segment_softmax(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, _] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        self.messages(inputs)?;
        Ok(vec![x.clone()])
    }

    /// `(x [E, ..], index [E])`; gives the sizes after `E`.
    fn messages<'t>(&self, inputs: &[&'t TensorType]) -> Result<&'t [Size], Problem> {
        let &[x, index] = inputs else { return Ok(&[]) };
        Self::float("x", x)?;
        let (edges, features) = self.rows("x", x)?;
        self.entries("the index", index, edges)?;
        Ok(features)
    }

    pub(super) fn segment_reduce(&self, inputs: &[&TensorType]) -> Types {
        let &[x, ptr] = inputs else {
            return Ok(Vec::new());
        };
        let elem = Self::float("x", x)?;
        let (_, features) = self.rows("x", x)?;
        Ok(one(elem, rows_of(self.segments(ptr)?, features)))
    }

    pub(super) fn spmm(&self, size: &Size, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, ref weight @ ..] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of destinations", size)?;
        let features = self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        weight
            .iter()
            .try_for_each(|weight| self.edge_weight(weight, x.elem, edges))?;
        Ok(one(x.elem, vec![size.clone(), features.clone()]))
    }

    pub(super) fn spmm_csr(&self, inputs: &[&TensorType]) -> Types {
        let &[x, rowptr, col, ref value @ ..] = inputs else {
            return Ok(Vec::new());
        };
        let features = self.features(x)?;
        let rows = self.segments(rowptr)?;
        let edges = self.index("the columns", col)?;
        value
            .iter()
            .try_for_each(|value| self.edge_weight(value, x.elem, edges))?;
        Ok(one(x.elem, vec![rows, features.clone()]))
    }

    pub(super) fn edge_attention(
        &self,
        dropout: Float,
        size: &Size,
        inputs: &[&TensorType],
    ) -> Types {
        let &[x, src, dst, score_src, score_dst] = inputs else {
            return Ok(Vec::new());
        };
        Self::probability(dropout)?;
        self.count("the number of destinations", size)?;
        let elem = Self::float("x", x)?;
        let [nodes, heads, channels] = x.dims.as_slice() else {
            return Err(self.shape("x", "rank 3", x));
        };
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        for (what, ty, rows) in [
            ("the sources' scores", score_src, nodes),
            ("the destinations' scores", score_dst, size),
        ] {
            Self::exact(what, ty, elem)?;
            if ty.dims != [rows.clone(), heads.clone()] {
                let sizes = self.words().sizes(&[rows.clone(), heads.clone()]);
                return Err(self.shape(what, format!("shape [{sizes}]"), ty));
            }
        }
        let dims = vec![size.clone(), heads.clone(), channels.clone()];
        Ok(one(elem, dims))
    }

    pub(super) fn spmm_normalized(&self, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, scale] = inputs else {
            return Ok(Vec::new());
        };
        self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.of_each_row("the scale", scale, x)?;
        Ok(vec![x.clone()])
    }

    pub(super) fn spmm_with_loops(&self, inputs: &[&TensorType]) -> Types {
        let &[x, src, dst, weight, self_loop] = inputs else {
            return Ok(Vec::new());
        };
        self.features(x)?;
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.edge_weight(weight, x.elem, edges)?;
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
        Self::exact(what, ty, x.elem)?;
        if ty.dims == [rows.clone()] {
            return Ok(());
        }
        let expected = format!("shape [{}]", self.words().size(rows));
        Err(self.shape(what, expected, ty))
    }

    pub(super) fn inverse_sqrt_degree(
        &self,
        size: &Size,
        elem: ElemType,
        inputs: &[&TensorType],
    ) -> Types {
        let &[src, dst] = inputs else {
            return Ok(Vec::new());
        };
        let edges = self.index("the sources", src)?;
        self.entries("the destinations", dst, edges)?;
        self.degree(size, elem, &[dst])
    }

    pub(super) fn degree(&self, size: &Size, elem: ElemType, inputs: &[&TensorType]) -> Types {
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

    pub(super) fn ptr_to_index(&self, entries: &Size, inputs: &[&TensorType]) -> Types {
        let &[ptr] = inputs else {
            return Ok(Vec::new());
        };
        self.count("the number of entries", entries)?;
        self.segments(ptr)?;
        Ok(one(ElemType::I64, vec![entries.clone()]))
    }

    pub(super) fn coo_to_csr(&self, size: &Size, inputs: &[&TensorType]) -> Types {
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

    pub(super) fn nonzero(&self, inputs: &[&TensorType]) -> Types {
        let &[mask] = inputs else {
            return Ok(Vec::new());
        };
        Self::exact("the mask", mask, ElemType::Bool)?;
        match mask.dims.as_slice() {
            [size] => Ok(one(ElemType::I64, vec![size.clone()])),
            _ => Err(self.shape("the mask", "rank 1", mask)),
        }
    }

    pub(super) fn self_loop_position(&self, size: &Size, inputs: &[&TensorType]) -> Types {
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
        Self::float("x", x)?;
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

    fn edge_weight(&self, ty: &TensorType, elem: ElemType, edges: &Size) -> Result<(), Problem> {
        Self::exact("the edge weight", ty, elem)?;
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
