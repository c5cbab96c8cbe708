//! The file itself: what is written, and how it is whole again after a kill at any byte.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::DeadLetter;
use super::record;

pub(super) struct Journal {
    path: PathBuf,
    /// Of a file of its own, because a replay puts another one in the place of the letters.
    _lock: File,
    file: File,
    most_bytes: u64,
    letters: u64,
    /// To the end of the last whole letter.
    bytes: u64,
    /// Whether there may be something after that.
    is_torn: bool,
    /// Whether the folder may still have another file there after a loss of power.
    is_elsewhere: bool,
}

impl Journal {
    pub(super) fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        make(path)?;
        // So that a replay puts its file in the place of this one, and not of a link to it.
        let path = fs::canonicalize(path)?;
        let lock = lock_out_others(&path)?;
        // Again, as whoever had it until now may have put another one there.
        let mut file = make(&path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let (letters, bytes) = whole_letters(&text).map_err(|error| named(&path, error))?;
        let mut journal = Self {
            _lock: lock,
            file,
            most_bytes,
            letters,
            bytes,
            is_torn: true,
            is_elsewhere: true,
            path,
        };
        journal.mend()?;
        Ok(journal)
    }

    pub(super) fn letters(&self) -> u64 {
        self.letters
    }

    pub(super) fn append(&mut self, letter: &DeadLetter) -> io::Result<()> {
        let line = record::write(letter);
        let bytes = self.bytes + line.len() as u64;
        if bytes > self.most_bytes {
            let (path, now, most) = (self.path.display(), self.bytes, self.most_bytes);
            let full = format!(
                "{path} is full: {now} of {most} bytes, and the letter has {}",
                line.len()
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, full));
        }
        self.mend()?;
        self.is_torn = true;
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        self.is_torn = false;
        self.bytes = bytes;
        self.letters += 1;
        Ok(())
    }

    /// Cuts off what was not written whole, as it must not stand before the next letter; makes sure that the file is where it
    /// will be looked for.
    fn mend(&mut self) -> io::Result<()> {
        if self.is_elsewhere {
            sync_folder(&self.path)?;
            self.is_elsewhere = false;
        }
        if self.is_torn {
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            self.file.sync_all()?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Reads all letters but the first so many.
    pub(super) fn read(&self, but: usize) -> io::Result<Vec<DeadLetter>> {
        let text = self.text()?;
        let letters = lines(&text).skip(but).map(record::read).collect::<Result<_, _>>();
        letters.map_err(|error| named(&self.path, error.to_string()))
    }

    /// Keeps the first so many letters, those of the next that are to be kept, and all after them.
    pub(super) fn retain(&mut self, first: usize, keep: &[bool]) -> io::Result<()> {
        let text = self.text()?;
        let is_kept = |index: usize| index.checked_sub(first).and_then(|index| keep.get(index)) != Some(&false);
        let kept = lines(&text).enumerate().filter(|(index, _)| is_kept(*index));
        let kept: Vec<&[u8]> = kept.map(|(_, line)| line).collect();
        let beside = beside(&self.path, ".new");
        let mut file = make(&beside)?;
        file.set_len(0)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        for line in &kept {
            file.write_all(line)?;
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        // From here on letters go into the new one, whatever becomes of its folder.
        self.file = file;
        self.letters = kept.len() as u64;
        self.bytes = kept.iter().map(|line| line.len() as u64 + 1).sum();
        self.is_torn = false;
        self.is_elsewhere = true;
        self.mend()
    }

    /// Reads what was written whole.
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(&self.path)?.take(self.bytes).read_to_end(&mut text)?;
        Ok(text)
    }
}

/// Splits into lines, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
}

/// Counts the whole letters, and returns where they end; what is after them was torn.
fn whole_letters(text: &[u8]) -> Result<(u64, u64), String> {
    let (mut letters, mut whole, mut torn) = (0, 0, None);
    let mut from = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        from += line.len();
        let letter = line.strip_suffix(b"\n").map(record::read);
        match (letter, torn) {
            (Some(Ok(_)), None) => {
                letters += 1;
                whole = from as u64;
            }
            (Some(Ok(_)), Some(line)) => return Err(format!("line {line} is no dead letter, and others follow it")),
            _ if record::may_be_torn(line) => torn = torn.or(Some(number + 1)),
            _ => return Err(format!("line {} is no dead letter", number + 1)),
        }
    }
    Ok((letters, whole))
}

fn named(path: &Path, error: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
}

/// Keeps all other processes out, as long as the file is open that this returns.
fn lock_out_others(path: &Path) -> io::Result<File> {
    let file = make(&beside(path, ".lock"))?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            let used = format!("{} is used by another process or handle", path.display());
            io::Error::new(io::ErrorKind::ResourceBusy, used)
        }
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

/// Opens a file, or makes it for its owner alone, and leaves what is in it.
fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true).create(true).truncate(false).open(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Makes sure that the file is there after the machine has lost its power.
fn sync_folder(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|_| cfg!(unix)) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_write_has_left_does_not_stand_before_the_next_letter() {
        let path = std::env::temp_dir().join(format!("seaworthy-journal-{}.jsonl", std::process::id()));
        let _ = fs::remove_file(&path);
        let letter = |payload: &str| DeadLetter::new("invoices", "no", payload);
        let mut journal = Journal::open(&path, 1 << 20).unwrap();
        journal.append(&letter("1")).unwrap();
        // As `append` leaves it when the disk fails in the middle of a line.
        journal.file.write_all(br#"{"at":"2026-"#).unwrap();
        journal.is_torn = true;
        assert_eq!(journal.read(0).unwrap().len(), 1, "it was not acknowledged");
        journal.append(&letter("2")).unwrap();
        let payloads = |letters: Vec<DeadLetter>| letters.into_iter().map(|letter| letter.payload).collect::<Vec<_>>();
        assert_eq!(payloads(journal.read(0).unwrap()), ["1", "2"]);
        drop(journal);
        assert_eq!(
            payloads(Journal::open(&path, 1 << 20).unwrap().read(0).unwrap()),
            ["1", "2"]
        );
        fs::remove_file(&path).unwrap();
        fs::remove_file(beside(&path, ".lock")).unwrap();
    }
}
