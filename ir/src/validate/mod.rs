//! The validator: turns a [`Program`], which may be anything, into a [`Valid`] one.
//!
//! Executor, passes and writers demand [`Valid`] and rely on these invariants. Names and ids (1-11)
//! are checked first; only where they hold are types (12-19), symbols (20-21), methods (22-24) and
//! loops (25) looked at. Diagnostics are collected. Validation never panics, and its time and
//! memory are bounded by the size of the program.
//!
//! **Names and ids**
//!
//! 1. Nothing exceeds a limit: [`MAX_SYMBOLS`] symbols, [`MAX_LEAVES`] tensors in the parameters or
//!    the result of a method, [`MAX_RANK`] axes, [`MAX_TERMS`] terms of a size, [`MAX_DEGREE`]
//!    factors of a term, [`MAX_NESTING`] levels and [`MAX_PARTS`] parts of minima and quotients,
//!    [`MAX_TYPE_DEPTH`](crate::leaf::MAX_TYPE_DEPTH) levels of a parameter's type,
//!    [`MAX_LOOPS`] loops in each other,
//!    [`MAX_INLINED_NODES`] nodes and operands of all functions once calls are replaced by what
//!    they call.
//! 2. Symbols have distinct identifiers as names.
//! 3. Weights have distinct dotted names. `kiln.` and `__metadata__` are reserved. No weight has
//!    2⁶³ bytes or more. A tied weight stands behind the one whose tensor it is, which is like it
//!    and not tied itself.
//! 4. Modules form a tree. The first is the root with the empty path; each other one is the child
//!    of exactly one module, and its path is its parent's and one more name.
//! 5. Each parameter and buffer belongs to exactly one module, each constant to at most one; where
//!    there is a module, the weight's name is its path and one more name.
//! 6. Methods of a module, and parameters of a method, have distinct identifiers as names, and a
//!    dictionary has distinct keys. Integers and literals are parameters, and no parts of one.
//! 7. A method has a case, at most one for a combination of present optional leaves. A case says of
//!    each optional leaf whether it is present, and of each of the result, unless all of those are.
//!    It treats the parts of an optional tuple alike, and runs a function of the method's module.
//! 8. Functions of a module have distinct identifiers as names, and one name for each input.
//! 9. Values of a function are defined once and in order: inputs, then outputs of nodes. The type
//!    table has one entry for each.
//! 10. Nodes read values that are defined before them; results are defined values.
//! 11. Nodes name weights and symbols that exist and call functions that stand before theirs.
//!
//! **Types**
//!
//! 12. Sizes are in normal form, use symbols that exist, and are not below zero where they are
//!     fixed.
//! 13. Integers are inputs of functions and results of `symbol`; only calls read them, and no
//!     function returns one.
//! 14. A node has as many inputs and outputs as its operation takes and gives.
//! 15. Element types are those that the operation takes; those of a float parameter are floats, in
//!     one axis of size 1.
//! 16. Shapes fit: equal sizes have equal normal forms; axes exist.
//! 17. Attributes are within range and of the kind of their operand.
//! 18. Declared types of outputs are those that follow from the inputs.
//! 19. Arguments of a call have the types of the callee's inputs.
//!
//! **Symbols.** Functions share the program's symbols: a callee's are its caller's.
//!
//! 20. A function knows each size in the attributes of its nodes: an earlier value has it as a
//!     dimension, or each of its symbols is an integer input, a dimension of an earlier value, or
//!     the only unknown of one.
//! 21. The length of a `nonzero` is a symbol that nothing in the function used before. The same
//!     holds for such symbols of a callee, also of the body of a loop.
//!
//! **Methods**
//!
//! 22. A case's function takes the present leaves in order, followed by distinct integers.
//! 23. Its outputs have the types of the result's leaves that are present; where the function has a
//!     data-dependent size, the result may name another symbol. A result has no size, flag,
//!     integer, float or literal.
//! 24. The inputs of a method give each symbol that its function or a callee needs a value: as a
//!     dimension, as a `size` or an `int`, as the only unknown of a dimension, or by default.
//!     Defaults are pairs of distinct symbols, one for a symbol.
//!
//! **Loops**
//!
//! 25. Operands and results of a `scan` are those of its body, as [`Scan`](crate::op::Scan) says:
//!     of carried and captured values the types are the same, sequences and stacked results have
//!     the steps as their first axis, and no size of a result depends on data of one step.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod binding;
mod diagnostic;
mod function;
mod infer;
mod method;
mod names;
mod scan;
#[cfg(test)]
mod tests;

use core::ops::Deref;
use std::collections::HashMap;

use crate::{
    op::Op,
    program::{FunctionId, ModuleId, Program, SymbolId, TensorType, WeightId},
    size::{MAX_DEGREE, MAX_NESTING, MAX_TERMS, Size},
    text::Words,
};

pub(crate) use function::first_unknown;

