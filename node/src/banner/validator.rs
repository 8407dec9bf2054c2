//! What `kraken run` prints.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    path::Path,
};

use kraken_types::{Genesis, ValidatorId};

use super::{reachable, write_chain, write_paths};
use crate::args::{given::Peer, value::Protocol};

/// What to print.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// What the chain is.
    pub(crate) genesis: &'a Genesis,
    /// Who this is; `None` for a full node.
    pub(crate) id: Option<ValidatorId>,
    /// Where the validators are.
    pub(crate) peers: &'a [Peer],
    /// Where JSON-RPC is served.
    pub(crate) address: SocketAddr,
    /// Where metrics are served.
    pub(crate) metrics: Option<SocketAddr>,
    /// Where everything is kept.
    pub(crate) folder: &'a Path,
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { genesis, id, .. } = self;
        let version = env!("CARGO_PKG_VERSION");
        let validators = genesis.committee.len();
        let starknet = &genesis.starknet_version;
        let who = match id {
            Some(id) => format!("validator {id} of a committee of {validators}"),
            None => format!("a full node of a committee of {validators}"),
        };
        writeln!(f, "\nKraken {version}, {who}, Starknet {starknet}\n")?;
        writeln!(f, "Genesis: {}", genesis.digest())?;
        writeln!(f, "Protocol: {}", Protocol(genesis.protocol))?;
        write_chain(f, genesis)?;
        writeln!(f, "Data: {}", self.folder.display())?;
        for (peer, place) in self.peers.iter().zip((0..).map(ValidatorId)) {
            match id {
                None => writeln!(f, "Validator {place}: {}", peer.sync)?,
                Some(id) if *id == place => {
                    writeln!(f, "Validator {place}: {} (this one)", peer.primary)?;
                }
                Some(_) => writeln!(f, "Validator {place}: {}", peer.primary)?,
            }
        }
        if let Some(metrics) = self.metrics {
            writeln!(f, "Metrics: http://{}/metrics", reachable(metrics))?;
        }
        writeln!(f)?;
        writeln!(f, "Listening on http://{}", reachable(self.address))?;
        write_paths(f)?;
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::genesis::Member;

    use super::*;
    use crate::{genesis::committee, settings::CommitteeSettings};

    fn peer(host: &str) -> Peer {
        Peer { primary: format!("{host}:7050"), workers: vec![], sync: format!("{host}:7051") }
    }

    fn banner(id: Option<ValidatorId>) -> String {
        let member = |digit: &str| Member { key: digit.repeat(64), stake: 1, network: None };
        let members = vec![member("1"), member("2")];
        let banner = Banner {
            genesis: &committee::create(&CommitteeSettings::default(), members, 1_000),
            id,
            peers: &[peer("a.example.org"), peer("b.example.org")],
            address: SocketAddr::from(([0, 0, 0, 0], 5050)),
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
            folder: Path::new("data"),
        };
        banner.to_string()
    }

    #[test]
    fn a_validator_says_who_it_is_and_where_the_others_are() {
        insta::assert_snapshot!(banner(Some(ValidatorId(1))));
    }

    #[test]
    fn a_full_node_says_whom_it_follows() {
        let banner = banner(None);
        assert!(banner.contains("a full node of a committee of 2"), "{banner}");
        assert!(banner.contains("Validator 1: b.example.org:7051\n"), "{banner}");
    }
}
