//! Places an order, and follows those to come until the service drains.
//!
//! ```sh
//! cargo run --package example-grpc --bin example-grpc-client -- http://127.0.0.1:8080 anchor
//! ```

use std::env;
use std::process::ExitCode;

use example_grpc::client::{guarded, orders, watch_request};
use example_grpc::proto::{Order, Taken};
use seaworthy::{App, BoxError, Guarded};
use tonic::Status;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(url) = arguments.next() else {
        eprintln!("usage: example-grpc-client URL [ITEM]");
        return ExitCode::from(2);
    };
    let item = arguments.next().unwrap_or_else(|| "anchor".into());
    match place_and_follow(url, item).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn place_and_follow(url: String, item: String) -> Result<(), BoxError> {
    let mut app = App::builder("orders-client");
    let (mut orders, _) = orders(&mut app, url)?;
    // A service would serve it; here it checks what was declared.
    app.build()?;

    let mut taken = orders.watch(watch_request()).await.map_err(say)?.into_inner();
    let order = Order {
        key: format!("{item}-{}", std::process::id()),
        item,
        quantity: 2,
    };
    let placed = orders.place(order).await.map_err(say)?.into_inner();
    println!("placed as number {}", placed.number);
    while let Some(Taken { number, order }) = taken.message().await.map_err(say)? {
        let order = order.unwrap_or_default();
        println!("number {number}: {} of {}", order.quantity, order.item);
    }
    println!("the service drains");
    Ok(())
}

/// Says who did not want it: we, or the service.
fn say(status: Status) -> String {
    match guarded(status) {
        Guarded::Refused(refusal) => format!("not sent, or given up: {refusal}"),
        Guarded::Inner(status) => format!("answered {:?}: {}", status.code(), status.message()),
    }
}
