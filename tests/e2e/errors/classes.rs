//! Classes that are refused, and classes that are made to hurt the compiler.

use std::{fs, thread, time::Instant};

use kraken_execution::{genesis::UDC_ADDRESS, testing};
use kraken_tests::{
    CallError, Client, Ledger, Matrix, Node, Wallet,
    client::{hex, wait_for},
};
use serde_json::{Value, json};
use starknet_api::{
    core::CompiledClassHash, rpc_transaction::RpcTransaction, state::SierraContractClass,
};
use starknet_types_core::felt::Felt;

use super::{case, refused, run, unchanged};

#[test]
fn bad_declares_are_refused_with_a_reason() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let (client, ledger) = (node.client(), Ledger::get());
    let mut matrix = Matrix::new("errors::classes::bad_declares_are_refused_with_a_reason");
    let declare = |nonce, ledger: &Ledger| {
        wallet.declare(0, nonce, ledger.class.clone(), ledger.compiled_class_hash)
    };
    let good = declare(0, ledger);
    client.accepted(client.submit(&good).expect("it is good").hash);

    let other = ledger.variant("[]");
    let mut lie = other.clone();
    lie.compiled_class_hash += Felt::ONE;
    let large = ledger.variant(&format!("[{}]", " ".repeat(4_200_000)));
    let nearly = ledger.variant(&format!("[{}]", " ".repeat(4_000_000)));
    let changed = |change: &dyn Fn(&mut SierraContractClass)| {
        let mut changed = other.clone();
        change(&mut changed.class);
        changed
    };
    let broken = changed(&|class| {
        let length = class.sierra_program.len();
        class.sierra_program.truncate(length - 20);
    });
    // The program begins with the version of its language.
    let newer = changed(&|class| class.sierra_program[1] = Felt::from(99));
    let unordered = changed(&|class| class.entry_points_by_type.external.reverse());
    let long = changed(&|class| class.sierra_program.resize(81_921, Felt::ONE));
    let version = |body: &mut Value| body["version"] = json!("0x2");
    let ledger_of = |class: SierraContractClass| Ledger { class, ..*ledger };
    let bomb = ledger_of(testing::nested_constants(60));
    let hungry = ledger_of(testing::held_values(13, 10_000));
    run(
        &client,
        &mut matrix,
        vec![
            refused("declare that is in a block", &good, unchanged, 59, "same hash"),
            refused(
                "class that is declared",
                &declare(1, ledger),
                unchanged,
                51,
                "already declared",
            ),
            refused(
                "`compiled_class_hash` of something else",
                &declare(1, &lie),
                unchanged,
                60,
                "compiled class hash",
            ),
            refused("class of 4.2 MB", &declare(1, &large), unchanged, 57, "too large"),
            refused("Sierra of 81,921 felts", &declare(1, &long), unchanged, 57, "too large"),
            refused(
                "class of 4.0 MB, for which the gas does not suffice",
                &declare(1, &nearly),
                unchanged,
                53,
                "resources",
            ),
            refused(
                "Sierra that is cut",
                &declare(1, &broken),
                unchanged,
                56,
                "Compilation failed",
            ),
            refused(
                "entry points out of order",
                &declare(1, &unordered),
                unchanged,
                56,
                "out of order",
            ),
            refused(
                "constants within constants, 60 levels deep",
                &declare(1, &bomb),
                unchanged,
                56,
                "expands to",
            ),
            refused(
                "10,000 copies of 8,192 felts",
                &declare(1, &hungry),
                unchanged,
                56,
                "expands to",
            ),
            refused("Sierra 1.99", &declare(1, &newer), unchanged, 62, "class version"),
            refused("version 2", &declare(1, &other), version, 61, "version"),
        ],
    );
    run(&client, &mut matrix, senders(&client, &[0, 1, 2].map(|nonce| declare(nonce, &other))));
    let estimate = {
        let mut transaction = kraken_tests::wallet::broadcasted(&declare(1, &bomb));
        transaction["signature"] = json!([]);
        ("starknet_estimateFee", json!([[transaction], ["SKIP_VALIDATE"], "latest"]))
    };
    let input = "estimate of constants within constants, 60 levels deep";
    run(&client, &mut matrix, vec![case(input, estimate, 41, "expands to")]);
    matrix.check();
    // The account goes on as if nothing had been.
    client.accepted(client.submit(&declare(1, &other)).expect("it is good").hash);
}

/// What is wrong with whoever declares a good class, whose next nonce is 1.
fn senders(client: &Client, [used, next, early]: &[RpcTransaction; 3]) -> Vec<super::Case> {
    // A contract that is no account, and could pay.
    let gift = json!({ "address": hex(UDC_ADDRESS), "amount": 2e20 });
    client.get("devnet_mint", gift);
    let forged = |body: &mut Value| body["signature"] = json!(["0x1", "0x2"]);
    let price = |price: &'static str| {
        move |body: &mut Value| {
            body["resource_bounds"]["l2_gas"]["max_price_per_unit"] = json!(price)
        }
    };
    let no_account = |body: &mut Value| {
        body["sender_address"] = json!(hex(UDC_ADDRESS));
        body["nonce"] = json!("0x0");
    };
    vec![
        refused("nonce that is used up", used, unchanged, 52, "nonce"),
        refused("nonce ahead of the account", early, unchanged, 52, "nonce"),
        refused(
            "bounds that cost more than the account holds",
            next,
            price("0xffffffffffffffffff"),
            54,
            "balance",
        ),
        refused("bound of L2 gas below the lowest price", next, price("0x1"), 65, "below minimum"),
        refused("signature of somebody else", next, forged, 55, "signature"),
        refused("sender that is a contract, but no account", next, no_account, 58, "account"),
    ]
}

