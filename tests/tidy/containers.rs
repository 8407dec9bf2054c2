//! What runs in containers, held against the program and the page for operators. Nothing here needs
//! a container engine: where there is none, these files still say what is true.
//!
//! They are read line by line, so lists of ports stand in brackets on one line.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{root, texts};

const COMPOSE: &str = "docker-compose.yml";
const COMMITTEE: &str = "docker/committee.sh";
const PROMETHEUS: &str = "docker/prometheus/prometheus.yml";
const ALERTS: &str = "docker/prometheus/alerts.yml";
const DATASOURCE: &str = "docker/grafana/provisioning/datasources/prometheus.yml";
const DASHBOARD: &str = "docker/grafana/dashboards/kraken.json";
const OPERATIONS: &str = "docs/operations.md";

/// What starts `kraken`, or says how.
const STARTERS: [&str; 3] = ["Dockerfile", COMPOSE, COMMITTEE];

/// What the name of a series ends in, if it is that of a histogram or a counter.
const ENDINGS: [&str; 4] = ["bucket", "sum", "count", "total"];

fn read(path: &str) -> String {
    texts::read(&root().join(path))
}

/// What stands between two texts, as often as the first one is there.
fn between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap_or_default()).collect()
}

/// What `kraken <command> --help` says.
fn help(command: &str) -> String {
    read(&format!("node/tests/command_line/snapshots/command_line__help__{command}.snap"))
}

/// The flags that a command takes.
fn flags(command: &str) -> BTreeSet<String> {
    let help = help(command);
    let definitions = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = definitions.flat_map(str::split_whitespace);
    let flags = words.filter(|word| word.starts_with("--"));
    flags.map(|flag| flag.split(['[', '=']).next().unwrap_or_default().to_owned()).collect()
}

/// The port that a flag of `kraken run` has if nobody says another.
fn default_port(flag: &str) -> String {
    let help = help("run").split_whitespace().collect::<Vec<_>>().join(" ");
    let about = between(&help, &format!("{flag} <"), ']');
    let about = about.first().unwrap_or_else(|| panic!("kraken run has no {flag}"));
    let port = about.rsplit([':', ' ']).next().unwrap_or_default();
    assert!(port.parse::<u16>().is_ok(), "the default of {flag} is no port: {about}");
    port.to_owned()
}

/// Each call of `kraken` in a file: the words behind its name, which begins a line, or those of a
/// list behind `command:` or `CMD`.
fn calls(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let mut calls = Vec::new();
    for line in text.lines() {
        let is_between = |letter: char| letter.is_whitespace() || "\"',[]".contains(letter);
        let words: Vec<_> = line.split(is_between).filter(|word| !word.is_empty()).collect();
        let Some((first, behind)) = words.split_first() else {
            continue;
        };
        if ["kraken", "command:", "CMD"].contains(first) && !behind.is_empty() {
            calls.push(behind.iter().map(|word| (*word).to_owned()).collect());
        }
    }
    calls
}

/// The ports that services publish: service, port of this machine, port of the service.
fn published(compose: &str) -> Vec<(String, String, String)> {
    let mut published = Vec::new();
    let mut service = "";
    for line in compose.lines() {
        let is_name = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        if is_name {
            service = line.trim().trim_end_matches(':');
        }
        assert_ne!(line.trim(), "ports:", "{service}: ports stand in brackets on one line");
        let Some(ports) = line.trim().strip_prefix("ports: ") else {
            continue;
        };
        for port in between(ports, "127.0.0.1:", '"') {
            let (host, target) = port.split_once(':').expect("ADDRESS:PORT:PORT");
            published.push((service.to_owned(), host.to_owned(), target.to_owned()));
        }
        let ports = ports.matches(',').count() + 1;
        let local = line.matches("\"127.0.0.1:").count();
        assert_eq!(ports, local, "{service} is published to more than this machine: {line}");
    }
    published
}

/// The port on which the validators of the committee serve metrics.
fn metrics_port(compose: &str) -> String {
    let listen = between(compose, "KRAKEN_METRICS_LISTEN: 0.0.0.0:", '\n');
    (*listen.first().expect("metrics are served")).to_owned()
}

