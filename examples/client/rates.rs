//! The client of `rates`: how it is guarded, and what it says.

use std::fmt;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use seaworthy::{AppBuilder, Body, BoxError, HttpClient, Refusal};

/// Declares the dependency: all five guards are on, and these are the numbers that are not the defaults.
pub fn declare(app: &mut AppBuilder, url: &str) -> HttpClient {
    app.dependency("rates")
        // Three attempts and the waits between them fit into it: 3 x 200 ms + 50 ms + 100 ms.
        .deadline(Duration::from_secs(1))
        .attempt_timeout(Duration::from_millis(200))
        // Opens sooner than for thousands of calls, and tries again sooner.
        .breaker(|breaker| {
            let one = Duration::from_secs(1);
            breaker.minimum_calls(20).failure_rate(60).open(one, one)
        })
        .bulkhead(|bulkhead| bulkhead.concurrent(4).queue(4).wait(Duration::from_millis(50)))
        .http(url)
}

/// How a call has ended.
#[derive(Debug, PartialEq)]
pub enum Ending {
    Answered(String),
    /// The last attempt was answered so.
    Failed(StatusCode),
    /// One of our own guards has refused or ended it.
    Refused(Refusal),
    Broken(String),
}

pub async fn ask(rates: &HttpClient) -> Ending {
    fetch(rates)
        .await
        .unwrap_or_else(|error| match Refusal::find(error.as_ref()) {
            Some(refusal) => Ending::Refused(refusal.clone()),
            None => Ending::Broken(error.to_string()),
        })
}

async fn fetch(rates: &HttpClient) -> Result<Ending, BoxError> {
    // A GET may be repeated; a POST would need an `idempotency-key`.
    let request = Request::get("/rates/eur").body(Body::empty())?;
    let response = rates.send(request).await?;
    let status = response.status();
    // To its end: the call keeps its place until then.
    let body = response.into_body().collect().await?.to_bytes();
    Ok(if status.is_success() {
        Ending::Answered(String::from_utf8_lossy(&body).into_owned())
    } else {
        Ending::Failed(status)
    })
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(rate) => write!(f, "answered: {rate}"),
            Self::Failed(status) => write!(f, "failed: {status}"),
            Self::Refused(refusal) => match refusal.retry_after() {
                Some(wait) => write!(f, "refused: {refusal}; come back in {} ms", wait.as_millis()),
                None => write!(f, "refused: {refusal}"),
            },
            Self::Broken(error) => write!(f, "broken: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use seaworthy::breaker::State;
    use seaworthy::{App, Reason};

    use super::*;
    use crate::upstream::{Mood, Upstream};

    async fn rates() -> (Upstream, HttpClient) {
        let upstream = Upstream::default();
        let url = upstream.serve().await.unwrap();
        let mut app = App::builder("converter");
        let rates = declare(&mut app, &url);
        app.build().unwrap();
        (upstream, rates)
    }

    #[tokio::test]
    async fn a_failed_attempt_is_made_up_for_by_a_second_one() {
        let (upstream, rates) = rates().await;
        assert_eq!(ask(&rates).await, Ending::Answered("1.08 (attempt 1)".into()));
        upstream.set(Mood::Flaky);
        assert_eq!(ask(&rates).await, Ending::Answered("1.08 (attempt 2)".into()));
    }

    #[tokio::test]
    async fn what_is_down_fails_until_the_circuit_opens_and_is_refused_then() {
        let (upstream, rates) = rates().await;
        upstream.set(Mood::Down);
        let breaker = rates.dependency().breaker();
        while breaker.snapshot().state == State::Closed {
            let ending = ask(&rates).await;
            let last = ending == Ending::Failed(StatusCode::INTERNAL_SERVER_ERROR);
            assert!(last || breaker.snapshot().state == State::Open, "{ending}");
        }
        let Ending::Refused(refusal) = ask(&rates).await else {
            panic!("it was not refused");
        };
        assert_eq!(refusal.reason(), Reason::CircuitOpen);
        assert!(refusal.retry_after().is_some());
    }

    #[tokio::test]
    async fn what_hangs_is_given_up_within_the_deadline() {
        let (upstream, rates) = rates().await;
        upstream.set(Mood::Hanging);
        let Ending::Refused(refusal) = ask(&rates).await else {
            panic!("it was answered");
        };
        let limit = Duration::from_millis(200);
        assert!(
            matches!(refusal.reason(), Reason::Elapsed { limit: it, .. } if it == limit),
            "{refusal}"
        );
    }
}
