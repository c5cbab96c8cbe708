//! A dependency on a socket that does as it is told, and remembers what it was sent.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::identity::Identity;

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Status(u16),
    /// Never.
    Hang,
    /// With 200 and a body that breaks off.
    BreakBody,
    /// With 200 and a body that begins and never ends.
    OpenBody,
    /// As a gRPC server that fails before its first message.
    Code(u8),
    /// As a gRPC server: one message, which is empty, and the trailers.
    Message,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub version: Version,
    pub headers: HeaderMap,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Clone)]
pub struct Upstream {
    pub addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    acts: Mutex<VecDeque<Act>>,
    always: Mutex<Option<Act>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

#[derive(Clone)]
enum Wire {
    Http1,
    Http2,
    /// Whichever the two sides agree on.
    Tls(TlsAcceptor),
}

impl Upstream {
    /// Starts one that answers with 200.
    pub async fn start() -> Self {
        Self::on(Wire::Http1).await
    }

    /// Starts one that speaks HTTP/2 alone.
    pub async fn http2() -> Self {
        Self::on(Wire::Http2).await
    }

    /// Starts one that is `localhost` over TLS, and would rather speak HTTP/2.
    pub async fn tls(identity: &Identity) -> Self {
        let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::on(Wire::Tls(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn on(wire: Wire) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let kept = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                state.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(connection(wire.clone(), stream, Arc::clone(&state)));
            }
        });
        Self { addr, state: kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers the next requests so, one after another.
    pub fn then<const N: usize>(&self, acts: [Act; N]) {
        self.state.acts.lock().unwrap().extend(acts);
    }

    /// Answers all further requests so.
    pub fn always(&self, act: Act) {
        *self.state.always.lock().unwrap() = Some(act);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many requests have come.
    pub fn count(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How many connections have been opened.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

async fn connection(wire: Wire, stream: TcpStream, state: Arc<State>) {
    match wire {
        Wire::Http1 => http1(stream, state).await,
        Wire::Http2 => http2(stream, state).await,
        Wire::Tls(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(stream, state).await;
            } else {
                http1(stream, state).await;
            }
        }
    }
}

async fn http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let connection = hyper::server::conn::http1::Builder::new();
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let _ = body.collect().await;
    state.seen.lock().unwrap().push(Seen {
        method: parts.method,
        path: parts.uri.path_and_query().unwrap().to_string(),
        version: parts.version,
        headers: parts.headers,
    });
    let next = state.acts.lock().unwrap().pop_front();
    let act = next.or(*state.always.lock().unwrap()).unwrap_or(Act::Status(200));
    let response = Response::builder();
    let grpc = || Response::builder().header("content-type", "application/grpc");
    let begun = || stream::iter([Ok::<_, io::Error>(Bytes::from("begun"))]);
    Ok(match act {
        Act::Status(status) => response.status(status).body(Body::from("ok")),
        Act::Hang => pending().await,
        Act::BreakBody => response.body(Body::from_stream(begun().chain(stream::once(broken())))),
        Act::OpenBody => response.body(Body::from_stream(begun().chain(stream::pending()))),
        Act::Code(code) => grpc().header("grpc-status", u16::from(code)).body(Body::empty()),
        Act::Message => {
            let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), 0.into())]);
            let message = http_body_util::Full::new(Bytes::from_static(&[0; 5]));
            grpc().body(Body::new(message.with_trailers(async { Some(Ok(trailers)) })))
        }
    }
    .unwrap())
}

/// Fails when what came before has been sent.
async fn broken() -> io::Result<Bytes> {
    tokio::task::yield_now().await;
    Err(io::Error::other("broken"))
}
