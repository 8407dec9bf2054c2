//! Compiles a contract class to machine code: `casm CLASS.json CASM.json`.
//!
//! Called by `cargo xtask contracts`. It uses the compiler that the validator uses, at the same
//! version, so the machine code has the hash that the validator computes for a declaration.

use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use cairo_lang_starknet_classes::{
    casm_contract_class::CasmContractClass, contract_class::ContractClass,
};

/// Far above what a contract of ours needs, in felts.
const BYTECODE_FELTS_MAX: usize = 1 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [class_path, casm_path] = arguments.as_slice() else {
        bail!("usage: casm CLASS.json CASM.json");
    };

    let text =
        fs::read_to_string(class_path).with_context(|| format!("cannot read {class_path}"))?;
    let class: ContractClass = serde_json::from_str(&text)
        .with_context(|| format!("{class_path} is not a contract class"))?;
    let program = class
        .extract_sierra_program(false)
        .with_context(|| format!("{class_path} holds no Sierra program"))?;
    let casm = CasmContractClass::from_contract_class(class, program, false, BYTECODE_FELTS_MAX)
        .with_context(|| format!("cannot compile {class_path}"))?;

    let mut text = serde_json::to_string(&casm).context("cannot encode the machine code")?;
    text.push('\n');
    fs::write(casm_path, text).with_context(|| format!("cannot write {casm_path}"))
}
