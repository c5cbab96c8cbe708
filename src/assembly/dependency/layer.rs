use tower_layer::Layer;

use super::handle::Dependency;
use super::outbound::{Http, Plain};
use crate::base::outcome::ErrorIsFailure;
use crate::base::replay::Cloned;
use crate::policy::retry::ByOutcome;
use crate::web::{ByStatus, HttpReplay, RetryByStatus};

/// Puts all guards of a dependency round any client that is a [`tower_service::Service`] and `Clone`.
///
/// Requests are tried again if their type is [`Idempotent`](crate::replay::Idempotent); [`http`](Self::http) and
/// [`replay`](Self::replay) take other proof.
///
/// Its errors are a [`Refusal`](crate::Refusal) or the client's own, boxed. What kind of requests it sends is unknown to
/// it: a call ends with its response, whose body it does not look at, and the dependency is not told how long anybody
/// waits. [`http`](Self::http) does both.
///
/// # Examples
///
/// A `reqwest::Client`, whose requests and statuses speak for themselves:
///
/// ```
/// use seaworthy::App;
/// use seaworthy::web::{ByStatus, ReqwestReplay, RetryByStatus};
/// use tower::ServiceBuilder;
///
/// let mut app = App::builder("orders");
/// let payments = app.dependency("payments").layer();
/// let payments = payments
///     .replay(ReqwestReplay::default())
///     .appraise(RetryByStatus)
///     .classify(ByStatus);
/// let client = ServiceBuilder::new().layer(payments).service(reqwest::Client::new());
/// # let _ = |request: reqwest::Request| tower::ServiceExt::oneshot(client, request);
/// ```
#[derive(Clone, Debug)]
pub struct DependencyLayer<R = Cloned, A = ByOutcome<ErrorIsFailure>, C = ErrorIsFailure> {
    dependency: Dependency,
    replay: R,
    appraise: A,
    classify: C,
}

impl DependencyLayer {
    pub(super) fn new(dependency: Dependency) -> Self {
        Self {
            dependency,
            replay: Cloned,
            appraise: ByOutcome(ErrorIsFailure),
            classify: ErrorIsFailure,
        }
    }

    /// Makes the layer for clients of HTTP: a call keeps its place until the end of the response's body, and a body that
    /// breaks is a failure.
    ///
    /// Requests are tried again if their method or an `Idempotency-Key` proves that they may be, and a status of 5xx is a
    /// failure; whatever has been said before of [`replay`](Self::replay), [`appraise`](Self::appraise) and
    /// [`classify`](Self::classify) is said anew of this one.
    pub fn http(self) -> HttpDependencyLayer {
        let replay = self.replay(HttpReplay::default());
        HttpDependencyLayer(replay.appraise(RetryByStatus).classify(ByStatus))
    }
}

impl<R, A, C> DependencyLayer<R, A, C> {
    /// Returns the dependency.
    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// Lets `replay` say which requests may be sent again, and how.
    pub fn replay<P>(self, replay: P) -> DependencyLayer<P, A, C> {
        DependencyLayer {
            dependency: self.dependency,
            replay,
            appraise: self.appraise,
            classify: self.classify,
        }
    }

    /// Lets `appraise` say which ends are worth a further attempt.
    pub fn appraise<B>(self, appraise: B) -> DependencyLayer<R, B, C> {
        DependencyLayer {
            dependency: self.dependency,
            replay: self.replay,
            appraise,
            classify: self.classify,
        }
    }

    /// Lets `classify` say which ends are failures of the dependency.
    pub fn classify<D>(self, classify: D) -> DependencyLayer<R, A, D> {
        DependencyLayer {
            dependency: self.dependency,
            replay: self.replay,
            appraise: self.appraise,
            classify,
        }
    }
}

impl<S, R, A, C> Layer<S> for DependencyLayer<R, A, C>
where
    S: Clone,
    R: Clone,
    A: Clone,
    C: Clone,
{
    type Service = Plain<S, R, A, C>;

    fn layer(&self, client: S) -> Self::Service {
        self.dependency.wire();
        let guards = &self.dependency.0.guards;
        guards.plain(
            client,
            self.replay.clone(),
            self.appraise.clone(),
            self.classify.clone(),
        )
    }
}

/// Puts all guards of a dependency round any client of HTTP; made by [`DependencyLayer::http`].
///
/// What it takes has any body, and what it gives a [`Body`](crate::Body); the client takes a [`Body`](crate::Body), or is
/// given its own by tower's `map_request`.
///
/// # Examples
///
/// A gRPC client's channel, `channel` here, on which generated clients stand as on the channel itself:
///
/// ```
/// use http::Request;
/// use seaworthy::grpc::{ByGrpcStatus, GrpcReplay, IdempotentMethods, RetryByGrpcStatus};
/// use seaworthy::{App, Body};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # struct Own(Body);
/// # let channel = service_fn(async |_: Request<Own>| {
/// #     http::Response::builder().header("grpc-status", "0").body(Body::empty())
/// # });
/// let mut app = App::builder("orders");
/// let methods = IdempotentMethods::new(["/bank.Ledger/GetBalance"]).unwrap();
/// let ledger = app.dependency("ledger").layer().http();
/// let ledger = ledger
///     .replay(GrpcReplay::new(methods))
///     .appraise(RetryByGrpcStatus::default())
///     .classify(ByGrpcStatus);
/// let client = ServiceBuilder::new()
///     .layer(ledger)
///     .map_request(|request: Request<Body>| request.map(Own)) // `tonic::body::Body::new` for tonic
///     .service(channel);
/// # let request = Request::post("/bank.Ledger/GetBalance").body(Body::empty()).unwrap();
/// # assert_eq!(client.oneshot(request).await.unwrap().headers()["grpc-status"], "0");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpDependencyLayer<R = HttpReplay, A = RetryByStatus, C = ByStatus>(DependencyLayer<R, A, C>);

impl<R, A, C> HttpDependencyLayer<R, A, C> {
    /// Returns the dependency.
    pub fn dependency(&self) -> &Dependency {
        &self.0.dependency
    }

    /// Lets `replay` say which requests may be sent again, and how. Default [`HttpReplay`].
    pub fn replay<P>(self, replay: P) -> HttpDependencyLayer<P, A, C> {
        HttpDependencyLayer(self.0.replay(replay))
    }

    /// Lets `appraise` say which ends are worth a further attempt. Default [`RetryByStatus`].
    pub fn appraise<B>(self, appraise: B) -> HttpDependencyLayer<R, B, C> {
        HttpDependencyLayer(self.0.appraise(appraise))
    }

    /// Lets `classify` say which heads are failures of the dependency. Default [`ByStatus`].
    pub fn classify<D>(self, classify: D) -> HttpDependencyLayer<R, A, D> {
        HttpDependencyLayer(self.0.classify(classify))
    }
}

impl<S, R, A, C> Layer<S> for HttpDependencyLayer<R, A, C>
where
    S: Clone,
    R: Clone,
    A: Clone,
    C: Clone,
{
    type Service = Http<S, R, A, C>;

    fn layer(&self, client: S) -> Self::Service {
        let of = &self.0;
        of.dependency.wire();
        let guards = &of.dependency.0.guards;
        guards.http(client, of.replay.clone(), of.appraise.clone(), of.classify.clone())
    }
}
