//! The writer. It lays the header out itself, because the library's own order of metadata is
//! random.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    path::Path,
};

use safetensors::Dtype;
use serde::Serialize;

use super::{
    FORMAT, FORMAT_KEY, MAX_PROGRAM_BYTES, METADATA, NativeError, PROGRAM, VERSION, VERSION_KEY,
    checksum, checksum_key, dtype, encode::Encoded,
};
use crate::model::Model;

impl Model {
    /// Writes a `.kiln` file. Equal models give equal bytes. The file appears as a whole: it is
    /// written beside its place and then moved there.
    ///
    /// # Errors
    /// If the file cannot be written, or the program is larger than the format permits.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), NativeError> {
        let path = path.as_ref();
        let io = |action| move |source| NativeError::Io { action, source };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        let program = encode(self)?;
        let layout = Layout::new(self, &program)?;
        let file = tempfile::Builder::new()
            .prefix(".kiln-")
            .tempfile_in(folder)
            .map_err(io("create"))?;
        let mut buffer = BufWriter::with_capacity(1 << 20, file);
        layout.write(&mut buffer).map_err(io("write"))?;
        let file = buffer
            .into_inner()
            .map_err(|error| io("write")(error.into_error()))?;
        permit(file.as_file()).map_err(io("write"))?;
        file.as_file().sync_all().map_err(io("write"))?;
        file.persist(path)
            .map_err(|error| io("move")(error.error))?;
        Ok(())
    }

    /// The bytes of a `.kiln` file.
    ///
    /// # Errors
    /// If the program is larger than the format permits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NativeError> {
        let program = encode(self)?;
        let mut bytes = Vec::new();
        let written = Layout::new(self, &program)?.write(&mut bytes);
        written.map_err(|source| NativeError::Io {
            action: "write",
            source,
        })?;
        Ok(bytes)
    }
}

/// Temporary files are for their owner only; a model is an ordinary file.
#[cfg(unix)]
fn permit(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn permit(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

fn encode(model: &Model) -> Result<Vec<u8>, NativeError> {
    let encoded = Encoded::new(&model.program);
    let bytes = encoded.bytes()?;
    if bytes.len() > MAX_PROGRAM_BYTES {
        return Err(NativeError::ProgramSize {
            bytes: bytes.len(),
            limit: MAX_PROGRAM_BYTES,
        });
    }
    let parts = encoded.parts.check(bytes.len());
    parts.map_err(|problem| NativeError::Malformed {
        place: "the whole".to_owned(),
        problem,
    })?;
    Ok(bytes)
}

/// The header, and the tensors in order.
struct Layout<'a> {
    header: Vec<u8>,
    tensors: Vec<&'a [u8]>,
}

#[derive(Serialize)]
struct Info {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (usize, usize),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Metadata(BTreeMap<String, String>),
    Tensor(Info),
}

impl<'a> Layout<'a> {
    fn new(model: &'a Model, program: &'a [u8]) -> Result<Self, NativeError> {
        let length = u64::try_from(program.len()).unwrap_or(u64::MAX);
        let mut tensors = vec![(1_u64, PROGRAM, Dtype::U8, vec![length], program)];
        for (name, data) in model.weights.iter() {
            let size = data.elem.size_bytes();
            tensors.push((
                size,
                name,
                dtype(data.elem),
                data.shape.to_vec(),
                data.bytes,
            ));
        }
        tensors.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let mut metadata = BTreeMap::from([
            (FORMAT_KEY.to_owned(), FORMAT.to_owned()),
            (VERSION_KEY.to_owned(), VERSION.to_string()),
        ]);
        let mut entries = BTreeMap::new();
        let mut begin = 0_usize;
        for (_, name, dtype, shape, bytes) in &tensors {
            metadata.insert(checksum_key(name), checksum(bytes));
            let end = begin.saturating_add(bytes.len());
            let info = Info {
                dtype: *dtype,
                shape: shape.clone(),
                data_offsets: (begin, end),
            };
            entries.insert(*name, Entry::Tensor(info));
            begin = end;
        }
        entries.insert(METADATA, Entry::Metadata(metadata));
        let json = |source: serde_json::Error| NativeError::Io {
            action: "describe",
            source: source.into(),
        };
        let mut header = serde_json::to_vec(&entries).map_err(json)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        Ok(Self {
            header,
            tensors: tensors.into_iter().map(|tensor| tensor.4).collect(),
        })
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let length = u64::try_from(self.header.len()).unwrap_or(u64::MAX);
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&self.header)?;
        self.tensors
            .iter()
            .try_for_each(|bytes| out.write_all(bytes))
    }
}
