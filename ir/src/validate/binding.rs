//! How the inputs of a method give its symbols their values.

use crate::{
    id::SymbolId,
    leaf::Leaf,
    program::Method,
    size::{Factor, Size, Term},
};

/// How the inputs of one case of a method give symbols their values, and which sizes must agree.
///
/// The values come from the inputs in [`steps`](Self::steps), each as soon as it can be taken: a
/// symbol is the size of an axis; else the only unknown of the size of an axis; else an integer
/// parameter, first of those that are always given; else equal to another by default. Executor,
/// command and writers follow these steps, and so accept the same sizes with the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Number of symbols of the program.
    symbols: usize,
    /// Symbols that are the sizes of axes.
    shown: Vec<(SymbolId, Axis)>,
    solved: Vec<Solution>,
    /// Symbols of each parameter that is an integer or several.
    given: Vec<Vec<SymbolId>>,
    /// All integers of parameters, those of parameters that are always given first.
    integers: Vec<Integer>,
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

/// An integer of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Position among the [parameters that are integers](Method::sizes).
    pub size: usize,
    /// Position of the integer in the parameter.
    pub part: usize,
}

/// How one symbol gets its value; those that it depends on have theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The symbol.
    pub symbol: SymbolId,
    /// Where its value comes from.
    pub source: Source<'a>,
}

/// Where the value of a symbol comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// It is the size of an axis.
    Axis(Axis),
    /// It is the only unknown of the size of an axis.
    Solved(&'a Solution),
    /// It is an integer that is given.
    Given(Integer),
    /// It is equal to another symbol by default.
    Default(SymbolId),
}

/// An axis of size `coefficient * symbol + rest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    symbol: SymbolId,
    /// The axis.
    pub axis: Axis,
    /// What the symbol is multiplied by.
    pub coefficient: i64,
    /// What is added, in symbols that are known.
    pub rest: Size,
    /// The symbols of the rest.
    known: Vec<SymbolId>,
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
            solved: axes.iter().flat_map(solutions).collect(),
            given: method.sizes().map(|one| one.symbols.to_vec()).collect(),
            integers: integers(method),
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
        self.walk(&|_| true, |step| values.set(step.symbol, 0));
        values
    }

    /// How symbols get their values, in order, where those of the [parameters that are
    /// integers](Method::sizes) are given that `is_given` is true for, by position.
    ///
    /// Values are found whether or not they are needed. The steps before the first that is a
    /// default do not depend on integers that can be absent: where one of these is given beside
    /// what shows its symbol, it is checked, which [`check_given`](Self::check_given) does.
    pub fn steps(&self, is_given: &dyn Fn(usize) -> bool) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        self.walk(is_given, |step| steps.push(step));
        steps
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
        let given = |size: usize| sizes.get(size).and_then(Option::as_ref);
        self.walk(&|size| given(size).is_some(), |step| {
            let value = match step.source {
                Source::Axis(axis) => Some(size_of(axis)),
                Source::Solved(solution) => solution.value(size_of, &values),
                Source::Given(Integer { size, part }) => {
                    given(size).and_then(|parts| parts.get(part)).copied()
                }
                Source::Default(other) => values.get(other),
            };
            if let Some(value) = value {
                values.set(step.symbol, value);
            }
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

    /// Visits the [`steps`](Self::steps).
    fn walk<'a>(&'a self, is_given: &dyn Fn(usize) -> bool, mut visit: impl FnMut(Step<'a>)) {
        let mut known = vec![false; self.symbols];
        let mut take = |known: &mut Vec<bool>, symbol: SymbolId, source| {
            if let Some(slot @ false) = known.get_mut(symbol.index()) {
                *slot = true;
                visit(Step { symbol, source });
                return true;
            }
            false
        };
        for &(symbol, axis) in &self.shown {
            take(&mut known, symbol, Source::Axis(axis));
        }
        // Each turn makes one more symbol known.
        while let Some((symbol, source)) = self.next(&known, is_given)
            && take(&mut known, symbol, source)
        {}
    }

    /// A symbol that is not known, and where its value comes from.
    fn next(
        &self,
        known: &[bool],
        is_given: &dyn Fn(usize) -> bool,
    ) -> Option<(SymbolId, Source<'_>)> {
        let is_known = |symbol: SymbolId| known.get(symbol.index()) == Some(&true);
        let is_free = |symbol: SymbolId| known.get(symbol.index()) == Some(&false);
        let solved = || {
            let mut solutions = self.solved.iter();
            let solution = solutions.find(|solution| {
                is_free(solution.symbol) && solution.known.iter().copied().all(is_known)
            })?;
            Some((solution.symbol, Source::Solved(solution)))
        };
        let given = || {
            self.integers.iter().find_map(|&integer| {
                let symbol = *self.given.get(integer.size)?.get(integer.part)?;
                let is_next = is_free(symbol) && is_given(integer.size);
                is_next.then_some((symbol, Source::Given(integer)))
            })
        };
        let default = || {
            let mut defaults = self.defaults.iter();
            let &(symbol, other) =
                defaults.find(|(symbol, other)| is_free(*symbol) && is_known(*other))?;
            Some((symbol, Source::Default(other)))
        };
        solved().or_else(given).or_else(default)
    }
}

impl Solution {
    /// The value of the symbol, unless it would be below 0.
    fn value(&self, size_of: &dyn Fn(Axis) -> i64, values: &SymbolValues) -> Option<i64> {
        let product = size_of(self.axis).checked_sub(values.evaluate(&self.rest)?)?;
        // A remainder shows when the size is checked.
        let value = product.checked_div(self.coefficient)?;
        (value >= 0).then_some(value)
    }
}

/// All integers of a method's parameters, those of parameters that are always given first.
fn integers(method: &Method) -> Vec<Integer> {
    let of = |optional: bool| {
        let sizes = method.sizes().enumerate();
        let sizes = sizes.filter(move |(_, one)| one.optional == optional);
        sizes.flat_map(|(size, one)| (0..one.symbols.len()).map(move |part| Integer { size, part }))
    };
    of(false).chain(of(true)).collect()
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
        let known = rest.symbols();
        (!known.contains(&symbol)).then_some(Solution {
            symbol,
            axis: *axis,
            coefficient: term.coefficient,
            rest,
            known,
        })
    };
    let terms = size.terms().iter().enumerate();
    terms.filter_map(solution).collect()
}
