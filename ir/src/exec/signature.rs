//! What is known of the calls of a method before they are made.

use super::{indices, schedule::Schedule};
use crate::{
    program::{Case, ElemType, FunctionId, Literal, Method, ModuleId, TensorType},
    size::Size,
    validate::{Binding, Valid},
};

/// Names and types of a method's inputs and results, and its cases.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// The inputs that are tensors.
    pub(super) inputs: Vec<Input>,
    /// The parameters that are integers.
    pub(super) sizes: Vec<SizeInput>,
    /// Names and values of the parameters that select this method.
    pub(super) literals: Vec<(String, Literal)>,
    pub(super) cases: Vec<CasePlan>,
}

/// An input that is a tensor.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) ty: TensorType,
    pub(super) optional: bool,
}

/// A parameter that is one integer or several.
#[derive(Clone, Debug)]
pub(super) struct SizeInput {
    pub(super) name: String,
    /// Number of its integers.
    pub(super) count: usize,
    pub(super) optional: bool,
}

impl SizeInput {
    /// `int`, or `i64[2]` for a pair.
    pub(super) fn expected(&self) -> String {
        match self.count {
            1 => "int".to_owned(),
            count => format!("i64[{count}]"),
        }
    }
}

/// How a case runs.
#[derive(Clone, Debug)]
pub(super) struct CasePlan {
    /// For each optional input, whether it is present.
    pub(super) present: Vec<bool>,
    pub(super) function: FunctionId,
    /// Names and element types of the results that are present.
    pub(super) results: Vec<(String, ElemType)>,
    pub(super) binding: Binding,
    pub(super) schedule: Schedule,
    /// For each input of the function, the sizes that its integers are below.
    pub(super) indices: Vec<Option<Vec<Size>>>,
}

/// Those of the root's methods.
pub(super) fn all(program: &Valid) -> Vec<Signature> {
    let methods = program.root().map_or(&[][..], |root| &root.methods);
    let methods = methods.iter().enumerate();
    methods
        .map(|(position, method)| Signature::new(program, position, method))
        .collect()
}

impl Signature {
    fn new(program: &Valid, position: usize, method: &Method) -> Self {
        let inputs = method.leaves().into_iter().map(|leaf| Input {
            name: leaf.name,
            ty: leaf.ty.clone(),
            optional: leaf.optional,
        });
        let case = |(number, case): (usize, &Case)| {
            let function = program.functions.get(case.function.index())?;
            let results = case.result_leaves(method).into_iter();
            Some(CasePlan {
                results: results.map(|leaf| (leaf.name, leaf.ty.elem)).collect(),
                present: case.present.clone(),
                function: case.function,
                binding: program.binding(ModuleId(0), position, number)?.clone(),
                schedule: Schedule::whole(function),
                indices: indices::inputs(program, function),
            })
        };
        let sizes = method.sizes().map(|one| SizeInput {
            name: one.name.to_owned(),
            count: one.symbols.len(),
            optional: one.optional,
        });
        let literals = method.literals();
        let literals = literals.map(|(name, literal)| (name.to_owned(), literal.clone()));
        Self {
            inputs: inputs.collect(),
            sizes: sizes.collect(),
            literals: literals.collect(),
            cases: method.cases.iter().enumerate().filter_map(case).collect(),
        }
    }

    /// Whether it has an input of the name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
            || self.sizes.iter().any(|size| size.name == name)
            || self.literals.iter().any(|(literal, _)| literal == name)
    }
}
