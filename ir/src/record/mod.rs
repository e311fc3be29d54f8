//! Recording: from a Burn module to a program.
//!
//! A module's forward pass is run on Burn's capture device, which executes nothing and notes every
//! operation. It is run several times, each time with other sizes for the declared symbols; what
//! differs between the recordings is written as a size in the symbols, and what cannot be is an
//! error that names the layer and the operation. It is run as while the module is trained, so that
//! dropout and batch normalisation are in the program, and once more as outside training, to see
//! that nothing else differs.
//!
//! ```text
//!   input.rs    declares inputs                declare.rs    types of parameters and results
//!   capture.rs  one recording: operations, scopes
//!   lift.rs     Burn's operation → Op          recording.rs  what it is: steps, tensors, result
//!   witness.rs  numbers → sizes                modes.rs      training and inference in one
//!   solve.rs    linear equations for it        build.rs      steps → functions, one per scope
//!   merge.rs    recordings → symbolic steps    tree.rs       modules and weights
//!   result.rs   the type of results         error.rs      what can go wrong, and where
//! ```

mod build;
mod capture;
mod declare;
mod error;
mod input;
mod lift;
mod merge;
mod modes;
mod panic;
mod recording;
mod result;
mod solve;
mod tree;
mod witness;

use core::any::type_name;
use std::collections::HashSet;

pub use burn::tensor::{Bool, DType, Float, Int};
pub use error::{Place, RecordError};
pub use input::{
    AdjacencyInput, Dict, EdgeIndexInput, FloatInput, Input, Inputs, IntInput, Key, List, OneOf,
    Optional, TensorInput,
};
pub use kiln_core::signature::Dim;

use burn::module::{Module as BurnModule, ModuleDisplay};
use kiln_core::{Value, size_to_i64};
use kiln_ops::{Overload, Overloads};

use self::{
    build::Builder,
    capture::Request,
    declare::Declaration,
    modes::{Mode, Training},
    recording::Recording,
    tree::Tree,
    witness::Witnesses,
};
use crate::{
    Model, pass,
    program::{Case, ElemType, Method, Program, Symbol, SymbolId, TensorType, Type},
    validate::validate,
};

/// Records the forward passes of a Burn module.
///
/// ```text
/// let model = Recorder::new(&net)
///     .overload("forward", (tensor!(f32["N", 34]), edge_index!("N", "E")), |net, (x, edges)| {
///         net.forward(x, &edges)
///     })
///     .finish()?;
/// model.save("net.kiln")?;
/// ```
#[derive(Debug)]
pub struct Recorder<'m, M> {
    module: &'m M,
    kind: String,
    overloads: Vec<Overload<M>>,
    mode: Mode,
    /// Names and types of integer buffers that have not 64 bits.
    buffers: Vec<(String, DType)>,
    /// Most optional inputs that come together.
    most_options: usize,
}

/// Most cases of a method.
const MAX_CASES: usize = 256;

impl<'m, M: BurnModule + ModuleDisplay> Recorder<'m, M> {
    /// A recorder for a module in its present state.
    ///
    /// Dropout and batch normalisation are recorded with what they do in training, whether or not
    /// the module has gradients now; parts of it that are [frozen](BurnModule::freeze) stay so.
    pub fn new(module: &'m M) -> Self {
        let name = type_name::<M>();
        let name = name.split('<').next().unwrap_or(name);
        let kind = name.rsplit("::").next().unwrap_or(name).to_owned();
        Self {
            module,
            kind,
            overloads: Vec::new(),
            mode: Mode::Training,
            buffers: Vec::new(),
            most_options: usize::MAX,
        }
    }

    /// Records the module as it is outside training alone: without dropout, and with batch
    /// statistics that never change. For modules that do in training what a program cannot say.
    pub fn inference_only(mut self) -> Self {
        self.mode = Mode::Inference;
        self
    }

