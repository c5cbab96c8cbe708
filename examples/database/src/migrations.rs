//! The schema: how it is brought to what this release needs, and the way back.
//!
//! The way back from a version, whatever release is running, which `psql` does whole or not at all:
//!
//! ```sh
//! psql "$DATABASE_URL" --single-transaction --set ON_ERROR_STOP=1 --file migrations/2_invoices.down.sql
//! ```

use std::time::Duration;

use seaworthy::review::SchemaGate;
use tokio::time::sleep;

use crate::connections::Connections;
use crate::error::DatabaseError;

/// A step from the version before to this one, and back. Each adds or deletes its row in `schema_versions`.
pub struct Migration {
    pub version: u64,
    pub name: &'static str,
    pub up: &'static str,
    pub down: &'static str,
}

pub const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 1,
        name: "orders, jobs and dead letters",
        up: include_str!("../migrations/1_orders.up.sql"),
        down: include_str!("../migrations/1_orders.down.sql"),
    },
    Migration {
        version: 2,
        name: "prices and invoices",
        up: include_str!("../migrations/2_invoices.up.sql"),
        down: include_str!("../migrations/2_invoices.down.sql"),
    },
];

/// The version that this release needs.
const NEEDED: u64 = 2;

/// One replica at a time. The lock ends with its transaction, and so with a replica that dies.
const ALONE: &str = "set local statement_timeout = 0; select pg_advisory_xact_lock(7305841)";

/// A migration that must wait for a table lets nobody else at it meanwhile: it gives up, and tries again later.
const PREPARE: &str = "
    set local lock_timeout = '2s';
    create table if not exists schema_versions (version bigint primary key, since timestamptz not null default now())";

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings the schema to the version that is needed, however many replicas start at once; waits for a database that is not
/// there yet.
pub async fn migrate(connections: Connections) -> Result<(), DatabaseError> {
    loop {
        match up(&connections).await {
            Err(error) if error.is_passing() => tracing::warn!(%error, "not migrated yet; trying again"),
            done => return done,
        }
        sleep(PAUSE).await;
    }
}

/// Does all migrations that are not done yet, or none.
async fn up(connections: &Connections) -> Result<(), DatabaseError> {
    let mut connection = connections.take().await?;
    let transaction = connection.transaction().await?;
    transaction.batch_execute(ALONE).await?;
    transaction.batch_execute(PREPARE).await?;
    let row = transaction.query_one(VERSION, &[]).await?;
    let version = row.try_get::<_, i64>(0)?.cast_unsigned();
    for Migration { version, name, up, .. } in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        tracing::info!(version, name, "migrating");
        transaction.batch_execute(up).await?;
    }
    Ok(transaction.commit().await?)
}

const VERSION: &str = "select coalesce(max(version), 0) from schema_versions";

/// Returns the version that there is.
pub async fn version(connections: Connections) -> Result<u64, DatabaseError> {
    let row = connections.take().await?.query_one(VERSION, &[]).await?;
    Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
}

/// Keeps the service unready until the version is there, and shows each migration's way back to the review.
pub fn gate(connections: Connections) -> SchemaGate {
    let gate = SchemaGate::new("schema", NEEDED, move || version(connections.clone()))
        // The next release migrates while this one still runs, and may be restarted.
        .works_with_up_to(NEEDED + 1);
    let with = |gate: SchemaGate, step: &Migration| gate.migration(step.version, step.name, step.down);
    MIGRATIONS.iter().fold(gate, with)
}
