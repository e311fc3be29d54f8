//! The table and the file of results.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, Goal},
    measure::median,
};

/// Times of one side of a case, in seconds.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) each: Vec<f64>,
    pub(crate) memory: Option<f64>,
}

impl Times {
    pub(crate) fn median(&self) -> f64 {
        median(&self.each)
    }

    fn json(&self) -> Value {
        json!({"median": self.median(), "rounds": self.each, "memory": self.memory})
    }
}

/// A peer in a case.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) name: String,
    /// Its times, or why there are none.
    pub(crate) times: Result<Times, String>,
    /// Largest difference of its result from Kiln's, relative to the largest entry.
    pub(crate) difference: Option<f64>,
    pub(crate) goal: Option<Goal>,
}

/// What was measured of one case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    pub(crate) kiln: Result<Times, String>,
    /// Edges that a call sampled, if it did.
    pub(crate) num_sampled: Option<usize>,
    pub(crate) peers: Vec<Compared>,
}

/// Titles of the columns and how wide they are; numbers are on the right.
const COLUMNS: [(&str, usize, bool); 11] = [
    ("case", 34, false),
    ("Kiln ms", 9, true),
    ("peer", 17, false),
    ("peer ms", 9, true),
    ("ratio", 6, true),
    ("goal", 9, true),
    ("limit ms", 9, true),
    ("of limit", 8, true),
    ("Kiln MiB", 9, true),
    ("peer MiB", 9, true),
    ("apart", 7, true),
];

/// How `peers.py` begins the error of a peer that cannot be imported; such a peer has no row.
const MISSING: &str = "not installed";

/// Writes the head of the table.
pub(crate) fn head(out: &mut impl Write) -> Result<()> {
    row(out, &COLUMNS.map(|(title, ..)| title.to_owned()))?;
    let rule = |(_, width, right): (&str, usize, bool)| {
        if right {
            format!("{}:", "-".repeat(width - 1))
        } else {
            "-".repeat(width)
        }
    };
    row(out, &COLUMNS.map(rule))
}

