//! `/review`: go or no-go.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, RETRY_AFTER, VARY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::accept::liked;
use super::routes::text;
use crate::base::clock::{Clock, timeout};
use crate::review::{Level, NoLevel, Review, Reviewer, Verdict};
use crate::web::Body;

pub(super) const PATH: &str = "/review";

/// Says GO or NO-GO, whatever the format.
const VERDICT: HeaderName = HeaderName::from_static("x-review-verdict");

/// How long a review may take: it reads files, and a disk can hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes reviews, one at a time: of files that hang, no more than one thread waits.
#[derive(Clone, Debug)]
pub(super) struct ReviewPage {
    reviewer: Reviewer,
    turn: Arc<Semaphore>,
}

/// How somebody wants to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Markdown,
    Text,
    /// Text in colour; by the query alone.
    Ansi,
}

impl Format {
    /// The best liked, of those that are liked alike the first one; Markdown, which reads well in a terminal, is for
    /// whoever says nothing.
    const ALL: [(Self, &str, &str); 5] = [
        (Self::Markdown, "markdown", "text/markdown"),
        (Self::Html, "html", "text/html"),
        (Self::Json, "json", "application/json"),
        (Self::Text, "text", "text/plain"),
        (Self::Ansi, "ansi", ""),
    ];

    fn render(self, review: &Review) -> String {
        match self {
            Self::Html => review.html(),
            Self::Json => review.json(),
            Self::Markdown => review.markdown(),
            Self::Text => review.text(false),
            Self::Ansi => review.text(true),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Text | Self::Ansi => "text/plain; charset=utf-8",
        }
    }
}

pub(super) fn is_asked(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path() == PATH
}

impl ReviewPage {
    pub(super) fn new(reviewer: Reviewer) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { reviewer, turn }
    }

    /// Answers with a review of the service as it is now.
    pub(super) fn answer(self, request: &Request<Body>) -> impl Future<Output = Response<Body>> + use<> {
        let asked = asked(request);
        async move {
            match asked {
                Ok((format, level)) => self.page(format, level).await,
                Err(why) => text(StatusCode::BAD_REQUEST, why),
            }
        }
    }

    async fn page(&self, format: Format, level: Option<Level>) -> Response<Body> {
        match timeout(PATIENCE, self.review(format, level)).await {
            Ok(Some((page, verdict))) => {
                let mut response = text(StatusCode::OK, page);
                let headers = response.headers_mut();
                headers.insert(VERDICT, HeaderValue::from_static(verdict.label()));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
                headers.insert(VARY, HeaderValue::from_static("accept"));
                headers.insert(
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
                );
                response
            }
            Ok(None) | Err(_) => {
                let why = "could not tell: the files that the manifest names do not answer\n";
                let mut response = text(StatusCode::SERVICE_UNAVAILABLE, why.into());
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }

    async fn review(&self, format: Format, level: Option<Level>) -> Option<(String, Verdict)> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let reviewer = self.reviewer.clone();
        let made = spawn_blocking(move || {
            // Given back when it is over, and not when nobody waits any more.
            let _turn = turn;
            let review = reviewer.review(Clock::default().unix_time());
            let review = match level {
                Some(level) => review.toward(level),
                None => review,
            };
            (format.render(&review), review.verdict())
        });
        made.await.ok()
    }
}

/// Returns what is asked for: the query decides, as it is written by hand, and then `Accept`.
fn asked(request: &Request<Body>) -> Result<(Format, Option<Level>), String> {
    let (mut format, mut level) = (None, None);
    for pair in request.uri().query().unwrap_or_default().split('&') {
        match pair.split_once('=') {
            Some(("format", word)) => {
                let known = Format::ALL.into_iter().find(|(_, name, _)| *name == word);
                let known = known.ok_or("`format` must be one of `markdown`, `html`, `json`, `text`, `ansi`\n")?;
                format = Some(known.0);
            }
            Some(("level", word)) => {
                let known: Result<Level, NoLevel> = word.parse();
                level = Some(known.map_err(|error| format!("`level` must be {error}\n"))?);
            }
            _ => {}
        }
    }
    Ok((format.unwrap_or_else(|| preferred(request)), level))
}

fn preferred(request: &Request<Body>) -> Format {
    let mut best = (Format::Markdown, 0.0);
    for (format, _, name) in Format::ALL {
        let q = liked(request.headers(), name);
        if q > best.1 {
            best = (format, q);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn each_gets_what_it_likes_best() {
        use Format::{Html, Json, Markdown, Text};
        for (uri, accept, expected) in [
            ("/review", "*/*", Markdown),
            (
                "/review",
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Html,
            ),
            ("/review", "application/json", Json),
            ("/review", "application/json;q=0.5, text/html;q=0.9", Html),
            ("/review", "text/plain", Text),
            ("/review", "text/markdown, text/html", Markdown),
            ("/review", "image/png", Markdown),
            ("/review?format=json", "text/html", Json),
            ("/review?x&format=text", "text/html", Text),
        ] {
            let request = Request::get(uri).header(ACCEPT, accept).body(Body::empty()).unwrap();
            assert_eq!(asked(&request), Ok((expected, None)), "{uri} {accept}");
        }
        let level = |uri: &str| asked(&Request::get(uri).body(Body::empty()).unwrap());
        assert_eq!(level("/review?level=L2"), Ok((Markdown, Some(Level::Stable))));
        assert!(level("/review?level=L9").is_err());
        assert!(level("/review?format=pdf").is_err());
    }
}
