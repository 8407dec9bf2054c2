//! `devnet_applyStateDiff`: a block of changes that no transaction explains.

use std::{collections::BTreeSet, sync::Arc};

use kraken_execution::Chain;
use kraken_sequencer::Diff;
use kraken_storage::Class;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce},
    state::{SierraContractClass, StorageKey, ThinStateDiff},
};
use starknet_types_core::felt::Felt;

use super::control;
use crate::{
    dispatch::Call,
    error::Error,
    params::{FromInput, Input, InvalidParams},
    schema,
};

/// The answer to `devnet_applyStateDiff`: the classes that were given.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "APPLIED_CLASSES")]
pub(crate) struct Applied {
    classes: Vec<AppliedClass>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct AppliedClass {
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    compiled_class_hash: Felt,
}

/// Answers `devnet_applyStateDiff`. The changes are in a block of their own, without transactions.
///
/// # Errors
/// [`Error::ContractNotFound`], [`Error::ClassHashNotFound`], [`Error::CompilationFailed`],
/// [`Error::Devnet`].
pub(crate) async fn apply(call: &Call<'_>) -> Result<Applied, Error> {
    let mut diff = call.params.required::<Given>("state_diff")?.into_diff()?;
    let given: Vec<GivenClass> = call.params.optional("classes")?.unwrap_or_default();
    let chain = call.context.sequencer.chain().clone();
    let compile = move || given.into_iter().map(|class| class.compile(&chain)).collect();
    let compiled: Vec<(AppliedClass, _)> = call.context.cairo(compile).await?;
    let (classes, compiled) = compiled.into_iter().unzip();
    diff.classes = compiled;
    apply_diff(call, diff).await?;
    Ok(Applied { classes })
}

/// Makes a block of changes.
///
/// # Errors
/// [`Error::ContractNotFound`], [`Error::ClassHashNotFound`], [`Error::Devnet`].
pub(crate) async fn apply_diff(call: &Call<'_>, diff: Diff) -> Result<(), Error> {
    let control = control(call)?;
    call.context.exclusively(async move { control.apply(diff).await }).await?;
    Ok(())
}

/// STATE_DIFF, of which every part may be missing.
#[derive(Debug)]
struct Given {
    storage: Vec<Storage>,
    nonces: Vec<Pair<ContractAddress, Nonce>>,
    deployed: Vec<Pair<ContractAddress, ClassHash>>,
    replaced: Vec<Pair<ContractAddress, ClassHash>>,
    declared: Vec<Pair<ClassHash, CompiledClassHash>>,
    deprecated: Vec<ClassHash>,
}

impl Given {
    fn into_diff(self) -> Result<Diff, InvalidParams> {
        let mut changes = ThinStateDiff::default();
        for Storage { address, cells } in self.storage {
            let cells = cells.into_iter().map(|cell| (cell.key, cell.value));
            changes.storage_diffs.entry(address).or_default().extend(cells);
        }
        let replaced: BTreeSet<_> = self.replaced.iter().map(|pair| pair.key).collect();
        for Pair { key, value } in self.deployed.into_iter().chain(self.replaced) {
            if changes.deployed_contracts.insert(key, value).is_some() {
                return Err(InvalidParams {
                    field: "state_diff".to_owned(),
                    reason: format!("contract {key} is deployed or replaced twice"),
                });
            }
        }
        changes.nonces.extend(self.nonces.into_iter().map(|pair| (pair.key, pair.value)));
        let declared = self.declared.into_iter().map(|pair| (pair.key, pair.value));
        changes.class_hash_to_compiled_class_hash.extend(declared);
        changes.deprecated_declared_classes = self.deprecated;
        Ok(Diff { changes, replaced, classes: Vec::new() })
    }
}

impl FromInput for Given {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let deployed = fields.optional::<Vec<Deployed>>("deployed_contracts")?;
        let nonces = fields.optional::<Vec<GivenNonce>>("nonces")?;
        let replaced = fields.optional::<Vec<Replaced>>("replaced_classes")?;
        let declared = fields.optional::<Vec<Declared>>("declared_classes")?;
        let migrated = fields.optional::<Vec<Declared>>("migrated_compiled_classes")?;
        let given = Self {
            storage: fields.optional("storage_diffs")?.unwrap_or_default(),
            nonces: nonces.unwrap_or_default().into_iter().map(|GivenNonce(pair)| pair).collect(),
            deployed: deployed.unwrap_or_default().into_iter().map(|Deployed(pair)| pair).collect(),
            replaced: replaced.unwrap_or_default().into_iter().map(|Replaced(pair)| pair).collect(),
            declared: declared.unwrap_or_default().into_iter().map(|Declared(pair)| pair).collect(),
            deprecated: fields.optional("deprecated_declared_classes")?.unwrap_or_default(),
        };
        fields.finish()?;
        if migrated.is_some_and(|migrated| !migrated.is_empty()) {
            return Err(input.error("migrated_compiled_classes must be empty"));
        }
        Ok(given)
    }
}

