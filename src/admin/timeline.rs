use http::header::ACCEPT;
use http::{HeaderValue, Request, Response, StatusCode};

use super::routes::{text, value};
use crate::telemetry::FlightRecorder;
use crate::web::Body;

/// Answers with what happened: JSON, or text for whoever asks for that.
pub(super) fn page(request: &Request<Body>, recorder: &FlightRecorder) -> Response<Body> {
    if wants_text(request) {
        text(StatusCode::OK, recorder.text())
    } else {
        value(&recorder.json())
    }
}

/// The query decides, as it is written by hand; then the first of the two types that is accepted.
fn wants_text(request: &Request<Body>) -> bool {
    for pair in request.uri().query().unwrap_or_default().split('&') {
        match pair {
            "format=text" => return true,
            "format=json" => return false,
            _ => {}
        }
    }
    let accepted = request.headers().get_all(ACCEPT).into_iter();
    let accepted = accepted.filter_map(|value| HeaderValue::to_str(value).ok());
    let mut types = accepted
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next());
    types.find_map(|name| match name.trim() {
        "text/plain" => Some(true),
        "application/json" => Some(false),
        _ => None,
    }) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_for_whoever_asks_for_it() {
        for (uri, accept, expected) in [
            ("/timeline", "*/*", false),
            ("/timeline", "text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("/timeline", "text/plain", true),
            ("/timeline", "text/plain;q=0.9, */*", true),
            ("/timeline", "application/json, text/plain", false),
            ("/timeline?format=text", "application/json", true),
            ("/timeline?x&format=json", "text/plain", false),
        ] {
            let request = Request::get(uri).header(ACCEPT, accept).body(Body::empty());
            assert_eq!(wants_text(&request.unwrap()), expected, "{uri} {accept}");
        }
    }
}
