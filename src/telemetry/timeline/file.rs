use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::recorder::{copy, lock};
use super::ring::Ring;
use super::{entry::Entry, render};
use crate::telemetry::names;

/// How often the thread looks for what is new, and so the most of its last time that a killed process loses.
const PERIOD: Duration = Duration::from_millis(50);

/// How long a file gets before it becomes `<file>.1`; so there are never more than twice as many bytes.
const LONGEST: u64 = 1 << 20;

/// Writes entries to a file on a thread of its own, which ends when this is dropped.
pub(super) struct FileWriter {
    path: String,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Before which number everything has been written, or never will be.
    seen: u64,
    unwritten: u64,
    failing: bool,
    /// Whether somebody waits.
    asked: bool,
    ending: bool,
}

/// What the inventory says of the file.
pub(super) struct Status {
    pub(super) path: String,
    pub(super) state: &'static str,
    pub(super) unwritten: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            path: "none".to_owned(),
            state: "in_memory",
            unwritten: 0,
        }
    }
}

impl FileWriter {
    pub(super) fn spawn(output: Output, ring: Arc<Mutex<Ring>>) -> io::Result<Self> {
        let path = output.path.display().to_string();
        let progress = Arc::<Progress>::default();
        let work = Work {
            output,
            ring,
            progress: Arc::clone(&progress),
            has_told: false,
        };
        thread::Builder::new()
            .name("seaworthy-recorder".to_owned())
            .spawn(|| work.run())?;
        Ok(Self { path, progress })
    }

    /// Waits until the thread has seen so many entries, but no longer than `limit`; returns whether it has.
    pub(super) fn flush(&self, limit: Duration, recorded: u64) -> bool {
        let mut state = lock(&self.progress.state);
        state.asked = true;
        self.progress.changed.notify_all();
        let is_behind = |state: &mut State| state.seen < recorded;
        let waited = self.progress.changed.wait_timeout_while(state, limit, is_behind);
        waited.is_ok_and(|(_, timed_out)| !timed_out.timed_out())
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.progress.state);
        Status {
            path: self.path.clone(),
            state: if state.failing { "failing" } else { "writing" },
            unwritten: state.unwritten,
        }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        lock(&self.progress.state).ending = true;
        self.progress.changed.notify_all();
    }
}

struct Work {
    output: Output,
    ring: Arc<Mutex<Ring>>,
    progress: Arc<Progress>,
    /// Whether the log has been told that something cannot be written.
    has_told: bool,
}

impl Work {
    fn run(mut self) {
        while !self.wait() {
            self.write();
        }
        self.write();
    }

    /// Waits until it is time for a look; returns whether it is the last one.
    fn wait(&self) -> bool {
        let Progress { state, changed } = &*self.progress;
        let is_idle = |state: &mut State| !state.asked && !state.ending;
        let waited = changed.wait_timeout_while(lock(state), PERIOD, is_idle);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.asked = false;
        state.ending
    }

    fn write(&mut self) {
        let mut next = lock(&self.progress.state).seen;
        let mut entries = Vec::new();
        while let Some(last) = copy(&self.ring, next, u64::MAX, &mut entries) {
            let written = self.output.write(&entries);
            let done = *written.as_ref().unwrap_or_else(|(written, _)| written);
            let mut state = lock(&self.progress.state);
            // Those that were overwritten before their turn too.
            state.unwritten += last + 1 - next - done;
            state.failing = written.is_err();
            state.seen = last + 1;
            drop(state);
            self.progress.changed.notify_all();
            if let Err((_, error)) = written {
                self.tell(&error);
            }
            next = last + 1;
            entries.clear();
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if !self.has_told {
            self.has_told = true;
            // Whoever takes the log is the user's code; it must not end this thread.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                tracing::error!(
                    target: names::LOG,
                    %error,
                    "`recorder.file` cannot be written: make room, or give the path back; this is said once"
                );
            }));
        }
    }
}

/// The file of lines, which is opened again when it has gone.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: Option<File>,
    len: u64,
    header: Value,
    /// Whether the first line of this run has been written.
    has_begun: bool,
}

impl Output {
    /// Opens or makes the file.
    ///
    /// # Errors
    ///
    /// When that cannot be, or when it is there and no ordinary file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut output = Self {
            path: path.to_owned(),
            file: None,
            len: 0,
            header: Value::Null,
            has_begun: false,
        };
        output.reopen()?;
        Ok(output)
    }

    pub(super) fn with_header(mut self, header: Value) -> Self {
        self.header = header;
        self
    }

    /// Writes entries, each on a line; if one cannot be, returns how many before it were.
    fn write(&mut self, entries: &[Entry]) -> Result<u64, (u64, io::Error)> {
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

    /// Opens the file again if it has gone, and begins it with who writes there.
    fn begin(&mut self) -> io::Result<()> {
        if self.file.is_none() || !self.path.try_exists()? {
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
        self.len = file.metadata()?.len();
        // A line that was not written whole must not swallow the next one.
        if self.len > 0 && last_byte(&mut file)? != b'\n' {
            file.write_all(b"\n")?;
            self.len += 1;
        }
        self.file = Some(file);
        Ok(())
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0])
}
