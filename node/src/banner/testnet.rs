//! What `kraken testnet` prints.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kraken_types::Genesis;

use super::{reachable, write_accounts, write_chain, write_contracts};
use crate::args::value::Protocol;

/// What to print.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// What the chain is.
    pub(crate) genesis: &'a Genesis,
    /// Who runs, in order.
    pub(crate) validators: Vec<Running>,
    /// Where everything is.
    pub(crate) folder: &'a Path,
    /// Whether the folder is removed at the end.
    pub(crate) is_temporary: bool,
}

/// One validator.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its process.
    pub(crate) process: u32,
    /// Where it serves JSON-RPC.
    pub(crate) rpc: SocketAddr,
    /// Where it serves metrics.
    pub(crate) metrics: Option<SocketAddr>,
    /// Its settings, keys, data and log.
    pub(crate) folder: PathBuf,
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let genesis = self.genesis;
        let version = env!("CARGO_PKG_VERSION");
        let count = self.validators.len();
        let starknet = &genesis.starknet_version;
        writeln!(
            f,
            "\nKraken {version}, a committee of {count} on this machine, Starknet {starknet}\n"
        )?;
        write_contracts(f)?;
        write_accounts(f, &genesis.accounts)?;
        write_chain(f, genesis)?;
        writeln!(f, "Protocol: {}", Protocol(genesis.protocol))?;
        let folder = self.folder.display();
        if self.is_temporary {
            writeln!(f, "Data: {folder}, removed at the end (--data-dir DIR keeps it)")?;
        } else {
            writeln!(f, "Data: {folder} (the same command goes on with it)")?;
        }
        writeln!(f)?;
        for (id, validator) in self.validators.iter().enumerate() {
            writeln!(f, "Validator {id} listens on http://{}", reachable(validator.rpc))?;
            let folder = validator.folder.display();
            writeln!(f, "  process {}, files and log in {folder}", validator.process)?;
            if let Some(metrics) = validator.metrics {
                writeln!(f, "  metrics at http://{}/metrics", reachable(metrics))?;
            }
        }
        writeln!(f)?;
        if let Some(last) = self.validators.last() {
            let config = last.folder.join(crate::settings::CONFIG_FILE);
            writeln!(f, "Kill one and bring it back:")?;
            writeln!(f, "  kill -9 {}", last.process)?;
            writeln!(
                f,
                "  kraken run --config {} --rpc.port {}",
                config.display(),
                last.rpc.port()
            )?;
        }
        writeln!(f, "Ctrl-C stops all validators")?;
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::genesis::Member;

    use super::*;
    use crate::{
        genesis::committee,
        settings::{ChainSettings, CommitteeSettings},
    };

    #[test]
    fn a_testnet_says_where_everybody_is() {
        let chain = ChainSettings { accounts: Some(1), ..ChainSettings::default() };
        let wishes = CommitteeSettings { chain, ..CommitteeSettings::default() };
        let member = |digit: &str| Member { key: digit.repeat(64), stake: 1, network: None };
        let running = |id: u16| Running {
            process: 1_000 + u32::from(id),
            rpc: SocketAddr::from(([127, 0, 0, 1], 5050 + id)),
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 6050 + id))),
            folder: format!("net/validator-{id}").into(),
        };
        let banner = Banner {
            genesis: &committee::create(&wishes, vec![member("1"), member("2")], 1_000),
            validators: vec![running(0), running(1)],
            folder: Path::new("net"),
            is_temporary: false,
        };
        insta::assert_snapshot!(banner.to_string());
    }
}
