//! What can be said of a transaction without looking at the state.
//!
//! Source: starkware-libs/sequencer, `apollo_gateway`, stateless transaction validator. The sizes of
//! classes are checked where they are compiled.

use kraken_execution::{Rejection, RejectionKind};
use kraken_types::genesis::Limits;
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
    signature_felts: usize,
    /// Calldata, or the arguments of a constructor.
    calldata_felts: usize,
    paymaster_felts: usize,
    account_deployment_felts: usize,
    modes: [DataAvailabilityMode; 2],
    /// A declare may ask for any amount of gas.
    is_declare: bool,
}

/// Checks sizes, bounds and fields that are reserved.
///
/// # Errors
/// The first thing that is wrong, in words for the sender.
pub(super) fn check(transaction: &RpcTransaction, limits: &Limits) -> Result<(), Rejection> {
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
    let asked = common.bounds.l2_gas.max_amount.0;
    if !common.is_declare && limits.l2_gas_max < asked {
        return refuse(format!("l2 gas of {asked} is over the limit of {}", limits.l2_gas_max));
    }
    at_most("signature", common.signature_felts, limits.signature_felts_max)?;
    at_most("calldata", common.calldata_felts, limits.calldata_felts_max)?;
    at_most("paymaster data", common.paymaster_felts, 0)?;
    at_most("account deployment data", common.account_deployment_felts, 0)?;
    if common.modes != [DataAvailabilityMode::L1; 2] {
        return refuse("only data availability mode L1 is supported".to_owned());
    }
    Ok(())
}

fn common(transaction: &RpcTransaction) -> Common<'_> {
    match transaction {
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => Common {
            bounds: &invoke.resource_bounds,
            signature_felts: invoke.signature.0.len(),
            calldata_felts: invoke.calldata.0.len() + invoke.proof_facts.0.len(),
            paymaster_felts: invoke.paymaster_data.0.len(),
            account_deployment_felts: invoke.account_deployment_data.0.len(),
            modes: [invoke.nonce_data_availability_mode, invoke.fee_data_availability_mode],
            is_declare: false,
        },
        RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) => Common {
            bounds: &declare.resource_bounds,
            signature_felts: declare.signature.0.len(),
            calldata_felts: 0,
            paymaster_felts: declare.paymaster_data.0.len(),
            account_deployment_felts: declare.account_deployment_data.0.len(),
            modes: [declare.nonce_data_availability_mode, declare.fee_data_availability_mode],
            is_declare: true,
        },
        RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy)) => Common {
            bounds: &deploy.resource_bounds,
            signature_felts: deploy.signature.0.len(),
            calldata_felts: deploy.constructor_calldata.0.len(),
            paymaster_felts: deploy.paymaster_data.0.len(),
            account_deployment_felts: 0,
            modes: [deploy.nonce_data_availability_mode, deploy.fee_data_availability_mode],
            is_declare: false,
        },
    }
}

fn at_most(what: &str, felts: usize, max: u32) -> Result<(), Rejection> {
    if usize::try_from(max).is_ok_and(|max| max < felts) {
        return refuse(format!("{what} of {felts} felts is over the limit of {max}"));
    }
    Ok(())
}

fn refuse(reason: String) -> Result<(), Rejection> {
    Err(Rejection { kind: RejectionKind::ValidationFailure, reason })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    const LIMITS: Limits = Limits {
        calldata_felts_max: 5,
        signature_felts_max: 2,
        l2_gas_max: 1_000,
        class_bytes_max: 0,
        sierra_felts_max: 0,
        bytecode_felts_max: 0,
        nonce_ahead_max: 0,
    };

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

    fn reason(transaction: &RpcTransaction) -> String {
        check(transaction, &LIMITS).expect_err("must be refused").reason
    }

    #[test]
    fn what_is_at_its_limits_passes() {
        let transaction = invoke(|invoke| {
            invoke.calldata = Calldata(Arc::new(vec![Felt::ONE; 5]));
            invoke.signature = TransactionSignature(Arc::new(vec![Felt::ONE; 2]));
        });
        assert_eq!(check(&transaction, &LIMITS), Ok(()));
    }

    #[test]
    fn each_excess_is_named_with_its_numbers() {
        let calldata = invoke(|invoke| invoke.calldata = Calldata(Arc::new(vec![Felt::ONE; 6])));
        assert_eq!(reason(&calldata), "calldata of 6 felts is over the limit of 5");

        let signature = TransactionSignature(Arc::new(vec![Felt::ONE; 3]));
        let signature = invoke(|invoke| invoke.signature = signature);
        assert_eq!(reason(&signature), "signature of 3 felts is over the limit of 2");

        let gas = invoke(|invoke| invoke.resource_bounds.l2_gas.max_amount = GasAmount(1_001));
        assert_eq!(reason(&gas), "l2 gas of 1001 is over the limit of 1000");

        let paymaster = invoke(|invoke| invoke.paymaster_data = PaymasterData(vec![Felt::ONE]));
        assert_eq!(reason(&paymaster), "paymaster data of 1 felts is over the limit of 0");

        let mode = invoke(|invoke| invoke.fee_data_availability_mode = DataAvailabilityMode::L2);
        assert_eq!(reason(&mode), "only data availability mode L1 is supported");
    }

    #[test]
    fn a_transaction_that_offers_nothing_is_refused_as_underfunded() {
        let free = invoke(|invoke| invoke.resource_bounds = AllResourceBounds::default());
        let rejection = check(&free, &LIMITS).expect_err("must be refused");
        assert_eq!(rejection.kind, RejectionKind::InsufficientResources);
    }
}
