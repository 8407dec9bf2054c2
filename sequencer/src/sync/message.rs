//! What those who catch up ask, and what they are answered.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_execution::{Rejection, RejectionKind};
use kraken_types::{Acceptance, codec::TRANSACTION_BYTES_MAX};

use crate::SubmitError;

/// The largest question: a transaction.
pub(crate) const ASK_BYTES_MAX: usize = TRANSACTION_BYTES_MAX + 64;

/// The largest answer: a block with large classes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The largest verdict.
pub(crate) const VERDICT_BYTES_MAX: usize = REASON_BYTES_MAX + 64;

/// How much of a reason is told; the rest of a long trace helps nobody.
const REASON_BYTES_MAX: usize = 16 << 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Ask {
    /// The proof of the newest accepted block: `Option<Acceptance>`.
    Newest,
    /// An accepted block: `Option<AttestedBlock>`.
    Block(u64),
    /// What the order was before the end of a block, encoded: `Option<Bytes>`.
    Checkpoint(u64),
    /// The proof of an accepted block: `Option<Acceptance>`.
    Proof(u64),
    /// That a validator takes a transaction, as a batch carries it: `Verdict`.
    Submit(Bytes),
}

/// A block, and the quorum that attested it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct AttestedBlock {
    pub(crate) acceptance: Acceptance,
    /// As the chain log keeps it.
    pub(crate) block: Bytes,
}

/// What a validator makes of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Verdict {
    /// It is in the pool.
    Admitted,
    /// It was there, or is in a block.
    Duplicate,
    /// Another one with its nonce is there, and pays more.
    ReplacementUnderpriced,
    /// There is no room for it.
    Full {
        /// How many transactions are in the pool.
        pending: u64,
    },
    /// It is the sender's fault.
    Rejected {
        /// A place in [`KINDS`].
        kind: u8,
        /// In words for the sender.
        reason: String,
    },
    /// The account holds its part of a pool that is filling up.
    AccountFull {
        /// How many transactions of the account are there.
        pending: u64,
    },
}

/// The kinds of rejections, as they are numbered on the wire.
const KINDS: [RejectionKind; 15] = [
    RejectionKind::InvalidNonce,
    RejectionKind::NonceAhead,
    RejectionKind::InsufficientResources,
    RejectionKind::InsufficientBalance,
    RejectionKind::ValidationFailure,
    RejectionKind::NonAccount,
    RejectionKind::ClassNotFound,
    RejectionKind::ClassAlreadyDeclared,
    RejectionKind::CompiledClassHashMismatch,
    RejectionKind::CompilationFailed,
    RejectionKind::ClassTooLarge,
    RejectionKind::UnsupportedVersion,
    RejectionKind::UnsupportedClassVersion,
    RejectionKind::Unexpected,
    RejectionKind::FeeBelowMinimum,
];

impl Verdict {
    /// What became of a submission; `None` if that is our fault, or we end: then it is for another
    /// validator to say.
    pub(crate) fn of<T>(submitted: Result<T, SubmitError>) -> Option<Self> {
        Some(match submitted {
            Ok(_) => Self::Admitted,
            Err(SubmitError::Duplicate) => Self::Duplicate,
            Err(SubmitError::ReplacementUnderpriced) => Self::ReplacementUnderpriced,
            Err(SubmitError::Full { pending }) => {
                Self::Full { pending: u64::try_from(pending).unwrap_or(u64::MAX) }
            }
            Err(SubmitError::AccountFull { pending }) => {
                Self::AccountFull { pending: u64::try_from(pending).unwrap_or(u64::MAX) }
            }
            Err(SubmitError::Rejected(Rejection { kind, mut reason })) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                Self::Rejected { kind: number_of(kind), reason }
            }
            Err(
                SubmitError::Fault(_)
                | SubmitError::Stopped
                | SubmitError::NotHandedOn { .. }
                | SubmitError::NotCompiled(_),
            ) => return None,
        })
    }

    /// The same for whoever asked. A kind that is not known yet is none in particular.
    pub(crate) fn into_result(self) -> Result<(), SubmitError> {
        Err(match self {
            Self::Admitted => return Ok(()),
            Self::Duplicate => SubmitError::Duplicate,
            Self::ReplacementUnderpriced => SubmitError::ReplacementUnderpriced,
            Self::Full { pending } => {
                SubmitError::Full { pending: usize::try_from(pending).unwrap_or(usize::MAX) }
            }
            Self::AccountFull { pending } => {
                SubmitError::AccountFull { pending: usize::try_from(pending).unwrap_or(usize::MAX) }
            }
            Self::Rejected { kind, reason } => {
                let kind = KINDS.get(usize::from(kind)).copied();
                let kind = kind.unwrap_or(RejectionKind::Unexpected);
                SubmitError::Rejected(Rejection { kind, reason })
            }
        })
    }
}

