use http::header::VARY;
use http::{HeaderValue, Request, Response, StatusCode};

use super::accept::prefers_text;
use super::routes::{text, value};
use crate::telemetry::FlightRecorder;
use crate::web::Body;

/// Answers with what happened: JSON, or text for whoever asks for that.
pub(super) fn page(request: &Request<Body>, recorder: &FlightRecorder) -> Response<Body> {
    let mut response = if wants_text(request) {
        text(StatusCode::OK, recorder.text())
    } else {
        value(&recorder.json())
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// The query decides, as it is written by hand.
fn wants_text(request: &Request<Body>) -> bool {
    for pair in request.uri().query().unwrap_or_default().split('&') {
        match pair {
            "format=text" => return true,
            "format=json" => return false,
            _ => {}
        }
    }
    prefers_text(request.headers())
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn text_is_for_whoever_asks_for_it() {
        for (uri, accept, expected) in [
            ("/timeline", "*/*", false),
            ("/timeline", "text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("/timeline", "text/plain", true),
            ("/timeline", "text/plain;q=0.9, */*", true),
            ("/timeline", "application/json, text/plain", false),
            ("/timeline", "application/json;q=0.5, text/plain", true),
            ("/timeline", "text/plain;q=0", false),
            ("/timeline?format=text", "application/json", true),
            ("/timeline?x&format=json", "text/plain", false),
        ] {
            let request = Request::get(uri).header(ACCEPT, accept).body(Body::empty());
            assert_eq!(wants_text(&request.unwrap()), expected, "{uri} {accept}");
        }
    }
}
