//! TorchScript archives: files that `torch.jit.load` and `torch::jit::load` open.
//!
//! An archive is a zip file with the module tree as a pickle (`data.pkl`), tensors as raw entries
//! (`data/0`, `data/1`, ...), classes as text (`code/**.py`) and tensors that code names
//! (`constants.pkl`). `docs/torchscript.md` describes how a program maps to it.
//!
//! The same model gives the same bytes.

mod archive;
mod code;
mod error;
mod pickle;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{BufWriter, Cursor, Seek, Write},
    path::Path,
};

use kiln_ir::{Model, ModuleId, Program, Valid, Weight, WeightId, WeightRole, pass};

use archive::Archive;
use code::{Code, Object};
use pickle::{Pickle, TensorRef};

pub use error::Error;

/// Root folder of every archive.
const ROOT: &str = "kiln";

/// Format version: the first with all operators that are used, and the last that PyTorch 1.13
/// reads.
const VERSION: &[u8] = b"10\n";

/// Writes a model as a TorchScript archive.
///
/// The file appears under its name only when it is complete.
///
/// # Errors
/// If the program has a part that TorchScript cannot express, if values of a weight are missing,
/// or if the file cannot be written. Then nothing is left at `path`.
pub fn write(model: &Model, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(io)?;
    let mut sink = BufWriter::new(file.as_file_mut());
    write_model(model, &mut sink)?;
    sink.flush().map_err(io)?;
    drop(sink);
    share(&file).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// The bytes of the archive that [`write()`] writes.
///
/// # Errors
/// As [`write()`], but for the file.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, Error> {
    Ok(write_model(model, Cursor::new(Vec::new()))?.into_inner())
}

/// Gives a temporary file the permissions that a new file has.
fn share(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

fn write_model<W: Write + Seek>(model: &Model, sink: W) -> Result<W, Error> {
    let values = |name: &str| model.weights.bytes(name).map(Cow::Borrowed);
    let program = pass::run(model.program.clone(), &[pass::LOWER])?;
    write_archive(&program, &values, sink)
}

/// Writes a program whose weights' little-endian values `values` gives by name.
fn write_archive<'a, W: Write + Seek>(
    program: &Valid,
    values: &dyn Fn(&str) -> Option<Cow<'a, [u8]>>,
    sink: W,
) -> Result<W, Error> {
    let code = code::generate(program)?;
    let mut archive = Archive::new(sink, ROOT);
    let mut objects = Objects {
        program,
        code: &code,
        uses: uses(program, &code),
        storages: Vec::new(),
        pickle: Pickle::new(),
    };
    objects.write(ModuleId(0))?;
    let Objects {
        storages, pickle, ..
    } = objects;
    for (number, weight) in storages.into_iter().enumerate() {
        archive.tensor(
            &format!("data/{number}"),
            &weight_bytes(program, weight, values)?,
        )?;
    }
    archive.file("data.pkl", &pickle.finish())?;
    for (entry, text) in &code.files {
        archive.file(entry, text.as_bytes())?;
    }
    let mut constants = Pickle::new();
    constants.begin_tuple();
    for (number, &id) in code.constants.iter().enumerate() {
        let weight = weight(program, id)?;
        constants.tensor(tensor_ref(weight, number));
        archive.tensor(
            &format!("constants/{number}"),
            &weight_bytes(program, id, values)?,
        )?;
    }
    constants.end_tuple();
    archive.file("constants.pkl", &constants.finish())?;
    archive.file("version", VERSION)?;
    archive.finish()
}

/// Writes the module tree.
struct Objects<'a> {
    program: &'a Program,
    code: &'a Code,
    /// How many modules have the tensor of each weight; above one it is shared.
    uses: BTreeMap<WeightId, usize>,
    /// The weight in each `data/<number>`.
    storages: Vec<WeightId>,
    pickle: Pickle,
}

impl Objects<'_> {
    fn write(&mut self, id: ModuleId) -> Result<(), Error> {
        let object: &Object =
            self.code
                .objects
                .get(id.index())
                .ok_or_else(|| Error::Malformed {
                    place: "module tree".to_owned(),
                    what: format!("no module {}", id.0),
                })?;
        self.pickle
            .begin_object(&object.class.module, &object.class.name);
        for (name, weight) in &object.weights {
            self.pickle.string(name);
            self.tensor(*weight)?;
        }
        if object.training {
            self.pickle.string("training");
            self.pickle.boolean(false);
        }
        for (name, child) in &object.children {
            self.pickle.string(name);
            self.write(*child)?;
        }
        self.pickle.end_object();
        Ok(())
    }

    fn tensor(&mut self, id: WeightId) -> Result<(), Error> {
        let id = self.program.stored(id);
        let shared = self.uses.get(&id).is_some_and(|uses| *uses > 1);
        if shared && self.storages.contains(&id) {
            self.pickle.recall(id.0);
            return Ok(());
        }
        self.pickle
            .tensor(tensor_ref(weight(self.program, id)?, self.storages.len()));
        self.storages.push(id);
        if shared {
            self.pickle.remember(id.0);
        }
        Ok(())
    }
}

fn uses(program: &Program, code: &Code) -> BTreeMap<WeightId, usize> {
    let mut uses = BTreeMap::new();
    for (_, weight) in code.objects.iter().flat_map(|object| &object.weights) {
        *uses.entry(program.stored(*weight)).or_insert(0) += 1;
    }
    uses
}

fn weight(program: &Program, id: WeightId) -> Result<&Weight, Error> {
    program
        .weights
        .get(id.index())
        .ok_or_else(|| Error::Malformed {
            place: "weights".to_owned(),
            what: format!("no weight {}", id.0),
        })
}

fn tensor_ref(weight: &Weight, storage: usize) -> TensorRef<'_> {
    let requires_grad = weight.role == WeightRole::Parameter && weight.elem.is_float();
    TensorRef {
        storage,
        elem: weight.elem,
        shape: &weight.shape,
        requires_grad,
    }
}

/// The values of a weight, if they have the length that its type demands.
fn weight_bytes<'a>(
    program: &Program,
    id: WeightId,
    values: &dyn Fn(&str) -> Option<Cow<'a, [u8]>>,
) -> Result<Cow<'a, [u8]>, Error> {
    let weight = weight(program, id)?;
    let bytes = values(&weight.name).ok_or_else(|| Error::MissingWeight {
        name: weight.name.clone(),
    })?;
    let expected = weight
        .shape
        .iter()
        .try_fold(weight.elem.size_bytes(), |bytes, &size| {
            bytes.checked_mul(size)
        });
    if expected != u64::try_from(bytes.len()).ok() {
        return Err(Error::WeightLength {
            name: weight.name.clone(),
            elem: weight.elem,
            shape: weight.shape.clone(),
            got: bytes.len(),
        });
    }
    Ok(bytes)
}
