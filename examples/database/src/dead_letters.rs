//! The table `dead_letters`: the jobs that are given up on, until somebody puts them into the queue again (`replay.sql`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::tokio_postgres::types::ToSql;
use seaworthy::worker::{DeadLetter, DeadLetters, Stored};
use seaworthy::{BoxError, Guard};

use crate::connections::Connections;
use crate::error::DatabaseError;

const STORE: &str = "
    insert into dead_letters (at, worker, reason, attempts, request_id, payload)
    values (to_timestamp($1), $2, $3, $4, $5, $6)";
const COUNT: &str = "select count(*) from dead_letters";

/// How many dead letters there were when somebody last looked.
///
/// A worker is asked for that without waiting, and other replicas and people change the table too: so the check of the queue
/// looks, every few seconds.
#[derive(Clone, Default)]
pub struct Seen(Arc<AtomicU64>);

impl Seen {
    pub async fn look(&self, connections: &Connections) -> Result<(), DatabaseError> {
        let row = connections.take().await?.query_one(COUNT, &[]).await?;
        let count = row.try_get::<_, i64>(0)?.cast_unsigned();
        self.0.store(count, Ordering::Relaxed);
        Ok(())
    }
}

/// The dead letters in the database.
#[derive(Clone)]
pub struct DeadLetterTable {
    connections: Connections,
    guard: Guard,
    seen: Seen,
}

impl DeadLetterTable {
    pub fn new(connections: Connections, guard: Guard, seen: Seen) -> Self {
        Self {
            connections,
            guard,
            seen,
        }
    }

    async fn insert(&self, letter: &DeadLetter) -> Result<(), BoxError> {
        let insert = || async {
            let connection = self.connections.take().await?;
            let store = connection.prepare_cached(STORE).await?;
            let (at, attempts) = (letter.at.as_secs_f64(), i64::from(letter.attempts));
            let DeadLetter {
                worker,
                reason,
                request_id,
                payload,
                ..
            } = letter;
            let row: [&(dyn ToSql + Sync); 6] = [&at, worker, reason, &attempts, request_id, payload];
            Ok::<_, DatabaseError>(connection.execute(&store, &row).await?)
        };
        self.guard.call(insert).await?;
        self.seen.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl DeadLetters for DeadLetterTable {
    fn store(&self, letter: DeadLetter) -> Stored<'_> {
        Box::pin(async move { self.insert(&letter).await })
    }

    fn count(&self) -> Option<u64> {
        Some(self.seen.0.load(Ordering::Relaxed))
    }
}
