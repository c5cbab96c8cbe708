//! The orders, each stored together with the job that follows from it.

use seaworthy::context::RequestId;
use seaworthy::{Guard, Guarded};
use serde::{Deserialize, Serialize};

use crate::connections::Connections;
use crate::error::DatabaseError;

const INSERT: &str = "insert into orders (item, quantity) values ($1, $2) returning id";
const ENQUEUE: &str = "insert into jobs (order_id, request_id) values ($1, $2)";
const SELECT: &str = "
    select item, quantity, cents
    from orders left join invoices on order_id = id
    where id = $1";

/// What somebody orders.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub item: String,
    pub quantity: i32,
}

/// An order as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Placed {
    pub item: String,
    pub quantity: i32,
    /// `None` until the invoice is written.
    pub invoiced_cents: Option<i64>,
}

/// The orders in the database.
#[derive(Clone)]
pub struct Orders {
    connections: Connections,
    guard: Guard,
}

impl Orders {
    pub fn new(connections: Connections, guard: Guard) -> Self {
        Self { connections, guard }
    }

    /// Stores an order and its job, both or neither.
    ///
    /// Once: after an error nobody knows whether it was stored, and a second attempt might store it twice.
    pub async fn place(&self, order: &Order, id: &RequestId) -> Result<i64, Guarded<DatabaseError>> {
        let place = || async {
            let mut connection = self.connections.take().await?;
            let transaction = connection.transaction().await?;
            let insert = transaction.prepare_cached(INSERT).await?;
            let row = transaction.query_one(&insert, &[&order.item, &order.quantity]).await?;
            let number: i64 = row.try_get(0)?;
            let enqueue = transaction.prepare_cached(ENQUEUE).await?;
            transaction.execute(&enqueue, &[&number, &id.as_str()]).await?;
            transaction.commit().await?;
            Ok(number)
        };
        self.guard.call(place).await
    }

    /// Reads an order. An order that is not there is no error, or the breaker would take it for one of the database.
    pub async fn read(&self, number: i64) -> Result<Option<Placed>, Guarded<DatabaseError>> {
        let read = || async {
            let connection = self.connections.take().await?;
            let select = connection.prepare_cached(SELECT).await?;
            let Some(row) = connection.query_opt(&select, &[&number]).await? else {
                return Ok(None);
            };
            Ok(Some(Placed {
                item: row.try_get("item")?,
                quantity: row.try_get("quantity")?,
                invoiced_cents: row.try_get("cents")?,
            }))
        };
        self.guard.call_idempotent(read).await
    }
}
