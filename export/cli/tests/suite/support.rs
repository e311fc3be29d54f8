//! A folder to work in, the binary, and PyG's fixtures as the files that a user would have.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::read::GzDecoder;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tempfile::TempDir;

/// Folder of the fixtures that PyG made.
pub(crate) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nn/tests/pyg/data");

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts success.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }
}

/// Type, shape and bytes of a tensor.
pub(crate) type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Stored>;

/// A folder for one test.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Names and contents of all files.
    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    /// Runs `kiln` in the folder.
    pub(crate) fn kiln(&self, args: &[&str]) -> Outcome {
        self.kiln_with(args, &[])
    }

    /// Runs `kiln` in the folder with some variables of the environment.
    pub(crate) fn kiln_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(args)
            .current_dir(self.0.path())
            .env("COLUMNS", "100")
            .env_remove("RUST_BACKTRACE")
            .env_remove("BURN_DEVICE")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `kiln` and asserts that it fails with a code and messages, prints no result, and
    /// neither leaves nor changes a file.
    pub(crate) fn fails(&self, args: &[&str], code: i32, messages: &[&str]) {
        let before = self.contents();
        let outcome = self.kiln(args);
        assert_eq!(outcome.code, Some(code), "{outcome:#?}");
        assert!(outcome.stderr.starts_with("error: "), "{outcome:#?}");
        assert_eq!(outcome.stdout, "", "{outcome:#?}");
        for message in messages {
            assert!(
                outcome.stderr.contains(message),
                "no {message:?} in {outcome:#?}"
            );
        }
        assert!(!outcome.stderr.contains("internal error"), "{outcome:#?}");
        assert_eq!(
            self.contents().keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>()
        );
        assert_eq!(self.contents(), before, "a file was changed");
    }

    pub(crate) fn write_tensors(&self, name: &str, tensors: &Tensors) {
        let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        self.write(name, safetensors::serialize(views, None).unwrap());
    }

    pub(crate) fn read_tensors(&self, name: &str) -> Tensors {
        tensors(&self.path(name))
    }

    /// Writes a case as a user has it: `arch.toml`, `weights.safetensors` and `graph.safetensors`.
    pub(crate) fn write_case(&self, case: &Case) {
        self.write("arch.toml", &case.arch);
        self.write_tensors("weights.safetensors", &case.weights);
        self.write_tensors("graph.safetensors", &case.graph);
    }

    /// Exports the case that was written.
    pub(crate) fn export(&self) -> Outcome {
        let args = "export --arch arch.toml --weights weights.safetensors -o model.kiln";
        self.kiln(&args.split(' ').collect::<Vec<_>>())
    }
}

/// The tensors of a safetensors file.
pub(crate) fn tensors(path: &Path) -> Tensors {
    parsed(&fs::read(path).unwrap())
}

fn parsed(bytes: &[u8]) -> Tensors {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    tensors
        .iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

/// A fixture of PyG: a model, its checkpoint, a graph and the result.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) arch: String,
    pub(crate) weights: Tensors,
    pub(crate) graph: Tensors,
    /// The results, by position.
    pub(crate) expected: Vec<Stored>,
}

impl Case {
    /// The case of a name that starts with the layer's, in whose file it is.
    pub(crate) fn read(name: &str) -> Self {
        let (layer, _) = name.split_once('-').unwrap();
        let path = Path::new(FIXTURES).join(format!("{layer}.safetensors.gz"));
        let mut bytes = Vec::new();
        let file = fs::File::open(path).unwrap();
        GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = &metadata.metadata().as_ref().unwrap()["cases"];
        let cases: serde_json::Value = serde_json::from_str(cases).unwrap();
        let about = &cases[name];
        let mut arch = toml::Table::new();
        arch.insert("model".to_owned(), about["conv"].as_str().unwrap().into());
        arch.insert(
            "args".to_owned(),
            serde_json::from_value(about["kwargs"].clone()).unwrap(),
        );

        let all = parsed(&bytes);
        let part = |prefix: &str| -> Tensors {
            let prefix = format!("{name}/{prefix}");
            all.iter()
                .filter_map(|(name, tensor)| {
                    Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
                })
                .collect()
        };
        let mut graph: Tensors = part("in.")
            .into_iter()
            .map(|(name, tensor)| {
                let name = match name.as_str() {
                    "x_src" => "x.0",
                    "x_dst" => "x.1",
                    "rowptr" => "edge_index.rowptr",
                    "col" => "edge_index.col",
                    "value" => "edge_index.value",
                    other => other,
                };
                (name.to_owned(), tensor)
            })
            .collect();
        if about["variant"] == "pair_edge_index" {
            let size: Vec<i64> = serde_json::from_value(about["size"].clone()).unwrap();
            graph.insert("size".to_owned(), ints(&[2], &size));
        }
        // What a graph file often has and no method asks for.
        graph.insert("y".to_owned(), ints(&[1], &[0]));
        Self {
            arch: toml::to_string(&arch).unwrap(),
            weights: part("param."),
            graph,
            expected: part("out.").into_values().collect(),
        }
    }
}

/// An integer tensor.
pub(crate) fn ints(shape: &[usize], values: &[i64]) -> Stored {
    let bytes = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    (Dtype::I64, shape.to_vec(), bytes)
}

/// Values of a tensor of 32-bit floats.
pub(crate) fn floats((dtype, _, bytes): &Stored) -> Vec<f32> {
    assert_eq!(*dtype, Dtype::F32);
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect()
}

/// Asserts that two float tensors have one shape and agree within 1e-5 of the largest value.
pub(crate) fn assert_close(got: &Stored, expected: &Stored) {
    assert_eq!(got.1, expected.1, "shape");
    let (got, expected) = (floats(got), floats(expected));
    let scale = expected
        .iter()
        .fold(1.0_f32, |scale, value| scale.max(value.abs()));
    for (position, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let difference = (got - expected).abs();
        assert!(
            difference <= 1e-5 * scale,
            "{position}: {got} and {expected}"
        );
    }
}
