//! Stands for TLS where the feature `tls` is off.

use hyper_util::client::legacy::connect::HttpConnector;

use super::{BaseUrl, TransportConfig};
use crate::base::error::InvalidSetting;

pub(super) type Connector = HttpConnector;

pub(super) fn connector(
    http: HttpConnector,
    key: &str,
    base: &BaseUrl,
    config: &TransportConfig,
) -> Result<Connector, InvalidSetting> {
    if base.is_tls() || config.ca_certificate.is_some() {
        let found = "for TLS, but this program was built without the feature `tls`";
        return Err(InvalidSetting::new(
            key,
            found,
            "an `http` URL, or the feature switched on",
        ));
    }
    Ok(http)
}
