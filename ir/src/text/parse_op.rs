//! Operations with their attributes: the other side of `print_op`.

use kiln_ops::Reduce;

use super::{
    ParseErrorKind,
    lex::Token,
    parse::{Parsed, Parser},
};
use crate::{
    op::{Binary, Float, Op, Reduction, Scalar, Unary},
    size::{FLOOR_DIV, MIN, Size},
};

impl Parser<'_> {
    /// An operation other than `weight` and `call`, without its operands.
    pub(super) fn op(&mut self) -> Parsed<Op> {
        let Token::Word(name) = self.peek() else {
            return Err(self.unexpected("an operation"));
        };
        let start = self.token();
        self.advance();
        let unary = Unary::ALL.iter().find(|one| one.name() == name);
        let binary = Binary::ALL.iter().find(|one| one.name() == name);
        let scalar = name.strip_suffix("_scalar");
        let scalar = Binary::ALL.iter().find(|one| Some(one.name()) == scalar);
        let reduction = name.strip_prefix("reduce_");
        let reduction = Reduction::ALL
            .iter()
            .find(|one| Some(one.name()) == reduction);
        let op = match name.as_str() {
            "full" => Op::Full {
                value: self.first("value", Self::scalar)?,
                elem: self.next("elem", Self::elem)?,
                dims: self.next("dims", |parser| parser.brackets(Self::size))?,
            },
            "arange" => Op::Arange {
                start: self.first("start", Self::size)?,
                end: self.next("end", Self::size)?,
            },
            "leaky_relu" => Op::LeakyRelu(self.first("slope", Self::float)?),
            "clamp" => Op::Clamp {
                min: self.first("min", Self::bound)?,
                max: self.next("max", Self::bound)?,
            },
            "cast" => Op::Cast(self.first("elem", Self::elem)?),
            "mask_where" => return Ok(Op::MaskWhere),
            "mask_fill" => Op::MaskFill(self.first("value", Self::scalar)?),
            "dropout" => Op::Dropout(self.first("prob", Self::float)?),
            "reshape" => Op::Reshape(self.first("dims", |parser| parser.brackets(Self::size))?),
            "permute" => Op::Permute(self.first("axes", |parser| parser.brackets(Self::axis))?),
            "expand" => Op::Expand(self.first("dims", |parser| parser.brackets(Self::size))?),
            "slice" => Op::Slice(self.first("ranges", |parser| parser.brackets(Self::range))?),
            "cat" => Op::Cat(self.first("dim", Self::axis)?),
            "repeat_dim" => Op::RepeatDim {
                dim: self.first("dim", Self::axis)?,
                times: self.next("times", Self::size)?,
            },
            "select" => Op::Select(self.first("dim", Self::axis)?),
            "gather_elements" => Op::GatherElements(self.first("dim", Self::axis)?),
            "arg_max" => Op::ArgMax(self.first("dim", Self::axis)?),
            "softmax" => Op::Softmax(self.first("dim", Self::axis)?),
            "log_softmax" => Op::LogSoftmax(self.first("dim", Self::axis)?),
            "matmul" => return Ok(Op::Matmul),
            "linear" => return Ok(Op::Linear),
            "layer_norm" => Op::LayerNorm {
                epsilon: self.first("epsilon", Self::float)?,
            },
            "batch_norm" => Op::BatchNorm {
                epsilon: self.first("epsilon", Self::float)?,
                momentum: self.next("momentum", Self::optional_float)?,
            },
            "gather" => return Ok(Op::Gather),
            "scatter" => Op::Scatter {
                reduce: self.first("reduce", Self::reduce)?,
                size: self.next("size", Self::size)?,
            },
            "segment_reduce" => Op::SegmentReduce(self.first("reduce", Self::reduce)?),
            "segment_softmax" => Op::SegmentSoftmax {
                size: self.first("size", Self::size)?,
            },
            "spmm" => Op::Spmm {
                reduce: self.first("reduce", Self::reduce)?,
                size: self.next("size", Self::size)?,
            },
            "spmm_csr" => Op::SpmmCsr {
                reduce: self.first("reduce", Self::reduce)?,
            },
            "degree" => Op::Degree {
                size: self.first("size", Self::size)?,
                elem: self.next("elem", Self::elem)?,
            },
            "ptr_to_index" => Op::PtrToIndex {
                entries: self.first("entries", Self::size)?,
            },
            "coo_to_csr" => Op::CooToCsr {
                size: self.first("size", Self::size)?,
            },
            "nonzero" => return Ok(Op::Nonzero),
            "self_loop_position" => Op::SelfLoopPosition {
                size: self.first("size", Self::size)?,
            },
            "spmm_with_loops" => return Ok(Op::SpmmWithLoops),
            "edge_attention" => Op::EdgeAttention {
                slope: self.first("slope", Self::float)?,
                self_loops: self.next("self_loops", Self::bool)?,
                dropout: self.next("dropout", Self::float)?,
                size: self.next("size", Self::size)?,
            },
            "spmm_normalized" => Op::SpmmNormalized {
                self_loop: self.first("self_loop", Self::optional_float)?,
            },
            "inverse_sqrt_degree" => Op::InverseSqrtDegree {
                self_loop: self.first("self_loop", Self::optional_float)?,
                size: self.next("size", Self::size)?,
                elem: self.next("elem", Self::elem)?,
            },
            _ => match (unary, binary, scalar, reduction) {
                (Some(unary), ..) => return Ok(Op::Unary(*unary)),
                (_, Some(binary), ..) => return Ok(Op::Binary(*binary)),
                (_, _, Some(scalar), _) => {
                    Op::BinaryScalar(*scalar, self.first("rhs", Self::scalar)?)
                }
                (_, _, _, Some(reduction)) => {
                    let axes = self.first("axes", |parser| parser.brackets(Self::axis))?;
                    Op::Reduce(*reduction, axes)
                }
                (None, None, None, None) => {
                    let name = name.clone();
                    return Err(start.error(ParseErrorKind::Unknown {
                        what: "operation",
                        name,
                    }));
                }
            },
        };
        self.mark('}')?;
        Ok(op)
    }

    /// The first attribute: `{name=value`.
    fn first<T>(&mut self, name: &str, value: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.mark('{')?;
        self.attribute(name, value)
    }

    /// A further attribute: `, name=value`.
    fn next<T>(&mut self, name: &str, value: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.mark(',')?;
        self.attribute(name, value)
    }

    fn attribute<T>(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        self.keyword(name)?;
        self.mark('=')?;
        value(self)
    }

    fn axis(&mut self) -> Parsed<u32> {
        let (value, token) = self.int()?;
        u32::try_from(value).map_err(|_| token.error(ParseErrorKind::Number(value.to_string())))
    }

    fn range(&mut self) -> Parsed<(Size, Size)> {
        let start = self.size()?;
        if *self.peek() != Token::Range {
            return Err(self.unexpected("`..`"));
        }
        self.advance();
        Ok((start, self.size()?))
    }

    fn reduce(&mut self) -> Parsed<Reduce> {
        self.choice(
            "`sum`, `mean`, `max`, `min` or `mul`",
            &Reduce::ALL,
            |one| one.name(),
        )
    }

    fn bound(&mut self) -> Parsed<Option<Scalar>> {
        if self.eat_word("none") {
            Ok(None)
        } else {
            self.scalar().map(Some)
        }
    }

    fn bool(&mut self) -> Parsed<bool> {
        self.choice("`true` or `false`", &[true, false], |one| {
            if *one { "true" } else { "false" }
        })
    }

    fn optional_float(&mut self) -> Parsed<Option<Float>> {
        if self.eat_word("none") {
            Ok(None)
        } else {
            self.float().map(Some)
        }
    }

    fn float(&mut self) -> Parsed<Float> {
        let start = self.token();
        match self.scalar()? {
            Scalar::Float(value) => Ok(value),
            Scalar::Int(_) | Scalar::Bool(_) => {
                let expected = "a float, such as 1.0".to_owned();
                let got = start.token.to_string();
                Err(start.error(ParseErrorKind::Expected { expected, got }))
            }
        }
    }

    /// A float has a point, an exponent, or is `inf` or `nan`; everything else is a size.
    fn scalar(&mut self) -> Parsed<Scalar> {
        let after_sign = match self.tokens.as_slice() {
            [minus, next, ..] if minus.token == Token::Mark('-') => Some(&next.token),
            _ => None,
        };
        match (self.peek(), after_sign) {
            (Token::Word(word), _) if word == "true" || word == "false" => {
                self.advance();
                Ok(Scalar::Bool(word == "true"))
            }
            (Token::Word(word), _) | (_, Some(Token::Word(word)))
                if word == MIN || word == FLOOR_DIV =>
            {
                self.size().map(Scalar::Int)
            }
            (Token::Word(_) | Token::Float(_), _) => {
                Ok(Scalar::Float(Float(self.unsigned_float()?)))
            }
            (_, Some(Token::Word(_) | Token::Float(_))) => {
                self.advance();
                Ok(Scalar::Float(Float(-self.unsigned_float()?)))
            }
            _ => self.size().map(Scalar::Int),
        }
    }

    fn unsigned_float(&mut self) -> Parsed<f64> {
        match self.peek() {
            Token::Float(value) => {
                self.advance();
                Ok(*value)
            }
            Token::Word(word) if word == "inf" => {
                self.advance();
                Ok(f64::INFINITY)
            }
            Token::Word(word) if word == "nan" => {
                self.advance();
                if !self.eat('(') {
                    return Ok(f64::NAN);
                }
                let (bits, _) = self.int()?;
                self.mark(')')?;
                Ok(f64::from_bits(bits))
            }
            _ => Err(self.unexpected("a number")),
        }
    }
}
