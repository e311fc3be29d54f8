//! How a method finds the values of symbols: the steps of its case's [`Binding`], as statements.
//!
//! The arguments that a case has are known, except for integers that may be `None`. Those matter
//! only for symbols that the tensors and the other integers leave open; for these there is an `if`:
//!
//! ```text
//! if size is None:
//!   M = N
//! else:
//!   M = size[1]
//! ```

use std::collections::BTreeSet;

use kiln_ir::{
    Case, Method, ModuleId, SymbolId,
    validate::{Axis, Binding, Source, Step},
};

use super::{
    super::error::Error,
    found::{Found, Given},
    scope::{Context, Scope, Value, size_of},
    types,
};

/// Most ways in which integers that may be `None` give a group of symbols their values.
const MAX_WAYS: usize = 256;

/// How one case of a method binds symbols.
pub(super) struct CaseBinding<'a> {
    pub(super) case: &'a Case,
    binding: &'a Binding,
    /// The steps that are the same whichever integers are `None`.
    fixed: Vec<Step<'a>>,
}

impl<'a> CaseBinding<'a> {
    /// Those of all cases of a method, by its position in the module.
    pub(super) fn all(
        context: &Context<'a>,
        module: ModuleId,
        position: usize,
        method: &'a Method,
    ) -> Vec<Self> {
        let required: Vec<bool> = method.sizes().map(|size| !size.optional).collect();
        let cases = method.cases.iter().enumerate();
        let cases = cases.filter_map(|(number, case)| {
            let binding = context.program.binding(module, position, number)?;
            let steps = binding.steps(&|size| required.get(size) == Some(&true));
            let is_default = |step: &Step<'_>| matches!(step.source, Source::Default(_));
            let fixed = steps.into_iter().take_while(|step| !is_default(step));
            Some(Self {
                case,
                binding,
                fixed: fixed.collect(),
            })
        });
        cases.collect()
    }

    /// The axes of an input that give symbols their values.
    pub(super) fn shown(&self, input: usize) -> impl Iterator<Item = (SymbolId, Axis)> {
        self.fixed.iter().filter_map(move |step| match step.source {
            Source::Axis(axis) if axis.input == input => Some((step.symbol, axis)),
            _ => None,
        })
    }

    /// Has the scope know where the wanted symbols have their values from.
    pub(super) fn bind(
        &self,
        scope: &mut Scope<'_>,
        method: &Method,
        found: &Found,
        wanted: &[SymbolId],
    ) -> Result<(), Error> {
        take(scope, found, &self.fixed);
        for step in &self.fixed {
            if let Source::Given(_) = step.source {
                scope.symbol(step.symbol)?;
            }
        }
        for group in groups(scope, method, found) {
            let is_target = |symbol: &&SymbolId| group.contains(symbol);
            let mut targets: Vec<SymbolId> = Vec::new();
            for &symbol in wanted.iter().filter(is_target) {
                if !targets.contains(&symbol) {
                    targets.push(symbol);
                }
            }
            if targets.is_empty() {
                continue;
            }
            let is_open = |given: &Given| given.symbols.iter().any(|one| group.contains(one));
            let sizes = found.sizes.iter().enumerate();
            let open: Vec<usize> = sizes
                .filter(|(_, given)| given.optional && is_open(given))
                .map(|(position, _)| position)
                .collect();
            let given: Vec<bool> = found.sizes.iter().map(|given| !given.optional).collect();
            if open.is_empty() {
                let steps = self.binding.steps(&|size| given.get(size) == Some(&true));
                take(scope, found, &steps);
                continue;
            }
            // Before the first `if`, so that what comes after it has them too.
            for symbol in self.sources(&group) {
                if scope.shows(symbol) {
                    scope.symbol(symbol)?;
                }
            }
            let mut names = Vec::with_capacity(targets.len());
            for symbol in targets {
                let label = scope.context.program.symbol_name(symbol).into_owned();
                names.push((symbol, scope.names.fresh(&label)));
            }
            let mut choice = Choice {
                binding: self.binding,
                found,
                targets: names,
                ways: 0,
                exact: None,
            };
            choice.write(scope, given, &open)?;
            for (symbol, name) in choice.targets {
                scope.bind_computed(symbol, &name);
            }
            scope.visible.exact.extend(choice.exact.unwrap_or_default());
        }
        Ok(())
    }
}

