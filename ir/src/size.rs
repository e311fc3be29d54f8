//! Symbolic sizes: polynomials with integer coefficients in the program's symbols, and in minima
//! and quotients of such polynomials.
//!
//! A graph's sizes (`N` nodes, `E` edges) are not known when a model is recorded, so each dimension
//! of each value is a polynomial in them: `N`, `N + E`, `4*E`, `2*N - 1`. What is no polynomial is
//! made of two more [factors](Factor), `min(a, b)` and `floor_div(a, b)`:
//!
//! ```text
//! max(a, b)       = a + b - min(a, b)
//! ceil(a / b)     = floor_div(a + b - 1, b)
//! a % b           = a - b * floor_div(a, b)
//! ```
//!
//! Sizes with equal normal forms are equal for all graphs, and that is the only proof the validator
//! needs. For polynomials the converse holds too; two ways to write a minimum or a quotient may
//! have different normal forms, and then they count as different.
//!
//! `+` and `*` saturate and never fail: they are for code that builds programs. What reads
//! untrusted programs uses [`Size::checked_add`], [`Size::checked_sub`] and [`Size::checked_mul`],
//! which refuse results that leave 64 bits or grow beyond [`MAX_TERMS`].

use core::{
    cmp::Ordering,
    ops::{Add, Mul},
};

use crate::id::SymbolId;

/// Largest number of terms of a size in a valid program.
pub const MAX_TERMS: usize = 64;

/// Largest number of factors of a term (its degree) in a valid program.
pub const MAX_DEGREE: usize = 8;

/// Deepest nesting of minima and quotients in a valid program.
pub const MAX_NESTING: usize = 4;

/// Begins a minimum in the text form.
pub(crate) const MIN: &str = "min";

/// Begins a quotient in the text form.
pub(crate) const FLOOR_DIV: &str = "floor_div";

/// What a term multiplies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// The value of a symbol.
    Symbol(SymbolId),
    /// The smaller of two sizes, in ascending order of their normal forms.
    Min(Box<[Size; 2]>),
    /// The first size divided by the second, rounded down. It has no value where the divisor is
    /// below 1.
    FloorDiv(Box<[Size; 2]>),
}

impl Factor {
    /// The sizes inside, outermost level only.
    fn parts(&self) -> &[Size] {
        match self {
            Self::Symbol(_) => &[],
            Self::Min(parts) | Self::FloorDiv(parts) => &**parts,
        }
    }

    fn evaluate(&self, lookup: &dyn Fn(SymbolId) -> Option<i64>) -> Option<i64> {
        match self {
            Self::Symbol(symbol) => lookup(*symbol),
            Self::Min(parts) => {
                let [a, b] = &**parts;
                Some(a.evaluate_by(lookup)?.min(b.evaluate_by(lookup)?))
            }
            Self::FloorDiv(parts) => {
                let [a, b] = &**parts;
                let divisor = b.evaluate_by(lookup).filter(|&divisor| divisor >= 1)?;
                a.evaluate_by(lookup)?.checked_div_euclid(divisor)
            }
        }
    }

    fn each_symbol(&self, visit: &mut dyn FnMut(SymbolId)) {
        if let Self::Symbol(symbol) = self {
            visit(*symbol);
        }
        for term in self.parts().iter().flat_map(|part| &part.terms) {
            term.factors
                .iter()
                .for_each(|factor| factor.each_symbol(visit));
        }
    }

    fn is_bound(&self, bound: &dyn Fn(SymbolId) -> bool) -> bool {
        let mut all = true;
        self.each_symbol(&mut |symbol| all &= bound(symbol));
        all
    }

    /// Whether this is what [`Size::min`] and [`Size::floor_div`] make of its parts.
    fn is_normal(&self) -> bool {
        let made = match self {
            Self::Symbol(_) => return true,
            Self::Min(parts) => Some(Size::min(&parts[0], &parts[1])),
            Self::FloorDiv(parts) => Size::floor_div(&parts[0], &parts[1]),
        };
        self.parts().iter().all(Size::is_normal) && made.is_some_and(|made| made.is_factor(self))
    }

