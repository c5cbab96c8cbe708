//! The rate limits of a request's endpoint, which a layer further out has found.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::header::FORWARDED;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::client_ip::{ClientIp, ClientKey};
use super::rate_limit::allowance;
use super::rate_limit_headers::Teller;
use crate::base::allowance::RateLimitHeaders;
use crate::base::error::BoxError;
use crate::base::key::KeyExtractor;
use crate::base::ready;
use crate::base::refusal::Refusal;
use crate::policy::rate_limit::{KeyedRateLimit, RateLimit, Spent};

/// The limits of one endpoint: for each client, and for all together. In the extensions of its requests.
#[derive(Clone)]
pub(crate) struct Quotas(Arc<Limits>);

struct Limits {
    client: ClientIp,
    each: Option<Told<KeyedRateLimit<ClientKey>>>,
    all: Option<Told<RateLimit>>,
    /// Whether somebody has been told that all clients may be one.
    has_warned: AtomicBool,
}

struct Told<L> {
    limit: L,
    teller: Teller,
    /// Whether also a response tells what is left, and not a refusal alone.
    always: bool,
}

impl<L> Told<L> {
    fn write<B>(&self, spent: Option<Spent>, response: &mut Response<B>) {
        if let Some(spent) = spent.filter(|_| self.always) {
            self.teller.write(response.headers_mut(), || allowance(spent));
        }
    }
}

impl Quotas {
    /// Each limit comes with whether it is told with every response, and not with a refusal alone.
    pub(crate) fn new(
        client: ClientIp,
        headers: RateLimitHeaders,
        each: Option<(KeyedRateLimit<ClientKey>, bool)>,
        all: Option<(RateLimit, bool)>,
    ) -> Self {
        let each = each.map(|(limit, always)| Told {
            teller: Teller::new(headers, limit.name()),
            limit,
            always,
        });
        let all = all.map(|(limit, always)| Told {
            teller: Teller::new(headers, limit.name()),
            limit,
            always,
        });
        let has_warned = AtomicBool::new(false);
        Self(Arc::new(Limits {
            client,
            each,
            all,
            has_warned,
        }))
    }

    /// Asks for each client first: what one of them is refused is not taken from all.
    fn admit<B>(&self, request: &Request<B>) -> Result<[Option<Spent>; 2], Refusal> {
        let Limits { client, each, all, .. } = &*self.0;
        let of_each = each.as_ref().map(|Told { limit, teller, .. }| {
            let admitted = limit.admit(client.extract(request), 1);
            admitted.map_err(|refusal| {
                self.warn(request);
                refusal.announce(teller.how())
            })
        });
        let of_each = of_each.transpose()?;
        let of_all = all.as_ref().map(|Told { limit, teller, .. }| {
            let admitted = limit.admit(1);
            admitted.map_err(|refusal| refusal.announce(teller.how()))
        });
        Ok([of_each, of_all.transpose()?])
    }

    /// Warns once of a proxy that nobody has spoken of, behind which all clients have one allowance.
    #[cold]
    fn warn<B>(&self, request: &Request<B>) {
        let headers = request.headers();
        let is_passed_on = headers.contains_key("x-forwarded-for") || headers.contains_key(FORWARDED);
        if self.0.client.is_peer() && is_passed_on && !self.0.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a client was refused for whom a proxy seems to speak: if that is yours, set `clients.trusted_hops`, or \
                 all clients behind it are one"
            );
        }
    }

    fn tell<B>(&self, [of_each, of_all]: [Option<Spent>; 2], response: &mut Response<B>) {
        let Limits { each, all, .. } = &*self.0;
        if let Some(each) = each {
            each.write(of_each, response);
        }
        if let Some(all) = all {
            all.write(of_all, response);
        }
    }
}

/// Puts each request under the [`Quotas`] in its extensions, if there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuotasLayer;

impl<S> Layer<S> for QuotasLayer {
    type Service = QuotasService<S>;

    fn layer(&self, inner: S) -> QuotasService<S> {
        QuotasService { inner }
    }
}

/// The tower shell of a [`QuotasLayer`]; always ready, because only a request tells its endpoint.
#[derive(Clone, Debug)]
pub(crate) struct QuotasService<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for QuotasService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
{
    type Response = Response<ResB>;
    type Error = BoxError;
    type Future = QuotasFuture<S, Request<ReqB>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let quotas = request.extensions().get::<Quotas>().cloned();
        let admitted = quotas.map(|quotas| quotas.admit(&request).map(|spent| (quotas, spent)));
        match admitted.transpose() {
            Ok(told) => QuotasFuture::Called {
                call: ready::Call::new(&mut self.inner, request),
                told,
            },
            Err(refusal) => QuotasFuture::Refused { refusal: Some(refusal) },
        }
    }
}

pin_project! {
    /// The response of a service behind the limits of its endpoints.
    #[project = QuotasProj]
    pub(crate) enum QuotasFuture<S, Req>
    where
        S: Service<Req>,
    {
        Called {
            #[pin]
            call: ready::Call<S, Req>,
            told: Option<(Quotas, [Option<Spent>; 2])>,
        },
        Refused { refusal: Option<Refusal> },
    }
}

impl<S, Req, ResB> Future for QuotasFuture<S, Req>
where
    S: Service<Req, Response = Response<ResB>, Error: Into<BoxError>>,
{
    type Output = Result<Response<ResB>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            QuotasProj::Called { call, told } => {
                let mut ended = ready!(call.poll(cx));
                if let (Ok(response), Some((quotas, spent))) = (&mut ended, told) {
                    quotas.tell(*spent, response);
                }
                Poll::Ready(ended.map_err(Into::into))
            }
            QuotasProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(Box::new(refusal))),
                None => Poll::Pending,
            },
        }
    }
}
