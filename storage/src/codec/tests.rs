use bytes::Bytes;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use starknet_api::{
    core::{ContractAddress, Nonce, PatriciaKey},
    data_availability::DataAvailabilityMode,
    execution_resources::GasAmount,
    rpc_transaction::{RpcInvokeTransaction, RpcInvokeTransactionV3},
    transaction::{
        InvokeTransaction, InvokeTransactionV1, Transaction,
        fields::{
            AccountDeploymentData, AllResourceBounds, Calldata, PaymasterData, Proof, ProofFacts,
            ResourceBounds, Tip, TransactionSignature,
        },
    },
};
use starknet_types_core::felt::Felt;

use super::{
    class::{decompress, encode_class},
    *,
};
use crate::{Error, testing::Random};

fn invoke() -> RpcInvokeTransactionV3 {
    let bounds = |amount, price: u128| ResourceBounds {
        max_amount: GasAmount(amount),
        max_price_per_unit: price.into(),
    };
    RpcInvokeTransactionV3 {
        sender_address: ContractAddress(PatriciaKey::from(0xabc_u128)),
        calldata: Calldata(vec![Felt::ONE, -Felt::ONE].into()),
        signature: TransactionSignature(vec![Felt::TWO].into()),
        nonce: Nonce(Felt::THREE),
        resource_bounds: AllResourceBounds {
            l1_gas: bounds(1, 2),
            l2_gas: bounds(3, 4),
            l1_data_gas: bounds(5, 6),
        },
        tip: Tip(7),
        paymaster_data: PaymasterData::default(),
        account_deployment_data: AccountDeploymentData::default(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L2,
        proof_facts: ProofFacts::default(),
        proof: Proof::default(),
    }
}

fn encoded(transaction: RpcInvokeTransactionV3) -> Vec<u8> {
    encode_transaction(&RpcTransaction::Invoke(RpcInvokeTransaction::V3(transaction)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_a_transaction_do_not_change() {
    let felt = |value: u64| format!("{value:064x}");
    let minus_one = "0800000000000011000000000000000000000000000000000000000000000000";
    let golden = [
        "01 00",
        &felt(0xabc),
        "02000000",
        &felt(1),
        minus_one,
        "01000000",
        &felt(2),
        &felt(3),
        "0100000000000000 02000000000000000000000000000000",
        "0300000000000000 04000000000000000000000000000000",
        "0500000000000000 06000000000000000000000000000000",
        "0700000000000000",
        "00000000 00000000 00 01 00000000 00000000",
    ];
    assert_eq!(hex(&encoded(invoke())), golden.concat().replace(' ', ""));
}

#[test]
fn felts_addresses_and_modes_out_of_range_are_refused() {
    let good = encoded(invoke());
    assert!(decode_transaction(&good).is_ok());
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        decode_transaction(&bad).is_ok()
    };
    let (sender, calldata) = (2, 2 + 32 + 4);
    let mut modulus = (-Felt::ONE).to_bytes_be();
    modulus[31] = 1;
    assert!(!with(calldata, &modulus), "the modulus is no felt");
    assert!(!with(calldata, &[0xff; 32]));
    let mut bound = [0; 32];
    bound[0] = 0x08;
    assert!(with(calldata, &bound), "2^251 is a felt");
    assert!(!with(sender, &bound), "2^251 is no address");
    assert!(!with(good.len() - 9, &[2]), "two is no data availability mode");
    assert!(!with(0, &[2]), "an unknown version");
    assert!(!with(1, &[3]), "an unknown kind");
    assert!(!with(34, &u32::MAX.to_le_bytes()), "a lying count");
}

#[test]
fn a_transaction_with_a_proof_does_not_decode() {
    let proof = Proof::from(vec![1, 2, 3]);
    assert!(decode_transaction(&encoded(RpcInvokeTransactionV3 { proof, ..invoke() })).is_err());
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let refused = decode_transaction(&vec![0; TRANSACTION_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(DecodeError::TooLarge { .. })));
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).expect("compressible");
    assert!(matches!(decompress(&bomb, 1_000), Err(DecodeError::TooLarge { .. })));
    assert_eq!(decompress(&bomb, 1 << 20).expect("fits").len(), 1 << 20);
}

#[test]
fn a_block_with_an_old_transaction_is_not_encoded() {
    let mut random = Random::new(1);
    let mut block = random.block(starknet_api::block::BlockNumber(0));
    let mut old = random.executed_transaction();
    old.transaction = Transaction::Invoke(InvokeTransaction::V1(InvokeTransactionV1::default()));
    block.transactions.push(old.into());
    assert!(matches!(encode_block(&block), Err(Error::Unencodable { .. })));
}

proptest! {
    #[test]
    fn transactions_survive_in_one_form_only(seed in any::<u64>(), spoiled in any::<u64>()) {
        let mut random = Random::new(seed);
        let transaction = random.transaction();
        let bytes = encode_transaction(&transaction);
        prop_assert_eq!(&decode_transaction(&bytes).expect("own form"), &transaction);

        // Whatever else decodes is the form of what it decodes to.
        let mut bytes = bytes;
        let at = usize::try_from(spoiled).expect("64 bits") % bytes.len();
        bytes[at] ^= 1 << (spoiled % 8);
        if let Ok(other) = decode_transaction(&bytes) {
            prop_assert_eq!(encode_transaction(&other), bytes);
        }
    }

    #[test]
    fn a_transaction_decodes_from_all_of_its_bytes_only(seed in any::<u64>()) {
        let mut bytes = encode_transaction(&Random::new(seed).transaction());
        for length in 0..bytes.len() {
            prop_assert!(decode_transaction(&bytes[..length]).is_err());
        }
        bytes.push(0);
        prop_assert!(decode_transaction(&bytes).is_err());
    }

    #[test]
    fn blocks_survive(seed in any::<u64>(), number in any::<u64>()) {
        let block = Random::new(seed).block(starknet_api::block::BlockNumber(number));
        let bytes = Bytes::from(encode_block(&block).expect("a block of ours"));
        prop_assert_eq!(&decode_block(&bytes).expect("own form"), &block);
        let classes = encoded_classes(&bytes).expect("own form");
        prop_assert_eq!(classes.len(), block.classes.len());
        for ((hash, form), (expected, class)) in classes.iter().zip(&block.classes) {
            prop_assert_eq!(hash, expected);
            prop_assert_eq!(&decode_class(form).expect("own form"), class.as_ref());
            prop_assert_eq!(&encode_class(class).expect("a class of ours"), &forms::decompress(form));
        }
        for length in 0..bytes.len().min(300) {
            prop_assert!(decode_block(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..500),
        kind in 0_u8..4,
        seed in any::<u64>(),
        at in any::<u64>(),
        with in any::<u8>(),
    ) {
        let _ = decode_transaction(&bytes);
        let _ = decode_block(&bytes);
        let _ = decode_class(&bytes);
        let mut versioned = vec![1, kind];
        versioned.extend_from_slice(&bytes);
        let _ = decode_transaction(&versioned);
        versioned[0] = 2;
        let _ = decode_block(&versioned);

        // Nearly right is more dangerous than random.
        let mut random = Random::new(seed);
        let block = random.block(starknet_api::block::BlockNumber(1));
        let mut bytes = encode_block(&block).expect("a block of ours");
        let at = usize::try_from(at).expect("64 bits") % bytes.len();
        bytes[at] = with;
        let _ = decode_block(&bytes);
    }
}