impl CaseBinding<'_> {
    /// The symbols that those of a group are computed from.
    fn sources(&self, group: &BTreeSet<SymbolId>) -> Vec<SymbolId> {
        let steps = self.binding.steps(&|_| false).into_iter();
        let steps = steps.filter(|step| group.contains(&step.symbol));
        let sources = steps.flat_map(|step| match step.source {
            Source::Solved(solution) => solution.rest.symbols(),
            Source::Default(other) => vec![other],
            Source::Axis(_) | Source::Given(_) => Vec::new(),
        });
        sources.collect()
    }
}

/// Has the scope know where symbols have their values from, except those that it knows.
fn take(scope: &mut Scope<'_>, found: &Found, steps: &[Step<'_>]) {
    for step in steps {
        let value = match step.source {
            Source::Axis(axis) => found.size_of(axis).map(Value::Axis),
            Source::Solved(solution) => found.size_of(solution.axis).map(|axis| Value::Solved {
                axis,
                coefficient: solution.coefficient,
                rest: solution.rest.clone(),
            }),
            Source::Given(integer) => {
                let given = found.sizes.get(integer.size);
                given.map(|given| Value::Given(given.part(integer.part)))
            }
            Source::Default(other) => Some(Value::Same(other)),
        };
        if let Some(value) = value {
            scope.visible.steps.entry(step.symbol).or_insert(value);
        }
    }
}

/// The symbols that a scope does not know, parted so that the values in one group do not depend on
/// those in another.
fn groups(scope: &Scope<'_>, method: &Method, found: &Found) -> Vec<BTreeSet<SymbolId>> {
    let sizes = found.sizes.iter().map(|given| given.symbols.clone());
    let dims = found.unchecked.iter().flat_map(|tensor| &tensor.dims);
    let dims = dims.map(|(_, size)| size.symbols());
    let defaults = method.defaults.iter().map(|&(a, b)| vec![a, b]);
    let mut groups: Vec<BTreeSet<SymbolId>> = Vec::new();
    for symbols in sizes.chain(dims).chain(defaults) {
        let open = symbols.into_iter().filter(|symbol| !scope.shows(*symbol));
        let mut group: BTreeSet<SymbolId> = open.collect();
        groups.retain(|other| {
            let is_apart = other.is_disjoint(&group);
            if !is_apart {
                group.extend(other);
            }
            is_apart
        });
        if !group.is_empty() {
            groups.push(group);
        }
    }
    groups
}

/// Statements that give symbols values, by which integers are `None`.
struct Choice<'a> {
    binding: &'a Binding,
    found: &'a Found,
    /// The symbols, and names for their values.
    targets: Vec<(SymbolId, String)>,
    /// How many ways were written.
    ways: usize,
    /// Axes that leave no remainder, whichever way is taken.
    exact: Option<BTreeSet<String>>,
}

