//! `kraken key`, `genesis`, `init`, `run` and `testnet`.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::{END_MAX, Node, START_MAX, failure, get, kraken, run, send};

/// The files of a committee, in a folder that is gone afterwards.
struct Files {
    folder: TempDir,
}

impl Files {
    /// Makes keys for so many validators, and the genesis that names them.
    fn new(validators: usize) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let mut genesis =
            vec!["genesis".to_owned(), "--out".to_owned(), files.text("genesis.toml")];
        for id in 0..validators {
            let made = run(&["key", "--out", &files.text(&format!("key-{id}.toml"))]);
            assert!(made.status.success());
            let member = files.path(&format!("member-{id}.toml"));
            fs::write(&member, &made.stdout).expect("writable");
            genesis.extend(["--member".to_owned(), member.display().to_string()]);
        }
        let arguments: Vec<_> = genesis.iter().map(String::as_str).collect();
        assert!(run(&arguments).status.success());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The arguments of `kraken init` for the first validator.
    fn init(&self, peers: &[&str]) -> Vec<String> {
        let mut arguments = vec!["init".to_owned()];
        for (flag, name) in [
            ("--data-dir", "data"),
            ("--genesis", "genesis.toml"),
            ("--key", "key-0.toml"),
            ("--out", "kraken.toml"),
        ] {
            arguments.extend([flag.to_owned(), self.text(name)]);
        }
        for peer in peers {
            arguments.extend(["--peer".to_owned(), (*peer).to_owned()]);
        }
        arguments
    }
}

