use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request};
use matchit::Router;
use tower_layer::Layer;
use tower_service::Service;

use crate::base::error::InvalidSetting;
use crate::web::{RequestLimits, RouteTemplate};

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
}

/// The declared endpoints, matched before the router: a layer outside of a router cannot see its route.
#[derive(Clone, Default)]
pub(super) struct EndpointTable {
    paths: Arc<Router<Methods>>,
}

type Methods = HashMap<Method, (RouteTemplate, RequestLimits)>;

impl EndpointTable {
    /// Builds the table, or lists what is wrong with the declarations.
    pub(super) fn new(declared: Vec<(Method, String, Endpoint)>) -> Result<Self, Vec<InvalidSetting>> {
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
            let label = RouteTemplate(template.as_str().into());
            let methods = templates.entry(template).or_default();
            if methods.insert(method, (label, endpoint.limits)).is_some() {
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

    fn find(&self, method: &Method, path: &str) -> Option<&(RouteTemplate, RequestLimits)> {
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
        if let Some((route, limits)) = self.table.find(request.method(), request.uri().path()).cloned() {
            request.extensions_mut().insert(route);
            request.extensions_mut().insert(limits);
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        let wrong = EndpointTable::new(declared).err().unwrap();
        let keys: Vec<_> = wrong.iter().map(|wrong| wrong.key.as_str()).collect();
        assert_eq!(
            keys,
            ["endpoint GET /a/{id}", "endpoint GET /c: deadline", "endpoint /b/{"]
        );
    }

    #[test]
    fn head_is_answered_for_by_get() {
        let declared = vec![(Method::GET, "/a/{id}".to_owned(), Endpoint::default())];
        let table = EndpointTable::new(declared).ok().unwrap();
        assert_eq!(&*table.find(&Method::HEAD, "/a/1").unwrap().0.0, "/a/{id}");
        assert!(table.find(&Method::POST, "/a/1").is_none());
    }
}
