//! Counts attestations: which blocks a quorum made the same of.

use std::{collections::BTreeMap, sync::Arc};

use kraken_types::{
    Acceptance, Attestation, Committee, Signature, Signers, Statement, ValidatorId, Verified,
};

/// How far above the newest accepted block anything is counted. Whoever is further behind takes
/// whole blocks over, with their proofs.
const WINDOW: u64 = 64;

/// What is said about the blocks above the newest accepted one: at most [`WINDOW`] numbers, for each
/// at most one statement of every validator and one proof.
#[derive(Debug)]
pub(super) struct Tally {
    committee: Arc<Committee>,
    accepted: u64,
    /// What we made of the order.
    ours: BTreeMap<u64, Statement>,
    heard: BTreeMap<u64, BTreeMap<ValidatorId, (Statement, Signature)>>,
    proofs: BTreeMap<u64, Verified<Acceptance>>,
    /// Who said two things about one number; nothing more is counted of theirs.
    liars: Signers,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The next block is accepted.
    Accept(Verified<Acceptance>),
    /// A validator says two things about one number.
    Equivocated {
        /// Said first; this one counts.
        first: Statement,
        /// Said later.
        second: Attestation,
    },
    /// A quorum says something else than we do.
    Diverged {
        /// What we made of the order.
        ours: Statement,
        /// What they made of it.
        theirs: Acceptance,
    },
}

impl Tally {
    /// Blocks up to `accepted` are.
    pub(super) fn new(committee: Arc<Committee>, accepted: u64) -> Self {
        Self {
            committee,
            accepted,
            ours: BTreeMap::new(),
            heard: BTreeMap::new(),
            proofs: BTreeMap::new(),
            liars: Signers::default(),
        }
    }

    /// Whether a block is accepted, here.
    pub(super) fn is_accepted(&self, number: u64) -> bool {
        number <= self.accepted
    }

    /// Our statements that no quorum has made, oldest first.
    pub(super) fn unaccepted(&self) -> Vec<Statement> {
        self.ours.values().copied().collect()
    }

    /// Whether an attestation is worth to be checked.
    pub(super) fn wants(&self, attestation: &Attestation) -> bool {
        let Attestation { validator, statement, .. } = attestation;
        let said = self.heard.get(&statement.number).and_then(|said| said.get(validator));
        let is_new = said.is_none_or(|(first, _)| first != statement);
        is_new && self.is_near(statement.number) && !self.liars.contains(*validator)
    }

    /// Whether a proof is worth to be checked.
    pub(super) fn wants_acceptance(&self, acceptance: &Acceptance) -> bool {
        let number = acceptance.statement.number;
        self.is_near(number) && !self.proofs.contains_key(&number)
    }

    fn is_near(&self, number: u64) -> bool {
        self.accepted < number && number - self.accepted <= WINDOW
    }

    /// A block of ours is durable.
    pub(super) fn stored(&mut self, ours: Verified<Attestation>) -> Vec<Output> {
        if self.is_accepted(ours.statement.number) {
            return Vec::new();
        }
        self.ours.insert(ours.statement.number, ours.statement);
        let mut outputs = self.attested(ours);
        outputs.extend(self.advance());
        outputs
    }

    /// A block that a quorum attested is durable here, though we did not execute it.
    pub(super) fn taken_over(
        &mut self,
        statement: Statement,
        proof: Verified<Acceptance>,
    ) -> Vec<Output> {
        if self.is_accepted(statement.number) {
            return Vec::new();
        }
        self.ours.insert(statement.number, statement);
        self.accepted(proof)
    }

    /// A block that a quorum attested is durable here, and its proof was lost.
    pub(super) fn unproven(&mut self, statement: Statement) -> Vec<Output> {
        if self.is_accepted(statement.number) {
            return Vec::new();
        }
        self.ours.insert(statement.number, statement);
        self.advance()
    }

    /// A validator says something.
    pub(super) fn attested(&mut self, attestation: Verified<Attestation>) -> Vec<Output> {
        let Attestation { validator, statement, signature } = Attestation::clone(&attestation);
        // Ours count even while we are further ahead of the others than anything else may be.
        let said = self.heard.entry(statement.number).or_default();
        if let Some((first, _)) = said.get(&validator) {
            if *first == statement {
                return Vec::new();
            }
            self.liars.insert(validator);
            let second = attestation.into_inner();
            return vec![Output::Equivocated { first: *first, second }];
        }
        said.insert(validator, (statement, signature));
        let equal = said.iter().filter(|(_, (other, _))| *other == statement);
        let signatures = equal.map(|(id, (_, signature))| (*id, *signature)).collect();
        match Acceptance::assemble(statement, &signatures, &self.committee) {
            Some(proof) => self.accepted(proof),
            None => Vec::new(),
        }
    }

