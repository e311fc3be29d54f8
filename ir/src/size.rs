//! Symbolic sizes: polynomials with integer coefficients in the program's symbols.
//!
//! A graph's sizes (`N` nodes, `E` edges) are not known when a model is recorded, so each dimension
//! of each value is a polynomial in them: `N`, `N + E`, `4*E`, `2*N - 1`. Two sizes are equal for all
//! graphs exactly when their normal forms are equal, and that is the only proof the validator needs.
//!
//! `+` and `*` saturate and never fail: they are for code that builds programs. What reads untrusted
//! programs uses [`Size::checked_add`], [`Size::checked_sub`] and [`Size::checked_mul`], which refuse
//! results that leave 64 bits or grow beyond [`MAX_TERMS`].

use core::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

use crate::program::SymbolId;

/// Largest number of terms of a size in a valid program.
pub const MAX_TERMS: usize = 64;

/// Largest number of symbols in a term (its degree) in a valid program.
pub const MAX_DEGREE: usize = 8;

/// A product of symbols with a coefficient, such as `4*N` or `N*E`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Term {
    /// Symbols of the product in ascending order; a symbol that stands twice is squared.
    pub symbols: Vec<SymbolId>,
    /// Coefficient, never zero in normal form.
    pub coefficient: i64,
}

/// A size: a sum of terms in normal form (terms sorted by their symbols, constant first, no two
/// terms with the same symbols, no zero coefficients). Zero is the empty sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Size {
    terms: Vec<Term>,
}

impl Size {
    /// A fixed size.
    pub fn fixed(size: i64) -> Self {
        Self::from_terms(vec![Term {
            symbols: Vec::new(),
            coefficient: size,
        }])
    }

    /// The value of a symbol.
    pub fn symbol(symbol: SymbolId) -> Self {
        Self::from_terms(vec![Term {
            symbols: vec![symbol],
            coefficient: 1,
        }])
    }

    /// The sum of the given terms, brought into normal form. Coefficients saturate.
    pub fn from_terms(terms: Vec<Term>) -> Self {
        Self::merge(terms, |a, b| Some(a.saturating_add(b))).unwrap_or_default()
    }

    fn merge(mut terms: Vec<Term>, add: impl Fn(i64, i64) -> Option<i64>) -> Option<Self> {
        for term in &mut terms {
            term.symbols.sort_unstable();
        }
        terms.sort_unstable();
        let mut normal: Vec<Term> = Vec::with_capacity(terms.len());
        for term in terms {
            match normal.last_mut() {
                Some(last) if last.symbols == term.symbols => {
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
        let sorted = |symbols: &[SymbolId]| symbols.is_sorted();
        self.terms
            .iter()
            .all(|term| term.coefficient != 0 && sorted(&term.symbols))
            && self.terms.is_sorted_by(|a, b| a.symbols < b.symbols)
    }

    /// The value, if it depends on no symbol.
    pub fn as_fixed(&self) -> Option<i64> {
        match self.terms.as_slice() {
            [] => Some(0),
            [term] if term.symbols.is_empty() => Some(term.coefficient),
            _ => None,
        }
    }

    /// The symbol, if this is exactly one.
    pub fn as_symbol(&self) -> Option<SymbolId> {
        match self.terms.as_slice() {
            [
                Term {
                    symbols,
                    coefficient: 1,
                },
            ] => match symbols.as_slice() {
                [symbol] => Some(*symbol),
                _ => None,
            },
            _ => None,
        }
    }

    /// All symbols that occur, each once, in ascending order.
    pub fn symbols(&self) -> Vec<SymbolId> {
        let mut symbols: Vec<SymbolId> = self
            .terms
            .iter()
            .flat_map(|term| term.symbols.iter().copied())
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        symbols
    }

    /// The value where each symbol has the value that `lookup` gives; `None` if one has none or
    /// the result leaves 64 bits.
    pub fn evaluate(&self, lookup: impl Fn(SymbolId) -> Option<i64>) -> Option<i64> {
        self.terms.iter().try_fold(0_i64, |sum, term| {
            let product = term
                .symbols
                .iter()
                .try_fold(term.coefficient, |product, &symbol| {
                    product.checked_mul(lookup(symbol)?)
                })?;
            sum.checked_add(product)
        })
    }

    /// The sum; `None` if a coefficient leaves 64 bits or the sum has more than [`MAX_TERMS`] terms.
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
                let symbols: Vec<_> = a.symbols.iter().chain(&b.symbols).copied().collect();
                if symbols.len() > MAX_DEGREE {
                    return None;
                }
                terms.push(Term {
                    symbols,
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
            if term.symbols.iter().all(|&symbol| bound(symbol)) {
                continue;
            }
            match term.symbols.as_slice() {
                [symbol] if found.is_none() => found = Some((*symbol, term.coefficient)),
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
            symbols: a.symbols.iter().chain(&b.symbols).copied().collect(),
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
}