pub use binding::{Axis, BindError, Binding, Integer, Solution, Source, Step, SymbolValues};
pub use diagnostic::{Diagnostic, Invalid, Kind, MAX_DIAGNOSTICS, Place};

/// Most symbols of a program.
pub const MAX_SYMBOLS: usize = 1024;

/// Most tensors in the parameters, or in the result, of a method.
pub const MAX_LEAVES: usize = 1024;

/// Most sizes inside one size: itself, and the parts of its minima and quotients.
pub const MAX_PARTS: usize = 64;

/// Most axes of a tensor.
pub const MAX_RANK: usize = 8;

/// Most loops in each other.
pub const MAX_LOOPS: usize = 16;

/// Greatest size of a program after its calls are inlined: nodes and their operands of all
/// functions.
pub const MAX_INLINED_NODES: u64 = 1 << 24;

/// Number of invariants in the list above.
pub const INVARIANTS: u8 = 25;

/// A program for which all [invariants](mod@crate::validate) hold.
///
/// It cannot be changed: take the program out with [`into_program`](Self::into_program), change it
/// and validate again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid {
    program: Program,
    symbols: Vec<Symbols>,
    bindings: Bindings,
}

/// How the cases of methods bind symbols: by module, and positions of method and case.
type Bindings = HashMap<(ModuleId, usize, usize), Binding>;

/// What a function does to symbols.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Symbols {
    /// Symbols that its nodes, and those of its callees, need the value of and do not bind.
    needs: Vec<SymbolId>,
    /// Symbols that depend on data in it or its callees.
    data: Vec<SymbolId>,
    /// Nodes and operands once inlined.
    nodes: u64,
    /// Whether results may be others each time while the model is trained.
    is_random: bool,
    /// How many loops are in each other.
    loops: usize,
}

impl Valid {
    /// The program, to change it.
    pub fn into_program(self) -> Program {
        self.program
    }

    /// Symbols that running a function takes the value of, in ascending order: those in attributes
    /// of its nodes and of the functions that it calls, other than data-dependent ones.
    pub fn needs(&self, function: FunctionId) -> &[SymbolId] {
        self.symbols
            .get(function.index())
            .map_or(&[], |symbols| &symbols.needs)
    }

    /// How the inputs of a method's case give symbols their values; `method` and `case` are
    /// positions in the module and the method.
    pub fn binding(&self, module: ModuleId, method: usize, case: usize) -> Option<&Binding> {
        self.bindings.get(&(module, method, case))
    }

    /// Number of nodes and their operands of all functions once calls are replaced by what they
    /// call, each function by itself.
    pub fn inlined_nodes(&self) -> u64 {
        let nodes = self.symbols.iter().map(|symbols| symbols.nodes);
        nodes.fold(0, u64::saturating_add)
    }

    /// Whether equal operations of the program on equal operands have equal results.
    pub fn is_pure(&self, op: &Op) -> bool {
        match op {
            Op::Scan(scan) => self.binds(scan.body).is_empty() && !self.is_random(op),
            op => op.is_pure(),
        }
    }

    /// Whether the results of an operation of the program may be others each time while the model
    /// is trained.
    pub fn is_random(&self, op: &Op) -> bool {
        let callee = op.callee().and_then(|id| self.symbols.get(id.index()));
        op.is_random() || callee.is_some_and(|callee| callee.is_random)
    }

    /// Data-dependent symbols that running a function binds, in ascending order.
    pub fn binds(&self, function: FunctionId) -> &[SymbolId] {
        self.symbols
            .get(function.index())
            .map_or(&[], |symbols| &symbols.data)
    }
}

impl Deref for Valid {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

/// Types of the results of an operation of a program, other than a call or a loop, on operands of
/// the given types. The length of a `nonzero` is that of its mask, which it cannot exceed.
///
/// # Errors
/// If the operation does not take such operands: invariants 14 to 18.
pub fn infer(program: &Program, op: &Op, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Kind> {
    let inferred = infer::Infer(program).op(op, inputs);
    inferred.map_err(|problem| problem.into_parts().1)
}

/// Checks all invariants that the documentation of this module numbers.
///
/// # Errors
/// If one does not hold, with the place of each that does not.
pub fn validate(program: Program) -> Result<Valid, Invalid> {
    let mut check = Check {
        program: &program,
        found: Vec::new(),
    };
    check.limits();
    let symbols = if check.found.is_empty() {
        check.symbols();
        check.weights();
        check.modules();
        check.functions();
        check.methods();
        if check.found.is_empty() {
            check.bodies()
        } else {
            Vec::new()
        }
    } else {
        Vec::new()
    };
    let bindings = if check.found.is_empty() {
        check.signatures(&symbols)
    } else {
        Bindings::new()
    };
    let found = check.found;
    if found.is_empty() {
        Ok(Valid {
            program,
            symbols,
            bindings,
        })
    } else {
        Err(Invalid(found))
    }
}

struct Check<'a> {
    program: &'a Program,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, place: Place, invariant: u8, kind: Kind) {
        if self.found.len() < MAX_DIAGNOSTICS {
            let at = Words(self.program).place(place);
            self.found.push(Diagnostic {
                place,
                at,
                invariant,
                kind,
            });
        }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= MAX_DIAGNOSTICS
    }

