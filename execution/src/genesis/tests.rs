//! Block 0 as contracts see it, and the cache of compiled classes.

use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};

use blockifier::{
    execution::{
        contract_class::{CompiledClassV0, CompiledClassV1, RunnableCompiledClass},
        entry_point::call_view_entry_point,
    },
    state::{
        errors::StateError,
        state_api::{StateReader, StateResult},
    },
};
use kraken_types::Signer;
use starknet_api::{
    block::BlockNumber, core::Nonce, state::StorageKey, transaction::fields::Calldata,
};
use starknet_rust_core::types::contract::legacy::LegacyContractClass;

use super::*;
use crate::Chain;

fn genesis() -> Genesis {
    dev_genesis("SN_SEPOLIA", 0, 3, 1, &Signer::from_seed([1; 32]).public_key())
}

/// Compiles once for all tests.
fn built() -> &'static (tempfile::TempDir, GenesisState) {
    static BUILT: OnceLock<(tempfile::TempDir, GenesisState)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = load(folder.path());
        (folder, state)
    })
}

fn load(folder: &Path) -> GenesisState {
    state(&genesis(), &Extras::default(), Some(folder.to_owned()), &mut |_, _, _| ())
        .expect("block 0")
}

/// Reads block 0 the way execution reads any state.
struct Reader<'state>(&'state GenesisState);

impl StateReader for Reader<'_> {
    fn get_storage_at(&self, contract: ContractAddress, key: StorageKey) -> StateResult<Felt> {
        let cells = self.0.state_diff.storage_diffs.get(&contract);
        Ok(cells.and_then(|cells| cells.get(&key)).copied().unwrap_or_default())
    }

    fn get_nonce_at(&self, _contract: ContractAddress) -> StateResult<Nonce> {
        Ok(Nonce::default())
    }

    fn get_class_hash_at(&self, contract: ContractAddress) -> StateResult<ClassHash> {
        Ok(self.0.state_diff.deployed_contracts.get(&contract).copied().unwrap_or_default())
    }

    fn get_compiled_class(&self, class_hash: ClassHash) -> StateResult<RunnableCompiledClass> {
        let class = self.0.classes.iter().find(|(hash, _)| *hash == class_hash);
        let (_, class) = class.ok_or(StateError::UndeclaredClassHash(class_hash))?;
        Ok(match &**class {
            Class::Sierra(class) => {
                let version = class.sierra.get_sierra_version().expect("a version");
                let compiled = CompiledClassV1::try_from((class.casm.clone(), version));
                RunnableCompiledClass::V1(compiled.expect("a compiled class"))
            }
            Class::Deprecated(class) => {
                let compiled = CompiledClassV0::try_from((**class).clone());
                RunnableCompiledClass::V0(compiled.expect("a compiled class"))
            }
        })
    }

    fn get_compiled_class_hash(&self, class_hash: ClassHash) -> StateResult<CompiledClassHash> {
        let hashes = &self.0.state_diff.class_hash_to_compiled_class_hash;
        Ok(hashes.get(&class_hash).copied().unwrap_or_default())
    }
}

fn call(contract: ContractAddress, function: &str, calldata: Vec<Felt>) -> Vec<Felt> {
    let (_, state) = built();
    let chain = Chain::new(&genesis()).expect("a valid genesis");
    let context = chain.query_context(&chain.block_info(BlockNumber(1), 1, chain.gas_prices(1)));
    let calldata = Calldata(Arc::new(calldata));
    let info =
        call_view_entry_point(Reader(state), Arc::new(context), contract, function, calldata)
            .expect("a view function");
    assert!(!info.execution.failed, "{function} failed: {:?}", info.execution.retdata);
    info.execution.retdata.0
}

fn felts(numbers: &[u128]) -> Vec<Felt> {
    numbers.iter().copied().map(Felt::from).collect()
}

/// A `ByteArray` of less than 31 bytes as functions return it.
fn text(text: &str) -> Vec<Felt> {
    let bytes = Felt::from_bytes_be_slice(text.as_bytes());
    vec![Felt::ZERO, bytes, Felt::from(u64::try_from(text.len()).expect("short"))]
}

#[test]
fn the_tokens_answer_as_on_mainnet() {
    for (token, name, symbol) in
        [(STRK_ADDRESS, "StarkNet Token", "STRK"), (ETH_ADDRESS, "Ether", "ETH")]
    {
        assert_eq!(call(token, "name", vec![]), text(name));
        assert_eq!(call(token, "symbol", vec![]), text(symbol));
        assert_eq!(call(token, "decimals", vec![]), felts(&[18]));
        let minter = vec![Felt::from(chargeable_account().address)];
        assert_eq!(call(token, "is_permitted_minter", minter), [Felt::ONE]);
        let other = vec![Felt::from(accounts(0, 1)[0].address)];
        assert_eq!(call(token, "is_permitted_minter", other), [Felt::ZERO]);
    }
}

#[test]
fn balances_add_up_to_the_total_supply() {
    let balance = genesis().accounts.initial_balance;
    let half = 1_u128 << 127;
    for token in [STRK_ADDRESS, ETH_ADDRESS] {
        for account in accounts(0, 3) {
            let holder = vec![Felt::from(account.address)];
            assert_eq!(call(token, "balance_of", holder.clone()), felts(&[balance, 0]));
            assert_eq!(call(token, "balanceOf", holder), felts(&[balance, 0]));
        }
        let chargeable = vec![Felt::from(chargeable_account().address)];
        assert_eq!(call(token, "balance_of", chargeable), felts(&[0, half]));
        assert_eq!(call(token, "total_supply", vec![]), felts(&[3 * balance, half]));
    }
}

