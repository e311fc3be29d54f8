//! Batches made ahead of the one who uses them.
//!
//! ```text
//! worker w of W makes the batches  w, w + W, w + 2·W, ..  and puts them in a channel of its own
//! the consumer takes batch i from the channel of worker  i mod W
//! ```
//!
//! So batches come in order, no worker is ahead by more than its channel holds, and nothing is
//! sorted or waited for by name. A consumer that goes away closes the channels; each worker notices
//! when it has made its present batch, and ends.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use super::LoaderError;
use crate::sampler::Scratch;

/// Makes the batch of a number.
pub(super) type Make<T> = Arc<dyn Fn(usize, &mut Scratch) -> Result<T, LoaderError> + Send + Sync>;

/// The batches of one epoch, in order.
///
/// Workers run from the moment it is made until the last batch or until it is dropped. An error
/// ends the epoch: it is the last item.
pub struct Epoch<T> {
    next: usize,
    total: usize,
    source: Source<T>,
}

enum Source<T> {
    /// Made when asked for, by the thread that asks.
    Here { make: Make<T>, scratch: Scratch },
    /// Made by workers.
    Workers(Vec<Worker<T>>),
    /// Not made: workers could not be started.
    Failed(Option<LoaderError>),
}

struct Worker<T> {
    batches: Receiver<Result<T, LoaderError>>,
    thread: JoinHandle<()>,
}

impl<T> fmt::Debug for Epoch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({} of {} batches)", self.next, self.total)
    }
}

impl<T: Send + 'static> Epoch<T> {
    /// Starts making `total` batches; `prefetch` is how many each worker keeps ready.
    pub(super) fn start(total: usize, num_workers: usize, prefetch: usize, make: Make<T>) -> Self {
        let source = if num_workers == 0 {
            let scratch = Scratch::parallel();
            Source::Here { make, scratch }
        } else {
            match start_workers(total, num_workers.min(total), prefetch, &make) {
                Ok(workers) => Source::Workers(workers),
                Err(error) => Source::Failed(Some(LoaderError::Spawn(error))),
            }
        };
        let next = 0;
        Self {
            next,
            total,
            source,
        }
    }
}

fn start_workers<T: Send + 'static>(
    total: usize,
    num_workers: usize,
    prefetch: usize,
    make: &Make<T>,
) -> std::io::Result<Vec<Worker<T>>> {
    let mut workers = Vec::with_capacity(num_workers);
    for number in 0..num_workers {
        let (sender, batches) = sync_channel(prefetch);
        let make = make.clone();
        let mine = (number..total).step_by(num_workers);
        let started = Builder::new()
            .name(format!("kiln-loader-{number}"))
            .spawn(move || work(mine, &make, &sender));
        match started {
            Ok(thread) => workers.push(Worker { batches, thread }),
            Err(error) => {
                stop(workers);
                return Err(error);
            }
        }
    }
    Ok(workers)
}

fn work<T>(
    mine: impl Iterator<Item = usize>,
    make: &Make<T>,
    sender: &SyncSender<Result<T, LoaderError>>,
) {
    let mut scratch = Scratch::new();
    for number in mine {
        let batch = make(number, &mut scratch);
        let failed = batch.is_err();
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

/// Ends workers and waits for them: first the channels, so that none waits for room in its own.
fn stop<T>(workers: Vec<Worker<T>>) {
    let threads: Vec<_> = workers.into_iter().map(|worker| worker.thread).collect();
    for thread in threads {
        // Nothing waits for batches any more, so a panic of a worker is not passed on.
        let _ = thread.join();
    }
}

impl<T> Epoch<T> {
    /// Stops: nothing comes after this.
    fn end(&mut self) {
        self.total = self.next;
        if let Source::Workers(workers) = &mut self.source {
            stop(std::mem::take(workers));
        }
    }

    /// What the worker of the present batch died of.
    fn post_mortem(&mut self) -> LoaderError {
        let batch = self.next;
        let Source::Workers(workers) = &mut self.source else {
            return panicked(batch, "no worker".to_owned());
        };
        let worker = workers.swap_remove(batch % workers.len());
        let message = match worker.thread.join() {
            Ok(()) => "it ended early".to_owned(),
            Err(payload) => text(payload.as_ref()),
        };
        panicked(batch, message)
    }
}

fn panicked(batch: usize, message: String) -> LoaderError {
    LoaderError::Panic { batch, message }
}

/// The message of a panic.
fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|&text| text.to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

impl<T> Iterator for Epoch<T> {
    type Item = Result<T, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Source::Failed(error) = &mut self.source {
            return error.take().map(Err);
        }
        if self.next == self.total {
            return None;
        }
        let batch = match &mut self.source {
            Source::Here { make, scratch } => Some(make(self.next, scratch)),
            Source::Workers(workers) => {
                let worker = &workers[self.next % workers.len()];
                worker.batches.recv().ok()
            }
            Source::Failed(_) => None,
        };
        let batch = batch.unwrap_or_else(|| Err(self.post_mortem()));
        self.next += 1;
        if batch.is_err() || self.next == self.total {
            self.end();
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.total - self.next))
    }
}

impl<T> std::iter::FusedIterator for Epoch<T> {}

impl<T> Drop for Epoch<T> {
    fn drop(&mut self) {
        self.end();
    }
}
