use super::*;

fn env(variables: &[(&str, &str)]) -> Env {
    variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("seaworthy-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// What a container of two CPUs and 512 MiB has.
fn small() -> Sizing {
    Sizing::of(2.0, Some(512 << 20))
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
    let path = file("wins.toml", "[server]\ndeadline = \"2s\"\nbody_limit = 7\n");
    let defaults = [
        ("server.deadline".to_owned(), "1s".to_owned()),
        ("log.filter".to_owned(), "warn".to_owned()),
    ];
    let env = env(&[
        ("SEAWORTHY_SERVER__DEADLINE", "3s"),
        ("OTHER", "x"),
        ("SEAWORTHY_ORDERS_SERVICE_HOST", "10.0.0.1"),
        ("SEAWORTHY_ORDERS_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SEAWORTHY_ORDERS_SERVICE_HOST", "10.0.0.1"),
        ("SEAWORTHY_ORDERS_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ]);
    let (settings, wrong) = Settings::read(&defaults, Some(&path), env, &small());
    assert_eq!(wrong, []);
    assert_eq!(settings.deadline, Duration::from_secs(3));
    assert_eq!(settings.body_limit, 7);
    assert_eq!(settings.log_filter, "warn");
}

#[test]
fn every_wrong_setting_is_listed_with_its_origin_and_no_content() {
    let path = file(
        "wrong.toml",
        "[server]\nlisten = \"hunter2\"\nmax_connections = 0\n[servr]\nx = 1\n",
    );
    let env = env(&[
        ("SEAWORTHY_LOG__FORMAT", "hunter2"),
        ("SEAWORTHY_DEPENDENCIES__PAYMENTS__URL", "hunter2"),
    ]);
    let (_, wrong) = Settings::read(&[], Some(&path), env, &small());
    let text = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let expected = "`server.listen` is a text of 7 characters, from the settings file; it must be an IP address with a port, \
         such as `127.0.0.1:8080`\n\
         `server.max_connections` is the integer 0, from the settings file; it must be from 1 to 1000000\n\
         `log.format` is a text of 7 characters, from the environment variable SEAWORTHY_LOG__FORMAT; \
         it must be one of `auto`, `json`, `pretty`\n\
         `dependencies.payments.url` is a text of 7 characters, from the environment variable \
         SEAWORTHY_DEPENDENCIES__PAYMENTS__URL; it must be an absolute `http` or `https` URL without user, password and query, such as \
         `http://127.0.0.1:8081`\n\
         `servr.x` is unknown, from the settings file; it must be one of `server.listen`, ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn of_a_secret_nothing_is_said_and_nothing_is_shown() {
    for (token, is_wrong) in [("1234567890", true), ("1234567890123456", false)] {
        let path = file("secret.toml", &format!("[admin]\ntoken = {token}\n"));
        let (settings, wrong) = Settings::read(&[], Some(&path), Vec::new(), &small());
        assert_eq!((wrong.len() == 1, settings.admin_token.is_none()), (is_wrong, is_wrong));
        let text = format!(
            "{settings:?} {}",
            wrong.iter().map(ToString::to_string).collect::<String>()
        );
        assert!(!text.contains("1234567890"), "{text}");
    }
}

#[test]
fn a_broken_file_is_named_with_the_line_and_without_its_content() {
    let path = file("broken.toml", "[server]\npassword = \"hunter2\n");
    let (_, wrong) = Settings::read(&[], Some(&path), Vec::new(), &small());
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].found.contains("line 2"), "{}", wrong[0]);
    assert!(!wrong[0].to_string().contains("hunter2"), "{}", wrong[0]);

    let (_, wrong) = Settings::read(&[], Some(Path::new("/nowhere.toml")), Vec::new(), &small());
    assert_eq!(wrong[0].found, "not there");
}

#[test]
fn what_nobody_sets_goes_by_the_size_of_the_container() {
    let (settings, wrong) = Settings::read(&[], None, Vec::new(), &small());
    assert_eq!(wrong, []);
    assert_eq!(settings.server.max_connections, small().max_connections);
    assert_eq!(
        settings.server.max_connections_per_address,
        small().max_connections_per_address
    );
    assert_eq!(settings.places.critical, small().places);
    assert_eq!(settings.places.other, small().places);

    let env = env(&[
        ("SEAWORTHY_SERVER__MAX_CONNECTIONS", "100"),
        ("SEAWORTHY_SERVER__CRITICAL_PLACES", "1"),
        ("SEAWORTHY_SERVER__OTHER_PLACES", "1000000"),
    ]);
    let (settings, wrong) = Settings::read(&[], None, env, &small());
    assert_eq!(wrong, []);
    assert_eq!(settings.server.max_connections, 100);
    assert_eq!(
        settings.server.max_connections_per_address, 100,
        "never more than there are"
    );
    assert_eq!((settings.places.critical, settings.places.other), (1, 1_000_000));
}

#[test]
fn a_service_without_places_is_refused() {
    for key in ["server.critical_places", "server.other_places"] {
        for places in ["0", "1000001", "-1", "many"] {
            let defaults = [(key.to_owned(), places.to_owned())];
            let (_, wrong) = Settings::read(&defaults, None, Vec::new(), &small());
            assert_eq!(wrong.len(), 1, "{key} {places}");
            assert_eq!(wrong[0].allowed, "from 1 to 1000000");
        }
    }
}

#[test]
fn the_documented_settings_are_those_that_are_read() {
    let mut reader = Reader::new(BTreeMap::new(), Vec::new());
    Settings::read_from(&mut reader, &small());
    let rows = include_str!("../../docs/settings.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let mut known = reader.known();
    known.extend(DependencySettings::KEYS.map(|key| format!("dependencies.<name>.{key}")));
    assert_eq!(documented, known);
}

#[test]
fn what_is_said_of_a_dependency_is_read_and_its_keys_are_the_known_ones() {
    let values: Vec<_> = DependencySettings::KEYS
        .iter()
        .zip(["http://127.0.0.1:1", "2s", "1s", "2", "7", "/ca.pem"])
        .map(|(key, value)| (format!("dependencies.a.b.{key}"), value.to_owned()))
        .collect();
    let (settings, wrong) = Settings::read(&values, None, Vec::new(), &small());
    assert_eq!(wrong, []);
    let expected = DependencySettings {
        url: "http://127.0.0.1:1/".parse().ok(),
        deadline: Some(Duration::from_secs(2)),
        attempt_timeout: Some(Duration::from_secs(1)),
        attempts: Some(2),
        concurrent: Some(7),
        ca_certificate: Some("/ca.pem".into()),
    };
    assert_eq!(settings.dependencies["a.b"], expected);
}
