//! The Python process in which the peers run.
//!
//! Its program, `peers.py`, is part of this binary, so that the binary can be carried to a machine
//! that has no sources.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use kiln::prelude::MatmulPrecision;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cases::{Case, FANOUTS, HEADS, SEEDS},
    graphs::Edges,
};

const PROGRAM: &str = include_str!("peers.py");

/// What the child says about a peer of a case.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Why it does not run, if it does not.
    pub(crate) error: Option<String>,
    /// Entries of its result at agreed places.
    pub(crate) check: Vec<f64>,
    /// Memory at the worst moment of a call, in bytes.
    pub(crate) memory: Option<f64>,
}

/// A running child; it ends with this value.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Child {
    /// Starts the peers in a Python interpreter that has torch.
    pub(crate) fn start(
        python: &Path,
        gpu: bool,
        threads: usize,
        keep_memory: bool,
        precision: MatmulPrecision,
    ) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a temporary folder")?;
        let program = folder.path().join("peers.py");
        fs::write(&program, PROGRAM)?;
        let number = threads.to_string();
        let mut process = Command::new(python)
            .args(["-W", "ignore"])
            .arg(&program)
            .args([if gpu { "cuda" } else { "cpu" }, &number, precision.name()])
            .envs(["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| (name, &number)))
            // What `keep_freed_memory` does.
            .envs(keep_memory.then_some(("MALLOC_MMAP_MAX_", "0")))
            .envs(keep_memory.then_some(("MALLOC_TRIM_THRESHOLD_", "-1")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let input = process.stdin.take().context("the child has no input")?;
        let output = process.stdout.take().context("the child has no output")?;
        Ok(Self {
            process,
            input,
            output: BufReader::new(output),
            folder,
        })
    }

    /// Versions of what the peers are made of, and the name of their GPU.
    pub(crate) fn hello(&mut self) -> Result<Value> {
        self.ask(&json!({"do": "hello"})).context(
            "expected a Python with torch and torch_geometric; name one with --python, or leave \
             the peers out with --no-peers",
        )
    }

    /// Makes a graph, and makes sure that it is the same as here.
    pub(crate) fn graph(&mut self, case: &Case, edges: &Edges) -> Result<()> {
        let size = case.graph;
        let reply = self.ask(&json!({
            "do": "graph", "name": size.name, "nodes": size.nodes, "edges": size.edges,
        }))?;
        let (here, there) = (edges.digest().to_string(), &reply["digest"]);
        if there.as_str() != Some(here.as_str()) {
            bail!("the peers' graph has digest {there}, expected {here}");
        }
        Ok(())
    }

    /// Where the weights of a case's layer are, once it is prepared.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state.pt")
    }

    /// Builds and warms up the peers of a case.
    pub(crate) fn prepare(&mut self, case: &Case) -> Result<Vec<Peer>> {
        let reply = self.ask(&json!({
            "do": "prepare",
            "op": case.op.name(),
            "d_input": case.d_input,
            "d_output": case.d_output,
            "training": case.training,
            "heads": HEADS,
            "fanouts": FANOUTS,
            "seeds": SEEDS,
            "state": self.state(),
        }))?;
        let peers = reply["peers"].as_array().context("expected peers")?;
        let peer = |peer: &Value| Peer {
            name: peer["name"].as_str().unwrap_or_default().to_owned(),
            error: peer["error"].as_str().map(ToOwned::to_owned),
            check: peer["check"]
                .as_array()
                .map(|values| values.iter().filter_map(Value::as_f64).collect())
                .unwrap_or_default(),
            memory: peer["memory"].as_f64(),
        };
        Ok(peers.iter().map(peer).collect())
    }

    /// Seconds that one of several calls of a peer takes.
    pub(crate) fn time(&mut self, peer: usize, calls: usize) -> Result<f64> {
        let reply = self.ask(&json!({"do": "time", "peer": peer, "calls": calls}))?;
        reply["seconds"].as_f64().context("expected seconds")
    }

    /// Lets go of the peers of a case.
    pub(crate) fn release(&mut self) -> Result<()> {
        self.ask(&json!({"do": "release"})).map(drop)
    }

    /// Bytes a second that a copy reads and writes.
    pub(crate) fn copy(&mut self) -> Result<f64> {
        let reply = self.ask(&json!({"do": "copy"}))?;
        let speed = reply["bytes_per_second"].as_f64();
        speed.context("expected bytes_per_second")
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.input, "{request}").context("the peers' process has ended")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the peers' process has ended; its messages are above");
        }
        let reply: Value = serde_json::from_str(&line)
            .with_context(|| format!("expected an answer, got {line:?}"))?;
        match reply["error"].as_str() {
            Some(error) => bail!("the peers' process says: {error}"),
            None => Ok(reply),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It ends by itself when its input does; killing is for one that hangs.
        drop(writeln!(self.input, "{}", json!({"do": "quit"})));
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
