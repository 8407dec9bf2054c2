//! Invokes and deployments that are refused.

use kraken_execution::{
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, STRK_CLASS_HASH, UDC_ADDRESS},
    testing,
};
use kraken_tests::{
    Client, Ledger, Matrix, Node, Wallet,
    client::{hex, wait_for},
    wallet::deploy_call,
};
use serde_json::{Value, json};
use starknet_api::{core::ClassHash, rpc_transaction::RpcTransaction};
use starknet_types_core::felt::Felt;

use super::{refused, run, unchanged};

/// A chain with an account whose nonce is 1, and of another one a transaction that waits for the
/// nonce before it.
struct Chain {
    wallet: Wallet,
    used: RpcTransaction,
    waiting: RpcTransaction,
}

impl Chain {
    fn prepare(client: &Client) -> Self {
        let wallet = Wallet::new(3);
        // A contract that is no account, and could pay.
        let no_account = testing::transfer_call(STRK_ADDRESS, UDC_ADDRESS, 2 * 10_u128.pow(20));
        let used = wallet.multicall(0, 0, &[no_account]);
        client.submit(&used).expect("it is good");
        wait_for("the first transfer", || {
            (client.nonce(wallet.address(0)).expect("the node answers") == 1).then_some(())
        });
        let waiting = wallet.transfer(1, 1, 0, 1);
        client.submit(&waiting).expect("nonces may be ahead");
        Self { wallet, used, waiting }
    }
}

fn forge(body: &mut Value) {
    body["signature"] = json!(["0x1", "0x2"]);
}

#[test]
fn bad_invokes_are_refused_with_a_reason() {
    let node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::writes::bad_invokes_are_refused_with_a_reason");
    let Chain { wallet, used, waiting } = Chain::prepare(&client);
    let next = wallet.transfer(0, 1, 1, 1);
    let within = |change: &dyn Fn(&mut starknet_api::transaction::fields::AllResourceBounds)| {
        let mut bounds = testing::ample_bounds();
        change(&mut bounds);
        wallet.multicall_within(0, 1, &[], bounds)
    };
    let rich = within(&|bounds| bounds.l2_gas.max_price_per_unit.0 = 10_u128.pow(30));
    let poor = within(&|bounds| bounds.l2_gas.max_amount.0 = 10);
    let cheap = within(&|bounds| bounds.l1_gas.max_price_per_unit.0 = 1);
    let below = within(&|bounds| bounds.l2_gas.max_price_per_unit.0 = 999_999_999);
    let no_gas = |body: &mut Value| {
        for gas in ["l1_gas", "l2_gas", "l1_data_gas"] {
            body["resource_bounds"][gas]["max_amount"] = json!("0x0");
        }
    };
    let no_account = |body: &mut Value| {
        body["sender_address"] = json!(hex(UDC_ADDRESS));
        body["nonce"] = json!("0x0");
    };
    let nobody = |body: &mut Value| body["sender_address"] = json!("0x123456");
    let version = |version: &'static str| move |body: &mut Value| body["version"] = json!(version);
    let query = "0x100000000000000000000000000000003";
    let facts = |body: &mut Value| body["proof_facts"] = json!(["0x1"]);
    let long = |body: &mut Value| body["calldata"] = json!(vec!["0x1"; 5_001]);
    let data = |body: &mut Value| body["paymaster_data"] = json!(["0x1"]);
    run(
        &client,
        &mut matrix,
        vec![
            refused("nonce that is used up", &wallet.transfer(0, 0, 1, 2), unchanged, 52, "nonce"),
            refused("nonce 999 ahead", &wallet.transfer(0, 1_000, 1, 2), unchanged, 52, "nonce"),
            refused("bounds without any gas", &next, no_gas, 53, "resources"),
            refused("bounds of 10 L2 gas", &poor, unchanged, 53, "resources"),
            refused("bound of L1 gas below its price", &cheap, unchanged, 53, "resources"),
            refused(
                "bound of L2 gas below the lowest price",
                &below,
                unchanged,
                65,
                "below minimum",
            ),
            refused(
                "bounds that cost more than the account holds",
                &rich,
                unchanged,
                54,
                "balance",
            ),
            refused("signature of somebody else", &next, forge, 55, "signature"),
            refused("sender that is not deployed", &next, nobody, 55, "0x123456 is not deployed"),
            refused("sender that is a contract, but no account", &next, no_account, 58, "account"),
            refused("transaction that is in a block", &used, unchanged, 59, "same hash"),
            refused("transaction that waits in the pool", &waiting, unchanged, 59, "same hash"),
            refused(
                "another one with the nonce of one that waits",
                &wallet.transfer(1, 1, 0, 2),
                unchanged,
                64,
                "underpriced",
            ),
            refused("version 1", &next, version("0x1"), 61, "version"),
            refused("version for estimates", &next, version(query), 61, "version"),
            refused("5,001 felts of calldata", &next, long, 55, "calldata"),
            refused("`paymaster_data` that is not empty", &next, data, 55, "paymaster"),
            refused("proof facts", &next, facts, 69, "proof"),
        ],
    );
    matrix.check();
    // None of them is in the way of a good one.
    client.submit(&next).expect("it is still good");
}

