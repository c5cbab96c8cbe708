use seaworthy::retry::Retry;
use tower::{Layer, Service, service_fn};

#[derive(Clone)]
struct Balance;

async fn ask(_: Balance) -> Result<u64, std::io::Error> {
    Ok(7)
}

fn serves(_: impl Service<Balance>) {}

fn main() {
    let retry = Retry::builder("ledger").build().unwrap();
    serves(retry.layer().layer(service_fn(ask)));
}
