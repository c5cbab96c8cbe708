//! What only a router knows.

use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use seaworthy::web::MatchedPathLayer;
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive;
use seaworthy_harness::inner::Inner;

use super::{BARE, OURS};

/// A router with and without the layer: it is inside of the router that a route has been found.
pub(super) fn by_axum() -> Comparison {
    let layer = MatchedPathLayer::new();
    Comparison {
        title: "a route of axum".to_owned(),
        settings: "`bare` is the router without the layer; axum boxes what a layer makes of a route".to_owned(),
        outcome: Outcome::Success,
        bare: row(BARE, router()),
        rows: vec![row("matched path", router().layer(layer)).of_layer(&layer)],
        on_two_threads: false,
    }
}

fn router() -> Router {
    let answer = || async {
        let answered = Inner::ReadyAtOnce.answer(0).await;
        answered.map_or(StatusCode::INTERNAL_SERVER_ERROR, |_| StatusCode::OK)
    };
    Router::new().route("/items/{id}", get(answer))
}

fn row(what: &'static str, router: Router) -> Row {
    Row::new(OURS, what, move || {
        let mut router = router.clone().into_service::<Body>();
        move |_| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = http::Uri::from_static("/items/7");
            black_box(drive::call(&mut router, request)).is_ok_and(|response| response.status().is_success())
        }
    })
}
