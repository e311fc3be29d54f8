//! Programs out of the tables of the format. Whatever is in them, the result is a program that may
//! not be valid, or an error that says where and what.

use super::{
    NativeError,
    budget::{Parts, parts},
    error::Malformed,
    schema::{self, Attribute, Operation, SizeNumber, Tensor, Text, TypePart},
};
use crate::{
    leaf::MAX_TYPE_DEPTH,
    op::{
        Float, Op, Scalar, Scan,
        attribute::{AttributeType, Kind, Value},
    },
    program::{
        Arguments, Case, Function, Literal, Method, Module, Node, Param, Program, Symbol,
        TensorType, Type, ValueType, Weight, WeightId,
    },
    size::{Factor, MAX_NESTING, Size, Term},
};

/// Names of the requirements that this version does not meet.
pub(super) fn unknown(requirements: schema::Requirements) -> Vec<String> {
    let is_known = |name: &str| {
        schema::FEATURES.contains(&name)
            || match name.split_once('.') {
                None => Op::find(name).is_some(),
                Some((operation, attribute)) => Op::find(operation).is_some_and(|(spec, _)| {
                    let mut attributes = spec.named_attributes().iter();
                    attributes.any(|one| one.name == attribute)
                }),
            }
    };
    let unknown = requirements.into_iter().filter(|name| !is_known(name));
    unknown.collect()
}

/// A program of so many bytes.
pub(super) fn program(program: schema::Program, bytes: usize) -> Result<Program, NativeError> {
    let mut tables = Tables {
        strings: program.strings,
        sizes: Vec::new(),
        parts: Parts::default(),
        bytes,
    };
    for (number, terms) in program.sizes.into_iter().enumerate() {
        let size = at(|| format!("size {number}"), tables.sum(terms))?;
        tables.sizes.push(size);
    }
    let mut out = Program::default();
    for (number, name) in program.symbols.into_iter().enumerate() {
        let name = at(|| format!("symbol {number}"), tables.text(name))?;
        out.symbols.push(Symbol { name });
    }
    for (number, weight) in program.weights.into_iter().enumerate() {
        let weight = at(|| format!("weight {number}"), tables.weight(weight))?;
        out.weights.push(weight);
    }
    for (number, module) in program.modules.into_iter().enumerate() {
        let module = at(|| format!("module {number}"), tables.module(module))?;
        out.modules.push(module);
    }
    for (number, function) in program.functions.into_iter().enumerate() {
        out.functions.push(tables.function(number, function)?);
    }
    Ok(out)
}

/// Ties weights as pairs say: one, and the one whose tensor it is.
pub(super) fn tie(program: &mut Program, pairs: schema::Ties) -> Result<(), NativeError> {
    let count = program.weights.len();
    for (WeightId(number), to) in pairs {
        let weight = program.weights.get_mut(WeightId(number).index());
        let weight = weight.ok_or(Malformed::Reference {
            what: "weight",
            number,
            count,
        });
        at(|| "the tied weights".to_owned(), weight)?.tied = Some(to);
    }
    Ok(())
}

/// Says of cases which optional leaves of their results are present.
pub(super) fn results(program: &mut Program, all: schema::Results) -> Result<(), NativeError> {
    for (id, method, number, present) in all {
        let count = program.modules.len();
        let module = program.modules.get_mut(id.index());
        let module = module.ok_or(Malformed::Reference {
            what: "module",
            number: id.0,
            count,
        });
        let place = || "the results".to_owned();
        let module = at(place, module)?;
        let method = at(place, entry_mut("method", &mut module.methods, method))?;
        let case = at(place, entry_mut("case", &mut method.cases, number))?;
        case.results = present;
    }
    Ok(())
}

/// A part of the program, or an error that names its place.
fn at<T>(place: impl FnOnce() -> String, part: Result<T, Malformed>) -> Result<T, NativeError> {
    part.map_err(|problem| NativeError::Malformed {
        place: place(),
        problem,
    })
}

struct Tables {
    strings: Vec<String>,
    /// With the number of its parts.
    sizes: Vec<(Size, usize)>,
    parts: Parts,
    /// Length of the program.
    bytes: usize,
}

