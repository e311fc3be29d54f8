//! What code can name at a point: tensors, sizes, element types, devices, weights.
//!
//! Sizes of a program are expressions in symbols, but TorchScript code has only what it was given.
//! Where a [`Scope`] has the value of a symbol from depends on what is written:
//!
//! - A method has the [steps](Scope::steps) of its case's [`Binding`](kiln_ir::validate::Binding),
//!   as a session has.
//! - A function has whatever tensors its callers give it, whose sizes they have checked, and those
//!   that it makes: symbols that depend on data are sizes of these alone. It looks for an axis that
//!   shows the symbol ([`Scope::look_up`]); a symbol that none shows becomes an [`Extra`]
//!   parameter, which its callers pass.

use std::collections::{BTreeMap, BTreeSet};

use kiln_ir::{
    ElemType, Factor, ModuleId, Program, Size, SymbolId, TensorType, Valid, WeightId, WeightRole,
};

use super::{
    super::error::Error,
    types::{self, Names},
};

/// A parameter that a function has beyond its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    /// The value of a symbol.
    Symbol(SymbolId),
    /// What floats of the given type are, now that the model may have been converted.
    Dtype(ElemType),
    /// Where new tensors go.
    Device,
}

impl Extra {
    /// TorchScript type.
    pub(super) fn type_text(self) -> &'static str {
        match self {
            Self::Symbol(_) | Self::Dtype(_) => "int",
            Self::Device => "Device",
        }
    }
}

/// The program, and where its modules and weights are.
pub(super) struct Context<'a> {
    /// The program.
    pub(super) program: &'a Valid,
    /// Parent of each module.
    parents: Vec<Option<ModuleId>>,
    /// Module and attribute name of each weight that is one.
    owners: Vec<Option<(ModuleId, String)>>,
    /// The weights that code names `CONSTANTS.c0`, `CONSTANTS.c1`, ...
    pub(super) constants: Vec<WeightId>,
}

impl<'a> Context<'a> {
    /// The context of a program.
    pub(super) fn new(program: &'a Valid) -> Self {
        let mut parents = vec![None; program.modules.len()];
        let mut owners = vec![None; program.weights.len()];
        for (id, module) in (0..).map(ModuleId).zip(&program.modules) {
            for child in &module.children {
                if let Some(parent) = parents.get_mut(child.index()) {
                    *parent = Some(id);
                }
            }
            for &weight in &module.weights {
                if let Some(owner) = owners.get_mut(weight.index())
                    && owner.is_none()
                {
                    *owner = Some((id, attribute(program, weight)));
                }
            }
        }
        let constants = (0..)
            .map(WeightId)
            .zip(&program.weights)
            .filter(|(_, weight)| weight.role == WeightRole::Constant)
            .map(|(id, _)| id)
            .collect();
        Self {
            program,
            parents,
            owners,
            constants,
        }
    }

    /// The expression for a module below (or equal to) another whose code this is.
    pub(super) fn module_expr(&self, from: ModuleId, to: ModuleId) -> Option<String> {
        let mut path = Vec::new();
        let mut current = to;
        while current != from {
            path.push(self.module_name(current));
            current = (*self.parents.get(current.index())?)?;
            if path.len() > self.parents.len() {
                return None;
            }
        }
        Some(
            path.iter()
                .rev()
                .fold("self".to_owned(), |of, name| member(&of, name)),
        )
    }

    /// The attribute name of a module in its parent.
    pub(super) fn module_name(&self, module: ModuleId) -> &'a str {
        let path = self
            .program
            .modules
            .get(module.index())
            .map_or("", |module| &module.path);
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    }

    /// The module that a parameter or buffer belongs to.
    pub(super) fn owner(&self, weight: WeightId) -> Option<ModuleId> {
        let (owner, _) = self.owners.get(weight.index())?.as_ref()?;
        Some(*owner)
    }

    /// The weight of a module with the given attribute name.
    pub(super) fn weight_of(&self, module: ModuleId, name: &str) -> Option<WeightId> {
        let weights = &self.program.modules.get(module.index())?.weights;
        let mut weights = weights.iter().copied();
        weights.find(|&weight| attribute(self.program, weight) == name)
    }

    /// The expression for a weight of a module or of one below it.
    pub(super) fn weight_expr(&self, from: ModuleId, weight: WeightId) -> Option<String> {
        let (owner, name) = self.owners.get(weight.index())?.as_ref()?;
        Some(member(&self.module_expr(from, *owner)?, name))
    }

    /// The expression for some parameter or buffer of a module, or below it, of a given type.
    fn any_weight(&self, from: ModuleId, elem: Option<ElemType>) -> Option<String> {
        (0..)
            .map(WeightId)
            .zip(&self.program.weights)
            .find_map(|(id, weight)| {
                let fits = weight.role != WeightRole::Constant
                    && elem.is_none_or(|elem| elem == weight.elem);
                if fits {
                    self.weight_expr(from, id)
                } else {
                    None
                }
            })
    }
}

