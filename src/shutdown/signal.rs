//! The operating system's requests to end.

use std::io;

use super::phase::Cause;

/// Listens for the signals that ask a process to end.
///
/// From then on they no longer end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals(platform::Signals);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        platform::Signals::listen().map(Self)
    }

    /// Waits for the next signal; dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Cause {
        self.0.next().await
    }
}

#[cfg(all(unix, not(seaworthy_portable)))]
mod platform {
    use std::future::pending;
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Cause;

    #[derive(Debug)]
    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }

        pub(super) async fn next(&mut self) -> Cause {
            tokio::select! {
                Some(()) = self.terminate.recv() => Cause::Terminate,
                Some(()) = self.interrupt.recv() => Cause::Interrupt,
                else => pending().await,
            }
        }
    }
}

#[cfg(any(not(unix), seaworthy_portable))]
mod platform {
    use std::future::pending;
    use std::io;

    use super::Cause;

    #[derive(Debug)]
    pub(super) struct Signals;

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> Cause {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Cause::Interrupt,
                Err(_) => pending().await,
            }
        }
    }
}