/// Writes the rows of a case; `speed` is the machine's, in bytes a second.
pub(crate) fn rows(out: &mut impl Write, outcome: &Outcome, speed: f64) -> Result<()> {
    let none = || "-".to_owned();
    let name = outcome.case.name();
    let (time, memory) = match &outcome.kiln {
        Ok(times) => (Some(times.median()), times.memory),
        Err(_) => (None, None),
    };
    let limit = outcome.case.bytes().map(|bytes| bytes / speed);
    let of_limit = time.zip(limit).map(|(time, limit)| limit / time);
    let ours = [
        time.map_or_else(none, milliseconds),
        limit.map_or_else(none, milliseconds),
        of_limit.map_or_else(none, |part| format!("{:.0} %", part * 100.0)),
        memory.map_or_else(none, mebibytes),
    ];
    let [time_text, limit, of_limit, memory] = ours;
    let line = |peer: [String; 6]| {
        let [peer, peer_time, ratio, goal, peer_memory, apart] = peer;
        [
            name.clone(),
            time_text.clone(),
            peer,
            peer_time,
            ratio,
            goal,
            limit.clone(),
            of_limit.clone(),
            memory.clone(),
            peer_memory,
            apart,
        ]
    };
    let here = |peer: &&Compared| {
        let error = peer.times.as_ref().err();
        !error.is_some_and(|error| error.starts_with(MISSING))
    };
    let peers: Vec<&Compared> = outcome.peers.iter().filter(here).collect();
    if peers.is_empty() {
        row(out, &line(std::array::from_fn(|_| none())))?;
    }
    for peer in peers {
        let goal = peer.goal.map_or_else(none, |goal| match goal {
            Goal::Ratio(ratio) => format!("{ratio:.2}"),
            Goal::Milliseconds(time) => format!("{time} ms"),
        });
        let apart = peer.difference;
        let apart = apart.map_or_else(none, |difference| format!("{difference:.0e}"));
        let name = peer.name.clone();
        row(
            out,
            &line(match &peer.times {
                Ok(times) => {
                    let theirs = times.median();
                    let ratio = time.map_or_else(none, |time| format!("{:.2}", time / theirs));
                    let memory = times.memory.map_or_else(none, mebibytes);
                    [name, milliseconds(theirs), ratio, goal, memory, apart]
                }
                Err(_) => [name, none(), none(), goal, none(), apart],
            }),
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, cells: &[String; COLUMNS.len()]) -> Result<()> {
    let mut line = String::from("|");
    for (cell, (_, width, right)) in cells.iter().zip(COLUMNS) {
        let cell = if right {
            format!(" {cell:>width$} |")
        } else {
            format!(" {cell:<width$} |")
        };
        line.push_str(&cell);
    }
    writeln!(out, "{line}")?;
    Ok(())
}

/// Three digits that count.
fn milliseconds(seconds: f64) -> String {
    let time = seconds * 1e3;
    match time {
        time if time >= 100.0 => format!("{time:.0}"),
        time if time >= 10.0 => format!("{time:.1}"),
        time if time >= 1.0 => format!("{time:.2}"),
        time => format!("{time:.4}"),
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0}", bytes / f64::from(1 << 20))
}

/// Writes what stands below the table: what a sampler does in a second, and what does not run.
pub(crate) fn foot(out: &mut impl Write, outcomes: &[Outcome], threads: usize) -> Result<()> {
    for outcome in outcomes {
        if let (Ok(times), Some(edges)) = (&outcome.kiln, outcome.num_sampled) {
            #[expect(clippy::cast_precision_loss, reason = "a size for people")]
            let speed = edges as f64 / times.median() / 1e6;
            let name = outcome.case.name();
            writeln!(
                out,
                "\n{name}: {edges} edges a call, {speed:.1} million a second with {threads} threads"
            )?;
        }
    }
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for outcome in outcomes {
        let kiln = outcome.kiln.as_ref().err().map(|error| ("Kiln", error));
        let peers = outcome.peers.iter();
        let peers = peers.filter_map(|peer| Some((peer.name.as_str(), peer.times.as_ref().err()?)));
        for (who, error) in kiln.into_iter().chain(peers) {
            let cases = errors.entry(format!("{who}: {error}")).or_default();
            cases.push(outcome.case.name());
        }
    }
    if !errors.is_empty() {
        writeln!(out, "\nNot measured:\n")?;
    }
    for (error, cases) in errors {
        writeln!(out, "- {error} ({})", cases.join(", "))?;
    }
    Ok(())
}

/// Writes everything as JSON; called after each case, so that a run that is cut off leaves what it
/// has.
pub(crate) fn write(path: &Path, about: &Value, outcomes: &[Outcome]) -> Result<()> {
    let peer = |outcome: &Outcome, peer: &Compared| {
        let ours = outcome.kiln.as_ref().ok().map(Times::median);
        let theirs = peer.times.as_ref().ok().map(Times::median);
        json!({
            "name": peer.name,
            "times": peer.times.as_ref().ok().map(Times::json),
            "error": peer.times.as_ref().err(),
            "ratio": ours.zip(theirs).map(|(ours, theirs)| ours / theirs),
            "difference": peer.difference,
            "goal": peer.goal.map(|goal| match goal {
                Goal::Ratio(ratio) => json!({"ratio": ratio}),
                Goal::Milliseconds(time) => json!({"milliseconds": time}),
            }),
        })
    };
    let case = |outcome: &Outcome| {
        let peers: Vec<Value> = outcome.peers.iter().map(|it| peer(outcome, it)).collect();
        json!({
            "name": outcome.case.name(),
            "bytes": outcome.case.bytes(),
            "sampled_edges": outcome.num_sampled,
            "kiln": outcome.kiln.as_ref().ok().map(Times::json),
            "error": outcome.kiln.as_ref().err(),
            "peers": peers,
        })
    };
    let cases: Vec<Value> = outcomes.iter().map(case).collect();
    let text = serde_json::to_string_pretty(&json!({"about": about, "cases": cases}))?;
    fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
