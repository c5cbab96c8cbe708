//! Which guards there are, and how one is left out.

use std::fmt;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::error::InvalidSetting;
use crate::base::inventory::{Describe, Entry};

/// A guard that is on by default, and takes a reason to be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Control {
    /// The longest time for a call to a dependency, all attempts and waits included.
    Deadline,
    /// Further attempts after a failure, paid for by a budget.
    Retry,
    /// The circuit breaker.
    Breaker,
    /// The longest time for one attempt.
    AttemptTimeout,
    /// The places for what is under way at once.
    Bulkhead,
    /// The rate limit of an endpoint, for all clients together.
    RateLimit,
    /// The rate limit of each client.
    ClientRateLimit,
    /// The limit of what is under way at once that is found out by measuring.
    AdaptiveLimit,
    /// The refusal of what matters least when there is too much to do.
    LoadShed,
}

impl Control {
    /// Returns the guard's name, as it is in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Retry => "retry",
            Self::Breaker => "breaker",
            Self::AttemptTimeout => "attempt_timeout",
            Self::Bulkhead => "bulkhead",
            Self::RateLimit => "rate_limit",
            Self::ClientRateLimit => "client_rate_limit",
            Self::AdaptiveLimit => "adaptive_limit",
            Self::LoadShed => "load_shed",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Says that a guard is left out, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiver {
    pub(super) control: Control,
    reason: String,
    /// The day on whose beginning it ends, as it was written.
    until: Option<String>,
}

/// The guards that are left out of one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waivers(Vec<Waiver>);

impl Waivers {
    pub(super) fn add(&mut self, control: Control, reason: impl Into<String>, until: Option<String>) {
        let reason = reason.into();
        self.0.push(Waiver { control, reason, until });
    }

    /// Returns the guards that are left out by now; one whose day has come is not.
    pub(super) fn now(&self) -> Vec<Control> {
        let on = self.0.iter().filter(|waiver| !waiver.has_ended());
        on.map(|waiver| waiver.control).collect()
    }

    /// Lists what is wrong with them; `may` are the guards that this thing has.
    pub(super) fn check(&self, whose: &str, may: &[Control], wrong: &mut Vec<InvalidSetting>) {
        for (number, waiver) in self.0.iter().enumerate() {
            let key = format!("{whose}.without.{}", waiver.control);
            if waiver.reason.trim().is_empty() {
                let allowed = "a reason that a reader of the report understands";
                wrong.push(InvalidSetting::new(&*key, "without a reason", allowed));
            }
            if waiver.until.is_some() && waiver.end().is_none() {
                let allowed = "a day such as `2027-01-31`, on whose beginning (UTC) the guard is back";
                wrong.push(InvalidSetting::new(format!("{key}.until"), "no day", allowed));
            }
            if self.0[..number].iter().any(|other| other.control == waiver.control) {
                wrong.push(InvalidSetting::new(&*key, "left out twice", "left out once"));
            }
            if !may.contains(&waiver.control) {
                let labels: Vec<_> = may.iter().map(|control| control.label()).collect();
                let allowed = format!("one of the guards that are there: `{}`", labels.join("`, `"));
                wrong.push(InvalidSetting::new(key, "not there", allowed));
            }
        }
    }

    /// Describes each as a part of `whose`.
    pub(super) fn entries(&self, whose: &str) -> impl Iterator<Item = WaiverEntry> {
        let whose = whose.to_owned();
        self.0.clone().into_iter().map(move |waiver| WaiverEntry {
            whose: whose.clone(),
            waiver,
        })
    }
}

impl Waiver {
    /// Returns the time since 1970 at which it ends.
    fn end(&self) -> Option<Duration> {
        let until = self.until.as_ref()?;
        let end = humantime::parse_rfc3339(&format!("{until}T00:00:00Z")).ok()?;
        end.duration_since(std::time::UNIX_EPOCH).ok()
    }

    fn has_ended(&self) -> bool {
        self.end().is_some_and(|end| end <= Clock::default().unix_time())
    }
}

/// What the inventory says of a waiver.
pub(super) struct WaiverEntry {
    whose: String,
    waiver: Waiver,
}

impl WaiverEntry {
    /// Returns what a reader has to know of a waiver that has ended.
    pub(super) fn ended(&self) -> Option<String> {
        let until = self.waiver.until.as_ref().filter(|_| self.waiver.has_ended())?;
        Some(format!("`{}` was left out until {until}", self.waiver.control))
    }
}

impl Describe for WaiverEntry {
    fn describe(&self) -> Entry {
        let Waiver { control, reason, until } = &self.waiver;
        let state = if self.waiver.has_ended() { "ended" } else { "on" };
        let entry = Entry::new("waiver", format!("{}: {control}", self.whose), state).setting("reason", reason);
        match until {
            Some(until) => entry.setting("until", until),
            None => entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_holds_until_its_day_and_without_one_for_good() {
        let mut waivers = Waivers::default();
        waivers.add(Control::Retry, "not idempotent", None);
        waivers.add(Control::Breaker, "new", Some("2999-01-31".into()));
        waivers.add(Control::Bulkhead, "old", Some("2020-01-31".into()));
        assert_eq!(waivers.now(), [Control::Retry, Control::Breaker]);
        let entries: Vec<_> = waivers.entries("payments").collect();
        let states: Vec<_> = entries.iter().map(|entry| entry.describe().state).collect();
        assert_eq!(states, ["on", "on", "ended"]);
        let ended: Vec<_> = entries.iter().filter_map(WaiverEntry::ended).collect();
        assert_eq!(ended, ["`bulkhead` was left out until 2020-01-31"]);
    }

    #[test]
    fn everything_wrong_with_waivers_is_listed() {
        let mut waivers = Waivers::default();
        waivers.add(Control::Retry, " ", None);
        waivers.add(Control::Breaker, "new", Some("soon".into()));
        waivers.add(Control::LoadShed, "not here", None);
        let mut wrong = Vec::new();
        waivers.check("payments", &[Control::Retry, Control::Breaker], &mut wrong);
        let keys: Vec<_> = wrong.iter().map(|wrong| wrong.key.as_str()).collect();
        let expected = [
            "payments.without.retry",
            "payments.without.breaker.until",
            "payments.without.load_shed",
        ];
        assert_eq!(keys, expected);
    }
}
