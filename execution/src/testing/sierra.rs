//! Small programs that make much work for the compiler.

use std::fmt::Write;

use cairo_lang_sierra::ProgramParser;
use cairo_lang_starknet_classes::contract_class::{ContractClass, ContractEntryPoints};
use starknet_api::{rpc_transaction::EntryPointByType, state::SierraContractClass};
use starknet_types_core::felt::Felt;

/// A constant of a struct of two constants of a struct of two constants, so many levels deep: 2 to
/// the power of that many values, none of which is anything. Sixty levels would keep the compiler
/// busy for centuries.
///
/// # Panics
/// Never: the program is Sierra.
pub fn nested_constants(levels: u64) -> SierraContractClass {
    class(&nested("", "", levels, 1))
}

/// `count` values of 2 to the power of `levels` felts each, all held at the same time.
///
/// # Panics
/// Never: the program is Sierra.
pub fn held_values(levels: u64, count: u64) -> SierraContractClass {
    class(&nested(", [2]", ", [3]", levels, count))
}

/// `count` branches while as many values are held. The compiler refuses it after all: there is
/// nothing where the branches lead.
///
/// # Panics
/// Never: the program is Sierra.
pub fn branches_while_held(count: u64) -> SierraContractClass {
    let mut text = "type [0] = felt252;\ntype [1] = Const<[0], 7>;\n\
        libfunc [0] = const_as_immediate<[1]>;\nlibfunc [1] = felt252_is_zero;\n"
        .to_owned();
    let end = 2 * count;
    for value in 0..count {
        writeln!(text, "[0]() -> ([{value}]);").expect("a text takes everything");
    }
    for value in 0..count {
        writeln!(text, "[1]([{value}]) {{ fallthrough() {end}([{value}]) }};")
            .expect("a text takes everything");
    }
    text.push_str("return();\n[0]@0() -> ();\n");
    class(&text)
}

/// `count` constants of nested structs, made and then dropped.
fn nested(leaf: &str, leaf_constant: &str, levels: u64, count: u64) -> String {
    // Four declarations before the struct that has a leaf, so that each level has two numbers.
    let mut text = "type [0] = u8;\ntype [1] = Const<[0], 1>;\n\
        type [2] = felt252;\ntype [3] = Const<[2], 7>;\n"
        .to_owned();
    writeln!(text, "type [4] = Struct<ut@Tuple{leaf}>;\ntype [5] = Const<[4]{leaf_constant}>;")
        .expect("a text takes everything");
    for level in 1..=levels {
        let (ty, below) = (4 + 2 * level, 2 + 2 * level);
        let (constant, constant_below) = (ty + 1, below + 1);
        writeln!(
            text,
            "type [{ty}] = Struct<ut@Tuple, [{below}], [{below}]>;\n\
             type [{constant}] = Const<[{ty}], [{constant_below}], [{constant_below}]>;"
        )
        .expect("a text takes everything");
    }
    let (ty, constant) = (4 + 2 * levels, 5 + 2 * levels);
    writeln!(text, "libfunc [0] = const_as_immediate<[{constant}]>;\nlibfunc [1] = drop<[{ty}]>;")
        .expect("a text takes everything");
    for value in 0..count {
        writeln!(text, "[0]() -> ([{value}]);").expect("a text takes everything");
    }
    for value in 0..count {
        writeln!(text, "[1]([{value}]) -> ();").expect("a text takes everything");
    }
    text.push_str("return();\n[0]@0() -> ();\n");
    text
}

/// A class of this program, without entry points.
fn class(text: &str) -> SierraContractClass {
    let program = ProgramParser::new().parse(text).expect("it is Sierra");
    let class =
        ContractClass::new(&program, ContractEntryPoints::default(), None, Default::default());
    let felts = class.expect("its numbers are in order").sierra_program;
    SierraContractClass {
        sierra_program: felts.iter().map(|felt| Felt::from(felt.value.clone())).collect(),
        contract_class_version: "0.1.0".to_owned(),
        entry_points_by_type: EntryPointByType::default(),
        abi: "[]".to_owned(),
    }
}