/// The names of our series in a text.
fn series(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !is_of_name(letter));
    words.filter(|word| word.starts_with("kraken_")).collect()
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

/// Fails unless each series of an expression is on the page for operators, and is what is asked of
/// it: histograms have parts, and there are rates only of what counts.
fn check_series(place: &str, expression: &str) {
    let page = read(OPERATIONS);
    let rows = page.lines().filter(|line| line.starts_with("| `kraken_"));
    let documented: BTreeSet<_> = rows.flat_map(series).collect();
    for name in series(expression) {
        let ending = name.rsplit('_').next().filter(|ending| ENDINGS.contains(ending));
        let length = ending.map_or(name.len(), |ending| name.len() - ending.len() - 1);
        let base = &name[..length];
        assert!(documented.contains(base), "{place}: {OPERATIONS} says nothing of {name}");
        // What is measured in seconds is a histogram.
        let is_histogram = base.ends_with("_seconds");
        let has_parts = ending.is_some_and(|ending| ending != "total");
        assert_eq!(is_histogram, has_parts, "{place}: there is no series {name}");
    }
    for rate in ["rate(", "increase("] {
        for rest in expression.split(rate).skip(1) {
            let name = rest.split(|letter: char| !is_of_name(letter)).next().unwrap_or_default();
            let counts = ENDINGS.iter().any(|ending| name.ends_with(*ending));
            assert!(counts, "{place}: {name} does not count, so it has no rate");
        }
    }
}

#[test]
fn commands_and_flags_are_those_of_the_program() {
    assert!(read("Dockerfile").contains("\nENTRYPOINT [\"kraken\"]\n"));
    let mut called = BTreeSet::new();
    for file in STARTERS {
        for words in calls(&read(file)) {
            let is_flag = |word: &&String| word.starts_with("--");
            let command = words.first().filter(|word| !is_flag(word));
            let command = command.map_or("kraken", String::as_str);
            let known = flags(command);
            for flag in words.iter().filter(is_flag) {
                let flag = flag.split('=').next().unwrap_or_default();
                assert!(known.contains(flag), "{file}: `kraken {command}` takes no {flag}");
            }
            called.insert(command.to_owned());
        }
    }
    let expected = ["genesis", "init", "key", "kraken", "run"].map(str::to_owned);
    assert_eq!(called, BTreeSet::from(expected));
}

#[test]
fn variables_of_the_environment_are_those_of_the_program() {
    let help = help("run");
    let is_of_name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let mut set = BTreeSet::new();
    for file in STARTERS {
        let text = read(file);
        for name in text.split(|letter: char| !is_of_name(letter)) {
            if name.starts_with("KRAKEN_") {
                assert!(help.contains(&format!("{name}=]")), "{file}: nobody reads {name}");
                set.insert(name.to_owned());
            }
        }
    }
    assert!(set.contains("KRAKEN_RPC_HOST"), "a container is reached from outside: {set:?}");
}

#[test]
fn ports_are_those_that_somebody_listens_on() {
    let compose = read(COMPOSE);
    let metrics = metrics_port(&compose);
    let rpc = default_port("--rpc.port");
    let published = published(&compose);
    let validators: Vec<_> =
        published.iter().filter(|(service, ..)| service.starts_with("validator-")).collect();
    for (number, (service, host, target)) in validators.iter().enumerate() {
        assert_eq!(*service, format!("validator-{number}"));
        assert_eq!(*host, (5050 + number).to_string(), "{service}");
        assert_eq!(*target, rpc, "{service} serves JSON-RPC on another port");
    }
    assert_eq!(validators.len(), 4);
    let hosts: BTreeSet<_> = published.iter().map(|(_, host, _)| host).collect();
    assert_eq!(hosts.len(), published.len(), "a port is published twice: {published:?}");

    let health = between(&compose, "/dev/tcp/127.0.0.1/", ';');
    assert_eq!(health, [metrics.as_str()], "health is asked where metrics are served");

    let network = ["--network.primary", "--network.sync", "--network.workers"].map(default_port);
    let exposed: BTreeSet<_> = [rpc].into_iter().chain(network).collect();
    let dockerfile = read("Dockerfile");
    let said = between(&dockerfile, "\nEXPOSE ", '\n');
    let said = said.iter().flat_map(|ports| ports.split(' ')).map(str::to_owned);
    assert_eq!(said.collect::<BTreeSet<_>>(), exposed);
}

