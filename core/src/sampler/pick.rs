//! Which edges of a row are taken.
//!
//! | asked for | by |
//! |---|---|
//! | all, or as many as there are | the row as it is |
//! | with replacement | that many draws |
//! | without replacement | Floyd's algorithm: as many draws as edges, never one more |
//!
//! Floyd (Bentley and Floyd, A sample of brilliance, 1987) takes `k` of `n` numbers so that each
//! set of `k` is equally likely:
//!
//! ```text
//! for i in n - k .. n:   t = random in 0..=i;   take t, or i if t is taken already
//! ```

use super::random::Stream;

/// Up to this many numbers, looking through those taken is faster than marking them.
const SCANNED: usize = 48;

/// How a hop takes edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All of them.
    All,
    /// This many draws, which may repeat.
    Replace(u32),
    /// This many, or as many as there are.
    Distinct(u32),
}

impl Mode {
    /// The mode that `num_neighbors` asks for, where a negative number is all.
    pub(crate) fn new(num_neighbors: i64, replace: bool) -> Self {
        match u64::try_from(num_neighbors) {
            Err(_) => Self::All,
            Ok(count) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                if replace {
                    Self::Replace(count)
                } else {
                    Self::Distinct(count)
                }
            }
        }
    }

    /// Number of edges taken of a row of `population`.
    #[inline]
    pub(crate) fn count(self, population: u32) -> u32 {
        match self {
            Self::All => population,
            Self::Replace(_) if population == 0 => 0,
            Self::Replace(count) => count,
            Self::Distinct(count) => count.min(population),
        }
    }
}

/// The part of a row that may be taken, and how much of it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    /// Position of its first edge.
    pub(crate) start: u32,
    /// Number of its edges.
    pub(crate) population: u32,
    /// Number of edges taken.
    pub(crate) count: u32,
}

/// Marks of numbers that are taken; all clear between rows.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    fn reserve(&mut self, population: u32) {
        let words = population.div_ceil(u64::BITS) as usize;
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
    }

    /// Marks a number; whether it was not marked.
    fn insert(&mut self, number: u32) -> bool {
        let word = &mut self.words[(number / u64::BITS) as usize];
        let bit = 1 << (number % u64::BITS);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn remove(&mut self, number: u32) {
        self.words[(number / u64::BITS) as usize] = 0;
    }
}

/// Writes the positions of the edges that are taken of `row` to `out`, which has its count.
#[inline]
pub(crate) fn pick(row: Row, mode: Mode, key: u64, out: &mut [u32], marks: &mut Marks) {
    match mode {
        Mode::Replace(_) => {
            let mut stream = Stream::new(key);
            for position in out {
                *position = row.start + stream.below(row.population);
            }
        }
        Mode::Distinct(count) if count < row.population => distinct(row, key, out, marks),
        Mode::Distinct(_) | Mode::All => {
            for (position, next) in out.iter_mut().zip(row.start..) {
                *position = next;
            }
        }
    }
}

#[inline]
fn distinct(row: Row, key: u64, out: &mut [u32], marks: &mut Marks) {
    let mut stream = Stream::new(key);
    let first = row.population - row.count;
    if out.len() <= SCANNED {
        for (taken, last) in (first..row.population).enumerate() {
            let drawn = row.start + stream.below(last + 1);
            let seen = out[..taken].contains(&drawn);
            out[taken] = if seen { row.start + last } else { drawn };
        }
        return;
    }
    marks.reserve(row.population);
    for (position, last) in out.iter_mut().zip(first..) {
        let drawn = stream.below(last + 1);
        let taken = if marks.insert(drawn) {
            drawn
        } else {
            marks.insert(last);
            last
        };
        *position = row.start + taken;
    }
    for position in out {
        marks.remove(*position - row.start);
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::derive;
    use super::*;

    fn picked(population: u32, mode: Mode, key: u64, marks: &mut Marks) -> Vec<u32> {
        let count = mode.count(population);
        let row = Row {
            start: 100,
            population,
            count,
        };
        let mut out = vec![0; count as usize];
        pick(row, mode, key, &mut out, marks);
        assert!(out.iter().all(|at| (100..100 + population).contains(at)));
        out
    }

    #[test]
    fn counts() {
        assert_eq!(Mode::new(-1, true), Mode::All);
        assert_eq!(Mode::new(-1, false).count(7), 7);
        assert_eq!(Mode::new(3, false).count(2), 2);
        assert_eq!(Mode::new(3, true).count(2), 3);
        assert_eq!(Mode::new(3, true).count(0), 0);
        assert_eq!(Mode::new(i64::MAX, false).count(9), 9);
    }

    #[test]
    fn small_and_large_samples_are_distinct() {
        let mut marks = Marks::default();
        for (population, count) in [(5, 4), (60, 48), (60, 49), (1000, 300), (200, 199)] {
            let mut out = picked(population, Mode::Distinct(count), 3, &mut marks);
            out.sort_unstable();
            out.dedup();
            assert_eq!(out.len(), count as usize);
            assert!(marks.words.iter().all(|&word| word == 0));
        }
    }

    #[test]
    fn the_whole_row_comes_in_order() {
        let mut marks = Marks::default();
        for mode in [Mode::All, Mode::Distinct(3), Mode::Distinct(9)] {
            assert_eq!(picked(3, mode, 1, &mut marks), [100, 101, 102]);
        }
    }

    /// Chi-squared over the numbers taken. With 9 degrees of freedom, 27.9 is exceeded once in a
    /// thousand; the keys are fixed, so it either is or is not.
    #[test]
    fn every_edge_is_equally_likely() {
        const POPULATION: u32 = 10;
        const ROUNDS: u32 = 20_000;
        let mut marks = Marks::default();
        for mode in [
            Mode::Distinct(1),
            Mode::Distinct(4),
            Mode::Distinct(9),
            Mode::Replace(4),
        ] {
            let mut seen = [0_u32; POPULATION as usize];
            for round in 0..ROUNDS {
                for at in picked(POPULATION, mode, derive(11, round.into()), &mut marks) {
                    seen[at as usize - 100] += 1;
                }
            }
            let expected = f64::from(ROUNDS * mode.count(POPULATION)) / f64::from(POPULATION);
            let chi: f64 = seen
                .iter()
                .map(|&seen| (f64::from(seen) - expected).powi(2) / expected)
                .sum();
            assert!(chi < 27.9, "{mode:?}: {chi}");
        }
    }

    /// The same over the sets of two of five numbers, 10 of them.
    #[test]
    fn every_set_is_equally_likely() {
        let mut marks = Marks::default();
        let mut seen = [0_u32; 25];
        for round in 0..20_000 {
            let mut out = picked(5, Mode::Distinct(2), derive(4, round), &mut marks);
            out.sort_unstable();
            seen[((out[0] - 100) * 5 + out[1] - 100) as usize] += 1;
        }
        let sets: Vec<u32> = seen.into_iter().filter(|&seen| seen > 0).collect();
        assert_eq!(sets.len(), 10);
        let chi: f64 = sets
            .iter()
            .map(|&seen| (f64::from(seen) - 2000.0).powi(2) / 2000.0)
            .sum();
        assert!(chi < 27.9, "{chi}");
    }
}
