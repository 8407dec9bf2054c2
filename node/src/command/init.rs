//! `kraken init`: the settings file of a validator, or of a full node.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{self, Path, PathBuf},
};

use kraken_types::{Genesis, genesis::Member};

use crate::{
    args::{
        committee::InitArgs,
        given::{Given, Network, Peer},
        value::{self, Role},
    },
    failure::Failure,
    folder,
    genesis::committee,
    settings::{self, file},
    wiring::validator::Files,
};

/// Checks the files of a node, and writes its settings.
///
/// # Errors
/// If genesis and key do not belong together, peers are missing, or the file is there already.
pub(crate) fn run(args: &InitArgs) -> Result<(), Failure> {
    let given = args.given.clone();
    let necessary = |path: &Option<PathBuf>, flag: &str| {
        let missing = || Failure::new(format!("{flag} is not given"), "see `kraken init --help`");
        absolute(path.as_deref().ok_or_else(missing)?)
    };
    let data_dir = Some(necessary(&given.data_dir, "--data-dir")?);
    let genesis = necessary(&given.genesis, "--genesis")?;
    let own = match given.role.unwrap_or(settings::ROLE) {
        Role::Validator => {
            let key = necessary(&given.key, "--key")?;
            let files = Files::read(&genesis, &key)?;
            let peers = peers(&args.peers, &files.genesis)?;
            let own = peers.get(usize::from(files.id.0));
            let network = own.map(listen).transpose()?.unwrap_or_default();
            let own = Given { key: Some(key), peers, ..given };
            own.or(Given { network, ..Given::default() })
        }
        Role::Full if given.key.is_some() => {
            return Err(Failure::new("a full node has no key", "leave --key out"));
        }
        Role::Full => {
            let committee = committee::read(&genesis)?;
            Given { peers: peers(&args.peers, &committee)?, ..given }
        }
    };
    let text = file::write(&Given { data_dir, genesis: Some(genesis), ..own })?;

    let out = args.out.as_deref().unwrap_or(Path::new(settings::CONFIG_FILE));
    folder::write_new(out, &text).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::new(
                format!("{} exists", out.display()),
                "name another file with --out",
            );
        }
        let problem = format!("cannot write {}", out.display());
        Failure::because(problem, &error, "name a file that you may write to with --out")
    })?;
    tracing::info!("wrote {}; `kraken run` starts it", out.display());
    Ok(())
}

/// So that the settings file may lie anywhere.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path::absolute(path).map_err(|error| {
        Failure::because(format!("cannot use {}", path.display()), &error, "name another path")
    })
}

/// Where each validator is.
fn peers(texts: &[String], genesis: &Genesis) -> Result<Vec<Peer>, Failure> {
    let validators = genesis.committee.len();
    if validators == 1 && texts.is_empty() {
        return Ok(Vec::new());
    }
    if texts.len() != validators {
        return Err(Failure::new(
            format!(
                "the genesis has {validators} validators, but --peer was given {} times",
                texts.len()
            ),
            "give --peer HOST[:PORT] once for each validator, in the order of the genesis",
        ));
    }
    let network = |member: &Member| member.network.as_ref().map(|network| network.workers.len());
    let workers = genesis.committee.first().and_then(network).unwrap_or(1);
    texts.iter().map(|text| peer(text, workers)).collect()
}

/// The addresses of a validator: the primary, then sync, then the workers.
fn peer(text: &str, workers: usize) -> Result<Peer, Failure> {
    let with_port = format!("{text}:{}", settings::NETWORK_PORT);
    let (host, first) =
        value::host_and_port(text).or_else(|_| value::host_and_port(&with_port)).map_err(|_| {
            Failure::new(
                format!("{text:?} is no place of a validator"),
                "give --peer HOST or HOST:PORT; an IPv6 address stands in brackets",
            )
        })?;
    let ports = usize::from(first)..;
    let mut addresses = ports.take(2 + workers).map(|port| format!("{host}:{port}"));
    if usize::from(u16::MAX) < usize::from(first) + 1 + workers {
        return Err(Failure::new(
            format!("{text:?} leaves no ports for sync and {workers} workers"),
            "give a lower port with --peer HOST:PORT",
        ));
    }
    let mut next = || addresses.next().expect("there are as many as were taken");
    Ok(Peer { primary: next(), sync: next(), workers: (0..workers).map(|_| next()).collect() })
}

/// Where a validator listens whom others find at `peer`: everywhere, on the same ports.
fn listen(peer: &Peer) -> Result<Network, Failure> {
    let everywhere = |address: &String| {
        let (host, port) = value::host_and_port(address)
            .map_err(|problem| Failure::new(problem, "give --peer HOST or HOST:PORT"))?;
        let is_loopback = host == "127.0.0.1" || host == "localhost";
        let ip = if is_loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        Ok(SocketAddr::new(IpAddr::V4(ip), port))
    };
    Ok(Network {
        transport: None,
        primary: Some(everywhere(&peer.primary)?),
        workers: Some(peer.workers.iter().map(everywhere).collect::<Result<_, _>>()?),
        sync: Some(everywhere(&peer.sync)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_the_addresses_of_a_validator() {
        let default = peer("a.example.org", 2).expect("a host");
        assert_eq!(default.primary, "a.example.org:7050");
        assert_eq!(default.sync, "a.example.org:7051");
        assert_eq!(default.workers, ["a.example.org:7052", "a.example.org:7053"]);
        let own = peer("[::1]:65533", 1).expect("a host with a port");
        assert_eq!(own.workers, ["[::1]:65535"]);
        for text in ["", "a b", "a:0", "[::1]:65533"] {
            assert!(peer(text, 2).is_err(), "{text}");
        }
    }

    #[test]
    fn a_validator_listens_where_it_is_found() {
        let network = listen(&peer("203.0.113.7:9000", 1).expect("an address")).expect("ports");
        assert_eq!(network.primary, "0.0.0.0:9000".parse().ok());
        assert_eq!(network.sync, "0.0.0.0:9001".parse().ok());
        assert_eq!(network.workers, Some(vec!["0.0.0.0:9002".parse().expect("an address")]));
        let network = listen(&peer("localhost", 1).expect("a host")).expect("ports");
        assert_eq!(network.primary, "127.0.0.1:7050".parse().ok());
    }
}
