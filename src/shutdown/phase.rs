use std::time::Duration;

/// Where a shutdown stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing has been asked for.
    #[default]
    Running,
    /// Unready, but still accepting.
    Holding,
    /// Not accepting; what is in flight may finish.
    Draining,
    /// Nothing is in flight; hooks run.
    Hooks,
    /// Over.
    Stopped,
}

impl Phase {
    /// Returns the phase as one word, for labels and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Holding => "holding",
            Self::Draining => "draining",
            Self::Hooks => "hooks",
            Self::Stopped => "stopped",
        }
    }
}

/// What asked for a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// `SIGTERM`, or the platform's like.
    Terminate,
    /// `SIGINT`: somebody at a terminal, who is not made to wait for the hold.
    Interrupt,
    /// The program itself.
    Requested,
}

impl Cause {
    /// Returns the cause as one word, for labels and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Requested => "request",
        }
    }

    /// Returns the exit code of a process that this cause ended at once: 128 + the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
            Self::Requested => Drained::CUT,
        }
    }
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests that were still in flight at the deadline.
    pub requests_cut: usize,
    /// Connections that were still open at the deadline.
    pub connections_cut: usize,
    /// Background tasks that still ran at the deadline.
    pub tasks_cut: usize,
    /// Hooks that failed, panicked, did not end within their time, or never began.
    pub hooks_failed: usize,
    /// The runtime did not run the hooks at all.
    pub stalled: bool,
    /// A second signal ended the shutdown early.
    pub interrupted: Option<Cause>,
    /// From the request to shut down to the end of the last hook.
    pub took: Duration,
}

impl Drained {
    /// The exit code when something was cut.
    pub const CUT: u8 = 3;
    /// The exit code when the runtime was stalled (`EX_SOFTWARE` of sysexits).
    pub const STALLED: u8 = 70;

    /// Returns whether everything ended by itself.
    pub fn is_whole(&self) -> bool {
        self.exit_code() == 0
    }

    /// Returns the exit code that tells how it went: 0, 3, 70, 130 or 143.
    pub fn exit_code(&self) -> u8 {
        let cut = self.requests_cut + self.connections_cut + self.tasks_cut + self.hooks_failed;
        match self.interrupted {
            Some(cause) => cause.exit_code(),
            None if self.stalled => Self::STALLED,
            None if cut > 0 => Self::CUT,
            None => 0,
        }
    }
}