    fn text(&self, symbol: &dyn Fn(SymbolId) -> String) -> String {
        let call = |name: &str, parts: &[Size; 2]| {
            let [a, b] = parts.each_ref().map(|part| part.text(symbol));
            format!("{name}({a}, {b})")
        };
        match self {
            Self::Symbol(id) => symbol(*id),
            Self::Min(parts) => call(MIN, parts),
            Self::FloorDiv(parts) => call(FLOOR_DIV, parts),
        }
    }

    fn nesting(&self) -> usize {
        let below = self.parts().iter().map(Size::nesting).max();
        below.map_or(0, |below| below.saturating_add(1))
    }
}

/// A product with a coefficient, such as `4*N`, `N*E` or `2*min(N, M)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// Factors of the product in ascending order; one that stands twice is squared.
    pub factors: Vec<Factor>,
    /// Coefficient, never zero in normal form.
    pub coefficient: i64,
}

impl Term {
    /// A product of symbols with a coefficient.
    pub fn new(symbols: impl IntoIterator<Item = SymbolId>, coefficient: i64) -> Self {
        Self {
            factors: symbols.into_iter().map(Factor::Symbol).collect(),
            coefficient,
        }
    }

    /// Whether this is a number.
    pub fn is_constant(&self) -> bool {
        self.factors.is_empty()
    }
}

/// A size: a sum of terms in normal form (terms sorted by their factors, constant first, no two
/// terms with the same factors, no zero coefficients). Zero is the empty sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Size {
    terms: Vec<Term>,
}

impl Size {
    /// A fixed size.
    pub fn fixed(size: i64) -> Self {
        Self::from_terms(vec![Term::new([], size)])
    }

    /// The value of a symbol.
    pub fn symbol(symbol: SymbolId) -> Self {
        Self::factor(Factor::Symbol(symbol))
    }

    fn factor(factor: Factor) -> Self {
        Self {
            terms: vec![Term {
                factors: vec![factor],
                coefficient: 1,
            }],
        }
    }

    /// Which of two sizes is the smaller, if it is the same one for all values of symbols.
    fn order(a: &Self, b: &Self) -> Option<Ordering> {
        let difference = |a: &Self, b: &Self| a.checked_sub(b)?.as_fixed();
        // One of the differences may leave 64 bits.
        difference(a, b)
            .map(|difference| difference.cmp(&0))
            .or_else(|| difference(b, a).map(|difference| 0.cmp(&difference)))
    }

    /// The smaller of two sizes.
    pub fn min(a: &Self, b: &Self) -> Self {
        let is_below = |one: &Self, other: &Self| match one.as_factor() {
            Some(Factor::Min(parts)) => parts.contains(other),
            _ => false,
        };
        if is_below(a, b) {
            return a.clone();
        }
        if is_below(b, a) {
            return b.clone();
        }
        match Self::order(a, b) {
            Some(Ordering::Less | Ordering::Equal) => a.clone(),
            Some(Ordering::Greater) => b.clone(),
            None => {
                let mut parts = [a.clone(), b.clone()];
                parts.sort_unstable();
                Self::factor(Factor::Min(Box::new(parts)))
            }
        }
    }

    /// The larger of two sizes: their sum without the smaller.
    pub fn max(a: &Self, b: &Self) -> Self {
        match Self::order(a, b) {
            Some(Ordering::Less | Ordering::Equal) => b.clone(),
            Some(Ordering::Greater) => a.clone(),
            None => &(a + b) + &(&Self::fixed(-1) * &Self::min(a, b)),
        }
    }

    /// A size divided by another, rounded down; `None` if the divisor is a number below 1.
    ///
    /// Multiples of a fixed divisor come out of the quotient: `floor_div(2*N + 3, 2)` is `N + 1`.
    pub fn floor_div(a: &Self, b: &Self) -> Option<Self> {
        let Some(divisor) = b.as_fixed() else {
            let parts = Box::new([a.clone(), b.clone()]);
            return Some(Self::factor(Factor::FloorDiv(parts)));
        };
        if divisor < 1 {
            return None;
        }
        let part = |of: fn(i64, i64) -> i64| {
            Self::from_terms(
                a.terms
                    .iter()
                    .map(|term| Term {
                        factors: term.factors.clone(),
                        coefficient: of(term.coefficient, divisor),
                    })
                    .collect(),
            )
        };
        let (whole, rest) = (part(i64::div_euclid), part(i64::rem_euclid));
        if rest.as_fixed().is_some() {
            return Some(whole);
        }
        let parts = Box::new([rest, b.clone()]);
        Some(&whole + &Self::factor(Factor::FloorDiv(parts)))
    }

