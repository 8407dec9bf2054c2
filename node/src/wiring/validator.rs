//! The plan of `kraken run`: one validator, of files that must belong together.

use std::{net::SocketAddr, path::Path};

use kraken_execution::genesis::Extras;
use kraken_sequencer::{Mode, NetworkConfig, SwarmConfig, WorkerConfig};
use kraken_types::{Genesis, ValidatorId};

use super::{
    Devnet, Plan, Role, Sequencing, Serving,
    address::{Remedies, reserve},
};
use crate::{
    args::given::{Elsewhere, Peer},
    failure::Failure,
    folder::Folder,
    genesis,
    keys::{Keys, used::Uses},
    settings::run::{NetworkSettings, RunSettings},
};

/// What flags of `kraken run` name addresses.
pub(super) const REMEDIES: Remedies = Remedies { host: "--rpc.host", port: "--rpc.port" };

/// What the files of a validator say together.
#[derive(Debug)]
pub(crate) struct Files {
    /// The settings of the chain.
    pub(crate) genesis: Genesis,
    /// The secrets.
    pub(crate) keys: Keys,
    /// Whose they are.
    pub(crate) id: ValidatorId,
}

impl Files {
    /// Reads genesis and keys, and makes sure that they belong together.
    ///
    /// # Errors
    /// If one cannot be read, or the genesis names other keys.
    pub(crate) fn read(genesis: &Path, key: &Path) -> Result<Self, Failure> {
        let keys = Keys::read(key)?;
        let path = genesis;
        let genesis = genesis::committee::read(path)?;
        let own = keys.member(1);
        let found = genesis.committee.iter().zip(0..).find(|(member, _)| member.key == own.key);
        let Some((member, id)) = found else {
            return Err(Failure::new(
                format!("no validator of {} has the key of {}", path.display(), key.display()),
                "name the key file whose public half is in the genesis with --key",
            ));
        };
        let is_ours = member.network.is_none() || member.network == own.network;
        if !is_ours {
            return Err(Failure::new(
                format!(
                    "{} names other network keys for validator {id} than {} holds",
                    path.display(),
                    key.display()
                ),
                "use the key file whose public half went into the genesis",
            ));
        }
        Ok(Self { id: ValidatorId(id), genesis, keys })
    }
}

/// What `kraken run` starts. A key that `is_restored` may have signed what no folder shows.
///
/// # Errors
/// If the files do not belong together, an address is taken, or the data folder is not fit.
pub(crate) async fn plan(
    settings: &RunSettings,
    key: &Path,
    files: &Files,
    is_restored: bool,
) -> Result<Plan, Failure> {
    let network = network(&settings.network, files)?;
    let listen = SocketAddr::new(settings.host, settings.port);
    let reserved = reserve(listen, REMEDIES).await?;
    let folder = Folder::claim(&settings.data_dir)?;
    folder.adopt(&files.genesis)?;
    // Nobody could tell a validator that is alone what it has signed.
    let uses = network.is_some().then(|| Uses::new(key, files.genesis.digest()));
    Ok(Plan {
        genesis: files.genesis.clone(),
        folder: Some(folder),
        sequencer: Role::Validator(Box::new(Sequencing {
            engine: settings.engine,
            threads: settings.threads,
            signer: files.keys.signer(),
            mode: Mode::Committee,
            network,
            uses,
            is_restored,
            start_time_seconds: None,
        })),
        extras: Extras::default(),
        rpc: Serving {
            listen,
            timeout: settings.timeout,
            limits: settings.limits,
            devnet: settings.devnet.then(Devnet::default),
        },
        metrics: settings.metrics,
        reserved,
        remedies: REMEDIES,
    })
}

/// How the others are reached; nobody has to be for a committee of one.
fn network(
    settings: &NetworkSettings,
    Files { genesis, keys, .. }: &Files,
) -> Result<Option<NetworkConfig>, Failure> {
    let validators = genesis.committee.len();
    if validators == 1 {
        return Ok(None);
    }
    let peers = &settings.peers;
    count("[[peer]] entries", peers.len(), "validators in the genesis", validators)?;
    let workers = keys.workers.len();
    count("worker addresses of [network]", settings.workers.len(), "workers in the keys", workers)?;
    for peer in peers {
        count(
            "worker addresses of a [[peer]]",
            peer.workers.len(),
            "workers in the keys",
            workers,
        )?;
    }
    let swarm = |seed, listen, of: &dyn Fn(&Peer) -> String| SwarmConfig {
        seed,
        listen,
        peers: peers.iter().map(of).collect(),
        transport: settings.transport,
    };
    for Elsewhere { place, .. } in &settings.elsewhere {
        if workers <= usize::from(*place) {
            return Err(Failure::new(
                format!("[[worker]] names worker {place}, but the keys are of {workers}"),
                "correct the settings file; workers are counted from 0",
            ));
        }
    }
    let worker = |(place, (seed, listen)): (usize, (&_, &_))| {
        let elsewhere = settings.elsewhere.iter().find(|it| usize::from(it.place) == place);
        if let Some(Elsewhere { link, .. }) = elsewhere {
            return WorkerConfig::Elsewhere { listen: *link };
        }
        swarm(Clone::clone(seed), *listen, &|peer| peer.workers[place].clone()).into()
    };
    let primary = keys.primary.clone();
    Ok(Some(NetworkConfig {
        primary: swarm(primary.clone(), settings.primary, &|peer| peer.primary.clone()),
        workers: keys.workers.iter().zip(&settings.workers).enumerate().map(worker).collect(),
        sync: swarm(primary, settings.sync, &|peer| peer.sync.clone()),
    }))
}

