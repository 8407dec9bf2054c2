//! Whatever validators say, `step` neither panics nor remembers without end.

use kraken_types::{
    Awaited, Certificate, Header, HeaderDigest, Round, Timestamp, ValidatorId,
    testing::{batch, batches, certify, header, identity},
};
use proptest::{collection::vec, prelude::*};

use super::{
    super::{Input, Message},
    commit,
    one::{One, SIZE},
};

/// A round near the start, or absurd.
fn rounds() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0_u64..8, 1 => 40_u64..70, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1)]
}

/// A digest that may be that of a header below.
fn digests() -> impl Strategy<Value = HeaderDigest> {
    (0_u16..5, 0_u64..6).prop_map(|(author, round)| header(author, round).digest())
}

prop_compose! {
    fn headers()(
        author in 0_u16..5,
        round in rounds(),
        parents in vec(digests(), 0..5),
        has_all_parents in any::<bool>(),
        payload in 0_u64..3,
        time in prop_oneof![Just(0_u64), 0_u64..20_000, Just(u64::MAX)],
    ) -> Header {
        let all = |round: u64| (1..4).map(|author| header(author, round).digest()).collect();
        let parents = if has_all_parents && 1 < round { all(round - 1) } else { parents };
        Header {
            created_at: Timestamp::from_millis(time),
            batches: batches(payload),
            parents,
            ..header(author, round)
        }
    }
}

fn certificates() -> impl Strategy<Value = Certificate> {
    (headers(), any::<bool>()).prop_map(|(mut header, is_plain)| {
        if is_plain {
            header = kraken_types::testing::header(header.author.0, header.round.0);
        }
        header.author = ValidatorId(header.author.0 % SIZE);
        certify(header, SIZE).into_inner()
    })
}

fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => headers().prop_map(|header| {
            let signer = identity(SIZE, header.author.0 % SIZE);
            Message::Header(header.sign(&signer).into_inner())
        }),
        1 => (0_u16..5, digests()).prop_map(|(voter, header)| {
            let signer = identity(SIZE, voter % SIZE);
            let vote = kraken_types::Vote::sign(header, &signer).into_inner();
            Message::Vote(kraken_types::Vote { voter: ValidatorId(voter), ..vote })
        }),
        4 => certificates().prop_map(Message::Certificate),
        1 => vec(digests(), 0..300).prop_map(Message::Want),
        1 => vec(rounds().prop_map(Round), 0..6).prop_map(Message::Behind),
        1 => vec(rounds().prop_map(Round), 4).prop_map(Message::Behind),
        1 => vec(certificates(), 0..4).prop_map(Message::Certificates),
        1 => Just(Message::Forgot),
        1 => proptest::option::of(certificates()).prop_map(Message::Reached),
    ]
}

fn inputs() -> impl Strategy<Value = Input> {
    prop_oneof![
        12 => (0_u16..6, messages())
            .prop_map(|(from, message)| Input::Message { from: ValidatorId(from), message }),
        1 => (0_u64..9).prop_map(|sequence| Input::Sealed(batch(sequence))),
        1 => (0_u16..6, 0_u64..3).prop_map(|(author, sequence)| Input::Stored {
            author: ValidatorId(author),
            batch: batch(sequence),
        }),
        1 => any::<bool>().prop_map(|close_block| Input::Propose { close_block }),
        1 => (rounds(), digests()).prop_map(|(round, digest)| Input::Hold {
            round: Round(round),
            until: Awaited::Verdict(digest),
        }),
        1 => (digests(), 0_u64..40)
            .prop_map(|(anchor, round)| Input::Committed(commit(anchor, round))),
        2 => Just(()).prop_map(|()| Input::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_too_strange(
        has_forgotten in any::<bool>(),
        inputs in vec((0_u64..300, inputs()), 0..80),
    ) {
        let mut one = One::unborn(SIZE);
        let first = if has_forgotten { Input::Forgotten(Vec::new()) } else { Input::Recovered(Vec::new()) };
        let _ = one.step(first);
        for (pause, input) in inputs {
            let _ = one.wait(pause);
            let _ = one.step(input);
            prop_assert!(one.primary.size() < 2_000);
        }
    }
}
