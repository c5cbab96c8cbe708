//! Puts together what was declared, or says all that is wrong with it.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::app::App;
use super::builder::AppBuilder;
use super::control::Control;
use super::dependency::Finish;
use super::descriptors::OpenFiles;
use super::error::AppError;
use super::inbound::{self, Inbound};
use super::lint;
#[cfg(not(feature = "otlp"))]
use super::no_otlp::Collector;
#[cfg(feature = "otlp")]
use super::otlp::Collector;
use super::pulse::{self, Pulse};
use super::quotas::House;
use super::settings::Settings;
use super::sizing::{Sizing, SizingEntry};
use super::table::EndpointTable;
use crate::base::error::InvalidSettings;
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::review::{Criteria, Manifest, Parts, Reviewer, check_measurements};
use crate::server::{Counters, ServerEntry};
use crate::shutdown::Shutdown;
use crate::telemetry::{LogEntry, LogFormat};

impl AppBuilder {
    /// Checks everything and puts it together; spawns, binds and installs nothing.
    ///
    /// # Errors
    ///
    /// All mistakes at once: settings from file and environment, endpoints, checks, durations that do not fit, and
    /// numbers that cannot work together. What works badly is one of [`App::findings`].
    pub fn build(mut self) -> Result<App, AppError> {
        let env = std::env::vars_os().collect();
        let sizing = Sizing::detect();
        let (settings, wrong) = Settings::read(&self.defaults, self.settings_file.as_deref(), env, &sizing);
        self.wrong.extend(wrong);
        let review = self.review(&settings);
        let inventory = Inventory::default();
        let owner = self.owner.take();
        inventory.wire(About {
            name: self.name.to_string(),
            owner: owner.clone().unwrap_or_default(),
        });
        self.waivers.check("app", &inbound::CONTROLS, &mut self.wrong);
        let waived = self.waivers.now();
        let numbers = self.inbound_numbers(&settings, &waived);
        let mut house = House::new(&settings, &waived, &self.telemetry, &inventory);
        let endpoints = EndpointTable::new(mem::take(&mut self.endpoints), &mut house);
        let endpoints = endpoints.map_err(|wrong| self.wrong.extend(wrong)).unwrap_or_default();
        let inbound = Inbound::new(&settings, &self.waivers, &self.telemetry, &inventory, &mut self.wrong);
        let shutdown = Shutdown::builder()
            .config(settings.shutdown.clone())
            .events(self.telemetry.clone())
            .build();
        let shutdown = self.note(shutdown);
        let collector = Collector::new(&self.name, &settings, &self.telemetry, &mut self.wrong);
        let heartbeat = self.health.watchdog().register(pulse::NAME, pulse::MAX_SILENCE);
        let heartbeat = self.note(heartbeat);
        let mut finish = Finish {
            settings: &settings.dependencies,
            inventory: &inventory,
            health: &self.health,
            wrong: mem::take(&mut self.wrong),
            findings: numbers.findings(),
            patience: numbers.patience(),
            urls: BTreeMap::new(),
        };
        finish.all(mem::take(&mut self.dependencies));
        let Finish {
            wrong,
            mut findings,
            urls,
            ..
        } = finish;
        self.wrong = wrong;
        let mut workers = Vec::new();
        for declared in mem::take(&mut self.workers) {
            findings.extend(declared.finding(settings.shutdown.drain));
            let ready = declared.wire(&self.health, &inventory);
            workers.extend(self.note(ready));
        }
        let built = shutdown.zip(inbound).zip(heartbeat).filter(|_| self.wrong.is_empty());
        let Some(((shutdown, inbound), heartbeat)) = built else {
            return Err(InvalidSettings::of(self.wrong).into());
        };

        inventory.wire(shutdown.clone());
        let telemetry = self.telemetry.access_ratio(settings.access_ratio);
        inventory.wire(LogEntry(Arc::clone(&telemetry.access)));
        collector.add_to(&inventory);
        inventory.wire(telemetry.recorder.clone());
        let pulse = Pulse::new(telemetry.clone());
        inventory.wire(pulse.clone());
        let sizing = SizingEntry::new(sizing, settings.places);
        inventory.wire(sizing.clone());
        OpenFiles::detect().into_iter().for_each(|files| inventory.wire(files));
        let connections = Arc::<Counters>::default();
        inventory.wire(ServerEntry {
            name: "server",
            config: settings.server.clone(),
            counters: Arc::clone(&connections),
            shutdown: shutdown.clone(),
        });
        inventory.wire(self.health.listing());
        let (criteria, manifest) = review;
        let reviewer = Reviewer::new(Parts {
            service: self.name.to_string(),
            owner: owner.unwrap_or_default(),
            target: settings.review.target,
            is_log_pretty: settings.log_format == LogFormat::Pretty,
            inventory: inventory.clone(),
            health: self.health.clone(),
            findings,
            manifest,
            criteria,
            measurements: self.measurements,
            recorder_file: settings.recorder_file.clone(),
        });
        Ok(App {
            name: self.name,
            settings,
            health: self.health,
            shutdown,
            endpoints,
            inbound,
            urls,
            reviewer,
            inventory,
            telemetry,
            collector,
            connections,
            sizing,
            pulse: Some((pulse, heartbeat)),
            startup: self.startup,
            workers,
            signals: self.signals,
        })
    }

    /// Puts the checklist together, and reads the manifest.
    fn review(&mut self, settings: &Settings) -> (Criteria, Manifest) {
        let criteria = Criteria::new(mem::take(&mut self.criteria), &mut self.wrong);
        let items = criteria.items();
        check_measurements(&self.measurements, &items, &mut self.wrong);
        let path = settings.review.manifest.as_ref().or(self.manifest.as_ref());
        let names: Vec<_> = self
            .dependencies
            .iter()
            .map(|declared| Arc::clone(&declared.name))
            .collect();
        let manifest = path.map(|path| Manifest::read(path, &items, &mut self.wrong));
        if let Some(manifest) = &manifest {
            manifest.check_dependencies(&names, &mut self.wrong);
        }
        (criteria, manifest.unwrap_or_default())
    }

    fn inbound_numbers(&self, settings: &Settings, waived: &[Control]) -> lint::Inbound {
        let places = (!waived.contains(&Control::Bulkhead)).then_some(settings.places);
        let endpoints = self.endpoints.iter();
        lint::Inbound {
            deadline: settings.deadline,
            drain: settings.shutdown.drain,
            connections: settings.server.max_connections,
            places: places.map(|places| places.critical.max(places.other)),
            endpoints: endpoints
                .map(|(method, template, endpoint)| endpoint.promise(method, template, places))
                .collect(),
        }
    }

    /// Returns what was built; if nothing was, notes why, and takes the default, so that everything wrong is found.
    pub(super) fn sound<T>(
        &mut self,
        built: Result<T, InvalidSettings>,
        default: impl FnOnce() -> Result<T, InvalidSettings>,
    ) -> T {
        let built = self.note(built);
        built.unwrap_or_else(|| default().expect("the defaults are in their ranges"))
    }

    pub(super) fn note<T>(&mut self, result: Result<T, InvalidSettings>) -> Option<T> {
        result
            .map_err(|wrong| self.wrong.extend_from_slice(wrong.as_slice()))
            .ok()
    }
}

/// What the inventory says of the service itself.
struct About {
    name: String,
    owner: String,
}

impl Describe for About {
    fn describe(&self) -> Entry {
        Entry::new("service", self.name.clone(), "on").setting("owner", &self.owner)
    }
}
