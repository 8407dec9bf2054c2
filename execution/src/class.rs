//! Sierra to CASM.
//!
//! Committed Sierra is hostile input: every size is bounded before the compiler sees it, and so is
//! what the program makes of itself ([`weight`]); the compiler stops at the bytecode limit, runs on
//! a stack of its own, and a panic inside it is an ordinary failure. All of it depends on the class
//! alone, so all validators come to the same answer; a change of the compiler's version is a change
//! of the protocol. What a machine can bear is not asked here, but by [`crate::Compiler`].

mod weight;

use std::{any::Any, io, thread};

use cairo_lang_starknet_classes::{
    abi,
    allowed_libfuncs::ListSelector,
    casm_contract_class::{CasmContractClass, StarknetSierraCompilationError},
    compiler_version::current_sierra_version_id,
    contract_class::{ContractClass, ContractEntryPoint, ContractEntryPoints},
};
use kraken_storage::SierraClass;
use kraken_types::genesis::Limits;
use serde::{Deserialize, Serialize};
use starknet_api::{
    contract_class::compiled_class_hash::{HashVersion, HashableCompiledClass},
    core::{ClassHash, CompiledClassHash},
    rpc_transaction::EntryPointByType,
    state::{EntryPoint, SierraContractClass},
};
use starknet_types_core::felt::Felt;

/// The one version of the class format.
const CONTRACT_CLASS_VERSION: &str = "0.1.0";

/// The oldest Sierra that Starknet takes, as (major, minor).
const SIERRA_VERSION_MIN: (u64, u64) = (1, 1);

/// The compiler recurses along the types and statements of a program.
pub(crate) const STACK_BYTES: usize = 256 << 20;

/// Why Sierra did not become CASM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CompileError {
    /// Over a limit (code 57).
    #[error("{what} of {got} is over the limit of {max}")]
    TooLarge { what: &'static str, got: usize, max: usize },
    /// A version that this compiler does not know (code 62).
    #[error("unsupported class version: {reason}")]
    UnsupportedVersion { reason: String },
    /// Not valid Sierra (code 56).
    #[error("compilation failed: {reason}")]
    Failed { reason: String },
}

/// Compiles a class in this process and computes its compiled class hash (Blake2s, SNIP-34). Slow:
/// seconds for a large class, so never call it on an async thread. A class of somebody else may
/// take more than this process can give: that one is for [`crate::Compiler`].
///
/// Takes what Starknet's gateway takes: Sierra 1.1.0 up to the compiler's own minor version, entry
/// points sorted by selector without repetition, and audited library functions only. Where the
/// bytecode is too large the compiler stops early, so `got` may be less than its full length.
///
/// # Errors
/// [`CompileError`], always the same for the same class and limits.
///
/// # Panics
/// If the operating system gives no thread.
pub fn compile(sierra: SierraContractClass, limits: &Limits) -> Result<SierraClass, CompileError> {
    check(&sierra, limits)?;
    let casm = to_casm(&sierra, widen(limits.bytecode_felts_max))?;
    Ok(compiled(sierra, casm))
}

/// What can be said of a class without compiling it.
///
/// # Errors
/// As [`compile`].
pub(crate) fn check(sierra: &SierraContractClass, limits: &Limits) -> Result<(), CompileError> {
    check_sizes(sierra, limits)?;
    check_version(sierra)?;
    check_entry_points(sierra)
}

/// A class and what it compiles to.
pub(crate) fn compiled(sierra: SierraContractClass, casm: CasmContractClass) -> SierraClass {
    let compiled_class_hash = compiled_class_hash(&casm);
    SierraClass { sierra, casm, compiled_class_hash }
}

/// The hash by which a class is known.
pub fn class_hash(sierra: &SierraContractClass) -> ClassHash {
    sierra.calculate_class_hash()
}

/// The hash of the compiled form (Blake2s, SNIP-34). It covers bytecode and entry points, not hints.
pub(crate) fn compiled_class_hash(casm: &CasmContractClass) -> CompiledClassHash {
    casm.hash(&HashVersion::V2)
}

