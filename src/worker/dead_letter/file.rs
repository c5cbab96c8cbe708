use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;

use super::journal::Journal;
use super::{DeadLetter, DeadLetters, Stored};
use crate::base::clock::Clock;
use crate::base::error::BoxError;

/// How long a replay goes on before it takes out what was done.
const TAKEN_OUT_EVERY: Duration = Duration::from_secs(1);

/// Keeps dead letters in a file of JSON lines, which survives a `kill -9`.
///
/// A letter is stored once it is written and synchronised. What a kill has torn is cut off when the file is opened again.
/// A cheap handle; `<path>.lock` beside the file keeps all other processes out. On Unix nobody but the owner may read it
/// unless somebody says otherwise.
///
/// # Examples
///
/// ```
/// use seaworthy::worker::{DeadLetterFile, Worker};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let path = std::env::temp_dir().join(format!("seaworthy-doc-{}.jsonl", std::process::id()));
/// let dead = DeadLetterFile::open(&path, 16 << 20).unwrap();
/// let worker = Worker::builder("invoices").dead_letters(dead.clone()).build().unwrap();
///
/// for letter in dead.list().await.unwrap() {
///     println!("{} after {} attempts: {}", letter.payload, letter.attempts, letter.reason);
/// }
/// let replayed = dead.replay(|letter| send_again(letter.payload)).await.unwrap();
/// assert_eq!((replayed.done, replayed.left), (0, 0));
/// # std::fs::remove_file(path).unwrap();
/// # }
/// # async fn send_again(_: String) -> Result<(), std::io::Error> { Ok(()) }
/// ```
#[derive(Clone)]
pub struct DeadLetterFile {
    path: Arc<PathBuf>,
    journal: Arc<Mutex<Journal>>,
    /// How many letters there are.
    letters: Arc<AtomicU64>,
    /// Held during a replay.
    turn: Arc<Mutex<()>>,
}

/// What a replay has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// How many letters were done, and are no longer there.
    pub done: u64,
    /// How many are left.
    pub left: u64,
}

impl DeadLetterFile {
    /// Opens the file, or makes it; it never becomes longer than `most_bytes`.
    ///
    /// A letter that does not fit is not stored, and its job goes back to its source: replay, or allow for more. One that
    /// is longer than the whole file never fits.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is used by another process, or has anything that is neither a dead letter nor the
    /// torn end of one: nothing is thrown away.
    pub fn open(path: impl Into<PathBuf>, most_bytes: u64) -> io::Result<Self> {
        let path = path.into();
        let journal = Journal::open(&path, most_bytes)?;
        Ok(Self {
            path: Arc::new(path),
            letters: Arc::new(AtomicU64::new(journal.letters())),
            journal: Arc::new(Mutex::new(journal)),
            turn: Arc::default(),
        })
    }

    /// Lists all letters, the oldest first.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, BoxError> {
        self.with(|journal| journal.read(0)).await
    }

    /// Gives each letter to `again`, the oldest first, and takes those out for which that returns `Ok`.
    ///
    /// Letters that come in meanwhile are left for the next time. Two replays wait for each other.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written. What was done is done, and may be there still.
    ///
    /// # Cancellation
    ///
    /// What was done is taken out each second; what was done in the last one is done again the next time: whoever does it
    /// must be able to do it twice.
    pub async fn replay<F, Fut, E>(&self, mut again: F) -> Result<Replayed, BoxError>
    where
        F: FnMut(DeadLetter) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let turn = Arc::new(turn);
        let clock = Clock::default();
        let mut letters = self.list().await?.into_iter();
        let (mut done, mut kept) = (0, 0);
        while letters.len() > 0 {
            let begun = clock.now();
            let mut keep = Vec::new();
            while clock.now().saturating_duration_since(begun) < TAKEN_OUT_EVERY
                && let Some(letter) = letters.next()
            {
                keep.push(again(letter).await.is_err());
            }
            let of_these = keep.iter().filter(|kept| **kept).count();
            done += (keep.len() - of_these) as u64;
            let held = Arc::clone(&turn);
            self.with(move |journal| {
                // Nobody else replays before this is written, though this replay may have been given up.
                let _held = held;
                journal.retain(kept, &keep)
            })
            .await?;
            kept += of_these;
        }
        Ok(Replayed {
            done,
            left: self.letters(),
        })
    }

    /// Returns how many letters there are.
    pub fn letters(&self) -> u64 {
        self.letters.load(Ordering::Relaxed)
    }

    /// Works with the file where that may block, when nobody else does.
    ///
    /// Whoever is dropped while it waits leaves nothing behind that would still be done.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BoxError> {
        let mut journal: OwnedMutexGuard<Journal> = Arc::clone(&self.journal).lock_owned().await;
        let letters = Arc::clone(&self.letters);
        let worked = spawn_blocking(move || {
            let worked = work(&mut journal);
            letters.store(journal.letters(), Ordering::Relaxed);
            worked
        });
        Ok(worked.await??)
    }
}

impl DeadLetters for DeadLetterFile {
    fn store(&self, letter: DeadLetter) -> Stored<'_> {
        Box::pin(self.with(move |journal| journal.append(&letter)))
    }

    fn count(&self) -> Option<u64> {
        Some(self.letters())
    }
}

impl fmt::Debug for DeadLetterFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
