//! Stands for the export of spans where the feature `otlp` is off.

use std::sync::Arc;

use tracing_subscriber::layer::Identity;

use super::error::AppError;
use super::settings::{Settings, TraceSettings};
use crate::base::error::InvalidSetting;
use crate::base::inventory::Inventory;
use crate::telemetry::Telemetry;

#[derive(Clone)]
pub(super) struct Collector;

impl Collector {
    pub(super) fn new(_: &Arc<str>, settings: &Settings, _: &Telemetry, wrong: &mut Vec<InvalidSetting>) -> Self {
        if settings.traces.endpoint.is_some() {
            let found = "set, but this program was built without the feature `otlp`";
            let allowed = "left out, or the feature switched on";
            wrong.push(InvalidSetting::new(TraceSettings::ENDPOINT, found, allowed));
        }
        Self
    }

    pub(super) fn add_to(&self, _: &Inventory) {}

    pub(super) fn layer(&self) -> Result<Option<Identity>, AppError> {
        Ok(None)
    }

    pub(super) fn withdraw(&self) {}

    pub(super) async fn flush(&self) {}
}
