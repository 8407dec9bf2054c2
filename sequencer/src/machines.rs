//! The quiet machines of this validator, and what they are told.
//!
//! A validator alone waits for nobody: its batches are sealed and its headers made at once.

use std::{sync::Arc, time::Duration};

use kraken_consensus as consensus;
use kraken_mempool::{
    primary::{self, Primary},
    worker::{self, Worker, packer},
};
use kraken_types::{
    Genesis, Identity, Signer, WorkerId, codec::BATCH_BYTES_MAX, genesis::Protocol,
};

use crate::StartError;

/// Own batches that no durable block holds yet may take this many bytes on disk.
const OWN_BYTES_MAX: usize = 256 << 20;

/// How many rounds below an anchor a certificate may still be ordered.
const GC_DEPTH: u64 = 50;

/// Who this validator is.
///
/// # Errors
/// If the key is not in the committee of the genesis, or there are others in it.
pub(crate) fn identity(genesis: &Genesis, signer: Signer) -> Result<Identity, StartError> {
    let committee = Arc::new(genesis.committee()?);
    let key = signer.public_key();
    let id = committee.id_of(&key).ok_or(StartError::NotInCommittee { key })?;
    let identity = Identity { committee, id, signer };
    if !identity.is_alone() {
        return Err(StartError::NotAlone { validators: identity.committee.len() });
    }
    Ok(identity)
}

/// Its one worker.
pub(crate) fn worker(identity: Identity) -> Worker {
    Worker::new(worker::Config {
        identity,
        worker: WorkerId(0),
        packer: packer::Config {
            batch_bytes_max: BATCH_BYTES_MAX / 2,
            batch_age_max: Duration::ZERO,
        },
        retry_after: Duration::from_millis(200),
        own_bytes_max: OWN_BYTES_MAX,
        peer_bytes_max: 0,
        requests_per_peer_max: 0,
    })
}

/// Its primary and the protocol of the genesis.
pub(crate) fn ordering(identity: Identity, protocol: Protocol) -> kraken_ordering::Ordering {
    let primary = Primary::new(primary::Config {
        identity: identity.clone(),
        header_batches: 1,
        header_delay_max: Duration::ZERO,
        round_delay_max: Duration::ZERO,
        retry_after: Duration::from_millis(200),
        drift_max: Duration::from_secs(1),
        gc_depth: GC_DEPTH,
        serve_depth: 0,
    });
    let protocol = consensus::build(
        protocol,
        consensus::Config {
            identity,
            gc_depth: GC_DEPTH,
            view_timeout: Duration::from_secs(1),
            view_timeout_max: Duration::from_secs(60),
        },
    );
    kraken_ordering::Ordering::new(primary, protocol)
}