/// [`failure`] of arguments that were put together.
fn failure_of(arguments: &[String]) -> String {
    failure(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `kraken run` on free ports, with metrics.
fn run_validator(files: &Files) -> Node {
    let config = files.text("kraken.toml");
    let arguments = ["run", "--config", &config, "--rpc.port", "0", "--log", "warn"];
    let mut command = kraken(&arguments);
    Node::until(command.env("KRAKEN_METRICS_LISTEN", "127.0.0.1:0"), "Listening on ")
}

/// Waits for something.
fn wait_until(what: &str, within: Duration, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < within, "{what}: not in time");
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_served(address: &str) -> bool {
    let address: SocketAddr = address.parse().expect("an address");
    TcpStream::connect(address).is_ok()
}

#[test]
fn a_validator_starts_from_its_files() {
    let files = Files::new(1);
    let init = files.init(&[]);
    let made = run(&init.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let validator = run_validator(&files);
    assert!(validator.banner.contains("validator 0 of a committee of 1"), "{}", validator.banner);
    assert_eq!(validator.told("Protocol:"), "hotstuff");
    assert!(get(validator.address(), "/is_alive").ends_with("Alive!!!"));
    let metrics = validator.told("Metrics: http://").trim_end_matches("/metrics").to_owned();
    let text = get(&metrics, "/metrics");
    assert!(text.contains("kraken_build_info{version="), "{text}");
    let documented = include_str!("../../../docs/operations.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().expect("a name");
        // What a name ends in says its kind, which the page says of all.
        let is_named = documented.contains(&format!("`{name}`"));
        assert!(is_named || name == "kraken_build", "docs/operations.md says nothing of {name}");
    }
    assert!(get(&metrics, "/ready").starts_with("HTTP/1.1 200"));
    assert!(get(&metrics, "/health").starts_with("HTTP/1.1 200"));
    assert_eq!(validator.end("TERM"), Some(0));

    // The folder stays with its chain.
    let validator = run_validator(&files);
    assert_eq!(validator.end("INT"), Some(0));
    let genesis = fs::read_to_string(files.path("genesis.toml")).expect("readable");
    let changed = genesis.replace("interval_millis = 1000", "interval_millis = 1001");
    assert_ne!(changed, genesis);
    fs::write(files.path("genesis.toml"), changed).expect("writable");
    let config = files.text("kraken.toml");
    let line = failure(&["run", "--config", &config, "--rpc.port", "0", "--log", "off"]);
    assert!(line.contains("holds the chain of genesis"), "{line}");
}

#[test]
fn a_full_node_needs_no_key_and_is_not_ready_without_validators() {
    let files = Files::new(2);
    let init = |role: &str| {
        let mut arguments = files.init(&["127.0.0.1:1", "127.0.0.1:11"]);
        arguments.extend(["--role".to_owned(), role.to_owned()]);
        arguments
    };
    assert!(failure_of(&init("full")).contains("a full node has no key"));
    let mut arguments = init("full");
    let key = arguments.iter().position(|argument| argument == "--key").expect("it is there");
    arguments.drain(key..key + 2);
    let made = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let config = files.text("kraken.toml");
    let mut command = kraken(&["run", "--config", &config, "--rpc.port", "0", "--log", "warn"]);
    command.env("KRAKEN_METRICS_LISTEN", "127.0.0.1:0");
    command.env("KRAKEN_NETWORK_SYNC", "127.0.0.1:0");
    let node = Node::until(&mut command, "Listening on ");
    assert!(node.banner.contains("a full node of a committee of 2"), "{}", node.banner);
    assert!(get(node.address(), "/is_alive").ends_with("Alive!!!"));
    let metrics = node.told("Metrics: http://").trim_end_matches("/metrics").to_owned();
    let ready = get(&metrics, "/ready");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("looking for validators"), "{ready}");
    assert_eq!(node.end("TERM"), Some(0));
}

#[test]
fn keys_are_for_their_owner_and_only_the_public_half_is_printed() {
    let files = Files::new(1);
    let key = files.text("key-0.toml");
    let mode = fs::metadata(&key).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let shown = run(&["key", "--show", &key]);
    let member = fs::read(files.path("member-0.toml")).expect("readable");
    assert_eq!(shown.stdout, member);
    let secrets = fs::read_to_string(&key).expect("ours");
    let secrets: Vec<_> = secrets.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(secrets.len(), 3);
    let member = String::from_utf8(member).expect("text");
    assert!(secrets.iter().all(|secret| !member.contains(secret)), "{member}");

    // One with several workers; the secret of each can be had alone.
    let (several, worker) = (files.text("several.toml"), files.text("worker-1.toml"));
    let made = run(&["key", "--workers", "2", "--out", &several]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let copied = run(&["key", "--worker-of", &several, "--place", "1", "--out", &worker]);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let worker = fs::read_to_string(&worker).expect("ours");
    let several = fs::read_to_string(&several).expect("ours");
    let alone: Vec<_> = worker.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(several.matches(alone[0]).count(), 1, "{alone:?}");
    assert_eq!(alone.len(), 1);

    assert!(failure(&["key", "--out", &key]).contains("never overwritten"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    let line = failure_of(&files.init(&[]));
    assert!(line.contains("others can read") && line.contains("chmod 600"), "{line}");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let files = Files::new(2);
    let line = failure_of(&files.init(&["a.example.org"]));
    assert!(line.contains("2 validators, but --peer was given 1 times"), "{line}");
    let other = Files::new(1);
    fs::copy(other.path("genesis.toml"), files.path("genesis.toml")).expect("writable");
    let line = failure_of(&files.init(&[]));
    assert!(line.contains("no validator of"), "{line}");
    assert!(!files.path("kraken.toml").exists());

    let line = failure(&[
        "genesis",
        "--member",
        &files.text("member-0.toml"),
        "--member",
        &files.text("member-0.toml"),
        "--out",
        &files.text("twice.toml"),
    ]);
    assert!(line.contains("make no committee"), "{line}");
    let line = failure(&["run", "--config", &files.text("nowhere.toml")]);
    assert!(line.contains("nowhere.toml") && line.contains("--config"), "{line}");
}

/// A testnet of one validator, on free ports.
fn testnet(folder: &Path, more: &[&str]) -> Node {
    let folder = folder.to_str().expect("text");
    let arguments = [
        &["testnet", "--rpc.port", "0", "--data-dir", folder, "--accounts", "2"],
        &["--log", "warn"][..],
        more,
    ];
    Node::until(&mut kraken(&arguments.concat()), "Ctrl-C stops")
}

fn validator_process(testnet: &Node) -> u32 {
    let line = testnet.told("  process ");
    line.split(',').next().and_then(|id| id.parse().ok()).expect("a process id")
}

#[test]
fn a_testnet_is_kept_in_its_folder_and_ends_whole() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let folder = directory.path().join("net");
    let first = testnet(&folder, &["--validators", "1"]);
    let address = first.told("Validator 0 listens on http://").to_owned();
    assert!(get(&address, "/is_alive").ends_with("Alive!!!"));
    assert_eq!(first.banner.matches("| Private key").count(), 2);
    for name in ["genesis.toml", "validator-0/kraken.toml", "validator-0/log.txt"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    assert_eq!(first.end("INT"), Some(0));
    assert!(!is_served(&address), "its validator ended with it");

    let genesis = fs::read(folder.join("genesis.toml")).expect("readable");
    let again = testnet(&folder, &[]);
    assert_eq!(fs::read(folder.join("genesis.toml")).expect("readable"), genesis);
    assert_eq!(again.end("TERM"), Some(0));

    let path = folder.to_str().expect("text");
    let line = failure(&["testnet", "--data-dir", path, "--validators", "4", "--log", "off"]);
    assert!(line.contains("has --validators 1, but 4 was asked for"), "{line}");
}

#[test]
fn all_validators_of_a_testnet_find_each_other() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let net = testnet(&directory.path().join("net"), &["--validators", "4", "--workers", "2"]);
    let found = net.banner.lines().filter_map(|line| line.strip_prefix("  metrics at http://"));
    let watched: Vec<_> = found.map(|url| url.trim_end_matches("/metrics")).collect();
    assert_eq!(watched.len(), 4);
    for address in watched {
        for swarm in ["primary", "worker 0", "worker 1", "sync"] {
            let line = format!("kraken_network_peers_connected{{swarm=\"{swarm}\"}} 3");
            wait_until(&line, START_MAX, || get(address, "/metrics").contains(&line));
        }
    }
    assert_eq!(net.end("TERM"), Some(0));
}

#[test]
fn validators_end_when_their_testnet_is_killed() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let net = testnet(&directory.path().join("net"), &["--validators", "1"]);
    let address = net.told("Validator 0 listens on http://").to_owned();
    assert!(is_served(&address));
    assert_eq!(net.end("KILL"), None);
    wait_until("the validator ends", END_MAX, || !is_served(&address));
}

#[test]
fn a_validator_that_dies_is_named_and_started_again_if_that_is_wanted() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let folder = directory.path().join("net");
    let net = testnet(&folder, &["--validators", "1", "--restart"]);
    let address = net.told("Validator 0 listens on http://").to_owned();
    send("KILL", validator_process(&net));
    wait_until("the validator dies", END_MAX, || !is_served(&address));
    wait_until("it comes back", START_MAX, || is_served(&address));
    assert_eq!(net.end("TERM"), Some(0));

    // Without that, nothing is left to do once the last one is gone.
    let net = testnet(&folder, &[]);
    send("KILL", validator_process(&net));
    assert_eq!(net.ended(), Some(1));
}
