//! Every error that a caller can bring about on any chain, whoever runs it.

use kraken_execution::{
    genesis::{
        ACCOUNT_CLASS_HASH, PredeployedAccount, STRK_ADDRESS, STRK_CLASS_HASH, UDC_ADDRESS,
        UDC_LEGACY_CLASS_HASH,
    },
    testing,
};
use kraken_tests::{
    Client, Ledger, Wallet,
    client::hex,
    wallet::{broadcasted, call, submission},
};
use serde_json::{Value, json};
use starknet_api::{
    core::ClassHash, rpc_transaction::RpcTransaction, transaction::fields::AllResourceBounds,
};
use starknet_types_core::felt::Felt;

/// Where no contract is, and the hash of no transaction and of no class.
const NOWHERE: &str = "0x123456";

/// The key of an account that is deployed in the end.
const PRIVATE_KEY: Felt = Felt::from_hex_unchecked("0x77777");

/// A class that nobody has declared.
const UNDECLARED: ClassHash = ClassHash(Felt::from_hex_unchecked("0x1234"));

/// What a call of the STRK token may be asked for.
fn function(name: &str, calldata: &[&str]) -> Value {
    let selector = call(STRK_ADDRESS.into(), name, Vec::new()).selector.0;
    json!({
        "contract_address": hex(STRK_ADDRESS),
        "entry_point_selector": hex(selector),
        "calldata": calldata,
    })
}

#[track_caller]
fn refused(client: &Client, code: i64, (method, params): (&str, Value)) {
    let shown = format!("{method} {params:.300}");
    let (got, message, data) = client.refusal(method, params);
    assert_eq!(got, code, "{shown}: {message}, {data}");
}

/// Asks for what is not there, and for too much of it.
pub(crate) fn ask_for_nothing(client: &Client) {
    let (far, latest) = (json!({ "block_number": 99_999_999 }), json!("latest"));
    let strk = hex(STRK_ADDRESS);
    let call_of = |id: &Value| ("starknet_call", json!([function("name", &[]), id]));
    for request in [
        ("starknet_getBlockWithTxHashes", json!([far])),
        ("starknet_getBlockWithTxs", json!([far])),
        ("starknet_getBlockWithReceipts", json!([far])),
        ("starknet_getStateUpdate", json!([far])),
        ("starknet_getBlockTransactionCount", json!([far])),
        ("starknet_traceBlockTransactions", json!([far])),
        ("starknet_getTransactionByBlockIdAndIndex", json!([far, 0])),
        ("starknet_getStorageAt", json!([strk, "0x1", far])),
        ("starknet_getNonce", json!([far, strk])),
        ("starknet_getClassHashAt", json!([far, strk])),
        ("starknet_getClassAt", json!([far, strk])),
        ("starknet_getClass", json!([far, NOWHERE])),
        ("starknet_getStorageProof", json!([far])),
        ("starknet_estimateFee", json!([[], [], far])),
        ("starknet_simulateTransactions", json!([far, [], []])),
        ("starknet_getEvents", json!([{ "chunk_size": 1, "from_block": far }])),
        call_of(&far),
    ] {
        refused(client, 24, request);
    }
    for request in [
        ("starknet_getStorageAt", json!([NOWHERE, "0x1", latest])),
        ("starknet_getNonce", json!([latest, NOWHERE])),
        ("starknet_getClassHashAt", json!([latest, NOWHERE])),
        ("starknet_getClassAt", json!([latest, NOWHERE])),
    ] {
        refused(client, 20, request);
    }
    for method in [
        "starknet_getTransactionByHash",
        "starknet_getTransactionReceipt",
        "starknet_getTransactionStatus",
        "starknet_traceTransaction",
        "starknet_getMessagesStatus",
    ] {
        refused(client, 29, (method, json!([NOWHERE])));
    }
    refused(client, 28, ("starknet_getClass", json!([latest, NOWHERE])));
    refused(client, 28, ("starknet_getCompiledCasm", json!([NOWHERE])));
    refused(client, 27, ("starknet_getTransactionByBlockIdAndIndex", json!([latest, 9_999])));
    let many: Vec<_> = (1..=1_025).map(|number| format!("{number:#x}")).collect();
    for (code, filter) in [
        (31, json!({ "chunk_size": 1_025 })),
        (33, json!({ "chunk_size": 1, "continuation_token": "what" })),
        (34, json!({ "chunk_size": 1, "keys": [many] })),
    ] {
        refused(client, code, ("starknet_getEvents", json!([filter])));
    }
    // The universal deployer of old is of Cairo 0.
    let deprecated = json!([hex(UDC_LEGACY_CLASS_HASH.0)]);
    refused(client, 100, ("starknet_getCompiledCasm", deprecated));
}

