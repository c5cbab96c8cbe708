//! Bounds how many further attempts there may be, for all requests together.
//!
//! A number of attempts bounds what one request may cost, and does nothing for the dependency: when it fails, three
//! attempts are three times the load, from everybody, at the worst time. A [`Budget`] bounds the sum. Further attempts
//! are paid for by requests, so when all of them fail, the load grows by the budget's share and no more. Put the same
//! budget into every [`Retry`](crate::retry::Retry) and [`Hedge`](crate::hedge::Hedge) that loads the same dependency.
//!
//! # How it decides
//!
//! The budget starts with its reserve. Every request adds the share of an attempt (20 % of one by default), every second
//! adds the floor, and every further attempt takes one. If less than one is left, there is no further attempt. What
//! exceeds the reserve, and one attempt, melts away: a tenth of it a second, and all of it when nobody draws for 10 s.
//! Of the requests that came since somebody drew last, or looked (the inventory does), those of the last 10 s count, as
//! if they had come evenly. So an hour of health does not pay for a storm; and from its beginning on, under any
//! contention,
//!
//! ```text
//! further attempts ≤ reserve + share × requests + floor × seconds
//! ```
//!
//! A request is what reaches a policy and is not too late. One that passes through several policies with the same budget
//! right inside each other, such as a hedge inside of a retry, pays once; in a task that is spawned between them, or with
//! another budget between them, it is another request.
//!
//! Requests are counted on each thread by itself. Whoever draws may miss those that are being counted at that moment:
//! one a thread at most, so that under contention a budget falls short of its due by at most the share of so many. Beside
//! that it pays less than the bound for a burst after a pause in which nobody drew, as that is spread over the pause.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`share`](BudgetConfig::share) | 20 % | Finagle's and Envoy's |
//! | [`floor`](BudgetConfig::floor) | 10 a second | Finagle's: a service with few requests may still retry |
//! | [`reserve`](BudgetConfig::reserve) | 10 | a second's floor, for the first moments |
//! | window | 10 s | Finagle's time to live of a deposit |

mod account;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod source;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use self::account::Account;
pub(crate) use self::source::{Choice, Source};
use self::source::{PAYING, Requests};
use super::Counter;
use super::clock::Clock;
use super::error::{InvalidSetting, InvalidSettings};
use super::events::{Change, EventSink, Events};
use super::inventory::{Describe, Entry};
use super::live::{Live, Validate};
use super::sync::{Mutex, lock};

const KIND: &str = "budget";
const WINDOW: Duration = Duration::from_secs(10);

/// The settings of a [`Budget`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetConfig {
    /// How much of a further attempt each request pays for, in percent from 0 to 100. Default 20.
    pub share: u8,
    /// How many further attempts each second pays for. Default 10.
    pub floor: u32,
    /// How many further attempts may be saved for good; it is full at the beginning. Default 10.
    pub reserve: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            share: 20,
            floor: 10,
            reserve: 10,
        }
    }
}

impl Validate for BudgetConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let wrong = (self.share > 100).then(|| {
            let (key, found) = (format!("budget.{name}.share"), self.share.to_string());
            InvalidSetting::new(key, found, "from 0 to 100 percent")
        });
        wrong.into_iter().collect()
    }
}

/// Bounds how many further attempts there may be, for all requests together.
///
/// A cheap handle: clones share one account, and so do all policies that it is given to.
///
/// # Examples
///
/// ```
/// use seaworthy::{budget::Budget, retry::Retry};
///
/// let budget = Budget::builder("payments").share(10).build().unwrap();
/// let charges = Retry::builder("charges").budget(budget.clone()).build().unwrap();
/// let refunds = Retry::builder("refunds").budget(budget).build().unwrap();
/// # drop((charges, refunds));
/// ```
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: SmolStr,
    settings: Live<BudgetConfig>,
    clock: Clock,
    events: Events,
    ledger: Mutex<Ledger>,
    granted: Counter,
    refused: Counter,
}

#[derive(Debug)]
struct Ledger {
    account: Account,
    /// Whoever counts requests now.
    sources: Vec<Arc<Requests>>,
    /// The requests of those who did.
    past: u64,
}

impl Ledger {
    fn requests(&self) -> u64 {
        self.past + self.sources.iter().map(|source| source.sum_of(PAYING)).sum::<u64>()
    }
}

