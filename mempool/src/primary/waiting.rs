//! Certificates whose parents are not accepted yet.

use std::collections::{BTreeMap, BTreeSet};

use kraken_types::{Certificate, HeaderDigest, Round, ValidatorId, Verified};

/// Checked certificates that wait for their parents (rule P5).
///
/// Bound: one for each author and round, and the rounds reach from the horizon to `AHEAD_MAX` above
/// it or the highest accepted one; what is there first stays. Each is vouched for by a quorum, so no
/// minority can fill it.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    rounds: BTreeMap<Round, BTreeMap<ValidatorId, Waiter>>,
    digests: BTreeSet<HeaderDigest>,
}

#[derive(Debug)]
struct Waiter {
    certificate: Verified<Certificate>,
    missing: BTreeSet<HeaderDigest>,
}

impl Waiting {
    /// How many certificates wait.
    pub(super) fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether this certificate waits.
    pub(super) fn contains(&self, digest: HeaderDigest) -> bool {
        self.digests.contains(&digest)
    }

    /// Whether a certificate of this place waits.
    pub(super) fn has(&self, round: Round, author: ValidatorId) -> bool {
        self.rounds.get(&round).is_some_and(|layer| layer.contains_key(&author))
    }

    /// Keeps a certificate until these parents have arrived. Its place is free.
    pub(super) fn insert(&mut self, certificate: Verified<Certificate>, missing: &[HeaderDigest]) {
        let (round, author) = (certificate.header().round, certificate.header().author);
        self.digests.insert(certificate.digest());
        let missing = missing.iter().copied().collect();
        self.rounds.entry(round).or_default().insert(author, Waiter { certificate, missing });
    }

    /// A certificate was accepted: which wait no longer?
    pub(super) fn arrived(
        &mut self,
        round: Round,
        digest: HeaderDigest,
    ) -> Vec<Verified<Certificate>> {
        self.take(round.ahead(1), |waiter| {
            waiter.missing.remove(&digest);
            waiter.missing.is_empty()
        })
    }

    /// The horizon moved: drops what lies below, and returns what need not wait any more because
    /// its parents do.
    pub(super) fn prune(&mut self, horizon: Round) -> Vec<Verified<Certificate>> {
        let kept = self.rounds.split_off(&horizon.ahead(1));
        for layer in std::mem::replace(&mut self.rounds, kept).into_values() {
            for waiter in layer.into_values() {
                self.digests.remove(&waiter.certificate.digest());
            }
        }
        self.take(horizon.ahead(1), |_| true)
    }

    /// Removes those of a round that are ready.
    fn take(
        &mut self,
        round: Round,
        mut is_ready: impl FnMut(&mut Waiter) -> bool,
    ) -> Vec<Verified<Certificate>> {
        let Some(layer) = self.rounds.get_mut(&round) else { return Vec::new() };
        let ready = layer.extract_if(.., |_, waiter| is_ready(waiter));
        let ready: Vec<_> = ready.map(|(_, waiter)| waiter.certificate).collect();
        if layer.is_empty() {
            self.rounds.remove(&round);
        }
        for certificate in &ready {
            self.digests.remove(&certificate.digest());
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::testing::{certify, child, header};

    use super::*;

    #[test]
    fn a_certificate_waits_for_the_last_of_its_parents() {
        let parents: Vec<_> = (0..3).map(|author| header(author, 1).digest()).collect();
        let mut waiting = Waiting::default();
        let certificate = certify(child(0, 2, &parents), 4);
        waiting.insert(certificate.clone(), &parents[1..]);
        assert!(waiting.contains(certificate.digest()) && waiting.has(Round(2), ValidatorId(0)));
        assert!(waiting.arrived(Round(1), parents[2]).is_empty());
        assert_eq!(waiting.arrived(Round(1), parents[1]), [certificate]);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn what_the_horizon_passes_is_dropped_and_what_follows_is_ready() {
        let parents = [header(0, 1).digest()];
        let mut waiting = Waiting::default();
        let [low, next, high] = [2, 3, 4].map(|round| certify(child(0, round, &parents), 4));
        for certificate in [&low, &next, &high] {
            waiting.insert(certificate.clone(), &parents);
        }
        assert_eq!(waiting.prune(Round(2)), [next]);
        assert!(!waiting.contains(low.digest()) && waiting.contains(high.digest()));
        assert_eq!(waiting.len(), 1);
    }
}
