//! Answers those who are behind with certificates that are wrong, old, altered or out of order,
//! and with batches that nobody asked for.
//!
//! Stopped by checking answers like everything else, by digests, and by asking somebody else next.

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, Certificate, Signers, Timestamp, ValidatorId, Vote};
use rand::{Rng, seq::SliceRandom};

use super::{
    forge,
    mail::{self, Content},
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct LieInSync {
    /// Good certificates that it heard of.
    heard: Vec<Certificate>,
    /// Batches that it heard of.
    batches: Vec<Bytes>,
}

/// It remembers so much.
const HEARD_MAX: usize = 300;

impl Sin for LieInSync {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let message = mail::primary(letter.lane, &letter.bytes);
        let lie = if let Some(primary::Message::Certificates(certificates)) = message {
            primary::Message::Certificates(self.certificates(around, certificates))
        } else if let Some(primary::Message::Reached(Some(highest))) = message {
            let bent = bent(around, &highest);
            let lies = [None, self.heard.first().cloned(), Some(bent), Some(highest)];
            primary::Message::Reached(lies.choose(around.random).cloned().flatten())
        } else {
            return vec![letter];
        };
        vec![Content::from(lie).to(letter.to)]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        match mail::worker(lane, bytes) {
            Some(worker::Message::Batch(batch)) => {
                self.batches.push(batch);
                self.batches.truncate(HEARD_MAX);
            }
            Some(worker::Message::Want(_)) => {
                let batch = self.batches.choose(around.random).map(altered);
                let message = |bytes| Content::from(worker::Message::Batch(bytes)).to(from);
                return batch.map(message).into_iter().collect();
            }
            Some(worker::Message::Stored(_)) | None => {}
        }
        self.hear(around, from, mail::primary(lane, bytes))
    }
}

impl LieInSync {
    fn hear(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        message: Option<primary::Message>,
    ) -> Vec<Letter> {
        use primary::Message::{Behind, Certificate, Certificates, Forgot, Want};
        if let Some(Certificate(certificate)) = message {
            self.heard.push(certificate);
            self.heard.truncate(HEARD_MAX);
            return Vec::new();
        }
        if matches!(message, Some(Want(_) | Behind(_) | Forgot)) {
            let lie = self.certificates(around, self.heard.clone());
            return vec![Content::from(Certificates(lie)).to(from)];
        }
        Vec::new()
    }

    fn certificates(
        &self,
        around: &mut Surroundings<'_>,
        mut certificates: Vec<Certificate>,
    ) -> Vec<Certificate> {
        match around.random.gen_range(0..6) {
            0 => certificates.clear(),
            1 => certificates.reverse(),
            2 => certificates.shuffle(around.random),
            3 => certificates.clone_from(&self.heard),
            4 => {
                let copies = primary::Message::SYNC_MAX + 44;
                certificates = certificates.into_iter().cycle().take(copies).collect();
            }
            _ => certificates = certificates.iter().map(|good| bent(around, good)).collect(),
        }
        certificates
    }
}

/// Almost the certificate: one thing about its header is different, and the signatures are ours.
fn bent(around: &mut Surroundings<'_>, good: &Certificate) -> Certificate {
    let mut header = good.header().clone();
    match around.random.gen_range(0..3) {
        0 => header.created_at = Timestamp::ZERO,
        1 => header.parents.reverse(),
        _ => header.batches.clear(),
    }
    let own = Vote::sign(header.digest(), around.identity).into_inner().signature;
    let signers: &Signers = good.signers();
    let signers: Vec<_> = signers.iter().collect();
    forge::of(&header, &signers, &vec![own; signers.len()])
}

/// Almost the batch.
fn altered(bytes: &Bytes) -> Bytes {
    Batch::decode(bytes).map_or_else(
        |_| bytes.clone(),
        |mut batch| {
            batch.transactions.reverse();
            batch.transactions.push(Bytes::from_static(b"a lie"));
            batch.encode().1
        },
    )
}
