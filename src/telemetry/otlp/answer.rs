use std::error::Error;
use std::fmt::Write;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

/// What a collector said to the last request, which the exporter keeps to itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
pub(super) struct Said {
    /// Why nothing came of the request.
    pub(super) cause: Option<String>,
    /// How many spans of a request that went well were not taken.
    pub(super) rejected: usize,
}

impl Answer {
    pub(super) fn take(&self) -> Said {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is(&self, said: Said) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

/// Sends requests, and notes what is said to them.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) client: Arc<dyn HttpClient>,
    pub(super) answer: Answer,
}

impl HttpClient for Listening {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let response = self.client.send_bytes(request).await.and_then(understood);
            self.answer.is(match &response {
                Ok((_, rejected)) => Said {
                    cause: None,
                    rejected: *rejected,
                },
                Err(error) => Said {
                    cause: Some(chain(&**error)),
                    rejected: 0,
                },
            });
            response.map(|(response, _)| response)
        })
    }
}

/// Finds how many spans were rejected; an answer that is not OTLP's did not come from a collector.
///
/// Some answer in JSON what they were asked in protobuf, or with nothing at all: that they took it, they have said.
fn understood(response: Response<Bytes>) -> Result<(Response<Bytes>, usize), HttpError> {
    if !response.status().is_success() || response.body().starts_with(b"{") {
        return Ok((response, 0));
    }
    let answer = ExportTraceServiceResponse::decode(response.body().clone()).map_err(|_| {
        format!(
            "status {} with an answer that is not OTLP's",
            response.status().as_u16()
        )
    })?;
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    Ok((response, usize::try_from(rejected).unwrap_or_default()))
}

/// Tells an error with its sources.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