fn number_of(kind: RejectionKind) -> u8 {
    let place = (0..).zip(KINDS).find(|(_, listed)| *listed == kind);
    place.expect("all kinds are listed").0
}

#[cfg(test)]
mod tests {
    use kraken_types::testing::assert_golden;

    use super::*;

    #[test]
    fn the_bytes_of_questions_do_not_change() {
        assert_golden(&Ask::Newest, "00");
        assert_golden(&Ask::Block(3), "01 0300000000000000");
        assert_golden(&Ask::Checkpoint(4), "02 0400000000000000");
        assert_golden(&Ask::Proof(5), "03 0500000000000000");
        assert_golden(&Ask::Submit(Bytes::from_static(b"\x07\x08")), "04 02000000 0708");
    }

    #[test]
    fn the_bytes_of_verdicts_do_not_change() {
        assert_golden(&Verdict::Admitted, "00");
        assert_golden(&Verdict::Duplicate, "01");
        assert_golden(&Verdict::ReplacementUnderpriced, "02");
        assert_golden(&Verdict::Full { pending: 6 }, "03 0600000000000000");
        let rejected = Verdict::Rejected { kind: 2, reason: "no".to_owned() };
        assert_golden(&rejected, "04 02 02000000 6e6f");
        assert_golden(&Verdict::AccountFull { pending: 6 }, "05 0600000000000000");
    }

    #[test]
    fn a_verdict_says_whoever_asked_what_it_would_say_here() {
        for kind in KINDS {
            let rejection = Rejection { kind, reason: format!("{kind:?}") };
            let verdict = Verdict::of::<()>(Err(rejection.clone().into())).expect("a verdict");
            let told = verdict.into_result();
            assert!(
                matches!(&told, Err(SubmitError::Rejected(it)) if *it == rejection),
                "{told:?}"
            );
        }
        let full = Verdict::of::<()>(Err(SubmitError::Full { pending: 7 })).expect("a verdict");
        assert!(matches!(full.into_result(), Err(SubmitError::Full { pending: 7 })));
        let full = Verdict::of::<()>(Err(SubmitError::AccountFull { pending: 7 }));
        let told = full.expect("a verdict").into_result();
        assert!(matches!(told, Err(SubmitError::AccountFull { pending: 7 })));
        assert!(Verdict::of(Ok(())).expect("a verdict").into_result().is_ok());
        assert_eq!(Verdict::of::<()>(Err(SubmitError::Stopped)), None);
        let unknown = Verdict::Rejected { kind: 200, reason: String::new() };
        let told = unknown.into_result();
        let is_unexpected = |kind| kind == RejectionKind::Unexpected;
        assert!(matches!(told, Err(SubmitError::Rejected(it)) if is_unexpected(it.kind)));
    }

    #[test]
    fn a_long_reason_is_cut() {
        let reason = "ü".repeat(REASON_BYTES_MAX);
        let rejection = Rejection { kind: RejectionKind::ValidationFailure, reason };
        let verdict = Verdict::of::<()>(Err(rejection.into())).expect("a verdict");
        assert!(kraken_types::codec::encode(&verdict).len() <= VERDICT_BYTES_MAX);
    }
}
