//! What can be said of a transaction without looking at the state.
//!
//! Source: starkware-libs/sequencer, `apollo_gateway`, stateless transaction validator. Limits of size
//! are not checked here: those of calldata, signature and L2 gas hold for whatever is in a batch, so
//! `Prepared::new` checks them, and those of classes are checked where classes are compiled.

use kraken_execution::{Rejection, RejectionKind};
use starknet_api::{
    data_availability::DataAvailabilityMode,
    rpc_transaction::{
        RpcDeclareTransaction, RpcDeployAccountTransaction, RpcInvokeTransaction, RpcTransaction,
    },
    transaction::fields::AllResourceBounds,
};

/// What every kind of transaction has.
struct Common<'a> {
    bounds: &'a AllResourceBounds,
    paymaster_felts: usize,
    account_deployment_felts: usize,
    modes: [DataAvailabilityMode; 2],
}

/// Checks bounds and fields that are reserved.
///
/// # Errors
/// The first thing that is wrong, in words for the sender.
pub(super) fn check(transaction: &RpcTransaction) -> Result<(), Rejection> {
    let common = common(transaction);
    let is_free = [&common.bounds.l1_gas, &common.bounds.l2_gas, &common.bounds.l1_data_gas]
        .into_iter()
        .all(|bound| bound.max_amount.0 == 0 || bound.max_price_per_unit.0 == 0);
    if is_free {
        return Err(Rejection {
            kind: RejectionKind::InsufficientResources,
            reason: "all resource bounds are zero".to_owned(),
        });
    }
    check_empty("paymaster data", common.paymaster_felts)?;
    check_empty("account deployment data", common.account_deployment_felts)?;
    if common.modes != [DataAvailabilityMode::L1; 2] {
        let reason = "only data availability mode L1 is supported";
        return Err(Rejection::new(RejectionKind::ValidationFailure, reason));
    }
    Ok(())
}

fn common(transaction: &RpcTransaction) -> Common<'_> {
    match transaction {
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => Common {
            bounds: &invoke.resource_bounds,
            paymaster_felts: invoke.paymaster_data.0.len(),
            account_deployment_felts: invoke.account_deployment_data.0.len(),
            modes: [invoke.nonce_data_availability_mode, invoke.fee_data_availability_mode],
        },
        RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) => Common {
            bounds: &declare.resource_bounds,
            paymaster_felts: declare.paymaster_data.0.len(),
            account_deployment_felts: declare.account_deployment_data.0.len(),
            modes: [declare.nonce_data_availability_mode, declare.fee_data_availability_mode],
        },
        RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy)) => Common {
            bounds: &deploy.resource_bounds,
            paymaster_felts: deploy.paymaster_data.0.len(),
            account_deployment_felts: 0,
            modes: [deploy.nonce_data_availability_mode, deploy.fee_data_availability_mode],
        },
    }
}

fn check_empty(what: &str, felts: usize) -> Result<(), Rejection> {
    if felts == 0 {
        return Ok(());
    }
    let reason = format!("{what} of {felts} felts is over the limit of 0");
    Err(Rejection::new(RejectionKind::ValidationFailure, reason))
}

#[cfg(test)]
mod tests {
    use starknet_api::{
        block::GasPrice,
        core::{ContractAddress, Nonce},
        execution_resources::GasAmount,
        rpc_transaction::RpcInvokeTransactionV3,
        transaction::fields::{
            AccountDeploymentData, Calldata, PaymasterData, Proof, ProofFacts, ResourceBounds, Tip,
            TransactionSignature,
        },
    };
    use starknet_types_core::felt::Felt;

    use super::*;

    fn invoke(change: impl FnOnce(&mut RpcInvokeTransactionV3)) -> RpcTransaction {
        let l2_gas =
            ResourceBounds { max_amount: GasAmount(1_000), max_price_per_unit: GasPrice(1) };
        let mut invoke = RpcInvokeTransactionV3 {
            sender_address: ContractAddress::from(1_u8),
            calldata: Calldata::default(),
            signature: TransactionSignature::default(),
            nonce: Nonce::default(),
            resource_bounds: AllResourceBounds { l2_gas, ..AllResourceBounds::default() },
            tip: Tip(0),
            paymaster_data: PaymasterData::default(),
            account_deployment_data: AccountDeploymentData::default(),
            nonce_data_availability_mode: DataAvailabilityMode::L1,
            fee_data_availability_mode: DataAvailabilityMode::L1,
            proof_facts: ProofFacts::default(),
            proof: Proof::default(),
        };
        change(&mut invoke);
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke))
    }

    #[test]
    fn reserved_fields_must_be_empty() {
        assert_eq!(check(&invoke(|_| ())), Ok(()));
        let reason = |transaction| check(&transaction).expect_err("must be refused").reason;

        let paymaster = invoke(|invoke| invoke.paymaster_data = PaymasterData(vec![Felt::ONE]));
        assert_eq!(reason(paymaster), "paymaster data of 1 felts is over the limit of 0");

        let data = AccountDeploymentData(vec![Felt::ONE; 2]);
        let deployment = invoke(|invoke| invoke.account_deployment_data = data);
        assert_eq!(reason(deployment), "account deployment data of 2 felts is over the limit of 0");

        let mode = invoke(|invoke| invoke.fee_data_availability_mode = DataAvailabilityMode::L2);
        assert_eq!(reason(mode), "only data availability mode L1 is supported");
    }

    #[test]
    fn a_transaction_that_offers_nothing_is_refused_as_underfunded() {
        let free = invoke(|invoke| invoke.resource_bounds = AllResourceBounds::default());
        let rejection = check(&free).expect_err("must be refused");
        assert_eq!(rejection.kind, RejectionKind::InsufficientResources);
    }
}
