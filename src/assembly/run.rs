use std::env;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Runtime};

use super::descriptors;
use super::error::AppError;
use super::sizing::Sizing;
use crate::base::error::{BoxError, InvalidSettings};
use crate::shutdown::Drained;
use crate::telemetry::flush_logs;

/// Settings were refused (`EX_CONFIG` of sysexits).
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
/// | 78 | settings were refused |
/// | 130, 143 | a second `SIGINT` or `SIGTERM` ended it |
///
/// The runtime has as many workers as the container has whole CPUs, but two at least; `TOKIO_WORKER_THREADS` in the
/// environment wins over that. Work that blocks a thread for ever does not hold the exit. The limit of open files is
/// raised to what the system allows. From then on the [`App`](super::App) may end the process, at a second signal or
/// when the runtime hangs.
pub fn run<F, E>(service: F) -> ExitCode
where
    F: Future<Output = Result<Drained, E>>,
    E: Into<BoxError>,
{
    OWNS_PROCESS.store(true, Ordering::Relaxed);
    // Also when the service panics.
    let _last_lines = LastLines;
    descriptors::raise_limit();
    let result = match runtime() {
        Ok(runtime) => {
            let result = runtime.block_on(service).map_err(Into::into);
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    ExitCode::from(match result {
        Ok(drained) => drained.exit_code(),
        Err(error) => {
            eprintln!("error: {error}");
            let refused = matches!(error.downcast_ref(), Some(AppError::Settings(_))) || error.is::<InvalidSettings>();
            if refused { REFUSED } else { 1 }
        }
    })
}

fn runtime() -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_name("seaworthy-run");
    // tokio's own variable, which it reads unless it is told a number.
    if env::var_os("TOKIO_WORKER_THREADS").is_none() {
        builder.worker_threads(Sizing::detect().worker_threads);
    }
    builder.build()
}
