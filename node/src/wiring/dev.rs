//! The plan of `kraken dev`: a chain of its own, new or from its folder.

use std::{fs, net::SocketAddr, path::Path, time::SystemTime};

use kraken_execution::{genesis::Extras, read_artefact};
use kraken_sequencer::Mode;
use kraken_types::Genesis;
use starknet_api::state::SierraContractClass;

use super::{
    Devnet, Plan, Role, Sequencing, Serving,
    address::{Remedies, reserve},
    seconds_since_epoch,
};
use crate::{
    failure::Failure,
    folder::Folder,
    genesis, keys,
    settings::{ChainSettings, Settings},
};

const REMEDIES: Remedies = Remedies { host: "--host", port: "--port" };

/// What `kraken dev` starts.
///
/// # Errors
/// If the port is taken, the data folder is not fit, or the chain there is another one.
pub(crate) async fn plan(settings: &Settings, wishes: &ChainSettings) -> Result<Plan, Failure> {
    // The port first: nothing is made for a node that cannot be reached.
    let listen = SocketAddr::new(settings.host, settings.port);
    let reserved = reserve(listen, REMEDIES).await?;
    let account_class = settings.account_class.as_deref().map(read_class).transpose()?;
    let folder = settings.data_dir.as_deref().map(Folder::claim).transpose()?;
    let genesis = choose_genesis(folder.as_ref(), wishes)?;
    Ok(Plan {
        sequencer: Role::Validator(Box::new(Sequencing {
            engine: settings.engine,
            threads: settings.workers,
            signer: keys::dev_validator(genesis.accounts.seed),
            mode: Mode::Dev,
            network: None,
            uses: None,
            is_restored: false,
            start_time_seconds: wishes.start_time,
        })),
        genesis,
        folder,
        extras: Extras { account_class, argent: settings.argent },
        rpc: Serving {
            listen,
            timeout: settings.timeout,
            limits: settings.limits,
            devnet: Some(Devnet {
                restricted: settings.restricted.clone(),
                dump: settings.dump.clone(),
                state_archive: settings.state_archive,
                lite_mode: settings.lite_mode,
            }),
        },
        metrics: settings.metrics,
        reserved,
        remedies: REMEDIES,
    })
}

/// The genesis of the folder, or a new one.
fn choose_genesis(folder: Option<&Folder>, wishes: &ChainSettings) -> Result<Genesis, Failure> {
    let stored = folder.map(Folder::genesis).transpose()?.flatten();
    match (stored, folder) {
        (Some(genesis), Some(folder)) => {
            genesis::check(&genesis, wishes, folder.path())?;
            Ok(genesis)
        }
        (_, folder) => {
            let now = seconds_since_epoch(SystemTime::now());
            let genesis = genesis::create(wishes, rand::random(), now);
            folder.map(|folder| folder.write_genesis(&genesis)).transpose()?;
            Ok(genesis)
        }
    }
}

/// Reads the class of the accounts.
fn read_class(path: &Path) -> Result<SierraContractClass, Failure> {
    const REMEDY: &str = "name the Sierra artefact of an account (.contract_class.json)";
    let cannot = || format!("cannot read the class in {}", path.display());
    let json = fs::read(path).map_err(|error| Failure::because(cannot(), &error, REMEDY))?;
    read_artefact(&json).map_err(|error| Failure::because(cannot(), &error, REMEDY))
}
