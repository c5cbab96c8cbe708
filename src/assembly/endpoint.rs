use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request};
use matchit::Router;
use tower_layer::Layer;
use tower_service::Service;

use super::lint::Promise;
use super::settings::Clients;
use crate::base::criticality::Criticality;
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::inventory::Inventory;
use crate::policy::rate_limit::{AtCapacity, Quota, RateLimit};
use crate::telemetry::Telemetry;
use crate::web::{Quotas, RequestLimits, RouteTemplate};

/// What is particular about one method of one path; the defaults hold for all that is not said.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::Endpoint;
///
/// let upload = Endpoint::default().deadline(Duration::from_secs(60)).body_limit(64 << 20);
/// assert_ne!(upload, Endpoint::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Endpoint {
    limits: RequestLimits,
    rate_limit: Option<Quota>,
    per_client: Option<Quota>,
    criticality: Criticality,
    typical_latency: Option<Duration>,
}

impl Endpoint {
    /// The longest time from the request to the end of its response. Default: `server.deadline`.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = Some(deadline);
        self
    }

    /// The most bytes of a request's body. Default: `server.body_limit`.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.limits.body_bytes = Some(bytes);
        self
    }

    /// The response is a stream, such as an event stream: the deadline ends with its head.
    pub fn stream(mut self) -> Self {
        self.limits.stream = true;
        self
    }

    /// How much its requests matter when not all can be answered. Default: `Critical`.
    pub fn criticality(mut self, class: Criticality) -> Self {
        self.criticality = class;
        self
    }

    /// How many requests of all clients together are let through; further ones get a 429. Default: no limit.
    pub fn rate_limit(mut self, quota: Quota) -> Self {
        self.rate_limit = Some(quota);
        self
    }

    /// How many requests of each client are let through; further ones get a 429, and take nothing of what all clients
    /// have together. The settings `clients.…` say who is a client. Default: no limit.
    pub fn per_client(mut self, quota: Quota) -> Self {
        self.per_client = Some(quota);
        self
    }

    /// How long a request usually takes. Default: 10 ms are assumed.
    ///
    /// It limits nothing: [`AppBuilder::build`](crate::AppBuilder::build) compares it, times the
    /// [rate limit](Self::rate_limit), with the places that there are ([tuning](crate::docs::tuning)).
    pub fn typical_latency(mut self, latency: Duration) -> Self {
        self.typical_latency = Some(latency);
        self
    }

    /// Returns its numbers, to be compared with those of the service.
    pub(super) fn promise(&self, method: &Method, template: &str) -> Promise {
        Promise {
            subject: format!("endpoint {method} {template}"),
            deadline: self.limits.deadline,
            is_stream: self.limits.stream,
            quota: self.rate_limit,
            latency: self.typical_latency,
        }
    }

    /// Makes its limits, which `name` tells from others; notes what is wrong with them.
    fn quotas(&self, name: &str, house: &House<'_>, wrong: &mut Vec<InvalidSetting>) -> Option<Quotas> {
        let builder = |name: String, quota| RateLimit::builder(name).quota(quota).events(house.telemetry.clone());
        let mut note = |error: InvalidSettings| wrong.extend_from_slice(error.as_slice());
        let all = self.rate_limit.map(|quota| builder(name.to_owned(), quota).build());
        let each = self.per_client.map(|quota| {
            builder(format!("{name} per client"), quota).build_keyed(house.clients.capacity, AtCapacity::Forget)
        });
        let all = all.and_then(|all| all.map_err(&mut note).ok());
        let each = each.and_then(|each| each.map_err(&mut note).ok());
        all.iter().for_each(|limit| house.inventory.add(limit.clone()));
        each.iter().for_each(|limit| house.inventory.add(limit.clone()));
        let any = all.is_some() || each.is_some();
        any.then(|| Quotas::new(house.clients.ip, house.clients.headers, each, all))
    }
}

/// What the limits of all endpoints have in common.
pub(super) struct House<'a> {
    pub(super) clients: Clients,
    pub(super) telemetry: &'a Telemetry,
    pub(super) inventory: &'a Inventory,
}

/// The declared endpoints, matched before the router: a layer outside of a router cannot see its route.
#[derive(Clone, Default)]
pub(super) struct EndpointTable {
    paths: Arc<Router<Methods>>,
}

type Methods = HashMap<Method, Declared>;

/// What the requests of one endpoint carry.
#[derive(Clone)]
struct Declared {
    route: RouteTemplate,
    limits: RequestLimits,
    quotas: Option<Quotas>,
    criticality: Criticality,
}

