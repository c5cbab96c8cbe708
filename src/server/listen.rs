use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address cannot be listened on.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListenError {
    /// The setting that holds the address.
    pub key: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, address, source } = self;
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => "another process listens there; stop it or choose another port",
            io::ErrorKind::PermissionDenied => "this user may not; choose a port above 1023",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "choose another address",
        };
        write!(f, "cannot listen on {address} (`{key}`): {source}: {advice}")
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// How many connections the system is asked to keep that nobody has accepted yet; it may keep fewer.
pub(super) const BACKLOG: u16 = 4096;

/// Binds without a runtime, so that the socket can go to whichever thread serves it.
pub(crate) fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        lengthen(&listener)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| ListenError { key, address, source })
}

/// Lets more connections wait than the 128 of the standard library: one more than there is room for is not refused, but
/// tries again after a second.
#[cfg(all(unix, not(seaworthy_portable)))]
fn lengthen(listener: &TcpListener) -> io::Result<()> {
    Ok(rustix::net::listen(listener, BACKLOG.into())?)
}

#[cfg(any(not(unix), seaworthy_portable))]
fn lengthen(_: &TcpListener) -> io::Result<()> {
    Ok(())
}
