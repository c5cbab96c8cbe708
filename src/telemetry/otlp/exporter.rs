use std::sync::Arc;

use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use tonic::transport::Channel;

use super::answer::{Answer, Listening};
use super::export::EXPORT_TIMEOUT;

/// How spans get to the collector.
pub(crate) enum Way {
    /// By requests to this URL.
    Http { url: String, client: Arc<dyn HttpClient> },
    /// By a channel that is opened on the runtime that exports.
    Grpc(Box<dyn FnOnce() -> Channel + Send>),
}

impl Way {
    /// Makes the exporter; headers come from the environment.
    ///
    /// It tries once: what waits for another attempt is the queue's place for spans that have just ended.
    pub(super) fn exporter(self, answer: &Answer) -> Result<SpanExporter, ExporterBuildError> {
        match self {
            Self::Http { url, client } => SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(url)
                .with_timeout(EXPORT_TIMEOUT)
                .with_http_client(Listening {
                    client,
                    answer: answer.clone(),
                })
                .with_retry_policy(RetryPolicy::disabled())
                .build(),
            Self::Grpc(channel) => SpanExporter::builder()
                .with_tonic()
                .with_timeout(EXPORT_TIMEOUT)
                .with_channel(channel())
                .with_retry_policy(RetryPolicy::disabled())
                .build(),
        }
    }
}