/// What a number stands for.
fn entry<'t, T>(what: &'static str, table: &'t [T], number: u32) -> Result<&'t T, Malformed> {
    let position = usize::try_from(number).unwrap_or(usize::MAX);
    table.get(position).ok_or(Malformed::Reference {
        what,
        number,
        count: table.len(),
    })
}

/// As [`entry`], to change it.
fn entry_mut<'t, T>(
    what: &'static str,
    table: &'t mut [T],
    number: u32,
) -> Result<&'t mut T, Malformed> {
    let position = usize::try_from(number).unwrap_or(usize::MAX);
    let count = table.len();
    table.get_mut(position).ok_or(Malformed::Reference {
        what,
        number,
        count,
    })
}

impl Tables {
    fn word(&self, word: Text) -> Result<&str, Malformed> {
        entry("string", &self.strings, word).map(String::as_str)
    }

    fn text(&mut self, text: Text) -> Result<String, Malformed> {
        let text = entry("string", &self.strings, text)?;
        self.parts.text(text);
        self.parts.check(self.bytes)?;
        Ok(text.clone())
    }

    fn texts(&mut self, texts: Vec<Text>) -> Result<Vec<String>, Malformed> {
        texts.into_iter().map(|text| self.text(text)).collect()
    }

    /// One of the values of a type that has words.
    fn one_of<T: AttributeType>(&self, what: &'static str, word: Text) -> Result<T, Malformed> {
        let word = self.word(word)?;
        let value = as_word(T::KIND, word).and_then(T::from_value);
        value.ok_or_else(|| Malformed::Word {
            what,
            expected: T::KIND,
            got: word.to_owned(),
        })
    }

    fn size(&mut self, size: SizeNumber) -> Result<Size, Malformed> {
        let (size, parts) = entry("size", &self.sizes, size)?;
        self.parts.size(*parts);
        self.parts.check(self.bytes)?;
        Ok(size.clone())
    }

    fn sizes(&mut self, sizes: Vec<SizeNumber>) -> Result<Vec<Size>, Malformed> {
        sizes.into_iter().map(|size| self.size(size)).collect()
    }

    /// A size, and the number of its parts.
    fn sum(&mut self, sum: Vec<schema::Term>) -> Result<(Size, usize), Malformed> {
        let mut terms = Vec::with_capacity(sum.len());
        for term in sum {
            let mut factors = Vec::with_capacity(term.factors.len());
            for factor in term.factors {
                factors.push(match factor {
                    schema::Factor::Symbol(symbol) => Factor::Symbol(symbol),
                    schema::Factor::Min(sizes) => Factor::Min(self.pair(sizes)?),
                    schema::Factor::FloorDiv(sizes) => Factor::FloorDiv(self.pair(sizes)?),
                });
            }
            terms.push(Term {
                factors,
                coefficient: term.coefficient,
            });
        }
        let size = Size::as_read(terms);
        if size.nesting() > MAX_NESTING {
            return Err(Malformed::Nesting {
                what: "a size",
                limit: MAX_NESTING,
            });
        }
        let parts = parts(&size);
        self.parts.size(parts);
        self.parts.check(self.bytes)?;
        Ok((size, parts))
    }

    fn pair(&mut self, [a, b]: [SizeNumber; 2]) -> Result<Box<[Size; 2]>, Malformed> {
        Ok(Box::new([self.size(a)?, self.size(b)?]))
    }

    fn tensor(&mut self, ty: Tensor) -> Result<TensorType, Malformed> {
        Ok(TensorType {
            elem: self.one_of("an element type", ty.elem)?,
            dims: self.sizes(ty.dims)?,
        })
    }

    fn ty(&mut self, parts: Vec<TypePart>) -> Result<Type, Malformed> {
        let mut parts = parts.into_iter();
        let ty = self.next_type(&mut parts, MAX_TYPE_DEPTH)?;
        match parts.next() {
            Some(_) => Err(Malformed::Type("has parts after its end")),
            None => Ok(ty),
        }
    }

