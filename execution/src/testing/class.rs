//! What the fuzz target of classes does with its bytes. The program is in `fuzz/cairo`; a test of
//! this room runs what is kept in `fuzz/corpus`.

use std::{collections::HashMap, sync::OnceLock};

use cairo_lang_starknet_classes::allowed_libfuncs::{ListSelector, lookup_allowed_libfuncs_list};
use kraken_storage::Class;
use kraken_types::{genesis::Limits, testing::Script};
use num_bigint::BigUint;
use starknet_api::state::SierraContractClass;
use starknet_types_core::felt::Felt;

use crate::{class_hash, compile, read_artefact};

/// Memory that compiling may take at its worst moment, whatever the class, in bytes. A class of an
/// input has some thousand felts at most.
const COMPILING_BYTES: usize = 160 << 20;

/// A class that compiles, to be changed.
const ARTEFACT: &[u8] = include_bytes!("../../../contracts/compiled/ledger.sierra.json");

/// Felts of a program before its compressed part: the versions of Sierra and of its compiler.
const VERSIONS: usize = 6;

/// Makes a class of the bytes, as JSON or as changes of one that compiles, and takes it the way of
/// a declared class: checks, Sierra, CASM, hashes, its stored form. Says how many bytes of memory it
/// may have taken at its worst moment.
///
/// # Panics
/// If the class comes to two ends, or to one that cannot be stored.
pub fn class_path(bytes: &[u8]) -> usize {
    let mut script = Script::new(bytes);
    let class = match script.byte() % 8 {
        0 => read_artefact(bytes.get(1..).unwrap_or_default()).ok(),
        1 => Some(changed_as_packed(&mut script)),
        _ => Some(changed(&mut script)),
    };
    let Some(class) = class else { return COMPILING_BYTES };
    class_hash(&class);
    let compiled = compile(class.clone(), &limits());
    if script.seldom() {
        assert_eq!(compile(class, &limits()), compiled, "another end");
    }
    if let Ok(compiled) = compiled {
        assert!(compiled.casm.bytecode.len() <= limits().bytecode_felts_max as usize);
        kraken_storage::testing::targets::class_survives(&Class::Sierra(Box::new(compiled)));
    }
    COMPILING_BYTES
}

/// Those of a genesis, but smaller, so that they are met.
fn limits() -> Limits {
    Limits {
        calldata_felts_max: 5_000,
        signature_felts_max: 4_000,
        l2_gas_max: 1_210_000_000,
        class_bytes_max: 400_000,
        sierra_felts_max: 8_192,
        bytecode_felts_max: 8_192,
        nonce_ahead_max: 200,
    }
}

fn base() -> &'static SierraContractClass {
    static BASE: OnceLock<SierraContractClass> = OnceLock::new();
    BASE.get_or_init(|| read_artefact(ARTEFACT).expect("the committed class is one"))
}

/// The class with some felts changed as they are sent.
fn changed_as_packed(script: &mut Script<'_>) -> SierraContractClass {
    let mut class = base().clone();
    change(&mut class.sierra_program, script);
    class
}

/// The class with some felts of its program changed, which is then packed again.
fn changed(script: &mut Script<'_>) -> SierraContractClass {
    static PROGRAM: OnceLock<Vec<Felt>> = OnceLock::new();
    let mut class = base().clone();
    let (versions, packed) = class.sierra_program.split_at(VERSIONS);
    let mut program = PROGRAM.get_or_init(|| unpack(packed)).clone();
    if script.seldom() {
        let functions = &mut class.entry_points_by_type.external;
        let place = script.below(functions.len());
        functions[place].function_idx.0 = usize::from(script.byte());
    }
    change(&mut program, script);
    class.sierra_program = [versions, &pack(&program)].concat();
    class
}

/// Changes up to 16 places.
fn change(felts: &mut Vec<Felt>, script: &mut Script<'_>) {
    for _ in 0..=script.below(16) {
        let mut place = || usize::from(script.byte()) << 8 | usize::from(script.byte());
        let length = felts.len().max(1);
        let (at, from) = (place() % length, place() % length);
        let Some(there) = felts.get(from).copied() else { return };
        match script.byte() % 10 {
            0 => felts[at] = Felt::from(script.byte()),
            1 => felts[at] = there,
            2 => felts.swap(at, from),
            3 => drop(felts.remove(at)),
            4 => felts.insert(at, there),
            5 => felts[at] = library_function(script),
            6 => felts[at] += Felt::from(script.byte()) - Felt::from(8),
            7 => {
                let end = (from + 1 + script.below(32)).min(length);
                let copied = felts[from..end].to_vec();
                felts.splice(at..at, copied);
            }
            8 => {
                let end = (at + 1 + script.below(32)).min(length);
                felts.drain(at..end);
            }
            _ => felts[at] = Felt::TWO.pow(u128::from(script.byte())),
        }
    }
}

