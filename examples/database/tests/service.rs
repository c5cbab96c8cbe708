//! The whole service, while the database works, hangs, and is away.

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::tokio_postgres::Config;
use example_database::app;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use seaworthy::review::Kind;
use seaworthy::testing::{TestClient, text};
use serde_json::{Value, json};
use support::{connect, eventually, migrated, number, until};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

type Answer = Response<seaworthy::Body>;

fn start(database: &Config) -> TestClient {
    let (app, api) = app::declare(database).unwrap();
    app.build().unwrap().test_client(api.router())
}

async fn place(service: &TestClient, order: &Value) -> Answer {
    let request = Request::post("/orders").header(CONTENT_TYPE, "application/json");
    service.request(request.body(order.to_string()).unwrap()).await
}

async fn ready(service: &TestClient) {
    eventually("ready", async || {
        service.admin_get("/readyz").await.status() == StatusCode::OK
    })
    .await;
}

/// Returns whether `/healthz` says that what is checked does not work, and not only that nothing is known of it.
async fn is_down(service: &TestClient, check: &str) -> bool {
    let said = text(service.admin_get("/healthz").await).await.unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    said["checks"][format!("{check}:responseTime")][0]["output"] == "down"
}

fn anchors() -> Value {
    json!({ "item": "anchor", "quantity": 2 })
}