    /// A quorum says something.
    pub(super) fn accepted(&mut self, proof: Verified<Acceptance>) -> Vec<Output> {
        self.proofs.entry(proof.statement.number).or_insert(proof);
        self.advance()
    }

    /// Accepts what is next, as long as we made the same of the order.
    fn advance(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            let next = self.accepted + 1;
            let (Some(ours), Some(proof)) = (self.ours.get(&next), self.proofs.get(&next)) else {
                return outputs;
            };
            if proof.statement != *ours {
                let theirs = Acceptance::clone(proof);
                outputs.push(Output::Diverged { ours: *ours, theirs });
                return outputs;
            }
            outputs.push(Output::Accept(proof.clone()));
            self.accepted = next;
            let above = next + 1;
            self.ours = self.ours.split_off(&above);
            self.heard = self.heard.split_off(&above);
            self.proofs = self.proofs.split_off(&above);
        }
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::{Cursor, Digest, Epoch, testing};

    use super::*;

    fn attest(validator: u16, number: u64, hash: u8) -> Verified<Attestation> {
        let statement = Statement {
            epoch: Epoch(0),
            number,
            block_hash: [hash; 32],
            executed_up_to: Cursor::default(),
            checkpoint: Digest::default(),
        };
        Attestation::sign(statement, &testing::identity(4, validator))
    }

    fn tally() -> Tally {
        Tally::new(Arc::new(testing::committee(4)), 0)
    }

    fn accepted(outputs: &[Output]) -> Vec<u64> {
        let number = |output: &Output| match output {
            Output::Accept(proof) => Some(proof.statement.number),
            Output::Equivocated { .. } | Output::Diverged { .. } => None,
        };
        outputs.iter().filter_map(number).collect()
    }

    #[test]
    fn a_block_is_accepted_once_a_quorum_and_we_made_the_same_of_it() {
        let mut tally = tally();
        assert!(tally.attested(attest(1, 1, 9)).is_empty());
        assert!(tally.attested(attest(2, 1, 9)).is_empty());
        assert_eq!(accepted(&tally.stored(attest(0, 1, 9))), [1]);
        assert!(tally.is_accepted(1) && tally.unaccepted().is_empty());
        assert!(!tally.wants(&attest(3, 1, 9)), "late");
    }

    #[test]
    fn blocks_are_accepted_in_their_order() {
        let mut tally = tally();
        for validator in 1..4 {
            assert!(tally.attested(attest(validator, 2, 9)).is_empty());
        }
        assert!(tally.stored(attest(0, 1, 8)).is_empty());
        assert!(tally.stored(attest(0, 2, 9)).is_empty());
        assert!(tally.attested(attest(1, 1, 8)).is_empty());
        assert_eq!(accepted(&tally.attested(attest(2, 1, 8))), [1, 2]);
    }

    #[test]
    fn a_quorum_that_says_something_else_stops_us() {
        let mut tally = tally();
        tally.stored(attest(0, 1, 7));
        tally.attested(attest(1, 1, 9));
        tally.attested(attest(2, 1, 9));
        let outputs = tally.attested(attest(3, 1, 9));
        assert!(matches!(outputs.as_slice(), [Output::Diverged { .. }]), "{outputs:?}");
    }

    #[test]
    fn a_proof_that_was_lost_is_made_up_for() {
        let proof = |hash| {
            let attestations = [1, 2, 3].map(|validator| attest(validator, 1, hash));
            let signatures = attestations.iter().map(|it| (it.validator, it.signature)).collect();
            let statement = attestations[0].statement;
            Acceptance::assemble(statement, &signatures, &testing::committee(4)).expect("a quorum")
        };
        let mut tally = tally();
        assert!(tally.unproven(attest(0, 1, 9).statement).is_empty());
        assert_eq!(accepted(&tally.accepted(proof(9))), [1]);
        assert!(tally.unproven(attest(0, 1, 8).statement).is_empty(), "late");

        let mut tally = self::tally();
        tally.unproven(attest(0, 1, 8).statement);
        let outputs = tally.accepted(proof(9));
        assert!(matches!(outputs.as_slice(), [Output::Diverged { .. }]), "{outputs:?}");
    }

    #[test]
    fn who_says_two_things_is_named_and_the_first_counts() {
        let mut tally = tally();
        tally.attested(attest(1, 1, 9));
        let outputs = tally.attested(attest(1, 1, 7));
        assert!(matches!(outputs.as_slice(), [Output::Equivocated { .. }]), "{outputs:?}");
        tally.attested(attest(2, 1, 9));
        assert_eq!(accepted(&tally.stored(attest(0, 1, 9))), [1]);
    }

    #[test]
    fn what_is_far_away_is_not_counted() {
        let tally = tally();
        assert!(tally.wants(&attest(1, WINDOW, 9)));
        assert!(!tally.wants(&attest(1, WINDOW + 1, 9)));
        assert!(!tally.wants(&attest(1, u64::MAX, 9)));
    }
}
