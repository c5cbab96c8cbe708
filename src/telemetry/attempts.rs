//! The durations of attempts at dependencies over HTTP.

use std::hash::RandomState;

use metrics::{Histogram, Key, Label, Recorder};

use super::handles::{Handles, Sought};
use super::metrics::METADATA;
use super::names;
use crate::base::request::AttemptEnded;

/// Hosts may be those that callers name, as of a webhook: the hash withstands whoever looks for two that collide.
#[derive(Default)]
pub(super) struct Attempts(Handles<Series<Box<str>>, Histogram, RandomState>);

/// What tells one duration's series from another; the address is of a bounded set unless the program calls any.
#[derive(PartialEq, Hash)]
struct Series<T> {
    dependency: T,
    method: &'static str,
    address: Option<T>,
    port: Option<u16>,
    status: Option<u16>,
    error: Option<T>,
}

impl Sought<Series<Box<str>>> for Series<&str> {
    fn is(&self, key: &Series<Box<str>>) -> bool {
        self.dependency == &*key.dependency
            && self.method == key.method
            && self.address == key.address.as_deref()
            && self.port == key.port
            && self.status == key.status
            && self.error == key.error.as_deref()
    }

    fn to_key(&self) -> Series<Box<str>> {
        Series {
            dependency: self.dependency.into(),
            method: self.method,
            address: self.address.map(Into::into),
            port: self.port,
            status: self.status,
            error: self.error.map(Into::into),
        }
    }
}

impl Attempts {
    pub(super) fn ended(&self, attempt: &AttemptEnded<'_>, recorder: &dyn Recorder) {
        let series = Series {
            dependency: attempt.dependency,
            method: attempt.method,
            address: attempt.server_address,
            port: attempt.server_port,
            status: attempt.status,
            error: attempt.error,
        };
        let register = |series: &Series<Box<str>>| {
            let text = |text: &str| text.to_owned();
            let labels = [
                Some(Label::new("dependency", text(&series.dependency))),
                Some(Label::from_static_parts("http_request_method", series.method)),
                series
                    .address
                    .as_deref()
                    .map(|address| Label::new("server_address", text(address))),
                series.port.map(|port| Label::new("server_port", port.to_string())),
                series
                    .status
                    .map(|status| Label::new("http_response_status_code", status.to_string())),
                series
                    .error
                    .as_deref()
                    .map(|error| Label::new("error_type", text(error))),
            ];
            let labels: Vec<_> = labels.into_iter().flatten().collect();
            recorder.register_histogram(&Key::from_parts(names::ATTEMPT_DURATION, labels), &METADATA)
        };
        let took = attempt.took.as_secs_f64();
        self.0.with(&series, register, |duration| duration.record(took));
    }
}
