//! An `orders` in a process of its own, which can be asked, told to end, and waited for.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use seaworthy::BoxError;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::policy::Policy;
use crate::stand_in::PLACES;

/// Longer than a start or an end takes; what takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Replica {
    child: Child,
    pub addr: SocketAddr,
    admin: SocketAddr,
}

impl Replica {
    /// Starts this very program as `orders`, and waits until it is ready.
    pub async fn start(payments: &str, without: Option<Policy>) -> Result<Self, BoxError> {
        let mut child = command(payments, without)?.spawn()?;
        let stdout = child.stdout.take().ok_or("orders has no output")?;
        let mut log = BufReader::new(stdout).lines();
        let (addr, admin) = loop {
            let line = timeout(PATIENCE, log.next_line()).await??;
            let line = line.ok_or("orders has ended before it served")?;
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let (Some(listen), Some(admin)) = (line["listen"].as_str(), line["admin"].as_str()) {
                break (listen.parse()?, admin.parse()?);
            }
        };
        // Nobody reads the rest, but a full pipe would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let replica = Self { child, addr, admin };
        let ready = async {
            while !replica.is_ready().await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, ready).await?;
        Ok(replica)
    }

    /// Asks it as a load balancer does.
    pub async fn is_ready(&self) -> bool {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let Ok(request) = Request::get(format!("http://{}/readyz", self.admin)).body(Empty::<Bytes>::new()) else {
            return false;
        };
        let answer = timeout(Duration::from_secs(1), client.request(request)).await;
        matches!(answer, Ok(Ok(response)) if response.status() == StatusCode::OK)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), BoxError> {
        let id = self.child.id().ok_or("orders has ended by itself")?;
        let id = Pid::from_raw(i32::try_from(id)?).ok_or("orders has no process id")?;
        Ok(kill_process(id, signal)?)
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Result<ExitStatus, BoxError> {
        Ok(timeout(PATIENCE, self.child.wait()).await??)
    }
}

fn command(payments: &str, without: Option<Policy>) -> Result<Command, BoxError> {
    let (hold, drain) = match without {
        Some(Policy::Drain) => ("0s", "0s"),
        _ => ("1s", "20s"),
    };
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("orders")
        .args(without.map(Policy::label))
        // Whoever stops the game day stops all of it.
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .env("SEAWORTHY_DEPENDENCIES__PAYMENTS__URL", payments)
        // As many calls at a time as payments works on.
        .env("SEAWORTHY_DEPENDENCIES__PAYMENTS__CONCURRENT", PLACES.to_string())
        // The load says who asks, as a proxy would.
        .env("SEAWORTHY_CLIENTS__TRUSTED_HOPS", "1")
        .env("SEAWORTHY_SERVER__LISTEN", "127.0.0.1:0")
        .env("SEAWORTHY_ADMIN__LISTEN", "127.0.0.1:0")
        .env("SEAWORTHY_SHUTDOWN__HOLD", hold)
        .env("SEAWORTHY_SHUTDOWN__DRAIN", drain)
        .env("SEAWORTHY_LOG__FORMAT", "json")
        .env("SEAWORTHY_LOG__FILTER", "info,seaworthy::access=off");
    Ok(command)
}
