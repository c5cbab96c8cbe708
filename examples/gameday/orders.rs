//! The service that is played with: `orders` as it is, less one policy if that is wanted.

use std::process::ExitCode;
use std::time::Duration;

use seaworthy::{BoxError, Control, HttpClient, InvalidSettings};

use crate::api::Api;
use crate::app;
use crate::payments::Payments;
use crate::policy::Policy;

const REASON: &str = "taken out by the game day";
const NO_LIMIT: u32 = 1_000_000;

/// Serves until a signal comes; where it listens and what it calls is in its settings.
pub fn serve(without: Option<Policy>) -> ExitCode {
    seaworthy::run(async move {
        let mut placing = app::placing();
        if without == Some(Policy::RateLimit) {
            placing = placing.without(Control::ClientRateLimit, REASON);
        }
        let (app, payments) = app::declare("http://127.0.0.1:1/".into(), placing);
        let app = app.build()?;
        take_out(without, &payments)?;
        let bound = app.bind()?;
        Ok::<_, BoxError>(bound.serve(Api::new(Payments::new(payments)).router()).await?)
    })
}

fn take_out(without: Option<Policy>, payments: &HttpClient) -> Result<(), InvalidSettings> {
    let payments = payments.dependency();
    match without {
        Some(Policy::Retry) => payments.retry().reconfigure(|config| config.attempts = 1),
        Some(Policy::AttemptTimeout) => payments.attempt_timeout().reconfigure(|config| {
            let day = Duration::from_secs(24 * 60 * 60);
            (config.limit, config.body_total) = (day, Some(day));
        }),
        Some(Policy::Breaker) => {
            payments.breaker().disable();
            Ok(())
        }
        Some(Policy::Bulkhead) => payments.bulkhead().reconfigure(|config| config.concurrent = NO_LIMIT),
        // The rate limit is said when it is declared, and the drain by settings.
        Some(Policy::RateLimit | Policy::Drain) | None => Ok(()),
    }
}
