use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request};
use matchit::Router;
use tower_layer::Layer;
use tower_service::Service;

use super::endpoint::Endpoint;
use super::quotas::House;
use crate::base::criticality::Criticality;
use crate::base::error::InvalidSetting;
use crate::web::{Quotas, RequestLimits, RouteTemplate};

/// The declared endpoints, matched before the router: a layer outside of a router cannot see its route.
#[derive(Clone, Default)]
pub(super) struct EndpointTable {
    paths: Arc<Router<Methods>>,
    /// The limits of all else.
    undeclared: Option<Quotas>,
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
        house: &mut House<'_>,
    ) -> Result<Self, Vec<InvalidSetting>> {
        let mut wrong = Vec::new();
        let mut templates: BTreeMap<String, Methods> = BTreeMap::new();
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
                quotas: house.quotas(&format!("{method} {template}"), &endpoint),
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
        let undeclared = house.quotas("undeclared", &Endpoint::default());
        wrong.append(&mut house.wrong);
        if wrong.is_empty() {
            Ok(Self {
                paths: Arc::new(paths),
                undeclared,
            })
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
        let declared = self.table.find(request.method(), request.uri().path()).cloned();
        let quotas = declared
            .as_ref()
            .map_or(&self.table.undeclared, |declared| &declared.quotas);
        let quotas = quotas.clone();
        let extensions = request.extensions_mut();
        if let Some(quotas) = quotas {
            extensions.insert(quotas);
        }
        if let Some(declared) = declared {
            extensions.insert(declared.route);
            // Each is an allocation, and without one the defaults hold.
            if declared.limits != RequestLimits::default() {
                extensions.insert(declared.limits);
            }
            extensions.insert(declared.criticality);
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::Settings;
    use super::super::sizing::Sizing;
    use super::*;
    use crate::base::inventory::Inventory;
    use crate::policy::rate_limit::Quota;
    use crate::telemetry::Telemetry;

    fn table(declared: Vec<(Method, String, Endpoint)>) -> Result<EndpointTable, Vec<InvalidSetting>> {
        let (telemetry, inventory) = (Telemetry::new("tested".into()), Inventory::default());
        let settings = Settings::read(&[], None, Vec::new(), &Sizing::of(1.0, None)).0;
        let mut house = House::new(&settings, &[], &telemetry, &inventory);
        EndpointTable::new(declared, &mut house)
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
                "endpoint /b/{",
                "rate_limit.GET /d per client.quota",
                "rate_limit.GET /d.quota"
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
