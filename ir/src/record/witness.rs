//! Sizes by witnesses: which polynomial of the symbols explains the numbers seen.
//!
//! A forward pass is recorded several times, each time with other values for the symbols. A number
//! that is the same in all recordings is a constant; one that differs is written as the simplest
//! polynomial that fits all of them. Two of the recordings are never needed to solve for the
//! coefficients, so they test the answer.

use crate::{
    program::SymbolId,
    size::{Size, Term},
};

/// Number of recordings.
pub(super) const RECORDINGS: usize = 5;

/// Where each recording's values start in the primes: small and large mixed, so that a branch such
/// as `if n > 100` shows.
const STARTS: [usize; RECORDINGS] = [1009, 53, 4001, 211, 2003];

/// Values of symbols in each recording.
#[derive(Clone, Debug)]
pub(super) struct Witnesses {
    /// `values[recording][symbol]`
    values: [Vec<i64>; RECORDINGS],
    symbols: Vec<SymbolId>,
}

impl Witnesses {
    /// Values for the given symbols: distinct primes.
    pub(super) fn new(symbols: &[SymbolId]) -> Self {
        let values = core::array::from_fn(|recording| {
            // Neighbouring symbols are not neighbouring primes, and their distance differs from
            // one recording to the next: `M = N + 4` would look like a constant otherwise.
            primes(STARTS[recording])
                .step_by(2 + recording)
                .take(symbols.len())
                .collect()
        });
        Self {
            values,
            symbols: symbols.to_vec(),
        }
    }

    /// Adds a symbol whose values the recordings chose themselves.
    pub(super) fn push(&mut self, symbol: SymbolId, values: [i64; RECORDINGS]) {
        self.symbols.push(symbol);
        for (all, value) in self.values.iter_mut().zip(values) {
            all.push(value);
        }
    }

    /// Value of a symbol in a recording.
    pub(super) fn value(&self, recording: usize, symbol: SymbolId) -> Option<i64> {
        let position = self.symbols.iter().position(|&other| other == symbol)?;
        self.values.get(recording)?.get(position).copied()
    }

    /// Sizes for results whose length depends on data, for the given recording: far from all others.
    pub(super) fn fresh(recording: usize) -> impl Iterator<Item = usize> + 'static {
        primes(STARTS[recording] * 3)
            .step_by(3 + recording)
            .map(|prime| usize::try_from(prime).unwrap_or(usize::MAX))
    }

    /// The simplest polynomial that has these values in the recordings.
    pub(super) fn fit(&self, seen: [i64; RECORDINGS]) -> Option<Size> {
        if seen.iter().all(|&value| value == seen[0]) {
            return Some(Size::fixed(seen[0]));
        }
        self.bases()
            .into_iter()
            .find_map(|basis| self.solve(&basis, seen))
    }

    /// Sets of monomials to try, simplest first.
    fn bases(&self) -> Vec<Vec<Vec<SymbolId>>> {
        let one: Vec<SymbolId> = Vec::new();
        let single: Vec<Vec<SymbolId>> = self.symbols.iter().map(|&s| vec![s]).collect();
        let mut double = Vec::new();
        for (i, &a) in self.symbols.iter().enumerate() {
            for &b in &self.symbols[i..] {
                double.push(vec![a, b]);
            }
        }
        let mut bases = Vec::new();
        bases.extend(single.iter().map(|s| vec![s.clone()]));
        bases.extend(single.iter().map(|s| vec![one.clone(), s.clone()]));
        for (i, a) in single.iter().enumerate() {
            bases.extend(single[i + 1..].iter().map(|b| vec![a.clone(), b.clone()]));
        }
        bases.extend(double.iter().map(|d| vec![d.clone()]));
        for (i, a) in single.iter().enumerate() {
            bases.extend(
                single[i + 1..]
                    .iter()
                    .map(|b| vec![one.clone(), a.clone(), b.clone()]),
            );
        }
        for (i, a) in single.iter().enumerate() {
            for (j, b) in single.iter().enumerate().skip(i + 1) {
                bases.extend(
                    single[j + 1..]
                        .iter()
                        .map(|c| vec![a.clone(), b.clone(), c.clone()]),
                );
            }
        }
        for d in &double {
            bases.push(vec![one.clone(), d.clone()]);
            bases.extend(single.iter().map(|s| vec![s.clone(), d.clone()]));
        }
        bases
    }

    /// Coefficients of the basis by Cramer's rule on the first recordings, if they are integers and
    /// hold for all recordings.
    fn solve(&self, basis: &[Vec<SymbolId>], seen: [i64; RECORDINGS]) -> Option<Size> {
        let value = |recording: usize, monomial: &[SymbolId]| -> Option<i128> {
            monomial.iter().try_fold(1_i128, |product, &symbol| {
                product.checked_mul(i128::from(self.value(recording, symbol)?))
            })
        };
        let count = basis.len();
        let mut matrix = Vec::with_capacity(count);
        for recording in 0..count {
            let row: Option<Vec<i128>> = basis
                .iter()
                .map(|monomial| value(recording, monomial))
                .collect();
            matrix.push(row?);
        }
        let whole = determinant(&matrix)?;
        if whole == 0 {
            return None;
        }
        let mut terms = Vec::with_capacity(count);
        for (column, monomial) in basis.iter().enumerate() {
            let mut replaced = matrix.clone();
            for (row, &number) in replaced.iter_mut().zip(&seen) {
                *row.get_mut(column)? = i128::from(number);
            }
            let part = determinant(&replaced)?;
            if part % whole != 0 {
                return None;
            }
            let coefficient = i64::try_from(part / whole).ok()?;
            terms.push(Term {
                symbols: monomial.clone(),
                coefficient,
            });
        }
        let size = Size::from_terms(terms);
        let holds = (0..RECORDINGS).all(|recording| {
            size.evaluate(|symbol| self.value(recording, symbol)) == Some(seen[recording])
        });
        holds.then_some(size)
    }
}