#[test]
fn prometheus_asks_every_validator_where_it_serves_metrics() {
    let compose = read(COMPOSE);
    let port = metrics_port(&compose);
    let expected: Vec<_> = (0..4).map(|number| format!("validator-{number}:{port}")).collect();
    let prometheus = read(PROMETHEUS);
    assert_eq!(between(&prometheus, "targets: [\"", '"'), expected);
    assert!(prometheus.contains("rule_files: [alerts.yml]"));

    // Grafana asks Prometheus where that serves.
    let published = published(&compose);
    let is_prometheus = |(service, ..): &&(String, String, String)| service == "prometheus";
    let (_, _, target) = published.iter().find(is_prometheus).expect("it is published");
    let datasource = read(DATASOURCE);
    assert_eq!(between(&datasource, "url: ", '\n'), [format!("http://prometheus:{target}")]);
}

#[test]
fn what_is_mounted_or_named_is_there() {
    let compose = read(COMPOSE);
    let mounted = between(&compose, "\"./", ':');
    assert!(!mounted.is_empty());
    for path in mounted {
        assert!(root().join(path).exists(), "{COMPOSE} mounts {path}, which is not there");
    }
    let committee = read(COMMITTEE);
    let peers: Vec<_> = committee
        .split("--peer ")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap_or_default())
        .collect();
    let expected: Vec<_> = (0..4).map(|number| format!("validator-{number}")).collect();
    assert_eq!(peers, expected);
    for peer in peers {
        assert!(compose.contains(&format!("\n  {peer}:\n")), "{COMPOSE} has no service {peer}");
        let settings = format!("\"/var/lib/kraken/{peer}/kraken.toml\"");
        assert!(compose.contains(&settings), "{COMPOSE} does not start {peer}");
    }
}

#[test]
fn every_alert_is_about_what_there_is_and_explained() {
    let alerts = read(ALERTS);
    let expressions = between(&alerts, " expr: ", '\n');
    for expression in &expressions {
        check_series(ALERTS, expression);
    }
    let names: BTreeSet<_> = between(&alerts, "- alert: ", '\n').into_iter().collect();
    assert_eq!(
        names.len(),
        expressions.len(),
        "each alert has a name and an expression of its own"
    );
    assert!(5 <= names.len(), "{names:?}");
    let page = read(OPERATIONS);
    let explained = between(&page, "\n| `Kraken", '`');
    let explained: Vec<_> = explained.iter().map(|name| format!("Kraken{name}")).collect();
    assert_eq!(explained.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_panel_of_the_dashboard_is_explained_and_shows_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("a dashboard is JSON");
    let datasource = read(DATASOURCE);
    let uid = between(&datasource, "uid: ", '\n');
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("a list of panels") {
        let title = panel["title"].as_str().expect("a panel has a title");
        let id = panel["id"].as_u64().expect("a panel has a number");
        assert!(ids.insert(id), "{title}: another panel has the number {id}");
        if panel["type"] == "row" {
            continue;
        }
        let about = panel["description"].as_str().unwrap_or_default();
        assert!(!about.is_empty(), "{title} has no description");
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
        assert!(!unit.is_empty(), "{title} has no unit");
        let targets = panel["targets"].as_array().expect("a panel has a list of targets");
        assert!(!targets.is_empty(), "{title} shows nothing");
        for target in targets {
            assert_eq!(target["datasource"]["uid"].as_str(), uid.first().copied(), "{title}");
            check_series(title, target["expr"].as_str().expect("a target has an expression"));
        }
    }
    assert!(20 <= ids.len(), "there are only {} panels", ids.len());
}
