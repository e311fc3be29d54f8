//! Operations that move elements and change shapes.

use super::{Infer, Problem, one, overflow};
use crate::{
    op::{Reduce, ShapeOp},
    program::TensorType,
    size::Size,
    validate::{Kind, MAX_RANK},
};

type Types = Result<Vec<TensorType>, Problem>;

impl Infer<'_> {
    pub(super) fn shape_op(&self, op: &ShapeOp, inputs: &[&TensorType]) -> Types {
        match op {
            ShapeOp::Reshape { dims } => self.reshape(dims, inputs),
            ShapeOp::Permute { axes } => self.permute(axes, inputs),
            ShapeOp::Expand { dims } => self.expand(dims, inputs),
            ShapeOp::Slice { ranges } => self.slice(ranges, inputs),
            ShapeOp::Cat { dim } => self.cat(*dim, inputs),
            ShapeOp::RepeatDim { dim, times } => self.repeat(*dim, times, inputs),
            ShapeOp::Select { dim } => self.select(*dim, inputs),
            ShapeOp::GatherElements { dim } => self.gather_elements(*dim, inputs),
            ShapeOp::ScatterElements { dim, reduce } => {
                self.scatter_elements(*dim, *reduce, inputs)
            }
        }
    }

    /// Sizes in an attribute: at least 0 where they are fixed, and not too many.
    pub(super) fn dims(&self, dims: &[Size]) -> Result<(), Problem> {
        if dims.len() > MAX_RANK {
            let kind = Kind::Limit {
                what: "number of axes",
                limit: super::super::as_u64(MAX_RANK),
                got: super::super::as_u64(dims.len()),
            };
            return Err(Problem::new(1, kind));
        }
        dims.iter().try_for_each(|dim| self.count("a size", dim))
    }

    fn reshape(&self, dims: &[Size], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.dims(dims)?;
        let product = |dims: &[Size]| {
            dims.iter()
                .try_fold(Size::fixed(1), |product, dim| product.checked_mul(dim))
        };
        // Factors on both sides say nothing; without them, fewer products overflow.
        let (mut ours, mut theirs) = (Vec::new(), x.dims.clone());
        for dim in dims {
            match theirs.iter().position(|other| other == dim) {
                Some(position) => drop(theirs.swap_remove(position)),
                None => ours.push(dim.clone()),
            }
        }
        let before = product(&theirs).ok_or_else(overflow)?;
        let after = product(&ours).ok_or_else(overflow)?;
        if before != after {
            let target = TensorType {
                elem: x.elem,
                dims: dims.to_vec(),
            };
            let expected = format!("as many elements as {}", self.words().tensor_type(x));
            return Err(self.shape("a reshape", expected, &target));
        }
        Ok(one(x.elem, dims.to_vec()))
    }

    fn permute(&self, axes: &[u32], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        Self::distinct(axes)?;
        if axes.len() != x.dims.len() {
            let what = "axes";
            let expected = x.dims.len().to_string();
            return Err(Problem::new(
                16,
                Kind::Count {
                    what,
                    expected,
                    got: axes.len(),
                },
            ));
        }
        let dims = axes.iter().map(|&axis| self.axis(x, axis).cloned());
        Ok(one(x.elem, dims.collect::<Result<_, _>>()?))
    }

    fn expand(&self, dims: &[Size], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.dims(dims)?;
        let mut pairs = dims.iter().rev().zip(x.dims.iter().rev());
        let fits = pairs.all(|(dim, own)| dim == own || own.as_fixed() == Some(1));
        if !fits || dims.len() < x.dims.len() {
            let target = TensorType {
                elem: x.elem,
                dims: dims.to_vec(),
            };
            let expected = format!("sizes to which {} expands", self.words().tensor_type(x));
            return Err(self.shape("an expand", expected, &target));
        }
        Ok(one(x.elem, dims.to_vec()))
    }

    fn slice(&self, ranges: &[(Size, Size)], inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        if ranges.len() != x.dims.len() {
            let (what, expected) = ("ranges", x.dims.len().to_string());
            return Err(Problem::new(
                16,
                Kind::Count {
                    what,
                    expected,
                    got: ranges.len(),
                },
            ));
        }
        let mut dims = Vec::with_capacity(ranges.len());
        for ((start, end), dim) in ranges.iter().zip(&x.dims) {
            self.count("the start of a range", start)?;
            let length = end.checked_sub(start).ok_or_else(overflow)?;
            self.count("the length of a range", &length)?;
            let beyond = dim.checked_sub(end).ok_or_else(overflow)?;
            if beyond.as_fixed().is_some_and(|rest| rest < 0) {
                let got = self.words().size(end);
                return Err(Self::attribute(
                    "the end of a range",
                    "at most the size",
                    got,
                ));
            }
            dims.push(length);
        }
        Ok(one(x.elem, dims))
    }

    fn cat(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let Some((first, rest)) = inputs.split_first() else {
            return Ok(Vec::new());
        };
        let mut sum = self.axis(first, dim)?.clone();
        for ty in rest {
            if ty.elem != first.elem {
                return Err(Self::element("a part", first.elem.name(), ty.elem));
            }
            let own = self.axis(ty, dim)?;
            if self.with_axis(ty, dim, Size::default())?
                != self.with_axis(first, dim, Size::default())?
            {
                let first = self.words().tensor_type(first);
                return Err(self.shape("a part", format!("the other sizes of {first}"), ty));
            }
            sum = sum.checked_add(own).ok_or_else(overflow)?;
        }
        Ok(one(first.elem, self.with_axis(first, dim, sum)?))
    }

    fn repeat(&self, dim: u32, times: &Size, inputs: &[&TensorType]) -> Types {
        let &[x] = inputs else { return Ok(Vec::new()) };
        self.count("the number of times", times)?;
        let size = self.axis(x, dim)?.checked_mul(times).ok_or_else(overflow)?;
        Ok(one(x.elem, self.with_axis(x, dim, size)?))
    }

    fn select(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x, index] = inputs else {
            return Ok(Vec::new());
        };
        let count = self.index("the index", index)?;
        Ok(one(x.elem, self.with_axis(x, dim, count.clone())?))
    }

    fn gather_elements(&self, dim: u32, inputs: &[&TensorType]) -> Types {
        let &[x, index] = inputs else {
            return Ok(Vec::new());
        };
        let fits = self.with_axis(x, dim, Size::default())?
            == self.with_axis(index, dim, Size::default())?;
        if !fits {
            let expected = format!("the other sizes of {}", self.words().tensor_type(x));
            return Err(self.shape("the index", expected, index));
        }
        Ok(one(x.elem, index.dims.clone()))
    }

    fn scatter_elements(&self, dim: u32, reduce: Reduce, inputs: &[&TensorType]) -> Types {
        let &[x, index, value] = inputs else {
            return Ok(Vec::new());
        };
        Self::reduces(reduce, x)?;
        self.gather_elements(dim, &[x, index])?;
        if value.dims != index.dims {
            let expected = format!("the sizes of {}", self.words().tensor_type(index));
            return Err(self.shape("the value", expected, value));
        }
        Ok(vec![x.clone()])
    }

    /// Checks that no axis stands twice.
    pub(super) fn distinct(axes: &[u32]) -> Result<(), Problem> {
        let mut sorted: Vec<u32> = axes.to_vec();
        sorted.sort_unstable();
        let twice = sorted
            .iter()
            .zip(sorted.iter().skip(1))
            .find(|(a, b)| a == b);
        match twice {
            Some((&got, _)) => Err(Problem::new(
                16,
                Kind::Axis {
                    expected: "each axis once".to_owned(),
                    got,
                },
            )),
            None => Ok(()),
        }
    }
}
