//! Which seeds are in which batch.

use std::{ops::Range, sync::Arc};

use super::LoaderError;
use crate::sampler::random::{derive, shuffle};

/// How an epoch is cut into batches, and how they are made.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) batch_size: usize,
    pub(super) shuffle: bool,
    pub(super) drop_last: bool,
    pub(super) num_workers: usize,
    pub(super) prefetch_factor: usize,
    pub(super) seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            batch_size: 1,
            shuffle: false,
            drop_last: false,
            num_workers: 0,
            prefetch_factor: 2,
            seed: 0,
        }
    }
}

impl Schedule {
    /// The same with another batch size.
    pub(super) fn with_batch_size(self, batch_size: usize) -> Result<Self, LoaderError> {
        if batch_size == 0 {
            return Err(LoaderError::EmptyBatch);
        }
        Ok(Self { batch_size, ..self })
    }

    /// Number of batches of `seeds` seeds.
    pub(super) fn num_batches(&self, seeds: usize) -> usize {
        if self.drop_last {
            seeds / self.batch_size
        } else {
            seeds.div_ceil(self.batch_size)
        }
    }

    /// Positions of the seeds in the order of the epoch.
    pub(super) fn order(&self, seeds: usize, epoch: u64) -> Arc<[u32]> {
        let mut order: Vec<u32> = (0..).take(seeds).collect();
        if self.shuffle {
            shuffle(&mut order, derive(derive(self.seed, epoch), u64::MAX));
        }
        order.into()
    }

    /// Which of the order are in a batch.
    pub(super) fn range(&self, seeds: usize, batch: usize) -> Range<usize> {
        let from = batch * self.batch_size;
        from..seeds.min(from + self.batch_size)
    }

    /// What the samples of a batch depend on besides the sampler's seed.
    pub(super) fn key(&self, epoch: u64, batch: usize) -> u64 {
        derive(derive(self.seed, epoch), batch as u64)
    }
}

/// The methods that loaders have in common; their fields are named `schedule` and `input_nodes`.
macro_rules! schedule_methods {
    () => {
        /// Number of seeds of a batch; 1 unless given.
        ///
        /// # Errors
        /// If it is 0.
        pub fn with_batch_size(mut self, batch_size: usize) -> Result<Self, LoaderError> {
            self.schedule = self.schedule.with_batch_size(batch_size)?;
            Ok(self)
        }

        /// Whether each epoch has the seeds in an order of its own.
        pub fn with_shuffle(mut self, shuffle: bool) -> Self {
            self.schedule.shuffle = shuffle;
            self
        }

        /// Whether a last batch with fewer seeds than the others is left out.
        pub fn with_drop_last(mut self, drop_last: bool) -> Self {
            self.schedule.drop_last = drop_last;
            self
        }

        /// Number of threads that make batches ahead; with 0, the default, each batch is made when
        /// it is asked for, on all threads of the Rayon pool. Batches are the same for any number.
        pub fn with_num_workers(mut self, num_workers: usize) -> Self {
            self.schedule.num_workers = num_workers;
            self
        }

        /// Number of batches that each worker keeps ready; 2 unless given.
        pub fn with_prefetch_factor(mut self, prefetch_factor: usize) -> Self {
            self.schedule.prefetch_factor = prefetch_factor;
            self
        }

        /// What the order and the samples depend on besides the epoch; 0 unless given.
        pub fn with_seed(mut self, seed: u64) -> Self {
            self.schedule.seed = seed;
            self
        }

        /// Number of batches of an epoch.
        pub fn num_batches(&self) -> usize {
            self.schedule.num_batches(self.input_nodes.len())
        }
    };
}

pub(super) use schedule_methods;
