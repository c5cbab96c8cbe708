//! Where orders are kept. It stands for a database: this one forgets them when the process ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, broadcast};

use crate::proto::{Order, Taken};

/// A cheap handle; clones share one ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    numbers: Arc<Mutex<Numbers>>,
    taken: broadcast::Sender<Taken>,
}

/// The number of each order, by the key that its caller gave it.
pub type Numbers = HashMap<String, u64>;

/// The most orders that are kept; a real service has a database.
const MOST_ORDERS: usize = 100_000;

/// How many orders a watcher may be behind before it loses some.
const MOST_BEHIND: usize = 256;

/// No further order can be kept.
#[derive(Debug)]
pub struct LedgerFull;

impl fmt::Display for LedgerFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ledger is full")
    }
}

impl std::error::Error for LedgerFull {}

impl Default for Ledger {
    fn default() -> Self {
        let (taken, _) = broadcast::channel(MOST_BEHIND);
        Self {
            numbers: Arc::default(),
            taken,
        }
    }
}

impl Ledger {
    /// Enters an order, or finds it by its key, and returns its number.
    pub async fn enter(&self, order: &Order) -> Result<u64, LedgerFull> {
        let mut numbers = self.lock().await;
        if let Some(number) = numbers.get(&order.key) {
            return Ok(*number);
        }
        if numbers.len() == MOST_ORDERS {
            return Err(LedgerFull);
        }
        let number = numbers.len() as u64 + 1;
        numbers.insert(order.key.clone(), number);
        let order = Some(order.clone());
        // An error says that nobody watches.
        let _ = self.taken.send(Taken { number, order });
        Ok(number)
    }

    /// Returns the orders to come.
    pub fn watch(&self) -> broadcast::Receiver<Taken> {
        self.taken.subscribe()
    }

    /// Locks all orders, as somebody who migrates the table would: meanwhile nothing is entered.
    pub async fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().await
    }
}
