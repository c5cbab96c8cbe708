/// Raises the number of files and sockets that this process may open to what the system allows.
///
/// The usual soft limit of 1,024 is for programs that use `select`; a server would meet it long before its own limit of
/// connections. Where there is no such limit, or it cannot be raised, everything stays as it is.
#[cfg(all(unix, not(seaworthy_portable)))]
pub(super) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

#[cfg(any(not(unix), seaworthy_portable))]
pub(super) fn raise_limit() {}