/// Calls, estimates and messages that fail. `from` is an account with the nonce 0 or another.
pub(crate) fn ask_for_failures(client: &Client, wallet: &Wallet, from: usize) {
    let latest = json!("latest");
    let mut nowhere = function("name", &[]);
    nowhere["contract_address"] = json!(NOWHERE);
    let mut unknown = function("name", &[]);
    unknown["entry_point_selector"] = json!(NOWHERE);
    let reverting = function("transfer", &["0x0", "0x1", "0x0"]);
    for (code, request) in [(20, nowhere), (21, unknown), (40, reverting)] {
        refused(client, code, ("starknet_call", json!([request, latest])));
    }
    let mut forged = broadcasted(&wallet.transfer(from, 0, from, 1));
    forged["signature"] = json!(["0x1", "0x2"]);
    let mut nobody = forged.clone();
    nobody["sender_address"] = json!(NOWHERE);
    refused(client, 41, ("starknet_estimateFee", json!([[forged], [], latest])));
    refused(client, 20, ("starknet_estimateFee", json!([[nobody], [], latest])));
    refused(client, 41, ("starknet_simulateTransactions", json!([latest, [forged], []])));
    let message = |to: &str, id: Value| {
        let message = json!({
            "from_address": "0x0000000000000000000000000000000000001234",
            "to_address": to,
            "entry_point_selector": "0x1",
            "payload": [],
        });
        ("starknet_estimateMessageFee", json!([message, id]))
    };
    let strk = hex(STRK_ADDRESS);
    refused(client, 24, message(&strk, json!({ "block_number": 99_999_999 })));
    refused(client, 20, message(NOWHERE, latest.clone()));
    refused(client, 40, message(&strk, latest));
}

/// Sends every transaction that is refused. Those that must be taken before are sent to the path of
/// the older version.
///
/// Needs three accounts from `from` on that have sent nothing, and [`Ledger::get`] declared.
pub(crate) fn send_bad_ones(client: &Client, from: usize) {
    let sender = Sender::prepare(client, from);
    sender.bad_invokes();
    sender.bad_declares();
    sender.bad_deployments();
    let waiting = json!([hex(sender.waiting.0)]);
    refused(client, 10, ("starknet_traceTransaction", waiting));
}

/// Accounts, and what they have sent.
struct Sender<'a> {
    client: &'a Client,
    wallet: Wallet,
    /// Its next nonce is 1.
    account: usize,
    /// In a block.
    used: RpcTransaction,
    /// In the pool, for want of the nonce before; with its hash and another one of that nonce.
    waiting: (Felt, RpcTransaction),
    /// In a block.
    declared: RpcTransaction,
}

impl<'a> Sender<'a> {
    fn prepare(client: &'a Client, account: usize) -> Self {
        let wallet = Wallet::new(u16::try_from(account + 3).expect("small"));
        // All of these can pay, and none of them is an account.
        let [account_to_be, classless, token] =
            [ACCOUNT_CLASS_HASH, UNDECLARED, STRK_CLASS_HASH].map(|class| unborn(class).address);
        let gifts = [UDC_ADDRESS, account_to_be, classless, token]
            .map(|to| testing::transfer_call(STRK_ADDRESS, to, 2 * 10_u128.pow(20)));
        let used = wallet.multicall(account, 0, &gifts);
        let other = Ledger::get().variant("[ ]");
        let declared = wallet.declare(account + 2, 0, other.class, other.compiled_class_hash);
        let older = client.older();
        for transaction in [&used, &declared] {
            let hash = older.submit(transaction).expect("it is good").hash;
            assert_eq!(client.accepted(hash)["execution_status"], "SUCCEEDED");
        }
        let ahead = |amount| wallet.transfer(account + 1, 1, account, amount);
        let waiting = client.submit(&ahead(1)).expect("nonces may be ahead").hash;
        let waiting = (waiting, ahead(2));
        Self { client, account, used, waiting, declared, wallet }
    }

    /// Sends a transaction, changed.
    #[track_caller]
    fn refused(&self, code: i64, transaction: &RpcTransaction, change: impl FnOnce(&mut Value)) {
        let (method, mut params) = submission(transaction);
        let body = params.as_object_mut().and_then(|params| params.values_mut().next());
        change(body.expect("one parameter"));
        refused(self.client, code, (method, params));
    }

