use super::BudgetConfig;
use crate::base::ticks::Ticks;

/// One retry, in the smallest parts that are reckoned with: a floor of one a second brings one part a nanosecond.
const RETRY: u128 = 1_000_000_000;
const PERCENT: u128 = RETRY / 100;
/// In nanoseconds, as one second's floor is in parts.
const WINDOW: u128 = super::WINDOW.as_nanos();

/// What may be spent on further attempts. Whoever draws from it says how many requests there have been.
///
/// It looks back when somebody draws, so that a request which needs no further attempt only has to be counted. All is
/// rounded down.
#[derive(Debug)]
pub(crate) struct Account {
    balance: u128,
    requests: u64,
    at: Ticks,
}

impl Account {
    pub(crate) fn new(config: &BudgetConfig, now: Ticks) -> Self {
        Self {
            balance: reserve(config),
            requests: 0,
            at: now,
        }
    }

    /// Takes the price of one attempt, if there is as much; `requests` are all that there have been, ever.
    pub(crate) fn withdraw(&mut self, config: &BudgetConfig, requests: u64, now: Ticks) -> bool {
        self.settle(config, requests, now);
        let is_enough = self.balance >= RETRY;
        if is_enough {
            self.balance -= RETRY;
        }
        is_enough
    }

    /// Returns how many attempts it would pay for now.
    pub(crate) fn balance(&mut self, config: &BudgetConfig, requests: u64, now: Ticks) -> u64 {
        self.settle(config, requests, now);
        u64::try_from(self.balance / RETRY).unwrap_or(u64::MAX)
    }

    /// Gives up what exceeds a new reserve.
    pub(crate) fn clamp(&mut self, config: &BudgetConfig) {
        self.balance = self.balance.min(reserve(config));
    }

    /// Adds what has come in since it was looked at last, and forgets what has been saved for too long.
    pub(crate) fn settle(&mut self, config: &BudgetConfig, requests: u64, now: Ticks) {
        let passed = u128::from(now.0.saturating_sub(self.at.0));
        let recent = passed.min(WINDOW);
        // More than anybody counts, and few enough for what follows to fit.
        let came = u128::from(requests.saturating_sub(self.requests).min(1 << 50));
        self.at = self.at.max(now);
        self.requests = self.requests.max(requests);

        // What exceeds the reserve melts away within one window, evenly; what is saved for the next attempt does not, or
        // a few requests would never pay for one.
        let kept = self.balance.min(reserve(config).max(RETRY));
        let saved = (self.balance - kept) * (WINDOW - recent) / WINDOW;
        // Requests are taken to have come evenly: those that came before the window count no more.
        let share = u128::from(config.share) * PERCENT * came * recent.max(1) / passed.max(1);
        let floor = u128::from(config.floor) * recent;
        self.balance = (kept + saved + share + floor).min(1 << 90);
    }
}

fn reserve(config: &BudgetConfig) -> u128 {
    u128::from(config.reserve) * RETRY
}
