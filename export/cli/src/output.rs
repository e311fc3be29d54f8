//! Where output goes: results to standard output, files by way of temporary ones, progress to
//! standard error.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempPath;

use crate::failure::WithHint as _;

/// Writes a result to standard output. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes a message to standard error.
pub(crate) fn message(text: &str) {
    // There is nowhere to complain if standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A file that is written beside its final place and appears there when it is complete.
#[derive(Debug)]
pub(crate) struct Staged {
    temporary: TempPath,
    path: PathBuf,
}

impl Staged {
    /// Prepares a file; fails early if nothing can be written at its place.
    pub(crate) fn new(path: &Path) -> anyhow::Result<Self> {
        let describe = || format!("cannot write {}", path.display());
        // What is no file, such as a folder or a device, must not be replaced by one.
        if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
            let kind = if path.is_dir() {
                "a folder"
            } else {
                "no regular file"
            };
            return Err(anyhow!("it is {kind}"))
                .with_context(describe)
                .hint("give the name of a file");
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(".kiln-")
            .suffix(path.extension().unwrap_or(OsStr::new("tmp")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any new file: what the umask leaves of it.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|error| plain(&error))
            .with_context(describe)
            .hint("the folder must exist and be writable")?;
        Ok(Self {
            temporary: file.into_temp_path(),
            path: path.to_owned(),
        })
    }

    /// Where to write.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Puts the complete file in its place and gives its size in bytes.
    pub(crate) fn commit(self) -> anyhow::Result<u64> {
        let describe = || format!("cannot write {}", self.path.display());
        let size = fs::metadata(&self.temporary).with_context(describe)?.len();
        self.temporary
            .persist(&self.path)
            .map_err(|error| error.error)
            .with_context(describe)?;
        Ok(size)
    }
}

/// The error of the operating system, without the temporary file's name.
fn plain(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::from(error.kind()),
    }
}

/// A spinner on standard error while something takes long; nothing where that is no terminal.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    /// Starts to turn.
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner();
        if !bar.is_hidden() {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(what.into());
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