/// Reads a class as the Cairo compiler writes it: debug information is dropped, and an ABI that is a
/// JSON value becomes text in the form that the class hash covers. An ABI that is text stays as it
/// is, so the answer of `starknet_getClass` is read as well.
///
/// # Errors
/// If the bytes are no JSON of a class.
pub fn read_artefact(json: &[u8]) -> Result<SierraContractClass, serde_json::Error> {
    #[derive(Deserialize)]
    struct Artefact {
        sierra_program: Vec<Felt>,
        contract_class_version: String,
        entry_points_by_type: EntryPointByType,
        abi: Abi,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Abi {
        Text(String),
        Value(abi::Contract),
    }

    let artefact: Artefact = serde_json::from_slice(json)?;
    let abi = match artefact.abi {
        Abi::Text(text) => text,
        Abi::Value(contract) => python_json(&contract)?,
    };
    Ok(SierraContractClass {
        sierra_program: artefact.sierra_program,
        contract_class_version: artefact.contract_class_version,
        entry_points_by_type: artefact.entry_points_by_type,
        abi,
    })
}

/// Compiles without looking at limits other than that of the bytecode.
pub(crate) fn to_casm(
    sierra: &SierraContractClass,
    bytecode_felts_max: usize,
) -> Result<CasmContractClass, CompileError> {
    let class = to_cairo_lang(sierra);
    let casm = on_a_big_stack(move || lower(class, bytecode_felts_max))?;
    let got = casm.bytecode.len();
    if bytecode_felts_max < got {
        return Err(CompileError::TooLarge { what: "bytecode", got, max: bytecode_felts_max });
    }
    Ok(casm)
}

fn lower(
    class: ContractClass,
    bytecode_felts_max: usize,
) -> Result<CasmContractClass, CompileError> {
    let program = class.extract_sierra_program(false).map_err(failed)?;
    program.validate_version_compatible(ListSelector::DefaultList).map_err(failed)?;
    weight::check(&program.program)?;
    let casm = CasmContractClass::from_contract_class(class, program, false, bytecode_felts_max);
    casm.map_err(|error| {
        if let StarknetSierraCompilationError::CompilationError(cause) = &error
            && cause.to_string() == CODE_SIZE_LIMIT_EXCEEDED
        {
            let got = bytecode_felts_max.saturating_add(1);
            return CompileError::TooLarge { what: "bytecode", got, max: bytecode_felts_max };
        }
        failed(error)
    })
}

/// The compiler's words for it; its error type lives in a crate that is nobody else's business.
const CODE_SIZE_LIMIT_EXCEEDED: &str = "Code size limit exceeded.";

fn failed(error: impl std::error::Error) -> CompileError {
    CompileError::Failed { reason: error.to_string() }
}

/// Runs `work` on a thread with a big stack and turns a panic into a failure.
fn on_a_big_stack<T: Send>(
    work: impl FnOnce() -> Result<T, CompileError> + Send,
) -> Result<T, CompileError> {
    let outcome = thread::scope(|scope| {
        thread::Builder::new()
            .name("sierra-to-casm".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("a process that gets no thread cannot go on")
            .join()
    });
    outcome.unwrap_or_else(|panic| Err(CompileError::Failed { reason: panic_text(&*panic) }))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the compiler panicked: {}", text.unwrap_or("for no stated reason"))
}

fn check_sizes(sierra: &SierraContractClass, limits: &Limits) -> Result<(), CompileError> {
    let within = |what, got, max| {
        if max < got { Err(CompileError::TooLarge { what, got, max }) } else { Ok(()) }
    };
    let felts_max = widen(limits.sierra_felts_max);
    within("sierra program", sierra.sierra_program.len(), felts_max)?;
    within("class JSON", json_bytes(sierra), widen(limits.class_bytes_max))
}

/// The length of the class as JSON, without making it.
fn json_bytes(sierra: &SierraContractClass) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, sierra).expect("a class has a form in JSON");
    count.0
}