    /// The sum of the given terms, brought into normal form. Coefficients saturate.
    pub fn from_terms(terms: Vec<Term>) -> Self {
        Self::merge(terms, |a, b| Some(a.saturating_add(b))).unwrap_or_default()
    }

    fn merge(mut terms: Vec<Term>, add: impl Fn(i64, i64) -> Option<i64>) -> Option<Self> {
        for term in &mut terms {
            term.factors.sort_unstable();
        }
        terms.sort_unstable();
        let mut normal: Vec<Term> = Vec::with_capacity(terms.len());
        for term in terms {
            match normal.last_mut() {
                Some(last) if last.factors == term.factors => {
                    last.coefficient = add(last.coefficient, term.coefficient)?;
                }
                Some(_) | None => normal.push(term),
            }
        }
        normal.retain(|term| term.coefficient != 0);
        Some(Self { terms: normal })
    }

    /// The terms in normal form.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether the terms are in normal form; false only for sizes that were decoded from a file.
    pub fn is_normal(&self) -> bool {
        let is_normal = |term: &Term| {
            term.coefficient != 0
                && term.factors.is_sorted()
                && term.factors.iter().all(Factor::is_normal)
        };
        self.terms.iter().all(is_normal) && self.terms.is_sorted_by(|a, b| a.factors < b.factors)
    }

    /// The text `2*N + N*E - 1`, `min(N, 32)`, `floor_div(N, 2)` with the names that `symbol`
    /// gives; the constant stands last.
    pub fn text(&self, symbol: &dyn Fn(SymbolId) -> String) -> String {
        let (constant, others): (Vec<_>, Vec<_>) =
            self.terms.iter().partition(|term| term.is_constant());
        let mut text = String::new();
        for term in others.into_iter().chain(constant) {
            text += match (text.is_empty(), term.coefficient < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            let count = term.coefficient.unsigned_abs();
            let mut words = Vec::with_capacity(term.factors.len());
            if count != 1 || term.is_constant() {
                words.push(count.to_string());
            }
            words.extend(term.factors.iter().map(|factor| factor.text(symbol)));
            text += &words.join("*");
        }
        if text.is_empty() {
            "0".to_owned()
        } else {
            text
        }
    }

    /// A size as it stands in a file that may be wrong.
    pub(crate) fn as_read(terms: Vec<Term>) -> Self {
        Self { terms }
    }

    /// How deep minima and quotients nest; 0 for a polynomial.
    pub fn nesting(&self) -> usize {
        let factors = self.terms.iter().flat_map(|term| &term.factors);
        factors.map(Factor::nesting).max().unwrap_or(0)
    }

    /// This size, and those inside its minima and quotients.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        let mut parts = vec![self];
        let mut next = 0_usize;
        while let Some(&part) = parts.get(next) {
            let factors = part.terms.iter().flat_map(|term| &term.factors);
            parts.extend(factors.flat_map(Factor::parts));
            next = next.saturating_add(1);
        }
        parts
    }

    /// The value, if it depends on no symbol.
    pub fn as_fixed(&self) -> Option<i64> {
        match self.terms.as_slice() {
            [] => Some(0),
            [term] if term.is_constant() => Some(term.coefficient),
            _ => None,
        }
    }

    /// The symbol, if this is exactly one.
    pub fn as_symbol(&self) -> Option<SymbolId> {
        match self.as_factor()? {
            Factor::Symbol(symbol) => Some(*symbol),
            Factor::Min(_) | Factor::FloorDiv(_) => None,
        }
    }

