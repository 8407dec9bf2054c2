//! One compilation for all who want the same, and a line of bounded length.

use std::{
    sync::{Barrier, atomic::AtomicUsize},
    thread,
};

use super::*;
use crate::{
    class_hash,
    genesis::{self, UDC_CLASS_HASH},
    testing::world::World,
};

fn limits() -> Limits {
    World::new().chain.genesis().limits.clone()
}

/// A sandbox around a program that does nothing of what it should.
fn sandbox(program: &str) -> Sandbox {
    Sandbox {
        program: program.into(),
        processor_time: Duration::from_secs(10),
        wall_time: Duration::from_secs(10),
        memory_bytes: 1 << 30,
        at_once: 1,
        waiting_max: 1,
        attempts: 2,
    }
}

fn compile(compiler: &Compiler) -> Outcome {
    let class = genesis::artefact_for_tests(UDC_CLASS_HASH);
    compiler.compile(UDC_CLASS_HASH, &class, &limits())
}

#[test]
fn the_same_class_is_compiled_once() {
    let compiler = Compiler::here();
    let (barrier, limits) = (Barrier::new(10), limits());
    let classes: Vec<_> = thread::scope(|scope| {
        let compile = || {
            let class = genesis::artefact_for_tests(UDC_CLASS_HASH);
            barrier.wait();
            compiler.compile(UDC_CLASS_HASH, &class, &limits).expect("it compiles")
        };
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(compile)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    // Not only equal: the very same.
    assert!(classes.iter().all(|class| Arc::ptr_eq(class, &classes[0])));
    assert!(compiler.under_way().is_empty());
}

#[test]
fn a_full_line_sends_callers_away_and_empties_again() {
    let queue = Queue::new(1, 1);
    let first = queue.enter().expect("a place");
    let second = queue.enter().expect("room to wait");
    assert_eq!(queue.enter().err(), Some(Unfinished::Busy { waiting: 1 }));
    drop(second);
    assert!(queue.enter().is_ok());
    drop(first);
}

#[test]
fn no_more_run_than_there_are_places() {
    let queue = Queue::new(2, 8);
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ordering = std::sync::atomic::Ordering::SeqCst;
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let _place = queue.enter().expect("there is room");
                let _turn = queue.turn();
                most.fetch_max(running.fetch_add(1, ordering) + 1, ordering);
                thread::sleep(Duration::from_millis(5));
                running.fetch_sub(1, ordering);
            });
        }
    });
    assert!((1..=2).contains(&most.into_inner()));
}

#[test]
fn a_program_that_is_no_compiler_is_no_verdict() {
    for program in ["/bin/true", "/bin/false", "/nowhere/kraken"] {
        let compilers = Compilers::children(sandbox(program), sandbox(program));
        for compiler in [&compilers.submissions, &compilers.order] {
            let outcome = compile(compiler);
            assert!(
                matches!(&outcome, Err(Uncompiled::Unfinished(Unfinished::Ended { .. }))),
                "{program}: {outcome:?}"
            );
        }
    }
}

#[test]
fn a_program_that_hangs_is_ended() {
    // `sleep compile-class …` complains and ends; `yes` writes for ever and reads nothing.
    let hangs = Sandbox { wall_time: Duration::from_millis(200), ..sandbox("/usr/bin/yes") };
    let compiler = Compilers::children(hangs.clone(), hangs).submissions;
    let outcome = compile(&compiler);
    assert!(matches!(outcome, Err(Uncompiled::Unfinished(_))), "{outcome:?}");
}

#[test]
fn a_verdict_is_the_same_when_it_was_written_and_read() {
    let class = genesis::artefact_for_tests(UDC_CLASS_HASH);
    let ask = |class: &SierraContractClass, bytecode_felts_max| {
        let task = answer::Task { bytecode_felts_max, class: std::borrow::Cow::Borrowed(class) };
        let task = serde_json::to_vec(&task).expect("JSON");
        let mut verdict = Vec::new();
        answer(&task, &mut verdict).expect("it is a task");
        let verdict: answer::Verdict = serde_json::from_slice(&verdict).expect("a verdict");
        verdict.into_result()
    };
    assert_eq!(class_hash(&class), UDC_CLASS_HASH);
    assert_eq!(ask(&class, 81_920), class::to_casm(&class, 81_920));
    assert_eq!(ask(&class, 10), class::to_casm(&class, 10));
    let mut broken = class;
    broken.sierra_program.truncate(100);
    assert_eq!(ask(&broken, 81_920), class::to_casm(&broken, 81_920));
    assert!(answer(b"{}", &mut Vec::new()).is_err());
}
