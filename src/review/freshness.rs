use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::HeaderName;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::day::when;
use super::measurement::Probe;
use crate::base::error::BoxError;

/// How far ahead another machine's clock may be.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Measures how old something is: the last backup, the last restore drill, the last run of a retention job.
///
/// It is measured in the background, every minute, within 5 s, and shows in `/healthz` as `warn` when it is too old; the
/// service stays ready.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use seaworthy::App;
/// use seaworthy::review::{Freshness, Kind};
///
/// # async fn last_drill() -> Result<SystemTime, std::io::Error> { Ok(SystemTime::now()) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let a_quarter = Duration::from_secs(90 * 24 * 60 * 60);
/// let app = App::builder("orders")
///     .freshness(Freshness::new("drill", a_quarter, last_drill).of_item("restore-drill"))
///     .build()
///     .unwrap();
/// app.measure().await;
/// assert_eq!(app.review().item("restore-drill").unwrap().kind, Kind::Measured);
/// # }
/// ```
#[must_use = "it is measured once it is given to `AppBuilder::freshness`"]
pub struct Freshness {
    name: String,
    item: String,
    at_most: Duration,
    age: Box<dyn Fn() -> super::measurement::Found + Send + Sync>,
}

impl Freshness {
    /// Asks when it was last done; `at_most` ago is still fresh, as a backup is within the recovery point objective.
    ///
    /// `last` is called for each measurement, and its future dropped after 5 s; a panic in it is an error. The text of its
    /// error stands in the review: it must not hold a secret.
    pub fn new<F, Fut, E>(name: impl Into<String>, at_most: Duration, last: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<SystemTime, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            name: name.into(),
            item: "backups".into(),
            at_most,
            age: Box::new(move || {
                let last = last();
                Box::pin(async {
                    let time = last.await.map_err(|error| error.into().to_string())?;
                    let since = time.duration_since(UNIX_EPOCH);
                    since
                        .map(|since| since.as_secs())
                        .map_err(|_| "it is older than 1970".to_owned())
                })
            }),
        }
    }

    /// Looks at when a file was last written; one that is empty is none.
    pub fn file(name: impl Into<String>, at_most: Duration, path: impl Into<PathBuf>) -> Self {
        let (path, turn) = (path.into(), Arc::new(Semaphore::new(1)));
        Self::new(name, at_most, move || {
            let path = path.clone();
            // Of a disk that hangs, no more than one thread waits.
            let turn = Arc::clone(&turn).try_acquire_owned();
            async move {
                let turn = turn.map_err(|_| "the last look at it has not come back")?;
                let look = spawn_blocking(move || {
                    let _turn = turn;
                    last_written(&path)
                });
                look.await.map_err(BoxError::from)?
            }
        })
    }

    /// Says which item it answers to: `backups`, which is the default, `restore-drill`, `data-retention`, or one of your own.
    pub fn of_item(mut self, id: impl Into<String>) -> Self {
        self.item = id.into();
        self
    }

    pub(crate) fn probe(self) -> Probe {
        let at_most = self.at_most;
        Probe::new(
            self.item,
            self.name,
            self.age,
            move |last, now| judge(last, now, at_most),
            Vec::new(),
        )
    }
}

/// An empty file is what is left of a backup that failed.
fn last_written(path: &Path) -> Result<SystemTime, BoxError> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Err("it is empty, or no file".into());
    }
    Ok(metadata.modified()?)
}

fn judge(last: u64, now: Duration, at_most: Duration) -> Result<String, String> {
    let (last, now) = (Duration::from_secs(last), Duration::from_secs(now.as_secs()));
    let (seen, allowed) = (when(last), humantime::format_duration(at_most));
    if last > now.saturating_add(SKEW) {
        return Err(format!("last done at {seen}, which is still to come: a clock is wrong"));
    }
    let age = now.saturating_sub(last);
    let found = format!("last done at {seen}, {} ago", humantime::format_duration(age));
    if age > at_most {
        return Err(format!("{found}; it must be at most {allowed}"));
    }
    Ok(format!("{found}; at most {allowed}"))
}

impl fmt::Debug for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Freshness")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Reads a date from a response's header, such as `Last-Modified`, for a [`Freshness`].
///
/// # Errors
///
/// When the header is not there, or is no date (RFC 9110, section 5.6.7).
pub fn http_date(headers: &HeaderMap, name: HeaderName) -> Result<SystemTime, BoxError> {
    let value = headers
        .get(&name)
        .ok_or_else(|| format!("there is no header `{name}`"))?;
    let date = value
        .to_str()
        .ok()
        .and_then(|text| httpdate::parse_http_date(text).ok());
    date.ok_or_else(|| format!("the header `{name}` is no date").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fresh_to_the_second_and_not_when_it_is_still_to_come() {
        let now = Duration::from_secs(1_000_000);
        let judged = |last, at_most| judge(last, now, Duration::from_secs(at_most));
        assert!(judged(999_000, 1_000).is_ok());
        assert!(judged(998_999, 1_000).is_err());
        assert!(judged(1_000_300, 1_000).is_ok());
        assert!(judged(1_000_301, 1_000).unwrap_err().contains("a clock is wrong"));
        assert!(judged(u64::MAX, 1_000).is_err());
        assert!(judged(0, u64::MAX).is_ok());
    }
}