    /// The factor, if this is exactly one.
    fn as_factor(&self) -> Option<&Factor> {
        match self.terms.as_slice() {
            [
                Term {
                    factors,
                    coefficient: 1,
                },
            ] => match factors.as_slice() {
                [factor] => Some(factor),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_factor(&self, factor: &Factor) -> bool {
        self.as_factor() == Some(factor)
    }

    /// All symbols that occur, each once, in ascending order.
    pub fn symbols(&self) -> Vec<SymbolId> {
        let mut symbols = Vec::new();
        for factor in self.terms.iter().flat_map(|term| &term.factors) {
            factor.each_symbol(&mut |symbol| symbols.push(symbol));
        }
        symbols.sort_unstable();
        symbols.dedup();
        symbols
    }

    /// The value where each symbol has the value that `lookup` gives; `None` if one has none, the
    /// result leaves 64 bits, or a divisor is below 1.
    pub fn evaluate(&self, lookup: impl Fn(SymbolId) -> Option<i64>) -> Option<i64> {
        self.evaluate_by(&lookup)
    }

    fn evaluate_by(&self, lookup: &dyn Fn(SymbolId) -> Option<i64>) -> Option<i64> {
        self.terms.iter().try_fold(0_i64, |sum, term| {
            let product = term
                .factors
                .iter()
                .try_fold(term.coefficient, |product, factor| {
                    product.checked_mul(factor.evaluate(lookup)?)
                })?;
            sum.checked_add(product)
        })
    }

    /// The sum; `None` if a coefficient leaves 64 bits or the sum has more than [`MAX_TERMS`]
    /// terms.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Self::merge(
            self.terms.iter().chain(&other.terms).cloned().collect(),
            i64::checked_add,
        )
        .filter(|sum| sum.terms.len() <= MAX_TERMS)
    }

    /// The difference; `None` as in [`checked_add`](Self::checked_add).
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let mut negated = other.clone();
        for term in &mut negated.terms {
            term.coefficient = term.coefficient.checked_neg()?;
        }
        self.checked_add(&negated)
    }

    /// The product; `None` if a coefficient leaves 64 bits or the product has more than
    /// [`MAX_TERMS`] terms or a term of degree above [`MAX_DEGREE`].
    pub fn checked_mul(&self, other: &Self) -> Option<Self> {
        let count = self.terms.len().checked_mul(other.terms.len())?;
        if count > MAX_TERMS.saturating_mul(MAX_TERMS) {
            return None;
        }
        let mut terms = Vec::with_capacity(count);
        for a in &self.terms {
            for b in &other.terms {
                let factors: Vec<_> = a.factors.iter().chain(&b.factors).cloned().collect();
                if factors.len() > MAX_DEGREE {
                    return None;
                }
                terms.push(Term {
                    factors,
                    coefficient: a.coefficient.checked_mul(b.coefficient)?,
                });
            }
        }
        Self::merge(terms, i64::checked_add).filter(|product| product.terms.len() <= MAX_TERMS)
    }

    /// What must be solved for, where exactly one symbol of this size has no value yet and stands
    /// alone in one term: the symbol and its coefficient. `N + E` gives `(E, 1)` when `N` is bound.
    pub fn solvable(&self, bound: impl Fn(SymbolId) -> bool) -> Option<(SymbolId, i64)> {
        let mut found = None;
        for term in &self.terms {
            if term.factors.iter().all(|factor| factor.is_bound(&bound)) {
                continue;
            }
            match term.factors.as_slice() {
                [Factor::Symbol(symbol)] if found.is_none() => {
                    found = Some((*symbol, term.coefficient));
                }
                _ => return None,
            }
        }
        found
    }
}

impl From<i64> for Size {
    fn from(size: i64) -> Self {
        Self::fixed(size)
    }
}

impl Add for &Size {
    type Output = Size;

    fn add(self, other: &Size) -> Size {
        Size::from_terms(self.terms.iter().chain(&other.terms).cloned().collect())
    }
}

impl Mul for &Size {
    type Output = Size;