#[test]
fn bad_deployments_are_refused_with_a_reason() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::writes::bad_deployments_are_refused_with_a_reason");
    let (account, deploy) = wallet.new_account(Felt::from(77));
    // The address of an account whose class nobody has declared.
    let unknown = ClassHash(Felt::from(0x1234));
    let classless = testing::account(Felt::from(78), unknown, Felt::ONE);
    let bounds = testing::ample_bounds();
    let classless_deploy =
        testing::deploy_account(wallet.chain(), &classless, unknown, Felt::ONE, bounds);
    // Nobody has given it anything yet.
    let poor = refused("account that holds nothing", &deploy, unchanged, 54, "balance");
    run(&client, &mut matrix, vec![poor]);

    let token = testing::account(Felt::from(79), STRK_CLASS_HASH, Felt::ONE);
    let gifts = [account.address, classless.address, token.address]
        .map(|to| testing::transfer_call(STRK_ADDRESS, to, 2 * 10_u128.pow(20)));
    let gift = client.submit(&wallet.multicall(0, 0, &gifts)).expect("it is good");
    assert_eq!(client.accepted(gift.hash)["execution_status"], "SUCCEEDED");
    let nonce = |body: &mut Value| body["nonce"] = json!("0x1");
    let version = |body: &mut Value| body["version"] = json!("0x1");
    let with = |change: &dyn Fn(&mut starknet_api::transaction::fields::AllResourceBounds)| {
        let mut bounds = testing::ample_bounds();
        change(&mut bounds);
        let class = ACCOUNT_CLASS_HASH;
        testing::deploy_account(wallet.chain(), &account, class, Felt::ONE, bounds)
    };
    let starved = with(&|bounds| bounds.l2_gas.max_amount.0 = 10);
    let below = with(&|bounds| bounds.l2_gas.max_price_per_unit.0 = 999_999_999);
    let no_account =
        testing::deploy_account(wallet.chain(), &token, STRK_CLASS_HASH, Felt::ONE, bounds);
    run(
        &client,
        &mut matrix,
        vec![
            refused("signature of somebody else", &deploy, forge, 55, "signature"),
            refused(
                "class that nobody has declared",
                &classless_deploy,
                unchanged,
                28,
                "Class hash",
            ),
            refused("class of a token", &no_account, unchanged, 55, "constructor"),
            refused("nonce 1", &deploy, nonce, 52, "nonce"),
            refused("bounds of 10 L2 gas", &starved, unchanged, 53, "resources"),
            refused("bound of L2 gas below the lowest price", &below, unchanged, 65, "minimum"),
            refused("version 1", &deploy, version, 61, "version"),
        ],
    );
    client.accepted(client.submit(&deploy).expect("now it can pay").hash);
    let twice = refused("deployment that is in a block", &deploy, unchanged, 59, "same hash");
    run(&client, &mut matrix, vec![twice]);
    matrix.check();
}

#[test]
fn a_revert_is_no_refusal() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let ledger = Ledger::get();
    let declare = wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash);
    client.accepted(client.submit(&declare).expect("it is good").hash);
    // The constructor wants arguments. It is in a block, and says why.
    let (deploy, _) = deploy_call(ledger.class_hash, Felt::ONE, &[]);
    let reverted = client.submit(&wallet.multicall(0, 1, &[deploy])).expect("reverts are included");
    let receipt = client.accepted(reverted.hash);
    assert_eq!(receipt["execution_status"], "REVERTED");
    let reason = receipt["revert_reason"].as_str().expect("a reason");
    assert!(reason.contains("deserialize"), "{reason}");
}