#[test]
fn the_accounts_know_their_keys_and_their_interface() {
    let isrc6 = "0x02ceccef7f994940b3962a6c67e0ba4fcd37df7d131417c604f91e03caecc1cd";
    for account in accounts(0, 3).into_iter().chain([chargeable_account()]) {
        assert_eq!(call(account.address, "get_public_key", vec![]), [account.public_key]);
        let id = vec![Felt::from_hex_unchecked(isrc6)];
        assert_eq!(call(account.address, "supports_interface", id), [Felt::ONE]);
    }
}

#[test]
fn block_0_is_the_same_each_time_and_sorted() {
    let (folder, first) = built();
    let mut names = Vec::new();
    let second = state(
        &genesis(),
        &Extras::default(),
        Some(folder.path().to_owned()),
        &mut |name, done, total| {
            names.push((name.to_owned(), done, total));
        },
    )
    .expect("block 0");
    assert_eq!(first.state_diff, second.state_diff);
    assert_eq!(first.classes, second.classes);

    let progress: Vec<_> = names.iter().map(|(_, done, total)| (*done, *total)).collect();
    assert_eq!(progress, [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]);

    let diff = &second.state_diff;
    assert!(diff.deployed_contracts.keys().is_sorted());
    assert!(diff.storage_diffs.keys().is_sorted());
    assert!(diff.storage_diffs.values().all(|cells| cells.keys().is_sorted()));
    assert!(diff.class_hash_to_compiled_class_hash.keys().is_sorted());
    assert_eq!(diff.deployed_contracts.len(), 4 + 3 + 1);
    assert_eq!(diff.class_hash_to_compiled_class_hash.len(), 4);
    assert_eq!(diff.deprecated_declared_classes, [UDC_LEGACY_CLASS_HASH]);
    assert!(diff.nonces.is_empty());
    assert!(second.classes.is_sorted_by_key(|(hash, _)| *hash));
    for class_hash in diff.deployed_contracts.values() {
        assert!(second.classes.iter().any(|(hash, _)| hash == class_hash));
    }
}

#[test]
fn a_damaged_cache_is_noticed_and_mended() {
    let (folder, first) = built();
    // The smallest class, in a cache of its own.
    let own = tempfile::tempdir().expect("a temporary folder");
    let files: Vec<_> = fs::read_dir(folder.path().join("casm"))
        .expect("the cache")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(files.len(), 4, "{files:?}");
    fs::create_dir(own.path().join("casm")).expect("a folder");
    let mut damaged = Vec::new();
    for file in files {
        let copy = own.path().join("casm").join(file.file_name().expect("a name"));
        let mut json = fs::read_to_string(&file).expect("a file of the cache");
        if file.to_string_lossy().contains(&UDC_CLASS_HASH.0.to_fixed_hex_string()) {
            // A hint, which the compiled class hash does not cover.
            let hints = json.find("\"hints\"").expect("the field");
            json.replace_range(hints.., "\"hints\":[],\"entry_points_by_type\":{}}");
            damaged.push((file, copy.clone()));
        }
        fs::write(copy, json).expect("a copy");
    }
    assert_eq!(damaged.len(), 1);

    let mended = load(own.path());
    assert_eq!(mended.classes, first.classes);
    for (file, copy) in damaged {
        assert_eq!(fs::read(file).expect("intact"), fs::read(copy).expect("mended"));
    }
}

#[test]
fn a_cache_that_cannot_be_written_costs_only_time() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let cache = cache::Cache::new(file.path().to_owned());
    cache.write(STRK_CLASS_HASH, b"{}");
    assert_eq!(cache.read(STRK_CLASS_HASH, &cache::digest_of(b"{}")), None);
}

/// `starknet_api` does not compute hashes of Cairo 0; another implementation does.
#[test]
fn the_deployer_of_cairo_0_has_its_published_hash() {
    let legacy = embedded::CLASSES.iter().find(|class| class.hash == UDC_LEGACY_CLASS_HASH);
    let json = String::from_utf8(legacy.expect("in the table").json()).expect("JSON is UTF-8");
    // An empty list stands for no debug information, which the hash takes as null.
    let json = json.replace("\"debug_info\":[]", "\"debug_info\":null");
    let class: LegacyContractClass = serde_json::from_str(&json).expect("a class of Cairo 0");
    assert_eq!(class.class_hash().expect("a hash"), UDC_LEGACY_CLASS_HASH.0);
}

#[test]
fn a_developer_may_choose_the_class_of_the_accounts_and_have_those_of_argent() {
    let (folder, usual) = built();
    let account_class = artefact_for_tests(UDC_CLASS_HASH);
    let extras = Extras { account_class: Some(account_class), argent: true };
    let made = state(&genesis(), &extras, Some(folder.path().to_owned()), &mut |_, _, _| ());
    let made = made.expect("block 0");
    for account in accounts(0, 3) {
        let class_hash = made.state_diff.deployed_contracts[&account.address];
        assert_eq!(class_hash, UDC_CLASS_HASH);
    }
    let minting = chargeable_account().address;
    assert_eq!(made.state_diff.deployed_contracts[&minting], ACCOUNT_CLASS_HASH);
    assert_eq!(made.classes.len(), usual.classes.len() + 2);
    assert!(made.classes.is_sorted_by_key(|(class_hash, _)| *class_hash));
}
