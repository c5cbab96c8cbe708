use std::fmt::{self, Display, Write};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::config::{CheckConfig, ComponentType};

/// The most bytes of a check's error that are kept.
const LONGEST_DETAIL: usize = 512;

type RunFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Starts one run of a check.
pub(super) type Job = Box<dyn FnMut() -> RunFuture + Send>;

/// Asks a dependency whether it works; [`Health::check`](super::Health::check) runs it on its own schedule.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::health::{Check, Health};
///
/// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
/// let health = Health::new();
/// health.check(Check::new("payments", ping).interval(Duration::from_secs(5))).unwrap();
///
/// let slow = Check::new("ledger", ping).timeout(Duration::from_secs(20));
/// let error = health.check(slow).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`check.ledger.timeout` is 20s; it must be at most `interval` (10s), because a run has to end before the next \
///      one starts",
/// );
/// ```
#[must_use = "a check runs once it is given to `Health::check`"]
pub struct Check {
    pub(super) name: String,
    pub(super) config: CheckConfig,
    pub(super) job: Job,
}

impl Check {
    /// Makes a critical check with the default settings.
    ///
    /// `run` is called for each run; the dependency is up if its future returns `Ok`. The error's text is for events
    /// alone, cut to 512 bytes; no probe shows it.
    ///
    /// # Cancellation
    ///
    /// A run that takes longer than its timeout is dropped, and so is one during which the health is stopped. A run
    /// that blocks its thread cannot be dropped; it counts as hung after twice its timeout.
    pub fn new<F, Fut, E>(name: impl Into<String>, mut run: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let job: Job = Box::new(move || {
            let run = run();
            Box::pin(async move { run.await.map_err(|error| detail(&error)) })
        });
        Self {
            name: name.into(),
            config: CheckConfig::default(),
            job,
        }
    }

    /// The service is unready unless this is up; the default.
    pub fn critical(mut self) -> Self {
        self.config.critical = true;
        self
    }

    /// The service does without it: it never makes it unready, and shows as `warn` in `/healthz`.
    pub fn optional(mut self) -> Self {
        self.config.critical = false;
        self
    }

    /// While nothing is known of a critical dependency the service is ready, and `/healthz` says `warn`.
    ///
    /// A dependency that answers that it is down makes the service unready all the same.
    pub fn fail_open(mut self) -> Self {
        self.config.fail_open = true;
        self
    }

    /// The shortest time from the start of one run to the next, from 10 ms to 24 h. Default 10 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.config.interval = interval;
        self
    }

    /// The longest that one run may take, from 1 ms to the interval. Default 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// How many runs in a row must fail before it counts as failing, from 1 to 1000. Default 1.
    pub fn failing_after(mut self, runs: u32) -> Self {
        self.config.failing_after = runs;
        self
    }

    /// How many runs in a row must succeed before it counts as up again, from 1 to 1000. Default 1.
    pub fn recovering_after(mut self, runs: u32) -> Self {
        self.config.recovering_after = runs;
        self
    }

    /// After how many missed runs nothing is known any more, from 1 to 1000. Default 3.
    pub fn stale_after(mut self, missed: u32) -> Self {
        self.config.stale_after = missed;
        self
    }

    /// What it is, for `/healthz`. Default [`ComponentType::Component`].
    pub fn component_type(mut self, component_type: ComponentType) -> Self {
        self.config.component_type = component_type;
        self
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Writes at most [`LONGEST_DETAIL`] bytes of a text, however long it is.
pub(super) fn detail(text: &dyn Display) -> String {
    struct Short(String);
    impl Write for Short {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            let room = LONGEST_DETAIL - self.0.len();
            let fits = |end: &usize| piece.is_char_boundary(*end);
            let end = (0..=room.min(piece.len())).rev().find(fits).unwrap_or(0);
            self.0.push_str(&piece[..end]);
            if end < piece.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut short = Short(String::new());
    // The error says that the text was cut, and is not one.
    let _ = write!(short, "{text}");
    short.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_at_a_whole_character() {
        assert_eq!(detail(&"short"), "short");
        assert_eq!(detail(&"x".repeat(512)).len(), 512);
        assert_eq!(detail(&format!("x{}", "é".repeat(400))).len(), 511);
        assert_eq!(detail(&format_args!("{}{}", "x".repeat(511), "éé")).len(), 511);
    }
}