    /// Gives a buffer of integers, by its `state_dict` name, a type other than `i64`: `DType::I32`,
    /// or `DType::U8`. Otherwise integers of 32 bits in a module are 64 bits wide in programs,
    /// because they are what Burn has by default where PyTorch has 64.
    pub fn buffer(mut self, name: impl Into<String>, dtype: DType) -> Self {
        self.buffers.push((name.into(), dtype));
        self
    }

    /// Records methods with at most so many of their optional inputs at once. Otherwise every
    /// combination of them is a case, which doubles time and size with each input; with at most
    /// one, there is one more case for each. What is not recorded is refused by sessions and
    /// archives.
    pub fn most_options(mut self, count: usize) -> Self {
        self.most_options = count;
        self
    }

    /// Names the class in exported programs; without this it is the Rust type's name.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Adds a method: its name, its inputs, and how to call it. With a [`OneOf`] among the inputs
    /// there are several, `forward__0`, `forward__1`, ...: one for each value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "inputs are declared in place"
    )]
    pub fn overload<I: Inputs, R: Into<Value>>(
        mut self,
        name: impl Into<String>,
        inputs: I,
        forward: impl Fn(&M, I::Values) -> R + Send + Sync + 'static,
    ) -> Self {
        let overload = Overload::new(name, inputs.signature(), move |module, values| {
            forward(module, I::take(values.into_values())).into()
        });
        self.overloads.extend(overload.variants());
        self
    }

    /// Adds all typed variants of a layer.
    pub fn overloads(mut self) -> Self
    where
        M: Overloads,
    {
        self.module.kind().clone_into(&mut self.kind);
        let overloads = self.module.overloads().into_iter();
        self.overloads
            .extend(overloads.flat_map(Overload::variants));
        self
    }

    /// Records every method.
    ///
    /// # Errors
    /// If a forward pass reads values, uses an operation that the IR lacks, depends on sizes in a
    /// way that cannot be found, differs in training by more than dropout and batch normalisation,
    /// or panics; the error names layer and operation.
    pub fn finish(self) -> Result<Model, RecordError> {
        if self.overloads.is_empty() {
            return Err(RecordError::NoMethods);
        }
        let mut names = HashSet::new();
        if let Some(twice) = self
            .overloads
            .iter()
            .find(|o| !names.insert(o.name.as_str()))
        {
            return Err(RecordError::DuplicateMethod(twice.name.clone()));
        }
        let training = match self.mode {
            Mode::Training => Some(Training::of(self.module)),
            Mode::Inference => None,
        };
        if let Some(training) = &training
            && let [_, ..] = training.unseen.as_slice()
        {
            return Err(RecordError::UnseenTraining {
                layers: training.unseen.join("`, `"),
            });
        }
        let mut tree = Tree::new(self.module, &self.kind);
        for (name, dtype) in &self.buffers {
            let retyped = match lift::elem(*dtype) {
                Some(elem) => tree.retype(name, elem),
                None => Err(format!("programs have no elements of the type {dtype:?}")),
            };
            retyped.map_err(|problem| RecordError::Buffer {
                name: name.clone(),
                problem,
            })?;
        }
        let mut program = Program::default();
        let mut methods = Vec::with_capacity(self.overloads.len());
        for overload in &self.overloads {
            let method = record_method(
                self.module,
                training.as_ref(),
                (overload, self.most_options),
                &mut program,
                &mut tree,
            )?;
            methods.push(method);
        }
        if let Some(root) = tree.modules.first_mut() {
            root.methods = methods;
        }
        program.modules = tree.modules;
        program.weights = tree.weights;
        let program = pass::run(validate(program)?, &pass::RECORDING)?;
        Ok(Model::new(program, tree.values)?)
    }
}

