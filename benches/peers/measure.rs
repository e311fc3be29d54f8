//! Time, memory and the speed of a copy.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use kiln::prelude::*;

use crate::engine::Run;

/// A call that is quicker is timed in batches, so that clock and synchronisation do not count.
const SHORT: f64 = 1e-2;
/// A call that is longer leaves nothing in a cache that counts.
const LONG: f64 = 5.0 * SHORT;
/// How long a batch is.
const BATCH: f64 = 2e-2;
/// Between two sides: threads that wait for work by spinning have gone to sleep by then.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until nothing of the side that was measured before is still running.
pub(crate) fn pause() {
    thread::sleep(PAUSE);
}

/// How many calls to time at once, where one takes `seconds`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and 1000"
)]
fn calls(seconds: f64) -> usize {
    if seconds < SHORT {
        (BATCH / seconds.max(BATCH / 1000.0)).ceil() as usize
    } else {
        1
    }
}

/// How many calls of each side to time at once, whose calls take `seconds`. A processor finds in
/// its caches what the last call left there, so that sides whose calls are not long run equally
/// often.
pub(crate) fn each_calls(seconds: &[f64], gpu: bool) -> Vec<usize> {
    let most = seconds.iter().map(|&side| calls(side)).max().unwrap_or(1);
    let side = |&side: &f64| {
        if !gpu && side < LONG {
            most
        } else {
            calls(side)
        }
    };
    seconds.iter().map(side).collect()
}

/// Seconds that one of several calls takes.
pub(crate) fn time(run: &Run, calls: usize, device: &Device) -> Result<f64> {
    device.sync()?;
    let start = Instant::now();
    // All outputs live until the end: a lazy backend leaves out what nobody can ask for any more.
    let outputs: Vec<_> = (0..calls).map(|_| run()).collect();
    device.sync()?;
    let seconds = start.elapsed().as_secs_f64();
    drop(outputs);
    #[expect(clippy::cast_precision_loss, reason = "at most 1000")]
    Ok(seconds / calls as f64)
}

/// The middle of several times.
pub(crate) fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        sorted if sorted.len() % 2 == 1 => sorted[middle],
        sorted => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Memory at the worst moment of a call, in bytes: on a GPU what the backend holds reserved after
/// it, with the graph and the features; on a processor what the call added. Nothing where the
/// system does not say.
pub(crate) fn memory(run: &Run, device: &Device) -> Result<Option<f64>> {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let float = |bytes: u64| bytes as f64;
    if device.memory_pool_usage().is_some() {
        device.memory_cleanup();
        drop(run());
        device.sync()?;
        let usage = device.memory_pool_usage();
        return Ok(usage.map(|usage| float(usage.bytes_reserved)));
    }
    give_back();
    // Linux: this sets the largest resident size back to the present one.
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = resident("VmRSS:");
    drop(run());
    let after = resident("VmHWM:");
    Ok(match (reset, before, after) {
        (true, Some(before), Some(after)) => Some(float(after.saturating_sub(before))),
        _ => None,
    })
}

/// Gives freed memory that this process has kept back to the system.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a function of the C library")]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// A line of `/proc/self/status`, in bytes.
fn resident(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes a second that the fastest of several copies reads and writes.
pub(crate) fn copy(device: &Device, gpu: bool, threads: usize) -> Result<f64> {
    const REPEATS: usize = 8;
    let (bytes, mut best): (f64, f64) = if gpu {
        (2.0 * 4.0 * f64::from(1 << 28), f64::INFINITY)
    } else {
        (2.0 * 4.0 * f64::from(1 << 26), f64::INFINITY)
    };
    if gpu {
        let source = Tensor::<1>::ones([1 << 28], device);
        for _ in 0..REPEATS {
            device.sync()?;
            let start = Instant::now();
            let target = source.clone() * 2.0;
            device.sync()?;
            best = best.min(start.elapsed().as_secs_f64());
            drop(target);
        }
        drop(source);
        device.sync()?;
        device.memory_cleanup();
    } else {
        let source = vec![1.0_f32; 1 << 26];
        let mut target = vec![0.0_f32; 1 << 26];
        let part = source.len().div_ceil(threads.max(1));
        for _ in 0..REPEATS {
            let start = Instant::now();
            thread::scope(|scope| {
                for (from, to) in source.chunks(part).zip(target.chunks_mut(part)) {
                    scope.spawn(move || to.copy_from_slice(from));
                }
            });
            best = best.min(start.elapsed().as_secs_f64());
        }
        target.first().context("a copy has entries")?;
    }
    Ok(bytes / best)
}

/// The processor, as the system calls it.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("model name"));
    let name = lines.next().and_then(|line| line.split_once(':'));
    name.map_or(std::env::consts::ARCH, |(_, name)| name.trim())
        .to_owned()
}
