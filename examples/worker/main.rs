//! Work beside requests: accepted at once, done by a worker, kept when it is given up on.
//!
//! ```sh
//! cargo run --example worker --features full
//! ```
//!
//! `POST /invoices` answers 202 as soon as the invoice waits for the worker, which sends it by mail. While the mail is down
//! (`PUT /mail/down`, `PUT /mail/up`) invoices become dead letters; `GET /dead-letters` lists them, and
//! `POST /dead-letters/replay` sends them again. An invoice that waits is lost if the process is killed; the example
//! `database` has a queue that survives that. To take from it: the bounded channel, the worker with its dead letters,
//! and what a request is told when the channel is full.

mod api;
mod mail;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use seaworthy::shutdown::Drained;
use seaworthy::worker::{DeadLetterFile, Worker, channel};
use seaworthy::{App, AppBuilder, BoxError, Endpoint};

use api::Api;
use mail::Mail;

/// How many invoices wait or are under way before `POST /invoices` is refused.
const MOST_INVOICES: usize = 1_000;

/// How long the file of dead letters may become; then invoices go back into the channel.
const MOST_BYTES: u64 = 16 << 20;

fn main() -> ExitCode {
    // Beside the process, unless its argument names another place: a volume that outlives it.
    let path = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "dead-letters.jsonl".into());
    seaworthy::run(serve(path.into()))
}

async fn serve(path: PathBuf) -> Result<Drained, BoxError> {
    let (app, api) = declare(DeadLetterFile::open(&path, MOST_BYTES)?)?;
    Ok(app.build()?.serve(api.router()).await?)
}

/// Puts together what accepts invoices, and what sends them.
fn declare(dead_letters: DeadLetterFile) -> Result<(AppBuilder, Api), BoxError> {
    let (invoices, source) = channel(MOST_INVOICES);
    let mail = Mail::default();
    let worker = Worker::builder("invoices")
        .concurrent(4)
        .deadline(Duration::from_secs(10))
        .dead_letters(dead_letters.clone())
        .build()?;

    let sends = mail.clone();
    let app = App::builder("invoicing")
        .owner("team-invoicing")
        .endpoint(Method::POST, "/invoices", Endpoint::default().body_limit(4096))
        .endpoint(Method::GET, "/dead-letters", Endpoint::default())
        // Whatever is sent by then is sent; ask again for the rest.
        .endpoint(
            Method::POST,
            "/dead-letters/replay",
            Endpoint::default().deadline(Duration::from_secs(20)),
        )
        .worker(worker, source, move |invoice| sends.clone().send(invoice));
    let api = Api {
        invoices,
        dead_letters,
        mail,
    };
    Ok((app, api))
}

#[cfg(test)]
mod tests;
