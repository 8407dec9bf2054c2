//! Compiled classes on disk, so that only the first start compiles.
//!
//! `<folder>/casm/<class hash>-<compiler version>.json` holds the compiled class as JSON. Whoever
//! can write there could change what this validator executes, and the compiled class hash covers
//! the bytecode only, not the hints. So a file counts only if the digest of all its bytes is the one
//! that the source states; that is also faster than computing the hash.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
};

use cairo_lang_starknet_classes::{
    casm_contract_class::CasmContractClass, compiler_version::current_compiler_version_id,
};
use kraken_types::Digest;
use starknet_api::core::ClassHash;

/// A folder for compiled classes.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Uses `folder`, which need not exist.
    pub(super) fn new(mut folder: PathBuf) -> Self {
        folder.push("casm");
        Self { folder }
    }

    /// The compiled class, if it is there and its digest is `digest`.
    pub(super) fn read(&self, class_hash: ClassHash, digest: &str) -> Option<CasmContractClass> {
        let path = self.path(class_hash);
        let json = fs::read(&path).ok()?;
        let got = digest_of(&json);
        if got == digest {
            return serde_json::from_slice(&json).ok();
        }
        tracing::warn!(path = %path.display(), "compiled class is damaged, compiling it again");
        None
    }

    /// Keeps a compiled class. Whoever reads the file sees the old one, the new one or none.
    pub(super) fn write(&self, class_hash: ClassHash, json: &[u8]) {
        let path = self.path(class_hash);
        if let Err(error) = self.try_write(&path, json) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(path = %path.display(), error, "cannot keep a compiled class");
        }
    }

    fn try_write(&self, path: &Path, json: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // Several nodes may start at once, in one process even.
        let thread = std::thread::current().id();
        let temporary = path.with_extension(format!("{}-{thread:?}.tmp", process::id()));
        let written = fs::write(&temporary, json).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error counts; a leftover is harmless.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, class_hash: ClassHash) -> PathBuf {
        let class_hash = class_hash.0.to_fixed_hex_string();
        self.folder.join(format!("{class_hash}-{}.json", current_compiler_version_id()))
    }
}

/// The compiled class as the cache holds it.
pub(super) fn encode(casm: &CasmContractClass) -> Vec<u8> {
    serde_json::to_vec(casm).expect("a compiled class has a form in JSON")
}

/// What identifies the encoding of a compiled class.
pub(super) fn digest_of(json: &[u8]) -> String {
    Digest::of("kraken compiled class v1", &json).to_string()
}
