//! What code can name at a point: tensors, sizes, element types, devices, weights.
//!
//! Sizes of a program are expressions in symbols, but TorchScript code has only what it was given.
//! A [`Scope`] finds the value of a symbol in the sizes of the tensors at hand; what a function
//! cannot find this way becomes an [`Extra`] parameter, which its callers pass.

use std::collections::BTreeMap;

use kiln_ir::{
    ElemType, Factor, ModuleId, Program, Size, SymbolId, TensorType, Term, WeightId, WeightRole,
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
    pub(super) program: &'a Program,
    /// Parent of each module.
    parents: Vec<Option<ModuleId>>,
    /// Module and attribute name of each weight that is one.
    owners: Vec<Option<(ModuleId, String)>>,
    /// The weights that code names `CONSTANTS.c0`, `CONSTANTS.c1`, ...
    pub(super) constants: Vec<WeightId>,
}

impl<'a> Context<'a> {
    /// The context of a program.
    pub(super) fn new(program: &'a Program) -> Self {
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
fn size_of(name: &str, axis: usize) -> String {
    format!("torch.size({name}, {axis})")
}

/// The tensors that code can name, and what was found out from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Visible {
    tensors: Vec<(String, TensorType)>,
    symbols: BTreeMap<SymbolId, String>,
    /// Symbols whose values are no sizes of tensors, and so may be below 0, and their names.
    pub(super) computed: Vec<(SymbolId, String)>,
    /// Axes that gave such a value, and leave no remainder.
    exact: Vec<String>,
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

    /// Whether a symbol's value can be found without further parameters.
    pub(super) fn shows(&self, symbol: SymbolId) -> bool {
        self.knows(symbol) || self.solve(symbol).is_some()
    }

    /// Whether a symbol has a name, or is the size of an axis.
    fn knows(&self, symbol: SymbolId) -> bool {
        self.visible.symbols.contains_key(&symbol) || self.axis(&Size::symbol(symbol)).is_some()
    }

    /// An expression for the value of a symbol.
    pub(super) fn symbol(&mut self, symbol: SymbolId) -> Result<String, Error> {
        if let Some(name) = self.visible.symbols.get(&symbol) {
            return Ok(name.clone());
        }
        let label = self.context.program.symbol_name(symbol).into_owned();
        if let Some(axis) = self.axis(&Size::symbol(symbol)) {
            return Ok(self.assign(symbol, &label, &axis));
        }
        if let Some(steps) = self.solve(symbol) {
            for (symbol, size) in steps {
                let value = self.solution(symbol, &size)?;
                let label = self.context.program.symbol_name(symbol).into_owned();
                let name = self.assign(symbol, &label, &value);
                self.bind_computed(symbol, &name);
            }
            return self.symbol(symbol);
        }
        let name =
            self.extra(Extra::Symbol(symbol), &label)
                .ok_or_else(|| Error::UnknownSymbol {
                    place: self.place.clone(),
                    symbol: label,
                })?;
        self.bind(symbol, &name);
        Ok(name)
    }

    /// Gives a symbol a name.
    fn assign(&mut self, symbol: SymbolId, label: &str, value: &str) -> String {
        let name = self.names.fresh(label);
        self.line(&format!("{name} = {value}"));
        self.bind(symbol, &name);
        name
    }

    /// An expression for a size.
    pub(super) fn size(&mut self, size: &Size) -> Result<String, Error> {
        if !size.symbols().into_iter().all(|symbol| self.shows(symbol))
            && let Some(axis) = self.axis(size)
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
                Ok(format!(
                    "torch.floordiv({}, {})",
                    self.size(a)?,
                    self.size(b)?
                ))
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

    /// An axis of exactly the given size.
    fn axis(&self, size: &Size) -> Option<String> {
        self.axes()
            .find(|(_, other)| *other == size)
            .map(|(axis, _)| axis)
    }

    /// Symbols and the sizes of axes that give their values, one after the other, up to the wanted
    /// symbol: each is the only unknown of its size.
    fn solve(&self, symbol: SymbolId) -> Option<Vec<(SymbolId, Size)>> {
        let mut steps: Vec<(SymbolId, Size)> = Vec::new();
        loop {
            let known =
                |symbol| self.knows(symbol) || steps.iter().any(|(solved, _)| *solved == symbol);
            let (solved, size) = self.axes().find_map(|(_, size)| {
                size.solvable(known)
                    .map(|(symbol, _)| (symbol, size.clone()))
            })?;
            steps.push((solved, size));
            if solved == symbol {
                return Some(steps);
            }
        }
    }

    /// The value of a symbol that is the only unknown of an axis' size.
    fn solution(&mut self, symbol: SymbolId, size: &Size) -> Result<String, Error> {
        let axis = self.axis(size).unwrap_or_default();
        let mut text = axis.clone();
        let alone = |term: &&Term| term.factors == [Factor::Symbol(symbol)];
        let rest = size
            .terms()
            .iter()
            .filter(|term| !alone(term))
            .cloned()
            .collect::<Vec<_>>();
        let factor = size
            .terms()
            .iter()
            .find(alone)
            .map_or(1, |term| term.coefficient);
        match rest.as_slice() {
            [] => {}
            [term] if term.is_constant() && term.coefficient < 0 => {
                text = format!("{text} + {}", term.coefficient.unsigned_abs());
            }
            [Term { coefficient, .. }] if *coefficient > 0 => {
                text = format!("{text} - {}", self.size(&Size::from_terms(rest))?);
            }
            _ => text = format!("{text} - ({})", self.size(&Size::from_terms(rest))?),
        }
        if factor == 1 {
            self.visible.exact.push(axis);
        } else {
            text = format!("({text}) // {factor}");
        }
        Ok(text)
    }
}