/// The attribute name of a weight: the last part of its `state_dict` key.
pub(super) fn attribute(program: &Program, weight: WeightId) -> String {
    let name = program
        .weights
        .get(weight.index())
        .map_or("", |weight| &weight.name);
    name.rsplit_once('.')
        .map_or(name, |(_, name)| name)
        .to_owned()
}

/// The expression for a member of an object.
fn member(of: &str, name: &str) -> String {
    if types::is_identifier(name) {
        format!("{of}.{name}")
    } else {
        format!("getattr({of}, {})", types::string(name))
    }
}

/// The expression for the size of an axis.
pub(super) fn size_of(name: &str, axis: usize) -> String {
    format!("torch.size({name}, {axis})")
}

/// Whether a size that is no size of an axis may be below 0.
pub(super) fn may_be_negative(size: &Size) -> bool {
    let is_part = |factor: &Factor| match factor {
        Factor::Symbol(_) => false,
        Factor::Min(parts) | Factor::FloorDiv(parts) => parts.iter().any(may_be_negative),
    };
    let mut terms = size.terms().iter();
    terms.any(|term| term.coefficient < 0 || term.factors.iter().any(is_part))
}

/// Where code has the value of a symbol from.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The expression for the size of an axis.
    Axis(String),
    /// The symbol is the only unknown of an axis of size `coefficient * symbol + rest`.
    Solved {
        /// The expression for the size of the axis.
        axis: String,
        coefficient: i64,
        rest: Size,
    },
    /// The expression for an integer that is given.
    Given(String),
    /// Another symbol is equal.
    Same(SymbolId),
}

/// The tensors that code can name, and what was found out from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Visible {
    tensors: Vec<(String, TensorType)>,
    symbols: BTreeMap<SymbolId, String>,
    /// Where a method has the values of symbols from that have no name yet.
    pub(super) steps: BTreeMap<SymbolId, Value>,
    /// Symbols whose values are no sizes of tensors, and so may be below 0, and their names.
    pub(super) computed: Vec<(SymbolId, String)>,
    /// Axes that gave such a value, and leave no remainder.
    pub(super) exact: BTreeSet<String>,
}

/// A method in the making.
pub(super) struct Scope<'a> {
    /// The program.
    pub(super) context: &'a Context<'a>,
    /// The module whose method this is.
    pub(super) module: ModuleId,
    /// For messages.
    pub(super) place: String,
    /// Names that are taken.
    pub(super) names: Names,
    /// What can be named.
    pub(super) visible: Visible,
    /// Further parameters, if this method may have them.
    pub(super) extras: Option<Vec<(Extra, String)>>,
    /// Statements so far.
    lines: Vec<String>,
    /// Levels of indentation.
    pub(super) indent: usize,
}

impl<'a> Scope<'a> {
    /// An empty method of a module.
    pub(super) fn new(context: &'a Context<'a>, module: ModuleId, place: String) -> Self {
        Self {
            context,
            module,
            place,
            names: Names::default(),
            visible: Visible::default(),
            extras: None,
            lines: Vec::new(),
            indent: 2,
        }
    }

    /// Adds a statement.
    pub(super) fn line(&mut self, text: &str) {
        self.lines
            .push(format!("{}{text}\n", "  ".repeat(self.indent)));
    }

    /// The statements.
    pub(super) fn text(&self) -> String {
        self.lines.concat()
    }

    /// Makes a tensor known.
    pub(super) fn define(&mut self, name: &str, ty: &TensorType) {
        self.visible.tensors.push((name.to_owned(), ty.clone()));
    }

    /// Makes the value of a symbol known.
    pub(super) fn bind(&mut self, symbol: SymbolId, name: &str) {
        self.visible.symbols.insert(symbol, name.to_owned());
    }

    /// As [`bind`](Self::bind), for a value that is not the size of a tensor.
    pub(super) fn bind_computed(&mut self, symbol: SymbolId, name: &str) {
        self.bind(symbol, name);
        self.visible.computed.push((symbol, name.to_owned()));
    }

