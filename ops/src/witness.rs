//! Stand-ins for sizes that are unknown while a forward pass is recorded.
//!
//! Recorded tensors have shapes but no values, so a length that depends on values needs a number
//! to stand for it. A large prime serves: it does not come about as a sum, difference or product of
//! other sizes, so every place where it shows up is recognised later as this unknown.

use core::cell::Cell;

/// Unknown lengths start above this, far from the sizes of graphs that are recorded.
const FIRST: usize = 1_000_003;

thread_local! {
    static NEXT: Cell<usize> = const { Cell::new(FIRST) };
}

/// A prime that no earlier call on this thread returned.
pub(crate) fn fresh_size() -> usize {
    NEXT.with(|next| {
        let mut size = next.get();
        while !is_prime(size) {
            size += 1;
        }
        next.set(size + 1);
        size
    })
}

fn is_prime(n: usize) -> bool {
    n > 1 && (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_distinct_primes() {
        let sizes = [fresh_size(), fresh_size(), fresh_size()];
        assert!(sizes.iter().all(|&n| is_prime(n)));
        assert!(sizes[0] < sizes[1] && sizes[1] < sizes[2]);
    }
}