impl EndpointTable {
    /// Builds the table, or lists what is wrong with the declarations.
    pub(super) fn new(
        declared: Vec<(Method, String, Endpoint)>,
        house: &House<'_>,
    ) -> Result<Self, Vec<InvalidSetting>> {
        let mut wrong = Vec::new();
        let mut templates: HashMap<String, Methods> = HashMap::new();
        for (method, template, endpoint) in declared {
            let key = format!("endpoint {method} {template}");
            if endpoint.limits.deadline.is_some_and(|deadline| deadline.is_zero()) {
                wrong.push(InvalidSetting::new(
                    format!("{key}: deadline"),
                    "zero",
                    "more than zero",
                ));
            }
            let declared = Declared {
                route: RouteTemplate(template.as_str().into()),
                quotas: endpoint.quotas(&format!("{method} {template}"), house, &mut wrong),
                limits: endpoint.limits,
                criticality: endpoint.criticality,
            };
            let methods = templates.entry(template).or_default();
            if methods.insert(method, declared).is_some() {
                wrong.push(InvalidSetting::new(key, "declared twice", "declared once"));
            }
        }
        let mut paths = Router::new();
        for (template, methods) in templates {
            if let Err(error) = paths.insert(&template, methods) {
                let allowed = "a path such as `/orders/{id}` that no other template overlaps";
                wrong.push(InvalidSetting::new(
                    format!("endpoint {template}"),
                    error.to_string(),
                    allowed,
                ));
            }
        }
        if wrong.is_empty() {
            Ok(Self { paths: Arc::new(paths) })
        } else {
            Err(wrong)
        }
    }

    fn find(&self, method: &Method, path: &str) -> Option<&Declared> {
        let methods = self.paths.at(path).ok()?.value;
        let fallback = if method == Method::HEAD {
            methods.get(&Method::GET)
        } else {
            None
        };
        methods.get(method).or(fallback)
    }
}

impl<S> Layer<S> for EndpointTable {
    type Service = EndpointService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EndpointService {
            inner,
            table: self.clone(),
        }
    }
}

/// Puts the label and the limits of a request's endpoint into its extensions.
#[derive(Clone)]
pub(super) struct EndpointService<S> {
    inner: S,
    table: EndpointTable,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for EndpointService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(declared) = self.table.find(request.method(), request.uri().path()).cloned() {
            let extensions = request.extensions_mut();
            extensions.insert(declared.route);
            extensions.insert(declared.limits);
            extensions.insert(declared.criticality);
            if let Some(quotas) = declared.quotas {
                extensions.insert(quotas);
            }
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn table(declared: Vec<(Method, String, Endpoint)>) -> Result<EndpointTable, Vec<InvalidSetting>> {
        let house = House {
            clients: Settings::read(&[], None, Vec::new()).0.clients,
            telemetry: &Telemetry::new(),
            inventory: &Inventory::default(),
        };
        EndpointTable::new(declared, &house)
    }

    #[test]
    fn every_mistake_in_the_table_is_listed_at_once() {
        let declared = vec![
            (Method::GET, "/a/{id}".to_owned(), Endpoint::default()),
            (Method::GET, "/a/{id}".to_owned(), Endpoint::default()),
            (Method::GET, "/b/{".to_owned(), Endpoint::default()),
            (
                Method::GET,
                "/c".to_owned(),
                Endpoint::default().deadline(Duration::ZERO),
            ),
            (
                Method::GET,
                "/d".to_owned(),
                Endpoint::default()
                    .rate_limit(Quota::per_second(0))
                    .per_client(Quota::per_second(0)),
            ),
        ];
        let wrong = table(declared).err().unwrap();
        let keys: Vec<_> = wrong.iter().map(|wrong| wrong.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "endpoint GET /a/{id}",
                "endpoint GET /c: deadline",
                "rate_limit.GET /d.quota",
                "rate_limit.GET /d per client.quota",
                "endpoint /b/{"
            ]
        );
    }

    #[test]
    fn head_is_answered_for_by_get() {
        let declared = vec![(Method::GET, "/a/{id}".to_owned(), Endpoint::default())];
        let table = table(declared).ok().unwrap();
        assert_eq!(&*table.find(&Method::HEAD, "/a/1").unwrap().route.0, "/a/{id}");
        assert!(table.find(&Method::POST, "/a/1").is_none());
    }
}
