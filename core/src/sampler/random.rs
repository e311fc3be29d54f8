//! Random numbers by counter: a number depends on its place, not on the thread or on the order of
//! calls.
//!
//! A generator with a state would make the result depend on the order in which threads ask. Here
//! each node that is expanded has its own stream, keyed by what does not depend on threads:
//!
//! ```text
//! key    = mix(mix(mix(seed + batch·φ) + step·φ) + position·φ)     step: hop and edge type
//! draw k = mix(key + k·φ)                                          φ = 0x9E3779B97F4A7C15
//! ```
//!
//! `mix` is the finaliser of splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number
//! generators, OOPSLA 2014). A number below a bound is taken from a draw by Lemire's multiplication
//! with rejection (arXiv:1805.10941), so that every number is equally likely, not nearly so.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64.
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A key below `key`: one for each `counter`.
#[inline]
pub(crate) fn derive(key: u64, counter: u64) -> u64 {
    mix(key.wrapping_add(counter.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// The stream of draws that belongs to a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    #[inline]
    pub(crate) fn new(key: u64) -> Self {
        Self { state: key }
    }

    /// The next 32 random bits.
    #[inline]
    fn bits(&mut self) -> u32 {
        self.state = self.state.wrapping_add(GOLDEN);
        (mix(self.state) >> 32) as u32
    }

    /// A number in `0..bound`; 0 if that is empty.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a product of 64 bits"
    )]
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.bits()) * u64::from(bound);
        if (product as u32) < bound {
            let reject = bound.wrapping_neg() % bound;
            while (product as u32) < reject {
                product = u64::from(self.bits()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// A number in `0..bound`, which may have 64 bits; 0 if that is empty.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a product of 128 bits"
    )]
    pub(crate) fn below_size(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let reject = bound.wrapping_neg().checked_rem(bound).unwrap_or_default();
        loop {
            let bits = u64::from(self.bits()) << 32 | u64::from(self.bits());
            let product = u128::from(bits) * u128::from(bound);
            if product as u64 >= reject {
                return (product >> 64) as usize;
            }
        }
    }
}

/// Puts `items` in a random order that depends on `key` alone (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], key: u64) {
    let mut stream = Stream::new(key);
    for last in (1..items.len()).rev() {
        let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
        items.swap(last, stream.below(bound) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_neighbouring_counters_differ() {
        let mut keys: Vec<u64> = (0..1000).map(|counter| derive(7, counter)).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 1000);
        assert_eq!(derive(7, 3), derive(7, 3));
        assert_ne!(derive(7, 3), derive(8, 3));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut stream = Stream::new(1);
        assert_eq!(stream.below(0), 0);
        for bound in [1, 2, 3, 1000, u32::MAX] {
            assert!((0..1000).all(|_| stream.below(bound) < bound));
        }
        assert_eq!(stream.below_size(0), 0);
        for bound in [1, 2, 3, 1000, usize::MAX] {
            assert!((0..1000).all(|_| stream.below_size(bound) < bound));
        }
    }

    #[test]
    fn a_large_bound_is_not_biased() {
        // Three quarters of the range: without rejection the lower third comes up twice as often.
        let bound = 3 << 30;
        let mut stream = Stream::new(5);
        let low = (0..30_000)
            .filter(|_| stream.below(bound) < 1 << 30)
            .count();
        assert!((9_500..10_500).contains(&low), "{low}");
        let low = (0..30_000)
            .filter(|_| stream.below_size(3 << (usize::BITS - 2)) < 1 << (usize::BITS - 2))
            .count();
        assert!((9_500..10_500).contains(&low), "{low}");
    }

    #[test]
    fn shuffling_permutes() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items, 3);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
