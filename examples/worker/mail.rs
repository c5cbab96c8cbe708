//! Stands for a mail server that can be down.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use seaworthy::worker::Job;
use serde::{Deserialize, Serialize};

/// What is sent; as a dead letter it is the JSON that was posted.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invoice {
    pub to: String,
    pub cents: u64,
}

impl Job for Invoice {
    fn payload(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

#[derive(Clone, Default)]
pub struct Mail {
    is_down: Arc<AtomicBool>,
}

#[derive(Debug)]
pub struct MailDown;

impl fmt::Display for MailDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mail server does not answer")
    }
}

impl std::error::Error for MailDown {}

impl Mail {
    pub fn switch(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Must be able to send one invoice twice: a worker that is killed does not know how far it came.
    pub async fn send(self, invoice: Arc<Invoice>) -> Result<(), MailDown> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(MailDown);
        }
        tracing::info!(to = invoice.to, cents = invoice.cents, "invoice sent");
        Ok(())
    }
}
