//! How the inputs of a method give its symbols their values.

use crate::{
    id::SymbolId,
    leaf::Leaf,
    program::Method,
    size::{Factor, Size, Term},
};

/// How the inputs of one case of a method give symbols their values, and which sizes must agree.
///
/// A symbol takes its value from the first of these that has one: an axis of an input that it is
/// the size of; an integer parameter; an axis of which it is the only unknown; the symbol that it
/// equals by default. [`bind`](Self::bind) follows this order for given shapes, whoever runs the
/// method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Number of symbols of the program.
    symbols: usize,
    /// Symbols that are the sizes of axes.
    shown: Vec<(SymbolId, Axis)>,
    /// Symbols of each parameter that is an integer or several.
    given: Vec<Vec<SymbolId>>,
    solved: Vec<Solution>,
    /// Symbols, and those that they equal by default.
    defaults: Vec<(SymbolId, SymbolId)>,
    /// The sizes of all axes.
    axes: Vec<(Axis, Size)>,
    /// Symbols that running the case needs.
    needs: Vec<SymbolId>,
}

/// An axis of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Position of the input among those that are present.
    pub input: usize,
    /// Number of the axis.
    pub axis: usize,
}

/// An axis of size `coefficient * symbol + rest`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Solution {
    symbol: SymbolId,
    axis: Axis,
    coefficient: i64,
    rest: Size,
}

/// Why inputs give no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// An axis has another size than the other inputs ask for.
    Axis {
        /// The axis.
        axis: Axis,
        /// The size that it should have, if that is known.
        expected: Option<i64>,
        /// Its size.
        got: i64,
    },
    /// An integer parameter is another one than the inputs show, or negative.
    Given {
        /// Position among the [parameters that are integers](Method::sizes).
        size: usize,
        /// Position of the integer in it.
        part: usize,
        /// What it should be.
        expected: i64,
        /// What it is.
        got: i64,
    },
    /// Nothing shows the value of a symbol that the method needs.
    Unbound(SymbolId),
}

/// Values of symbols, as far as they have any.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SymbolValues(Vec<Option<i64>>);

impl SymbolValues {
    /// The value of a symbol.
    pub fn get(&self, symbol: SymbolId) -> Option<i64> {
        self.0.get(symbol.index()).copied().flatten()
    }

    /// The value of a size; `None` also if it leaves 64 bits.
    pub fn evaluate(&self, size: &Size) -> Option<i64> {
        size.evaluate(|symbol| self.get(symbol))
    }

    pub(crate) fn set(&mut self, symbol: SymbolId, value: i64) {
        if let Some(slot) = self.0.get_mut(symbol.index()) {
            *slot = Some(value);
        }
    }

    fn set_if_free(&mut self, symbol: SymbolId, value: i64) {
        if self.get(symbol).is_none() {
            self.set(symbol, value);
        }
    }
}

