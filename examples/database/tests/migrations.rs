//! The schema is brought up once, waited for, and there is a way back.

mod support;

use example_database::app;
use example_database::migrations::{MIGRATIONS, migrate, version};
use futures_util::future::join_all;
use http::StatusCode;
use seaworthy::testing::text;
use support::{connect, connections, empty, eventually, migrated, number, until};

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once() {
    let database = empty().await;
    let replicas = (0..8).map(|_| migrate(connections(&database)));
    for replica in join_all(replicas).await {
        replica.unwrap();
    }
    let rows = number(&connect(&database).await, "select count(*) from schema_versions").await;
    assert_eq!(rows, MIGRATIONS.len() as i64);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind() {
    let database = empty().await;
    let client = connect(&database).await;
    // In the way of the second step, after the first has been done.
    client.batch_execute("create table prices (item text)").await.unwrap();
    let error = migrate(connections(&database)).await.unwrap_err();
    assert_eq!(error.to_string(), "db error: ERROR: relation \"prices\" already exists");
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(number(&client, tables).await, 1);
}

#[tokio::test]
async fn the_way_back_keeps_what_was_there_before_and_can_be_gone_again() {
    let database = migrated().await;
    let client = connect(&database).await;
    let order = "insert into orders (item, quantity) values ('anchor', 2)";
    client.batch_execute(order).await.unwrap();
    for migration in MIGRATIONS.iter().rev() {
        let orders = number(&client, "select count(*) from orders").await;
        assert_eq!(
            (version(connections(&database)).await.unwrap(), orders),
            (migration.version, 1)
        );
        client.batch_execute(migration.down).await.unwrap();
    }
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(number(&client, tables).await, 1);
    assert_eq!(version(connections(&database)).await.unwrap(), 0);
    migrate(connections(&database)).await.unwrap();
    assert_eq!(version(connections(&database)).await.unwrap(), 2);
}

#[tokio::test]
async fn the_service_is_unready_until_the_schema_is_there() {
    let database = empty().await;
    let other = connect(&database).await;
    other.batch_execute("select pg_advisory_lock(7305841)").await.unwrap();
    let (app, api) = app::declare(&database).unwrap();
    let service = app.build().unwrap().test_client(api.router());

    until(
        &other,
        "select count(*) from pg_locks where locktype = 'advisory' and not granted",
        1,
    )
    .await;
    for page in ["/startupz", "/readyz"] {
        let response = service.admin_get(page).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{page}");
        let said = text(response).await.unwrap();
        assert!(page != "/startupz" || said.contains("[-]migrations"), "{said}");
    }

    other.batch_execute("select pg_advisory_unlock(7305841)").await.unwrap();
    for page in ["/startupz", "/readyz"] {
        let is_there = async || service.admin_get(page).await.status() == StatusCode::OK;
        eventually(page, is_there).await;
    }
    assert_eq!(version(connections(&database)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_not_worked_with() {
    let database = migrated().await;
    let client = connect(&database).await;
    client
        .batch_execute("insert into schema_versions values (4)")
        .await
        .unwrap();
    let (app, api) = app::declare(&database).unwrap();
    let service = app.build().unwrap().test_client(api.router());
    let has_failed = async || {
        let said = text(service.admin_get("/startupz?verbose").await).await.unwrap();
        said.contains("[-]schema failed") && said.contains("[+]migrations ok")
    };
    eventually("the startup task `schema` fails", has_failed).await;
    assert_eq!(
        service.admin_get("/readyz").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}