impl Budget {
    /// Starts a budget with the defaults; `name` shows in events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> BudgetBuilder {
        BudgetBuilder {
            name: SmolStr::new(name),
            config: BudgetConfig::default(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<BudgetConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of everything that shares this budget, from now on; what has been saved stays, up to the new
    /// reserve. With a share, a floor and a reserve of zero there are no further attempts at once.
    ///
    /// # Errors
    ///
    /// A share above 100 %; the old settings stay in force then. Changes wait for each other: `change` must not change
    /// the same budget.
    pub fn reconfigure(&self, change: impl FnOnce(&mut BudgetConfig)) -> Result<(), InvalidSettings> {
        let change = |config: &mut BudgetConfig| {
            // The time until now is paid by the old settings.
            self.settle(config);
            change(config);
        };
        let clamp = |config: &BudgetConfig| lock(&self.0.ledger).account.clamp(config);
        self.0.settings.change(&self.0.name, change, clamp)?;
        self.0.events.emit(KIND, &self.0.name, Change::Settings);
        Ok(())
    }

    fn settle(&self, config: &BudgetConfig) {
        let mut ledger = lock(&self.0.ledger);
        let requests = ledger.requests();
        ledger.account.settle(config, requests, self.0.clock.ticks());
    }

    /// Returns how many further attempts it would pay for now.
    pub fn balance(&self) -> u64 {
        let config = self.config();
        let mut ledger = lock(&self.0.ledger);
        let requests = ledger.requests();
        ledger.account.balance(&config, requests, self.0.clock.ticks())
    }

    fn withdraw(&self) -> bool {
        let config = self.config();
        let is_granted = {
            let mut ledger = lock(&self.0.ledger);
            // Counted before the clock is read: what comes in between is counted next time, and not forgotten as old.
            let requests = ledger.requests();
            ledger.account.withdraw(&config, requests, self.0.clock.ticks())
        };
        let counter = if is_granted { &self.0.granted } else { &self.0.refused };
        counter.increment();
        is_granted
    }
}

impl Describe for Budget {
    fn describe(&self) -> Entry {
        let config = self.config();
        let balance = self.balance();
        let state = if balance > 0 { "on" } else { "exhausted" };
        Entry::new(KIND, &*self.0.name, state)
            .setting("share", format!("{}%", config.share))
            .setting("floor", format!("{}/s", config.floor))
            .setting("reserve", config.reserve)
            // Without a reserve there is room for as long as one more is paid for.
            .saturation(1.0 - balance as f64 / f64::from(config.reserve.max(1)))
            .counter("requests", lock(&self.0.ledger).requests())
            .counter("granted", self.0.granted.sum())
            .counter("refused", self.0.refused.sum())
    }
}

/// Builds a [`Budget`].
#[derive(Clone, Debug)]
#[must_use]
pub struct BudgetBuilder {
    name: SmolStr,
    config: BudgetConfig,
    clock: Clock,
    events: Events,
}

impl BudgetBuilder {
    /// How much of a further attempt each request pays for, in percent from 0 to 100. Default 20.
    pub fn share(mut self, percent: u8) -> Self {
        self.config.share = percent;
        self
    }

    /// How many further attempts each second pays for. Default 10.
    pub fn floor(mut self, per_second: u32) -> Self {
        self.config.floor = per_second;
        self
    }

    /// How many further attempts may be saved for good; it is full at the beginning. Default 10.
    pub fn reserve(mut self, attempts: u32) -> Self {
        self.config.reserve = attempts;
        self
    }

    /// Tells the time; tests give a manual one. Default: the processor's counter; with the feature `test-util` tokio's,
    /// which a test can pause.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sends a [settings event](Change::Settings) to `sink` whenever the settings change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// A share above 100 %.
    pub fn build(self) -> Result<Budget, InvalidSettings> {
        let account = Account::new(&self.config, self.clock.ticks());
        let ledger = Ledger {
            account,
            sources: Vec::new(),
            past: 0,
        };
        Ok(Budget(Arc::new(Shared {
            settings: Live::new(&self.name, self.config)?,
            name: self.name,
            clock: self.clock,
            events: self.events,
            ledger: Mutex::new(ledger),
            granted: Counter::default(),
            refused: Counter::default(),
        })))
    }
}
