//! The method table: each method once, with its parameters, its result, its errors and what answers it.
//!
//! Parameter names in errors come from it, and so do the documents that describe what is served.

use futures::FutureExt;

use crate::{
    dispatch::{Handler, json},
    dto::{
        block::{Block, TransactionWithReceipt},
        event::EventsChunk,
        fee::FeeEstimate,
        felt::Hex,
        proof::StorageProof,
        receipt::ReceiptWithBlock,
        state_update::StateUpdate,
        trace::TransactionTrace,
        transaction::TransactionWithHash,
    },
    error::{Error, Internal},
    method::{
        self,
        add_transaction::{Declared, Deployed, Invoked},
        devnet,
    },
    openrpc::Document,
    params::{Param, optional, required},
    recorder::Recorded,
    schema::{
        self, Describe,
        class::{Class, CompiledClass},
        of, request,
    },
    version::Version::{self, V0_10},
};

/// A method.
#[derive(Debug)]
pub(crate) struct Method {
    /// With its prefix.
    pub(crate) name: &'static str,
    /// In the order of the specification.
    pub(crate) params: &'static [Param],
    /// What its answer looks like.
    pub(crate) result: Describe,
    /// The codes of the specification that it may answer with.
    pub(crate) errors: &'static [i32],
    /// What answers it.
    pub(crate) handler: Handler,
}

/// Finds a method by name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

impl Method {
    /// Whether the specification knows an error of this code for this method.
    pub(crate) fn may_answer(&self, code: i32, version: Version) -> bool {
        let is_newer = |newer: &(Version, &str, i32)| {
            version < newer.0 && (newer.1, newer.2) == (self.name, code)
        };
        self.errors.contains(&code) && !NEWER_ERRORS.iter().any(is_newer)
    }

    /// Makes sure that no error leaves that the specification does not know for this method, in the
    /// words of the version that the caller speaks.
    pub(crate) fn restrict(&self, error: Error, version: Version) -> Error {
        const UNEXPECTED: i32 = 63;
        if error.code() <= 0 || self.may_answer(error.code(), version) {
            error.in_words_of(version)
        } else if self.may_answer(UNEXPECTED, version) {
            Error::Unexpected { reason: error.to_string() }
        } else {
            Internal::Foreign { method: self.name, code: error.code() }.into()
        }
    }
}

/// Errors that a method may answer with since a version.
const NEWER_ERRORS: [(Version, &str, i32); 3] = [
    (V0_10, "starknet_estimateFee", 20),
    (V0_10, "starknet_estimateMessageFee", 20),
    (V0_10, "starknet_addInvokeTransaction", 69),
];

const BLOCK: Param = required::<request::BlockId>("block_id");
const SETTLED: Param = required::<request::ConfirmedBlockId>("block_id");
const FLAGS: Param = optional::<Vec<request::TransactionFlag>>("response_flags").since(V0_10);
const TRANSACTION: Param = required::<schema::TxHash>("transaction_hash");
const CONTRACT: Param = required::<schema::Address>("contract_address");

