//! The standard health service, `grpc.health.v1`, from what the service knows of itself.
//!
//! The messages and the trait are those of `tonic-health`. Its own server is not used: somebody would have to tell it of
//! every change, and it ends a `Watch` of a service that it does not know, which the protocol keeps open.

use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use seaworthy::App;
use seaworthy::health::{Health, Phase};
use seaworthy::shutdown::Draining;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_server};

/// Tells the health of an `App`: as the whole, whose name is empty, and as each of its services.
pub struct LiveHealth {
    health: Health,
    draining: Draining,
    services: Vec<&'static str>,
}

impl LiveHealth {
    pub fn new(app: &App, services: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            health: app.health().clone(),
            draining: app.shutdown().draining(),
            services: services.into_iter().collect(),
        }
    }

    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }

    /// Tells where the service stands, and then each time that it stands elsewhere.
    fn changes(&self) -> impl Stream<Item = ServingStatus> + use<> {
        let phases = stream::unfold((self.health.clone(), None), |(health, last)| async move {
            let phase = match last {
                None => health.phase(),
                Some(last) => health.changed_from(last).await,
            };
            Some((phase, (health, Some(phase))))
        });
        phases.map(serving)
    }
}

/// Only who may take requests is serving; that it drains is said before it closes.
fn serving(phase: Phase) -> ServingStatus {
    match phase {
        Phase::Ready => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    let status = status.into();
    HealthCheckResponse { status }
}

#[tonic::async_trait]
impl health_server::Health for LiveHealth {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("there is no such service here"));
        }
        Ok(Response::new(response(serving(self.health.phase()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let draining = self.draining.clone();
        let drained = async move { draining.draining().await };
        let statuses = if self.knows(&request.get_ref().service) {
            // The last word, also for whom the end of the stream overtook it.
            let end = stream::once(async { ServingStatus::NotServing });
            self.changes().take_until(drained).chain(end).boxed()
        } else {
            let unknown = stream::once(async { ServingStatus::ServiceUnknown });
            unknown.chain(stream::pending()).take_until(drained).boxed()
        };
        Ok(Response::new(statuses.map(|status| Ok(response(status))).boxed()))
    }
}
