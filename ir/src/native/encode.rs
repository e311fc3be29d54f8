//! Programs as the tables of the format.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use bincode::{config::standard, error::EncodeError, serde::encode_to_vec};

use super::{
    VERSION,
    budget::{Parts, parts},
    schema::{
        self, Attribute, Factor, Operation, Requirements, Results, SizeNumber, Tensor, Text, Ties,
        TypePart,
    },
};
use crate::{
    op::{Op, Scalar, Scan, attribute::Value},
    program::{
        Arguments, ElemType, Function, Literal, Method, Module, ModuleId, Node, Program,
        TensorType, Type, ValueType, WeightId,
    },
    size::{self, Size},
};

/// A program in the form of files.
pub(super) struct Encoded {
    pub(super) requirements: Requirements,
    pub(super) program: schema::Program,
    /// Written if there are any.
    pub(super) ties: Ties,
    /// Written if results of methods have optional parts.
    pub(super) results: Results,
    /// What a reader will make of names and sizes.
    pub(super) parts: Parts,
}

impl Encoded {
    pub(super) fn new(program: &Program) -> Self {
        let mut tables = Tables::default();
        let names = program.symbols.iter().map(|symbol| &symbol.name);
        let symbols = names.map(|name| tables.text(name)).collect();
        let mut weights = Vec::with_capacity(program.weights.len());
        for weight in &program.weights {
            weights.push(schema::Weight {
                name: tables.text(&weight.name),
                role: tables.word(weight.role.name()),
                elem: tables.elem(weight.elem),
                shape: weight.shape.clone(),
            });
        }
        let ids = (0..).map(WeightId);
        let ties = ids.zip(&program.weights);
        let ties: Ties = ties
            .filter_map(|(id, weight)| Some((id, weight.tied?)))
            .collect();
        if !ties.is_empty() {
            tables.require(schema::TIED);
        }
        if methods(program).any(|method| method.result.has_optional()) {
            tables.require(schema::OPTIONAL_RESULTS);
        }
        let results = results(program);
        if !results.is_empty() {
            tables.require(schema::OPTIONAL_RESULTS);
        }
        let modules = program.modules.iter();
        let modules = modules.map(|module| tables.module(module)).collect();
        let functions = program.functions.iter();
        let functions = functions.map(|one| tables.function(one)).collect();
        Self {
            requirements: tables.requirements.into_iter().collect(),
            parts: tables.parts,
            ties,
            results,
            program: schema::Program {
                strings: tables.strings.items,
                sizes: tables.sums,
                symbols,
                weights,
                modules,
                functions,
            },
        }
    }
}

impl Encoded {
    /// The program as it stands in a file.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let content = (VERSION, &self.requirements, &self.program);
        let mut bytes = encode_to_vec(content, standard())?;
        if !self.ties.is_empty() {
            bytes.extend(encode_to_vec(&self.ties, standard())?);
        }
        let has_results = |name: &String| name == schema::OPTIONAL_RESULTS;
        if self.requirements.iter().any(has_results) {
            bytes.extend(encode_to_vec(&self.results, standard())?);
        }
        Ok(bytes)
    }
}

fn methods(program: &Program) -> impl Iterator<Item = &Method> {
    program.modules.iter().flat_map(|module| &module.methods)
}

/// The cases in which some optional leaf of the result is named.
fn results(program: &Program) -> Results {
    let mut results = Vec::new();
    for (id, module) in (0..).map(ModuleId).zip(&program.modules) {
        for (position, method) in (0_u32..).zip(&module.methods) {
            let cases = (0_u32..).zip(&method.cases);
            let cases = cases.filter(|(_, case)| !case.results.is_empty());
            results.extend(cases.map(|(at, case)| (id, position, at, case.results.clone())));
        }
    }
    results
}