/// Every method, in the order of the specification.
pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "rpc.discover",
        params: &[],
        result: of::<Document>,
        errors: &[],
        handler: Handler::Discover,
    },
    Method {
        name: "starknet_specVersion",
        params: &[],
        result: of::<String>,
        errors: &[],
        handler: Handler::LookUp(|call| json(Ok(call.version.spec()))),
    },
    Method {
        name: "starknet_getBlockWithTxHashes",
        params: &[BLOCK],
        result: of::<Block<schema::TxHash>>,
        errors: &[24],
        handler: Handler::LookUp(method::get_block::with_tx_hashes),
    },
    Method {
        name: "starknet_getBlockWithTxs",
        params: &[BLOCK, FLAGS],
        result: of::<Block<TransactionWithHash<'_>>>,
        errors: &[24],
        handler: Handler::Read(method::get_block::with_txs),
    },
    Method {
        name: "starknet_getBlockWithReceipts",
        params: &[BLOCK, FLAGS],
        result: of::<Block<TransactionWithReceipt<'_>>>,
        errors: &[24],
        handler: Handler::Read(method::get_block::with_receipts),
    },
    Method {
        name: "starknet_getStateUpdate",
        params: &[BLOCK, optional::<Vec<schema::Address>>("contract_addresses").since(V0_10)],
        result: of::<StateUpdate>,
        errors: &[24],
        handler: Handler::Read(|call| json(method::get_state_update::answer(call))),
    },
    Method {
        name: "starknet_getStorageAt",
        params: &[
            CONTRACT,
            required::<schema::StorageKey>("key"),
            BLOCK,
            optional::<Vec<request::StorageFlag>>("response_flags").since(V0_10),
        ],
        result: of::<method::get_storage_at::Stored>,
        errors: &[20, 24],
        handler: Handler::LookUp(|call| json(method::get_storage_at::answer(call))),
    },
    Method {
        name: "starknet_getTransactionStatus",
        params: &[TRANSACTION],
        result: of::<method::get_transaction_status::Status<'_>>,
        errors: &[29],
        handler: Handler::LookUp(method::get_transaction_status::answer),
    },
    Method {
        name: "starknet_getMessagesStatus",
        params: &[required::<Hex<[u8; 32]>>("transaction_hash")],
        result: of::<Vec<method::get_messages_status::Status>>,
        errors: &[29],
        handler: Handler::Read(method::get_messages_status::answer),
    },
    Method {
        name: "starknet_getTransactionByHash",
        params: &[TRANSACTION, FLAGS],
        result: of::<TransactionWithHash<'_>>,
        errors: &[29],
        handler: Handler::LookUp(method::get_transaction::by_hash),
    },
    Method {
        name: "starknet_getTransactionByBlockIdAndIndex",
        params: &[BLOCK, required::<u64>("index"), FLAGS],
        result: of::<TransactionWithHash<'_>>,
        errors: &[24, 27],
        handler: Handler::LookUp(method::get_transaction::by_block_id_and_index),
    },
    Method {
        name: "starknet_getTransactionReceipt",
        params: &[TRANSACTION],
        result: of::<ReceiptWithBlock<'_>>,
        errors: &[29],
        handler: Handler::LookUp(method::get_transaction_receipt::answer),
    },
    Method {
        name: "starknet_getClass",
        params: &[BLOCK, required::<schema::Felt>("class_hash")],
        result: of::<Class>,
        errors: &[24, 28],
        handler: Handler::Read(method::get_class::by_hash),
    },
    Method {
        name: "starknet_getClassHashAt",
        params: &[BLOCK, CONTRACT],
        result: of::<schema::Felt>,
        errors: &[20, 24],
        handler: Handler::LookUp(|call| json(method::get_class_hash_at::answer(call))),
    },
    Method {
        name: "starknet_getClassAt",
        params: &[BLOCK, CONTRACT],
        result: of::<Class>,
        errors: &[20, 24],
        handler: Handler::Read(method::get_class::at),
    },
    Method {
        name: "starknet_getBlockTransactionCount",
        params: &[BLOCK],
        result: of::<u64>,
        errors: &[24],
        handler: Handler::LookUp(|call| json(method::get_block::transaction_count(call))),
    },
    Method {
        name: "starknet_call",
        params: &[required::<request::FunctionCall>("request"), BLOCK],
        result: of::<Vec<schema::Felt>>,
        errors: &[20, 21, 24, 40],
        handler: Handler::Cairo(|call| json(method::call::answer(call))),
    },
    Method {
        name: "starknet_estimateFee",
        params: &[
            required::<Vec<request::Broadcasted>>("request"),
            required::<Vec<request::EstimateFlag>>("simulation_flags"),
            BLOCK,
        ],
        result: of::<Vec<FeeEstimate>>,
        errors: &[20, 24, 41],
        handler: Handler::Cairo(|call| json(method::estimate_fee::answer(call))),
    },
    Method {
        name: "starknet_estimateMessageFee",
        params: &[required::<request::MessageFromL1>("message"), BLOCK],
        result: of::<FeeEstimate>,
        errors: &[20, 24, 40],
        handler: Handler::Cairo(|call| json(method::estimate_message_fee::answer(call))),
    },
    Method {
        name: "starknet_blockNumber",
        params: &[],
        result: of::<u64>,
        errors: &[32],
        handler: Handler::LookUp(|call| json(Ok(call.view.latest()))),
    },
    Method {
        name: "starknet_blockHashAndNumber",
        params: &[],
        result: of::<method::get_block::HashAndNumber>,
        errors: &[32],
        handler: Handler::LookUp(|call| json(method::get_block::hash_and_number(call))),
    },
    Method {
        name: "starknet_chainId",
        params: &[],
        result: of::<schema::Number>,
        errors: &[],
        handler: Handler::LookUp(|call| json(Ok(call.context.sequencer.chain().id().as_hex()))),
    },
    Method {
        name: "starknet_syncing",
        params: &[],
        result: of::<method::syncing::Syncing>,
        errors: &[],
        handler: Handler::LookUp(|call| json(method::syncing::answer(call))),
    },
    Method {
        name: "starknet_getEvents",
        params: &[required::<request::EventsRequest>("filter")],
        result: of::<EventsChunk>,
        errors: &[24, 31, 33, 34],
        handler: Handler::Read(|call| json(method::get_events::answer(call))),
    },
    Method {
        name: "starknet_getNonce",
        params: &[BLOCK, CONTRACT],
        result: of::<schema::Felt>,
        errors: &[20, 24],
        handler: Handler::LookUp(|call| json(method::get_nonce::answer(call))),
    },
    Method {
        name: "starknet_getStorageProof",
        params: &[
            SETTLED,
            optional::<Vec<schema::Felt>>("class_hashes"),
            optional::<Vec<schema::Address>>("contract_addresses"),
            optional::<Vec<request::StorageKeys>>("contracts_storage_keys"),
        ],
        result: of::<StorageProof>,
        errors: &[24, 42],
        handler: Handler::Read(|call| json(method::get_storage_proof::answer(call))),
    },
    Method {
        name: "starknet_getCompiledCasm",
        params: &[required::<schema::Felt>("class_hash")],
        result: of::<CompiledClass>,
        errors: &[28, 100],
        handler: Handler::Read(method::get_compiled_casm::answer),
    },
    Method {
        name: "starknet_traceTransaction",
        params: &[TRANSACTION],
        result: of::<TransactionTrace<'_>>,
        errors: &[10, 29],
        handler: Handler::Cairo(method::trace::transaction),
    },
    Method {
        name: "starknet_simulateTransactions",
        params: &[
            BLOCK,
            required::<Vec<request::Broadcasted>>("transactions"),
            required::<Vec<request::SimulationFlag>>("simulation_flags"),
            optional::<Vec<request::TraceFlag>>("trace_flags").since(V0_10),
        ],
        result: of::<method::simulate_transactions::Answer<'_>>,
        errors: &[24, 41],
        handler: Handler::Cairo(method::simulate_transactions::answer),
    },
    Method {
        name: "starknet_traceBlockTransactions",
        params: &[SETTLED, optional::<Vec<request::TraceFlag>>("trace_flags").since(V0_10)],
        result: of::<method::trace::Answer<'_>>,
        errors: &[24],
        handler: Handler::Cairo(method::trace::block_transactions),
    },
    Method {
        name: "starknet_addInvokeTransaction",
        params: &[required::<request::Invoke>("invoke_transaction")],
        result: of::<Invoked>,
        errors: &[52, 53, 54, 55, 58, 59, 61, 63, 64, 65, 69],
        handler: Handler::Write(method::add_transaction::invoke),
    },
    Method {
        name: "starknet_addDeclareTransaction",
        params: &[required::<request::Declare>("declare_transaction")],
        result: of::<Declared>,
        errors: &[51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65],
        handler: Handler::Write(method::add_transaction::declare),
    },
    Method {
        name: "starknet_addDeployAccountTransaction",
        params: &[required::<request::DeployAccount>("deploy_account_transaction")],
        result: of::<Deployed>,
        errors: &[28, 52, 53, 54, 55, 58, 59, 61, 63, 64, 65],
        handler: Handler::Write(method::add_transaction::deploy_account),
    },
    Method {
        name: "starknet_subscribeNewHeads",
        params: &[optional::<request::SubscriptionBlockId>("block_id")],
        result: of::<schema::SubscriptionId>,
        errors: &[24, 68],
        handler: Handler::Subscribe(method::subscribe::new_heads),
    },
    Method {
        name: "starknet_subscribeEvents",
        params: &[
            optional::<request::Addresses>("from_address"),
            optional::<request::Keys>("keys"),
            optional::<request::SubscriptionBlockId>("block_id"),
            optional::<request::Finality>("finality_status"),
        ],
        result: of::<schema::SubscriptionId>,
        errors: &[24, 34, 68],
        handler: Handler::Subscribe(method::subscribe::events),
    },
    Method {
        name: "starknet_subscribeTransactionStatus",
        // The second is not of this version; starknet.js sends it all the same.
        params: &[TRANSACTION, optional::<request::BlockId>("block_id")],
        result: of::<schema::SubscriptionId>,
        errors: &[],
        handler: Handler::Subscribe(method::subscribe::transaction_status),
    },
    Method {
        name: "starknet_subscribeNewTransactionReceipts",
        params: &[
            optional::<Vec<request::Finality>>("finality_status"),
            optional::<Vec<schema::Address>>("sender_address"),
        ],
        result: of::<schema::SubscriptionId>,
        errors: &[67],
        handler: Handler::Subscribe(method::subscribe::receipts),
    },
    Method {
        name: "starknet_subscribeNewTransactions",
        params: &[
            optional::<Vec<request::Status>>("finality_status"),
            optional::<Vec<schema::Address>>("sender_address"),
            optional::<Vec<request::TransactionFlag>>("tags").since(V0_10),
        ],
        result: of::<schema::SubscriptionId>,
        errors: &[67],
        handler: Handler::Subscribe(method::subscribe::transactions),
    },
    Method {
        name: "starknet_unsubscribe",
        params: &[required::<schema::SubscriptionId>("subscription_id")],
        result: of::<bool>,
        errors: &[66],
        handler: Handler::Unsubscribe,
    },
    Method {
        name: "devnet_getPredeployedAccounts",
        params: &[optional::<bool>("with_balance")],
        result: of::<Vec<devnet::accounts::Account>>,
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::accounts::get_predeployed_accounts(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_getAccountBalance",
        params: &[
            required::<schema::Address>("address"),
            optional::<devnet::Unit>("unit"),
            optional::<request::BlockId>("block_id"),
            optional::<request::BlockId>("block_tag"),
        ],
        result: of::<devnet::accounts::Balance>,
        errors: &[24],
        handler: Handler::DevnetRead(|call| {
            method::devnet::accounts::get_account_balance(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_mint",
        params: &[
            required::<schema::Address>("address"),
            required::<request::Amount>("amount"),
            optional::<devnet::Unit>("unit"),
        ],
        result: of::<method::mint::Minted>,
        errors: &[],
        handler: Handler::DevnetControl(|call| method::mint::answer(call).map(json).boxed()),
    },
    Method {
        name: "devnet_getConfig",
        params: &[],
        result: of::<devnet::config::DevnetConfig>,
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::config::get_config(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_getStatus",
        params: &[],
        result: of::<devnet::config::Status>,
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::config::get_status(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_createBlock",
        params: &[],
        result: of::<devnet::blocks::CreatedBlock>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::create_block(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_setTime",
        params: &[required::<u64>("time"), optional::<bool>("generate_block")],
        result: of::<devnet::blocks::TimeSet>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::set_time(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_increaseTime",
        params: &[required::<u64>("time")],
        result: of::<devnet::blocks::TimeIncreased>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::increase_time(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_abortBlocks",
        params: &[required::<request::BlockId>("starting_block_id")],
        result: of::<devnet::blocks::Aborted>,
        errors: &[24],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::abort_blocks(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_acceptOnL1",
        params: &[required::<request::BlockId>("starting_block_id")],
        result: of::<devnet::blocks::AcceptedOnL1>,
        errors: &[24],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::accept_on_l1(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_setGasPrice",
        params: &[
            optional::<request::Price>("gas_price_wei"),
            optional::<request::Price>("data_gas_price_wei"),
            optional::<request::Price>("l2_gas_price_wei"),
            optional::<request::Price>("gas_price_fri"),
            optional::<request::Price>("data_gas_price_fri"),
            optional::<request::Price>("l2_gas_price_fri"),
            optional::<bool>("generate_block"),
        ],
        result: of::<devnet::gas::Prices>,
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::gas::set(call).map(json).boxed()),
    },
    Method {
        name: "devnet_impersonateAccount",
        params: &[required::<schema::Address>("account_address")],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::start(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_stopImpersonateAccount",
        params: &[required::<schema::Address>("account_address")],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::stop(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_autoImpersonate",
        params: &[],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::start_all(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_stopAutoImpersonate",
        params: &[],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::stop_all(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_snapshot",
        params: &[],
        result: of::<Hex<u64>>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::snapshot(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_revert",
        params: &[required::<request::SnapshotId>("snapshot_id")],
        result: of::<bool>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::revert(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_restart",
        params: &[optional::<bool>("restart_l1_to_l2_messaging")],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::restart(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_dump",
        params: &[optional::<String>("path"), optional::<bool>("inline")],
        result: of::<Vec<Recorded>>,
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::dump::dump(call).map(json).boxed()),
    },
    Method {
        name: "devnet_load",
        params: &[optional::<String>("path"), optional::<Vec<Recorded>>("events")],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::dump::load(call).map(json).boxed()),
    },
    Method {
        name: "devnet_applyStateDiff",
        params: &[
            required::<request::StateChanges>("state_diff"),
            optional::<Vec<request::GivenClass>>("classes"),
        ],
        result: of::<devnet::state_diff::Applied>,
        errors: &[20, 28, 56],
        handler: Handler::DevnetControl(|call| {
            method::devnet::state_diff::apply(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanLoad",
        params: &[
            required::<String>("network_url"),
            optional::<String>("messaging_contract_address"),
            optional::<schema::Address>("address"),
            optional::<String>("deployer_account_private_key"),
        ],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanFlush",
        params: &[optional::<bool>("dry_run")],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanSendMessageToL2",
        params: &[
            required::<schema::Address>("l2_contract_address"),
            required::<schema::Felt>("entry_point_selector"),
            required::<request::EthAddress>("l1_contract_address"),
            required::<Vec<schema::Felt>>("payload"),
            required::<Hex<u128>>("paid_fee_on_l1"),
            required::<schema::Felt>("nonce"),
            optional::<Hex<[u8; 32]>>("l1_transaction_hash"),
        ],
        result: of::<devnet::postman::Sent>,
        errors: &[59],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::send_message_to_l2(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanConsumeMessageFromL2",
        params: &[
            required::<request::Addresses>("from_address"),
            required::<request::EthAddress>("to_address"),
            required::<Vec<schema::Felt>>("payload"),
        ],
        result: of::<devnet::Done>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_generateBlock",
        params: &[],
        result: of::<()>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::generate_block(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_nextBlockTimestamp",
        params: &[],
        result: of::<u64>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_setNextBlockTimestamp",
        params: &[required::<u64>("timestamp")],
        result: of::<()>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::set_next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_increaseNextBlockTimestamp",
        params: &[required::<u64>("timestamp")],
        result: of::<()>,
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::increase_next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_setStorageAt",
        params: &[
            CONTRACT,
            required::<schema::StorageKey>("key"),
            required::<schema::Felt>("value"),
        ],
        result: of::<()>,
        errors: &[20],
        handler: Handler::DevnetControl(|call| {
            method::katana::set_storage_at(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_predeployedAccounts",
        params: &[],
        result: of::<Vec<method::katana::Account>>,
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::katana::predeployed_accounts(call).map(json).boxed()
        }),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::params::{InvalidParams, Presence};

    fn method(name: &str) -> &'static Method {
        find(name).expect("in the table")
    }

    #[test]
    fn names_are_unique_and_optional_and_newer_parameters_come_last() {
        let mut names = BTreeSet::new();
        for method in METHODS {
            assert!(names.insert(method.name), "{} is there twice", method.name);
            let optional = method.params.iter().map(|param| param.presence == Presence::Optional);
            assert!(optional.is_sorted(), "{}", method.name);
            // So that older callers count the same positions.
            assert!(method.params.iter().map(|param| param.since).is_sorted(), "{}", method.name);
        }
    }

    #[test]
    fn errors_of_other_methods_do_not_leave() {
        let call = method("starknet_call");
        assert_eq!(call.restrict(Error::ContractNotFound, V0_10).code(), 20);
        assert_eq!(call.restrict(Error::ClassHashNotFound, V0_10).code(), -32603);
        let invalid = InvalidParams { field: "a".to_owned(), reason: "b".to_owned() };
        assert_eq!(call.restrict(invalid.into(), V0_10).code(), -32602);

        let invoke = method("starknet_addInvokeTransaction");
        let error = invoke.restrict(Error::ClassHashNotFound, V0_10);
        assert_eq!(error.code(), 63);
        assert_eq!(error.data(), Some("Class hash not found".into()));
    }

    #[test]
    fn what_is_newer_does_not_leave_to_older_callers() {
        for (version, name, code) in NEWER_ERRORS {
            assert!(method(name).may_answer(code, version), "{name} {code}");
            let older = Version::ALL.iter().filter(|older| **older < version);
            assert!(older.clone().count() > 0, "{name} {code}");
            assert!(older.into_iter().all(|older| !method(name).may_answer(code, *older)));
        }
        let call = method("starknet_call");
        let said = |version| call.restrict(Error::EntryPointNotFound, version);
        assert_eq!(said(V0_10).to_string(), "Requested entry point does not exist in the contract");
        let older = said(Version::V0_9);
        assert_eq!(older.to_string(), "Requested entrypoint does not exist in the contract");
        assert_eq!(older.code(), 21);
    }

    #[test]
    fn methods_of_devnet_are_refused_where_they_have_no_place() {
        for method in METHODS {
            let reads = matches!(method.handler, Handler::DevnetRead(_));
            let controls = matches!(method.handler, Handler::DevnetControl(_));
            let is_devnet = ["devnet_", "dev_"].iter().any(|own| method.name.starts_with(own));
            assert_eq!(reads || controls, is_devnet, "{}", method.name);
            let is_read =
                method.name.starts_with("devnet_get") || method.name == "dev_predeployedAccounts";
            assert_eq!(reads, is_read, "{}", method.name);
        }
    }
}