/// The name of a library function that a class may use, as a program has it.
fn library_function(script: &mut Script<'_>) -> Felt {
    static NAMES: OnceLock<Vec<Felt>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let list = lookup_allowed_libfuncs_list(ListSelector::DefaultList).expect("it is built in");
        let mut names: Vec<_> = list
            .allowed_libfuncs
            .keys()
            .map(|name| name.to_string())
            .filter(|name| name.len() <= 31)
            .collect();
        names.sort_unstable();
        names.iter().map(|name| Felt::from_bytes_be_slice(name.as_bytes())).collect()
    });
    let place = usize::from(script.byte()) << 8 | usize::from(script.byte());
    names[place % names.len()]
}

/// The felts of a program that were compressed: each is a place in a list of those that differ, and
/// as many places as fit are packed into one felt.
fn unpack(packed: &[Felt]) -> Vec<Felt> {
    let small = |felt: &Felt| usize::try_from(felt.to_biguint()).expect("a length");
    let (codes, padding) = (small(&packed[0]), small(&packed[1]));
    let (list, rest) = packed[2..].split_at(codes);
    let (count, bits) = (small(&rest[0]), (codes + padding).trailing_zeros());
    let mask = BigUint::from(codes + padding - 1);
    let mut program = Vec::with_capacity(count);
    for felt in &rest[1..] {
        let mut places = felt.to_biguint();
        for _ in 0..places_in_a_felt(bits).min(count - program.len()) {
            let place = usize::try_from(&places & &mask).expect("less than the mask");
            program.push(list[place]);
            places >>= bits;
        }
    }
    program
}

/// What [`unpack`] undoes.
fn pack(program: &[Felt]) -> Vec<Felt> {
    let mut places = HashMap::new();
    let mut list = Vec::new();
    for felt in program {
        places.entry(*felt).or_insert_with(|| {
            list.push(*felt);
            list.len() - 1
        });
    }
    let padded = list.len().next_power_of_two().max(256);
    let mut packed = vec![Felt::from(list.len()), Felt::from(padded - list.len())];
    packed.append(&mut list);
    packed.push(Felt::from(program.len()));
    let bits = padded.trailing_zeros();
    for felts in program.chunks(places_in_a_felt(bits)) {
        let pack = |sum: BigUint, felt| (sum << bits) + BigUint::from(places[felt]);
        packed.push(Felt::from(felts.iter().rev().fold(BigUint::ZERO, pack)));
    }
    packed
}

fn places_in_a_felt(bits: u32) -> usize {
    (251 / bits) as usize
}

/// Inputs for [`class_path`] that mean something.
pub fn class_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![("unchanged".to_owned(), vec![2, 0, 0, 0, 0, 0, 0, 1])];
    for kind in 0..10 {
        let changes = [0, 1, 90, 2, 40, kind, 3, 7];
        seeds.push((format!("program-{kind}"), [vec![3, 0, 2], changes.repeat(3)].concat()));
        seeds.push((format!("packed-{kind}"), [vec![1, 1], changes.repeat(2)].concat()));
    }
    let json = br#"{"sierra_program":["0x1","0x6","0x0","0x2","0x8","0x2","0x0","0x100","0x0"],
        "contract_class_version":"0.1.0","abi":"[]","entry_points_by_type":{"CONSTRUCTOR":[],
        "EXTERNAL":[{"selector":"0x1","function_idx":0}],"L1_HANDLER":[]}}"#;
    seeds.push(("json".to_owned(), [&[0][..], json].concat()));
    seeds
}

#[cfg(test)]
mod tests {
    use kraken_storage::testing::targets::run_corpus;

    use super::*;

    #[test]
    fn what_is_packed_again_is_the_same() {
        let packed = &base().sierra_program[VERSIONS..];
        assert_eq!(pack(&unpack(packed)), packed);
    }

    #[test]
    fn the_inputs_that_are_kept_come_to_an_end() {
        run_corpus("class_path", class_seeds(), |bytes| {
            class_path(bytes);
        });
    }
}
