//! The review of `orders`: what it reaches, and that each sabotage turns exactly its items red.

#[path = "../examples/orders/app.rs"]
mod app;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seaworthy::rate_limit::Quota;
use seaworthy::review::{Freshness, Kind, Level, Review, SchemaGate, Verdict};
use seaworthy::{App, AppBuilder, BoxError, Control, Endpoint, HttpClient};

/// Noon of 2026-11-23.
const NOW: Duration = Duration::from_secs(1_795_435_200);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is done to it once it is built.
type Meddle = Box<dyn FnOnce(&App, &HttpClient)>;

/// `orders`, with everything of it that can be sabotaged.
struct Orders {
    /// A copy of what the manifest and the runbooks are made of.
    root: PathBuf,
    settings: Vec<(&'static str, String)>,
    declare: Box<dyn FnOnce(AppBuilder) -> AppBuilder>,
    meddle: Meddle,
    at: Duration,
}

impl Orders {
    fn new(name: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = format!("seaworthy-review-{}-{number}-{name}", std::process::id());
        let root = std::env::temp_dir().join(folder);
        let _ = fs::remove_dir_all(&root);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&source.join("examples/orders"), &root.join("examples/orders"));
        copy(&source.join("tests"), &root.join("tests"));
        fs::copy(source.join("README.md"), root.join("README.md")).unwrap();
        Self {
            root,
            settings: Vec::new(),
            declare: Box::new(|app| app),
            meddle: Box::new(|_, _| ()),
            at: NOW,
        }
    }

    /// With a database, a collector and a game day, so that there is something to measure.
    fn with_data(name: &str) -> Self {
        let mut orders = Self::new(name);
        let manifest = orders.manifest();
        let (without, _) = manifest.split_once("[waived.backups]").unwrap();
        let (_, rest) = manifest.split_once("[waived.container-hardening]").unwrap();
        let rest = rest.replace("[waived.data-retention]", "[waived.caching]");
        let attested = |id| {
            format!(
                "[attested.{id}]\nby = \"m\"\non = 2026-11-01\nexpires = 2027-11-01\nlink = \"https://wiki/{id}\"\n\n"
            )
        };
        let ids = ["backups", "slos"];
        let attested: String = ids.into_iter().map(attested).collect();
        let game_day = "\n[game_day]\nresult = \"gameday.json\"\n";
        orders.write(
            "readiness.toml",
            &format!("{without}{attested}[waived.container-hardening]{rest}{game_day}"),
        );
        orders.write("gameday.json", &game_day_of("2026-11-20T10:00:00Z", true));
        let data = Data::default();
        orders
            .settings
            .push(("traces.endpoint", "http://127.0.0.1:4318".into()));
        orders.settings.push(("recorder.file", "timeline.jsonl".into()));
        orders.declare = Box::new(move |app| data.declare(app));
        orders
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join("examples/orders").join(file)
    }

    fn manifest(&self) -> String {
        fs::read_to_string(self.path("readiness.toml")).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Changes the manifest; what is changed must be there.
    fn alter(&self, from: &str, to: &str) {
        let manifest = self.manifest();
        assert!(manifest.contains(from), "{from:?} is not in {manifest}");
        self.write("readiness.toml", &manifest.replace(from, to));
    }

    async fn review(self) -> Review {
        let (mut builder, payments) = app::declare("http://127.0.0.1:9".into(), app::placing());
        let manifest = self.path("readiness.toml").to_str().unwrap().to_owned();
        builder = builder.setting("review.manifest", manifest);
        for (key, value) in self.settings {
            builder = builder.setting(key, value);
        }
        let app = (self.declare)(builder).build().unwrap();
        (self.meddle)(&app, &payments);
        app.measure().await;
        let review = app.review_at(self.at);
        fs::remove_dir_all(&self.root).unwrap();
        review
    }
}

/// What is measured of a database, all of it well.
struct Data {
    backup: Duration,
    drill: Duration,
    retention: Duration,
    version: u64,
    way_back: &'static str,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            backup: DAY / 2,
            drill: 30 * DAY,
            retention: DAY / 2,
            version: 2,
            way_back: "drop column quantity",
        }
    }
}

