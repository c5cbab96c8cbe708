use seaworthy::health::{Check, Health};

async fn ping() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {
    let health = Health::new();
    let check = Check::new("payments", ping);
    let _registered = health.watchdog().register("payments", check);
}
