//! Exports the spans of a service as its settings say.

use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::{Layer, Registry};

use super::app::App;
use super::error::AppError;
use super::settings::{Settings, TraceSettings};
use crate::base::error::InvalidSetting;
use crate::base::inventory::Inventory;
use crate::client::{BaseUrl, collector_over_grpc, collector_over_http};
use crate::shutdown::ShutdownConfig;
use crate::telemetry::Telemetry;
use crate::telemetry::otlp::{Traces, Way};

/// The longest wait for the last spans to be sent, at the end of the drain; with the defaults it fits into the grace period.
const FLUSH: Duration = Duration::from_millis(900);
/// As long as `Shutdown` itself wants for the end of the process.
const MARGIN: Duration = Duration::from_secs(1);

/// Where the spans of a service go, if anywhere.
#[derive(Clone)]
pub(super) struct Collector(Option<Traces>);

impl Collector {
    pub(super) fn new(
        service: &Arc<str>,
        settings: &Settings,
        telemetry: &Telemetry,
        wrong: &mut Vec<InvalidSetting>,
    ) -> Self {
        let TraceSettings {
            endpoint: Some(endpoint),
            protocol,
            sample_ratio,
        } = &settings.traces
        else {
            return Self(None);
        };
        wrong.extend(unfit(&settings.shutdown));
        let way = way(endpoint, protocol).map_err(|setting| wrong.push(setting)).ok();
        let (url, events) = (endpoint.to_string(), telemetry.clone());
        Self(way.map(|way| Traces::new(Arc::clone(service), url, protocol, *sample_ratio, way, events)))
    }

    pub(super) fn add_to(&self, inventory: &Inventory) {
        if let Some(traces) = &self.0 {
            inventory.wire(traces.clone());
        }
    }

    /// Makes the layer, unless the program has taken one for its own subscriber.
    pub(super) fn layer(&self) -> Result<Option<impl Layer<Registry> + Send + Sync + use<>>, AppError> {
        let traces = self.0.as_ref().filter(|traces| !traces.has_begun());
        Ok(traces.map(Traces::layer).transpose()?)
    }

    /// Ends the export if the layer could not be installed, as there was a subscriber already.
    pub(super) fn withdraw(&self) {
        if let Some(traces) = &self.0 {
            traces.withdraw();
        }
    }

    pub(super) async fn flush(&self) {
        if let Some(traces) = &self.0 {
            traces.flush(FLUSH).await;
        }
    }
}

/// The last spans are sent when all else is over, and before the orchestrator kills.
fn unfit(config: &ShutdownConfig) -> Option<InvalidSetting> {
    let phases = [config.hold, config.drain, config.hooks, MARGIN, FLUSH];
    let sum = phases.into_iter().fold(Duration::ZERO, Duration::saturating_add);
    let ShutdownConfig {
        hold,
        drain,
        hooks,
        grace_period,
        ..
    } = config;
    let allowed = format!(
        "more than hold {hold:?} + drain {drain:?} + hooks {hooks:?} + {MARGIN:?} + {FLUSH:?} to export the last spans = {sum:?}"
    );
    (sum >= *grace_period).then(|| InvalidSetting::new("shutdown.grace_period", format!("{grace_period:?}"), allowed))
}

fn way(endpoint: &BaseUrl, protocol: &str) -> Result<Way, InvalidSetting> {
    if protocol == TraceSettings::HTTP {
        let client = collector_over_http(TraceSettings::ENDPOINT, endpoint)?;
        return Ok(Way::Http {
            url: format!("{endpoint}v1/traces"),
            client,
        });
    }
    let channel = collector_over_grpc(TraceSettings::ENDPOINT, endpoint)?;
    Ok(Way::Grpc(Box::new(channel)))
}

impl App {
    /// Returns the export of spans, if the setting `traces.endpoint` says where to.
    ///
    /// Only for a subscriber of your own: [`bind`](Self::bind) installs one with the export where there is none.
    pub fn traces(&self) -> Option<&Traces> {
        self.collector.0.as_ref()
    }
}
