//! `kraken compile-class`, as a node starts it: what it compiles, and what stops it.

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use kraken_execution::{
    Compilers, Sandbox, Uncompiled, Unfinished, class_hash, compile, genesis::dev_genesis, testing,
};
use kraken_types::{Signer, genesis::Limits};
use starknet_api::state::SierraContractClass;

use crate::process::{END_MAX, kraken, send};

fn limits() -> Limits {
    dev_genesis("SN_SEPOLIA", 0, 1, 0, &Signer::from_seed([1; 32]).public_key()).limits
}

/// A class with entry points, storage and events.
fn ledger() -> SierraContractClass {
    let artefact = include_bytes!("../../../contracts/compiled/ledger.sierra.json");
    kraken_execution::read_artefact(artefact).expect("the committed class is one")
}

fn sandbox() -> Sandbox {
    Sandbox {
        program: env!("CARGO_BIN_EXE_kraken").into(),
        processor_time: Duration::from_secs(120),
        wall_time: END_MAX,
        memory_bytes: 4 << 30,
        at_once: 2,
        waiting_max: 10,
        attempts: 1,
    }
}

fn in_a_child(
    sandbox: Sandbox,
    class: &SierraContractClass,
) -> Result<kraken_storage::SierraClass, Uncompiled> {
    let compiler = Compilers::children(sandbox.clone(), sandbox).submissions;
    let compiled = compiler.compile(class_hash(class), class, &limits())?;
    match compiled.as_ref() {
        kraken_storage::Class::Sierra(class) => Ok(class.as_ref().clone()),
        kraken_storage::Class::Deprecated(_) => panic!("Sierra was given"),
    }
}

fn unfinished(sandbox: Sandbox, class: &SierraContractClass) -> Unfinished {
    match in_a_child(sandbox, class) {
        Err(Uncompiled::Unfinished(unfinished)) => unfinished,
        other => panic!("expected no verdict, got {:?}", other.err()),
    }
}

fn refusal(class: &SierraContractClass) -> Uncompiled {
    in_a_child(sandbox(), class).expect_err("it is refused")
}

/// As much work as the rules allow.
fn slow() -> SierraContractClass {
    testing::nested_constants(24)
}

#[test]
fn a_child_compiles_to_the_same_as_its_node() {
    let here = compile(ledger(), &limits()).expect("it compiles");
    assert_eq!(in_a_child(sandbox(), &ledger()), Ok(here));

    let mut broken = ledger();
    broken.sierra_program.truncate(broken.sierra_program.len() - 20);
    let here = compile(broken.clone(), &limits()).expect_err("it is cut");
    assert_eq!(refusal(&broken), Uncompiled::Refused(here));
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let began = Instant::now();
    for bomb in [testing::nested_constants(60), testing::held_values(13, 10_000)] {
        let refused = refusal(&bomb).to_string();
        assert!(refused.contains("expands to"), "{refused}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn processor_time_has_a_limit() {
    let tight = Sandbox { processor_time: Duration::from_secs(1), ..sandbox() };
    // Two seconds of work on a fast machine, in the build for tests.
    assert_eq!(unfinished(tight, &slow()), Unfinished::TimeUp { seconds: 1 });
}

#[test]
fn time_has_a_limit_whatever_happens_meanwhile() {
    let tight = Sandbox { wall_time: Duration::from_millis(300), ..sandbox() };
    assert_eq!(unfinished(tight, &slow()), Unfinished::TimeUp { seconds: 0 });
}

#[test]
fn memory_has_a_limit() {
    let tight = Sandbox { memory_bytes: 700 << 20, ..sandbox() };
    let hungry = testing::held_values(13, 800);
    assert_eq!(unfinished(tight, &hungry), Unfinished::OutOfMemory { mebibytes: 700 });
}

#[test]
fn a_full_line_sends_callers_away() {
    let alone = Sandbox { at_once: 1, waiting_max: 0, ..sandbox() };
    let compiler = Compilers::children(alone.clone(), alone).submissions;
    let compile = |class: &SierraContractClass| {
        compiler.compile(class_hash(class), class, &limits()).map(drop)
    };
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let class = slow();
            loop {
                // One of the others may be there just now.
                match compile(&class) {
                    Err(Uncompiled::Unfinished(Unfinished::Busy { .. })) => {}
                    other => break other,
                }
            }
        });
        let began = Instant::now();
        let busy = loop {
            match compile(&testing::nested_constants(1)) {
                // It was faster than the slow one at the start.
                Err(Uncompiled::Refused(_)) => assert!(began.elapsed() < END_MAX, "never busy"),
                other => break other,
            }
        };
        assert_eq!(busy, Err(Uncompiled::Unfinished(Unfinished::Busy { waiting: 0 })));
        assert!(matches!(slow.join(), Ok(Err(Uncompiled::Refused(_)))));
    });
    // The line is free again.
    compile(&ledger()).expect("it compiles");
}

/// A child that was started by hand and given a task.
fn child_at_work() -> Child {
    let arguments = ["compile-class", "--processor-seconds", "60", "--memory-bytes", "4294967296"];
    let mut child = kraken(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let class = serde_json::to_string(&slow()).expect("JSON");
    let task = format!("{{\"bytecode_felts_max\":81920,\"class\":{class}}}\n");
    let input = child.stdin.as_mut().expect("it is piped");
    input.write_all(task.as_bytes()).expect("it reads");
    child
}

#[test]
fn a_child_ends_with_its_node() {
    let mut child = child_at_work();
    thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    // The node's end of the pipe is closed when it dies.
    drop(child.stdin.take());
    let status = child.wait().expect("it is ours");
    assert_eq!(status.code(), Some(3), "{status}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_child_that_somebody_ends_is_no_verdict() {
    let mut child = child_at_work();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("it runs");
    assert!(limits.lines().any(|line| line.starts_with("Max core file size        0")), "{limits}");
    send("KILL", child.id());
    let mut verdict = String::new();
    let output = child.stdout.as_mut().expect("it is piped");
    output.read_to_string(&mut verdict).expect("it is closed");
    assert_eq!((verdict.as_str(), child.wait().expect("ours").code()), ("", None));
}

#[test]
fn nobody_starts_one_by_mistake() {
    let output = crate::process::run(&["compile-class"]);
    assert_eq!(output.status.code(), Some(2));
    let help = crate::process::run(&["--help"]);
    assert!(!String::from_utf8_lossy(&help.stdout).contains("compile-class"));
    let arguments = ["compile-class", "--processor-seconds", "5", "--memory-bytes", "4294967296"];
    let mut child = kraken(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"[1, 2]\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    // Before, it would have been an orphan.
    drop(input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
}
