//! What is known of the calls of a method before they are made.

use super::{indices, schedule::Schedule};
use crate::{
    program::{Case, ElemType, FunctionId, Method, ModuleId, TensorType},
    size::Size,
    validate::{Binding, Valid},
};

/// Names and types of a method's inputs and results, and its cases.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// The inputs that are tensors.
    pub(super) inputs: Vec<Input>,
    /// Names of the parameters of type `size`.
    pub(super) sizes: Vec<String>,
    /// Names and element types of the results.
    pub(super) results: Vec<(String, ElemType)>,
    pub(super) cases: Vec<CasePlan>,
}

/// An input that is a tensor.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) ty: TensorType,
    pub(super) optional: bool,
}

/// How a case runs.
#[derive(Clone, Debug)]
pub(super) struct CasePlan {
    /// For each optional input, whether it is present.
    pub(super) present: Vec<bool>,
    pub(super) function: FunctionId,
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
        let results = method.result_leaves().into_iter();
        let results = results.map(|leaf| (leaf.name, leaf.ty.elem));
        let case = |(number, case): (usize, &Case)| {
            let function = program.functions.get(case.function.index())?;
            Some(CasePlan {
                present: case.present.clone(),
                function: case.function,
                binding: program.binding(ModuleId(0), position, number)?.clone(),
                schedule: Schedule::whole(function),
                indices: indices::inputs(program, function),
            })
        };
        Self {
            inputs: inputs.collect(),
            sizes: method.sizes().map(|(name, _)| name.to_owned()).collect(),
            results: results.collect(),
            cases: method.cases.iter().enumerate().filter_map(case).collect(),
        }
    }

    /// Whether it has an input of the name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
            || self.sizes.iter().any(|size| size == name)
    }
}
