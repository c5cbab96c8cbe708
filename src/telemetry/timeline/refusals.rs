use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use crate::base::inventory::Entry;

/// The most entries of the inventory of which one look tells; of the others it tells the sum.
const MOST: usize = 16;

/// The longest time between two tellings of what goes on and on.
const LONGEST: Duration = Duration::from_secs(60);

/// Finds what was refused, or went wrong without changing a state, from one look at the inventory to the next.
///
/// What goes on is told after 1 s, 2 s, 4 s, … up to once a minute, so that it does not push everything else out of the
/// recorder; what is quiet in between is told at once again.
#[derive(Default)]
pub(super) struct Refusals {
    seen: HashMap<Key, Seen>,
    last: Duration,
}

type Key = (&'static str, String);

/// What was told of an entry.
struct Seen {
    counters: Vec<(&'static str, u64)>,
    at: Duration,
    wait: Duration,
}

/// What is to be told of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) detail: String,
    more: u64,
}

impl Refusals {
    /// Looks at the inventory at a time since the recorder began; `of` is the service's name.
    pub(super) fn look(&mut self, entries: Vec<Entry>, at: Duration, of: &str) -> Vec<Told> {
        let mut before = mem::take(&mut self.seen);
        let mut told = Vec::new();
        for entry in entries {
            let counters: Vec<_> = entry.counters.into_iter().filter(|(name, _)| is_told(name)).collect();
            if counters.is_empty() {
                continue;
            }
            let key = (entry.kind, entry.name);
            let seen = before.remove(&key).unwrap_or_else(|| Seen::new(self.last));
            let (seen, found) = seen.look(&key, counters, at);
            told.extend(found);
            self.seen.insert(key, seen);
        }
        self.last = at;
        bounded(told, of)
    }
}

impl Seen {
    fn new(at: Duration) -> Self {
        Self {
            counters: Vec::new(),
            at,
            wait: Duration::ZERO,
        }
    }

    fn look(self, key: &Key, counters: Vec<(&'static str, u64)>, at: Duration) -> (Self, Option<Told>) {
        let over = at.saturating_sub(self.at);
        if over < self.wait {
            return (self, None);
        }
        let before = |name| {
            self.counters
                .iter()
                .find(|(other, _)| *other == name)
                .map_or(0, |(_, count)| *count)
        };
        let more: Vec<_> = counters
            .iter()
            // One that has fallen is another one's of the same name.
            .map(|(name, count)| (*name, count.checked_sub(before(*name)).unwrap_or(*count)))
            .filter(|(_, more)| *more > 0)
            .collect();
        let wait = if more.is_empty() {
            Duration::ZERO
        } else {
            (2 * self.wait).clamp(Duration::from_secs(2), LONGEST)
        };
        let told = (!more.is_empty()).then(|| Told::new(key, &more, over));
        (Self { counters, at, wait }, told)
    }
}

impl Told {
    fn new((kind, name): &Key, more: &[(&'static str, u64)], over: Duration) -> Self {
        let parts: Vec<_> = more.iter().map(|(name, more)| format!("{name} {more} more")).collect();
        Self {
            kind,
            name: name.clone(),
            detail: format!("{} in {:.1} s", parts.join(", "), over.as_secs_f64()),
            more: more.iter().map(|(_, more)| more).sum(),
        }
    }
}

/// Leaves those with the most, in their order, and sums up the others.
fn bounded(mut told: Vec<Told>, of: &str) -> Vec<Told> {
    if told.len() <= MOST {
        return told;
    }
    let mut most: Vec<_> = told.iter().map(|told| told.more).collect();
    most.sort_unstable_by(|one, other| other.cmp(one));
    let (least, mut room) = (most[MOST - 2], MOST - 1);
    // Those above the least of the most have their place; of its equals the first.
    room -= most.iter().take_while(|more| **more > least).count();
    let mut others = (0, 0);
    told.retain(|told| {
        let is_kept = told.more > least || (told.more == least && room > 0);
        room -= usize::from(is_kept && told.more == least);
        if !is_kept {
            others = (others.0 + 1, others.1 + told.more);
        }
        is_kept
    });
    told.push(Told {
        kind: "service",
        name: of.to_owned(),
        detail: format!("{} more of {} others", others.1, others.0),
        more: others.1,
    });
    told
}

/// Tells whether a counter counts what was refused, or went wrong.
fn is_told(counter: &str) -> bool {
    let words = [
        "would_refuse",
        "timed_out",
        "elapsed",
        "throttled",
        "out_of_budget",
        "out_of_time",
        "exhausted",
        "expired_probes",
        "failures",
        "panics",
        "timeouts",
        "waited_for_a_place",
        "over_address_limit",
        "malformed",
        "dropped_lines",
    ];
    // A connection that is idle for too long is no trouble.
    let is_timeout = counter.ends_with("_timeouts") && counter != "idle_timeouts";
    counter.starts_with("refused") || is_timeout || words.contains(&counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, refused: u64) -> Entry {
        let entry = Entry::new("bulkhead", name, "open").counter("calls", 1000 + refused);
        entry.counter("refused", refused).counter("timed_out", refused / 10)
    }

    fn look(refusals: &mut Refusals, second: u64, entries: Vec<Entry>) -> Vec<String> {
        let told = refusals.look(entries, Duration::from_secs(second), "orders");
        let told = told.into_iter();
        told.map(|told| format!("{} {}: {}", told.kind, told.name, told.detail))
            .collect()
    }

    #[test]
    fn what_was_refused_since_the_look_before_is_told_once() {
        let mut refusals = Refusals::default();
        assert!(look(&mut refusals, 1, vec![entry("in", 0), entry("out", 0)]).is_empty());
        let told = look(&mut refusals, 2, vec![entry("in", 512), entry("out", 0)]);
        assert_eq!(told, ["bulkhead in: refused 512 more, timed_out 51 more in 1.0 s"]);
        for second in 3..10 {
            assert!(look(&mut refusals, second, vec![entry("in", 512), entry("out", 0)]).is_empty());
        }
        let told = look(&mut refusals, 10, vec![entry("in", 512), entry("out", 7)]);
        assert_eq!(told, ["bulkhead out: refused 7 more in 1.0 s"]);
    }

    #[test]
    fn what_goes_on_is_told_ever_less_often_and_nothing_of_it_is_lost() {
        let mut refusals = Refusals::default();
        let mut told = Vec::new();
        for second in 1..=600 {
            told.extend(look(&mut refusals, second, vec![entry("in", 3 * second)]));
        }
        assert_eq!(told.len(), 14, "{told:#?}");
        let sum = told.iter().map(|line| {
            let count = line.split("refused ").nth(1).unwrap().split(' ').next().unwrap();
            count.parse::<u64>().unwrap()
        });
        let sum: u64 = sum.sum();
        assert!((3 * 540..=3 * 600).contains(&sum), "{told:#?}");
    }

    #[test]
    fn one_look_tells_no_more_than_its_bound_and_those_with_the_most() {
        let mut refusals = Refusals::default();
        let many: Vec<_> = (0..1000)
            .map(|number| entry(&format!("k{number}"), 1 + number % 10))
            .collect();
        let told = look(&mut refusals, 1, many);
        assert_eq!(told.len(), MOST);
        assert!(
            told[..MOST - 1].iter().all(|line| line.contains("refused 10 more")),
            "{told:#?}"
        );
        let others: u64 = 5500 + 100 - 15 * 11;
        assert_eq!(told[MOST - 1], format!("service orders: {others} more of 985 others"));
    }

    #[test]
    fn a_name_that_comes_back_with_less_begins_again() {
        let mut refusals = Refusals::default();
        look(&mut refusals, 1, vec![entry("in", 100)]);
        look(&mut refusals, 3, vec![entry("in", 100)]);
        assert_eq!(
            look(&mut refusals, 4, vec![entry("in", 5)]),
            ["bulkhead in: refused 5 more in 1.0 s"]
        );
    }

    #[test]
    fn what_says_nothing_of_trouble_is_not_told() {
        for counter in ["calls", "accepted", "cancelled", "idle_timeouts", "won"] {
            assert!(!is_told(counter), "{counter}");
        }
        for counter in [
            "refused",
            "refused_critical",
            "elapsed",
            "header_timeouts",
            "timeouts",
            "out_of_budget",
        ] {
            assert!(is_told(counter), "{counter}");
        }
    }
}
