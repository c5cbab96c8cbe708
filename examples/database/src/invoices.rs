//! The work off the request path: an invoice for each order.

use seaworthy::worker::Permanent;
use seaworthy::{BoxError, Guard};

use crate::connections::Connections;
use crate::error::DatabaseError;
use crate::queue::InvoiceJob;

/// An order has one invoice: whoever writes it a second time changes nothing.
const WRITE: &str = "
    with priced as (
        select id, quantity * cents as cents from orders join prices using (item) where id = $1
    ), written as (
        insert into invoices (order_id, cents) select id, cents from priced on conflict do nothing
    )
    select count(*) from priced";

/// A job that was handed out so often kills whoever does it, and is given up on.
const MOST_HANDED_OUT: i32 = 10;

/// The invoices in the database.
#[derive(Clone)]
pub struct Invoices {
    connections: Connections,
    guard: Guard,
}

impl Invoices {
    pub fn new(connections: Connections, guard: Guard) -> Self {
        Self { connections, guard }
    }

    /// Writes the invoice of an order; a job may come twice.
    pub async fn write(&self, job: &InvoiceJob) -> Result<(), BoxError> {
        if job.unsettled > MOST_HANDED_OUT {
            let poison = format!("nobody has lived to settle it, {MOST_HANDED_OUT} times");
            return Err(Permanent::new(poison).into());
        }
        let write = || async {
            let connection = self.connections.take().await?;
            let write = connection.prepare_cached(WRITE).await?;
            let priced: i64 = connection.query_one(&write, &[&job.order]).await?.try_get(0)?;
            Ok::<_, DatabaseError>(priced)
        };
        match self.guard.call_idempotent(write).await? {
            // Whoever adds the price puts the dead letter back.
            0 => Err(Permanent::new(format!("order {} is of an item without a price", job.order)).into()),
            _ => Ok(()),
        }
    }
}