fn check_version(sierra: &SierraContractClass) -> Result<(), CompileError> {
    let unsupported = |reason| Err(CompileError::UnsupportedVersion { reason });
    let class_version = &sierra.contract_class_version;
    if class_version != CONTRACT_CLASS_VERSION {
        // Cut, because the sender chose its length.
        let got: String = class_version.chars().take(32).collect();
        return unsupported(format!(
            "contract_class_version is {got:?}, expected {CONTRACT_CLASS_VERSION:?}"
        ));
    }
    let number = |index: usize| u64::try_from(*sierra.sierra_program.get(index)?).ok();
    let (Some(major), Some(minor), Some(patch)) = (number(0), number(1), number(2)) else {
        return unsupported("the sierra program does not begin with a version".to_owned());
    };
    let newest = current_sierra_version_id();
    let max = (count(newest.major), count(newest.minor));
    if (SIERRA_VERSION_MIN..=max).contains(&(major, minor)) {
        return Ok(());
    }
    let (min_major, min_minor) = SIERRA_VERSION_MIN;
    unsupported(format!(
        "sierra {major}.{minor}.{patch} is not within {min_major}.{min_minor}.0 to {}.{}.x",
        max.0, max.1
    ))
}

fn check_entry_points(sierra: &SierraContractClass) -> Result<(), CompileError> {
    let EntryPointByType { constructor, external, l1handler } = &sierra.entry_points_by_type;
    for (kind, entry_points) in
        [("constructor", constructor), ("external", external), ("l1 handler", l1handler)]
    {
        let mut pairs = entry_points.windows(2);
        if let Some(pair) = pairs.find(|pair| pair[1].selector <= pair[0].selector) {
            let selector = pair[1].selector.0.to_hex_string();
            let reason = format!("{kind} entry point {selector} is repeated or out of order");
            return Err(CompileError::Failed { reason });
        }
    }
    Ok(())
}

/// The class as the compiler wants it. The compiler does not look at the ABI.
pub(crate) fn to_cairo_lang(sierra: &SierraContractClass) -> ContractClass {
    let entry_points = |entry_points: &[EntryPoint]| {
        let convert = |entry_point: &EntryPoint| ContractEntryPoint {
            selector: entry_point.selector.0.to_biguint(),
            function_idx: entry_point.function_idx.0,
        };
        entry_points.iter().map(convert).collect()
    };
    let EntryPointByType { constructor, external, l1handler } = &sierra.entry_points_by_type;
    ContractClass {
        sierra_program: sierra.sierra_program.iter().map(|felt| felt.to_biguint().into()).collect(),
        sierra_program_debug_info: None,
        contract_class_version: sierra.contract_class_version.clone(),
        entry_points_by_type: ContractEntryPoints {
            external: entry_points(external),
            l1_handler: entry_points(l1handler),
            constructor: entry_points(constructor),
        },
        abi: None,
    }
}

/// JSON as Python's `json.dumps` writes it: `, ` and `: ` between the parts. The class hash covers
/// the ABI in this form.
fn python_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    struct Spaced;

    impl serde_json::ser::Formatter for Spaced {
        fn begin_array_value<W: ?Sized + io::Write>(
            &mut self,
            writer: &mut W,
            first: bool,
        ) -> io::Result<()> {
            if first { Ok(()) } else { writer.write_all(b", ") }
        }

        fn begin_object_key<W: ?Sized + io::Write>(
            &mut self,
            writer: &mut W,
            first: bool,
        ) -> io::Result<()> {
            if first { Ok(()) } else { writer.write_all(b", ") }
        }

        fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
            writer.write_all(b": ")
        }
    }

    let mut json = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Spaced))?;
    Ok(String::from_utf8(json).expect("JSON is UTF-8"))
}

/// A limit from genesis as a length in memory.
pub(crate) fn widen(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