impl Data {
    fn declare(self, app: AppBuilder) -> AppBuilder {
        let ago = |age: Duration| move || async move { Ok::<SystemTime, BoxError>(UNIX_EPOCH + NOW - age) };
        let version = self.version;
        let schema = SchemaGate::new("orders-db", 2, move || async move { Ok::<_, BoxError>(version) })
            .migration(1, "create orders", "drop table orders")
            .migration(2, "add quantity", self.way_back);
        app.freshness(Freshness::new("backup", DAY, ago(self.backup)))
            .freshness(Freshness::new("drill", 90 * DAY, ago(self.drill)).of_item("restore-drill"))
            .freshness(Freshness::new("retention", DAY, ago(self.retention)).of_item("data-retention"))
            .schema(schema)
    }
}

fn game_day_of(at: &str, passed: bool) -> String {
    format!(
        r#"{{"format":"seaworthy-game-day-1","service":"orders","at":"{at}","phases":[{{"name":"payments down","passed":{passed}}}]}}"#
    )
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn kinds(review: &Review) -> BTreeMap<String, Kind> {
    let items = review.items.iter();
    items
        .map(|reviewed| (reviewed.item.id.clone(), reviewed.kind))
        .collect()
}

type Sabotage = (&'static str, fn(&mut Orders), &'static [&'static str]);

/// Applies each to a service of its own, and compares that with one that nobody has meddled with.
async fn each_turns_exactly_its_items_red(fresh: fn(&str) -> Orders, sabotages: &[Sabotage]) {
    let whole = kinds(&fresh("whole").review().await);
    for (name, sabotage, expected) in sabotages {
        let mut orders = fresh(&name.replace(' ', "-"));
        sabotage(&mut orders);
        let after = orders.review().await;
        let changed = after
            .items
            .iter()
            .filter(|reviewed| reviewed.kind != whole[&reviewed.item.id]);
        let changed: Vec<_> = changed
            .map(|reviewed| (reviewed.item.id.as_str(), reviewed.kind))
            .collect();
        let mut red: Vec<_> = expected.iter().map(|id| (*id, Kind::Missing)).collect();
        let order = |id: &str| after.items.iter().position(|reviewed| reviewed.item.id == id);
        red.sort_by_key(|(id, _)| order(id));
        assert_eq!(changed, red, "{name}");
    }
}

const DEPENDENCY_ITEMS: &[&str] = &[
    "health-endpoint",
    "timeouts",
    "circuit-breakers",
    "retries",
    "bulkheads",
    "runbooks",
];

#[tokio::test]
async fn each_sabotage_of_orders_turns_exactly_its_items_red() {
    let sabotages: &[Sabotage] = &[
        (
            "a breaker is switched off",
            |orders| orders.meddle = Box::new(|_, payments| payments.dependency().breaker().disable()),
            &["circuit-breakers"],
        ),
        (
            "a breaker only watches",
            |orders| {
                orders.meddle = Box::new(|_, payments| {
                    let breaker = payments.dependency().breaker();
                    breaker.reconfigure(|config| config.shadow = true).unwrap();
                });
            },
            &["circuit-breakers"],
        ),
        (
            "one attempt by settings",
            |orders| orders.settings.push(("dependencies.payments.attempts", "1".into())),
            &["retries"],
        ),
        (
            "a call without a limit",
            |orders| {
                orders.meddle = Box::new(|_, payments| {
                    payments
                        .dependency()
                        .retry()
                        .reconfigure(|config| config.total = None)
                        .unwrap();
                });
            },
            &["timeouts"],
        ),
        (
            "places without end",
            |orders| {
                orders
                    .settings
                    .push(("dependencies.payments.concurrent", "1000000".into()))
            },
            &["bulkheads"],
        ),
        (
            "a deadline that outlasts the drain",
            |orders| orders.settings.push(("shutdown.drain", "5s".into())),
            &["graceful-shutdown"],
        ),
        (
            "a name without wiring",
            |orders| {
                orders.declare = Box::new(|mut app| {
                    drop(app.dependency("ledger"));
                    app
                });
            },
            DEPENDENCY_ITEMS,
        ),
        (
            "a runbook is deleted",
            |orders| fs::remove_file(orders.path("runbooks/overload.md")).unwrap(),
            &["runbooks"],
        ),
        (
            "a runbook is emptied",
            |orders| orders.write("runbooks/stall.md", " \n"),
            &["runbooks"],
        ),
        (
            "a runbook is not named",
            |orders| orders.alter("panic = \"runbooks/panic.md\"\n", ""),
            &["runbooks"],
        ),
        (
            "an attestation has expired",
            |orders| {
                let link = "expires = 2027-11-23\nlink = \"../../tests/orders_night.rs\"";
                orders.alter(link, &link.replace("2027-11-23", "2026-11-24"));
                orders.at = NOW + DAY;
            },
            &["chaos-testing"],
        ),
        (
            "the evidence of an attestation is gone",
            |orders| fs::remove_file(orders.root.join("tests/orders_limits.rs")).unwrap(),
            &["integration-tests"],
        ),
        (
            "an attestation is taken back",
            |orders| {
                let manifest = orders.manifest();
                let (before, after) = manifest.split_once("[attested.deployable]").unwrap();
                let (_, after) = after.split_once("\n\n").unwrap();
                orders.write("readiness.toml", &format!("{before}{after}"));
            },
            &["deployable"],
        ),
        (
            "a waiver has ended",
            |orders| {
                let reason = "reason = \"it runs in no container\"\nuntil = ";
                orders.alter(&format!("{reason}2027-11-23"), &format!("{reason}2026-11-23"));
            },
            &["container-hardening"],
        ),
        (
            "one person on call",
            |orders| orders.alter("[\"Mara\", \"Jon\"]\n", "[\"Mara\", \"mara\"]\n"),
            &["on-call"],
        ),
        (
            "a gap in the escalation",
            |orders| {
                let gap = "[on_call.escalation.SEV-3]\nrespond = \"4h\"\nescalate_after = \"1day\"\n";
                orders.alter(gap, "");
            },
            &["escalation"],
        ),
        (
            "a chain of two",
            |orders| orders.alter(", \"Inga, engineering lead\", \"Ole, VP engineering\"", ""),
            &["escalation"],
        ),
        (
            "nobody is called for what is broken",
            |orders| orders.alter("escalate_after = \"1h\"\n", ""),
            &["escalation"],
        ),
        (
            "what is worse is answered later",
            |orders| {
                orders.alter(
                    "respond = \"15min\"\nescalate_after = \"30min\"",
                    "respond = \"45min\"\nescalate_after = \"1h\"",
                )
            },
            &["escalation"],
        ),
        (
            "a roster of last year",
            |orders| {
                let rotation = "expires = 2027-11-23\nrotation";
                orders.alter(rotation, "expires = 2026-11-24\nrotation");
                orders.at = NOW + DAY;
            },
            &["on-call", "escalation"],
        ),
    ];
    each_turns_exactly_its_items_red(Orders::new, sabotages).await;
}

#[tokio::test]
async fn each_sabotage_of_what_is_measured_turns_exactly_its_items_red() {
    fn with(orders: &mut Orders, data: Data) {
        orders.declare = Box::new(|app| data.declare(app));
    }
    let sabotages: &[Sabotage] = &[
        (
            "a stale backup",
            |orders| {
                with(
                    orders,
                    Data {
                        backup: 2 * DAY,
                        ..Data::default()
                    },
                )
            },
            &["backups"],
        ),
        (
            "an old drill",
            |orders| {
                with(
                    orders,
                    Data {
                        drill: 91 * DAY,
                        ..Data::default()
                    },
                )
            },
            &["restore-drill"],
        ),
        (
            "a retention job that does not run",
            |orders| {
                with(
                    orders,
                    Data {
                        retention: 3 * DAY,
                        ..Data::default()
                    },
                )
            },
            &["data-retention"],
        ),
        (
            "a schema that is too old",
            |orders| {
                with(
                    orders,
                    Data {
                        version: 1,
                        ..Data::default()
                    },
                )
            },
            &["migrations"],
        ),
        (
            "a schema that is too new",
            |orders| {
                with(
                    orders,
                    Data {
                        version: 3,
                        ..Data::default()
                    },
                )
            },
            &["migrations"],
        ),
        (
            "a migration without a way back",
            |orders| {
                with(
                    orders,
                    Data {
                        way_back: "",
                        ..Data::default()
                    },
                )
            },
            &["migrations"],
        ),
        (
            "a game day that failed",
            |orders| orders.write("gameday.json", &game_day_of("2026-11-20T10:00:00Z", false)),
            &["chaos-testing"],
        ),
        (
            "a game day of last winter",
            |orders| orders.write("gameday.json", &game_day_of("2026-02-20T10:00:00Z", true)),
            &["chaos-testing"],
        ),
        (
            "no collector",
            |orders| orders.settings.retain(|(key, _)| *key != "traces.endpoint"),
            &["tracing", "full-observability"],
        ),
        (
            "a recorder that a kill leaves nothing of",
            |orders| orders.settings.retain(|(key, _)| *key != "recorder.file"),
            &["full-observability"],
        ),
    ];
    each_turns_exactly_its_items_red(Orders::with_data, sabotages).await;
}

/// The endpoints of `orders` stream, so nobody can say how long its callers wait; here they wait for a second.
#[test]
fn a_timeout_above_its_callers_is_missing() {
    let review = |deadline: u32| {
        let second = Duration::from_secs(1);
        let endpoint = Endpoint::default().deadline(second);
        let mut app =
            App::builder("orders")
                .setting("server.deadline", "1s")
                .endpoint(http::Method::GET, "/", endpoint);
        let payments = app
            .dependency("payments")
            .deadline(deadline * second)
            .retry(|retry| retry.attempts(2));
        drop(payments.attempt_timeout(second / 4).guard());
        app.build().unwrap().review_at(NOW)
    };
    assert_eq!(review(1).item("timeouts").unwrap().kind, Kind::Proven);
    let above = review(2);
    let reviewed = above.item("timeouts").unwrap();
    assert_eq!(reviewed.kind, Kind::Missing);
    assert!(
        reviewed.evidence[0].found.contains("nobody waits that long"),
        "{reviewed:?}"
    );
}

/// A guard that is left out with a reason is no longer proven, and not in the way.
#[tokio::test]
async fn a_guard_that_is_waived_shows_as_waived_with_its_reason_and_its_end() {
    let mut orders = Orders::new("waived");
    orders.declare = Box::new(|mut app| {
        let endpoint = Endpoint::default().per_client(Quota::per_second(1));
        let endpoint = endpoint.without_until(Control::RateLimit, "a partner's sale", "2999-01-01");
        app = app.endpoint(http::Method::GET, "/sale", endpoint);
        let ledger = app
            .dependency("ledger")
            .without(Control::Breaker, "there is no way round it");
        drop(ledger.guard());
        app
    });
    let review = orders.review().await;
    let waived = |id: &str| {
        let reviewed = review.item(id).unwrap();
        assert_eq!(reviewed.kind, Kind::Waived, "{id}");
        let mut parts = reviewed.evidence.iter();
        parts.find(|part| part.kind == Kind::Waived).unwrap().clone()
    };
    let breaker = waived("circuit-breakers");
    assert_eq!(breaker.subject, "dependency ledger");
    assert_eq!(breaker.found, "breaker is left out for good: there is no way round it");
    assert_eq!(breaker.until, None);
    let limit = waived("rate-limits");
    assert_eq!(limit.subject, "endpoint GET /sale");
    assert_eq!(limit.until.as_deref(), Some("2999-01-01"));
}

#[tokio::test]
async fn orders_reaches_l2_and_what_is_between_it_and_l3_is_not_made_up() {
    let review = Orders::new("level").review().await;
    let stable = review.clone().toward(Level::Stable);
    assert_eq!(review.reached(), Some(Level::Stable), "{}", stable.text(false));
    assert_eq!(review.verdict(), Verdict::NoGo);
    assert_eq!(stable.verdict(), Verdict::Go);
    let guards = [
        "circuit-breakers",
        "retries",
        "bulkheads",
        "rate-limits",
        "backpressure",
        "adaptive-limits",
    ];
    assert!(guards.iter().all(|id| review.item(id).unwrap().kind == Kind::Proven));
    let in_the_way: Vec<_> = review.in_the_way().map(|reviewed| reviewed.item.id.as_str()).collect();
    let expected = [
        "error-budget-policy",
        "live-configuration",
        "feature-flags",
        "tracing",
        "dashboards",
        "alerting",
        "slos",
        "slas",
        "playbooks",
        "latency-baseline",
        "profiling",
        "owasp-review",
        "infrastructure-as-code",
        "auto-scaling",
        "architecture-diagrams",
        "decision-records",
    ];
    assert_eq!(in_the_way, expected);
}

/// The page that a stranger reads is the page that it prints.
#[test]
fn the_readme_shows_the_review_of_orders_as_it_prints() {
    let (app, _) = app::declare("http://127.0.0.1:9".into(), app::placing());
    let printed = app.build().unwrap().review_at(NOW).text(false);
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let readme = readme.replace("```text\n", "```\n");
    assert!(
        readme.contains(&format!("```\n{printed}```")),
        "README.md does not show:\n{printed}"
    );
}
