use super::control::{Control, Waivers};
use super::endpoint::Endpoint;
use super::settings::{Clients, Settings};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::policy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use crate::telemetry::Telemetry;
use crate::web::{ClientKey, Quotas};

/// Makes the rate limits of all endpoints, and notes what is wrong with them.
pub(super) struct House<'a> {
    clients: Clients,
    /// What each client has for all endpoints that do not say it themselves; `None` if that is left out.
    each: Option<KeyedRateLimit<ClientKey>>,
    /// What each endpoint has that does not say it itself; `None` if that is left out.
    all: Option<Quota>,
    telemetry: &'a Telemetry,
    inventory: &'a Inventory,
    pub(super) wrong: Vec<InvalidSetting>,
}

const CONTROLS: [Control; 2] = [Control::RateLimit, Control::ClientRateLimit];

impl<'a> House<'a> {
    pub(super) fn new(
        settings: &Settings,
        waived: &[Control],
        telemetry: &'a Telemetry,
        inventory: &'a Inventory,
    ) -> Self {
        let is_on = |control| !waived.contains(&control);
        let mut house = Self {
            clients: settings.clients,
            each: None,
            all: is_on(Control::RateLimit).then_some(settings.endpoints),
            telemetry,
            inventory,
            wrong: Vec::new(),
        };
        if is_on(Control::ClientRateLimit) {
            house.each = house.each("clients".into(), settings.clients.quota);
            house.each.iter().for_each(|each| inventory.wire(each.clone()));
        }
        house
    }

    /// Makes the limits of one endpoint, which `name` tells from others.
    ///
    /// Those that it says itself are told to its clients with every response, the others with a refusal alone.
    pub(super) fn quotas(&mut self, name: &str, endpoint: &Endpoint) -> Option<Quotas> {
        endpoint
            .waivers
            .check(&format!("endpoint {name}"), &CONTROLS, &mut self.wrong);
        let waived = endpoint.waivers.now();
        let is_on = |control| !waived.contains(&control);
        let each = match endpoint.per_client {
            _ if !is_on(Control::ClientRateLimit) => None,
            Some(quota) => self.each(format!("{name} per client"), quota).map(|each| (each, true)),
            None => self.each.clone().map(|each| (each, false)),
        };
        let all = endpoint.rate_limit.map(|quota| (quota, true));
        let all = all.or(self.all.map(|quota| (quota, false)));
        let all = all.filter(|_| is_on(Control::RateLimit));
        let all = all.and_then(|(quota, is_told)| Some((self.all(name, quota)?, is_told)));
        self.inventory.wire(EndpointEntry {
            name: name.to_owned(),
            all: all.as_ref().map(|(all, _)| all.clone()),
            each: each.clone(),
            waivers: endpoint.waivers.clone(),
        });
        let any = all.is_some() || each.is_some();
        any.then(|| Quotas::new(self.clients.ip, self.clients.headers, each, all))
    }

    fn all(&mut self, name: &str, quota: Quota) -> Option<RateLimit> {
        let limit = RateLimit::builder(name)
            .quota(quota)
            .events(self.telemetry.clone())
            .build();
        self.note(limit)
    }

    fn each(&mut self, name: String, quota: Quota) -> Option<KeyedRateLimit<ClientKey>> {
        let limit = RateLimit::builder(name).quota(quota).events(self.telemetry.clone());
        self.note(limit.build_keyed(self.clients.capacity, AtCapacity::Forget))
    }

    fn note<T>(&mut self, built: Result<T, InvalidSettings>) -> Option<T> {
        built
            .map_err(|wrong| self.wrong.extend_from_slice(wrong.as_slice()))
            .ok()
    }
}

/// What the inventory says of an endpoint.
struct EndpointEntry {
    name: String,
    all: Option<RateLimit>,
    /// With whether it is its own.
    each: Option<(KeyedRateLimit<ClientKey>, bool)>,
    waivers: Waivers,
}

impl Describe for EndpointEntry {
    fn describe(&self) -> Entry {
        let all = self.all.as_ref().map(|all| all.config());
        let each = self.each.as_ref().map(|(each, _)| each.config());
        let mut entry = Entry::new("endpoint", self.name.as_str(), "on");
        if let Some(all) = all {
            entry = entry.setting("quota", all.quota).setting("shadow", all.shadow);
        }
        if let Some(each) = each {
            entry = entry
                .setting("client_quota", each.quota)
                .setting("client_shadow", each.shadow);
        }
        entry
    }

    /// What all endpoints share is described where it is made.
    fn describe_all(&self) -> Vec<Entry> {
        let own = self.each.as_ref().filter(|(_, is_own)| *is_own);
        let mut entries = vec![self.describe()];
        entries.extend(own.map(|(each, _)| each.describe()));
        entries.extend(self.all.as_ref().map(RateLimit::describe));
        let subject = format!("endpoint {}", self.name);
        entries.extend(self.waivers.entries(&subject).map(|waiver| waiver.describe()));
        entries
    }
}
