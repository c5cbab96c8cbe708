//! TLS to a dependency, by rustls.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{BaseUrl, TransportConfig};
use crate::base::error::InvalidSetting;

pub(super) type Connector = HttpsConnector<HttpConnector>;

/// Trusts the certificates of the file, or of the system; whichever is needed and cannot be read is named.
pub(super) fn connector(
    mut http: HttpConnector,
    key: &str,
    base: &BaseUrl,
    config: &TransportConfig,
) -> Result<Connector, InvalidSetting> {
    http.enforce_http(false);
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let tls = tls.map_err(|_| InvalidSetting::new(key, "for TLS, which cannot be set up", "an `http` URL"))?;
    let tls = match &config.ca_certificate {
        Some(path) => tls.with_root_certificates(roots(path).map_err(|_| unfit(key, path))?),
        None if base.is_tls() => tls.with_native_roots().map_err(|_| {
            let allowed = "an `http` URL, or accompanied by `ca_certificate`";
            InvalidSetting::new(key, "for TLS, but this system has no trusted certificates", allowed)
        })?,
        None => tls.with_root_certificates(RootCertStore::empty()),
    };
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls.with_no_client_auth())
        .https_or_http();
    Ok(if config.http2 {
        builder.enable_http2().wrap_connector(http)
    } else {
        builder.enable_all_versions().wrap_connector(http)
    })
}

fn roots(path: &Path) -> Result<RootCertStore, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(io::Error::other("empty").into());
    }
    Ok(roots)
}

fn unfit(key: &str, path: &Path) -> InvalidSetting {
    let state = if path.exists() { "unfit" } else { "not there" };
    let key = key.replace(".url", ".ca_certificate");
    let found = format!("the file {}, which is {state}", path.display());
    InvalidSetting::new(key, found, "a PEM file with at least one certificate")
}
