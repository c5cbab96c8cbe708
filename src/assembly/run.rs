use std::env;
use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Runtime};

use super::descriptors;
use super::error::AppError;
use super::sizing::Sizing;
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::shutdown::Drained;
use crate::telemetry::{flush_logs, install_panic_hook};

/// Settings were refused, or the review is below what they require (`EX_CONFIG` of sysexits).
const REFUSED: u8 = 78;

/// Whether [`run`] owns this process, so that its admin thread may end it.
static OWNS_PROCESS: AtomicBool = AtomicBool::new(false);

struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        flush_logs();
    }
}

pub(super) fn owns_process() -> bool {
    OWNS_PROCESS.load(Ordering::Relaxed)
}

/// Runs a service on a runtime of its own and tells by the exit code how it ended.
///
/// | code | meaning |
/// |---|---|
/// | 0 | drained whole |
/// | 1 | it could not start, as when an address is in use |
/// | 3 | something was cut at the drain's deadline, or a hook failed |
/// | 70 | the runtime was stalled and had to be ended |
/// | 78 | settings were refused (yours too: return an [`InvalidSetting`]), or the review is below what they require |
/// | 130, 143 | a second `SIGINT` or `SIGTERM` ended it |
///
/// The runtime has as many workers as the container has whole CPUs, but two at least; `TOKIO_WORKER_THREADS` in the
/// environment wins over that. Work that blocks a thread for ever does not hold the exit. The limit of open files is
/// raised to what the system allows. A panic hook records where something panicked, dumps the flight recorder to the log
/// (once in 60 s at the most) and calls the hook that was there before. From then on the [`App`](super::App) may end the process, at a second signal or
/// when the runtime hangs.
pub fn run<F, E>(service: F) -> ExitCode
where
    F: Future<Output = Result<Drained, E>>,
    E: Into<BoxError>,
{
    OWNS_PROCESS.store(true, Ordering::Relaxed);
    // Also when the service panics.
    let _last_lines = LastLines;
    install_panic_hook();
    descriptors::raise_limit();
    let result = match runtime() {
        Ok(runtime) => {
            let result: Result<Drained, BoxError> = runtime.block_on(service).map_err(Into::into);
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error),
    };
    ExitCode::from(match result {
        Ok(drained) => drained.exit_code(),
        Err(error) => {
            eprintln!("error: {error}");
            if is_refusal(&error) { REFUSED } else { 1 }
        }
    })
}

/// Returns whether nothing but other settings, or a better review, lets the service start.
fn is_refusal(error: &BoxError) -> bool {
    let of_the_app = matches!(
        error.downcast_ref(),
        Some(AppError::Settings(_) | AppError::NotReady(_))
    );
    of_the_app || error.is::<InvalidSettings>() || error.is::<InvalidSetting>()
}

fn runtime() -> Result<Runtime, BoxError> {
    let workers = match workers(env::var_os(WORKERS))? {
        Some(workers) => workers,
        None => Sizing::detect().worker_threads,
    };
    let mut builder = Builder::new_multi_thread();
    builder
        .enable_all()
        .thread_name("seaworthy-run")
        .worker_threads(workers);
    Ok(builder.build()?)
}

/// tokio's own variable, which it panics at if it says anything else than a number.
const WORKERS: &str = "TOKIO_WORKER_THREADS";
/// tokio takes 32,768 at the most.
const MOST_WORKERS: usize = 1024;

/// Reads how many workers somebody wants; an empty text is as good as none.
fn workers(said: Option<OsString>) -> Result<Option<usize>, InvalidSettings> {
    let Some(said) = said.filter(|said| !said.is_empty()) else {
        return Ok(None);
    };
    let number = said.to_str().and_then(|said| said.trim().parse().ok());
    let number = number.filter(|number| (1..=MOST_WORKERS).contains(number));
    number.map(Some).ok_or_else(|| {
        let allowed = format!("from 1 to {MOST_WORKERS}, or not set");
        let found = format!("a text of {} bytes", said.len());
        InvalidSettings::of(vec![InvalidSetting::new(WORKERS, found, allowed)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_programs_own_is_refused_as_those_of_the_assembly_are() {
        let wrong = InvalidSetting::new("DATABASE_URL", "not set", "a URL");
        assert!(is_refusal(&wrong.clone().into()));
        assert!(is_refusal(&InvalidSettings::of(vec![wrong.clone()]).into()));
        assert!(is_refusal(&AppError::from(InvalidSettings::of(vec![wrong])).into()));
        assert!(!is_refusal(&"the database is away".into()));
    }

    #[test]
    fn a_number_of_workers_is_taken_and_nonsense_is_refused() {
        for (said, expected) in [("1", Some(1)), (" 8 ", Some(8)), ("", None)] {
            assert_eq!(workers(Some(said.into())), Ok(expected), "{said:?}");
        }
        assert_eq!(workers(None), Ok(None));
        for said in ["0", "-1", "2.5", "many", "1025", " "] {
            let wrong = workers(Some(said.into())).unwrap_err().to_string();
            assert!(wrong.starts_with("`TOKIO_WORKER_THREADS` is a text of "), "{wrong}");
        }
    }
}
