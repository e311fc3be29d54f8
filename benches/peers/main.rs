//! Kiln beside what could be used instead: the same operations on the same graphs, in turns.
//!
//! ```text
//! cargo xtask bench --peers                                   # everything, on a processor
//! cargo xtask bench --peers --only gcn,gat --graph arxiv      # names that contain gcn or gat
//! cargo xtask bench --peers --features cuda -- --backend cuda
//! ```
//!
//! One Python process holds the peers. In each round Kiln is timed and then each peer, one after
//! the other and with as many threads; what is reported is the median of the rounds. Both sides
//! make the graph by the same formula and prove it by a digest; layers get the same weights,
//! products have the same precision, and a few entries of each result are compared.
//! `docs/performance.md` explains the table.

#[path = "../graphs/mod.rs"]
mod graphs;

mod cases;
mod child;
mod engine;
mod measure;
mod report;

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use kiln::prelude::{MatmulPrecision, backend, set_matmul_precision};
use serde_json::{Value, json};

use crate::{
    cases::Case,
    child::{Child, Peer},
    engine::Loaded,
    report::{Compared, Outcome, Times},
};

/// Measures Kiln and its peers in turns.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Where Kiln computes: flex, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
    /// A Python interpreter with torch and `torch_geometric`.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Precision of `f32` products on both sides: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: MatmulPrecision,
    /// Only cases whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these graphs, separated by commas: cora, arxiv, products.
    #[arg(long, value_delimiter = ',')]
    graph: Vec<String>,
    /// How many times each side of a case is timed.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Threads of each side, on a processor.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// On a processor, which side keeps the memory that it has freed.
    #[arg(long, value_enum, default_value_t = KeepMemory::Kiln)]
    keep_memory: KeepMemory,
    /// Measures Kiln alone.
    #[arg(long)]
    no_peers: bool,
    /// A file for the results, with every single time.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Prints the names of the cases and stops.
    #[arg(long)]
    list: bool,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Which side keeps the memory that it has freed, instead of giving it back to the system each
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeepMemory {
    /// Each side as it comes: programs with Kiln keep it, by `keep_freed_memory`, PyTorch does not.
    Kiln,
    /// Kiln and the peers.
    Both,
    /// None, as a program with Kiln that does not ask for it.
    Neither,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let gpu = !args.backend.starts_with("flex") && !args.backend.starts_with("cpu");
    for name in &args.graph {
        let known = graphs::SIZES.iter().any(|size| size.name == name);
        ensure!(
            known,
            "expected cora, arxiv or products as --graph, got `{name}`"
        );
    }
    let cases = chosen(&args, gpu);
    let mut out = std::io::stdout().lock();
    if args.list {
        for case in &cases {
            writeln!(out, "{}", case.name())?;
        }
        return Ok(());
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()?;
    if args.keep_memory != KeepMemory::Neither {
        kiln::ops::keep_freed_memory();
    }
    let device = backend::device(&args.backend)?;
    set_matmul_precision(&device, args.precision)?;
    let mut child = if args.no_peers {
        None
    } else {
        Some(Child::start(
            &args.python,
            gpu,
            args.threads,
            args.keep_memory == KeepMemory::Both,
            args.precision,
        )?)
    };
    let hello = match &mut child {
        Some(child) => child.hello()?,
        None => Value::Null,
    };
    let mut speed = measure::copy(&device, gpu, args.threads)?;
    if let Some(child) = &mut child {
        measure::pause();
        speed = speed.max(child.copy()?);
    }
    let about = json!({
        "kiln": env!("CARGO_PKG_VERSION"),
        "backend": args.backend,
        "precision": args.precision.name(),
        "threads": args.threads,
        "rounds": args.rounds,
        "keep_memory": args.keep_memory.to_possible_value().map(|value| value.get_name().to_owned()),
        "processor": measure::processor(),
        "gpu": hello["gpu"],
        "versions": hello["versions"],
        "copy_bytes_per_second": speed,
    });
    writeln!(out, "{about}\n")?;
    report::head(&mut out)?;

    let mut loaded: Option<Loaded> = None;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for case in cases {
        let loaded = match &mut loaded {
            Some(graph) if graph.size == case.graph => graph,
            other => {
                *other = None; // freed before the next is made
                let graph = other.insert(Loaded::new(case.graph, &device));
                if let Some(child) = &mut child {
                    child.graph(&case, &graph.edges)?;
                }
                graph
            }
        };
        let outcome = measure_case(&args, case, loaded, child.as_mut(), gpu)?;
        report::rows(&mut out, &outcome, speed)?;
        outcomes.push(outcome);
        if let Some(path) = &args.json {
            report::write(path, &about, &outcomes)?;
        }
    }
    report::foot(&mut out, &outcomes, args.threads)
}

/// The cases that the command line names.
fn chosen(args: &Args, gpu: bool) -> Vec<Case> {
    let graph = |case: &Case| {
        args.graph.is_empty() || args.graph.iter().any(|name| name == case.graph.name)
    };
    let only = |case: &Case| {
        args.only.is_empty() || args.only.iter().any(|part| case.name().contains(part))
    };
    let mut cases = cases::all(gpu);
    cases.retain(|case| graph(case) && only(case));
    cases
}

/// Builds both sides of a case, warms them up, and times them in turns.
fn measure_case(
    args: &Args,
    case: Case,
    loaded: &mut Loaded,
    mut child: Option<&mut Child>,
    gpu: bool,
) -> Result<Outcome> {
    let (mut peers, state) = match &mut child {
        Some(child) => {
            let peers = child.prepare(&case)?;
            measure::pause();
            (peers, case.op.is_layer().then(|| child.state()))
        }
        None => (Vec::new(), None),
    };
    let state = state.filter(|path| path.exists());
    let device = backend::device(&args.backend)?;
    let run = match loaded.build(&case, state.as_deref()) {
        Ok(run) => run,
        Err(error) => {
            let peers = peers.iter().map(|peer| Compared {
                name: peer.name.clone(),
                times: Err(peer.error.clone().unwrap_or_else(|| "no Kiln".to_owned())),
                difference: None,
                goal: None,
            });
            return Ok(Outcome {
                case,
                kiln: Err(format!("{error:#}")),
                num_sampled: None,
                peers: peers.collect(),
            });
        }
    };
    let first = run();
    let num_sampled = first.num_sampled().transpose()?;
    let samples = first.samples();
    let memory = measure::memory(&run, &device)?;

    // The first times only say how many calls to time at once.
    let mut turn = |number: usize, peer: &mut Peer, calls: usize| {
        let child = child.as_mut().filter(|_| peer.error.is_none())?;
        measure::pause();
        let seconds = child.time(number, calls);
        seconds
            .map_err(|error| peer.error = Some(format!("{error:#}")))
            .ok()
    };
    let mut each_seconds = vec![measure::time(&run, 1, &device)?];
    for (number, peer) in peers.iter_mut().enumerate() {
        each_seconds.push(turn(number, peer, 1).unwrap_or(f64::INFINITY));
    }
    let each_calls = measure::each_calls(&each_seconds, gpu);
    let mut ours = Vec::new();
    let mut theirs = vec![Vec::new(); peers.len()];
    for _ in 0..args.rounds.max(1) {
        measure::pause();
        ours.push(measure::time(&run, each_calls[0], &device)?);
        for (number, peer) in peers.iter_mut().enumerate() {
            theirs[number].extend(turn(number, peer, each_calls[number + 1]));
        }
    }
    drop(run);
    if let Some(child) = child {
        child.release().context("the peers of a case are let go")?;
    }
    let compare = |(peer, each): (Peer, Vec<f64>)| Compared {
        difference: engine::difference(&samples, &peer.check),
        goal: cases::goal(&case, &peer.name, gpu),
        times: match peer.error {
            Some(error) => Err(error),
            None => Ok(Times {
                each,
                memory: peer.memory,
            }),
        },
        name: peer.name,
    };
    Ok(Outcome {
        case,
        kiln: Ok(Times { each: ours, memory }),
        num_sampled,
        peers: peers.into_iter().zip(theirs).map(compare).collect(),
    })
}