    fn next_type(
        &mut self,
        parts: &mut impl Iterator<Item = TypePart>,
        depth: usize,
    ) -> Result<Type, Malformed> {
        let below = depth.checked_sub(1).ok_or(Malformed::Nesting {
            what: "a type",
            limit: MAX_TYPE_DEPTH,
        })?;
        Ok(match parts.next().ok_or(Malformed::Type("ends early"))? {
            TypePart::Tensor(ty) => Type::Tensor(self.tensor(ty)?),
            TypePart::Adjacency([rowptr, col, value]) => Type::Adjacency(Box::new([
                self.tensor(rowptr)?,
                self.tensor(col)?,
                self.tensor(value)?,
            ])),
            TypePart::Optional => Type::Optional(Box::new(self.next_type(parts, below)?)),
            TypePart::Tuple(count) => {
                let items = (0..count).map(|_| self.next_type(parts, below));
                Type::Tuple(items.collect::<Result<_, _>>()?)
            }
            TypePart::List(count) => {
                let items = (0..count).map(|_| self.next_type(parts, below));
                Type::List(items.collect::<Result<_, _>>()?)
            }
            TypePart::Size(symbols) => Type::Size(symbols),
            TypePart::Flag => Type::Flag,
            TypePart::Int(symbol) => Type::Int(symbol),
            TypePart::Float(elem) => Type::float(self.one_of("an element type", elem)?),
            TypePart::Bool(value) => Type::Literal(Literal::Bool(value)),
            TypePart::Text(text) => Type::Literal(Literal::Text(self.text(text)?)),
            TypePart::Dict(keys) => {
                let mut entries = Vec::new();
                for key in keys {
                    entries.push((self.text(key)?, self.next_type(parts, below)?));
                }
                Type::Dict(entries)
            }
        })
    }

    fn weight(&mut self, weight: schema::Weight) -> Result<Weight, Malformed> {
        Ok(Weight {
            name: self.text(weight.name)?,
            role: self.one_of("a role", weight.role)?,
            elem: self.one_of("an element type", weight.elem)?,
            shape: weight.shape,
            tied: None,
        })
    }

    fn module(&mut self, module: schema::Module) -> Result<Module, Malformed> {
        let methods = module.methods.into_iter();
        Ok(Module {
            path: self.text(module.path)?,
            kind: self.text(module.kind)?,
            children: module.children,
            weights: module.weights,
            methods: methods
                .map(|method| self.method(method))
                .collect::<Result<_, _>>()?,
        })
    }

    fn method(&mut self, method: schema::Method) -> Result<Method, Malformed> {
        let mut params = Vec::with_capacity(method.params.len());
        for (name, ty) in method.params {
            params.push(Param {
                name: self.text(name)?,
                ty: self.ty(ty)?,
            });
        }
        let case = |(present, function)| Case {
            present,
            results: Vec::new(),
            function,
        };
        Ok(Method {
            name: self.text(method.name)?,
            params,
            result: self.ty(method.result)?,
            cases: method.cases.into_iter().map(case).collect(),
            defaults: method.defaults,
        })
    }

    fn function(
        &mut self,
        number: usize,
        function: schema::Function,
    ) -> Result<Function, NativeError> {
        let place = || format!("function {number}");
        let name = at(place, self.text(function.name))?;
        let record = function.record.map(|record| self.text(record)).transpose();
        let input_names = at(place, self.texts(function.input_names))?;
        let mut values = Vec::with_capacity(function.values.len());
        for (value, ty) in function.values.into_iter().enumerate() {
            let ty = match ty {
                schema::Value::Tensor(ty) => self.tensor(ty).map(ValueType::Tensor),
                schema::Value::Int(symbol) => Ok(ValueType::Int(symbol)),
            };
            values.push(at(|| format!("function {number}, value {value}"), ty)?);
        }
        let mut nodes = Vec::with_capacity(function.nodes.len());
        for (position, node) in function.nodes.into_iter().enumerate() {
            let op = self.operation(node.operation);
            nodes.push(Node {
                op: at(|| format!("function {number}, node {position}"), op)?,
                inputs: node.inputs,
                outputs: node.outputs,
            });
        }
        Ok(Function {
            name,
            module: function.module,
            arguments: at(place, record)?.map_or(Arguments::Plain, Arguments::Record),
            input_names,
            inputs: function.inputs,
            values,
            nodes,
            outputs: function.outputs,
        })
    }