#[tokio::test]
async fn an_order_is_stored_read_and_invoiced() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    let placed = place(&service, &anchors()).await;
    assert_eq!(
        (placed.status(), &placed.headers()[LOCATION]),
        (StatusCode::CREATED, &"/orders/1".parse().unwrap())
    );
    let is_invoiced = async || {
        let order: Value = serde_json::from_str(&text(service.get("/orders/1").await).await.unwrap()).unwrap();
        order == json!({ "item": "anchor", "quantity": 2, "invoiced_cents": 25000 })
    };
    eventually("the invoice is written", is_invoiced).await;
    until(&connect(&database).await, "select count(*) from jobs", 0).await;
    for missing in ["/orders/2", "/orders/-1", "/orders/x", "/orders/99999999999999999999"] {
        assert_eq!(service.get(missing).await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    for wrong in [
        json!({ "item": "", "quantity": 1 }),
        json!({ "item": "a\0", "quantity": 1 }),
    ] {
        assert_eq!(
            place(&service, &wrong).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn an_order_is_not_stored_without_its_job() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    let client = connect(&database).await;
    client
        .batch_execute("alter table jobs add constraint never check (false)")
        .await
        .unwrap();
    assert_eq!(
        place(&service, &anchors()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(number(&client, "select count(*) from orders").await, 0);
}

#[tokio::test]
async fn an_item_without_a_price_is_a_dead_letter_and_health_warns_of_it() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    place(&service, &json!({ "item": "kraken", "quantity": 1 })).await;
    let client = connect(&database).await;
    let stored = "select count(*) from dead_letters where reason = 'order 1 is of an item without a price'";
    until(&client, stored, 1).await;
    eventually("health warns", async || {
        is_down(&service, "dead-letters-invoices").await
    })
    .await;
}

#[tokio::test]
async fn a_job_that_nobody_lives_to_settle_is_given_up_on() {
    let database = migrated().await;
    let client = connect(&database).await;
    let job = "
        insert into orders (item, quantity) values ('anchor', 1);
        insert into jobs (order_id, handed_out) values (1, 10)";
    client.batch_execute(job).await.unwrap();
    let _service = start(&database);
    let stored = "select count(*) from dead_letters where reason = 'nobody has lived to settle it, 10 times'";
    until(&client, stored, 1).await;
    assert_eq!(number(&client, "select count(*) from invoices").await, 0);
}

#[tokio::test]
async fn a_query_that_hangs_ends_by_its_deadline_and_on_the_server_too() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    let mut client = connect(&database).await;
    let watch = connect(&database).await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("lock table orders in access exclusive mode")
        .await
        .unwrap();

    let began = Instant::now();
    let (read, placed) = tokio::join!(service.get("/orders/1"), async { place(&service, &anchors()).await });
    // On a busy machine the last attempt may get no connection in time.
    let ended = [StatusCode::GATEWAY_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE];
    assert!(
        ended.contains(&read.status()) && ended.contains(&placed.status()),
        "{read:?}, {placed:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // The lock is held still: whoever waited for it was ended.
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    until(&watch, waiting, 0).await;
    assert_eq!(
        number(
            &watch,
            "select count(*) from pg_locks where relation = 'orders'::regclass and granted"
        )
        .await,
        1
    );

    lock.rollback().await.unwrap();
    assert_eq!(place(&service, &anchors()).await.status(), StatusCode::CREATED);
    // What timed out was rolled back, and not tried again.
    assert_eq!(number(&watch, "select count(*) from orders").await, 1);
}

/// Fails when it is asked for the first two times.
const FAIL_TWICE: &str = "
    create sequence tries;
    create function third_time() returns boolean language plpgsql as $$
    begin
        if nextval('tries') < 3 then raise exception 'not yet'; end if;
        return true;
    end $$";

#[tokio::test]
async fn a_read_is_tried_again() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    place(&service, &anchors()).await;
    let client = connect(&database).await;
    client.batch_execute(FAIL_TWICE).await.unwrap();
    let view = "
        alter table orders rename to kept;
        create view orders as select id, item, quantity from kept where third_time()";
    client.batch_execute(view).await.unwrap();
    assert_eq!(service.get("/orders/1").await.status(), StatusCode::OK);
    assert_eq!(number(&client, "select last_value from tries").await, 3);
}

#[tokio::test]
async fn a_write_is_not_tried_again() {
    let database = migrated().await;
    let service = start(&database);
    ready(&service).await;
    let client = connect(&database).await;
    client.batch_execute(FAIL_TWICE).await.unwrap();
    let constraint = "alter table orders add constraint third_time check (third_time())";
    client.batch_execute(constraint).await.unwrap();
    assert_eq!(
        place(&service, &anchors()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(number(&client, "select last_value from tries").await, 1);
}

/// Stands between the service and the database, and can go away.
struct Wire {
    to: SocketAddr,
    address: SocketAddr,
    open: Arc<Mutex<JoinSet<()>>>,
}

impl Wire {
    async fn to(database: &Config) -> (Self, Config) {
        let to = SocketAddr::new("127.0.0.1".parse().unwrap(), database.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Self {
            to,
            address,
            open: Arc::default(),
        };
        wire.carry(listener);
        let mut through = Config::new();
        through.host("127.0.0.1").port(address.port());
        through
            .user(database.get_user().unwrap())
            .dbname(database.get_dbname().unwrap());
        (wire, through)
    }

    fn carry(&self, listener: TcpListener) {
        let (to, open) = (self.to, Arc::clone(&self.open));
        self.open.lock().unwrap().spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                open.lock().unwrap().spawn(async move {
                    let mut far = TcpStream::connect(to).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
    }

    async fn cut(&self) {
        let mut open = std::mem::take(&mut *self.open.lock().unwrap());
        open.shutdown().await;
    }

    async fn mend(&self) {
        self.carry(TcpListener::bind(self.address).await.unwrap());
    }
}

#[tokio::test]
async fn the_circuit_opens_while_the_database_is_away_and_health_says_so() {
    let database = migrated().await;
    let (wire, through) = Wire::to(&database).await;
    let service = start(&through);
    ready(&service).await;
    assert_eq!(place(&service, &anchors()).await.status(), StatusCode::CREATED);
    assert_eq!(service.get("/orders/1").await.status(), StatusCode::OK);

    wire.cut().await;
    let is_refused = async || {
        let answer = service.get("/orders/1").await;
        assert!(answer.status().is_server_error(), "{}", answer.status());
        let is_told_when = answer.headers().contains_key(RETRY_AFTER);
        is_told_when && text(answer).await.unwrap().contains("circuit is open")
    };
    eventually("the circuit is open", is_refused).await;
    eventually("health warns", async || is_down(&service, "database").await).await;
    // So that the answers above reach whoever asks.
    assert_eq!(service.admin_get("/readyz").await.status(), StatusCode::OK);

    wire.mend().await;
    eventually("orders can be read again", async || {
        service.get("/orders/1").await.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_waits_for_it() {
    let database = migrated().await;
    let (wire, through) = Wire::to(&database).await;
    wire.cut().await;
    let service = start(&through);
    eventually("health warns", async || is_down(&service, "database").await).await;
    assert_eq!(
        service.admin_get("/readyz").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    wire.mend().await;
    ready(&service).await;
}

#[tokio::test]
async fn its_numbers_fit_together_and_its_guards_are_in_the_review() {
    let (app, _) = app::declare(&migrated().await).unwrap();
    let app = app.build().unwrap();
    assert_eq!(app.findings(), []);
    app.measure().await;
    let review = app.review();
    let kinds = [
        "timeouts",
        "circuit-breakers",
        "bulkheads",
        "retries",
        "migrations",
        "dead-letters",
    ]
    .map(|item| review.item(item).unwrap().kind);
    let proven = Kind::Proven;
    assert_eq!(kinds, [proven, proven, proven, Kind::Waived, Kind::Measured, proven]);
}
