//! The access log.

use std::time::Duration;

use crate::base::context::{Origin, SampleRatio};
use crate::base::counter::Counter;
use crate::base::outcome::Outcome;
use crate::base::request::RequestEnded;
use crate::telemetry::names;

/// Writes one line a request; of those that went well a part, if that is asked for.
#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    pub(super) ratio: SampleRatio,
    left_out: Counter,
}

impl AccessLog {
    pub(crate) fn new(ratio: SampleRatio) -> Self {
        Self {
            ratio,
            left_out: Counter::default(),
        }
    }

    /// Returns how many lines were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.sum()
    }

    pub(in crate::telemetry) fn request(&self, request: &RequestEnded<'_>) {
        if went_well(request) && !self.takes() {
            return self.left_out.increment();
        }
        let RequestEnded {
            method,
            route,
            status,
            error,
            ..
        } = *request;
        let took_ms = millis(request.took);
        let refused_by = request.refusal.map(|refusal| refusal.name());
        if request.outcome == Outcome::Failure {
            tracing::warn!(target: names::ACCESS_LOG, method, route, status, took_ms, error, refused_by, "request failed");
        } else {
            tracing::info!(target: names::ACCESS_LOG, method, route, status, took_ms, error, refused_by, "request");
        }
    }

    /// Decides for whole traces, so that all services of one ratio log the same of them.
    fn takes(&self) -> bool {
        if self.ratio == SampleRatio::ALL {
            return true;
        }
        let of_trace = Origin::with(|origin| origin.trace.as_ref().map(|trace| self.ratio.takes(trace.trace_id())));
        of_trace.unwrap_or_else(|| fastrand::f64() < self.ratio.get())
    }
}

/// Returns whether there is nothing to be said of it: no failure, no refusal, no caller who went away.
fn went_well(request: &RequestEnded<'_>) -> bool {
    let is_server_error = request.status.is_some_and(|status| status >= 500);
    request.outcome == Outcome::Success && request.error.is_none() && request.refusal.is_none() && !is_server_error
}

pub(super) fn millis(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::context::TraceContext;
    use crate::base::refusal::{Reason, Refusal};

    fn ended(status: u16) -> RequestEnded<'static> {
        RequestEnded {
            method: "GET",
            route: "/",
            scheme: "http",
            status: Some(status),
            outcome: Outcome::Success,
            error: None,
            refusal: None,
            took: Duration::ZERO,
        }
    }

    fn left_out(request: &RequestEnded<'_>) -> bool {
        let log = AccessLog::new(SampleRatio::NONE);
        log.request(request);
        log.left_out() == 1
    }

    #[test]
    fn only_what_went_well_is_left_out() {
        let refusal = Refusal::new("timeout", "inbound".into(), Reason::DeadlinePassed);
        let well = ended(200);
        assert!(left_out(&well) && left_out(&ended(404)));
        assert!(!left_out(&ended(500)));
        for request in [
            RequestEnded {
                outcome: Outcome::Failure,
                ..well
            },
            RequestEnded {
                outcome: Outcome::Ignored,
                error: Some("cancelled"),
                ..well
            },
            RequestEnded {
                refusal: Some(&refusal),
                ..well
            },
        ] {
            assert!(!left_out(&request), "{request:?}");
        }
    }

    #[test]
    fn a_part_is_written_and_all_of_one_trace_or_nothing() {
        let log = AccessLog::new(SampleRatio::new(0.25).unwrap());
        for _ in 0..1000 {
            let trace = TraceContext::begin(SampleRatio::ALL);
            let origin = || Origin {
                trace: Some(trace.child()),
                ..Origin::NONE
            };
            let [one, other] = [origin(), origin()].map(|mut origin| origin.run(|| log.takes()));
            assert_eq!(one, other);
        }
        (0..1000).for_each(|_| log.request(&ended(200)));
        assert!((650..=850).contains(&log.left_out()), "{}", log.left_out());
        let all = AccessLog::default();
        (0..1000).for_each(|_| all.request(&ended(200)));
        assert_eq!(all.left_out(), 0);
    }
}