    /// Invariant 1, as far as it does not take valid ids.
    fn limits(&mut self) {
        let limit = |what, limit: usize, got: usize| {
            let kind = Kind::Limit {
                what,
                limit: as_u64(limit),
                got: as_u64(got),
            };
            (got > limit).then_some(kind)
        };
        let program = self.program;
        if let Some(kind) = limit("number of symbols", MAX_SYMBOLS, program.symbols.len()) {
            self.report(Place::Program, 1, kind);
        }
        let tables = [
            ("number of weights", program.weights.len()),
            ("number of modules", program.modules.len()),
            ("number of functions", program.functions.len()),
        ];
        for (what, count) in tables {
            if let Some(kind) = limit(what, MAX_ENTRIES, count) {
                self.report(Place::Program, 1, kind);
            }
        }
        for (id, weight) in ids(&program.weights) {
            if let Some(kind) = limit("number of axes", MAX_RANK, weight.shape.len()) {
                self.report(Place::Weight(WeightId(id)), 1, kind);
            }
        }
        for (id, module) in ids(&program.modules) {
            for (position, method) in module.methods.iter().enumerate() {
                let place = Place::Method(ModuleId(id), position);
                let deep = method
                    .params
                    .iter()
                    .map(|param| &param.ty)
                    .chain([&method.result])
                    .any(|ty| !ty.is_shallow());
                if deep {
                    let max = crate::leaf::MAX_TYPE_DEPTH;
                    if let Some(kind) = limit("depth of a type", max, max.saturating_add(1)) {
                        self.report(place, 1, kind);
                    }
                }
                for leaves in [method.leaves().len(), method.result_leaves().len()] {
                    if let Some(kind) = limit("number of tensors", MAX_LEAVES, leaves) {
                        self.report(place, 1, kind);
                    }
                }
            }
        }
        for (id, function) in ids(&program.functions) {
            if let Some(kind) = limit("number of values", MAX_ENTRIES, function.values.len()) {
                self.report(Place::Function(FunctionId(id)), 1, kind);
            }
        }
    }

    /// Invariants 1 and 12 of one size.
    fn size(&mut self, place: Place, size: &Size, needs_sign: bool) -> bool {
        let limit = |what, limit: usize, got: usize| {
            let kind = Kind::Limit {
                what,
                limit: as_u64(limit),
                got: as_u64(got),
            };
            (got > limit).then_some(kind)
        };
        let parts = size.parts();
        let mut problems = parts.iter().flat_map(|part| {
            let terms = limit("number of terms", MAX_TERMS, part.terms().len());
            let degrees = part
                .terms()
                .iter()
                .filter_map(move |term| limit("degree", MAX_DEGREE, term.factors.len()));
            terms.into_iter().chain(degrees)
        });
        let problem = limit("nesting of a size", MAX_NESTING, size.nesting())
            .or_else(|| limit("number of parts of a size", MAX_PARTS, parts.len()))
            .or_else(|| problems.next());
        if let Some(kind) = problem {
            self.report(place, 1, kind);
            return false;
        }
        let missing = size
            .symbols()
            .into_iter()
            .find(|symbol| symbol.index() >= self.program.symbols.len());
        if let Some(symbol) = missing {
            let (what, id) = ("symbol", symbol.0);
            self.report(place, 12, Kind::Missing { what, id });
            return false;
        }
        if !size.is_normal() {
            self.report(place, 12, Kind::NotNormal);
            return false;
        }
        if needs_sign && size.as_fixed().is_some_and(|fixed| fixed < 0) {
            let size = Words(self.program).size(size);
            self.report(place, 12, Kind::NegativeSize { size });
            return false;
        }
        true
    }

    /// Invariants 1 and 12 of one tensor type.
    fn tensor_type(&mut self, place: Place, ty: &TensorType) -> bool {
        if ty.dims.len() > MAX_RANK {
            let kind = Kind::Limit {
                what: "number of axes",
                limit: as_u64(MAX_RANK),
                got: as_u64(ty.dims.len()),
            };
            self.report(place, 1, kind);
            return false;
        }
        ty.dims.iter().all(|dim| self.size(place, dim, true))
    }
}

/// Most entries of one table; ids have 32 bits.
const MAX_ENTRIES: usize = 1 << 24;

/// Entries of a table with their ids. Tables are limited to [`MAX_ENTRIES`] before ids matter.
fn ids<T>(table: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0_u32..).zip(table)
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whether a name is an identifier of Rust, Python and TorchScript alike.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && is_component(name)
}

/// Whether a name can stand between the dots of a path: an identifier, or digits.
pub(crate) fn is_component(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || next == '_')
}

/// Whether a name is a path: components with dots between them.
pub(crate) fn is_path(name: &str) -> bool {
    name.split('.').all(is_component)
}
