//! Sizes by witnesses: which size in the symbols explains the numbers seen.
//!
//! A forward pass is recorded several times, each time with other values for the symbols. A number
//! that is the same in all recordings is a constant; one that differs is written as the simplest
//! size that has the numbers seen in all of them. The values are chosen to tell apart what code
//! does with sizes: each symbol is even and odd, small and large, below and above each other one,
//! and once all are equal. The last recordings take no part in the search; they only test its
//! answer.
//!
//! Tried in this order: a size that was seen before, a sum of symbols, a polynomial of two symbols
//! or three, a polynomial divided by a small number, and a sum with one minimum, quotient or
//! remainder.

use std::collections::HashMap;

use super::solve::solve;
use crate::{program::SymbolId, size::Size};

/// Recordings that only test what was found.
pub(super) const HIDDEN: usize = 2;

/// The recording whose symbols are all 1. What a forward pass demands of sizes may not hold there.
pub(super) const TINY: usize = 1;

/// The recording whose symbols are all equal.
const EQUAL: usize = 2;

/// Largest number of symbols for which products are tried.
const MAX_PRODUCTS: usize = 4;

/// How many recordings are made for so many symbols, those of sizes that depend on data included.
///
/// A sum of all symbols has one unknown more than there are symbols; three more recordings, and the
/// hidden ones, make accidents unlikely.
pub(super) fn recordings(symbols: usize) -> usize {
    (symbols + 4).max(6) + HIDDEN
}

/// The value of a symbol, by its position, in a recording.
pub(super) fn value(recording: usize, position: usize) -> usize {
    let random = mix(recording, position);
    match recording {
        TINY => 1,
        EQUAL => 24,
        // Equally many for each power of two from 8 to 2048.
        _ => {
            let power = 8_usize << (random % 8);
            power + (random >> 16) % power
        }
    }
}

/// The length of the result of `nonzero` on a mask of a length; `position` counts such results.
pub(super) fn selected(recording: usize, position: usize, length: usize) -> usize {
    match length {
        0 | 1 => length,
        _ => 1 + mix(recording, usize::MAX - position) % (length - 1),
    }
}

