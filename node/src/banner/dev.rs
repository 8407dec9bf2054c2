//! What `kraken dev` prints.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    path::Path,
};

use kraken_execution::Chain;

use super::{reachable, write_accounts, write_chain, write_contracts, write_paths};

/// What to print.
#[derive(Debug)]
pub(crate) struct Banner<'a> {
    /// What the chain is.
    pub(crate) chain: &'a Chain,
    /// Where JSON-RPC is served.
    pub(crate) address: SocketAddr,
    /// Where the chain is kept.
    pub(crate) folder: Option<&'a Path>,
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let genesis = self.chain.genesis();
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            f,
            "\nKraken {version}, a chain for development, Starknet {}\n",
            genesis.starknet_version
        )?;
        write_contracts(f)?;
        write_accounts(f, &genesis.accounts)?;
        write_chain(f, genesis)?;
        match self.folder {
            Some(folder) => {
                writeln!(f, "Data: {} (the same command goes on with it)", folder.display())?
            }
            None => writeln!(f, "Data: in memory (--data-dir DIR keeps it)")?,
        }
        writeln!(f)?;
        writeln!(f, "Listening on http://{}", reachable(self.address))?;
        write_paths(f)?;
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{genesis, settings::ChainSettings};

    #[test]
    fn a_banner_tells_all_that_a_client_needs() {
        let wishes = ChainSettings { accounts: Some(2), ..ChainSettings::default() };
        let chain = Chain::new(&genesis::create(&wishes, 0, 1_000)).expect("own genesis");
        let banner = Banner {
            chain: &chain,
            address: SocketAddr::from(([0, 0, 0, 0], 5050)),
            folder: Some(Path::new("chain")),
        };
        insta::assert_snapshot!(banner.to_string());
    }
}
