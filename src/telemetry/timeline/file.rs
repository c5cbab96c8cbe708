use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::park_timeout;
use std::time::Duration;

use serde_json::Value;

use super::entry::Entry;
use super::render;

/// How long a file gets before it becomes `<file>.1`; so there are never more than twice as many bytes.
const LONGEST: u64 = 1 << 20;

/// The longest wait for whoever wrote there before to let go of it, in hundredths of a second.
const PATIENCE: u32 = 20;

/// The file of lines, which is opened again when it has gone.
#[derive(Debug)]
pub(crate) struct TimelineFile {
    path: PathBuf,
    file: Option<File>,
    id: FileId,
    len: u64,
    header: Value,
    /// Whether the first line of this run has been written.
    has_begun: bool,
}

impl TimelineFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    ///
    /// When that cannot be, when it is there and no ordinary file, or when another one writes there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut output = Self {
            path: path.to_owned(),
            file: None,
            id: FileId::default(),
            len: 0,
            header: Value::Null,
            has_begun: false,
        };
        output.reopen()?;
        Ok(output)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn with_header(mut self, header: Value) -> Self {
        self.header = header;
        self
    }

    /// Writes entries, each on a line; if one cannot be, returns how many before it were.
    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<u64, (u64, io::Error)> {
        let mut done = 0;
        let mut write = || {
            self.begin()?;
            for entry in entries {
                self.line(&format!("{}\n", render::object(entry)))?;
                done += 1;
            }
            Ok(())
        };
        let written: io::Result<()> = write();
        match written {
            Ok(()) => Ok(done),
            Err(error) => {
                // The next time it is opened again, at the beginning of a line.
                self.file = None;
                Err((done, error))
            }
        }
    }

    /// Opens the file again if it has gone or another one is in its place, and begins it with who writes there.
    fn begin(&mut self) -> io::Result<()> {
        if self.file.is_none() || fs::metadata(&self.path).map_or(true, |found| id(&found) != self.id) {
            self.reopen()?;
        }
        if self.has_begun && self.len > 0 {
            return Ok(());
        }
        let mut header = self.header.clone();
        header["goes_on"] = self.has_begun.into();
        self.put(&format!("{header}\n"))?;
        self.has_begun = true;
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        if self.len + line.len() as u64 > LONGEST {
            self.rotate()?;
            self.begin()?;
        }
        self.put(line)
    }

    fn put(&mut self, line: &str) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::ErrorKind::NotFound.into());
        };
        file.write_all(line.as_bytes())?;
        self.len += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut older: OsString = self.path.clone().into();
        older.push(".1");
        fs::rename(&self.path, older)?;
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = None;
        // To open a pipe would wait for whoever reads it, and a device cannot be renamed.
        if fs::metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is no ordinary file"));
        }
        let options = OpenOptions::new().read(true).create(true).append(true).clone();
        let mut file = options.open(&self.path)?;
        take(&file)?;
        let metadata = file.metadata()?;
        (self.id, self.len) = (id(&metadata), metadata.len());
        // A line that was not written whole must not swallow the next one.
        if self.len > 0 && last_byte(&mut file)? != b'\n' {
            file.write_all(b"\n")?;
            self.len += 1;
        }
        self.file = Some(file);
        Ok(())
    }
}

/// What tells a file from another one that has its path: the device, and its number there.
type FileId = (u64, u64);

#[cfg(unix)]
fn id(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;

    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn id(_: &Metadata) -> FileId {
    FileId::default()
}

/// Keeps others from writing there, where that can be.
fn take(file: &File) -> io::Result<()> {
    // Elsewhere it would keep others from reading too.
    if !cfg!(unix) {
        return Ok(());
    }
    for _ in 0..PATIENCE {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => park_timeout(Duration::from_millis(10)),
            // On some network file systems there are no locks.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(io::Error::other("another service writes there"))
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0])
}