fn determinant(matrix: &[Vec<i128>]) -> Option<i128> {
    match matrix {
        [row] => row.first().copied(),
        [_, ..] => {
            let (first, rest) = matrix.split_first()?;
            let mut sum = 0_i128;
            for (column, &number) in first.iter().enumerate() {
                let minor: Vec<Vec<i128>> = rest
                    .iter()
                    .map(|row| {
                        row.iter()
                            .enumerate()
                            .filter_map(|(other, &n)| (other != column).then_some(n))
                            .collect()
                    })
                    .collect();
                let term = number.checked_mul(determinant(&minor)?)?;
                sum = if column % 2 == 0 {
                    sum.checked_add(term)?
                } else {
                    sum.checked_sub(term)?
                };
            }
            Some(sum)
        }
        [] => Some(1),
    }
}

fn primes(start: usize) -> impl Iterator<Item = i64> {
    (start..)
        .filter(|&n| n > 1 && (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor)))
        .filter_map(|n| i64::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(number: u32) -> SymbolId {
        SymbolId(number)
    }

    fn seen(witnesses: &Witnesses, size: &Size) -> [i64; RECORDINGS] {
        core::array::from_fn(|recording| {
            size.evaluate(|symbol| witnesses.value(recording, symbol))
                .unwrap()
        })
    }

    #[test]
    fn values_differ_between_symbols_and_recordings() {
        let witnesses = Witnesses::new(&[symbol(0), symbol(1), symbol(2)]);
        let mut all: Vec<i64> = witnesses.values.iter().flatten().copied().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn finds_the_polynomials_that_graph_code_has() {
        let (n, m, e) = (symbol(0), symbol(1), symbol(2));
        let witnesses = Witnesses::new(&[n, m, e]);
        let term = |symbols: Vec<SymbolId>, coefficient| Term {
            symbols,
            coefficient,
        };
        for size in [
            Size::fixed(64),
            Size::symbol(n),
            Size::from_terms(vec![term(vec![n], 8)]),
            Size::from_terms(vec![term(vec![n], 1), term(vec![], 1)]),
            Size::from_terms(vec![term(vec![n], 1), term(vec![e], 1)]),
            Size::from_terms(vec![term(vec![e], 4), term(vec![n], 4)]),
            Size::from_terms(vec![term(vec![n, e], 1)]),
            Size::from_terms(vec![term(vec![n], 1), term(vec![m], 1), term(vec![], -1)]),
            Size::from_terms(vec![term(vec![n], 1), term(vec![m], 1), term(vec![e], 1)]),
            Size::from_terms(vec![term(vec![n, n], 1)]),
        ] {
            assert_eq!(witnesses.fit(seen(&witnesses, &size)), Some(size));
        }
    }

    #[test]
    fn refuses_what_no_polynomial_explains() {
        let witnesses = Witnesses::new(&[symbol(0)]);
        let halves = core::array::from_fn(|r| witnesses.value(r, symbol(0)).unwrap() / 2);
        assert_eq!(witnesses.fit(halves), None);
    }
}
