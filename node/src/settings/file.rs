//! `kraken.toml` as it is written for a person: every setting, with what it means.

use std::{
    fmt::{Display, Write},
    num::{NonZeroU64, NonZeroUsize},
    path::Path,
};

use toml::Value;

use crate::{
    args::{
        given::{Elsewhere, Given, Peer},
        limits::Limits,
    },
    failure::Failure,
    settings::{self, limits},
};

const HEAD: &str = "\
# Settings of one node of Kraken: `kraken run --config` takes this file. What all of a committee must
# agree on is in the genesis instead.
#
# Each setting can be given as a flag and in the environment, too: port of [rpc] is --rpc.port and
# KRAKEN_RPC_PORT. Flags win over the environment, and the environment wins over this file. A line
# that begins with # shows a default. Paths are relative to the folder of this file.

";

/// Writes what `given` says, and the defaults as comments.
///
/// # Errors
/// If a path is not Unicode.
pub(crate) fn write(given: &Given) -> Result<String, Failure> {
    let mut file = Draft(HEAD.to_owned());
    file.text(
        "validator, a member of the committee; or full, a node that has no key and follows it.",
        "role",
        given.role,
        settings::ROLE,
    );
    file.path(
        "Holds the chain and what this validator signed. Two processes with copies of it would \
         contradict\n# each other.",
        "data_dir",
        given.data_dir.as_deref(),
    )?;
    file.path(
        "The settings of the chain, the same on all validators.",
        "genesis",
        given.genesis.as_deref(),
    )?;
    file.path(
        "The secret keys of this validator. Nobody but its owner may be able to read the file.",
        "key",
        given.key.as_deref(),
    )?;
    write_rpc(&mut file, given);
    write_limits(&mut file, &given.limits);
    write_execution(&mut file, given);
    write_network(&mut file, given);
    write_workers(&mut file, &given.workers);
    for (id, peer) in given.peers.iter().enumerate() {
        write_peer(&mut file, id, peer);
    }
    Ok(file.0)
}

fn write_rpc(file: &mut Draft, given: &Given) {
    let rpc = &given.rpc;
    file.section(
        "rpc",
        "JSON-RPC, for wallets and dApps. Whoever reaches it can send transactions.",
    );
    file.text("Where it is served.", "host", rpc.host, settings::HOST);
    file.plain("0 takes any free port.", "port", rpc.port, settings::PORT);
    file.plain(
        "A request is answered within so many seconds, or fails.",
        "timeout",
        rpc.timeout,
        settings::TIMEOUT_SECONDS,
    );
    file.plain(
        "Whether the devnet_* methods that only read are served. They show the keys of the funded\n\
         # accounts of the genesis: for test networks.",
        "devnet",
        rpc.devnet,
        settings::RPC_DEVNET,
    );
}

fn write_limits(file: &mut Draft, limits: &Limits) {
    file.section("limits", "How much callers of JSON-RPC may ask for.");
    file.plain(
        "Open so many connections at a time; further callers wait.",
        "connections",
        limits.connections.map(NonZeroUsize::get),
        limits::CONNECTIONS,
    );
    file.plain(
        "Open so many WebSockets at a time, which are connections too; refuse further ones.",
        "sockets",
        limits.sockets.map(NonZeroUsize::get),
        limits::SOCKETS,
    );
    file.plain(
        "Let a WebSocket have so many subscriptions.",
        "subscriptions",
        limits.subscriptions.map(NonZeroUsize::get),
        limits::SUBSCRIPTIONS,
    );
    file.plain(
        "Refuse larger requests, as they are and unpacked.",
        "body_bytes",
        limits.body_bytes.map(NonZeroUsize::get),
        limits::BODY_BYTES,
    );
    file.plain(
        "Close a WebSocket that sends a larger message.",
        "message_bytes",
        limits.message_bytes.map(NonZeroUsize::get),
        limits::MESSAGE_BYTES,
    );
    file.plain(
        "Refuse batches of more requests.",
        "batch_items",
        limits.batch_items.map(NonZeroUsize::get),
        limits::BATCH_ITEMS,
    );
    file.plain(
        "Carry out so many requests of a batch at a time.",
        "batch_at_once",
        limits.batch_at_once.map(NonZeroUsize::get),
        limits::BATCH_AT_ONCE,
    );
    file.plain(
        "Answer the rest of a batch with errors beyond so much.",
        "batch_answer_bytes",
        limits.batch_answer_bytes.map(NonZeroUsize::get),
        limits::BATCH_ANSWER_BYTES,
    );
    file.plain(
        "Read for so many requests at a time; further ones wait.",
        "reads",
        limits.reads.map(NonZeroUsize::get),
        limits::READS,
    );
    file.plain(
        "Run Cairo for so many requests at a time; one for each thread, at least 2, if it is not said.",
        "cairo",
        limits.cairo.map(NonZeroUsize::get),
        4,
    );
    file.plain(
        "Read so many blocks for a page of events.",
        "events_blocks",
        limits.events_blocks.map(NonZeroU64::get),
        limits::EVENTS_BLOCKS,
    );
    file.plain(
        "Prove so many keys for a request.",
        "proof_keys",
        limits.proof_keys.map(NonZeroUsize::get),
        limits::PROOF_KEYS,
    );
    file.plain(
        "Ping WebSockets so often, and close those that say nothing for twice that long.",
        "ping",
        limits.ping.map(NonZeroU64::get),
        limits::PING_SECONDS,
    );
    file.plain(
        "Cut off the reader of a WebSocket who reads nothing for so long.",
        "stall",
        limits.stall.map(NonZeroU64::get),
        limits::STALL_SECONDS,
    );
    file.plain(
        "Cut off a subscriber who falls behind by more blocks.",
        "behind",
        limits.behind.map(NonZeroU64::get),
        limits::BEHIND_BLOCKS,
    );
}