    fn mul(self, other: &Size) -> Size {
        let product = |a: &Term, b: &Term| Term {
            factors: a.factors.iter().chain(&b.factors).cloned().collect(),
            coefficient: a.coefficient.saturating_mul(b.coefficient),
        };
        Size::from_terms(
            self.terms
                .iter()
                .flat_map(|a| other.terms.iter().map(move |b| product(a, b)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n() -> Size {
        Size::symbol(SymbolId(0))
    }

    fn e() -> Size {
        Size::symbol(SymbolId(1))
    }

    #[test]
    fn sums_and_products_are_in_normal_form() {
        let sum = &(&e() + &n()) + &Size::fixed(0);
        assert!(sum.is_normal());
        assert_eq!(sum, &n() + &e());
        let square = &(&n() + &1.into()) * &(&n() + &(-1).into());
        assert!(square.is_normal());
        assert_eq!(square, &(&n() * &n()) + &(-1).into());
        assert_eq!(n().checked_sub(&n()), Some(Size::default()));
    }

    #[test]
    fn checked_arithmetic_refuses_overflow_and_growth() {
        let huge = Size::fixed(i64::MAX);
        assert_eq!(huge.checked_add(&1.into()), None);
        assert_eq!(huge.checked_mul(&2.into()), None);
        assert_eq!(Size::fixed(0).checked_sub(&Size::fixed(i64::MIN)), None);
        let mut power = n();
        for _ in 1..MAX_DEGREE {
            power = power.checked_mul(&n()).unwrap();
        }
        assert_eq!(power.checked_mul(&n()), None);
    }

    #[test]
    fn solves_for_the_only_unbound_symbol() {
        let size = &(&n() + &(&e() * &2.into())) + &1.into();
        assert_eq!(
            size.solvable(|symbol| symbol == SymbolId(0)),
            Some((SymbolId(1), 2))
        );
        assert_eq!(size.solvable(|_| false), None);
        assert_eq!(size.solvable(|_| true), None);
        assert_eq!((&n() * &n()).solvable(|_| false), None);
    }

    #[test]
    fn minima_and_quotients_have_one_form() {
        let (n, e, one) = (n(), e(), Size::fixed(1));
        assert_eq!(Size::min(&n, &e), Size::min(&e, &n));
        assert_eq!(Size::min(&n, &(&n + &one)), n);
        assert_eq!(Size::max(&n, &(&n + &one)), &n + &one);
        assert_eq!(Size::max(&n, &e), Size::max(&e, &n));
        let half = |size: &Size| Size::floor_div(size, &2.into()).unwrap();
        assert_eq!(half(&(&(&n * &2.into()) + &3.into())), &n + &one);
        assert_eq!(half(&(&(&n * &3.into()) + &(-1).into())), {
            let rest = half(&(&n + &one));
            &(&n + &rest) + &(-1).into()
        });
        assert_eq!(Size::floor_div(&n, &Size::default()), None);
        for size in [
            Size::min(&n, &e),
            half(&n),
            Size::floor_div(&e, &n).unwrap(),
        ] {
            assert!(size.is_normal(), "{size:?}");
            assert_eq!(size.as_symbol(), None);
        }
        let parts = Box::new([&n * &2.into(), Size::fixed(2)]);
        assert!(!Size::factor(Factor::FloorDiv(parts)).is_normal());
    }

    #[test]
    fn minima_and_quotients_have_values() {
        let at = |size: &Size, n: i64, e: i64| {
            size.evaluate(|symbol| Some(if symbol == SymbolId(0) { n } else { e }))
        };
        let (n, e) = (n(), e());
        let quotient = Size::floor_div(&e, &n).unwrap();
        let rest = &e + &(&Size::fixed(-1) * &(&n * &quotient));
        for (a, b) in [(1, 7), (7, 1), (3, 9), (4, 4)] {
            assert_eq!(at(&Size::min(&n, &e), a, b), Some(a.min(b)));
            assert_eq!(at(&Size::max(&n, &e), a, b), Some(a.max(b)));
            assert_eq!(at(&quotient, a, b), Some(b / a));
            assert_eq!(at(&rest, a, b), Some(b % a));
        }
        assert_eq!(at(&quotient, 0, 5), None);
        assert_eq!(quotient.solvable(|symbol| symbol == SymbolId(0)), None);
    }

    #[test]
    fn the_order_of_sizes_does_not_matter() {
        let least = Size::fixed(i64::MIN);
        let minus_one = Size::fixed(-1);
        let below = [&n() + &least, &n() + &minus_one];
        for [small, large] in [[&least, &minus_one], [&below[0], &below[1]]] {
            assert_eq!(Size::min(small, large), *small);
            assert_eq!(Size::min(large, small), *small);
            assert_eq!(Size::max(small, large), *large);
            assert_eq!(Size::max(large, small), *large);
        }
    }

    #[test]
    fn a_minimum_with_one_of_its_own_parts_is_itself() {
        let mut deep = n();
        for _ in 0..MAX_NESTING {
            deep = Size::min(&deep, &e());
        }
        assert_eq!(
            deep.nesting(),
            1,
            "the smaller of min(N, E) and E is min(N, E)"
        );
    }
}
