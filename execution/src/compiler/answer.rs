//! What is said between a node and the process that compiles a class for it.
//!
//! The node writes one line of JSON, the task, and keeps the pipe open; the process writes its
//! verdict as JSON and ends. Both are the same program, so the form need not last.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use cairo_lang_starknet_classes::casm_contract_class::CasmContractClass;
use serde::{Deserialize, Serialize};
use starknet_api::state::SierraContractClass;

use crate::{CompileError, class};

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task<'a> {
    pub(super) bytecode_felts_max: usize,
    pub(super) class: Cow<'a, SierraContractClass>,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Verdict {
    Compiled(Box<CasmContractClass>),
    TooLarge { bytecode: usize, max: usize },
    UnsupportedVersion { reason: String },
    Failed { reason: String },
}

impl Verdict {
    fn of(result: Result<CasmContractClass, CompileError>) -> Self {
        match result {
            Ok(casm) => Self::Compiled(Box::new(casm)),
            // Other sizes are looked at before a process is started.
            Err(CompileError::TooLarge { what: _, got, max }) => {
                Self::TooLarge { bytecode: got, max }
            }
            Err(CompileError::UnsupportedVersion { reason }) => Self::UnsupportedVersion { reason },
            Err(CompileError::Failed { reason }) => Self::Failed { reason },
        }
    }

    pub(super) fn into_result(self) -> Result<CasmContractClass, CompileError> {
        match self {
            Self::Compiled(casm) => Ok(*casm),
            Self::TooLarge { bytecode, max } => {
                Err(CompileError::TooLarge { what: "bytecode", got: bytecode, max })
            }
            Self::UnsupportedVersion { reason } => Err(CompileError::UnsupportedVersion { reason }),
            Self::Failed { reason } => Err(CompileError::Failed { reason }),
        }
    }
}

/// Does the part of the process: compiles as `task` says, the line without its end, and writes the
/// verdict to `output`. Whatever limits it shall have must be set before.
///
/// # Errors
/// If there is no task in the line, or nobody reads the verdict.
pub fn answer(task: &[u8], output: &mut impl Write) -> io::Result<()> {
    let task: Task<'_> = serde_json::from_slice(task)?;
    let verdict = Verdict::of(class::to_casm(&task.class, task.bytecode_felts_max));
    serde_json::to_writer(&mut *output, &verdict)?;
    output.flush()
}
