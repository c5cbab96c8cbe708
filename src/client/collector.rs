//! Ways to a collector of telemetry, which is no dependency: nothing that guards or observes calls stands before it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError, ResponseBodyTooLarge};
use tonic::transport::{Channel, Endpoint};

use super::bounded::Bounded;
#[cfg(not(feature = "tls"))]
use super::no_tls::{Connector, connector};
#[cfg(feature = "tls")]
use super::tls::{Connector, connector};
use super::{BaseUrl, TransportConfig, unreachable};
use crate::base::error::InvalidSetting;
use crate::web::Body;

/// The longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most of an answer that is read.
const MAX_ANSWER: usize = 64 << 10;

/// Makes a client for OTLP over HTTP; `key` is the setting that says where the collector is.
pub(crate) fn collector_over_http(key: &str, base: &BaseUrl) -> Result<Arc<dyn HttpClient>, InvalidSetting> {
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(1)
        .build(open(key, base, false)?);
    Ok(Arc::new(Collector(client)))
}

/// Makes what opens a channel for OTLP over gRPC; it must be called within the runtime that exports.
pub(crate) fn collector_over_grpc(
    key: &str,
    base: &BaseUrl,
) -> Result<impl FnOnce() -> Channel + Send + use<>, InvalidSetting> {
    let connector = open(key, base, true)?;
    let endpoint = Endpoint::from_shared(base.to_string())
        .map_err(|_| InvalidSetting::new(key, "a URL that gRPC cannot use", "such as `http://127.0.0.1:4317`"))?;
    Ok(move || endpoint.connect_with_connector_lazy(connector))
}

fn open(key: &str, base: &BaseUrl, http2: bool) -> Result<Bounded<Connector>, InvalidSetting> {
    let config = TransportConfig {
        http2,
        ..TransportConfig::default()
    };
    let mut http = HttpConnector::new();
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http.set_nodelay(true);
    unreachable::noticed(&mut http);
    Ok(Bounded::new(connector(http, key, base, &config)?, CONNECT_TIMEOUT))
}

#[derive(Debug)]
struct Collector(Client<Bounded<Connector>, Body>);

impl HttpClient for Collector {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let (parts, body) = self.0.request(request.map(Body::from)).await?.into_parts();
            Ok(Response::from_parts(parts, read(body).await?))
        })
    }
}

async fn read(mut body: Incoming) -> Result<Bytes, HttpError> {
    let mut answer = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if answer.len() + data.len() > MAX_ANSWER {
            return Err(ResponseBodyTooLarge::new().into());
        }
        answer.extend_from_slice(&data);
    }
    Ok(answer.freeze())
}
