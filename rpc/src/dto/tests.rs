use std::collections::BTreeSet;

use kraken_execution::{FeeEstimate as Estimate, QueryTransaction};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use starknet_api::{
    core::{ClassHash, CompiledClassHash, EthAddress, Nonce},
    data_availability::DataAvailabilityMode,
    rpc_transaction::{RpcDeclareTransaction, RpcInvokeTransaction, RpcTransaction},
    state::{StorageKey, ThinStateDiff},
    transaction::{
        DeclareTransaction, DeclareTransactionV3, DeployAccountTransaction,
        DeployAccountTransactionV3, Event, EventContent, EventData, EventKey, InvokeTransaction,
        InvokeTransactionV1, L1HandlerTransaction, L2ToL1Payload, MessageToL1,
        RevertedTransactionExecutionStatus, Transaction as Stored, TransactionExecutionStatus,
        fields::{
            AccountDeploymentData, Calldata, ContractAddressSalt, Fee, PaymasterData, Tip,
            TransactionSignature,
        },
    },
};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{
        block::{Block, TransactionWithReceipt},
        class::DeprecatedClass,
        event::{EmittedEvent, EventPlace},
        fee::FeeEstimate,
        flag::TransactionFlag,
        receipt::{Finality, Receipt, ReceiptWithBlock},
        state_update::{Context, OpenUpdate, StateDiff, StateUpdate},
        transaction::{Transaction, TransactionWithHash},
    },
    fixture::{bounds, closed, emitted, executed, felts, invoke, unsealed},
    params::{FromInput, Input, Path},
    version::Version,
};

