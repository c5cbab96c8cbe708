use http::HeaderMap;
use http::header::ACCEPT;

use crate::telemetry::Exposition;

/// Returns the exposition that a scraper asks for (RFC 9110, section 12.5.1).
///
/// OpenMetrics if it is named and not liked less than text; text for everybody else, also for whoever takes neither.
pub(super) fn accepted(headers: &HeaderMap) -> Exposition {
    let (mut open_metrics, mut text, mut anything) = (0.0_f64, None::<f64>, 0.0_f64);
    for Range { name, version, q } in ranges(headers) {
        if name.eq_ignore_ascii_case("application/openmetrics-text") {
            if version.is_none_or(|version| version == "1.0.0") {
                open_metrics = open_metrics.max(q);
            }
        } else if name.eq_ignore_ascii_case("text/plain") {
            text = Some(text.unwrap_or_default().max(q));
        } else if name.eq_ignore_ascii_case("text/*") || name == "*/*" {
            anything = anything.max(q);
        }
    }
    if open_metrics > 0.0 && open_metrics >= text.unwrap_or(anything) {
        Exposition::OpenMetrics
    } else {
        Exposition::Text
    }
}

/// Returns whether plain text is named, and liked better than JSON.
pub(super) fn prefers_text(headers: &HeaderMap) -> bool {
    liked(headers, "text/plain") > liked(headers, "application/json")
}

/// Returns how much a type is liked that is named: from 0, which is not at all, to 1.
pub(super) fn liked(headers: &HeaderMap, name: &str) -> f64 {
    let ranges = ranges(headers).filter(|range| range.name.eq_ignore_ascii_case(name));
    ranges.map(|range| range.q).fold(0.0, f64::max)
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let lines = headers.get_all(ACCEPT).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(Range::parse)
}

/// One of the types that somebody takes.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// How much it is liked: from 0, which is not at all, to 1.
    q: f64,
}

impl<'a> Range<'a> {
    fn parse(range: &'a str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let (mut version, mut q) = (None, 1.0);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            if key.eq_ignore_ascii_case("version") {
                version = Some(value.trim_matches('"'));
            } else if key.eq_ignore_ascii_case("q") {
                // What is no number is no wish.
                q = value.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0);
            }
        }
        Self { name, version, q }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_names_it_and_likes_text_no_better() {
        use Exposition::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let newer = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                     application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.1";
        let cases = [
            (prometheus, OpenMetrics),
            (newer, OpenMetrics),
            ("application/openmetrics-text", OpenMetrics),
            (
                "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
                OpenMetrics,
            ),
            ("text/plain, application/openmetrics-text", OpenMetrics),
            ("text/plain;q=0.2, */*, application/openmetrics-text;q=0.5", OpenMetrics),
            ("", Text),
            ("*/*", Text),
            ("text/plain;version=0.0.4", Text),
            ("application/*", Text),
            ("application/openmetrics-text;version=0.0.1", Text),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=NaN", Text),
            ("application/openmetrics-text;q=0.4,text/plain", Text),
            ("application/openmetrics-text;q=0.4,*/*;q=0.9", Text),
            ("application/openmetrics-textual", Text),
            (";;;,,q=1;=;\t", Text),
        ];
        for (accept, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(accepted(&headers), expected, "{accept:?}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Text);
    }
}