/// Things that stand once, in order of their first use.
struct Table<T> {
    items: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn add(&mut self, item: T) -> u32 {
        // More do not fit the bytes that a program may have.
        let next = count(self.items.len());
        self.items.push(item.clone());
        self.numbers.insert(item, next);
        next
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Tables {
    requirements: BTreeSet<String>,
    strings: Table<String>,
    sizes: Table<Size>,
    sums: Vec<Vec<schema::Term>>,
    parts: Parts,
}

impl Tables {
    /// A name, which a reader copies.
    fn text(&mut self, text: &str) -> Text {
        self.parts.text(text);
        self.word(text)
    }

    /// A word, which a reader knows.
    fn word(&mut self, word: &str) -> Text {
        match self.strings.numbers.get(word) {
            Some(number) => *number,
            None => self.strings.add(word.to_owned()),
        }
    }

    fn size(&mut self, size: &Size) -> SizeNumber {
        self.parts.size(parts(size));
        self.entry(size)
    }

    fn entry(&mut self, size: &Size) -> SizeNumber {
        if let Some(number) = self.sizes.numbers.get(size) {
            return *number;
        }
        let mut pair = |sizes: &[Size; 2]| sizes.each_ref().map(|size| self.entry(size));
        let mut terms = Vec::with_capacity(size.terms().len());
        for term in size.terms() {
            let factors = term.factors.iter().map(|factor| match factor {
                size::Factor::Symbol(symbol) => Factor::Symbol(*symbol),
                size::Factor::Min(sizes) => Factor::Min(pair(sizes)),
                size::Factor::FloorDiv(sizes) => Factor::FloorDiv(pair(sizes)),
            });
            terms.push(schema::Term {
                coefficient: term.coefficient,
                factors: factors.collect(),
            });
        }
        self.parts.size(parts(size));
        self.sums.push(terms);
        self.sizes.add(size.clone())
    }

    fn sizes(&mut self, sizes: &[Size]) -> Vec<SizeNumber> {
        sizes.iter().map(|size| self.size(size)).collect()
    }

    /// An element type; a reader must know those that version 3 began without.
    fn elem(&mut self, elem: ElemType) -> Text {
        if matches!(elem, ElemType::I32 | ElemType::U8) {
            self.require(&format!("type.{elem}"));
        }
        self.word(elem.name())
    }

    /// Says that a reader must know a part of the format.
    fn require(&mut self, feature: &str) {
        debug_assert!(schema::FEATURES.contains(&feature), "{feature}");
        self.requirements.insert(feature.to_owned());
    }

    fn tensor(&mut self, ty: &TensorType) -> Tensor {
        Tensor {
            elem: self.elem(ty.elem),
            dims: self.sizes(&ty.dims),
        }
    }

    fn ty(&mut self, ty: &Type, out: &mut Vec<TypePart>) {
        let part = match ty {
            Type::Tensor(ty) => TypePart::Tensor(self.tensor(ty)),
            Type::Adjacency(types) => {
                TypePart::Adjacency(types.each_ref().map(|ty| self.tensor(ty)))
            }
            Type::Optional(_) => TypePart::Optional,
            Type::Tuple(items) => TypePart::Tuple(count(items.len())),
            Type::Size(symbols) => TypePart::Size(*symbols),
            Type::Flag => TypePart::Flag,
            Type::Dict(entries) => {
                self.require("type.dict");
                let keys = entries.iter();
                TypePart::Dict(keys.map(|(key, _)| self.text(key)).collect())
            }
            Type::List(items) => {
                self.require("type.list");
                TypePart::List(count(items.len()))
            }
            Type::Int(symbol) => {
                self.require("type.int");
                TypePart::Int(*symbol)
            }
            Type::Float(ty) => {
                self.require("type.float");
                TypePart::Float(self.elem(ty.elem))
            }
            Type::Literal(literal) => {
                self.require("type.literal");
                match literal {
                    Literal::Bool(value) => TypePart::Bool(*value),
                    Literal::Text(text) => TypePart::Text(self.text(text)),
                }
            }
        };
        out.push(part);
        for part in ty.parts() {
            self.ty(part, out);
        }
    }

    fn type_parts(&mut self, ty: &Type) -> Vec<TypePart> {
        let mut out = Vec::new();
        self.ty(ty, &mut out);
        out
    }

    fn module(&mut self, module: &Module) -> schema::Module {
        schema::Module {
            path: self.text(&module.path),
            kind: self.text(&module.kind),
            children: module.children.clone(),
            weights: module.weights.clone(),
            methods: module.methods.iter().map(|one| self.method(one)).collect(),
        }
    }

    fn method(&mut self, method: &Method) -> schema::Method {
        let params = method.params.iter();
        let params = params.map(|param| (self.text(&param.name), self.type_parts(&param.ty)));
        schema::Method {
            params: params.collect(),
            name: self.text(&method.name),
            result: self.type_parts(&method.result),
            cases: method
                .cases
                .iter()
                .map(|case| (case.present.clone(), case.function))
                .collect(),
            defaults: method.defaults.clone(),
        }
    }

    fn function(&mut self, function: &Function) -> schema::Function {
        let record = match &function.arguments {
            Arguments::Plain => None,
            Arguments::Record(name) => Some(self.text(name)),
        };
        let names = function.input_names.iter();
        let values = function.values.iter();
        schema::Function {
            name: self.text(&function.name),
            module: function.module,
            record,
            input_names: names.map(|name| self.text(name)).collect(),
            inputs: function.inputs.clone(),
            values: values
                .map(|ty| match ty {
                    ValueType::Tensor(ty) => schema::Value::Tensor(self.tensor(ty)),
                    ValueType::Int(symbol) => schema::Value::Int(*symbol),
                })
                .collect(),
            nodes: function.nodes.iter().map(|node| self.node(node)).collect(),
            outputs: function.outputs.clone(),
        }
    }

    fn node(&mut self, node: &Node) -> schema::Node {
        schema::Node {
            operation: match &node.op {
                Op::Weight(id) => Operation::Weight(*id),
                Op::Call(id) => Operation::Call(*id),
                Op::Symbol(id) => Operation::Symbol(*id),
                Op::Scan(scan) => self.scan(scan),
                op => self.operation(op),
            },
            inputs: node.inputs.clone(),
            outputs: node.outputs.clone(),
        }
    }

    fn scan(&mut self, scan: &Scan) -> Operation {
        self.require("scan");
        Operation::Scan(schema::Scan {
            body: scan.body,
            times: self.size(&scan.times),
            carried: scan.carried,
            scanned: scan.scanned,
            reverse: scan.reverse,
        })
    }

    fn operation(&mut self, op: &Op) -> Operation {
        let name = op.name();
        if !self.requirements.contains(&*name) {
            self.requirements.insert(name.clone().into_owned());
        }
        let text = self.word(&name);
        let mut attributes = Vec::new();
        for (attribute, value) in op.attributes() {
            if let Some(default) = attribute.default {
                if default() == value {
                    continue;
                }
                self.requirements
                    .insert(format!("{name}.{}", attribute.name));
            }
            attributes.push((self.word(attribute.name), self.attribute(&value)));
        }
        Operation::Named(text, attributes)
    }

    fn attribute(&mut self, value: &Value) -> Attribute {
        match value {
            Value::Word(word) => Attribute::Word(self.word(word)),
            Value::Bool(value) => Attribute::Bool(*value),
            Value::Integer(value) => Attribute::Integer(*value),
            Value::Integers(values) => Attribute::Integers(values.clone()),
            Value::Float(value) => Attribute::Float(value.0),
            Value::OptionalFloat(value) => {
                value.map_or(Attribute::None, |value| Attribute::Float(value.0))
            }
            Value::Scalar(scalar) => self.scalar(scalar),
            Value::OptionalScalar(scalar) => match scalar {
                Some(scalar) => self.scalar(scalar),
                None => Attribute::None,
            },
            Value::Size(size) => Attribute::Size(self.size(size)),
            Value::Sizes(sizes) => Attribute::Sizes(self.sizes(sizes)),
            Value::Ranges(ranges) => {
                let range = |(start, end): &(Size, Size)| (self.size(start), self.size(end));
                Attribute::Ranges(ranges.iter().map(range).collect())
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar) -> Attribute {
        match scalar {
            Scalar::Float(value) => Attribute::Float(value.0),
            Scalar::Int(size) => Attribute::Size(self.size(size)),
            Scalar::Bool(value) => Attribute::Bool(*value),
        }
    }
}
