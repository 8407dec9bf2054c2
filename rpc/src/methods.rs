//! The method table: each method once, with its parameters, its errors and what answers it.
//!
//! Parameter names in errors come from it, and so do the documents that describe what is served.

use futures::FutureExt;

use crate::{
    dispatch::{Handler, json},
    error::{Error, Internal},
    method,
    params::{Param, optional, required},
    version::Version::{self, V0_10},
};

/// A method.
#[derive(Debug)]
pub(crate) struct Method {
    /// With its prefix.
    pub(crate) name: &'static str,
    /// In the order of the specification.
    pub(crate) params: &'static [Param],
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

const BLOCK: Param = required("block_id");
const FLAGS: Param = optional("response_flags").since(V0_10);
const TRANSACTION: Param = required("transaction_hash");
const CONTRACT: Param = required("contract_address");

/// Every method, in the order of the specification.
pub(crate) const METHODS: &[Method] = &[
    Method {
        name: "starknet_specVersion",
        params: &[],
        errors: &[],
        handler: Handler::Read(|call| json(Ok(call.version.spec()))),
    },
    Method {
        name: "starknet_getBlockWithTxHashes",
        params: &[BLOCK],
        errors: &[24],
        handler: Handler::Read(method::get_block::with_tx_hashes),
    },
    Method {
        name: "starknet_getBlockWithTxs",
        params: &[BLOCK, FLAGS],
        errors: &[24],
        handler: Handler::Read(method::get_block::with_txs),
    },
    Method {
        name: "starknet_getBlockWithReceipts",
        params: &[BLOCK, FLAGS],
        errors: &[24],
        handler: Handler::Read(method::get_block::with_receipts),
    },
    Method {
        name: "starknet_getStateUpdate",
        params: &[BLOCK, optional("contract_addresses").since(V0_10)],
        errors: &[24],
        handler: Handler::Read(|call| json(method::get_state_update::answer(call))),
    },
    Method {
        name: "starknet_getStorageAt",
        params: &[CONTRACT, required("key"), BLOCK, FLAGS],
        errors: &[20, 24],
        handler: Handler::Read(|call| json(method::get_storage_at::answer(call))),
    },
    Method {
        name: "starknet_getTransactionStatus",
        params: &[TRANSACTION],
        errors: &[29],
        handler: Handler::Read(method::get_transaction_status::answer),
    },
    Method {
        name: "starknet_getMessagesStatus",
        params: &[TRANSACTION],
        errors: &[29],
        handler: Handler::Read(method::get_messages_status::answer),
    },
    Method {
        name: "starknet_getTransactionByHash",
        params: &[TRANSACTION, FLAGS],
        errors: &[29],
        handler: Handler::Read(method::get_transaction::by_hash),
    },
    Method {
        name: "starknet_getTransactionByBlockIdAndIndex",
        params: &[BLOCK, required("index"), FLAGS],
        errors: &[24, 27],
        handler: Handler::Read(method::get_transaction::by_block_id_and_index),
    },
    Method {
        name: "starknet_getTransactionReceipt",
        params: &[TRANSACTION],
        errors: &[29],
        handler: Handler::Read(method::get_transaction_receipt::answer),
    },
    Method {
        name: "starknet_getClass",
        params: &[BLOCK, required("class_hash")],
        errors: &[24, 28],
        handler: Handler::Read(method::get_class::by_hash),
    },
    Method {
        name: "starknet_getClassHashAt",
        params: &[BLOCK, CONTRACT],
        errors: &[20, 24],
        handler: Handler::Read(|call| json(method::get_class_hash_at::answer(call))),
    },
    Method {
        name: "starknet_getClassAt",
        params: &[BLOCK, CONTRACT],
        errors: &[20, 24],
        handler: Handler::Read(method::get_class::at),
    },
    Method {
        name: "starknet_getBlockTransactionCount",
        params: &[BLOCK],
        errors: &[24],
        handler: Handler::Read(|call| json(method::get_block::transaction_count(call))),
    },
    Method {
        name: "starknet_call",
        params: &[required("request"), BLOCK],
        errors: &[20, 21, 24, 40],
        handler: Handler::Cairo(|call| json(method::call::answer(call))),
    },
    Method {
        name: "starknet_estimateFee",
        params: &[required("request"), required("simulation_flags"), BLOCK],
        errors: &[20, 24, 41],
        handler: Handler::Cairo(|call| json(method::estimate_fee::answer(call))),
    },
    Method {
        name: "starknet_estimateMessageFee",
        params: &[required("message"), BLOCK],
        errors: &[20, 24, 40],
        handler: Handler::Cairo(|call| json(method::estimate_message_fee::answer(call))),
    },
    Method {
        name: "starknet_blockNumber",
        params: &[],
        errors: &[32],
        handler: Handler::Read(|call| json(Ok(call.view.latest()))),
    },
    Method {
        name: "starknet_blockHashAndNumber",
        params: &[],
        errors: &[32],
        handler: Handler::Read(|call| json(method::get_block::hash_and_number(call))),
    },
    Method {
        name: "starknet_chainId",
        params: &[],
        errors: &[],
        handler: Handler::Read(|call| json(Ok(call.context.sequencer.chain().id().as_hex()))),
    },
    Method {
        name: "starknet_syncing",
        params: &[],
        errors: &[],
        handler: Handler::Read(|call| json(method::syncing::answer(call))),
    },
    Method {
        name: "starknet_getEvents",
        params: &[required("filter")],
        errors: &[24, 31, 33, 34],
        handler: Handler::Read(|call| json(method::get_events::answer(call))),
    },
    Method {
        name: "starknet_getNonce",
        params: &[BLOCK, CONTRACT],
        errors: &[20, 24],
        handler: Handler::Read(|call| json(method::get_nonce::answer(call))),
    },
    Method {
        name: "starknet_getStorageProof",
        params: &[
            BLOCK,
            optional("class_hashes"),
            optional("contract_addresses"),
            optional("contracts_storage_keys"),
        ],
        errors: &[24, 42],
        handler: Handler::Read(|call| json(method::get_storage_proof::answer(call))),
    },
    Method {
        name: "starknet_getCompiledCasm",
        params: &[required("class_hash")],
        errors: &[28, 100],
        handler: Handler::Read(method::get_compiled_casm::answer),
    },
    Method {
        name: "starknet_traceTransaction",
        params: &[TRANSACTION],
        errors: &[10, 29],
        handler: Handler::Cairo(method::trace::transaction),
    },
    Method {
        name: "starknet_simulateTransactions",
        params: &[
            BLOCK,
            required("transactions"),
            required("simulation_flags"),
            optional("trace_flags").since(V0_10),
        ],
        errors: &[24, 41],
        handler: Handler::Cairo(method::simulate_transactions::answer),
    },
    Method {
        name: "starknet_traceBlockTransactions",
        params: &[BLOCK, optional("trace_flags").since(V0_10)],
        errors: &[24],
        handler: Handler::Cairo(method::trace::block_transactions),
    },
    Method {
        name: "starknet_addInvokeTransaction",
        params: &[required("invoke_transaction")],
        errors: &[52, 53, 54, 55, 58, 59, 61, 63, 64, 65, 69],
        handler: Handler::Write(method::add_transaction::invoke),
    },
    Method {
        name: "starknet_addDeclareTransaction",
        params: &[required("declare_transaction")],
        errors: &[51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65],
        handler: Handler::Write(method::add_transaction::declare),
    },
    Method {
        name: "starknet_addDeployAccountTransaction",
        params: &[required("deploy_account_transaction")],
        errors: &[28, 52, 53, 54, 55, 58, 59, 61, 63, 64, 65],
        handler: Handler::Write(method::add_transaction::deploy_account),
    },
    Method {
        name: "starknet_subscribeNewHeads",
        params: &[optional("block_id")],
        errors: &[24, 68],
        handler: Handler::Subscribe(method::subscribe::new_heads),
    },
    Method {
        name: "starknet_subscribeEvents",
        params: &[
            optional("from_address"),
            optional("keys"),
            optional("block_id"),
            optional("finality_status"),
        ],
        errors: &[24, 34, 68],
        handler: Handler::Subscribe(method::subscribe::events),
    },
    Method {
        name: "starknet_subscribeTransactionStatus",
        // The second is not of this version; starknet.js sends it all the same.
        params: &[TRANSACTION, optional("block_id")],
        errors: &[],
        handler: Handler::Subscribe(method::subscribe::transaction_status),
    },
    Method {
        name: "starknet_subscribeNewTransactionReceipts",
        params: &[optional("finality_status"), optional("sender_address")],
        errors: &[67],
        handler: Handler::Subscribe(method::subscribe::receipts),
    },
    Method {
        name: "starknet_subscribeNewTransactions",
        params: &[
            optional("finality_status"),
            optional("sender_address"),
            optional("tags").since(V0_10),
        ],
        errors: &[67],
        handler: Handler::Subscribe(method::subscribe::transactions),
    },
    Method {
        name: "starknet_unsubscribe",
        params: &[required("subscription_id")],
        errors: &[66],
        handler: Handler::Unsubscribe,
    },
    Method {
        name: "devnet_getPredeployedAccounts",
        params: &[optional("with_balance")],
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::accounts::get_predeployed_accounts(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_getAccountBalance",
        params: &[
            required("address"),
            optional("unit"),
            optional("block_id"),
            optional("block_tag"),
        ],
        errors: &[24],
        handler: Handler::DevnetRead(|call| {
            method::devnet::accounts::get_account_balance(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_mint",
        params: &[required("address"), required("amount"), optional("unit")],
        errors: &[],
        handler: Handler::DevnetControl(|call| method::mint::answer(call).map(json).boxed()),
    },
    Method {
        name: "devnet_getConfig",
        params: &[],
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::config::get_config(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_getStatus",
        params: &[],
        errors: &[],
        handler: Handler::DevnetRead(|call| {
            method::devnet::config::get_status(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_createBlock",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::create_block(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_setTime",
        params: &[required("time"), optional("generate_block")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::set_time(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_increaseTime",
        params: &[required("time")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::increase_time(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_abortBlocks",
        params: &[required("starting_block_id")],
        errors: &[24],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::abort_blocks(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_acceptOnL1",
        params: &[required("starting_block_id")],
        errors: &[24],
        handler: Handler::DevnetControl(|call| {
            method::devnet::blocks::accept_on_l1(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_setGasPrice",
        params: &[
            optional("gas_price_wei"),
            optional("data_gas_price_wei"),
            optional("l2_gas_price_wei"),
            optional("gas_price_fri"),
            optional("data_gas_price_fri"),
            optional("l2_gas_price_fri"),
            optional("generate_block"),
        ],
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::gas::set(call).map(json).boxed()),
    },
    Method {
        name: "devnet_impersonateAccount",
        params: &[required("account_address")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::start(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_stopImpersonateAccount",
        params: &[required("account_address")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::stop(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_autoImpersonate",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::start_all(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_stopAutoImpersonate",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::impersonation::stop_all(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_snapshot",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::snapshot(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_revert",
        params: &[required("snapshot_id")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::revert(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_restart",
        params: &[optional("restart_l1_to_l2_messaging")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::snapshots::restart(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_dump",
        params: &[optional("path"), optional("inline")],
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::dump::dump(call).map(json).boxed()),
    },
    Method {
        name: "devnet_load",
        params: &[optional("path"), optional("events")],
        errors: &[],
        handler: Handler::DevnetControl(|call| method::devnet::dump::load(call).map(json).boxed()),
    },
    Method {
        name: "devnet_applyStateDiff",
        params: &[required("state_diff"), optional("classes")],
        errors: &[20, 28, 56],
        handler: Handler::DevnetControl(|call| {
            method::devnet::state_diff::apply(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanLoad",
        params: &[
            required("network_url"),
            optional("messaging_contract_address"),
            optional("address"),
            optional("deployer_account_private_key"),
        ],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanFlush",
        params: &[optional("dry_run")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanSendMessageToL2",
        params: &[
            required("l2_contract_address"),
            required("entry_point_selector"),
            required("l1_contract_address"),
            required("payload"),
            required("paid_fee_on_l1"),
            required("nonce"),
            optional("l1_transaction_hash"),
        ],
        errors: &[59],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::send_message_to_l2(call).map(json).boxed()
        }),
    },
    Method {
        name: "devnet_postmanConsumeMessageFromL2",
        params: &[required("from_address"), required("to_address"), required("payload")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::devnet::postman::refuse(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_generateBlock",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::generate_block(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_nextBlockTimestamp",
        params: &[],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_setNextBlockTimestamp",
        params: &[required("timestamp")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::set_next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_increaseNextBlockTimestamp",
        params: &[required("timestamp")],
        errors: &[],
        handler: Handler::DevnetControl(|call| {
            method::katana::increase_next_block_timestamp(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_setStorageAt",
        params: &[CONTRACT, required("key"), required("value")],
        errors: &[20],
        handler: Handler::DevnetControl(|call| {
            method::katana::set_storage_at(call).map(json).boxed()
        }),
    },
    Method {
        name: "dev_predeployedAccounts",
        params: &[],
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
    fn names_are_unique_and_optional_parameters_come_last() {
        let mut names = BTreeSet::new();
        for method in METHODS {
            assert!(names.insert(method.name), "{} is there twice", method.name);
            let optional = method.params.iter().map(|param| param.presence == Presence::Optional);
            assert!(optional.is_sorted(), "{}", method.name);
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
