//! `kraken inspect`: what a data folder holds.

mod divergence;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use kraken_sequencer::Evidence;
use kraken_storage::{Header, Storage};
use kraken_types::Genesis;
use starknet_api::block::BlockNumber;

use crate::{args::InspectArgs, failure::Failure, folder::Folder, progress::Progress, wiring};

/// Prints the chain, its tip and its newest blocks, oldest first; and what was kept of divergences.
///
/// # Errors
/// If there is no chain, another process uses it, or it cannot be read.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let nothing = || {
        Failure::new(
            format!("no chain in {}", args.data_dir.display()),
            "name the folder of a chain with --data-dir",
        )
    };
    // Looking must not create anything.
    if !args.data_dir.is_dir() {
        return Err(nothing());
    }
    let folder = Folder::claim(&args.data_dir)?;
    let genesis = folder.genesis()?.ok_or_else(nothing)?;
    let mut progress = Progress::new("applying blocks again");
    let storage = wiring::open(&genesis, Some(&folder), &mut progress)?;
    let headers = newest(&storage, args.blocks).map_err(|error| wiring::storage_failure(&error))?;
    drop(progress);
    let evidence = evidence(&args.data_dir)?;
    let write = || {
        print(&genesis, &headers)?;
        let mut out = io::stdout().lock();
        evidence.iter().try_for_each(|it| divergence::print(&mut out, &genesis, it))
    };
    write().map_err(|error| {
        Failure::because("cannot write the answer", &error, "check where the output goes")
    })
}

/// What was kept of divergences, oldest first.
fn evidence(folder: &Path) -> Result<Vec<Evidence>, Failure> {
    let files = Evidence::find(folder).map_err(|error| {
        let problem = format!("cannot read {}", folder.display());
        Failure::because(problem, &error, "let this user read the folder")
    })?;
    let read = |path: &PathBuf| {
        Evidence::read(path).map_err(|error| {
            Failure::because(
                "cannot show what was kept of a divergence",
                &error,
                "move the file away, or look at it with the version that wrote it",
            )
        })
    };
    files.iter().map(read).collect()
}

fn newest(storage: &Storage, count: u64) -> Result<Vec<Header>, kraken_storage::Error> {
    let mut headers = Vec::new();
    let Some(tip) = storage.tip() else {
        return Ok(headers);
    };
    for number in (tip.0 + 1).saturating_sub(count)..=tip.0 {
        headers.extend(storage.block(BlockNumber(number))?.map(|block| block.header.clone()));
    }
    Ok(headers)
}

fn print(genesis: &Genesis, headers: &[Header]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "chain    {}", genesis.chain_id)?;
    writeln!(out, "genesis  {}", genesis.digest())?;
    let Some(tip) = headers.last() else {
        return writeln!(out, "tip      none");
    };
    writeln!(out, "tip      {}", tip.number())?;
    writeln!(out)?;
    writeln!(
        out,
        "{:>10}  {:>11}  {:>12}  {:>8}  {:>14}  {:66}  state root",
        "block", "time", "transactions", "events", "L2 gas", "hash"
    )?;
    for header in headers {
        writeln!(
            out,
            "{:>10}  {:>11}  {:>12}  {:>8}  {:>14}  {:#066x}  {:#066x}",
            header.number().0,
            header.info.block_timestamp.0,
            header.transaction_count,
            header.event_count,
            header.l2_gas_used,
            header.hash.0,
            header.state_root.0,
        )?;
    }
    Ok(())
}
