use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Extensions, Response, StatusCode};

use crate::base::clock::Clock;
use crate::base::error::BoxError;
use crate::base::outcome::ErrorIsFailure;
use crate::base::refusal::Refusal;
use crate::policy::retry::{Appraisal, Appraise, ByOutcome, of_refusal};

/// Takes errors and the statuses 408, 429, 500, 502, 503 and 504 for worth a further attempt.
///
/// These are what Google's storage clients retry (*Retry strategy*, Cloud Storage docs); Microsoft's standard handler
/// (`HttpClientResiliencePredicates`) takes 408, 429 and every 5xx, the AWS SDKs 500, 502, 503, 504 and throttling. The
/// other 5xx (501, 505, 507, 508, 511) say that the same request would end the same again, and so does every other 4xx.
///
/// A `Retry-After` on any of these responses, in seconds or as an HTTP date, is waited for, and the backoff after it; if
/// it leads beyond the deadline, the response is final. A date is compared with the response's own `Date`, so that clocks
/// need not agree; without one, with the system's clock. What is neither is as good as not there.
///
/// A [`Refusal`] says itself what it means, as an error or in a response's extensions: an open circuit's is final.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryByStatus;

impl<B> Appraise<Response<B>, BoxError> for RetryByStatus {
    #[inline]
    fn appraise(&self, end: Result<&Response<B>, &BoxError>) -> Appraisal {
        of_end(end.map(Response::extensions), || {
            end.map_or(Appraisal::Final, |response| {
                of_head(response.status(), response.headers())
            })
        })
    }
}

#[cfg(feature = "reqwest")]
impl Appraise<reqwest::Response, BoxError> for RetryByStatus {
    fn appraise(&self, end: Result<&reqwest::Response, &BoxError>) -> Appraisal {
        of_end(end.map(reqwest::Response::extensions), || {
            end.map_or(Appraisal::Final, |response| {
                of_head(response.status(), response.headers())
            })
        })
    }
}

/// Appraises an error or a refusal among a response's extensions; `of_head` whatever else was answered.
#[inline]
pub(crate) fn of_end(end: Result<&Extensions, &BoxError>, of_head: impl FnOnce() -> Appraisal) -> Appraisal {
    match end.map(Extensions::get) {
        Ok(Some(refusal)) => of_refusal(refusal),
        Ok(None::<&Refusal>) => of_head(),
        Err(error) => ByOutcome(ErrorIsFailure).appraise(Err::<&(), _>(error)),
    }
}

fn of_head(status: StatusCode, headers: &HeaderMap) -> Appraisal {
    match status.as_u16() {
        408 | 429 | 500 | 502 | 503 | 504 => retry_after(headers).map_or(Appraisal::Again, Appraisal::AgainAfter),
        _ => Appraisal::Final,
    }
}

/// Returns how long a response asks to wait (RFC 9110, 10.2.3), if it does so in a form that can be understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a time that nobody waits for.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let sent = headers.get(DATE).and_then(date);
    let now = sent.unwrap_or_else(|| SystemTime::UNIX_EPOCH + Clock::default().unix_time());
    Some(until.duration_since(now).unwrap_or_default())
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests;