fn write_execution(file: &mut Draft, given: &Given) {
    file.section("execution", "Cairo.");
    file.text("vm, the Cairo VM.", "engine", given.execution.engine, settings::ENGINE);
    let threads = given.execution.threads.map(NonZeroUsize::get);
    file.plain(
        "How many transactions run at a time; one for each core if it is not said.",
        "threads",
        threads,
        4,
    );
    file.section("metrics", "What Prometheus reads.");
    let example = "127.0.0.1:9464";
    file.text(
        "Where /metrics, /health and /ready are served; nowhere if it is not said.",
        "listen",
        given.metrics.listen.map(|listen| listen.to_string()),
        example.to_owned(),
    );
    file.section("log", "Goes to standard error.");
    let filter = given.log.filter.as_ref().map(ToString::to_string);
    file.text(
        "A level, or a filter such as info,kraken_rpc=debug.",
        "filter",
        filter,
        settings::LOG.to_owned(),
    );
}

fn write_network(file: &mut Draft, given: &Given) {
    let network = &given.network;
    file.section("network", "How the other validators reach this one.");
    file.text(
        "tcp (encrypted by Noise), quic (over UDP) or plaintext (TCP without encryption, only for\n\
         # measuring); the same on all validators.",
        "transport",
        network.transport,
        settings::TRANSPORT,
    );
    file.text("Where the primary listens.", "primary", network.primary, settings::primary_listen());
    let workers = network.workers.clone().unwrap_or_default();
    file.comment("Where each worker listens, as many as the key file has.");
    let is_said = network.workers.is_some();
    let shown = if is_said { workers } else { vec![settings::worker_listen(0)] };
    file.line("workers", &list(&shown), is_said);
    file.text(
        "Where those who are behind ask for blocks.",
        "sync",
        network.sync,
        settings::sync_listen(),
    );
}

fn write_workers(file: &mut Draft, workers: &[Elsewhere]) {
    let _ = write!(
        file.0,
        "\n# Workers that are processes of their own (`kraken worker`), and where this validator waits\n\
         # for each; the others run in this process.\n"
    );
    if workers.is_empty() {
        let _ = write!(file.0, "# [[worker]]\n# place = 0\n# link = \"0.0.0.0:7060\"\n");
    }
    for Elsewhere { place, link } in workers {
        let _ = write!(file.0, "[[worker]]\nplace = {place}\nlink = {}\n", quoted(link));
    }
}

fn write_peer(file: &mut Draft, id: usize, peer: &Peer) {
    let Peer { primary, workers, sync } = peer;
    if id == 0 {
        let _ = write!(
            file.0,
            "\n# Where the validators listen, in the order of the genesis, this one included.\n"
        );
    }
    let _ = write!(
        file.0,
        "\n# Validator {id}.\n[[peer]]\nprimary = {}\nworkers = {}\nsync = {}\n",
        quoted(primary),
        list(workers),
        quoted(sync)
    );
}

