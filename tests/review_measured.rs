//! What is measured for a review: how old something is, and which schema there is.

mod review_support;

use std::fs::File;
use std::future::{Ready, pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use http::HeaderMap;
use http::header::{ETAG, LAST_MODIFIED};
use review_support::{DAY, Folder, NOW, builder, kind, said, wrong};
use seaworthy::AppBuilder;
use seaworthy::health::{HealthReport, TaskState};
use seaworthy::review::{Freshness, Kind, Review, SchemaGate, http_date};
use tokio::time::Instant;

type Time = Result<SystemTime, io::Error>;

/// A last drill that was `age` before the review.
fn drill(age: Duration) -> Freshness {
    last(move || ready(Ok(UNIX_EPOCH + NOW - age)))
}

fn last<Fut>(last: impl Fn() -> Fut + Send + Sync + 'static) -> Freshness
where
    Fut: Future<Output = Time> + Send + 'static,
{
    Freshness::new("drill", DAY, last).of_item("restore-drill")
}

async fn measured(app: AppBuilder) -> Review {
    let app = app.build().unwrap();
    app.measure().await;
    app.review_at(NOW)
}

/// Returns how a restore drill stands, and what is said of it.
async fn stands(freshness: Freshness) -> (Kind, String) {
    let review = measured(builder().freshness(freshness)).await;
    (kind(&review, "restore-drill"), said(&review, "restore-drill"))
}

#[tokio::test]
async fn what_is_fresh_is_measured_and_what_is_stale_or_still_to_come_is_missing() {
    assert_eq!(stands(drill(DAY)).await.0, Kind::Measured);
    let (stale, said) = stands(drill(DAY + Duration::from_secs(1))).await;
    assert_eq!(stale, Kind::Missing);
    assert!(said.contains("drill: last done at 2026-11-21T23:59:59Z"), "{said}");
    let (early, said) = stands(last(|| ready(Ok(UNIX_EPOCH + NOW + DAY)))).await;
    assert_eq!(early, Kind::Missing);
    assert!(said.contains("still to come: a clock is wrong"), "{said}");
}

#[tokio::test]
async fn a_measurement_ages_between_reviews() {
    let app = builder().freshness(drill(DAY / 2)).build().unwrap();
    app.measure().await;
    assert_eq!(kind(&app.review_at(NOW), "restore-drill"), Kind::Measured);
    assert_eq!(kind(&app.review_at(NOW + DAY), "restore-drill"), Kind::Missing);
}

#[tokio::test]
async fn a_source_that_panics_is_missing_whenever_it_panics() {
    fn at_once() -> Ready<Time> {
        panic!("on purpose")
    }
    for freshness in [last(at_once), last(|| async { panic!("on purpose") })] {
        let (kind, said) = stands(freshness).await;
        assert_eq!((kind, said.as_str()), (Kind::Missing, "missing drill: it panicked"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_given_up_after_5_s() {
    let start = Instant::now();
    let (kind, said) = stands(last(pending)).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(
        (kind, said.as_str()),
        (Kind::Missing, "missing drill: no answer within 5s")
    );
}

#[tokio::test(start_paused = true)]
async fn measurements_are_taken_at_the_same_time() {
    let hanging = |name: &str| Freshness::new(name, DAY, pending::<Time>).of_item("restore-drill");
    let app = builder()
        .freshness(hanging("a"))
        .freshness(hanging("b"))
        .freshness(drill(DAY));
    let start = Instant::now();
    let review = measured(app).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let kinds: Vec<_> = review
        .item("restore-drill")
        .unwrap()
        .evidence
        .iter()
        .map(|part| part.kind)
        .collect();
    assert_eq!(kinds, [Kind::Missing, Kind::Missing, Kind::Measured]);
}

#[tokio::test]
async fn the_text_of_an_error_is_cut_between_two_characters() {
    // The 256th byte is in the middle of one.
    let long = || ready(Err(io::Error::other(format!("a{}", "é".repeat(4_000)))));
    let (kind, said) = stands(last(long)).await;
    assert_eq!(kind, Kind::Missing);
    assert_eq!(said, format!("missing drill: a{}", "é".repeat(127)));
}

#[tokio::test]
async fn the_last_measurement_counts() {
    let times = Arc::new(AtomicU64::new(0));
    let of = Arc::clone(&times);
    let app = builder().freshness(last(move || {
        let is_first = of.fetch_add(1, Ordering::Relaxed) == 0;
        ready(if is_first {
            Ok(UNIX_EPOCH + NOW)
        } else {
            Err(io::Error::other("gone"))
        })
    }));
    let app = app.build().unwrap();
    app.measure().await;
    assert_eq!(kind(&app.review_at(NOW), "restore-drill"), Kind::Measured);
    app.measure().await;
    assert_eq!(said(&app.review_at(NOW), "restore-drill"), "missing drill: gone");
}

#[tokio::test]
async fn the_age_of_a_file_is_that_of_its_last_writing() {
    let folder = Folder::new();
    let path = folder.file("backup.tar", "all of it");
    let file = |path| Freshness::file("drill", DAY, path).of_item("restore-drill");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(UNIX_EPOCH + NOW - DAY)
        .unwrap();
    assert_eq!(stands(file(path.clone())).await.0, Kind::Measured);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(UNIX_EPOCH + NOW - 2 * DAY)
        .unwrap();
    assert_eq!(stands(file(path)).await.0, Kind::Missing);
    assert_eq!(stands(file(folder.path().join("nowhere"))).await.0, Kind::Missing);
}

#[tokio::test]
async fn the_age_of_an_object_is_in_its_header() {
    let headers = |value: &'static str| HeaderMap::from_iter([(LAST_MODIFIED, value.parse().unwrap())]);
    let date = http_date(&headers("Sun, 22 Nov 2026 12:00:00 GMT"), LAST_MODIFIED).unwrap();
    assert_eq!(date, UNIX_EPOCH + NOW - DAY / 2);
    assert_eq!(stands(last(move || ready(Ok(date)))).await.0, Kind::Measured);
    let none = http_date(&headers("Sun, 22 Nov 2026 12:00:00 GMT"), ETAG).unwrap_err();
    assert_eq!(none.to_string(), "there is no header `etag`");
    for value in ["yesterday", "", "2026-11-22T12:00:00Z"] {
        let error = http_date(&headers(value), LAST_MODIFIED).unwrap_err();
        assert_eq!(error.to_string(), "the header `last-modified` is no date");
    }
}

#[tokio::test]
async fn a_time_before_1970_is_an_error() {
    let (kind, said) = stands(last(|| ready(Ok(UNIX_EPOCH - DAY)))).await;
    assert_eq!(
        (kind, said.as_str()),
        (Kind::Missing, "missing drill: it is older than 1970")
    );
}

#[test]
fn a_measurement_has_a_name_of_its_own_and_an_item_that_there_is() {
    let fresh = |name: &str, item: &str| Freshness::file(name, DAY, "/").of_item(item);
    let refused = wrong(
        builder()
            .freshness(fresh("backup", "backups"))
            .freshness(fresh("backup", "backups")),
    );
    assert!(
        refused.contains("`review.measurement.backup` is there twice"),
        "{refused}"
    );
    let refused = wrong(builder().freshness(fresh("backup", "backup")));
    assert!(
        refused.contains("`review.measurement.backup` is for an item that it does not answer"),
        "{refused}"
    );
    let refused = wrong(builder().freshness(fresh("new backup", "backups")));
    assert!(
        refused.contains("`review.measurement` is a text of 10 characters"),
        "{refused}"
    );
}

/// A gate whose schema is of the version that the number says.
fn gate(version: &Arc<AtomicU64>) -> SchemaGate {
    let version = Arc::clone(version);
    let ask = move || ready(Ok::<_, io::Error>(version.load(Ordering::Relaxed)));
    SchemaGate::new("orders-db", 2, ask)
        .migration(1, "create orders", "drop table orders")
        .migration(2, "add quantity", "drop quantity")
        .works_with_up_to(3)
}

fn startup(report: &HealthReport) -> TaskState {
    report
        .startup
        .iter()
        .find(|task| &*task.name == "orders-db")
        .unwrap()
        .state
}

#[tokio::test(start_paused = true)]
async fn a_service_starts_as_soon_as_its_schema_is_there() {
    let version = Arc::new(AtomicU64::new(1));
    let app = builder().schema(gate(&version)).build().unwrap();
    let health = app.health().clone();
    let client = app.test_client(Router::new());
    client.advance(Duration::from_secs(60)).await;
    assert_eq!(startup(&health.report()), TaskState::Running);
    assert_eq!(client.admin_get("/startupz").await.status(), 503);
    version.store(2, Ordering::Relaxed);
    client.advance(Duration::from_secs(2)).await;
    assert_eq!(startup(&health.report()), TaskState::Complete);
    assert_eq!(client.admin_get("/startupz").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_is_too_new_fails_the_startup_and_one_within_the_window_does_not() {
    for (version, state) in [(3, TaskState::Complete), (4, TaskState::Failed)] {
        let app = builder()
            .schema(gate(&Arc::new(AtomicU64::new(version))))
            .build()
            .unwrap();
        let health = app.health().clone();
        let client = app.test_client(Router::new());
        client.advance(Duration::from_secs(2)).await;
        assert_eq!(startup(&health.report()), state, "version {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_be_found_out_is_asked_for_again() {
    let times = Arc::new(AtomicU64::new(0));
    let of = Arc::clone(&times);
    let ask = move || {
        let time = of.fetch_add(1, Ordering::Relaxed);
        async move {
            match time {
                0 => panic!("on purpose"),
                1 => pending().await,
                2 => Err(io::Error::other("refused")),
                _ => Ok(1),
            }
        }
    };
    let app = builder().schema(SchemaGate::new("orders-db", 1, ask)).build().unwrap();
    let health = app.health().clone();
    let client = app.test_client(Router::new());
    client.advance(Duration::from_secs(20)).await;
    assert_eq!(startup(&health.report()), TaskState::Complete);
}

#[tokio::test]
async fn migrations_are_measured_by_their_gate() {
    for (version, wanted, says) in [
        (1, Kind::Missing, "of version 1, and the code needs 2"),
        (2, Kind::Measured, "each of 2 migrations has its way back"),
        (3, Kind::Measured, "works with 2 to 3"),
        (4, Kind::Missing, "of version 4, and the code works with 3 at most"),
    ] {
        let review = measured(builder().schema(gate(&Arc::new(AtomicU64::new(version))))).await;
        assert_eq!(kind(&review, "migrations"), wanted, "version {version}");
        let said = said(&review, "migrations");
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn a_migration_without_a_way_back_is_missing_and_so_is_one_that_nobody_names() {
    let two = || Arc::new(AtomicU64::new(2));
    let lost = measured(builder().schema(gate(&two()).migration(3, "drop prices", " "))).await;
    assert_eq!(kind(&lost, "migrations"), Kind::Missing);
    assert!(said(&lost, "migrations").contains("migration 3 (drop prices) has no way back"));
    let ask = || ready(Ok::<_, io::Error>(2));
    let unnamed = measured(builder().schema(SchemaGate::new("orders-db", 2, ask))).await;
    assert_eq!(kind(&unnamed, "migrations"), Kind::Missing);
    assert!(said(&unnamed, "migrations").contains("the migration to version 2 is not named"));
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_shows_in_health_and_leaves_the_service_ready() {
    let app = builder().freshness(last(|| ready(Ok(UNIX_EPOCH)))).build().unwrap();
    let client = app.test_client(Router::new());
    client.advance(Duration::from_secs(120)).await;
    let health = client.admin_get("/healthz").await;
    let text = seaworthy::testing::text(health).await.unwrap();
    assert!(text.contains("\"status\":\"warn\""), "{text}");
    assert_eq!(client.admin_get("/readyz").await.status(), 200);
}