#[derive(Debug)]
struct Pair<K, V> {
    key: K,
    value: V,
}

/// An object of two fields.
fn pair<K: FromInput, V: FromInput>(
    input: &Input<'_>,
    key: &'static str,
    value: &'static str,
) -> Result<Pair<K, V>, InvalidParams> {
    let mut fields = input.fields()?;
    let pair = Pair { key: fields.required(key)?, value: fields.required(value)? };
    fields.finish()?;
    Ok(pair)
}

macro_rules! pairs {
    ($($name:ident($key:ty: $key_name:literal, $value:ty: $value_name:literal))*) => {$(
        #[derive(Debug)]
        struct $name(Pair<$key, $value>);

        impl FromInput for $name {
            fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
                pair(input, $key_name, $value_name).map(Self)
            }
        }
    )*};
}

pairs! {
    Declared(ClassHash: "class_hash", CompiledClassHash: "compiled_class_hash")
    Deployed(ContractAddress: "address", ClassHash: "class_hash")
    GivenNonce(ContractAddress: "contract_address", Nonce: "nonce")
    Replaced(ContractAddress: "contract_address", ClassHash: "class_hash")
}

#[derive(Debug)]
struct Storage {
    address: ContractAddress,
    cells: Vec<Pair<StorageKey, Felt>>,
}

impl FromInput for Storage {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        struct Cell(Pair<StorageKey, Felt>);

        impl FromInput for Cell {
            fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
                pair(input, "key", "value").map(Self)
            }
        }

        let mut fields = input.fields()?;
        let address = fields.required("address")?;
        let cells: Vec<Cell> = fields.required("storage_entries")?;
        fields.finish()?;
        Ok(Self { address, cells: cells.into_iter().map(|Cell(pair)| pair).collect() })
    }
}

/// A class to declare, with hashes that it may be held against.
#[derive(Debug)]
struct GivenClass {
    class: SierraContractClass,
    class_hash: Option<ClassHash>,
    compiled_class_hash: Option<CompiledClassHash>,
    /// Where it was in the request.
    place: InvalidParams,
}

impl GivenClass {
    fn compile(self, chain: &Chain) -> Result<(AppliedClass, (ClassHash, Arc<Class>)), Error> {
        let Self { class, class_hash: said, compiled_class_hash, place } = self;
        let class_hash = kraken_execution::class_hash(&class);
        let compiler = &chain.compilers().submissions;
        let compiled = compiler
            .compile(class_hash, &class, &chain.genesis().limits)
            .map_err(|error| Error::CompilationFailed { reason: error.to_string() })?;
        let Class::Sierra(sierra) = compiled.as_ref() else {
            unreachable!("only Sierra is compiled");
        };
        let got = sierra.compiled_class_hash;
        let wrong = |reason: &str| InvalidParams { reason: reason.to_owned(), ..place.clone() };
        if said.is_some_and(|said| said != class_hash) {
            return Err(wrong("class_hash is not the hash of the class").into());
        }
        if compiled_class_hash.is_some_and(|said| said != got) {
            return Err(wrong("the class does not compile to compiled_class_hash").into());
        }
        let applied = AppliedClass { class_hash: class_hash.0, compiled_class_hash: got.0 };
        Ok((applied, (class_hash, compiled)))
    }
}

impl FromInput for GivenClass {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let class = Self {
            class: fields.required("contract_class")?,
            class_hash: fields.optional("class_hash")?,
            compiled_class_hash: fields.optional("compiled_class_hash")?,
            place: input.error(""),
        };
        fields.finish()?;
        Ok(class)
    }
}
