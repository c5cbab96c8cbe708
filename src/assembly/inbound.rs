//! What the inbound stack is made of, from settings and waivers.

use super::control::{Control, Waivers};
use super::settings::Settings;
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::policy::adaptive::AdaptiveLimit;
use crate::policy::bulkhead::{BulkheadConfig, PartitionedBulkhead};
use crate::policy::load_shed::LoadShed;
use crate::policy::timeout::Timeout;
use crate::telemetry::Telemetry;

/// The live policies of the inbound stack that all endpoints share.
pub(super) struct Inbound {
    pub(super) deadline: Timeout,
    pub(super) shed: LoadShed,
    pub(super) adaptive: AdaptiveLimit,
    pub(super) bulkhead: PartitionedBulkhead,
}

const NAME: &str = "inbound";
pub(super) const CRITICAL: &str = "critical";
pub(super) const NON_CRITICAL: &str = "non-critical";
pub(super) const STREAMS: &str = "streams";
/// The guards of a whole service that a waiver can leave out.
pub(super) const CONTROLS: [Control; 5] = [
    Control::RateLimit,
    Control::ClientRateLimit,
    Control::LoadShed,
    Control::AdaptiveLimit,
    Control::Bulkhead,
];
/// The least that the adaptive limit can become: a quarter of the places, and no less than the default of Netflix's
/// Gradient2. One limit for all kinds of requests takes it for load when the slow ones become more; they must not shut out
/// the others then.
const LEAST_SHARE: u32 = 4;
const LEAST: u32 = 20;
/// What a guard that is left out still lets through at once, because it has to have a limit.
const MOST: u32 = 1_000_000;

impl Inbound {
    /// Makes them; what is left out lets everything through.
    pub(super) fn new(
        settings: &Settings,
        waivers: &Waivers,
        telemetry: &Telemetry,
        inventory: &Inventory,
        wrong: &mut Vec<InvalidSetting>,
    ) -> Option<Self> {
        let waived = waivers.now();
        let is_on = |control| !waived.contains(&control);
        let deadline = Timeout::builder(NAME)
            .limit(settings.deadline)
            .body_total(settings.deadline)
            .body_idle(settings.body_idle)
            .build();
        let is_kept = is_on(Control::Bulkhead);
        let bulkhead = PartitionedBulkhead::builder(NAME)
            .partition(CRITICAL, |config| room(config, settings.places.critical, is_kept))
            .partition(NON_CRITICAL, |config| room(config, settings.places.other, is_kept))
            // A stream keeps its place for as long as somebody listens: it is a connection, and bounded as those are.
            .partition(STREAMS, |config| {
                room(config, settings.server.max_connections as u32, is_kept);
            })
            .events(telemetry.clone());
        let bulkhead = note(bulkhead.build(), wrong)?;
        let places = settings.places.critical.saturating_add(settings.places.other).min(MOST);
        let (least, most) = if is_on(Control::AdaptiveLimit) {
            ((places / LEAST_SHARE).max(LEAST).min(places), places)
        } else {
            (MOST, MOST)
        };
        // From the top: a service that has just begun refuses nobody whom it has a place for.
        let adaptive = AdaptiveLimit::builder(NAME).min(least).max(most).initial(most);
        let adaptive = note(adaptive.events(telemetry.clone()).build(), wrong)?;
        let mut shed = LoadShed::builder(NAME).events(telemetry.clone());
        if is_on(Control::LoadShed) && is_on(Control::AdaptiveLimit) {
            shed = shed.signal("adaptive_limit", adaptive.clone());
        } else if let (true, true, Some(critical)) = (is_on(Control::LoadShed), is_kept, bulkhead.partition(CRITICAL)) {
            let critical = critical.clone();
            shed = shed.signal("critical_places", move || critical.snapshot().saturation());
        }
        let (deadline, shed) = (note(deadline, wrong), note(shed.build(), wrong));
        let inbound = Self {
            deadline: deadline?,
            shed: shed?,
            adaptive,
            bulkhead,
        };
        inventory.wire(InboundEntry::new(&inbound, waivers));
        Some(inbound)
    }
}

/// What the inventory says of the guards that all requests go through.
struct InboundEntry {
    deadline: Timeout,
    shed: Option<LoadShed>,
    adaptive: Option<AdaptiveLimit>,
    bulkhead: Option<PartitionedBulkhead>,
    waivers: Waivers,
}

impl InboundEntry {
    /// What is left out lets everything through, and is not described.
    fn new(inbound: &Inbound, waivers: &Waivers) -> Self {
        let waived = waivers.now();
        let is_on = |control| !waived.contains(&control);
        // Without a signal it refuses nobody.
        let sheds = is_on(Control::LoadShed) && (is_on(Control::AdaptiveLimit) || is_on(Control::Bulkhead));
        Self {
            deadline: inbound.deadline.clone(),
            shed: sheds.then(|| inbound.shed.clone()),
            adaptive: is_on(Control::AdaptiveLimit).then(|| inbound.adaptive.clone()),
            bulkhead: is_on(Control::Bulkhead).then(|| inbound.bulkhead.clone()),
            waivers: waivers.clone(),
        }
    }
}

impl Describe for InboundEntry {
    fn describe(&self) -> Entry {
        Entry::new("inbound", NAME, "on")
    }

    fn describe_all(&self) -> Vec<Entry> {
        let mut entries = vec![self.describe(), self.deadline.describe()];
        entries.extend(self.shed.as_ref().map(LoadShed::describe));
        entries.extend(self.adaptive.as_ref().map(AdaptiveLimit::describe));
        let partitions = self.bulkhead.as_ref().map(PartitionedBulkhead::describe_all);
        entries.extend(partitions.into_iter().flatten());
        entries.extend(self.waivers.entries("app").map(|waiver| waiver.describe()));
        entries
    }
}

fn room(config: &mut BulkheadConfig, places: u32, is_kept: bool) {
    config.concurrent = if is_kept { places } else { MOST };
    // A burst of twice the places is served if those are free again within the wait of 100 ms.
    config.queue = config.concurrent;
}

fn note<T>(built: Result<T, InvalidSettings>, wrong: &mut Vec<InvalidSetting>) -> Option<T> {
    built
        .map_err(|invalid| wrong.extend_from_slice(invalid.as_slice()))
        .ok()
}
