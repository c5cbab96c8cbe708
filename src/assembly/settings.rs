use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::reader::{Range, Reader, Span};
use self::sources::{Env, collect};
use super::sizing::{BODY_LIMIT, Sizing};
use crate::admin::Token;
use crate::base::context::SampleRatio;
use crate::base::error::InvalidSetting;
use crate::client::{ALLOWED, BaseUrl};
use crate::policy::rate_limit::Quota;
use crate::review::{Level, NoLevel};
use crate::server::ServerConfig;
use crate::shutdown::ShutdownConfig;
use crate::telemetry::{LogFormat, is_filter};
use crate::web::{ClientIp, ContextLayer, RateLimitHeaders};

mod reader;
mod sources;
#[cfg(test)]
mod tests;

/// The settings of a service, read once when it is built.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) server: ServerConfig,
    pub(super) deadline: Duration,
    pub(super) body_idle: Duration,
    pub(super) body_limit: u64,
    pub(super) places: Places,
    pub(super) context: ContextLayer,
    pub(super) trust_criticality: bool,
    pub(super) clients: Clients,
    /// What an endpoint has that does not say it itself.
    pub(super) endpoints: Quota,
    pub(super) admin_listen: SocketAddr,
    pub(super) admin_exposes_all: bool,
    pub(super) admin_token: Option<Token>,
    pub(super) shutdown: ShutdownConfig,
    pub(super) log_filter: String,
    pub(super) log_format: LogFormat,
    pub(super) access_ratio: SampleRatio,
    pub(super) traces: TraceSettings,
    pub(super) recorder_file: Option<PathBuf>,
    pub(super) review: ReviewSettings,
    pub(super) dependencies: BTreeMap<String, DependencySettings>,
}

/// Which spans go where.
#[derive(Clone, Debug)]
pub(super) struct TraceSettings {
    /// The collector; none exports nothing.
    pub(super) endpoint: Option<BaseUrl>,
    pub(super) protocol: &'static str,
    pub(super) sample_ratio: SampleRatio,
}

impl TraceSettings {
    /// The setting that says where the collector is.
    pub(super) const ENDPOINT: &str = "traces.endpoint";
    pub(super) const HTTP: &str = "http";

    fn read_from(reader: &mut Reader) -> Self {
        Self {
            endpoint: reader.optional(Self::ENDPOINT, ALLOWED, |_| true),
            protocol: reader.one_of("traces.protocol", [Self::HTTP, "grpc"]),
            sample_ratio: reader.take("traces.sample_ratio", SampleRatio::ALL, "from 0 to 1", |_| true),
        }
    }
}

/// How mature the service is to be.
#[derive(Clone, Debug)]
pub(super) struct ReviewSettings {
    /// The level that reviews are about.
    pub(super) target: Level,
    /// Below this level the service does not start; none starts it always.
    pub(super) require: Option<Level>,
    pub(super) manifest: Option<PathBuf>,
}

impl ReviewSettings {
    fn read_from(reader: &mut Reader) -> Self {
        let target = reader.optional("review.target", NoLevel::ALLOWED, |_| true);
        Self {
            target: target.unwrap_or(Level::Resilient),
            require: reader.optional("review.require", NoLevel::ALLOWED, |_| true),
            manifest: reader.file("review.manifest"),
        }
    }
}

/// What is said of one dependency; it wins over what the program says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DependencySettings {
    pub(super) url: Option<BaseUrl>,
    pub(super) deadline: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) attempts: Option<u32>,
    pub(super) concurrent: Option<u32>,
    pub(super) ca_certificate: Option<PathBuf>,
}

impl DependencySettings {
    pub(super) const KEYS: [&str; 6] = [
        "url",
        "deadline",
        "attempt_timeout",
        "attempts",
        "concurrent",
        "ca_certificate",
    ];
}

/// Who is a client, and how it is told what is left for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clients {
    pub(super) ip: ClientIp,
    pub(super) capacity: usize,
    /// What each has for all endpoints that do not say it themselves.
    pub(super) quota: Quota,
    pub(super) headers: RateLimitHeaders,
}

impl Clients {
    fn read_from(reader: &mut Reader) -> Self {
        let hops = reader.within("clients.trusted_hops", 0, Range(0, 16));
        let ip = match reader.one_of("clients.header", ["x-forwarded-for", "forwarded"]) {
            "forwarded" => ClientIp::forwarded(hops),
            _ => ClientIp::x_forwarded_for(hops),
        };
        let words = ["draft-11", "draft-7", "draft-6", "off"];
        Self {
            ip: ip.ipv6_prefix(reader.within("clients.ipv6_prefix", 64, Range(1, 128))),
            capacity: reader.within("clients.capacity", 100_000, Range(1, 10_000_000)),
            quota: quota(reader, "clients", 100),
            headers: match reader.one_of("clients.rate_limit_headers", words) {
                "draft-7" => RateLimitHeaders::Draft7,
                "draft-6" => RateLimitHeaders::Draft6,
                "off" => RateLimitHeaders::Off,
                _ => RateLimitHeaders::Draft11,
            },
        }
    }
}

/// How many requests a second each endpoint takes for each CPU: an axum handler that does nothing takes a few times more.
const ENDPOINT: u32 = 10_000;
const MOST: u32 = 1_000_000;

/// Reads a quota; its burst is that of two seconds unless it is said.
fn quota(reader: &mut Reader, of: &str, per_second: u32) -> Quota {
    let per_second = reader.within(&format!("{of}.per_second"), per_second, Range(1, MOST));
    let burst = reader.within(&format!("{of}.burst"), 2 * per_second, Range(1, 2 * MOST));
    Quota::per_second(per_second).burst(burst)
}