    /// Whether a symbol's value can be had without further parameters.
    pub(super) fn shows(&self, symbol: SymbolId) -> bool {
        self.visible.symbols.contains_key(&symbol) || self.value(symbol).is_some()
    }

    /// Where a symbol that has no name has its value from.
    fn value(&self, symbol: SymbolId) -> Option<Value> {
        let step = self.visible.steps.get(&symbol).cloned();
        step.or_else(|| self.extras.as_ref().and_then(|_| self.look_up(symbol)))
    }

    /// A name for the value of a symbol.
    pub(super) fn symbol(&mut self, symbol: SymbolId) -> Result<String, Error> {
        if let Some(name) = self.visible.symbols.get(&symbol) {
            return Ok(name.clone());
        }
        let label = self.context.program.symbol_name(symbol).into_owned();
        let Some(value) = self.value(symbol) else {
            let name = self.extra(Extra::Symbol(symbol), &label);
            let name = name.ok_or_else(|| Error::UnknownSymbol {
                place: self.place.clone(),
                symbol: label,
            })?;
            self.bind(symbol, &name);
            return Ok(name);
        };
        let text = self.value_text(&value)?;
        let name = match value {
            Value::Given(_) | Value::Same(_) => text,
            Value::Axis(_) | Value::Solved { .. } => {
                let name = self.names.fresh(&label);
                self.line(&format!("{name} = {text}"));
                name
            }
        };
        match value {
            Value::Axis(_) | Value::Same(_) => self.bind(symbol, &name),
            Value::Solved { .. } | Value::Given(_) => self.bind_computed(symbol, &name),
        }
        Ok(name)
    }

    /// The expression for a value.
    fn value_text(&mut self, value: &Value) -> Result<String, Error> {
        let (axis, coefficient, rest) = match value {
            Value::Axis(text) | Value::Given(text) => return Ok(text.clone()),
            Value::Same(other) => return self.symbol(*other),
            Value::Solved {
                axis,
                coefficient,
                rest,
            } => (axis, *coefficient, rest),
        };
        let difference = match rest.terms() {
            [] => axis.clone(),
            [term] if term.is_constant() && term.coefficient < 0 => {
                format!("{axis} + {}", term.coefficient.unsigned_abs())
            }
            [term] if term.coefficient > 0 => format!("{axis} - {}", self.size(rest)?),
            _ => format!("{axis} - ({})", self.size(rest)?),
        };
        if coefficient == 1 {
            self.visible.exact.insert(axis.clone());
            return Ok(difference);
        }
        Ok(format!("({difference}) // {coefficient}"))
    }

    /// Gives a symbol a value under a name that is known elsewhere.
    pub(super) fn assign(&mut self, symbol: SymbolId, name: &str) -> Result<(), Error> {
        let text = match self.visible.symbols.get(&symbol) {
            Some(text) => text.clone(),
            None => match self.value(symbol) {
                Some(value) => self.value_text(&value)?,
                None => self.symbol(symbol)?,
            },
        };
        self.line(&format!("{name} = {text}"));
        self.bind(symbol, name);
        Ok(())
    }

    /// An expression for a size.
    pub(super) fn size(&mut self, size: &Size) -> Result<String, Error> {
        let symbols = size.symbols();
        if !symbols.into_iter().all(|symbol| self.shows(symbol))
            && let Some((axis, _)) = self.axes().find(|(_, other)| *other == size)
        {
            return Ok(axis);
        }
        let (constant, rest): (Vec<_>, Vec<_>) =
            size.terms().iter().partition(|term| term.is_constant());
        let mut text = String::new();
        for term in rest.into_iter().chain(constant) {
            let mut factors = Vec::new();
            if term.is_constant() || term.coefficient.unsigned_abs() != 1 {
                factors.push(term.coefficient.unsigned_abs().to_string());
            }
            for factor in &term.factors {
                factors.push(self.factor(factor)?);
            }
            text.push_str(match (text.is_empty(), term.coefficient < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            });
            text.push_str(&factors.join(" * "));
        }
        Ok(if text.is_empty() {
            "0".to_owned()
        } else {
            text
        })
    }

