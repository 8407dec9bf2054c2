//! Blocks for tests.

use std::sync::Arc;

use kraken_sequencer::{BlockAt, UnsealedBlock};
use kraken_storage::{Block, ExecutedTransaction, Header, Receipt};
use kraken_types::Cursor;
use starknet_api::{
    block::{
        BlockHash, BlockInfo, BlockNumber, BlockTimestamp, GasPrice, GasPriceVector, GasPrices,
        NonzeroGasPrice, StarknetVersion,
    },
    core::{
        EventCommitment, GlobalRoot, Nonce, ReceiptCommitment, StateDiffCommitment,
        TransactionCommitment,
    },
    data_availability::DataAvailabilityMode,
    execution_resources::{GasAmount, GasVector},
    hash::PoseidonHash,
    state::ThinStateDiff,
    transaction::{
        Event, InvokeTransaction, InvokeTransactionV3, Transaction, TransactionExecutionStatus,
        TransactionHash,
        fields::{
            AccountDeploymentData, AllResourceBounds, Calldata, Fee, PaymasterData, ProofFacts,
            ResourceBounds, Tip, TransactionSignature, ValidResourceBounds,
        },
    },
};
use starknet_types_core::felt::Felt;

/// A list of small field elements.
pub(crate) fn felts<const N: usize>(numbers: [u64; N]) -> Vec<Felt> {
    numbers.map(Felt::from).to_vec()
}

/// Different bounds for each gas.
pub(crate) fn bounds() -> ValidResourceBounds {
    let bounds = |amount, price| ResourceBounds {
        max_amount: GasAmount(amount),
        max_price_per_unit: GasPrice(price),
    };
    ValidResourceBounds::AllResources(AllResourceBounds {
        l1_gas: bounds(0, 0),
        l2_gas: bounds(255, 256),
        l1_data_gas: bounds(1, 2),
    })
}

/// An invoke with something in every field.
pub(crate) fn invoke() -> InvokeTransactionV3 {
    InvokeTransactionV3 {
        resource_bounds: bounds(),
        tip: Tip(10),
        signature: TransactionSignature(felts([1, 2]).into()),
        nonce: Nonce(Felt::from(3)),
        sender_address: 0x44_u128.into(),
        calldata: Calldata(felts([5, 6]).into()),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L2,
        paymaster_data: PaymasterData(vec![]),
        account_deployment_data: AccountDeploymentData(vec![]),
        proof_facts: ProofFacts(felts([7]).into()),
    }
}

/// A transaction that has succeeded.
pub(crate) fn executed(
    hash: u64,
    transaction: Transaction,
    events: Vec<Event>,
) -> ExecutedTransaction {
    ExecutedTransaction {
        hash: TransactionHash(Felt::from(hash)),
        transaction,
        receipt: Receipt {
            actual_fee: Fee(0xfee),
            execution_status: TransactionExecutionStatus::Succeeded,
            messages_sent: vec![],
            events,
            gas: GasVector {
                l1_gas: GasAmount(0),
                l1_data_gas: GasAmount(128),
                l2_gas: GasAmount(1_000_000),
            },
        },
    }
}

/// An invoke that has emitted these events.
pub(crate) fn emitted(hash: u64, events: Vec<Event>) -> Arc<ExecutedTransaction> {
    let transaction = Transaction::Invoke(InvokeTransaction::V3(invoke()));
    Arc::new(executed(hash, transaction, events))
}

/// Block info with different prices for everything.
pub(crate) fn info(number: u64) -> BlockInfo {
    let price = |price| NonzeroGasPrice::new(GasPrice(price)).expect("not zero");
    BlockInfo {
        block_number: BlockNumber(number),
        block_timestamp: BlockTimestamp(1_000 + number),
        starknet_version: StarknetVersion::V0_14_4,
        sequencer_address: 0x5e9_u128.into(),
        gas_prices: GasPrices {
            eth_gas_prices: GasPriceVector {
                l1_gas_price: price(1),
                l1_data_gas_price: price(2),
                l2_gas_price: price(3),
            },
            strk_gas_prices: GasPriceVector {
                l1_gas_price: price(0x11),
                l1_data_gas_price: price(0x12),
                l2_gas_price: price(0x13),
            },
        },
        use_kzg_da: true,
    }
}

/// A closed block.
pub(crate) fn closed(number: u64, transactions: Vec<Arc<ExecutedTransaction>>) -> BlockAt {
    let felt = |offset: u64| Felt::from(0x1000 * (number + 1) + offset);
    BlockAt::Closed(Arc::new(Block {
        header: Header {
            info: info(number),
            hash: BlockHash(felt(0)),
            parent_hash: BlockHash(felt(1)),
            state_root: GlobalRoot(felt(2)),
            transaction_commitment: TransactionCommitment(felt(3)),
            event_commitment: EventCommitment(felt(4)),
            receipt_commitment: ReceiptCommitment(felt(5)),
            state_diff_commitment: StateDiffCommitment(PoseidonHash(felt(6))),
            transaction_count: u32::try_from(transactions.len()).expect("few"),
            event_count: 8,
            state_diff_length: 9,
            l2_gas_used: 10,
        },
        transactions,
        state_diff: ThinStateDiff::default(),
        classes: vec![],
        executed_up_to: Cursor::default(),
        checkpoint: kraken_types::Digest::default(),
    }))
}

/// A block without a hash.
pub(crate) fn unsealed(number: u64, transactions: Vec<Arc<ExecutedTransaction>>) -> BlockAt {
    let unsealed =
        UnsealedBlock { info: info(number), transactions, changes: vec![], traces: vec![] };
    BlockAt::Unsealed(Arc::new(unsealed))
}