/// How many requests may be under way at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// Of the critical ones.
    pub(super) critical: u32,
    /// Of all others.
    pub(super) other: u32,
}

impl Places {
    fn read_from(reader: &mut Reader, sizing: &Sizing) -> Self {
        const PLACES: Range<u32> = Range(1, 1_000_000);
        Self {
            critical: reader.within("server.critical_places", sizing.places, PLACES),
            other: reader.within("server.other_places", sizing.places, PLACES),
        }
    }
}

impl Settings {
    /// Reads the program's defaults, then the file, then the environment, later ones winning; lists what is wrong.
    ///
    /// What nobody sets, and goes by the size of the container, is as in `sizing`.
    pub(super) fn read(
        defaults: &[(String, String)],
        file: Option<&Path>,
        env: Env,
        sizing: &Sizing,
    ) -> (Self, Vec<InvalidSetting>) {
        let mut wrong = Vec::new();
        let values = collect(defaults, file, env, &mut wrong);
        let mut reader = Reader::new(values, wrong);
        let settings = Self::read_from(&mut reader, sizing);
        (settings, reader.finish())
    }

    fn read_from(reader: &mut Reader, sizing: &Sizing) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        const LIMIT: Range<Span> = Range(Span(Duration::from_millis(1)), Span(DAY));
        const WAIT: Range<Span> = Range(Span(Duration::ZERO), Span(DAY));
        let mut server = ServerConfig::default();
        let mut shutdown = ShutdownConfig::default();
        let address = "an IP address with a port, such as `127.0.0.1:8080`";
        let listen = reader.take(
            "server.listen",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            address,
            |_| true,
        );
        let connections = Range(1, 1_000_000);
        server.max_connections = reader.within("server.max_connections", sizing.max_connections, connections);
        server.max_connections_per_address = reader.within(
            "server.max_connections_per_address",
            sizing.max_connections_per_address.min(server.max_connections),
            Range(1, server.max_connections),
        );
        for (key, limit) in [
            ("server.first_byte_timeout", &mut server.first_byte_timeout),
            ("server.tls_handshake_timeout", &mut server.tls_handshake_timeout),
            ("server.preface_timeout", &mut server.preface_timeout),
            ("server.header_timeout", &mut server.header_timeout),
            ("server.write_timeout", &mut server.write_timeout),
            ("server.idle_timeout", &mut server.idle_timeout),
            ("server.max_age", &mut server.max_age),
        ] {
            *limit = reader.within(key, Span(*limit), LIMIT).0;
        }
        server.header_limit = reader.within("server.header_limit", server.header_limit, Range(8 << 10, 1 << 20));
        server.http2_window = reader.within("server.http2_window", server.http2_window, Range(16 << 10, 16 << 20));
        server.tls = reader.tls();
        let deadline = reader.within("server.deadline", Span(Duration::from_secs(10)), LIMIT).0;
        let body_idle = reader
            .within("server.body_idle_timeout", Span(Duration::from_secs(30)), LIMIT)
            .0;
        let body_limit = reader.within("server.body_limit", BODY_LIMIT, Range(0, 1 << 40));
        let places = Places::read_from(reader, sizing);
        let trust_request_id = reader.take("server.trust_request_id", false, "`true` or `false`", |_| true);
        let trust_trace = reader.take("server.trust_trace", true, "`true` or `false`", |_| true);
        let trust_criticality = reader.take("server.trust_criticality", false, "`true` or `false`", |_| true);
        let clients = Clients::read_from(reader);
        let endpoints = quota(
            reader,
            "endpoints",
            ENDPOINT.saturating_mul(sizing.cpus as u32).clamp(ENDPOINT, MOST),
        );
        let admin_listen = reader.take(
            "admin.listen",
            SocketAddr::from(([127, 0, 0, 1], 9090)),
            address,
            |_| true,
        );
        let expose = reader.one_of("admin.expose", ["probes", "all"]);
        let admin_token = reader.secret("admin.token", Token::ALLOWED);
        shutdown.hold = reader.within("shutdown.hold", Span(shutdown.hold), WAIT).0;
        shutdown.drain = reader.within("shutdown.drain", Span(shutdown.drain), WAIT).0;
        shutdown.hooks = reader.within("shutdown.hooks", Span(shutdown.hooks), WAIT).0;
        shutdown.grace_period = reader
            .within("shutdown.grace_period", Span(shutdown.grace_period), WAIT)
            .0;
        let filter = "a filter of levels, such as `info` or `info,orders=debug`";
        let log_filter = reader.take("log.filter", "info".to_owned(), filter, |filter| is_filter(filter));
        let log_format = match reader.one_of("log.format", ["auto", "json", "pretty"]) {
            "json" => LogFormat::Json,
            "pretty" => LogFormat::Pretty,
            _ => LogFormat::Auto,
        };
        let access_ratio = reader.take("log.access_ratio", SampleRatio::ALL, "from 0 to 1", |_| true);
        let traces = TraceSettings::read_from(reader);
        let recorder_file = reader.file("recorder.file");
        let review = ReviewSettings::read_from(reader);
        Self {
            listen,
            server,
            deadline,
            body_idle,
            body_limit,
            places,
            context: ContextLayer::default()
                .trust_request_id(trust_request_id)
                .trust_trace(trust_trace)
                .sample_ratio(traces.sample_ratio),
            trust_criticality,
            clients,
            endpoints,
            admin_listen,
            admin_exposes_all: expose == "all",
            admin_token,
            shutdown,
            log_filter,
            log_format,
            access_ratio,
            traces,
            recorder_file,
            review,
            dependencies: reader.dependencies(),
        }
    }
}
