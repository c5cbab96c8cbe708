use super::control::Control;
use super::endpoint::Endpoint;
use super::settings::{Clients, Settings};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::inventory::Inventory;
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
        endpoint
            .waivers
            .entries(&format!("endpoint {name}"))
            .for_each(|waiver| self.inventory.add(waiver));
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
        let any = all.is_some() || each.is_some();
        any.then(|| Quotas::new(self.clients.ip, self.clients.headers, each, all))
    }

    fn all(&mut self, name: &str, quota: Quota) -> Option<RateLimit> {
        let limit = RateLimit::builder(name)
            .quota(quota)
            .events(self.telemetry.clone())
            .build();
        let limit = self.note(limit)?;
        self.inventory.add(limit.clone());
        Some(limit)
    }

    fn each(&mut self, name: String, quota: Quota) -> Option<KeyedRateLimit<ClientKey>> {
        let limit = RateLimit::builder(name).quota(quota).events(self.telemetry.clone());
        let limit = limit.build_keyed(self.clients.capacity, AtCapacity::Forget);
        let limit = self.note(limit)?;
        self.inventory.add(limit.clone());
        Some(limit)
    }

    fn note<T>(&mut self, built: Result<T, InvalidSettings>) -> Option<T> {
        built
            .map_err(|wrong| self.wrong.extend_from_slice(wrong.as_slice()))
            .ok()
    }
}
