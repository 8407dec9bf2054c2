//! The contracts that tests deploy: `contracts/src/*.cairo`, as they were compiled.

use std::sync::OnceLock;

use kraken_execution::{class_hash, compile, read_artefact};
use starknet_api::state::SierraContractClass;
use starknet_types_core::felt::Felt;

use crate::Wallet;

/// A class and its hashes.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// As a declare carries it.
    pub class: SierraContractClass,
    /// Its hash.
    pub class_hash: Felt,
    /// The hash of what it compiles to.
    pub compiled_class_hash: Felt,
}

const LEDGER: &[u8] = include_bytes!("../../contracts/compiled/ledger.sierra.json");
const MAILBOX: &[u8] = include_bytes!("../../contracts/compiled/mailbox.sierra.json");

impl Ledger {
    /// `ledger.cairo`, compiled once.
    ///
    /// # Panics
    /// If the committed artefact is broken.
    pub fn get() -> &'static Self {
        static CLASS: OnceLock<Ledger> = OnceLock::new();
        CLASS.get_or_init(|| Self::read(LEDGER))
    }

    /// `mailbox.cairo`, compiled once.
    ///
    /// # Panics
    /// If the committed artefact is broken.
    pub fn mailbox() -> &'static Self {
        static CLASS: OnceLock<Ledger> = OnceLock::new();
        CLASS.get_or_init(|| Self::read(MAILBOX))
    }

    fn read(artefact: &[u8]) -> Self {
        let class = read_artefact(artefact).expect("the committed class is one");
        let limits = &Wallet::new(0).chain().genesis().limits.clone();
        let compiled = compile(class.clone(), limits).expect("the committed class compiles");
        Self {
            class_hash: class_hash(&class).0,
            compiled_class_hash: compiled.compiled_class_hash.0,
            class,
        }
    }

    /// The same code under another ABI, which makes it another class.
    #[must_use]
    pub fn variant(&self, abi: &str) -> Self {
        let class = SierraContractClass { abi: abi.to_owned(), ..self.class.clone() };
        Self { class_hash: class_hash(&class).0, class, ..*self }
    }
}
