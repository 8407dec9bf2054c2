//! A divergence, for people: what was made of the order here, and what a quorum made of it.

use std::io::{self, Write};

use kraken_sequencer::Evidence;
use kraken_storage::Block;
use kraken_types::{Acceptance, Genesis, Statement, Verify};
use starknet_api::transaction::TransactionExecutionStatus;
use starknet_types_core::felt::Felt;

/// Prints both sides; then all of the block that was made here, to be compared with what
/// `starknet_getStateUpdate` and `starknet_getBlockWithReceipts` of another validator say.
///
/// # Errors
/// If nobody reads the output.
pub(super) fn print(
    out: &mut impl Write,
    genesis: &Genesis,
    evidence: &Evidence,
) -> io::Result<()> {
    let Evidence { ours, theirs, .. } = evidence;
    writeln!(out, "\ndivergence at block {}", ours.number)?;
    for (who, statement) in [("here", ours), ("a quorum", &theirs.statement)] {
        write_statement(out, who, statement)?;
    }
    let signers: Vec<_> = theirs.signers.iter().map(|signer| signer.to_string()).collect();
    writeln!(out, "  signed by  validators {}: {}", signers.join(", "), verdict(genesis, theirs))?;
    match evidence.block() {
        Ok(block) => write_block(out, &block),
        Err(error) => writeln!(out, "  the block that was made here cannot be read: {error}"),
    }
}

/// Whether the signatures are what they claim to be.
fn verdict(genesis: &Genesis, theirs: &Acceptance) -> String {
    match genesis.committee() {
        Err(error) => format!("not checked, because of the genesis: {error}"),
        Ok(committee) => match theirs.verify(&committee) {
            Ok(()) => "a quorum of the genesis, and all signatures hold".to_owned(),
            Err(error) => format!("this does not hold: {error}"),
        },
    }
}

fn write_statement(out: &mut impl Write, who: &str, statement: &Statement) -> io::Result<()> {
    let hash = Felt::from_bytes_be(&statement.block_hash);
    let (commit, transactions) =
        (statement.executed_up_to.commit, statement.executed_up_to.transactions);
    writeln!(out, "  {who}")?;
    writeln!(out, "    block hash  {hash:#066x}")?;
    writeln!(out, "    order       up to transaction {transactions} of commit {}", commit.0)?;
    writeln!(out, "    checkpoint  {}", statement.checkpoint)
}

fn write_block(out: &mut impl Write, block: &Block) -> io::Result<()> {
    let header = &block.header;
    writeln!(out, "  the block that was made here")?;
    for (name, felt) in [
        ("parent hash", header.parent_hash.0),
        ("state root", header.state_root.0),
        ("transactions", header.transaction_commitment.0),
        ("events", header.event_commitment.0),
        ("receipts", header.receipt_commitment.0),
        ("state diff", header.state_diff_commitment.0.0),
    ] {
        writeln!(out, "    {name:<12}  {felt:#066x}")?;
    }
    for executed in &block.transactions {
        let (fee, gas) = (executed.receipt.actual_fee.0, executed.receipt.gas.l2_gas.0);
        let status = match executed.receipt.execution_status {
            TransactionExecutionStatus::Succeeded => "succeeded",
            TransactionExecutionStatus::Reverted(_) => "reverted",
        };
        let hash = executed.hash.0;
        writeln!(out, "    transaction {hash:#066x}  {status}, fee {fee}, L2 gas {gas}")?;
    }
    write_state_diff(out, block)
}

fn write_state_diff(out: &mut impl Write, block: &Block) -> io::Result<()> {
    let diff = &block.state_diff;
    for (address, cells) in &diff.storage_diffs {
        for (key, value) in cells {
            let (address, key) = (address.0.key(), key.0.key());
            writeln!(out, "    storage {address:#066x} {key:#066x} = {value:#x}")?;
        }
    }
    for (address, nonce) in &diff.nonces {
        writeln!(out, "    nonce {:#066x} = {:#x}", address.0.key(), nonce.0)?;
    }
    for (address, class) in &diff.deployed_contracts {
        writeln!(out, "    class of {:#066x} = {:#066x}", address.0.key(), class.0)?;
    }
    for (class, compiled) in &diff.class_hash_to_compiled_class_hash {
        writeln!(out, "    declared {:#066x}, compiled {:#066x}", class.0, compiled.0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kraken_types::{
        CommitIndex, Cursor, Digest, Epoch, Signature, Signers, ValidatorId, codec,
    };

    use super::*;
    use crate::{genesis::committee, keys::Keys, settings::CommitteeSettings};

    /// As a validator of that genesis leaves it, but that nobody has signed.
    fn evidence() -> Evidence {
        let statement = |hash| Statement {
            epoch: Epoch(0),
            number: 3,
            block_hash: [hash; 32],
            executed_up_to: Cursor { commit: CommitIndex(9), transactions: 2 },
            checkpoint: Digest::from_bytes([7; 32]),
        };
        let signers: Signers = [0, 2, 3].map(ValidatorId).into_iter().collect();
        let signatures = vec![Signature::from_bytes([0; 64]); 3];
        let theirs = Acceptance { statement: statement(5), signers, signatures };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bytes = codec::encode(&(1_u8, statement(4), theirs, b"no block".to_vec()));
        fs::write(folder.path().join("divergence-3"), bytes).expect("writable");
        let found = Evidence::find(folder.path()).expect("readable");
        Evidence::read(&found[0]).expect("it is evidence")
    }

    #[test]
    fn both_sides_of_a_divergence_are_shown_and_whether_the_signatures_hold() {
        let members = (0..4).map(|_| Keys::random(1).member(1)).collect();
        let genesis = committee::create(&CommitteeSettings::default(), members, 1_000);
        let mut out = Vec::new();
        print(&mut out, &genesis, &evidence()).expect("memory");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"));
    }
}
