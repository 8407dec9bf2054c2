//! The plan of `kraken run --role full`: a node that follows a committee.

use std::net::SocketAddr;

use kraken_execution::genesis::Extras;
use kraken_sequencer::SwarmConfig;
use kraken_types::Genesis;

use super::{
    Devnet, Following, Plan, Role, Serving,
    address::reserve,
    validator::{REMEDIES, count},
};
use crate::{
    failure::Failure,
    folder::Folder,
    keys,
    settings::run::{NetworkSettings, RunSettings},
};

/// What `kraken run` starts without a key.
///
/// # Errors
/// If the settings do not fit the genesis, an address is taken, or the data folder is not fit.
pub(crate) async fn plan(settings: &RunSettings, genesis: &Genesis) -> Result<Plan, Failure> {
    let swarm = swarm(&settings.network, genesis)?;
    let listen = SocketAddr::new(settings.host, settings.port);
    let reserved = reserve(listen, REMEDIES).await?;
    let folder = Folder::claim(&settings.data_dir)?;
    folder.adopt(genesis)?;
    Ok(Plan {
        genesis: genesis.clone(),
        folder: Some(folder),
        sequencer: Role::Full(Following { threads: settings.threads, swarm }),
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

/// How validators are reached where they serve blocks. Nobody needs to know our key, so it is a new
/// one at every start.
fn swarm(settings: &NetworkSettings, genesis: &Genesis) -> Result<SwarmConfig, Failure> {
    let validators = genesis.committee.len();
    if validators == 1 {
        return Err(Failure::new(
            "a committee of one serves no blocks that could be followed",
            "name the genesis of a larger committee with --genesis",
        ));
    }
    count("[[peer]] entries", settings.peers.len(), "validators in the genesis", validators)?;
    Ok(SwarmConfig {
        seed: keys::random_seed(),
        listen: settings.sync,
        peers: settings.peers.iter().map(|peer| peer.sync.clone()).collect(),
        transport: settings.transport,
    })
}

#[cfg(test)]
mod tests {
    use kraken_sequencer::Transport;

    use super::*;
    use crate::{
        args::given::Peer, genesis::committee, keys::Keys, settings, settings::CommitteeSettings,
    };

    fn swarm_of(validators: u16, peers: u16) -> Result<SwarmConfig, Failure> {
        let members = (0..validators).map(|_| Keys::random(1).member(1)).collect();
        let genesis = committee::create(&CommitteeSettings::default(), members, 1_000);
        let peer =
            |id| Peer { primary: format!("v{id}:1"), workers: vec![], sync: format!("v{id}:2") };
        let settings = NetworkSettings {
            transport: Transport::Tcp,
            primary: settings::primary_listen(),
            workers: vec![],
            elsewhere: vec![],
            sync: settings::sync_listen(),
            peers: (0..peers).map(peer).collect(),
        };
        swarm(&settings, &genesis)
    }

    #[test]
    fn a_full_node_knows_where_validators_serve_blocks() {
        let swarm = swarm_of(3, 3).expect("it fits");
        assert_eq!(swarm.peers, ["v0:2", "v1:2", "v2:2"]);
        assert_ne!(swarm.seed, swarm_of(3, 3).expect("it fits").seed);
        assert!(swarm_of(3, 2).is_err());
        assert!(swarm_of(1, 1).is_err());
    }
}
