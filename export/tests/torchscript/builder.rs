//! Programs by hand.

use std::collections::BTreeMap;

use kiln_ir::{
    Arguments, Case, ElemType, Function, FunctionId, Method, Model, Module, ModuleId, Node, Op,
    Param, Program, Size, Symbol, SymbolId, TensorType, Type, ValueId, ValueType, Weight, WeightId,
    WeightRole, Weights,
};

use crate::expectation::Data;

/// A program in the making, with the values of its weights.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) program: Program,
    pub(crate) values: BTreeMap<String, Data>,
}

impl Builder {
    pub(crate) fn new(root: &str) -> Self {
        let mut builder = Self::default();
        builder.module(None, "", root);
        builder
    }

    /// A program in text form, without values of weights.
    pub(crate) fn parse(text: &str) -> Self {
        Self {
            program: kiln_ir::parse(text).unwrap(),
            values: BTreeMap::new(),
        }
    }

    pub(crate) fn symbol(&mut self, name: &str) -> SymbolId {
        self.program.symbols.push(Symbol {
            name: name.to_owned(),
        });
        SymbolId(u32::try_from(self.program.symbols.len() - 1).unwrap())
    }

    pub(crate) fn module(&mut self, parent: Option<ModuleId>, path: &str, kind: &str) -> ModuleId {
        let id = ModuleId(u32::try_from(self.program.modules.len()).unwrap());
        self.program.modules.push(Module {
            path: path.to_owned(),
            kind: kind.to_owned(),
            children: Vec::new(),
            weights: Vec::new(),
            methods: Vec::new(),
        });
        if let Some(parent) = parent {
            self.program.modules[parent.index()].children.push(id);
        }
        id
    }

    /// A weight of a module; constants belong to none.
    pub(crate) fn weight(
        &mut self,
        module: ModuleId,
        name: &str,
        role: WeightRole,
        data: Data,
    ) -> WeightId {
        let id = WeightId(u32::try_from(self.program.weights.len()).unwrap());
        self.program.weights.push(Weight {
            name: name.to_owned(),
            role,
            elem: data.elem(),
            shape: data
                .shape
                .iter()
                .map(|&size| u64::try_from(size).unwrap())
                .collect(),
            tied: None,
        });
        self.values.insert(name.to_owned(), data);
        if role != WeightRole::Constant {
            self.program.modules[module.index()].weights.push(id);
        }
        id
    }

    pub(crate) fn function(&mut self, module: ModuleId, name: &str) -> Body<'_> {
        Body {
            builder: self,
            function: Function {
                name: name.to_owned(),
                module,
                arguments: Arguments::Plain,
                input_names: Vec::new(),
                inputs: Vec::new(),
                values: Vec::new(),
                nodes: Vec::new(),
                outputs: Vec::new(),
            },
        }
    }

    pub(crate) fn method(
        &mut self,
        name: &str,
        params: Vec<(&str, Type)>,
        result: Type,
        cases: Vec<(Vec<bool>, FunctionId)>,
    ) -> &mut Method {
        let methods = &mut self.program.modules[0].methods;
        methods.push(Method {
            name: name.to_owned(),
            params: params
                .into_iter()
                .map(|(name, ty)| Param {
                    name: name.to_owned(),
                    ty,
                })
                .collect(),
            result,
            cases: cases
                .into_iter()
                .map(|(present, function)| Case {
                    present,
                    results: Vec::new(),
                    function,
                })
                .collect(),
            defaults: Vec::new(),
        });
        methods.last_mut().unwrap()
    }

    pub(crate) fn model(self) -> Model {
        let mut weights = Weights::new();
        let own = self
            .program
            .weights
            .iter()
            .filter(|weight| weight.tied.is_none());
        for weight in own {
            let bytes = self.values[&weight.name].bytes();
            weights
                .insert(&weight.name, weight.elem, weight.shape.clone(), bytes)
                .unwrap();
        }
        Model::new(kiln_ir::validate(self.program).unwrap(), weights).unwrap()
    }
}

/// A function in the making.
pub(crate) struct Body<'a> {
    builder: &'a mut Builder,
    function: Function,
}

impl Body<'_> {
    pub(crate) fn record(mut self, class: &str) -> Self {
        self.function.arguments = Arguments::Record(class.to_owned());
        self
    }

    fn value(&mut self, ty: ValueType) -> ValueId {
        self.function.values.push(ty);
        ValueId(u32::try_from(self.function.values.len() - 1).unwrap())
    }

    pub(crate) fn input(&mut self, name: &str, ty: &TensorType) -> ValueId {
        let value = self.value(ValueType::Tensor(ty.clone()));
        self.function.inputs.push(value);
        self.function.input_names.push(name.to_owned());
        value
    }

    pub(crate) fn integer(&mut self, name: &str, symbol: SymbolId) -> ValueId {
        let value = self.value(ValueType::Int(symbol));
        self.function.inputs.push(value);
        self.function.input_names.push(name.to_owned());
        value
    }

    pub(crate) fn symbol(&mut self, symbol: SymbolId) -> ValueId {
        let value = self.value(ValueType::Int(symbol));
        self.function.nodes.push(Node {
            op: Op::Symbol(symbol),
            inputs: Vec::new(),
            outputs: vec![value],
        });
        value
    }

    pub(crate) fn op(&mut self, op: impl Into<Op>, inputs: &[ValueId], ty: &TensorType) -> ValueId {
        self.ops(op, inputs, std::slice::from_ref(ty))[0]
    }

    pub(crate) fn ops(
        &mut self,
        op: impl Into<Op>,
        inputs: &[ValueId],
        types: &[TensorType],
    ) -> Vec<ValueId> {
        let outputs: Vec<ValueId> = types
            .iter()
            .map(|ty| self.value(ValueType::Tensor(ty.clone())))
            .collect();
        self.function.nodes.push(Node {
            op: op.into(),
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
        });
        outputs
    }

    pub(crate) fn weight(&mut self, weight: WeightId) -> ValueId {
        let found = &self.builder.program.weights[weight.index()];
        let dims = found
            .shape
            .iter()
            .map(|&size| Size::fixed(i64::try_from(size).unwrap()))
            .collect();
        let ty = TensorType {
            elem: found.elem,
            dims,
        };
        self.op(Op::Weight(weight), &[], &ty)
    }

    pub(crate) fn finish(mut self, outputs: &[ValueId]) -> FunctionId {
        self.function.outputs = outputs.to_vec();
        self.builder.program.functions.push(self.function);
        FunctionId(u32::try_from(self.builder.program.functions.len() - 1).unwrap())
    }
}

pub(crate) fn tensor(elem: ElemType, dims: Vec<Size>) -> TensorType {
    TensorType { elem, dims }
}

pub(crate) fn float(dims: Vec<Size>) -> TensorType {
    tensor(ElemType::F32, dims)
}

pub(crate) fn int(dims: Vec<Size>) -> TensorType {
    tensor(ElemType::I64, dims)
}

pub(crate) fn bool(dims: Vec<Size>) -> TensorType {
    tensor(ElemType::Bool, dims)
}

pub(crate) fn optional(ty: Type) -> Type {
    Type::Optional(Box::new(ty))
}
