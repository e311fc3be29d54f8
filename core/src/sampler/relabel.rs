//! From numbers in the graph to numbers in a batch.
//!
//! Every sampled edge asks whether its source is in the batch already, and under which number, so
//! this is the innermost loop of sampling. Two tables answer:
//!
//! * [`Dense`]: one entry of 4 bytes per node of the graph. Nothing is cleared between batches. An
//!   entry is `stamp << bits | number`, and only entries with the stamp of the present batch count;
//!   when the stamps run out, the table is filled with zeros once.
//! * [`Hashed`]: open addressing, for pairs of an example and a node (`disjoint`) and for node
//!   types that are too large for a dense table in each worker.
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers in a batch fit 32 bits: the sampler checks it once per hop"
)]

/// Node types with more nodes than this are looked up by hash: the dense table would have 256 MiB.
const MOST_DENSE: usize = 1 << 26;

/// Numbers of the nodes of one type in the present batch.
#[derive(Debug)]
pub(crate) enum Relabel {
    /// By node.
    Dense(Dense),
    /// By example and node, or by node.
    Hashed(Hashed),
}

impl Relabel {
    /// A table for `num_nodes` nodes; `disjoint` if examples do not share them.
    pub(crate) fn new(num_nodes: usize, disjoint: bool) -> Self {
        if disjoint || num_nodes > MOST_DENSE {
            Self::Hashed(Hashed::default())
        } else {
            Self::Dense(Dense::new(num_nodes))
        }
    }

    /// Whether the table does for `num_nodes` nodes.
    pub(crate) fn fits(&self, num_nodes: usize, disjoint: bool) -> bool {
        match self {
            Self::Dense(dense) => !disjoint && dense.table.len() == num_nodes,
            Self::Hashed(_) => disjoint || num_nodes > MOST_DENSE,
        }
    }

    /// Forgets everything; the next batch begins with `num_seeds` seeds, which may repeat.
    pub(crate) fn clear(&mut self, num_seeds: usize) {
        match self {
            Self::Dense(dense) => dense.clear(num_seeds),
            Self::Hashed(hashed) => {
                hashed.clear();
                hashed.reserve(num_seeds);
            }
        }
    }

    /// Notes that `node` of `example` has the given number, unless it has one already.
    pub(crate) fn seed(&mut self, example: u32, node: u32, number: u32) {
        match self {
            Self::Dense(dense) => {
                dense.get_or_insert(node, number);
            }
            Self::Hashed(hashed) => {
                hashed.get_or_insert(key(example, node), number);
            }
        }
    }
}

/// Example and node as one key.
#[inline]
pub(crate) fn key(example: u32, node: u32) -> u64 {
    u64::from(example) << 32 | u64::from(node)
}

/// One entry a node.
#[derive(Debug)]
pub(crate) struct Dense {
    table: Vec<u32>,
    /// The present stamp, shifted to its place; entries `base..base + limit` are of this batch.
    base: u32,
    /// `1 << bits`, more than any number.
    limit: u32,
}

impl Dense {
    fn new(num_nodes: usize) -> Self {
        Self {
            table: vec![0; num_nodes],
            base: 0,
            limit: 1,
        }
    }

    fn clear(&mut self, num_seeds: usize) {
        // A seed that is there twice has two numbers, so there may be more of them than nodes. One
        // more is compared before it is known to be needed.
        let limit = (self.table.len() + num_seeds + 1).next_power_of_two() as u32;
        if limit > self.limit {
            self.limit = limit;
            self.base = u32::MAX;
        }
        match self.base.checked_add(self.limit) {
            // The last stamp stays unused, so that `base + limit` fits.
            Some(base) if base.checked_add(self.limit).is_some() => self.base = base,
            _ => {
                self.table.fill(0);
                self.base = self.limit;
            }
        }
    }

    #[inline]
    fn get_or_insert(&mut self, node: u32, number: u32) -> u32 {
        let entry = &mut self.table[node as usize];
        let known = entry.wrapping_sub(self.base);
        let number = if known < self.limit { known } else { number };
        *entry = self.base + number;
        number
    }

