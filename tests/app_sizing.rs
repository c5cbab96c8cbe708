//! What goes by the size of the container: shown in the inventory, and left to the settings.

mod support;

use std::collections::HashMap;

use axum::Router;
use seaworthy::App;
use seaworthy::inventory::Entry;
use support::{Served, builder, get};

fn settings(app: &App, kind: &str) -> HashMap<&'static str, String> {
    let entries = app.inventory().entries();
    let mut found: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0).settings.iter().cloned().collect()
}

fn number(settings: &HashMap<&'static str, String>, key: &str) -> usize {
    settings[key].parse().unwrap_or_else(|_| panic!("{key}: {settings:?}"))
}

async fn served_setting(served: &Served, key: &str) -> String {
    shown(&get(served.admin, "/inventory").await.body, key)
}

/// Reads a setting of the sizing's entry.
fn shown(inventory: &str, key: &str) -> String {
    let inventory: serde_json::Value = serde_json::from_str(inventory).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["kind"] == "sizing").unwrap();
    entry["settings"][key].as_str().unwrap().to_owned()
}

#[test]
fn the_inventory_shows_what_there_is_and_what_follows() {
    let app = builder().build().unwrap();
    let sizing = settings(&app, "sizing");
    let cpus: f64 = sizing["cpus"].parse().unwrap();
    let available = std::thread::available_parallelism().unwrap().get();
    assert!(cpus > 0.0 && cpus <= available as f64, "{sizing:?}");
    for limit in ["cpu_limit", "memory_limit", "memory"] {
        let is_shown = sizing[limit] == "none" || sizing[limit].parse::<f64>().is_ok_and(|limit| limit > 0.0);
        assert!(is_shown, "{sizing:?}");
    }
    let server = settings(&app, "server");
    for key in ["max_connections", "max_connections_per_address"] {
        assert_eq!(server[key], sizing[&*format!("default_{key}")]);
    }
    assert!((64..=10_000).contains(&number(&server, "max_connections")));
    assert!((64..=4_096).contains(&number(&sizing, "default_places")));
    assert_eq!(sizing["critical_places"], sizing["default_places"]);
    assert_eq!(sizing["other_places"], sizing["default_places"]);
    // Nothing runs it yet.
    assert_eq!(sizing["worker_threads"], sizing["default_worker_threads"]);
}

#[test]
fn settings_win_over_what_follows_from_the_container() {
    let app = builder()
        .setting("server.max_connections", "20000")
        .setting("server.max_connections_per_address", "7")
        .setting("server.critical_places", "5000")
        .setting("server.other_places", "1")
        .build()
        .unwrap();
    let (sizing, server) = (settings(&app, "sizing"), settings(&app, "server"));
    assert_eq!(number(&server, "max_connections"), 20_000);
    assert_eq!(number(&server, "max_connections_per_address"), 7);
    assert_eq!(number(&sizing, "critical_places"), 5_000);
    assert_eq!(number(&sizing, "other_places"), 1);
    assert!(number(&sizing, "default_max_connections") <= 10_000);
    assert!(number(&sizing, "default_places") <= 4_096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn the_inventory_shows_the_workers_that_run() {
    let served = Served::start(builder().build().unwrap(), Router::new());
    assert_eq!(served_setting(&served, "worker_threads").await, "5");
    served.end().await;
}

#[cfg(target_os = "linux")]
mod process {
    use super::support::process::{Process, command};
    use super::*;

    /// Not a test: this is the process that the tests start.
    #[test]
    #[ignore = "the process that the tests start"]
    fn child() {
        let code = seaworthy::run(async { App::builder("child").build()?.serve(Router::new()).await });
        assert_eq!(code, std::process::ExitCode::SUCCESS);
    }

    /// Starts it on one CPU and returns how many workers it has.
    async fn workers_on_one_cpu(variable: Option<&str>) -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cpu = allowed.unwrap().trim().split([',', '-']).next().unwrap();
        let mut command = command("taskset".into(), &[]);
        command.args(["--cpu-list", cpu]).arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process::child", "--nocapture"]);
        match variable {
            Some(workers) => command.env("TOKIO_WORKER_THREADS", workers),
            None => command.env_remove("TOKIO_WORKER_THREADS"),
        };
        let process = Process::start(command).await;
        shown(&get(process.admin, "/inventory").await.body, "worker_threads")
    }

    #[tokio::test]
    async fn one_cpu_has_two_workers_so_that_a_blocked_one_stalls_nobody() {
        assert_eq!(workers_on_one_cpu(None).await, "2");
    }

    #[tokio::test]
    async fn the_environment_may_ask_for_other_workers() {
        assert_eq!(workers_on_one_cpu(Some("3")).await, "3");
    }
}
