//! The quiet machines of this validator, and what they are told.
//!
//! A validator alone waits for nobody: its batches are sealed and its headers made at once.

use std::{sync::Arc, time::Duration};

use kraken_consensus as consensus;
use kraken_mempool::{
    primary::{self, Primary},
    worker::{self, packer},
};
use kraken_types::{Genesis, Identity, Signer, WorkerId, codec::BATCH_BYTES_MAX};

use crate::StartError;

/// Own batches that no accepted block holds yet may take this many bytes on disk.
const OWN_BYTES_MAX: usize = 64 << 20;

/// How long a batch gathers transactions in a committee.
const BATCH_AGE_MAX: Duration = Duration::from_millis(10);

/// How long a header waits for more batches in a committee.
const HEADER_DELAY_MAX: Duration = Duration::from_millis(40);

/// How long a round waits for what the protocol awaits.
const ROUND_DELAY_MAX: Duration = Duration::from_millis(500);

/// So many batches are worth a header at once.
const HEADER_BATCHES: usize = 32;

/// How long to wait until something is said again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// For so many rounds below the horizon certificates are kept for those that catch up; whoever is
/// further behind goes on from a checkpoint.
const SERVE_DEPTH: u64 = 200;

/// Who this validator is.
///
/// # Errors
/// If the key is not in the committee of the genesis.
pub(crate) fn identity(genesis: &Genesis, signer: Signer) -> Result<Identity, StartError> {
    let committee = Arc::new(genesis.committee()?);
    let key = signer.public_key();
    let id = committee.id_of(&key).ok_or(StartError::NotInCommittee { key })?;
    Ok(Identity { committee, id, signer })
}

/// What one of its workers is told.
pub(crate) fn worker(identity: Identity, worker: WorkerId) -> worker::Config {
    let batch_age_max = if identity.is_alone() { Duration::ZERO } else { BATCH_AGE_MAX };
    worker::Config {
        identity,
        worker,
        packer: packer::Config { batch_bytes_max: BATCH_BYTES_MAX / 2, batch_age_max },
        retry_after: RETRY_AFTER,
        own_bytes_max: OWN_BYTES_MAX,
        peer_bytes_max: 2 * OWN_BYTES_MAX,
        requests_per_peer_max: 64,
    }
}

/// Its primary and the protocol of the genesis.
pub(crate) fn ordering(identity: Identity, genesis: &Genesis) -> kraken_ordering::Ordering {
    let is_alone = identity.is_alone();
    let patience = |delay| if is_alone { Duration::ZERO } else { delay };
    let gc_depth = genesis.mempool.gc_depth;
    let primary = Primary::new(primary::Config {
        identity: identity.clone(),
        header_batches: if is_alone { 1 } else { HEADER_BATCHES },
        header_delay_max: patience(HEADER_DELAY_MAX),
        round_delay_max: patience(ROUND_DELAY_MAX),
        retry_after: RETRY_AFTER,
        drift_max: Duration::from_secs(1),
        gc_depth,
        serve_depth: if is_alone { 0 } else { SERVE_DEPTH },
    });
    let protocol = consensus::build(
        genesis.protocol,
        consensus::Config {
            identity,
            gc_depth,
            view_timeout: Duration::from_secs(1),
            view_timeout_max: Duration::from_secs(60),
        },
    );
    kraken_ordering::Ordering::new(primary, protocol)
}