/// Records one method: all its cases.
fn record_method<M: BurnModule>(
    module: &M,
    training: Option<&Training>,
    (overload, most_options): (&Overload<M>, usize),
    program: &mut Program,
    tree: &mut Tree,
) -> Result<Method, RecordError> {
    let signature = &overload.signature;
    let float = capture::float_dtype(module);
    let problem = |problem: String| RecordError::Signature {
        method: overload.name.clone(),
        problem,
    };
    let mut symbols = Vec::new();
    for name in declare::symbol_names(signature) {
        let id = symbol(program, &name);
        symbols.push((name, id));
    }
    let declaration = Declaration {
        symbols: &symbols,
        float: lift::elem(float).unwrap_or(ElemType::F32),
    };
    let params = declaration
        .params(signature)
        .map_err(|name| problem(format!("programs have no elements like those of `{name}`")))?;
    let method = Method {
        name: overload.name.clone(),
        params,
        result: Type::Tuple(Vec::new()),
        cases: Vec::new(),
        defaults: Vec::new(),
    };
    let leaves = method.leaves();
    let optional = leaves.iter().filter(|leaf| leaf.optional).count();
    let combinations = combinations(optional, most_options).ok_or_else(|| {
        problem(format!(
            "{optional} optional inputs have more than {MAX_CASES} combinations; fewer are recorded \
             with `Recorder::most_options`"
        ))
    })?;
    let names: Vec<&str> = symbols.iter().map(|(name, _)| name.as_str()).collect();
    let capture = Capture {
        module,
        training,
        overload,
        symbols: &names,
        float,
    };

    let mut cases = Vec::new();
    let mut results = Vec::new();
    for present in combinations {
        let Captured {
            numbers,
            mut recordings,
        } = capture.all(&present)?;
        for recording in &mut recordings {
            for parameter in recording.params.values_mut() {
                let elem = tree.elem(parameter.id, parameter.occurrence);
                parameter.elem = elem.unwrap_or(parameter.elem);
            }
        }
        let fresh_count = recordings.first().map_or(0, |r| r.notes.fresh.len());
        let fresh = fresh_symbols(program, &names, fresh_count);
        let declared = symbols.iter().enumerate().map(|(position, &(_, id))| {
            let value = |&number| witness::value(number, position);
            (id, numbers.iter().map(value).map(size_to_i64).collect())
        });
        let dependent = fresh.iter().enumerate().map(|(position, &id)| {
            let value = |one: &Recording| one.notes.fresh.get(position).copied();
            let values = recordings
                .iter()
                .map(|one| size_to_i64(value(one).unwrap_or_default()));
            (id, values.collect())
        });
        let witnesses = Witnesses::new(declared.chain(dependent).collect());
        let mut flags = present.iter();
        let inputs: Vec<TensorType> = leaves
            .iter()
            .filter(|leaf| !leaf.optional || flags.next() == Some(&true))
            .map(|leaf| leaf.ty.clone())
            .collect();
        let context = merge::Context {
            program,
            method: &overload.name,
            inputs: &inputs,
            fresh: &fresh,
        };
        let merged = merge::merge(&context, recordings, witnesses)?;
        let structure = merged.result.clone();

        let mut flags = present.iter();
        let mut inputs = Vec::new();
        let mut name = format!("{}_impl", overload.name);
        for leaf in &leaves {
            let given = !leaf.optional || flags.next() == Some(&true);
            if given {
                inputs.push((leaf.name.clone(), leaf.ty.clone()));
                if leaf.optional {
                    name.push('_');
                    let part = |next: char| {
                        if next.is_ascii_alphanumeric() {
                            next
                        } else {
                            '_'
                        }
                    };
                    name.extend(leaf.name.chars().map(part));
                }
            }
        }
        // Keys that differ may give one name.
        while program.functions.iter().any(|other| other.name == name) {
            name.push('_');
        }
        let built = Builder::new(program, tree, &fresh)
            .build(&name, inputs, merged)
            .ok_or_else(|| problem("the recording contradicts itself".to_owned()))?;
        let outputs = &mut built.outputs.into_iter();
        results.push(result::result_type(&structure, outputs));
        cases.push(Case {
            present,
            results: Vec::new(),
            function: built.function,
        });
    }
    let result = result::unite(&results, &mut cases).ok_or_else(|| {
        problem("the result has another type when an optional input is present".to_owned())
    })?;
    let defaults = declaration.defaults(signature);
    drop(leaves);
    Ok(Method {
        result,
        cases,
        defaults,
        ..method
    })
}

