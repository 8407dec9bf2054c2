//! Gathers votes for our own header until they make a certificate (rules P4 and P7).

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{
    Certificate, Committee, HeaderDigest, Identity, Round, SignedHeader, Timestamp, ValidatorId,
    Verified, Verify, Vote,
};

use super::{Message, Output, Primary, retry::Retry};

/// Our newest header and the votes for it; one vote for each validator.
#[derive(Debug)]
pub(super) struct Certifier {
    header: Verified<SignedHeader>,
    votes: BTreeMap<ValidatorId, Verified<Vote>>,
    certificate: Option<Verified<Certificate>>,
    /// When the header, later the certificate, is sent again; `None` once that is for others to ask.
    retry: Option<Retry>,
}

impl Certifier {
    /// Starts with our own vote: the record of the header stands for it.
    pub(super) fn new(header: Verified<SignedHeader>, identity: &Identity, retry: Retry) -> Self {
        let own = Vote::sign(header.digest(), identity);
        let votes = BTreeMap::from([(identity.id, own)]);
        Self { header, votes, certificate: None, retry: Some(retry) }
    }

    /// The round of the header.
    pub(super) fn round(&self) -> Round {
        self.header.header().round
    }

    /// What identifies the header.
    pub(super) fn digest(&self) -> HeaderDigest {
        self.header.digest()
    }

    /// Whether there is a certificate.
    pub(super) fn is_certified(&self) -> bool {
        self.certificate.is_some()
    }

    /// When something is to be sent again.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.retry.map(|retry| retry.at())
    }

    /// Whether a vote could still matter.
    fn is_wanted(&self, vote: &Vote) -> bool {
        !self.is_certified()
            && vote.header == self.digest()
            && !self.votes.contains_key(&vote.voter)
    }

    fn add(&mut self, vote: Verified<Vote>) {
        self.votes.insert(vote.voter, vote);
    }

    /// The certificate, if the votes make one.
    pub(super) fn assemble(&self, committee: &Committee) -> Option<Verified<Certificate>> {
        Certificate::assemble(&self.header, &self.votes, committee)
    }

    /// There is a certificate: that is what others need now.
    pub(super) fn finish(
        &mut self,
        now: Timestamp,
        certificate: Verified<Certificate>,
        retry_after: Duration,
    ) {
        self.certificate = Some(certificate);
        self.retry = Some(Retry::after(now, retry_after));
    }

    /// What to send again, and whom to, if it is time.
    fn repeat(&mut self, now: Timestamp, identity: &Identity) -> Vec<Output> {
        if !self.retry.as_mut().is_some_and(|retry| retry.is_due(now)) {
            return Vec::new();
        }
        if let Some(certificate) = &self.certificate {
            let certificate = Message::Certificate(Certificate::clone(certificate));
            self.retry = self.retry.filter(|retry| !retry.is_slowest());
            return vec![Output::Broadcast(certificate)];
        }
        let silent = identity.peers().filter(|peer| !self.votes.contains_key(peer));
        let header = Message::Header(SignedHeader::clone(&self.header));
        silent.map(|to| Output::Send { to, message: header.clone() }).collect()
    }
}

impl Primary {
    /// Counts a vote of a validator for our header.
    pub(super) fn hear_vote(&mut self, now: Timestamp, from: ValidatorId, vote: Vote) {
        let Some(certifier) = &mut self.certifier else { return };
        if vote.voter != from || !certifier.is_wanted(&vote) {
            return;
        }
        let Ok(vote) = vote.verified(&self.config.identity.committee) else { return };
        certifier.add(vote);
        self.certify(now);
    }

    /// Makes the certificate of our header if the votes suffice.
    pub(super) fn certify(&mut self, now: Timestamp) {
        let committee = &self.config.identity.committee;
        let assembled = self.certifier.as_ref().and_then(|certifier| certifier.assemble(committee));
        if let Some(certificate) = assembled {
            self.take_in(now, None, certificate);
        }
    }

    /// Sends our header or certificate again if it is time.
    pub(super) fn repeat(&mut self, now: Timestamp) {
        let identity = &self.config.identity;
        if !identity.is_alone()
            && let Some(certifier) = &mut self.certifier
        {
            self.outputs.extend(certifier.repeat(now, identity));
        }
    }
}
