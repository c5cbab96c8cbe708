//! A gate for a pipeline: asks a running service whether it is ready for production.
//!
//! ```sh
//! cargo run --example review --features full -- http://127.0.0.1:9090 --level stable
//! ```
//!
//! It prints the review and ends with 0 for GO, 1 for NO-GO, and 2 if it could not tell.

mod arguments;

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use seaworthy::{Body, BoxError};
use tokio::time::timeout;

use arguments::{Arguments, USAGE};

/// A review takes five seconds at the most; this is when something else is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// A review has some 100 KiB.
const LONGEST: usize = 4 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match gate().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("could not tell: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints the review, and returns whether it is GO.
async fn gate() -> Result<bool, BoxError> {
    let Some(arguments) = Arguments::parse(env::args_os().skip(1))? else {
        println!("{USAGE}");
        return Ok(true);
    };
    let asked = ask(arguments.uri(is_colourful())?);
    let (page, is_go) = timeout(PATIENCE, asked)
        .await
        .map_err(|_| format!("{} did not answer within {PATIENCE:?}", arguments.admin))??;
    io::stdout().write_all(&page)?;
    // Where the end is all that is seen.
    eprintln!("{}", if is_go { "GO" } else { "NO-GO" });
    Ok(is_go)
}

async fn ask(uri: Uri) -> Result<(Vec<u8>, bool), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let whom = uri.authority().map(ToString::to_string).unwrap_or_default();
    let response = client.request(Request::get(uri).body(Body::empty())?).await;
    let response = response.map_err(|error| format!("{whom} does not answer: {}", root_cause(&error)))?;
    let (head, body) = response.into_parts();
    let page = Limited::new(body, LONGEST).collect().await?.to_bytes().to_vec();
    if !head.status.is_success() {
        let said = String::from_utf8_lossy(&page);
        let hint = match head.status {
            StatusCode::NOT_FOUND => {
                "; on an address that is not loopback the service shows it with `admin.expose` = `all` alone"
            }
            _ => "",
        };
        return Err(format!("{whom} answered {}: {}{hint}", head.status, said.trim()).into());
    }
    Ok((page, is_go(&head.headers)?))
}

/// Finds what is behind an error: the outer ones only say that there is something.
fn root_cause<'a>(mut error: &'a (dyn Error + 'static)) -> &'a dyn Error {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

fn is_go(headers: &HeaderMap) -> Result<bool, BoxError> {
    match headers.get("x-review-verdict").map(|verdict| verdict.as_bytes()) {
        Some(b"GO") => Ok(true),
        Some(b"NO-GO") => Ok(false),
        _ => Err("the answer has no verdict: is this the admin plane of a service?".into()),
    }
}

fn is_colourful() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}