/// Which of so many inputs are present, for each combination of at most so many: the first input
/// changes fastest. `None` if there are too many combinations.
fn combinations(inputs: usize, most: usize) -> Option<Vec<Vec<bool>>> {
    let mut all = vec![Vec::new()];
    for _ in 0..inputs {
        let with = |flag: bool| {
            move |before: &Vec<bool>| {
                let mut flags = before.clone();
                flags.push(flag);
                flags
            }
        };
        let mut more: Vec<Vec<bool>> = all.iter().map(with(false)).collect();
        more.extend(all.iter().map(with(true)));
        more.retain(|flags| flags.iter().filter(|flag| **flag).count() <= most);
        if more.len() > MAX_CASES {
            return None;
        }
        all = more;
    }
    Some(all)
}

/// What is captured of a method.
struct Capture<'a, M> {
    module: &'a M,
    training: Option<&'a Training>,
    overload: &'a Overload<M>,
    symbols: &'a [&'a str],
    float: DType,
}

/// The recordings of one case, and their numbers.
struct Captured {
    numbers: Vec<usize>,
    recordings: Vec<Recording>,
}

impl<M: BurnModule> Capture<'_, M> {
    /// As many recordings as it takes; checks that training changes nothing that a program cannot
    /// say.
    fn all(&self, present: &[bool]) -> Result<Captured, RecordError> {
        let mut numbers = Vec::new();
        let mut recordings: Vec<Recording> = Vec::new();
        let mut number = 0;
        loop {
            match self.one(present, number, self.training) {
                Ok(mut recording) => {
                    if let Some(training) = self.training {
                        training.know_momenta(&mut recording);
                    }
                    numbers.push(number);
                    recordings.push(recording);
                }
                // What a forward pass asks of its sizes may not hold for the least of them.
                Err(RecordError::Panicked { .. }) if number == witness::TINY => {}
                Err(error) => return Err(error),
            }
            number += 1;
            let fresh = recordings
                .first()
                .map_or(0, |first| first.notes.fresh.len());
            if number >= witness::recordings(self.symbols.len() + fresh) {
                break;
            }
        }
        if let (Some(_), Some((&number, trained))) =
            (self.training, numbers.iter().zip(&recordings).next())
        {
            let untrained = self.one(present, number, None)?;
            if let Some(difference) = modes::difference(trained, &untrained) {
                return Err(RecordError::ModeDependent {
                    method: self.overload.name.clone(),
                    difference,
                });
            }
        }
        Ok(Captured {
            numbers,
            recordings,
        })
    }

    fn one(
        &self,
        present: &[bool],
        number: usize,
        training: Option<&Training>,
    ) -> Result<Recording, RecordError> {
        let size_of = |name: &str| {
            let position = self.symbols.iter().position(|other| *other == name);
            position.map_or(0, |position| witness::value(number, position))
        };
        capture::record(&Request {
            module: self.module,
            overload: self.overload,
            present,
            training,
            number,
            float: self.float,
            size_of: &size_of,
        })
    }
}

/// Symbols `K0`, `K1`, ... for sizes that depend on data, other than the declared ones.
fn fresh_symbols(program: &mut Program, declared: &[&str], count: usize) -> Vec<SymbolId> {
    let names = (0..).map(|number: usize| format!("K{number}"));
    let free: Vec<String> = names
        .filter(|name| !declared.contains(&name.as_str()))
        .take(count)
        .collect();
    free.iter().map(|name| symbol(program, name)).collect()
}

/// The program's symbol of a name, made if it is new.
fn symbol(program: &mut Program, name: &str) -> SymbolId {
    let position = program
        .symbols
        .iter()
        .position(|symbol| symbol.name == name);
    let position = position.unwrap_or_else(|| {
        program.symbols.push(Symbol {
            name: name.to_owned(),
        });
        program.symbols.len() - 1
    });
    SymbolId::from_index(position)
}
