//! A service in a process of its own, for signals and exit codes.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{eventually, get, metric, within};

pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub log: Log,
}

/// The JSON lines that a process writes.
pub struct Log {
    lines: Lines<BufReader<ChildStdout>>,
    /// Those that have been read.
    pub past: Vec<serde_json::Value>,
}

/// Prepares a program: free ports, no hold, and then these settings.
pub fn command(program: PathBuf, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // One worker, so that one stuck task is a stalled runtime.
    command.env("TOKIO_WORKER_THREADS", "1");
    let free = [
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("ADMIN__LISTEN", "127.0.0.1:0"),
        ("SHUTDOWN__HOLD", "0s"),
        // All of a test's requests come from one address.
        ("CLIENTS__PER_SECOND", "100000"),
    ];
    for (key, value) in free.iter().chain(settings) {
        command.env(format!("SEAWORTHY_{key}"), value);
    }
    command
}

/// Builds the example `orders` and returns where it is.
pub fn orders() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", "orders", "--features", "full"]);
        // What cargo tells a test would make build scripts run again, here and in whatever is built next.
        for (key, _) in std::env::vars() {
            if key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(key);
            }
        }
        assert!(cargo.status().unwrap().success(), "the example does not build");
        let deps = std::env::current_exe().unwrap();
        deps.parent().unwrap().with_file_name("examples").join("orders")
    };
    BUILT.get_or_init(build).clone()
}

impl Process {
    /// Starts it and waits until it is ready.
    pub async fn start(command: Command) -> Self {
        let process = Self::start_unready(command).await;
        eventually("ready", || async { get(process.admin, "/readyz").await.status == 200 }).await;
        process
    }

    /// Starts it and waits until it says where it serves.
    pub async fn start_unready(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = Log {
            lines,
            past: Vec::new(),
        };
        let line = log.find("serving").await;
        let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
        let (addr, admin) = (address("listen"), address("admin"));
        Self {
            child,
            addr,
            admin,
            log,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("still runs")
    }

    pub async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    pub async fn unready(&self) {
        eventually("unready", || async { get(self.admin, "/readyz").await.status == 503 }).await;
    }

    pub async fn in_flight(&self, count: f64) {
        eventually("in flight", || async {
            let text = get(self.admin, "/metrics").await.body;
            metric(&text, "http_server_active_requests", &[]) == Some(count)
        })
        .await;
    }

    /// Waits for the end and reads nothing of what it says until then.
    pub async fn exit_code_unread(mut self) -> Option<i32> {
        within(self.child.wait()).await.unwrap().code()
    }

    /// Waits until it has ended, however it was ended.
    pub async fn ended(&mut self) {
        within(self.child.wait()).await.unwrap();
    }

    pub async fn exit_code(mut self) -> Option<i32> {
        // Somebody must read what it still has to say.
        tokio::spawn(async move { while let Ok(Some(_)) = self.log.lines.next_line().await {} });
        within(self.child.wait()).await.unwrap().code()
    }
}

impl Log {
    /// Reads up to the end.
    pub async fn rest(mut self) -> String {
        let mut rest = String::new();
        while let Some(line) = within(self.lines.next_line()).await.unwrap() {
            rest += &line;
            rest.push('\n');
        }
        rest
    }

    /// Reads up to the line with this message.
    pub async fn find(&mut self, message: &str) -> serde_json::Value {
        loop {
            let line = self.next().await;
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Reads up to a line whose target begins so.
    pub async fn next_of(&mut self, target: &str) -> serde_json::Value {
        loop {
            let line = self.next().await;
            if line["target"].as_str().is_some_and(|of| of.starts_with(target)) {
                return line;
            }
        }
    }

    /// Reads the next line.
    pub async fn next(&mut self) -> serde_json::Value {
        loop {
            let line = within(self.lines.next_line()).await.unwrap().expect("the log goes on");
            // The harness of a test that is a process has lines of its own.
            if let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) {
                self.past.push(line.clone());
                return line;
            }
        }
    }
}
