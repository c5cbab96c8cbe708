use std::cell::Cell;
use std::sync::Arc;

use super::Budget;
use crate::base::Counters;
use crate::base::error::InvalidSettings;
use crate::base::inventory::{Describe, Entry};
use crate::base::sync::lock;

thread_local!(static PAID: Cell<usize> = const { Cell::new(0) });

/// Counts the requests of one policy, and draws for their further attempts; from no account if there is no budget.
#[derive(Debug)]
pub(crate) struct Source {
    requests: Arc<Requests>,
    budget: Option<Budget>,
    is_own: bool,
}

/// Which budget a policy draws from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Choice {
    #[default]
    Own,
    Given(Budget),
    None,
}

impl Choice {
    /// Makes the source of a policy with that name.
    pub(crate) fn source(self, name: &str) -> Result<Source, InvalidSettings> {
        Ok(match self {
            Self::Own => {
                let mut source = Budget::builder(name).build()?.source();
                source.is_own = true;
                source
            }
            Self::Given(budget) => budget.source(),
            Self::None => Source {
                requests: Arc::default(),
                budget: None,
                is_own: false,
            },
        })
    }
}

/// All requests, and those that pay: not the ones that a policy outside has paid for already.
pub(super) type Requests = Counters<2>;
const ALL: usize = 0;
pub(super) const PAYING: usize = 1;

impl Source {
    /// Counts a request, whether or not anything comes of it.
    #[inline]
    pub(crate) fn count(&self) {
        self.requests.add(ALL);
    }

    /// Pays for a request that is sent.
    #[inline]
    pub(crate) fn deposit(&self) {
        if PAID.get() != self.account() || self.budget.is_none() {
            self.requests.add(PAYING);
        }
    }

    /// Runs `work` as part of a request that has been counted, so that nobody inside counts it into the same budget again.
    #[inline]
    pub(crate) fn paid<T>(&self, work: impl FnOnce() -> T) -> T {
        let _restore = self.budget.as_ref().map(|_| Restore(PAID.replace(self.account())));
        work()
    }

    /// Tells budgets apart.
    #[inline]
    fn account(&self) -> usize {
        self.budget.as_ref().map_or(0, |budget| Arc::as_ptr(&budget.0).addr())
    }

    /// Returns whether there may be a further attempt; it is paid for then.
    pub(crate) fn withdraw(&self) -> bool {
        self.budget.as_ref().is_none_or(Budget::withdraw)
    }

    /// Returns how many requests it has counted.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.sum_of(ALL)
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// Describes the policy, with its own budget; one that was given to it is somebody else's to describe.
    pub(crate) fn describe_all(&self, policy: Entry) -> Vec<Entry> {
        let own = self.budget().filter(|_| self.is_own).map(Describe::describe);
        std::iter::once(policy).chain(own).collect()
    }

    /// Returns the budget's name for the inventory.
    pub(crate) fn budget_name(&self) -> &str {
        self.budget().map_or("none", Budget::name)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            let mut ledger = lock(&budget.0.ledger);
            ledger.sources.retain(|source| !Arc::ptr_eq(source, &self.requests));
            ledger.past += self.requests.sum_of(PAYING);
        }
    }
}

/// Puts back whose requests were paid for before, after a panic too.
struct Restore(usize);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        PAID.set(self.0);
    }
}

impl Budget {
    /// Makes one who counts requests and draws for them.
    pub(crate) fn source(&self) -> Source {
        let requests = Arc::<Requests>::default();
        lock(&self.0.ledger).sources.push(Arc::clone(&requests));
        Source {
            requests,
            budget: Some(self.clone()),
            is_own: false,
        }
    }
}
