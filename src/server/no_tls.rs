//! Stands for TLS where the feature `tls` is off.

use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;

use super::sniff::Ended;
use crate::base::error::InvalidSetting;
use crate::shutdown::Draining;

#[derive(Clone, Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn load(_: &Path, _: &Path) -> Result<Self, InvalidSetting> {
        let found = "given, but this program was built without the feature `tls`";
        Err(InvalidSetting::new(
            "server.tls_certificate",
            found,
            "left out, or the feature switched on",
        ))
    }

    pub(super) async fn accept(self, _: TcpStream, _: Duration, _: &Draining) -> Result<TcpStream, Ended> {
        match self {}
    }
}