/// A file that is being written. Writing to text cannot fail.
struct Draft(String);

impl Draft {
    fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {text}");
    }

    fn section(&mut self, name: &str, about: &str) {
        let _ = write!(self.0, "\n# {about}\n[{name}]\n");
    }

    /// One setting; only a comment if it is not said.
    fn line(&mut self, name: &str, value: &str, is_said: bool) {
        let mark = if is_said { "" } else { "# " };
        let _ = writeln!(self.0, "{mark}{name} = {value}");
    }

    fn plain<T: Display>(&mut self, about: &str, name: &str, said: Option<T>, default: T) {
        self.comment(about);
        let is_said = said.is_some();
        self.line(name, &said.unwrap_or(default).to_string(), is_said);
    }

    fn text<T: Display>(&mut self, about: &str, name: &str, said: Option<T>, default: T) {
        self.comment(about);
        let is_said = said.is_some();
        self.line(name, &quoted(said.unwrap_or(default)), is_said);
    }

    fn path(&mut self, about: &str, name: &str, said: Option<&Path>) -> Result<(), Failure> {
        let Some(path) = said else {
            return Ok(());
        };
        let text = path.to_str().ok_or_else(|| {
            Failure::new(
                format!("the path {} is not Unicode, and a settings file is", path.display()),
                "name another path",
            )
        })?;
        let _ = writeln!(self.0);
        self.comment(about);
        self.line(name, &quoted(text), true);
        Ok(())
    }
}

fn quoted(text: impl Display) -> String {
    Value::String(text.to_string()).to_string()
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(quoted).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::args::given::{Execution, Log, Metrics, Network, Rpc};

    fn peer(host: &str) -> Peer {
        Peer {
            primary: format!("{host}:7050"),
            workers: vec![format!("{host}:7052"), format!("{host}:7053")],
            sync: format!("{host}:7051"),
        }
    }

    fn full() -> Given {
        Given {
            role: "full".parse().ok(),
            data_dir: Some("da\"ta".into()),
            genesis: Some("../genesis.toml".into()),
            key: Some("key.toml".into()),
            rpc: Rpc {
                host: "0.0.0.0".parse().ok(),
                port: Some(6_060),
                timeout: Some(30),
                devnet: Some(true),
            },
            limits: Limits {
                sockets: "5".parse().ok(),
                ping: "6".parse().ok(),
                ..Limits::default()
            },
            network: Network {
                transport: "quic".parse().ok(),
                primary: "[::]:7050".parse().ok(),
                workers: Some(vec![settings::worker_listen(0), settings::worker_listen(1)]),
                sync: "[::]:7051".parse().ok(),
            },
            workers: vec![Elsewhere { place: 1, link: "[::]:7060".parse().expect("an address") }],
            peers: vec![peer("a.example.org"), peer("b.example.org")],
            execution: Execution { engine: "vm".parse().ok(), threads: "2".parse().ok() },
            metrics: Metrics { listen: "127.0.0.1:9464".parse().ok() },
            log: Log { filter: "warn".parse().ok() },
        }
    }

    #[test]
    fn a_settings_file_explains_itself() {
        let given = Given {
            data_dir: Some("data".into()),
            genesis: Some("genesis.toml".into()),
            key: Some("key.toml".into()),
            peers: vec![peer("a.example.org"), peer("b.example.org")],
            ..Given::default()
        };
        insta::assert_snapshot!(write(&given).expect("paths in Unicode"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for given in [full(), Given { data_dir: Some(PathBuf::from("d")), ..Given::default() }] {
            let text = write(&given).expect("paths in Unicode");
            assert_eq!(toml::from_str::<Given>(&text).expect(&text), given);
        }
    }

    #[test]
    fn every_default_that_is_shown_is_a_setting() {
        let text = write(&Given::default()).expect("no paths");
        let is_setting = |line: &&str| line.contains(" = ") || line.starts_with('[');
        let shown: String = text
            .lines()
            .map(|line| line.trim_start_matches("# "))
            .filter(is_setting)
            .map(|line| format!("{line}\n"))
            .collect();
        let read: Given = toml::from_str(&shown).expect(&shown);
        assert_eq!((read.role, read.rpc.port), (Some(settings::ROLE), Some(settings::PORT)));
        assert!(read.network.workers.is_some() && read.log.filter.is_some());
    }
}