    /// Numbers `found`, appending the new ones to `nodes` in order of discovery.
    ///
    /// There is no branch on whether a node is new: that is as good as random.
    pub(crate) fn number(&mut self, found: &[u32], nodes: &mut Vec<u32>, numbers: &mut Vec<u32>) {
        let mut count = nodes.len();
        nodes.resize(count + found.len(), 0);
        numbers.extend(found.iter().map(|&node| {
            let next = count as u32;
            let number = self.get_or_insert(node, next);
            nodes[count] = node;
            count += usize::from(number == next);
            number
        }));
        nodes.truncate(count);
    }
}

/// Open addressing with linear steps; the stamp says which slots are of the present batch.
#[derive(Debug)]
pub(crate) struct Hashed {
    slots: Vec<Slot>,
    stamp: u32,
    used: usize,
    shift: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    stamp: u32,
    number: u32,
}

impl Default for Hashed {
    fn default() -> Self {
        Self::with_bits(12)
    }
}

impl Hashed {
    fn with_bits(bits: u32) -> Self {
        Self {
            slots: vec![Slot::default(); 1 << bits],
            stamp: 1,
            used: 0,
            shift: u64::BITS - bits,
        }
    }

    fn clear(&mut self) {
        self.used = 0;
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.slots.fill(Slot::default());
            self.stamp = 1;
        }
    }

    /// Makes room for `more` keys at a load of at most one half.
    pub(crate) fn reserve(&mut self, more: usize) {
        let needed = (self.used + more).saturating_mul(2).next_power_of_two();
        if needed <= self.slots.len() {
            return;
        }
        let mut larger = Self::with_bits(needed.trailing_zeros());
        for slot in &self.slots {
            if slot.stamp == self.stamp {
                larger.get_or_insert(slot.key, slot.number);
            }
        }
        *self = larger;
    }

    /// The number of `key`, which is `number` if it has none yet. There must be room.
    #[inline]
    pub(crate) fn get_or_insert(&mut self, key: u64, number: u32) -> u32 {
        let mask = self.slots.len() - 1;
        let hash = (key ^ (key >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut at = (hash >> self.shift) as usize;
        loop {
            let slot = &mut self.slots[at & mask];
            if slot.stamp != self.stamp {
                *slot = Slot {
                    key,
                    stamp: self.stamp,
                    number,
                };
                self.used += 1;
                return number;
            }
            if slot.key == key {
                return slot.number;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_numbers_follow_discovery() {
        let mut dense = Dense::new(10);
        let (mut nodes, mut numbers) = (vec![7], vec![]);
        dense.clear(1);
        dense.get_or_insert(7, 0);
        dense.number(&[3, 7, 3, 9], &mut nodes, &mut numbers);
        assert_eq!((nodes, numbers), (vec![7, 3, 9], vec![1, 0, 1, 2]));
    }

    #[test]
    fn a_dense_table_forgets_when_the_stamps_run_out() {
        // 2^26 nodes leave 5 bits for the stamp.
        let mut dense = Dense {
            table: vec![0; 4],
            base: 0,
            limit: 1 << 27,
        };
        for batch in 0..200 {
            dense.clear(0);
            let (mut nodes, mut numbers) = (vec![], vec![]);
            dense.number(&[batch % 4, 3, batch % 4], &mut nodes, &mut numbers);
            let expected = if batch % 4 == 3 { [0, 0, 0] } else { [0, 1, 0] };
            assert_eq!(numbers, expected, "batch {batch}");
        }
    }

    #[test]
    fn hashed_numbers_survive_growth() {
        let mut hashed = Hashed::default();
        for round in 0..3 {
            hashed.clear();
            for item in 0..10_000 {
                hashed.reserve(1);
                assert_eq!(hashed.get_or_insert(key(item % 3, item), item), item);
            }
            for item in 0..10_000 {
                hashed.reserve(1);
                let again = hashed.get_or_insert(key(item % 3, item), 99_999);
                assert_eq!(again, item, "round {round}");
            }
        }
    }

    #[test]
    fn hashed_stamps_wrap() {
        let mut hashed = Hashed {
            stamp: u32::MAX,
            ..Hashed::default()
        };
        hashed.get_or_insert(1, 5);
        hashed.clear();
        assert_eq!(hashed.get_or_insert(1, 0), 0);
    }
}
