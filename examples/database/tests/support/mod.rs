//! A database of its own for each test, and what a test does to it behind the service's back.
#![allow(dead_code)]

use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deadpool_postgres::tokio_postgres::{Client, Config, NoTls};
use example_database::connections::Connections;
use example_database::migrations::migrate;
use tokio::time::{Instant, sleep};

/// The longest wait for what takes milliseconds, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Makes an empty database.
pub async fn empty() -> Config {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = env::var("DATABASE_URL").expect("DATABASE_URL: run the tests as `ci/postgres cargo test …`");
    let mut config: Config = url.parse().unwrap();
    let name = format!("test_{}_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let server = connect(&config).await;
    server.batch_execute(&format!("create database {name}")).await.unwrap();
    config.dbname(&name);
    config
}

/// Makes a database with the schema.
pub async fn migrated() -> Config {
    let config = empty().await;
    migrate(connections(&config)).await.unwrap();
    config
}

pub fn connections(config: &Config) -> Connections {
    Connections::new(config, 8).unwrap()
}

/// Connects outside of all pools.
pub async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the number that a query finds.
pub async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Waits until a query finds this number.
pub async fn until(client: &Client, query: &str, wanted: i64) {
    eventually(query, async || number(client, query).await == wanted).await;
}

/// Waits until something is so.
pub async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "never happened: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