impl Choice<'_> {
    /// Tests those of the arguments at the given positions that matter, one after the other;
    /// `given` has which arguments are not `None`.
    fn write(
        &mut self,
        scope: &mut Scope<'_>,
        mut given: Vec<bool>,
        open: &[usize],
    ) -> Result<(), Error> {
        let binding = self.binding;
        let is_given = |size: usize| given.get(size) == Some(&true);
        let steps = binding.steps(&is_given);
        let best = binding.steps(&|size| is_given(size) || open.contains(&size));
        let is_hopeless = !self.targets.iter().all(|(symbol, _)| has(&best, *symbol));
        // What holds by default gives way to an integer.
        let is_default = |step: &Step<'_>| matches!(step.source, Source::Default(_));
        let defaults = steps.iter().position(is_default).unwrap_or(steps.len());
        let sure = steps.get(..defaults).unwrap_or_default();
        let matters = |size: &usize| {
            let given = self.found.sizes.get(*size);
            given.is_some_and(|given| !given.symbols.iter().all(|symbol| has(sure, *symbol)))
        };
        let next = open.iter().position(matters);
        let tested = next.filter(|_| !is_hopeless).and_then(|next| {
            let (size, rest) = open.get(next..)?.split_first()?;
            Some((*size, self.found.sizes.get(*size)?, rest))
        });
        let Some((size, argument, rest)) = tested else {
            return self.way(scope, &given, &steps);
        };
        scope.line(&format!("if {} is None:", argument.name));
        scope.indent += 1;
        self.write(scope, given.clone(), rest)?;
        scope.indent -= 1;
        scope.line("else:");
        scope.indent += 1;
        if let Some(slot) = given.get_mut(size) {
            *slot = true;
        }
        self.write(scope, given, rest)?;
        scope.indent -= 1;
        Ok(())
    }

    /// Gives all symbols their values by the given steps, or raises if one has none.
    fn way(
        &mut self,
        scope: &mut Scope<'_>,
        given: &[bool],
        steps: &[Step<'_>],
    ) -> Result<(), Error> {
        self.ways += 1;
        if self.ways > MAX_WAYS {
            return Err(Error::Unsupported {
                place: scope.place.clone(),
                what: format!("more than {MAX_WAYS} ways in which integers show sizes"),
            });
        }
        if !self.targets.iter().all(|(symbol, _)| has(steps, *symbol)) {
            let message = self.missing(scope, given, steps);
            scope.line(&types::raise(&message));
            for (_, name) in &self.targets {
                scope.line(&format!("{name} = uninitialized(int)"));
            }
            return Ok(());
        }
        let visible = scope.visible.clone();
        take(scope, self.found, steps);
        for step in steps {
            let mut targets = self.targets.iter();
            if let Some((symbol, name)) = targets.find(|(symbol, _)| *symbol == step.symbol) {
                scope.assign(*symbol, name)?;
            }
        }
        let exact = std::mem::replace(&mut scope.visible, visible).exact;
        self.exact = Some(match self.exact.take() {
            Some(others) => &others & &exact,
            None => exact,
        });
        Ok(())
    }

    /// The message for a symbol that has no value: which argument would give it one.
    fn missing(&self, scope: &Scope<'_>, given: &[bool], steps: &[Step<'_>]) -> String {
        let absent = self.found.sizes.iter().zip(given);
        let absent = absent.filter(|(_, is_given)| !**is_given);
        let open = absent.flat_map(|(argument, _)| {
            let parts = argument.symbols.iter().enumerate();
            let parts = parts.filter(|(_, symbol)| !has(steps, **symbol));
            parts.map(move |(part, symbol)| (argument, part, *symbol))
        });
        let mut open = open.collect::<Vec<_>>().into_iter();
        let is_target = |symbol| self.targets.iter().any(|(target, _)| *target == symbol);
        let first = open.clone().next();
        let Some((argument, part, symbol)) =
            open.find(|(_, _, symbol)| is_target(*symbol)).or(first)
        else {
            return "no argument shows a size that is needed".to_owned();
        };
        let what = match (argument.is_pair, part) {
            (false, _) => scope.context.program.symbol_name(symbol).into_owned(),
            (true, 0) => "the number of source nodes".to_owned(),
            (true, _) => "the number of target nodes".to_owned(),
        };
        let name = &argument.name;
        format!("{name} is needed: no other argument shows {what}")
    }
}

/// Whether a symbol has a value after some steps.
fn has(steps: &[Step<'_>], symbol: SymbolId) -> bool {
    steps.iter().any(|step| step.symbol == symbol)
}

impl Found {
    /// The expression for the size of an axis.
    fn size_of(&self, axis: Axis) -> Option<String> {
        let name = self.tensors.get(axis.input)?;
        Some(size_of(name, axis.axis))
    }
}