fn shown(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

fn event() -> Event {
    Event {
        from_address: 0xab_u128.into(),
        content: EventContent {
            keys: felts([1, 2]).into_iter().map(EventKey).collect(),
            data: EventData(felts([3])),
        },
    }
}

fn bounds_shown() -> Value {
    json!({
        "l1_gas": {"max_amount": "0x0", "max_price_per_unit": "0x0"},
        "l2_gas": {"max_amount": "0xff", "max_price_per_unit": "0x100"},
        "l1_data_gas": {"max_amount": "0x1", "max_price_per_unit": "0x2"},
    })
}

fn invoke_shown() -> Value {
    json!({
        "type": "INVOKE",
        "version": "0x3",
        "sender_address": "0x44",
        "calldata": ["0x5", "0x6"],
        "signature": ["0x1", "0x2"],
        "nonce": "0x3",
        "resource_bounds": bounds_shown(),
        "tip": "0xa",
        "paymaster_data": [],
        "account_deployment_data": [],
        "nonce_data_availability_mode": "L1",
        "fee_data_availability_mode": "L2",
    })
}

fn with(mut value: Value, more: &Value) -> Value {
    let object = value.as_object_mut().expect("an object");
    object.extend(more.as_object().expect("an object").clone());
    value
}

#[test]
fn an_invoke_shows_its_proof_facts_on_demand() {
    let stored = emitted(0x99, vec![]);
    let plain = with(invoke_shown(), &json!({"transaction_hash": "0x99"}));
    assert_eq!(shown(&TransactionWithHash::new(&stored, &[])), plain);
    let flags = [TransactionFlag::IncludeProofFacts];
    let full = with(plain, &json!({"proof_facts": ["0x7"]}));
    assert_eq!(shown(&TransactionWithHash::new(&stored, &flags)), full);

    let mut without_facts = invoke();
    without_facts.proof_facts = starknet_api::transaction::fields::ProofFacts::default();
    let stored = Stored::Invoke(InvokeTransaction::V3(without_facts));
    assert_eq!(
        shown(&Transaction::new(&stored, &flags)),
        with(invoke_shown(), &json!({"proof_facts": []}))
    );
}

#[test]
fn a_declare_shows_both_class_hashes() {
    let stored = Stored::Declare(DeclareTransaction::V3(DeclareTransactionV3 {
        resource_bounds: bounds(),
        tip: Tip(0),
        signature: TransactionSignature::default(),
        nonce: Nonce(Felt::ZERO),
        class_hash: ClassHash(Felt::from(0xc1)),
        compiled_class_hash: CompiledClassHash(Felt::from(0xc2)),
        sender_address: 0x44_u128.into(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
        paymaster_data: PaymasterData(vec![]),
        account_deployment_data: AccountDeploymentData(vec![]),
    }));
    assert_eq!(
        shown(&Transaction::new(&stored, &[])),
        json!({
            "type": "DECLARE",
            "version": "0x3",
            "sender_address": "0x44",
            "class_hash": "0xc1",
            "compiled_class_hash": "0xc2",
            "signature": [],
            "nonce": "0x0",
            "resource_bounds": bounds_shown(),
            "tip": "0x0",
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        })
    );
}

fn deploy_account() -> DeployAccountTransactionV3 {
    DeployAccountTransactionV3 {
        resource_bounds: bounds(),
        tip: Tip(0),
        signature: TransactionSignature(felts([1]).into()),
        nonce: Nonce(Felt::ZERO),
        class_hash: ClassHash(Felt::from(0xc1)),
        contract_address_salt: ContractAddressSalt(Felt::from(0x5a)),
        constructor_calldata: Calldata(felts([4]).into()),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
        paymaster_data: PaymasterData(vec![]),
    }
}

#[test]
fn a_deploy_account_names_the_contract_in_its_receipt_only() {
    let stored = Stored::DeployAccount(DeployAccountTransaction::V3(deploy_account()));
    let transaction = shown(&Transaction::new(&stored, &[]));
    assert_eq!(
        transaction,
        json!({
            "type": "DEPLOY_ACCOUNT",
            "version": "0x3",
            "class_hash": "0xc1",
            "contract_address_salt": "0x5a",
            "constructor_calldata": ["0x4"],
            "signature": ["0x1"],
            "nonce": "0x0",
            "resource_bounds": bounds_shown(),
            "tip": "0x0",
            "paymaster_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        })
    );
    let executed = executed(1, stored, vec![]);
    let receipt = shown(&Receipt::new(&executed, Finality::AcceptedOnL2));
    assert_eq!(receipt["type"], "DEPLOY_ACCOUNT");
    assert!(receipt["contract_address"].as_str().is_some_and(|address| address.len() > 60));
}

#[test]
fn transactions_of_old_versions_keep_their_shape() {
    let old = Stored::Invoke(InvokeTransaction::V1(InvokeTransactionV1 {
        max_fee: Fee(0x10),
        signature: TransactionSignature(felts([1]).into()),
        nonce: Nonce(Felt::TWO),
        sender_address: 0x44_u128.into(),
        calldata: Calldata(felts([5]).into()),
    }));
    assert_eq!(
        shown(&Transaction::new(&old, &[])),
        json!({
            "type": "INVOKE",
            "version": "0x1",
            "max_fee": "0x10",
            "signature": ["0x1"],
            "nonce": "0x2",
            "sender_address": "0x44",
            "calldata": ["0x5"],
        })
    );
    let executed = executed(1, old, vec![]);
    let receipt = shown(&Receipt::new(&executed, Finality::AcceptedOnL2));
    assert_eq!(receipt["actual_fee"], json!({"amount": "0xfee", "unit": "WEI"}));
}

#[test]
fn a_message_from_l1_is_named_by_its_hash() {
    let handler = Stored::L1Handler(L1HandlerTransaction {
        calldata: Calldata(felts([0xe, 5]).into()),
        contract_address: 0x44_u128.into(),
        ..L1HandlerTransaction::default()
    });
    assert_eq!(
        shown(&Transaction::new(&handler, &[])),
        json!({
            "type": "L1_HANDLER",
            "version": "0x0",
            "nonce": "0x0",
            "contract_address": "0x44",
            "entry_point_selector": "0x0",
            "calldata": ["0xe", "0x5"],
        })
    );
    let executed = executed(1, handler, vec![]);
    let receipt = shown(&Receipt::new(&executed, Finality::AcceptedOnL2));
    let hash = receipt["message_hash"].as_str().expect("text");
    assert!(hash.starts_with("0x") && hash.len() == 66, "{hash}");
}

#[test]
fn a_receipt_says_what_came_of_it_and_where() {
    let mut reverted =
        executed(0x99, Stored::Invoke(InvokeTransaction::V3(invoke())), vec![event()]);
    reverted.receipt.execution_status =
        TransactionExecutionStatus::Reverted(RevertedTransactionExecutionStatus {
            revert_reason: "no \"luck\"".to_owned(),
        });
    reverted.receipt.messages_sent = vec![MessageToL1 {
        from_address: 0x44_u128.into(),
        to_address: EthAddress::try_from(Felt::from(0xe)).expect("small"),
        payload: L2ToL1Payload(felts([8])),
    }];
    let expected = json!({
        "type": "INVOKE",
        "transaction_hash": "0x99",
        "actual_fee": {"amount": "0xfee", "unit": "FRI"},
        "finality_status": "ACCEPTED_ON_L2",
        "execution_status": "REVERTED",
        "revert_reason": "no \"luck\"",
        "messages_sent": [{"from_address": "0x44", "to_address": "0xe", "payload": ["0x8"]}],
        "events": [{"from_address": "0xab", "keys": ["0x1", "0x2"], "data": ["0x3"]}],
        "execution_resources": {"l1_gas": 0, "l1_data_gas": 128, "l2_gas": 1_000_000},
        "block_hash": "0x8000",
        "block_number": 7,
    });
    let with_block = |executed, block, accepted_on_l1: Option<u64>| {
        let finality = Finality::of(block, accepted_on_l1.map(starknet_api::block::BlockNumber));
        shown(&ReceiptWithBlock::new(executed, block, finality))
    };
    let block = closed(7, vec![]);
    assert_eq!(with_block(&reverted, &block, Some(6)), expected);
    let on_l1 = with_block(&reverted, &block, Some(7));
    assert_eq!(on_l1["finality_status"], "ACCEPTED_ON_L1");

    let pre_confirmed = with_block(&emitted(1, vec![]), &unsealed(8, vec![]), None);
    assert_eq!(pre_confirmed["finality_status"], "PRE_CONFIRMED");
    assert_eq!(pre_confirmed["execution_status"], "SUCCEEDED");
    assert_eq!(pre_confirmed["block_number"], 8);
    assert_eq!(pre_confirmed.get("block_hash"), None);
    assert_eq!(pre_confirmed.get("revert_reason"), None);
}

#[test]
fn a_closed_block_has_a_whole_header() {
    let block = closed(7, vec![emitted(0x99, vec![])]);
    let hashes: Vec<Felt> = block.transactions().iter().map(|executed| executed.hash.0).collect();
    assert_eq!(
        shown(&Block::new(&block, Finality::of(&block, None), hashes, Version::NEWEST)),
        json!({
            "status": "ACCEPTED_ON_L2",
            "block_hash": "0x8000",
            "parent_hash": "0x8001",
            "new_root": "0x8002",
            "transaction_commitment": "0x8003",
            "event_commitment": "0x8004",
            "receipt_commitment": "0x8005",
            "state_diff_commitment": "0x8006",
            "transaction_count": 1,
            "event_count": 8,
            "state_diff_length": 9,
            "block_number": 7,
            "timestamp": 1_007,
            "sequencer_address": "0x5e9",
            "l1_gas_price": {"price_in_fri": "0x11", "price_in_wei": "0x1"},
            "l1_data_gas_price": {"price_in_fri": "0x12", "price_in_wei": "0x2"},
            "l2_gas_price": {"price_in_fri": "0x13", "price_in_wei": "0x3"},
            "l1_da_mode": "BLOB",
            "starknet_version": "0.14.4",
            "transactions": ["0x99"],
        })
    );
}

#[test]
fn version_0_9_has_less_of_everything() {
    let block = closed(7, vec![emitted(0x99, vec![])]);
    let header =
        |version| shown(&Block::<Felt>::new(&block, Finality::AcceptedOnL2, vec![], version));
    let newer = [
        "transaction_commitment",
        "event_commitment",
        "receipt_commitment",
        "state_diff_commitment",
        "transaction_count",
        "event_count",
        "state_diff_length",
    ];
    assert_eq!(lost(&header(Version::V0_10), &header(Version::V0_9)), BTreeSet::from(newer));

    let diff = |version| shown(&StateDiff::new(&diff(), &Context { version, ..unfiltered() }));
    let newer = ["migrated_compiled_classes"];
    assert_eq!(lost(&diff(Version::V0_10), &diff(Version::V0_9)), BTreeSet::from(newer));

    let place = EventPlace { transaction_index: 0, event_index: 0 };
    let [executed] = &[emitted(0x99, vec![event()])];
    let event = |version| shown(&EmittedEvent::new(executed, (7, None), place, version));
    let newer = ["transaction_index", "event_index"];
    assert_eq!(lost(&event(Version::V0_10), &event(Version::V0_9)), BTreeSet::from(newer));
}

/// The fields that one has and the other does not, where they agree on the rest.
fn lost<'a>(newer: &'a Value, older: &Value) -> BTreeSet<&'a str> {
    let newer = newer.as_object().expect("an object");
    let older = older.as_object().expect("an object");
    for (name, value) in older {
        assert_eq!(newer.get(name), Some(value), "{name}");
    }
    newer.keys().filter(|name| !older.contains_key(*name)).map(String::as_str).collect()
}

#[test]
fn an_open_block_has_no_hash_no_status_and_no_parent() {
    let block = unsealed(8, vec![emitted(0x99, vec![])]);
    let transactions: Vec<_> = block
        .transactions()
        .iter()
        .map(|executed| TransactionWithReceipt {
            transaction: Transaction::new(&executed.transaction, &[]),
            receipt: Receipt::new(executed, Finality::of(&block, None)),
        })
        .collect();
    let shown =
        shown(&Block::new(&block, Finality::of(&block, None), transactions, Version::NEWEST));
    let fields: BTreeSet<&str> =
        shown.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = BTreeSet::from([
        "block_number",
        "timestamp",
        "sequencer_address",
        "l1_gas_price",
        "l2_gas_price",
        "l1_data_gas_price",
        "l1_da_mode",
        "starknet_version",
        "transactions",
    ]);
    assert_eq!(fields, expected);
    assert_eq!(shown["transactions"][0]["transaction"], invoke_shown());
    assert_eq!(shown["transactions"][0]["receipt"]["transaction_hash"], "0x99");
}

fn diff() -> ThinStateDiff {
    let key = |number: u128| StorageKey::from(number);
    ThinStateDiff {
        deployed_contracts: [(0x1_u128, 0xc1), (0x2, 0xc2)]
            .map(|(address, class)| (address.into(), ClassHash(Felt::from(class))))
            .into_iter()
            .collect(),
        storage_diffs: [
            (1_u128.into(), [(key(5), Felt::from(6))].into_iter().collect()),
            (3_u128.into(), [(key(7), Felt::ZERO)].into_iter().collect()),
        ]
        .into_iter()
        .collect(),
        class_hash_to_compiled_class_hash: [(0xd1, 0xe1), (0xd2, 0xe2)]
            .map(|(class, compiled)| {
                (ClassHash(Felt::from(class)), CompiledClassHash(Felt::from(compiled)))
            })
            .into_iter()
            .collect(),
        deprecated_declared_classes: vec![ClassHash(Felt::from(0xf1))],
        nonces: [(3_u128.into(), Nonce(Felt::from(4)))].into_iter().collect(),
    }
}

/// Nothing is replaced or declared, everything is shown.
fn unfiltered() -> Context {
    Context {
        version: Version::NEWEST,
        replaced: BTreeSet::new(),
        declared: BTreeSet::new(),
        shown: None,
    }
}

#[test]
fn a_state_diff_tells_new_contracts_from_replaced_ones_and_declared_from_migrated() {
    let context = Context {
        replaced: BTreeSet::from([2_u128.into()]),
        declared: BTreeSet::from([ClassHash(Felt::from(0xd1))]),
        ..unfiltered()
    };
    assert_eq!(
        shown(&StateDiff::new(&diff(), &context)),
        json!({
            "storage_diffs": [
                {"address": "0x1", "storage_entries": [{"key": "0x5", "value": "0x6"}]},
                {"address": "0x3", "storage_entries": [{"key": "0x7", "value": "0x0"}]},
            ],
            "deprecated_declared_classes": ["0xf1"],
            "declared_classes": [{"class_hash": "0xd1", "compiled_class_hash": "0xe1"}],
            "migrated_compiled_classes": [{"class_hash": "0xd2", "compiled_class_hash": "0xe2"}],
            "deployed_contracts": [{"address": "0x1", "class_hash": "0xc1"}],
            "replaced_classes": [{"contract_address": "0x2", "class_hash": "0xc2"}],
            "nonces": [{"contract_address": "0x3", "nonce": "0x4"}],
        })
    );
}

#[test]
fn a_filter_by_contract_leaves_declarations_alone() {
    let context = Context {
        declared: diff().class_hash_to_compiled_class_hash.into_keys().collect(),
        shown: Some(BTreeSet::from([3_u128.into()])),
        ..unfiltered()
    };
    let shown = shown(&StateDiff::new(&diff(), &context));
    assert_eq!(shown["deployed_contracts"], json!([]));
    assert_eq!(shown["storage_diffs"].as_array().expect("a list").len(), 1);
    assert_eq!(shown["nonces"].as_array().expect("a list").len(), 1);
    assert_eq!(shown["declared_classes"].as_array().expect("a list").len(), 2);
    assert_eq!(shown["deprecated_declared_classes"], json!(["0xf1"]));
}

#[test]
fn a_state_update_without_a_hash_is_pre_confirmed() {
    let state_diff = StateDiff::new(&ThinStateDiff::default(), &unfiltered());
    let update = StateUpdate::Open(OpenUpdate { old_root: Some(Felt::from(5)), state_diff });
    let empty = json!({
        "storage_diffs": [],
        "deprecated_declared_classes": [],
        "declared_classes": [],
        "deployed_contracts": [],
        "replaced_classes": [],
        "nonces": [],
    });
    assert_eq!(shown(&update), json!({"old_root": "0x5", "state_diff": empty}));
}

#[test]
fn an_estimate_is_in_hexadecimal_and_fri() {
    let estimate = Estimate {
        l1_gas_consumed: 0,
        l1_gas_price: 1,
        l2_gas_consumed: u64::MAX,
        l2_gas_price: u128::MAX,
        l1_data_gas_consumed: 128,
        l1_data_gas_price: 2,
        overall_fee: 10,
    };
    assert_eq!(
        shown(&FeeEstimate::in_fri(estimate)),
        json!({
            "l1_gas_consumed": "0x0",
            "l1_gas_price": "0x1",
            "l2_gas_consumed": "0xffffffffffffffff",
            "l2_gas_price": "0xffffffffffffffffffffffffffffffff",
            "l1_data_gas_consumed": "0x80",
            "l1_data_gas_price": "0x2",
            "overall_fee": "0xa",
            "unit": "FRI",
        })
    );
}

#[test]
fn a_class_of_cairo_0_is_packed() {
    let class: starknet_api::deprecated_contract_class::ContractClass =
        serde_json::from_value(json!({
            "abi": [{"type": "function", "name": "f", "inputs": [], "outputs": []}],
            "program": {
                "builtins": [], "data": ["0x1"], "hints": {}, "identifiers": {},
                "main_scope": "__main__", "prime": "0x2", "reference_manager": {},
            },
            "entry_points_by_type": {
                "EXTERNAL": [{"selector": "0x5", "offset": 16}],
                "CONSTRUCTOR": [],
            },
        }))
        .expect("a class");
    let shown = shown(&DeprecatedClass::new(&class).expect("JSON"));
    assert_eq!(
        shown["entry_points_by_type"],
        json!({
            "EXTERNAL": [{"selector": "0x5", "offset": "0x10"}],
            "CONSTRUCTOR": [],
            "L1_HANDLER": [],
        })
    );
    assert_eq!(
        shown["abi"],
        json!([{"type": "function", "name": "f", "inputs": [], "outputs": []}])
    );
    // The magic number of gzip, in base 64.
    assert!(shown["program"].as_str().is_some_and(|program| program.starts_with("H4sI")));
}

fn read(json: &Value) -> Result<QueryTransaction, String> {
    let raw: Box<RawValue> = serde_json::from_str(&json.to_string()).expect("valid JSON");
    QueryTransaction::from_input(&Input::new(Path::Field(&Path::Root, "tx"), &raw, Version::NEWEST))
        .map_err(|error| error.to_string())
}

#[test]
fn an_invoke_is_read_back_as_it_is_shown() {
    let read = read(&with(invoke_shown(), &json!({"proof_facts": ["0x7"], "proof": "AQI="})));
    let QueryTransaction { transaction, query_version, .. } = read.expect("valid");
    assert!(!query_version);
    let RpcTransaction::Invoke(RpcInvokeTransaction::V3(read)) = transaction else {
        panic!("not an invoke");
    };
    assert_eq!(*read.proof.0, [1, 2]);
    assert_eq!(starknet_api::transaction::InvokeTransactionV3::from(read), invoke());
}

#[test]
fn a_transaction_for_an_estimate_has_the_query_bit() {
    let query = json!({"version": "0x100000000000000000000000000000003", "signature": []});
    assert!(read(&with(invoke_shown(), &query)).expect("valid").query_version);
}

#[test]
fn errors_in_transactions_name_the_field() {
    let bad_bounds = json!({
        "l1_gas": {"max_amount": "0x0", "max_price_per_unit": "0x0"},
        "l2_gas": {"max_amount": "0x10000000000000000", "max_price_per_unit": "0x0"},
        "l1_data_gas": {"max_amount": "0x0", "max_price_per_unit": "0x0"},
    });
    for (change, start) in [
        (json!({"type": "DEPLOY"}), "tx.type: expected INVOKE, DECLARE or DEPLOY_ACCOUNT"),
        (json!({"version": "0x1"}), "tx: unsupported version"),
        (json!({"calldata": ["0x1", "0xg"]}), "tx.calldata[1]: expected a field element"),
        (json!({"resource_bounds": bad_bounds}), "tx.resource_bounds.l2_gas.max_amount: "),
        (json!({"fee_data_availability_mode": 0}), "tx.fee_data_availability_mode: "),
        (json!({"max_fee": "0x1"}), "tx.max_fee: unknown field"),
        (json!({"proof": "!"}), "tx.proof: expected text in base 64"),
        (json!({"sender_address": null}), "tx.sender_address: expected text"),
    ] {
        let message = read(&with(invoke_shown(), &change)).expect_err("invalid");
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn a_class_is_read_with_its_program_as_a_list_and_its_abi_as_text() {
    let class = json!({
        "sierra_program": ["0x1", "0x2"],
        "contract_class_version": "0.1.0",
        "entry_points_by_type": {
            "CONSTRUCTOR": [],
            "EXTERNAL": [{"selector": "0x5", "function_idx": 3}],
            "L1_HANDLER": [],
        },
        "abi": "[]",
        "sierra_program_debug_info": {"type_names": []},
    });
    let mut declare = with(
        invoke_shown(),
        &json!({"type": "DECLARE", "compiled_class_hash": "0xc2", "contract_class": class}),
    );
    declare.as_object_mut().expect("an object").remove("calldata");
    let RpcTransaction::Declare(RpcDeclareTransaction::V3(read_declare)) =
        read(&declare).expect("valid").transaction
    else {
        panic!("not a declare");
    };
    let read_class = read_declare.contract_class;
    assert_eq!(read_class.sierra_program, felts([1, 2]));
    assert_eq!(read_class.abi, "[]");
    assert_eq!(read_class.entry_points_by_type.external[0].function_idx.0, 3);
    // The form of the class is that of CONTRACT_CLASS, so it is shown as it is.
    let mut without_debug = class;
    without_debug.as_object_mut().expect("an object").remove("sierra_program_debug_info");
    assert_eq!(shown(&read_class), without_debug);

    declare["contract_class"]["sierra_program"] = json!("H4sI");
    let message = read(&declare).expect_err("packed");
    assert_eq!(message, "tx.contract_class.sierra_program: expected a list, got \"H4sI\"");
}

#[test]
fn a_deploy_account_may_carry_empty_account_deployment_data() {
    let stored = Stored::DeployAccount(DeployAccountTransaction::V3(deploy_account()));
    let sent = shown(&Transaction::new(&stored, &[]));
    assert!(read(&sent).is_ok());
    assert!(read(&with(sent.clone(), &json!({"account_deployment_data": []}))).is_ok());
    assert!(read(&with(sent, &json!({"account_deployment_data": ["0x1"]}))).is_err());
}

proptest! {
    /// Transactions come from outside: a damaged one is read or refused, and never more.
    #[test]
    fn a_damaged_transaction_never_panics(
        at in 0_usize..700,
        by in r#"[\[{}\],:"x0-9a-f]{0,3}"#,
    ) {
        let sent = invoke_shown().to_string();
        let at = at.min(sent.len());
        let damaged = format!("{}{by}{}", &sent[..at], &sent[sent.len().min(at + by.len())..]);
        if let Ok(raw) = serde_json::from_str::<Box<RawValue>>(&damaged) {
            let input = Input::new(Path::Field(&Path::Root, "tx"), &raw, Version::NEWEST);
            if let Err(error) = QueryTransaction::from_input(&input) {
                prop_assert!(error.field.starts_with("tx"), "{}", error);
            }
        }
    }
}
