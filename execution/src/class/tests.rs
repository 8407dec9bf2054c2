//! Classes that compile, and all the ways in which they do not.

use starknet_api::core::EntryPointSelector;

use super::*;
use crate::genesis::{self, UDC_CLASS_HASH};

fn limits() -> Limits {
    Limits {
        calldata_felts_max: 5_000,
        signature_felts_max: 4_000,
        l2_gas_max: 1_210_000_000,
        class_bytes_max: 4_089_446,
        sierra_felts_max: 81_920,
        bytecode_felts_max: 81_920,
        nonce_ahead_max: 200,
    }
}

/// The universal deployer: small, with a constructor of none and two external functions.
fn deployer() -> SierraContractClass {
    genesis::artefact_for_tests(UDC_CLASS_HASH)
}

fn compile_changed(
    change: impl FnOnce(&mut SierraContractClass),
) -> Result<SierraClass, CompileError> {
    let mut class = deployer();
    change(&mut class);
    compile(class, &limits())
}

#[test]
fn a_class_compiles_to_the_same_each_time() {
    let first = compile(deployer(), &limits()).expect("a valid class");
    let second = compile(deployer(), &limits()).expect("a valid class");
    assert_eq!(first, second);
    assert_eq!(first.compiled_class_hash, compiled_class_hash(&first.casm));
    assert_eq!(first.sierra, deployer());
    assert_eq!(class_hash(&first.sierra), UDC_CLASS_HASH);
}

#[test]
fn an_artefact_reads_the_same_with_its_abi_as_text() {
    let class = deployer();
    let json = serde_json::to_vec(&class).expect("a class has a form in JSON");
    assert_eq!(read_artefact(&json).expect("own output"), class);
    assert!(read_artefact(b"{}").is_err());
}

#[test]
fn each_size_has_its_limit() {
    let class = deployer();
    let felts = u32::try_from(class.sierra_program.len()).expect("small");
    let bytes = u32::try_from(serde_json::to_vec(&class).expect("JSON").len()).expect("small");
    let casm = compile(deployer(), &limits()).expect("a valid class").casm;
    let bytecode = u32::try_from(casm.bytecode.len()).expect("small");

    let exact = Limits {
        sierra_felts_max: felts,
        class_bytes_max: bytes,
        bytecode_felts_max: bytecode,
        ..limits()
    };
    assert!(compile(deployer(), &exact).is_ok());
    for (limits, expected, max) in [
        (Limits { sierra_felts_max: felts - 1, ..exact.clone() }, "sierra program", felts - 1),
        (Limits { class_bytes_max: bytes - 1, ..exact.clone() }, "class JSON", bytes - 1),
        (Limits { bytecode_felts_max: bytecode - 1, ..exact.clone() }, "bytecode", bytecode - 1),
        (Limits { bytecode_felts_max: 10, ..exact }, "bytecode", 10),
    ] {
        match compile(deployer(), &limits) {
            Err(CompileError::TooLarge { what, got, max: limit }) => {
                assert_eq!((what, limit), (expected, widen(max)));
                assert!(limit < got, "{what} of {got} is within {limit}");
            }
            other => panic!("expected {expected} over {max}, got {:?}", other.err()),
        }
    }
}

#[test]
fn only_known_versions_compile() {
    type Change = fn(&mut SierraContractClass);
    let changes: [Change; 7] = [
        |class| class.contract_class_version = "0.2.0".to_owned(),
        |class| class.contract_class_version = "x".repeat(1_000_000),
        |class| class.sierra_program[0] = Felt::TWO,
        |class| class.sierra_program[1] = Felt::ZERO,
        |class| class.sierra_program[1] = Felt::from(10_u8),
        |class| class.sierra_program[2] = Felt::MAX,
        |class| class.sierra_program.clear(),
    ];
    for change in changes {
        match compile_changed(change) {
            Err(CompileError::UnsupportedVersion { reason }) => {
                assert!(reason.len() < 200, "{} bytes of reason", reason.len());
            }
            other => panic!("expected an unsupported version, got {:?}", other.err()),
        }
    }
}

#[test]
fn entry_points_are_sorted_and_unique() {
    type Change = fn(&mut SierraContractClass);
    let changes: [Change; 3] = [
        |class| class.entry_points_by_type.external.reverse(),
        |class| {
            let first = class.entry_points_by_type.external[0].clone();
            class.entry_points_by_type.external.insert(0, first);
        },
        |class| {
            let selector = EntryPointSelector(Felt::ONE);
            let wrong = EntryPoint { selector, ..class.entry_points_by_type.external[0].clone() };
            class.entry_points_by_type.constructor = vec![wrong];
        },
    ];
    for change in changes {
        let result = compile_changed(change);
        assert!(matches!(result, Err(CompileError::Failed { .. })), "{:?}", result.err());
    }
}

#[test]
fn garbage_is_refused_and_nothing_panics() {
    let length = deployer().sierra_program.len();
    // Cut anywhere, and with one felt changed anywhere.
    for position in (6..length).step_by(97) {
        let cut = compile_changed(|class| class.sierra_program.truncate(position));
        assert!(cut.is_err(), "cut at {position}");
        let _ = compile_changed(|class| class.sierra_program[position] = Felt::MAX);
        let _ = compile_changed(|class| class.sierra_program[position] += Felt::ONE);
    }
}

#[test]
fn a_panic_of_the_compiler_is_a_failure() {
    let result: Result<(), _> = on_a_big_stack(|| panic!("index {} out of bounds", 7));
    let Err(CompileError::Failed { reason }) = result else { panic!("expected a failure") };
    assert_eq!(reason, "the compiler panicked: index 7 out of bounds");
}

#[test]
fn deep_recursion_has_room() {
    fn depth(levels: u32, ballast: [u64; 64]) -> u64 {
        if levels == 0 {
            return ballast[0];
        }
        std::hint::black_box(depth(levels - 1, std::hint::black_box(ballast)) + ballast[63])
    }
    // Far beyond the usual two megabytes of a thread.
    let result = on_a_big_stack(|| Ok(depth(100_000, [1; 64])));
    assert_eq!(result, Ok(100_001));
}
