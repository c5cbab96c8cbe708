//! The HTTP face of [`Fallback`]: a response can be a failure, too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use super::by_status::ByStatus;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Refusal;
use crate::policy::fallback::{Answer, End, Fallback, ForRequest, Gate, Rescue, Rules, under};

/// How an exchange over HTTP ended that the fallback answers instead.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "it is moved once, and a box would cost more")]
pub enum Failed {
    /// In an error.
    Error(BoxError),
    /// In a response, such as one of 5xx; what is not used of it is dropped.
    Response(Response<Body>),
}

impl Failed {
    /// Returns the refusal that it ended with, if it did.
    pub fn refusal(&self) -> Option<&Refusal> {
        refusal_of(match self {
            Self::Error(error) => Err(error),
            Self::Response(response) => Ok(response),
        })
    }

    /// Returns what the inside returned, to pass it on.
    ///
    /// # Errors
    ///
    /// The inside's, if it ended in one.
    pub fn pass_on(self) -> Result<Response<Body>, BoxError> {
        match self {
            Self::Error(error) => Err(error),
            Self::Response(response) => Ok(response),
        }
    }
}

fn refusal_of<'a>(end: Result<&'a Response<Body>, &'a BoxError>) -> Option<&'a Refusal> {
    end.map_or_else(
        |error| Refusal::find(error.as_ref()),
        |response| response.extensions().get(),
    )
}

impl Fallback {
    /// Makes the layer for HTTP services; `fallback` gets how the exchange [`Failed`] and answers instead.
    ///
    /// A status of 5xx is a failure ([`ByStatus`]; [`HttpFallbackLayer::classify`] changes that), and a response that
    /// carries a [`Refusal`] in its extensions is a refusal. A [`Deadline`] in the request's extensions holds as the task's
    /// does: nothing is begun after it, and the fallback runs under it.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response};
    /// use seaworthy::{Body, fallback::Fallback, web::Failed};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let prices = Fallback::builder("prices").build().unwrap();
    /// let yesterday = |_: Failed| async { Ok(Response::new(Body::from("42"))) };
    /// let client = prices.http_layer(yesterday).layer(service_fn(|_: Request<Body>| async {
    ///     Response::builder().status(503).body(Body::empty())
    /// }));
    /// let answer = client.oneshot(Request::new(Body::empty())).await.unwrap();
    /// assert_eq!(answer.status(), 200);
    /// # }
    /// ```
    pub fn http_layer<F, Fut>(&self, fallback: F) -> HttpFallbackLayer<F>
    where
        F: Fn(Failed) -> Fut + Clone,
        Fut: Future<Output = Result<Response<Body>, BoxError>>,
    {
        self.http_layer_with(fallback)
    }

    /// Makes the layer for a fallback that needs something of the request, which has gone by then.
    ///
    /// `keep` notes it, for every request, and `fallback` gets it with how the exchange ended.
    pub fn http_layer_for<ReqB, K, N, F, Fut>(&self, keep: N, fallback: F) -> HttpFallbackLayer<ForRequest<N, F>>
    where
        N: Fn(&Request<ReqB>) -> K + Clone,
        F: Fn(K, Failed) -> Fut + Clone,
        Fut: Future<Output = Result<Response<Body>, BoxError>>,
    {
        self.http_layer_with(ForRequest::new(keep, fallback))
    }

    fn http_layer_with<A>(&self, answer: A) -> HttpFallbackLayer<A> {
        HttpFallbackLayer {
            fallback: self.clone(),
            answer,
            classify: ByStatus,
        }
    }
}

/// Gives every exchange of an HTTP service a [`Fallback`].
#[derive(Clone, Debug)]
pub struct HttpFallbackLayer<A, C = ByStatus> {
    fallback: Fallback,
    answer: A,
    classify: C,
}

impl<A, C> HttpFallbackLayer<A, C> {
    /// Lets `classify` say which responses and errors are failures.
    pub fn classify<D>(self, classify: D) -> HttpFallbackLayer<A, D> {
        HttpFallbackLayer {
            fallback: self.fallback,
            answer: self.answer,
            classify,
        }
    }
}

impl<S, A: Clone, C: Clone> Layer<S> for HttpFallbackLayer<A, C> {
    type Service = HttpFallbackService<S, A, C>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpFallbackService {
            inner,
            gate: Gate::new(self.fallback.clone()),
            answer: self.answer.clone(),
            classify: self.classify.clone(),
        }
    }
}

/// The tower shell of an [`HttpFallbackLayer`]; its readiness is that of a
/// [`FallbackService`](crate::fallback::FallbackService).
#[derive(Clone, Debug)]
pub struct HttpFallbackService<S, A, C> {
    inner: S,
    gate: Gate,
    answer: A,
    classify: C,
}

impl<S, A, C, ReqB, ResB> Service<Request<ReqB>> for HttpFallbackService<S, A, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    A: Answer<Request<ReqB>, Failed, Future: Future<Output = Result<Response<Body>, BoxError>>> + Clone,
    C: Classify<Response<Body>, BoxError> + Clone,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpFallbackFuture<S::Future, A, C, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let (inner, classify) = (&mut self.inner, &self.classify);
        self.gate
            .poll_ready(|| inner.poll_ready(cx), |error| classify.classify(Err(error)))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let kept = Some(self.answer.keep(&request));
        let given = request.extensions().get().copied();
        HttpFallbackFuture {
            rescue: self.gate.start(|| self.inner.call(request)),
            answer: self.answer.clone(),
            classify: self.classify.clone(),
            kept,
            given,
        }
    }
}

pin_project! {
    /// The response of an HTTP service with a fallback.
    pub struct HttpFallbackFuture<F, A, C, ReqB>
    where
        A: Answer<Request<ReqB>, Failed>,
    {
        #[pin]
        rescue: Rescue<F, BoxError, A::Future>,
        answer: A,
        classify: C,
        kept: Option<A::Kept>,
        given: Option<Deadline>,
    }
}

impl<F, A, C, ReqB, ResB, E> Future for HttpFallbackFuture<F, A, C, ReqB>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    A: Answer<Request<ReqB>, Failed, Future: Future<Output = Result<Response<Body>, BoxError>>>,
    C: Classify<Response<Body>, BoxError>,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (answer, kept, given) = (this.answer, this.kept, *this.given);
        let outcome = |end: &Self::Output| this.classify.classify(end.as_ref());
        let judge = |end: Result<F::Output, BoxError>, rules: &Rules| {
            let end = end.and_then(|end| end.map_err(Into::into));
            let end = end.map(|response| response.map(Body::new));
            let outcome = outcome(&end);
            if end.is_ok() && outcome == Outcome::Success {
                return Ok(end);
            }
            let refusal = refusal_of(end.as_ref());
            let uses = rules.uses(End { refusal, outcome }, given);
            match kept.take().filter(|_| uses) {
                Some(kept) => {
                    let failed = end.map_or_else(Failed::Error, Failed::Response);
                    Err(under(given, || answer.answer(kept, failed)))
                }
                None => Ok(end),
            }
        };
        this.rescue
            .poll(cx, given, judge, |end| outcome(end) == Outcome::Success)
    }
}
