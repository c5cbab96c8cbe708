use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::runtime::Handle;
use tower_service::Service;

use super::super::app::App;
use super::super::serve::{Abandon, begin_startup, routes};
use super::super::stack;
use crate::admin::AdminRoutes;
use crate::base::clock::sleep;
use crate::base::ready::Call;
use crate::base::sync::{Mutex, lock};
use crate::web::{Body, HttpService, PeerAddr, Scheme};

/// How often everybody gets a turn after time has moved: one task wakes another, and that the next.
const TURNS: usize = 64;

/// The port from which all peers call.
const PORT: u16 = 40_000;

/// Calls a whole service in this process, without a socket; made by [`App::test_client`].
///
/// Requests take the same way as those that come over a connection: probes, endpoints, limits, deadline and error
/// boundary are there. What a connection adds is not: upgrades, the limits on connections and on heads, and that an answer
/// to `HEAD` has no body.
///
/// A cheap handle; when the last clone is dropped, what it has started ends: checks, startup tasks, tracked tasks.
#[derive(Clone)]
pub struct TestClient {
    running: Arc<Running>,
    peer: SocketAddr,
}

struct Running {
    inbound: Stack,
    admin: AdminRoutes,
    _abandon: Abandon,
}

/// The service behind all of its guards.
type Stack = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

impl App {
    /// Starts the service on the current runtime for tests, with neither sockets, signals nor threads.
    ///
    /// Health checks run, startup tasks begin, and [`Shutdown::begin`](crate::shutdown::Shutdown::begin) is obeyed. No
    /// subscriber and no recorder is installed, and `/livez` does not watch the runtime.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn test_client(mut self, service: impl HttpService) -> TestClient {
        let runtime = Handle::current();
        let abandon = Abandon::begin(&self, &runtime);
        let (shutdown, token) = (self.shutdown.clone(), abandon.token.clone());
        tokio::spawn(async move { token.run_until_cancelled(shutdown.drive(&runtime)).await });
        begin_startup(&mut self);
        TestClient {
            running: Arc::new(Running {
                inbound: inbound(stack::inbound(&self, service)),
                admin: routes(&self, self.settings.admin_listen),
                _abandon: abandon,
            }),
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
        }
    }
}

impl TestClient {
    /// Returns a client of the same service that calls from another address, such as `[192, 0, 2, 1]`.
    pub fn peer(&self, address: impl Into<IpAddr>) -> Self {
        Self {
            running: Arc::clone(&self.running),
            peer: (address.into(), PORT).into(),
        }
    }

    /// Sends a `GET` for a path, such as `/orders/1?full=yes`.
    ///
    /// # Panics
    ///
    /// If it is no path.
    ///
    /// # Cancellation
    ///
    /// As [`request`](Self::request).
    pub async fn get(&self, path: &str) -> Response<Body> {
        self.request(get(path)).await
    }

    /// Sends a request, and returns the response as soon as its head is there.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the response's body, does what a peer who goes away does.
    pub async fn request(&self, request: Request<impl Into<Body>>) -> Response<Body> {
        let mut request = request.map(Into::into);
        request.extensions_mut().insert(PeerAddr(self.peer));
        request.extensions_mut().insert(Scheme::Http);
        (self.running.inbound)(request).await
    }

    /// Asks for a page of the admin plane, such as `/readyz?verbose`, `/healthz`, `/metrics` or `/inventory`.
    ///
    /// # Panics
    ///
    /// If it is no path.
    pub async fn admin_get(&self, path: &str) -> Response<Body> {
        let Ok(response) = self.running.admin.clone().call(get(path)).await;
        response
    }

    /// Lets time pass, and everything run that becomes due, in its order.
    ///
    /// For a runtime whose time is paused (`#[tokio::test(start_paused = true)]`): it goes forward at once, and the whole
    /// service's with it. In any other this really waits.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the time where it is.
    pub async fn advance(&self, by: Duration) {
        sleep(by).await;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// Gives a service that has no name a type that has one.
fn inbound(service: impl HttpService) -> Stack {
    let service = Mutex::new(service);
    Box::new(move |request| {
        let call = Call::new(&mut *lock(&service), request);
        Box::pin(async {
            match call.await {
                Ok(response) => response.map(Body::new),
                Err(error) => panic!("an error got past the boundary: {}", error.into()),
            }
        })
    })
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).body(Body::empty());
    request.unwrap_or_else(|error| panic!("{path:?} is no path to ask for: {error}"))
}