/// A declare of a class that takes some seconds to compile, and is refused in the end.
fn slow(wallet: &Wallet, nonce: u64) -> RpcTransaction {
    wallet.declare(0, nonce, testing::nested_constants(24), Felt::ONE)
}

/// The process that compiles for a node; `None` if there is none.
fn compiling(node: &Node) -> Option<u32> {
    let parent = format!("PPid:\t{}", node.process_id());
    let processes = fs::read_dir("/proc").expect("this is Linux");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.into_iter().find(|id: &u32| {
        let read = |name| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
        read("status").lines().any(|line| line == parent)
            && read("cmdline").contains("compile-class")
    })
}

#[test]
fn a_class_of_four_megabytes_is_declared() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    // Most of it is its ABI; all of it is paid for.
    let large = Ledger::get().variant(&format!("[{}]", " ".repeat(4_000_000)));
    let compiled = CompiledClassHash(large.compiled_class_hash);
    let account = wallet.account(0);
    let declare = testing::declare_large(wallet.chain(), account, 0, large.class.clone(), compiled);
    let declared = client.submit(&declare).expect("it is good");
    assert_eq!(declared.class_hash, Some(large.class_hash));
    assert_eq!(client.accepted(declared.hash)["execution_status"], "SUCCEEDED");
    let class = client.get("starknet_getClass", json!(["latest", hex(large.class_hash)]));
    assert_eq!(class["abi"].as_str().map(str::len), Some(4_000_002));
}

#[test]
fn the_same_declare_ten_times_at_once_is_compiled_once() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let ledger = Ledger::get();
    let declare = wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let submit = || client.submit(&declare);
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(submit)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 1, "{refused:?}");
    for outcome in refused {
        assert_eq!(outcome.expect_err("it was refused").code(), 59);
    }
    let class_hash = format!("{:#x}", ledger.class_hash);
    let logged = node.logged();
    let compiled =
        logged.lines().filter(|line| line.contains("compiling") && line.contains(&class_hash));
    assert_eq!(compiled.count(), 1, "{logged}");
}

/// Declares on a thread of its own, and waits until it is being compiled.
fn declare_slowly(
    node: &Node,
    transaction: RpcTransaction,
) -> (thread::JoinHandle<Result<(), CallError>>, u32) {
    let client = node.client();
    let declaring = thread::spawn(move || client.submit(&transaction).map(drop));
    let id = wait_for("a process that compiles", || compiling(node));
    (declaring, id)
}

fn refusal(declaring: thread::JoinHandle<Result<(), CallError>>) -> (i64, Value) {
    match declaring.join().expect("no panic") {
        Err(CallError::Refused { code, data, .. }) => (code, data),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn transfer_quickly(client: &Client, wallet: &Wallet, nonce: u64) {
    let began = Instant::now();
    client.submit(&wallet.transfer(0, nonce, 0, 1)).expect("it is good");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn a_compiling_process_has_nothing_of_its_node_and_may_be_killed() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new(
        "errors::classes::a_compiling_process_has_nothing_of_its_node_and_may_be_killed",
    );
    let (declaring, id) = declare_slowly(&node, slow(&wallet, 0));
    // Neither locks nor sockets: its pipes, and what whoever runs this test has left open.
    let files = fs::read_dir(format!("/proc/{id}/fd")).expect("it runs");
    let files: Vec<_> = files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    let folder = node.folder().display().to_string();
    let is_of_the_node = |file: &String| file.starts_with("socket:") || file.starts_with(&folder);
    assert!(3 <= files.len() && !files.iter().any(is_of_the_node), "{files:?}");
    let environment = fs::read(format!("/proc/{id}/environ")).expect("it runs");
    assert_eq!(environment, b"");

    let killed = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let (code, data) = refusal(declaring);
    let reason = data.as_str().expect("a reason");
    assert_eq!(code, 63, "{reason}");
    assert!(reason.contains("try again"), "{reason}");
    let input = "class whose compiling process somebody kills";
    let said = format!("An unexpected error occurred: {reason}");
    matrix.request(input, "starknet_addDeclareTransaction", code, &said);
    matrix.check();
    transfer_quickly(&client, &wallet, 0);
}

#[test]
fn a_slow_class_holds_up_nobody_else() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let (declaring, _) = declare_slowly(&node, slow(&wallet, 5));
    for nonce in 0..5 {
        transfer_quickly(&client, &wallet, nonce);
    }
    let is_still_compiling = !declaring.is_finished();
    // Once it has written everything out, the compiler stumbles over constants of no size.
    let (code, reason) = refusal(declaring);
    assert_eq!(code, 56, "{reason}");
    assert!(is_still_compiling, "the class was not slow enough to say anything");
}

#[test]
fn a_compiling_process_ends_with_its_node() {
    let wallet = Wallet::new(1);
    let mut node = Node::start_checked(&[]);
    let (declaring, id) = declare_slowly(&node, slow(&wallet, 0));
    node.kill_9();
    wait_for("the end of the compiling process", || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        // One that nobody waits for any more is dead all the same.
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    });
    assert!(matches!(declaring.join().expect("no panic"), Err(CallError::NoAnswer { .. })));
}
