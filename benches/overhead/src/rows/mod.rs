//! What is measured: every layer over a bare service, both stacks, and what refuses.
//!
//! A part of the test `tests/overhead.rs`, too, which is built with other features, and so is a package of its own there.

mod http;
mod inbound;
mod layers;
pub mod ours;
mod outbound;
mod refusals;
mod routed;
mod sent;

use seaworthy_harness::comparison::Comparison;
use seaworthy_harness::inner::Inner;

/// Returns all comparisons; what they are measured in must have been entered.
pub fn all() -> Vec<Comparison> {
    let mut all: Vec<Comparison> = Inner::ALL.map(layers::over).into();
    all.push(layers::fallen_back());
    all.push(refusals::all());
    all.extend(UNFAILING.map(outbound::over));
    all.extend(UNFAILING.map(http::faces));
    all.extend([http::refused(), sent::on(), sent::attempts(), routed::by_axum()]);
    all.extend(UNFAILING.map(inbound::over));
    all
}

/// For what answers failures in its own way: an error boundary makes a response of each, a stack tries again, and waits.
const UNFAILING: [Inner; 2] = [Inner::ReadyAtOnce, Inner::PendingOnce];

/// Who makes the rows.
const OURS: &str = "seaworthy";
const BARE: &str = "bare";
const BUILT: &str = "the settings are in range";
/// A rate a second that no loop reaches.
const PLENTY: u32 = 1_000_000_000;
/// How many a service counts for itself; the first call of each makes room for it.
const KEYS: u64 = 1_000;
