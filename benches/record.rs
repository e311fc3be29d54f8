//! How long it takes to record a deep model, by its number of layers.
//!
//! ```text
//! cargo bench --bench record
//! ```
//!
//! Each line is one depth: the operations of the program, and the median time in milliseconds to
//! record a GCN by its method for an edge index, and by all its variants. Depths double, so that
//! what grows faster than the number of operations shows.
//!
//! A second table is of one depth with optional inputs, by their number: the cases and the median
//! time with at most one of the inputs at once, and with every combination of them.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Parser;
use kiln::{
    ir::record::{List, Optional},
    nn::models::{Gcn, GcnConfig},
    prelude::*,
};

/// Width of the layers.
const WIDTH: usize = 16;

/// Records models of several depths.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Numbers of layers.
    #[arg(long, value_delimiter = ',', default_value = "6,12,25,50,100")]
    layers: Vec<usize>,
    /// Number of layers of the model with optional inputs.
    #[arg(long, default_value_t = 50)]
    option_layers: usize,
    /// Numbers of optional inputs.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2,3,4,5,6,7,8")]
    options: Vec<usize>,
    /// Most optional inputs of which every combination is recorded: the time doubles with each.
    #[arg(long, default_value_t = 4)]
    all_options: usize,
    /// How often each model is recorded.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = backend::device("flex")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "layers  operations  one method  all variants")?;
    for layers in args.layers {
        let model = GcnConfig::new(WIDTH, WIDTH, layers).init(&device);
        let one = || {
            Recorder::new(&model)
                .overload(
                    "forward",
                    (tensor!(f32["N", WIDTH]), edge_index!("N", "E")),
                    |model: &Gcn, (x, edges)| model.forward(x, &edges),
                )
                .finish()
        };
        let functions = &one()?.program.functions;
        let operations: usize = functions.iter().map(|function| function.nodes.len()).sum();
        let one = median(args.rounds, || one().map(drop))?;
        let all = median(args.rounds, || {
            Recorder::new(&model).overloads().finish().map(drop)
        })?;
        let [one, all] = [one, all].map(|time| time.as_secs_f64() * 1e3);
        writeln!(
            out,
            "{layers:>6}  {operations:>10}  {one:>10.1}  {all:>12.1}"
        )?;
    }

    let layers = args.option_layers;
    let model = GcnConfig::new(WIDTH, WIDTH, layers).init(&device);
    writeln!(out, "\n{layers} layers")?;
    writeln!(out, "options  cases  at most one  cases          all")?;
    for options in args.options {
        let record = |most: usize| {
            let option = || Optional(tensor!(f32["N", WIDTH]));
            let options = List::new((0..options).map(|_| option())).named("options");
            Recorder::new(&model)
                .most_options(most)
                .overload(
                    "forward",
                    (tensor!(f32["N", WIDTH]), edge_index!("N", "E"), options),
                    |model: &Gcn, (x, edges, options)| {
                        let x = options.into_iter().flatten().fold(x, Tensor::add);
                        model.forward(x, &edges)
                    },
                )
                .finish()
        };
        let line = |most: usize| -> Result<String> {
            let program = record(most)?.program;
            let cases = program.modules[0].methods[0].cases.len();
            let time = median(args.rounds, || record(most).map(drop))?;
            Ok(format!("{cases:>5}  {:>11.1}", time.as_secs_f64() * 1e3))
        };
        let all = if options <= args.all_options {
            line(options)?
        } else {
            String::new()
        };
        writeln!(out, "{options:>7}  {}  {all}", line(1)?)?;
    }
    Ok(())
}

/// The median time of some calls.
fn median<E>(rounds: usize, call: impl Fn() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
