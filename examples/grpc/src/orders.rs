//! The service's methods. What they do not do is the point: no limits, no timeouts, no metrics.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use seaworthy::deadline::Deadline;
use seaworthy::shutdown::Draining;
use seaworthy::{Guard, Guarded, Refusal, grpc};
use tokio::sync::broadcast::error::RecvError;
use tonic::{Request, Response, Status};

use crate::ledger::{Ledger, LedgerFull};
use crate::proto::{Order, Placed, Taken, WatchRequest, orders_server};

/// How long the ledger may take for an order: what has less time left is not begun.
const ENTRY: Duration = Duration::from_millis(400);

pub struct Orders {
    ledger: Ledger,
    guard: Guard,
    draining: Draining,
}

impl Orders {
    pub fn new(ledger: Ledger, guard: Guard, draining: Draining) -> Self {
        Self {
            ledger,
            guard,
            draining,
        }
    }
}

#[tonic::async_trait]
impl orders_server::Orders for Orders {
    async fn place(&self, request: Request<Order>) -> Result<Response<Placed>, Status> {
        let order = request.into_inner();
        if let Some(complaint) = complaint(&order) {
            return Err(Status::invalid_argument(complaint));
        }
        // The caller's `grpc-timeout`, or the endpoint's own deadline if that comes first, less what is spent already.
        if Deadline::current().is_some_and(|deadline| deadline.remaining() < ENTRY) {
            return Err(Status::deadline_exceeded("too little time is left to enter an order"));
        }
        let number = self.guard.call_idempotent(|| self.ledger.enter(&order)).await;
        let number = number.map_err(status)?;
        Ok(Response::new(Placed { number }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<Taken, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let taken = stream::unfold(self.ledger.watch(), |mut taken| async {
            let next = match taken.recv().await {
                Ok(order) => Ok(order),
                Err(RecvError::Lagged(lost)) => Err(Status::data_loss(format!("{lost} orders came too fast"))),
                Err(RecvError::Closed) => return None,
            };
            Some((next, taken))
        });
        let draining = self.draining.clone();
        // Ends it with OK, when it has sent what it has: a stream that does not is cut at the drain's deadline.
        let taken = taken.take_until(async move { draining.draining().await });
        Ok(Response::new(taken.boxed()))
    }
}

/// Says what is wrong with an order, if anything is.
fn complaint(order: &Order) -> Option<&'static str> {
    match order {
        Order { key, .. } if !(1..=64).contains(&key.len()) => Some("`key` must have 1 to 64 bytes"),
        Order { item, .. } if !(1..=64).contains(&item.len()) => Some("`item` must have 1 to 64 bytes"),
        Order { quantity, .. } if !(1..=1000).contains(quantity) => Some("`quantity` must be from 1 to 1000"),
        _ => None,
    }
}

/// Says it of an order that was not entered: by a guard, or by the ledger itself.
fn status(error: Guarded<LedgerFull>) -> Status {
    match error {
        Guarded::Refused(refusal) => refused(refusal),
        Guarded::Inner(error) => Status::resource_exhausted(error.to_string()),
    }
}

/// A refusal with its code, its words, and when to come back.
fn refused(refusal: Refusal) -> Status {
    let response = grpc::refused(refusal, None);
    Status::from_header_map(response.headers()).unwrap_or_else(|| Status::unavailable("refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_a_key_and_one_to_a_thousand_of_an_item_with_a_name() {
        let complaint = |key: usize, item: usize, quantity| {
            let (key, item) = ("k".repeat(key), "i".repeat(item));
            complaint(&Order { key, item, quantity })
        };
        for (key, item, quantity) in [(1, 1, 1), (64, 64, 1000)] {
            assert_eq!(complaint(key, item, quantity), None);
        }
        for (key, item, quantity) in [(0, 1, 1), (65, 1, 1), (1, 0, 1), (1, 65, 1), (1, 1, 0), (1, 1, 1001)] {
            assert!(complaint(key, item, quantity).is_some(), "{key} {item} {quantity}");
        }
    }
}
