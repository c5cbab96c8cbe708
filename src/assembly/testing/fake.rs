use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use tokio::net::TcpListener;
use tower_service::Service;

use super::read::bytes;
use crate::base::clock::sleep;
use crate::base::error::BoxError;
use crate::base::sync::{Mutex, lock};
use crate::server::{ServerConfig, accept};
use crate::shutdown::Shutdown;
use crate::web::Body;

/// Stands in for a dependency, and is as healthy as it is told to be.
///
/// A cheap handle; clones are the same dependency. It is a client service (`app.dependency("payments").layer().http()`
/// goes round it), a server ([`listen`](Self::listen), for `.http(url)`), and a call ([`call`](Self::call), for
/// `.guard()`).
#[derive(Clone, Debug, Default)]
pub struct FakeDependency(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    body: Bytes,
    behaviour: Mutex<Behaviour>,
    calls: AtomicU64,
}

/// What a [`FakeDependency`] does with calls that come from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Answers 200 at once.
    #[default]
    Healthy,
    /// Answers 200 after this time.
    Slow(Duration),
    /// Answers this status at once.
    Failing(StatusCode),
    /// Never answers.
    Hanging,
    /// Answers 200 at once, and breaks off where its body would have ended.
    Breaking,
    /// Answers nothing: a connection is closed.
    Refusing,
}

impl FakeDependency {
    /// Makes a healthy one whose good answers have this body; that of [`default`](Self::default) is empty.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self(Arc::new(Shared {
            body: body.into(),
            ..Shared::default()
        }))
    }

    /// Changes what it does; calls that have begun end as they would have.
    pub fn set(&self, behaviour: Behaviour) {
        *lock(&self.0.behaviour) = behaviour;
    }

    /// Returns how many calls have begun, those of health checks over HTTP among them.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Is called without HTTP, as for [`Guard::call`](crate::Guard::call).
    ///
    /// # Errors
    ///
    /// What it was told to do, unless that is to be healthy or slow.
    pub async fn call(&self) -> Result<(), FakeError> {
        let response = self.answer().await?;
        match response.status() {
            StatusCode::OK => bytes(response).await.map(drop).map_err(|_| FakeError::Broken),
            status => Err(FakeError::Failed(status)),
        }
    }

    /// Serves HTTP/1 and HTTP/2 on a free port of the loopback interface, and returns the URL, until the runtime ends.
    ///
    /// # Errors
    ///
    /// When the system has no port.
    pub async fn listen(&self) -> io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shutdown = Shutdown::builder().build().map_err(io::Error::other)?;
        let (config, counters) = (ServerConfig::default(), Arc::default());
        tokio::spawn(accept(listener, config, counters, shutdown, self.clone()));
        Ok(url)
    }

    fn answer(&self) -> impl Future<Output = Result<Response<Body>, FakeError>> + Send + use<> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let behaviour = *lock(&self.0.behaviour);
        let body = self.0.body.clone();
        async move {
            let mut response = Response::new(Body::empty());
            match behaviour {
                Behaviour::Healthy => {}
                Behaviour::Slow(latency) => sleep(latency).await,
                Behaviour::Hanging => pending().await,
                Behaviour::Refusing => return Err(FakeError::Refused),
                Behaviour::Breaking => return Ok(response.map(|_| Body::new(Torn::Whole(body)))),
                Behaviour::Failing(status) => {
                    *response.status_mut() = status;
                    return Ok(response);
                }
            }
            Ok(response.map(|_| body.into()))
        }
    }
}

impl<B> Service<Request<B>> for FakeDependency {
    type Response = Response<Body>;
    type Error = FakeError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, FakeError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FakeError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        Box::pin(self.answer())
    }
}

/// A [`FakeDependency`] did as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FakeError {
    /// It gave no answer.
    Refused,
    /// It answered this status; only [`FakeDependency::call`] takes that for an error.
    Failed(StatusCode),
    /// Its answer broke off.
    Broken,
}

impl fmt::Display for FakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the fake dependency was told to refuse"),
            Self::Failed(status) => write!(f, "the fake dependency was told to answer {status}"),
            Self::Broken => f.write_str("the fake dependency was told to break off"),
        }
    }
}

impl Error for FakeError {}

/// A body that breaks off behind its content.
enum Torn {
    Whole(Bytes),
    /// A server gets a turn to send what it has.
    Waiting,
    Over,
}

impl http_body::Body for Torn {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match std::mem::replace(&mut *self, Self::Over) {
            Self::Whole(bytes) => {
                *self = Self::Waiting;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Waiting => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Over => Poll::Ready(Some(Err(FakeError::Broken.into()))),
        }
    }
}
