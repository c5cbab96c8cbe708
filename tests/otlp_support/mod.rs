//! Collectors that decode what a real export sends, or that fail in every way.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How a collector answers.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    Well,
    Status(u16),
    Nonsense,
    Silent,
    Rejecting(i64),
}

/// A collector in this process.
#[derive(Clone)]
pub struct Sink {
    pub addr: SocketAddr,
    state: Arc<Mutex<Received>>,
}

struct Received {
    mood: Mood,
    requests: Vec<ExportTraceServiceRequest>,
    headers: Vec<HeaderMap>,
}

impl Sink {
    async fn bind() -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let received = Received {
            mood: Mood::Well,
            requests: Vec::new(),
            headers: Vec::new(),
        };
        let addr = listener.local_addr().unwrap();
        (
            listener,
            Self {
                addr,
                state: Arc::new(Mutex::new(received)),
            },
        )
    }

    /// Listens for OTLP over HTTP, at `/v1/traces`, on a thread of its own.
    pub fn over_http() -> Self {
        serve(|| async {
            let (listener, sink) = Self::bind().await;
            let served = serve_http(listener, http_routes(sink.clone()));
            (sink, served)
        })
    }

    /// Listens for OTLP over gRPC, on a thread of its own.
    pub fn over_grpc() -> Self {
        serve(|| async {
            let (listener, sink) = Self::bind().await;
            let service = TraceServiceServer::new(sink.clone());
            let served = async {
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                server.serve_with_incoming(incoming).await.unwrap();
            };
            (sink, served)
        })
    }

    /// Listens for both over TLS, by a certificate of `localhost`.
    pub fn over_tls(certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap);
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let mut config = config.with_single_cert(chain.collect(), key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        serve(|| async {
            let (listener, sink) = Self::bind().await;
            let served = serve_tls(listener, acceptor, sink.clone());
            (sink, served)
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn be(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    /// The headers of each request.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.state.lock().unwrap().headers.clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        let state = self.state.lock().unwrap();
        let scopes = state.requests.iter().flat_map(|request| &request.resource_spans);
        scopes
            .flat_map(|of| &of.scope_spans)
            .flat_map(|scope| scope.spans.clone())
            .collect()
    }

    pub fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let names: Vec<_> = spans.iter().map(|span| span.name.clone()).collect();
        let mut found = spans.into_iter().filter(|span| span.name == name);
        let span = found
            .next()
            .unwrap_or_else(|| panic!("no span {name:?}, but {names:?}"));
        assert!(found.next().is_none(), "two spans {name:?}");
        span
    }

    pub fn resource(&self) -> Resource {
        let state = self.state.lock().unwrap();
        state.requests[0].resource_spans[0].resource.clone().unwrap()
    }

    fn took(&self, headers: HeaderMap, request: ExportTraceServiceRequest) -> Mood {
        let mut state = self.state.lock().unwrap();
        state.headers.push(headers);
        if matches!(state.mood, Mood::Well | Mood::Rejecting(_)) {
            state.requests.push(request);
        }
        state.mood
    }
}

/// Runs a server on a thread of its own, so that a test which blocks its runtime does not block it too.
fn serve<F, S>(begin: impl FnOnce() -> F + Send + 'static) -> Sink
where
    F: Future<Output = (Sink, S)>,
    S: Future<Output = ()>,
{
    let (told, begun) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (sink, served) = begin().await;
            told.send(sink).unwrap();
            served.await;
        });
    });
    begun.recv().unwrap()
}

fn http_routes(sink: Sink) -> Router {
    Router::new().route("/v1/traces", post(take)).with_state(sink)
}

/// Serves HTTP/1.1 for good.
pub async fn serve_http(listener: TcpListener, router: Router) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor, sink: Sink) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(stream) = acceptor.accept(stream).await else {
            continue;
        };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let grpc = tonic::service::Routes::new(TraceServiceServer::new(sink.clone()));
        let router = http_routes(sink.clone()).merge(grpc.into_axum_router());
        let service = TowerToHyperService::new(router);
        if is_http2 {
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service));
        } else {
            tokio::spawn(http1::Builder::new().serve_connection(io, service));
        }
    }
}

async fn take(State(sink): State<Sink>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mood = sink.took(headers, ExportTraceServiceRequest::decode(body).unwrap());
    match mood {
        Mood::Well => Response::default(),
        Mood::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Nonsense => "<html>It works!</html>".into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Rejecting(spans) => answer(spans).encode_to_vec().into_response(),
    }
}

fn answer(rejected_spans: i64) -> ExportTraceServiceResponse {
    ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "too old".to_owned(),
        }),
    }
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let (metadata, _, request) = request.into_parts();
        match self.took(metadata.into_headers(), request) {
            Mood::Well => Ok(tonic::Response::new(ExportTraceServiceResponse::default())),
            Mood::Silent => std::future::pending().await,
            Mood::Rejecting(spans) => Ok(tonic::Response::new(answer(spans))),
            Mood::Status(_) | Mood::Nonsense => Err(tonic::Status::unavailable("not now")),
        }
    }
}

/// A port where nobody listens.
pub fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Accepts connections and ends each at once, or keeps them without a word.
pub fn deaf(resets: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            if !resets {
                kept.push(stream);
            }
        }
    });
    url
}

/// What a list of attributes says of one.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match attribute(attributes, key)? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

/// What became of the spans of a service.
#[derive(Debug, PartialEq)]
pub struct Told {
    pub state: String,
    pub ended: u64,
    pub exported: u64,
    pub queue_full: u64,
    pub export_failed: u64,
}

/// Reads the inventory of an app, without its admin plane.
pub fn told(inventory: &seaworthy::inventory::Inventory) -> Told {
    let entry = inventory
        .entries()
        .into_iter()
        .find(|entry| entry.kind == "otlp")
        .expect("it is there");
    let counter = |key: &str| entry.counters.iter().find(|(name, _)| *name == key).expect(key).1;
    Told {
        state: entry.state.to_owned(),
        ended: counter("ended"),
        exported: counter("exported"),
        queue_full: counter("dropped_queue_full"),
        export_failed: counter("dropped_export_failed"),
    }
}

/// Longer than a flush takes.
pub const LONG: Duration = Duration::from_secs(20);
