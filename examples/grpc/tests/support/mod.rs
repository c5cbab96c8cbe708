//! What the tests share: the service in this process, over real sockets.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::time::Duration;

use example_grpc::app;
use example_grpc::ledger::Ledger;
use example_grpc::proto::Order;
use seaworthy::shutdown::{Cause, Drained, Shutdown};
use seaworthy::web::HttpService;
use seaworthy::{App, AppBuilder, Guard};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// The service, until it is told to end.
pub struct Served {
    pub url: String,
    pub shutdown: Shutdown,
    pub ledger: Ledger,
    pub guard: Guard,
    served: JoinHandle<Drained>,
}

impl Served {
    pub fn start() -> Self {
        Self::changed(|app| app)
    }

    pub fn changed(change: impl FnOnce(AppBuilder) -> AppBuilder) -> Self {
        let (app, guard) = app::declare();
        let app = change(quiet(app)).build().unwrap();
        let (shutdown, ledger) = (app.shutdown().clone(), Ledger::default());
        let routes = app::routes(&app, ledger.clone(), guard.clone());
        let (url, served) = serve(app, routes);
        Self {
            url,
            shutdown,
            ledger,
            guard,
            served,
        }
    }

    /// A channel without any guard, as that of a stranger.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url.clone()).unwrap().connect_lazy()
    }

    pub async fn end(self) -> Drained {
        self.shutdown.begin(Cause::Requested);
        within(self.served).await.unwrap()
    }
}

/// Takes free ports, leaves signals alone and holds for no time.
pub fn quiet(app: AppBuilder) -> AppBuilder {
    app.signals(false)
        .setting("server.listen", "127.0.0.1:0")
        .setting("admin.listen", "127.0.0.1:0")
        .setting("shutdown.hold", "0s")
        .setting("log.filter", "off")
}

pub fn serve(app: App, service: impl HttpService) -> (String, JoinHandle<Drained>) {
    let bound = app.bind().unwrap();
    let url = format!("http://{}", bound.local_addr());
    (url, tokio::spawn(async { bound.serve(service).await.unwrap() }))
}

/// Fails the test if `future` takes longer than anything here.
pub async fn within<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, future).await.expect("took too long")
}

pub fn order(key: &str) -> Order {
    Order {
        key: key.into(),
        item: "anchor".into(),
        quantity: 2,
    }
}