/// Two numbers that must be the same.
///
/// # Errors
/// If they are not.
pub(super) fn count(what: &str, got: usize, of: &str, expected: usize) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    Err(Failure::new(
        format!("there are {got} {what}, but {expected} {of}"),
        "correct the settings file; `kraken init` writes one that fits",
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kraken_sequencer::{Seed, Transport};

    use super::*;
    use crate::settings::CommitteeSettings;

    fn files(validators: usize) -> Files {
        let keys: Vec<_> = (0..validators).map(|_| Keys::random(2)).collect();
        let members = keys.iter().map(|keys| keys.member(1)).collect();
        let genesis = genesis::committee::create(&CommitteeSettings::default(), members, 1_000);
        Files { genesis, keys: keys[0].clone(), id: ValidatorId(0) }
    }

    fn settings(validators: u16) -> NetworkSettings {
        let listen = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let peer = |id: u16| Peer {
            primary: format!("v{id}:1"),
            workers: vec![format!("v{id}:2"), format!("v{id}:3")],
            sync: format!("v{id}:4"),
        };
        NetworkSettings {
            transport: Transport::Tcp,
            primary: listen(1),
            workers: vec![listen(2), listen(3)],
            elsewhere: vec![],
            sync: listen(4),
            peers: (0..validators).map(peer).collect(),
        }
    }

    #[test]
    fn each_swarm_gets_its_key_and_the_addresses_of_its_place() {
        let files = files(3);
        let network = network(&settings(3), &files).expect("it fits").expect("not alone");
        assert_eq!(network.primary.seed, files.keys.primary);
        assert_eq!(network.primary.peers, ["v0:1", "v1:1", "v2:1"]);
        assert_eq!(network.sync.peers, ["v0:4", "v1:4", "v2:4"]);
        let here = |worker: &WorkerConfig| match worker {
            WorkerConfig::Here(swarm) => swarm.clone(),
            WorkerConfig::Elsewhere { .. } => panic!("all workers are here"),
        };
        let workers: Vec<_> = network.workers.iter().map(here).collect();
        let seeds: Vec<&Seed> = workers.iter().map(|worker| &worker.seed).collect();
        assert_eq!(seeds, files.keys.workers.iter().collect::<Vec<_>>());
        assert_eq!(workers[1].listen.port(), 3);
        assert_eq!(workers[1].peers, ["v0:3", "v1:3", "v2:3"]);
    }

    #[test]
    fn a_worker_may_be_elsewhere() {
        let files = files(3);
        let mut settings = settings(3);
        let link = SocketAddr::from(([127, 0, 0, 1], 9));
        settings.elsewhere = vec![Elsewhere { place: 1, link }];
        let workers = network(&settings, &files).expect("it fits").expect("not alone").workers;
        assert!(matches!(workers[0], WorkerConfig::Here(_)));
        assert!(matches!(workers[1], WorkerConfig::Elsewhere { listen } if listen == link));
        settings.elsewhere = vec![Elsewhere { place: 2, link }];
        let failure = network(&settings, &files).expect_err("there are two").to_string();
        assert!(failure.contains("worker 2"), "{failure}");
    }

    #[test]
    fn a_committee_of_one_needs_no_addresses() {
        assert!(network(&settings(0), &files(1)).expect("alone").is_none());
    }

    #[test]
    fn addresses_that_do_not_fit_the_genesis_are_counted() {
        let files = files(3);
        let failure = network(&settings(2), &files).expect_err("one too few").to_string();
        assert!(failure.contains("2 [[peer]] entries, but 3 validators"), "{failure}");
        let mut settings = settings(3);
        settings.peers[1].workers.pop();
        assert!(network(&settings, &files).is_err());
        settings.workers.pop();
        let failure = network(&settings, &files).expect_err("one too few").to_string();
        assert!(failure.contains("[network]"), "{failure}");
    }

    #[test]
    fn keys_that_are_not_in_the_genesis_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (genesis, key) = (folder.path().join("genesis.toml"), folder.path().join("key.toml"));
        let Files { genesis: ours, keys, .. } = files(2);
        fs::write(&genesis, ours.to_toml()).expect("writable");
        keys.write(&key).expect("writable");
        assert_eq!(Files::read(&genesis, &key).expect("they fit").id, ValidatorId(0));

        let mut theirs = ours;
        theirs.committee[0].network = Keys::random(2).member(1).network;
        fs::write(&genesis, theirs.to_toml()).expect("writable");
        let failure = Files::read(&genesis, &key).expect_err("other network keys").to_string();
        assert!(failure.contains("validator 0"), "{failure}");

        fs::write(&genesis, files(2).genesis.to_toml()).expect("writable");
        assert!(Files::read(&genesis, &key).is_err());
    }
}