    fn bad_invokes(&self) {
        let (wallet, account) = (&self.wallet, self.account);
        let next = wallet.transfer(account, 1, account, 1);
        let within = |change: fn(&mut AllResourceBounds)| {
            wallet.multicall_within(account, 1, &[], bounds(change))
        };
        self.refused(52, &wallet.transfer(account, 0, account, 2), unchanged);
        self.refused(53, &within(starved), unchanged);
        self.refused(54, &within(rich), unchanged);
        self.refused(55, &next, forged);
        self.refused(58, &next, of_no_account);
        self.refused(59, &self.used, unchanged);
        self.refused(61, &next, |body| body["version"] = json!("0x1"));
        self.refused(64, &self.waiting.1, unchanged);
        self.refused(65, &within(cheap), unchanged);
        self.refused(69, &next, |body| body["proof_facts"] = json!(["0x1"]));
    }

    fn bad_declares(&self) {
        let of = |nonce, class: &Ledger| {
            let compiled = class.compiled_class_hash;
            self.wallet.declare(self.account, nonce, class.class.clone(), compiled)
        };
        let class = Ledger::get().variant("[]");
        let changed = |change: fn(&mut Ledger)| {
            let mut changed = class.clone();
            change(&mut changed);
            of(1, &changed)
        };
        let next = of(1, &class);
        let price = |price: &'static str| {
            move |body: &mut Value| {
                body["resource_bounds"]["l2_gas"]["max_price_per_unit"] = json!(price);
            }
        };
        self.refused(51, &of(1, Ledger::get()), unchanged);
        self.refused(52, &of(0, &class), unchanged);
        self.refused(53, &next, |body| {
            body["resource_bounds"]["l2_gas"]["max_amount"] = json!("0x1");
        });
        self.refused(54, &next, price("0xffffffffffffffffff"));
        self.refused(55, &next, forged);
        let cut = |ledger: &mut Ledger| {
            let length = ledger.class.sierra_program.len();
            ledger.class.sierra_program.truncate(length - 20);
        };
        self.refused(56, &changed(cut), unchanged);
        let long = |ledger: &mut Ledger| ledger.class.sierra_program.resize(81_921, Felt::ONE);
        self.refused(57, &changed(long), unchanged);
        self.refused(58, &next, of_no_account);
        self.refused(59, &self.declared, unchanged);
        let lie = |ledger: &mut Ledger| ledger.compiled_class_hash += Felt::ONE;
        self.refused(60, &changed(lie), unchanged);
        self.refused(61, &next, |body| body["version"] = json!("0x2"));
        // The program begins with the version of its language.
        let newer = |ledger: &mut Ledger| ledger.class.sierra_program[1] = Felt::from(99);
        self.refused(62, &changed(newer), unchanged);
        self.refused(65, &next, price("0x1"));
    }

    fn bad_deployments(&self) {
        let wallet = &self.wallet;
        let of = |class| deployment(wallet, class, testing::ample_bounds());
        let within = |change| deployment(wallet, ACCOUNT_CLASS_HASH, bounds(change));
        let next = of(ACCOUNT_CLASS_HASH);
        let (_, of_a_pauper) = wallet.new_account(PRIVATE_KEY + Felt::ONE);
        self.refused(28, &of(UNDECLARED), unchanged);
        self.refused(52, &next, |body| body["nonce"] = json!("0x1"));
        self.refused(53, &within(starved), unchanged);
        self.refused(54, &of_a_pauper, unchanged);
        self.refused(55, &of(STRK_CLASS_HASH), unchanged);
        self.refused(61, &next, |body| body["version"] = json!("0x1"));
        self.refused(65, &within(cheap), unchanged);
        let hash = self.client.older().submit(&next).expect("it is good").hash;
        self.client.accepted(hash);
        self.refused(59, &next, unchanged);
    }
}

/// An account that is not deployed, of a class that may be none of an account.
fn unborn(class: ClassHash) -> PredeployedAccount {
    testing::account(PRIVATE_KEY, class, Felt::ONE)
}

fn deployment(wallet: &Wallet, class: ClassHash, bounds: AllResourceBounds) -> RpcTransaction {
    testing::deploy_account(wallet.chain(), &unborn(class), class, Felt::ONE, bounds)
}

fn bounds(change: fn(&mut AllResourceBounds)) -> AllResourceBounds {
    let mut bounds = testing::ample_bounds();
    change(&mut bounds);
    bounds
}

fn starved(bounds: &mut AllResourceBounds) {
    bounds.l2_gas.max_amount.0 = 10;
}

fn rich(bounds: &mut AllResourceBounds) {
    bounds.l2_gas.max_price_per_unit.0 = 10_u128.pow(30);
}

fn cheap(bounds: &mut AllResourceBounds) {
    bounds.l2_gas.max_price_per_unit.0 = 999_999_999;
}

fn unchanged(_: &mut Value) {}

fn forged(body: &mut Value) {
    body["signature"] = json!(["0x1", "0x2"]);
}

/// Sent by a contract that is none.
fn of_no_account(body: &mut Value) {
    body["sender_address"] = json!(hex(UDC_ADDRESS));
    body["nonce"] = json!("0x0");
}
