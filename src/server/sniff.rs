use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::config::ServerConfig;
use super::engine::{Cause, LINGER};
use super::io::Prefix;
use crate::base::clock::sleep;
use crate::shutdown::Draining;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Why a connection ended before it was known what it speaks.
#[derive(Debug)]
pub(super) enum Ended {
    ByUs(Cause),
    ByThePeer(io::Error),
}

/// Reads until it is known which protocol is spoken, at most until one of the deadlines.
pub(super) async fn sniff(
    stream: &mut (impl AsyncRead + Unpin),
    limits: &ServerConfig,
    draining: &Draining,
) -> Result<(Protocol, Prefix), Ended> {
    let mut prefix = Prefix::default();
    let deadlines = async {
        sleep(limits.first_byte_timeout).await;
        Cause::FirstByte
    };
    within(read(stream, &mut prefix, 1), deadlines, draining).await?;
    let deadlines = async {
        sleep(limits.preface_timeout).await;
        Cause::Preface
    };
    let rest = async {
        while prefix.is_preface_so_far() && prefix.length < PREFACE.len() {
            let more = prefix.length + 1;
            read(stream, &mut prefix, more).await?;
        }
        Ok(())
    };
    within(rest, deadlines, draining).await?;
    Ok((
        if prefix.is_preface_so_far() {
            Protocol::Http2
        } else {
            Protocol::Http1
        },
        prefix,
    ))
}

/// Waits for something that comes from the peer; while draining not for long.
pub(super) async fn within<T>(
    reading: impl Future<Output = io::Result<T>>,
    deadline: impl Future<Output = Cause>,
    draining: &Draining,
) -> Result<T, Ended> {
    let lingered = async {
        draining.draining().await;
        sleep(LINGER).await;
    };
    tokio::select! {
        biased;
        read = reading => read.map_err(Ended::ByThePeer),
        cause = deadline => Err(Ended::ByUs(cause)),
        () = lingered => Err(Ended::ByUs(Cause::Linger)),
    }
}

/// Reads until there are at least so many bytes.
async fn read(stream: &mut (impl AsyncRead + Unpin), prefix: &mut Prefix, least: usize) -> io::Result<()> {
    while prefix.length < least {
        match stream.read(&mut prefix.bytes[prefix.length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => prefix.length += count,
        }
    }
    Ok(())
}

impl Prefix {
    fn is_preface_so_far(&self) -> bool {
        PREFACE.starts_with(&self.bytes[..self.length])
    }
}
