use std::time::Duration;

use http::Method;

use super::control::{Control, Waivers};
use super::lint::Promise;
use super::settings::Places;
use crate::base::criticality::Criticality;
use crate::policy::rate_limit::Quota;
use crate::web::RequestLimits;

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
    pub(super) limits: RequestLimits,
    pub(super) rate_limit: Option<Quota>,
    pub(super) per_client: Option<Quota>,
    pub(super) criticality: Criticality,
    pub(super) waivers: Waivers,
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

    /// How many requests of all clients together are let through; further ones get a 429. Default: the settings
    /// `endpoints.…`.
    pub fn rate_limit(mut self, quota: Quota) -> Self {
        self.rate_limit = Some(quota);
        self
    }

    /// How many requests of each client are let through; further ones get a 429, and take nothing of what all clients
    /// have together. The settings `clients.…` say who is a client. Default: what the settings `clients.…` grant each for
    /// all endpoints together that do not say it themselves.
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

    /// Leaves a guard out for good, for a reason that stands in every report: its
    /// [`RateLimit`](Control::RateLimit) or its [`ClientRateLimit`](Control::ClientRateLimit).
    pub fn without(mut self, control: Control, reason: impl Into<String>) -> Self {
        self.waivers.add(control, reason, None);
        self
    }

    /// Leaves a guard out until the beginning of a day, such as `2027-01-31` (UTC).
    ///
    /// Whoever starts later has the guard again. What has been started before goes on without it, and the waiver shows
    /// as ended.
    pub fn without_until(mut self, control: Control, reason: impl Into<String>, day: impl Into<String>) -> Self {
        self.waivers.add(control, reason, Some(day.into()));
        self
    }

    /// Returns its numbers, to be compared with those of the service; `places` are `None` if nothing limits them.
    pub(super) fn promise(&self, method: &Method, template: &str, places: Option<Places>) -> Promise {
        let own = |places: Places| {
            if self.criticality >= Criticality::Critical {
                places.critical
            } else {
                places.other
            }
        };
        Promise {
            subject: format!("endpoint {method} {template}"),
            deadline: self.limits.deadline,
            is_stream: self.limits.stream,
            quota: self.rate_limit,
            latency: self.typical_latency,
            places: places.map(own),
        }
    }
}