    /// An expression for a factor of a size.
    fn factor(&mut self, factor: &Factor) -> Result<String, Error> {
        match factor {
            Factor::Symbol(symbol) => self.symbol(*symbol),
            Factor::Min(parts) => {
                let [a, b] = &**parts;
                Ok(format!(
                    "ops.prim.min({}, {})",
                    self.size(a)?,
                    self.size(b)?
                ))
            }
            Factor::FloorDiv(parts) => {
                let [a, b] = &**parts;
                let (dividend, mut divisor) = (self.size(a)?, self.size(b)?);
                // A division by 0 raises, and there is none by less.
                if may_be_negative(b) {
                    divisor = format!("ops.prim.max({divisor}, 0)");
                }
                Ok(format!("torch.floordiv({dividend}, {divisor})"))
            }
        }
    }

    /// A list of sizes.
    pub(super) fn sizes(&mut self, sizes: &[Size]) -> Result<String, Error> {
        let sizes = sizes
            .iter()
            .map(|size| self.size(size))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(types::list(&sizes))
    }

    /// An expression for the number of an element type. Floats follow the tensors at hand, so that
    /// a converted model (`.double()`) stays consistent.
    pub(super) fn dtype(&mut self, elem: ElemType) -> String {
        if !elem.is_float() {
            return types::dtype(elem).to_owned();
        }
        let example = self
            .visible
            .tensors
            .iter()
            .find(|(_, ty)| ty.elem == elem)
            .map(|(name, _)| name.clone())
            .or_else(|| self.context.any_weight(self.module, Some(elem)));
        match example {
            Some(example) => format!("ops.prim.dtype({example})"),
            None => self
                .extra(Extra::Dtype(elem), "dtype")
                .unwrap_or_else(|| types::dtype(elem).to_owned()),
        }
    }

    /// An expression for the device of the tensors at hand.
    pub(super) fn device(&mut self) -> String {
        let example = self
            .visible
            .tensors
            .first()
            .map(|(name, _)| name.clone())
            .or_else(|| self.context.any_weight(self.module, None));
        match example {
            Some(example) => format!("ops.prim.device({example})"),
            None => self
                .extra(Extra::Device, "device")
                .unwrap_or_else(|| "torch.device(\"cpu\")".to_owned()),
        }
    }

    /// An expression for a further parameter of a callee.
    pub(super) fn pass(&mut self, extra: Extra) -> Result<String, Error> {
        Ok(match extra {
            Extra::Symbol(symbol) => self.symbol(symbol)?,
            Extra::Dtype(elem) => self.dtype(elem),
            Extra::Device => self.device(),
        })
    }

    fn extra(&mut self, extra: Extra, label: &str) -> Option<String> {
        let extras = self.extras.as_mut()?;
        if let Some((_, name)) = extras.iter().find(|(other, _)| *other == extra) {
            return Some(name.clone());
        }
        let name = self.names.fresh(label);
        extras.push((extra, name.clone()));
        Some(name)
    }

    /// Whether the size of an axis gave the value of its only unknown symbol, without a remainder.
    pub(super) fn is_exact(&self, name: &str, axis: usize) -> bool {
        self.visible.exact.contains(&size_of(name, axis))
    }

    /// The axes of all tensors: expression and size.
    fn axes(&self) -> impl Iterator<Item = (String, &Size)> {
        self.visible.tensors.iter().flat_map(|(name, ty)| {
            let axis = move |(axis, size)| (size_of(name, axis), size);
            ty.dims.iter().enumerate().map(axis)
        })
    }

    /// Where a function has the value of a symbol from: an axis of that size, or one of which the
    /// symbol is the only unknown once others are found in the same way.
    fn look_up(&self, symbol: SymbolId) -> Option<Value> {
        let plain = |symbol| {
            let mut axes = self.axes();
            axes.find(|(_, size)| size.as_symbol() == Some(symbol))
        };
        if let Some((axis, _)) = plain(symbol) {
            return Some(Value::Axis(axis));
        }
        let mut solved = Vec::new();
        loop {
            let is_known = |symbol| {
                self.visible.symbols.contains_key(&symbol)
                    || plain(symbol).is_some()
                    || solved.contains(&symbol)
            };
            let (axis, size, (found, coefficient)) = self.axes().find_map(|(axis, size)| {
                let found = size.solvable(is_known)?;
                Some((axis, size, found))
            })?;
            if found == symbol {
                let terms = size.terms().iter();
                let rest = terms.filter(|term| term.factors != [Factor::Symbol(symbol)]);
                return Some(Value::Solved {
                    axis,
                    coefficient,
                    rest: Size::from_terms(rest.cloned().collect()),
                });
            }
            solved.push(found);
        }
    }
}
