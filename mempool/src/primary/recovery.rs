//! Going on after a restart.

use std::collections::BTreeMap;

use kraken_types::{Certificate, Header, HeaderDigest, Round, Timestamp, Verify};

use super::{Output, Primary, Record, certifier::Certifier, retry::Retry};

impl Primary {
    /// Takes up the records of an earlier run, oldest first.
    pub(super) fn recover(&mut self, now: Timestamp, records: Vec<Record>) {
        self.sync.start(now);
        let (mut proposed, mut accepted) = (BTreeMap::new(), Vec::new());
        for record in records {
            match record {
                Record::Proposed(header) => {
                    proposed.insert(header.round, header);
                }
                Record::Voted { author, round, header } => {
                    self.voter.record(round, author, header);
                }
                Record::Accepted(certificate) => accepted.push(certificate),
                Record::Pruned { horizon, forgotten } => {
                    self.pruned.horizon = horizon;
                    self.pruned.forgotten = forgotten;
                }
                Record::Silent(round) => {
                    self.amnesia.resume(now, round, self.config.retry_after);
                    self.proposer.round = round;
                }
            }
        }
        self.voter.prune(self.pruned.horizon);
        self.dag.prune(self.pruned.horizon, self.pruned.forgotten);
        accepted.into_iter().for_each(|certificate| self.accept_again(certificate));
        self.proposer.since = now;
        self.resume_headers(now, proposed);
    }

    /// Certificates were logged in causal order, and come back in it.
    fn accept_again(&mut self, certificate: Certificate) {
        let header = certificate.header();
        if header.round <= self.dag.forgotten() || self.dag.contains(certificate.digest()) {
            return;
        }
        let is_above = self.dag.horizon() < header.round;
        let certificate = certificate
            .verified(&self.config.identity.committee)
            .expect("our own log is what we wrote, and we wrote checked certificates only");
        self.dag.insert(certificate.clone());
        if is_above {
            self.outputs.push(Output::Certified(certificate));
        }
    }

    /// Goes on behind our newest header. Those before it are certified or were given up.
    fn resume_headers(&mut self, now: Timestamp, proposed: BTreeMap<Round, Header>) {
        let horizon = self.dag.horizon();
        let newest = proposed.keys().next_back().copied();
        for (round, header) in proposed {
            let digest = header.digest();
            let is_newest = Some(round) == newest;
            if is_newest {
                self.proposer.round = self.proposer.round.max(round);
                self.proposer.created_at = header.created_at;
            }
            let is_alive = is_newest && self.dag.quorum() <= round;
            if round <= horizon || !(is_alive || self.dag.contains(digest)) {
                continue;
            }
            self.payload.resume(&header);
            if is_newest {
                self.resume_newest(now, digest, header);
            }
        }
    }

    fn resume_newest(&mut self, now: Timestamp, digest: HeaderDigest, header: Header) {
        let identity = &self.config.identity;
        let retry = Retry::at_once(now, self.config.retry_after);
        let mut certifier = Certifier::new(header.sign(identity), identity, retry);
        if let Some(certificate) = self.dag.get(digest) {
            certifier.finish(now, certificate.clone(), self.config.retry_after);
        }
        self.certifier = Some(certifier);
        self.certify(now);
    }
}