    fn operation(&mut self, operation: Operation) -> Result<Op, Malformed> {
        let (name, attributes) = match operation {
            Operation::Weight(id) => return Ok(Op::Weight(id)),
            Operation::Call(id) => return Ok(Op::Call(id)),
            Operation::Symbol(id) => return Ok(Op::Symbol(id)),
            Operation::Scan(scan) => {
                return Ok(Op::Scan(Scan {
                    body: scan.body,
                    times: self.size(scan.times)?,
                    carried: scan.carried,
                    scanned: scan.scanned,
                    reverse: scan.reverse,
                }));
            }
            Operation::Named(name, attributes) => (name, attributes),
        };
        let name = self.word(name)?.to_owned();
        let mut given = Vec::with_capacity(attributes.len());
        for (attribute, value) in attributes {
            given.push((self.word(attribute)?.to_owned(), value));
        }
        Op::named(&name, given, |attribute, kind| self.value(attribute, kind))
    }

    /// The value of an attribute of a kind; `None` if it is of another.
    fn value(&mut self, attribute: Attribute, kind: Kind) -> Result<Option<Value>, Malformed> {
        Ok(Some(match (kind, attribute) {
            (Kind::Word(_), Attribute::Word(word)) => return Ok(as_word(kind, self.word(word)?)),
            (Kind::Bool, Attribute::Bool(value)) => Value::Bool(value),
            (Kind::Integer, Attribute::Integer(value)) => Value::Integer(value),
            (Kind::Integers, Attribute::Integers(values)) => Value::Integers(values),
            (Kind::Float, Attribute::Float(value)) => Value::Float(Float(value)),
            (Kind::OptionalFloat, Attribute::None) => Value::OptionalFloat(None),
            (Kind::OptionalFloat, Attribute::Float(value)) => {
                Value::OptionalFloat(Some(Float(value)))
            }
            (Kind::OptionalScalar, Attribute::None) => Value::OptionalScalar(None),
            (Kind::Scalar, attribute) => return Ok(self.scalar(&attribute)?.map(Value::Scalar)),
            (Kind::OptionalScalar, attribute) => {
                let scalar = self.scalar(&attribute)?;
                return Ok(scalar.map(|scalar| Value::OptionalScalar(Some(scalar))));
            }
            (Kind::Size, Attribute::Size(size)) => Value::Size(self.size(size)?),
            (Kind::Sizes, Attribute::Sizes(sizes)) => Value::Sizes(self.sizes(sizes)?),
            (Kind::Ranges, Attribute::Ranges(pairs)) => {
                let mut ranges = Vec::with_capacity(pairs.len());
                for (start, end) in pairs {
                    ranges.push((self.size(start)?, self.size(end)?));
                }
                Value::Ranges(ranges)
            }
            (
                Kind::Word(_)
                | Kind::Bool
                | Kind::Integer
                | Kind::Integers
                | Kind::Float
                | Kind::OptionalFloat
                | Kind::Size
                | Kind::Sizes
                | Kind::Ranges,
                _,
            ) => return Ok(None),
        }))
    }

    fn scalar(&mut self, attribute: &Attribute) -> Result<Option<Scalar>, Malformed> {
        Ok(match attribute {
            Attribute::Bool(value) => Some(Scalar::Bool(*value)),
            Attribute::Float(value) => Some(Scalar::Float(Float(*value))),
            Attribute::Size(size) => Some(Scalar::Int(self.size(*size)?)),
            _ => None,
        })
    }
}

/// A word of a kind.
fn as_word(kind: Kind, word: &str) -> Option<Value> {
    match kind {
        Kind::Word(words) => {
            let word = words.iter().find(|one| **one == word)?;
            Some(Value::Word(word))
        }
        _ => None,
    }
}