/// A number that differs from its neighbours' in all bits: the finaliser of SplitMix64.
fn mix(recording: usize, position: usize) -> usize {
    let mut x = (recording as u64 + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((position as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    // 32 bits, so that the recordings are the same on every machine.
    usize::try_from((x ^ (x >> 31)) >> 32).unwrap_or(usize::MAX)
}

/// Values of symbols in each recording, and the sizes seen so far.
#[derive(Clone, Debug)]
pub(super) struct Witnesses {
    symbols: Vec<SymbolId>,
    /// `values[symbol][recording]`, for recordings that are not hidden.
    values: Vec<Vec<i64>>,
    /// The same for those that are.
    hidden: Vec<Vec<i64>>,
    /// Sizes by their numbers in recordings that are not hidden.
    seen: HashMap<Vec<i64>, Size>,
}

impl Witnesses {
    /// Symbols with their values in all recordings, the hidden ones last.
    pub(super) fn new(symbols: Vec<(SymbolId, Vec<i64>)>) -> Self {
        let mut witnesses = Self {
            symbols: Vec::with_capacity(symbols.len()),
            values: Vec::with_capacity(symbols.len()),
            hidden: Vec::with_capacity(symbols.len()),
            seen: HashMap::new(),
        };
        for (symbol, mut values) in symbols {
            let hidden = values.split_off(values.len().saturating_sub(HIDDEN));
            witnesses.symbols.push(symbol);
            witnesses.values.push(values);
            witnesses.hidden.push(hidden);
            witnesses.remember(&Size::symbol(symbol));
        }
        witnesses
    }

    /// Notes a size that a tensor has.
    pub(super) fn remember(&mut self, size: &Size) {
        if let Some(numbers) = self.evaluate(size) {
            self.seen.entry(numbers).or_insert_with(|| size.clone());
        }
    }

    /// The simplest size that has these numbers in the recordings, the hidden ones last.
    pub(super) fn fit(&mut self, numbers: &[i64]) -> Option<Size> {
        let (seen, hidden) = numbers.split_at_checked(numbers.len().checked_sub(HIDDEN)?)?;
        let (&first, _) = seen.split_first()?;
        let found = if seen.iter().all(|&number| number == first) {
            Size::fixed(first)
        } else if let Some(size) = self.seen.get(seen) {
            size.clone()
        } else {
            self.search(seen)?
        };
        if self.evaluate_hidden(&found).as_deref() != Some(hidden) {
            return None;
        }
        self.seen.insert(seen.to_vec(), found.clone());
        Some(found)
    }

    /// Whether a size has these numbers in all recordings.
    pub(super) fn explains(&self, size: &Size, numbers: &[i64]) -> bool {
        let all = self.evaluate(size).zip(self.evaluate_hidden(size));
        all.is_some_and(|(seen, hidden)| [seen, hidden].concat() == numbers)
    }

    fn search(&self, seen: &[i64]) -> Option<Size> {
        self.sum(seen)
            .or_else(|| self.polynomial(seen))
            .or_else(|| self.fraction(seen))
            .or_else(|| self.sum_with_one(seen))
    }

    /// A sum of a number and multiples of symbols.
    fn sum(&self, seen: &[i64]) -> Option<Size> {
        let mut parts = vec![Size::fixed(1)];
        parts.extend(self.symbols.iter().copied().map(Size::symbol));
        self.combine(&parts, seen)
    }

    /// A sum of products of at most two symbols, or one product of three, with coefficients.
    fn polynomial(&self, seen: &[i64]) -> Option<Size> {
        let symbols: Vec<Size> = self.symbols.iter().copied().map(Size::symbol).collect();
        if symbols.len() > MAX_PRODUCTS {
            // Too many products to try sums; a shape such as `[B*H, ..]` still has one.
            return products(&symbols, 2)
                .iter()
                .find_map(|product| self.combine(core::slice::from_ref(product), seen));
        }
        let mut monomials = vec![Size::fixed(1)];
        monomials.extend(symbols.iter().cloned());
        monomials.extend(products(&symbols, 2));
        let of_three = products(&symbols, 3);
        of_three
            .iter()
            .find_map(|product| self.combine(core::slice::from_ref(product), seen))
            .or_else(|| subsets(&monomials, 4).find_map(|some| self.combine(&some, seen)))
    }

    /// A polynomial that a small number divides in all recordings, as `N * (N - 1) / 2`.
    fn fraction(&self, seen: &[i64]) -> Option<Size> {
        (2..=4).find_map(|divisor| {
            let whole: Option<Vec<i64>> = seen.iter().map(|one| one.checked_mul(divisor)).collect();
            let size = self.polynomial(&whole?)?;
            Size::floor_div(&size, &Size::fixed(divisor))
        })
    }

    /// A sum with one minimum, quotient or remainder.
    fn sum_with_one(&self, seen: &[i64]) -> Option<Size> {
        self.atoms(seen).into_iter().find_map(|atom| {
            let mut parts = vec![Size::fixed(1)];
            parts.extend(atom.symbols().into_iter().map(Size::symbol));
            parts.push(atom);
            self.combine(&parts, seen)
        })
    }

    /// Minima, quotients and remainders of symbols and numbers.
    fn atoms(&self, seen: &[i64]) -> Vec<Size> {
        let mut atoms = Vec::new();
        for (position, &a) in self.symbols.iter().enumerate() {
            let size = Size::symbol(a);
            let others = self.symbols.iter().enumerate();
            for (_, &b) in others.filter(|(other, _)| *other != position) {
                let other = Size::symbol(b);
                if a < b {
                    atoms.push(Size::min(&size, &other));
                }
                if let Some(quotient) = Size::floor_div(&size, &other) {
                    atoms.push(&size + &(&Size::fixed(-1) * &(&other * &quotient)));
                    atoms.push(quotient);
                }
            }
            // A bound shows as the number that several recordings share.
            for &number in seen.iter().filter(|&&one| repeats(seen, one)) {
                atoms.push(Size::min(&size, &Size::fixed(number)));
            }
            for divisor in (2..=16).chain([32, 64, 128, 256]) {
                let quotient = |of: &Size| Size::floor_div(of, &Size::fixed(divisor));
                atoms.extend(quotient(&size));
                atoms.extend(quotient(&(&size + &Size::fixed(divisor - 1))));
            }
        }
        atoms
    }

    /// The sum of the parts with integer coefficients that has the numbers seen, if there is one.
    fn combine(&self, parts: &[Size], seen: &[i64]) -> Option<Size> {
        let columns: Option<Vec<Vec<i64>>> = parts.iter().map(|part| self.evaluate(part)).collect();
        let coefficients = solve(&columns?, seen)?;
        let mut sum = Size::default();
        for (part, coefficient) in parts.iter().zip(coefficients) {
            let term = part.checked_mul(&Size::fixed(coefficient))?;
            sum = sum.checked_add(&term)?;
        }
        (self.evaluate(&sum)? == seen).then_some(sum)
    }

    fn evaluate(&self, size: &Size) -> Option<Vec<i64>> {
        self.evaluate_in(&self.values, size)
    }

    fn evaluate_hidden(&self, size: &Size) -> Option<Vec<i64>> {
        self.evaluate_in(&self.hidden, size)
    }

    fn evaluate_in(&self, values: &[Vec<i64>], size: &Size) -> Option<Vec<i64>> {
        let recordings = values.first().map_or(1, Vec::len);
        let value = |recording: usize, symbol: SymbolId| {
            let position = self.symbols.iter().position(|&other| other == symbol)?;
            values.get(position)?.get(recording).copied()
        };
        (0..recordings)
            .map(|recording| size.evaluate(|symbol| value(recording, symbol)))
            .collect()
    }
}

/// Whether a number stands more than once.
fn repeats(numbers: &[i64], number: i64) -> bool {
    numbers.iter().filter(|&&one| one == number).count() > 1
}

/// All products of so many symbols, in order, repetitions included.
fn products(symbols: &[Size], degree: usize) -> Vec<Size> {
    let Some(below) = degree.checked_sub(1) else {
        return vec![Size::fixed(1)];
    };
    symbols
        .iter()
        .enumerate()
        .flat_map(|(position, symbol)| {
            let rest = products(symbols.get(position..).unwrap_or_default(), below);
            rest.into_iter().map(move |rest| symbol * &rest)
        })
        .collect()
}

/// Subsets of at least two and at most `most` items, smaller ones first.
fn subsets(items: &[Size], most: usize) -> impl Iterator<Item = Vec<Size>> {
    (2..=most).flat_map(|count| chosen(items, count))
}

fn chosen(items: &[Size], count: usize) -> Vec<Vec<Size>> {
    let Some(below) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let mut all = Vec::new();
    for (position, item) in items.iter().enumerate() {
        for rest in chosen(items.get(position + 1..).unwrap_or_default(), below) {
            let mut set = vec![item.clone()];
            set.extend(rest);
            all.push(set);
        }
    }
    all
}