impl Binding {
    /// The binding of a method's case in which these leaves are present.
    pub(super) fn new(symbols: usize, method: &Method, leaves: &[Leaf<'_>]) -> Self {
        let axes = leaves.iter().enumerate().flat_map(|(input, leaf)| {
            let dims = leaf.ty.dims.iter().enumerate();
            dims.map(move |(axis, size)| (Axis { input, axis }, size.clone()))
        });
        let axes: Vec<(Axis, Size)> = axes.collect();
        let shown = |(axis, size): &(Axis, Size)| Some((size.as_symbol()?, *axis));
        Self {
            symbols,
            shown: axes.iter().filter_map(shown).collect(),
            given: method.sizes().map(|one| one.symbols.to_vec()).collect(),
            solved: axes.iter().flat_map(solutions).collect(),
            defaults: method.defaults.clone(),
            axes,
            needs: Vec::new(),
        }
    }

    /// The same for a case that needs these symbols.
    pub(super) fn needing(self, needs: &[SymbolId]) -> Self {
        let needs = needs.to_vec();
        Self { needs, ..self }
    }

    /// The symbols that have a value if every integer is given.
    pub(super) fn reached(&self) -> SymbolValues {
        let mut values = SymbolValues(vec![None; self.symbols]);
        let shown = self.shown.iter().map(|(symbol, _)| *symbol);
        for symbol in shown.chain(self.given.iter().flatten().copied()) {
            values.set(symbol, 0);
        }
        let is_known = |values: &SymbolValues, size: &Size| {
            let mut symbols = size.symbols().into_iter();
            symbols.all(|symbol| values.get(symbol).is_some())
        };
        self.derive(&mut values, |values, solution| {
            is_known(values, &solution.rest).then_some(0)
        });
        values
    }

    /// The values of the symbols for inputs of these shapes, and for these values of the parameters
    /// that are integers, in order. All sizes are checked.
    ///
    /// # Errors
    /// If sizes do not agree, or nothing shows a symbol that the case needs.
    pub fn bind(
        &self,
        size_of: &dyn Fn(Axis) -> i64,
        sizes: &[Option<Vec<i64>>],
    ) -> Result<SymbolValues, BindError> {
        let values = self.values(size_of, sizes);
        self.check_given(sizes, &values)?;
        for (axis, size) in &self.axes {
            let (expected, got) = (values.evaluate(size), size_of(*axis));
            if expected != Some(got) {
                let axis = *axis;
                return Err(BindError::Axis {
                    axis,
                    expected,
                    got,
                });
            }
        }
        let mut needs = self.needs.iter();
        match needs.find(|symbol| values.get(**symbol).is_none()) {
            Some(symbol) => Err(BindError::Unbound(*symbol)),
            None => Ok(values),
        }
    }

    /// As [`bind`](Self::bind), without a check: the values that symbols would have.
    pub fn values(
        &self,
        size_of: &dyn Fn(Axis) -> i64,
        sizes: &[Option<Vec<i64>>],
    ) -> SymbolValues {
        let mut values = SymbolValues(vec![None; self.symbols]);
        for &(symbol, axis) in &self.shown {
            values.set_if_free(symbol, size_of(axis));
        }
        for (symbols, given) in self.given.iter().zip(sizes) {
            for (&symbol, value) in symbols.iter().zip(given.iter().flatten()) {
                values.set_if_free(symbol, *value);
            }
        }
        self.derive(&mut values, |values, solution| {
            let rest = values.evaluate(&solution.rest)?;
            let product = size_of(solution.axis).checked_sub(rest)?;
            // A remainder shows when the size is checked.
            let value = product.checked_div(solution.coefficient)?;
            (value >= 0).then_some(value)
        });
        values
    }

    /// Checks that values of the parameters that are integers agree with those of symbols.
    ///
    /// # Errors
    /// If one does not, or is negative.
    pub fn check_given(
        &self,
        sizes: &[Option<Vec<i64>>],
        values: &SymbolValues,
    ) -> Result<(), BindError> {
        for (size, (symbols, given)) in self.given.iter().zip(sizes).enumerate() {
            let parts = symbols.iter().zip(given.iter().flatten());
            for (part, (&symbol, &got)) in parts.enumerate() {
                let expected = values.get(symbol).unwrap_or(got);
                if expected != got || got < 0 {
                    return Err(BindError::Given {
                        size,
                        part,
                        expected: expected.max(0),
                        got,
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds symbols that follow from others, until there are no more: solutions first.
    fn derive(
        &self,
        values: &mut SymbolValues,
        solve: impl Fn(&SymbolValues, &Solution) -> Option<i64>,
    ) {
        loop {
            let solved = self.solved.iter().find_map(|solution| {
                let is_free = values.get(solution.symbol).is_none();
                let value = is_free.then(|| solve(values, solution)).flatten()?;
                Some((solution.symbol, value))
            });
            let default = || {
                self.defaults.iter().find_map(|&(symbol, other)| {
                    let value = values.get(other)?;
                    values.get(symbol).is_none().then_some((symbol, value))
                })
            };
            match solved.or_else(default) {
                // Each binds one of the program's symbols.
                Some((symbol, value)) if symbol.index() < self.symbols => {
                    values.set(symbol, value);
                }
                Some(_) | None => return,
            }
        }
    }
}

/// The symbols that can be the only unknown of a size: each that stands alone in one term and
/// nowhere else.
fn solutions((axis, size): &(Axis, Size)) -> Vec<Solution> {
    if size.as_symbol().is_some() {
        return Vec::new();
    }
    let is_symbol = |term: &Term| match term.factors.as_slice() {
        [Factor::Symbol(symbol)] => Some(*symbol),
        _ => None,
    };
    let solution = |(position, term): (usize, &Term)| {
        let symbol = is_symbol(term)?;
        let mut rest = size.terms().to_vec();
        rest.remove(position);
        let rest = Size::from_terms(rest);
        (!rest.symbols().contains(&symbol)).then_some(Solution {
            symbol,
            axis: *axis,
            coefficient: term.coefficient,
            rest,
        })
    };
    let terms = size.terms().iter().enumerate();
    terms.filter_map(solution).collect()
}
