//! Transactions, as callers send them.

use kraken_execution::QueryTransaction;
use starknet_api::{
    block::GasPrice,
    data_availability::DataAvailabilityMode,
    execution_resources::GasAmount,
    rpc_transaction::{
        EntryPointByType, RpcDeclareTransaction, RpcDeclareTransactionV3,
        RpcDeployAccountTransaction, RpcDeployAccountTransactionV3, RpcInvokeTransaction,
        RpcInvokeTransactionV3, RpcTransaction,
    },
    state::{EntryPoint, FunctionIndex, SierraContractClass},
    transaction::fields::{
        AccountDeploymentData, AllResourceBounds, Calldata, ContractAddressSalt, PaymasterData,
        Proof, ProofFacts, ResourceBounds, Tip, TransactionSignature,
    },
};
use starknet_types_core::felt::Felt;

use crate::{
    dto::felt::Hex,
    params::{Fields, FromInput, Input, InvalidParams},
    version::Version::V0_10,
};

/// The bit that marks a transaction as signed for an estimate, 2^128.
const QUERY_BIT: Felt = Felt::from_hex_unchecked("0x100000000000000000000000000000000");

/// TXN_TYPE, of those that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// INVOKE.
    Invoke,
    /// DECLARE.
    Declare,
    /// DEPLOY_ACCOUNT.
    DeployAccount,
}

/// The version of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 3.
    Three,
    /// 3, signed for an estimate.
    QueryThree,
    /// Not supported.
    Other,
}

/// Kind and version of a transaction that is not read yet.
///
/// # Errors
/// [`InvalidParams`] if either is missing or makes no sense.
pub(crate) fn header(input: &Input<'_>) -> Result<(Kind, Version), InvalidParams> {
    let mut fields = input.fields()?;
    Ok((fields.required("type")?, fields.required("version")?))
}

impl FromInput for Kind {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "INVOKE" => Ok(Self::Invoke),
            "DECLARE" => Ok(Self::Declare),
            "DEPLOY_ACCOUNT" => Ok(Self::DeployAccount),
            _ => Err(input.expected("INVOKE, DECLARE or DEPLOY_ACCOUNT")),
        }
    }
}

impl FromInput for Version {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let version = Felt::from_input(input)?;
        Ok(if version == Felt::THREE {
            Self::Three
        } else if version == Felt::THREE + QUERY_BIT {
            Self::QueryThree
        } else {
            Self::Other
        })
    }
}

/// BROADCASTED_TXN, of version 3.
impl FromInput for QueryTransaction {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let kind = fields.required("type")?;
        let query_version = match fields.required("version")? {
            Version::Three => false,
            Version::QueryThree => true,
            Version::Other => {
                let expected = "version 0x3 or 0x100000000000000000000000000000003";
                return Err(fields.error(format!("unsupported version, expected {expected}")));
            }
        };
        let transaction = match kind {
            Kind::Invoke => RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke(&mut fields)?)),
            Kind::Declare => {
                RpcTransaction::Declare(RpcDeclareTransaction::V3(declare(&mut fields)?))
            }
            Kind::DeployAccount => RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(
                deploy_account(&mut fields)?,
            )),
        };
        fields.finish()?;
        Ok(Self { transaction, query_version, is_exempt: false })
    }
}

fn invoke(fields: &mut Fields<'_>) -> Result<RpcInvokeTransactionV3, InvalidParams> {
    Ok(RpcInvokeTransactionV3 {
        sender_address: fields.required("sender_address")?,
        calldata: fields.required::<Vec<Felt>>("calldata")?.into(),
        signature: signature(fields)?,
        nonce: fields.required("nonce")?,
        resource_bounds: fields.required("resource_bounds")?,
        tip: tip(fields)?,
        paymaster_data: PaymasterData(fields.required("paymaster_data")?),
        account_deployment_data: AccountDeploymentData(fields.required("account_deployment_data")?),
        nonce_data_availability_mode: fields.required("nonce_data_availability_mode")?,
        fee_data_availability_mode: fields.required("fee_data_availability_mode")?,
        proof_facts: ProofFacts(
            fields.optional_since::<Vec<Felt>>(V0_10, "proof_facts")?.unwrap_or_default().into(),
        ),
        proof: fields.optional_since(V0_10, "proof")?.unwrap_or_default(),
    })
}

fn declare(fields: &mut Fields<'_>) -> Result<RpcDeclareTransactionV3, InvalidParams> {
    Ok(RpcDeclareTransactionV3 {
        sender_address: fields.required("sender_address")?,
        compiled_class_hash: fields.required("compiled_class_hash")?,
        signature: signature(fields)?,
        nonce: fields.required("nonce")?,
        contract_class: fields.required("contract_class")?,
        resource_bounds: fields.required("resource_bounds")?,
        tip: tip(fields)?,
        paymaster_data: PaymasterData(fields.required("paymaster_data")?),
        account_deployment_data: AccountDeploymentData(fields.required("account_deployment_data")?),
        nonce_data_availability_mode: fields.required("nonce_data_availability_mode")?,
        fee_data_availability_mode: fields.required("fee_data_availability_mode")?,
    })
}

fn deploy_account(fields: &mut Fields<'_>) -> Result<RpcDeployAccountTransactionV3, InvalidParams> {
    let deploy = RpcDeployAccountTransactionV3 {
        signature: signature(fields)?,
        nonce: fields.required("nonce")?,
        class_hash: fields.required("class_hash")?,
        contract_address_salt: ContractAddressSalt(fields.required("contract_address_salt")?),
        constructor_calldata: Calldata::from(fields.required::<Vec<Felt>>("constructor_calldata")?),
        resource_bounds: fields.required("resource_bounds")?,
        tip: tip(fields)?,
        paymaster_data: PaymasterData(fields.required("paymaster_data")?),
        nonce_data_availability_mode: fields.required("nonce_data_availability_mode")?,
        fee_data_availability_mode: fields.required("fee_data_availability_mode")?,
    };
    // Not in the specification, but some clients send what their other transactions have.
    match fields.optional::<Vec<Felt>>("account_deployment_data")? {
        None => Ok(deploy),
        Some(data) if data.is_empty() => Ok(deploy),
        Some(_) => Err(fields.error("account_deployment_data must be empty")),
    }
}

fn signature(fields: &mut Fields<'_>) -> Result<TransactionSignature, InvalidParams> {
    Ok(TransactionSignature(fields.required::<Vec<Felt>>("signature")?.into()))
}

fn tip(fields: &mut Fields<'_>) -> Result<Tip, InvalidParams> {
    fields.required("tip").map(|Hex(tip)| Tip(tip))
}

impl FromInput for AllResourceBounds {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let bounds = Self {
            l1_gas: fields.required("l1_gas")?,
            l2_gas: fields.required("l2_gas")?,
            l1_data_gas: fields.required("l1_data_gas")?,
        };
        fields.finish()?;
        Ok(bounds)
    }
}

impl FromInput for ResourceBounds {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let Hex(max_amount) = fields.required("max_amount")?;
        let Hex(max_price_per_unit) = fields.required("max_price_per_unit")?;
        fields.finish()?;
        Ok(Self {
            max_amount: GasAmount(max_amount),
            max_price_per_unit: GasPrice(max_price_per_unit),
        })
    }
}

impl FromInput for DataAvailabilityMode {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "L1" => Ok(Self::L1),
            "L2" => Ok(Self::L2),
            _ => Err(input.expected("L1 or L2")),
        }
    }
}

impl FromInput for Proof {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        serde_json::from_str(input.raw().get()).map_err(|_| input.expected("text in base 64"))
    }
}

/// CONTRACT_CLASS.
impl FromInput for SierraContractClass {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let class = Self {
            sierra_program: fields.required("sierra_program")?,
            contract_class_version: fields.required("contract_class_version")?,
            entry_points_by_type: fields.required("entry_points_by_type")?,
            abi: fields.optional("abi")?.unwrap_or_default(),
        };
        // Part of what compilers write, and of no class: some clients leave it in.
        fields.ignore("sierra_program_debug_info");
        fields.finish()?;
        Ok(class)
    }
}

impl FromInput for EntryPointByType {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let entry_points = Self {
            constructor: fields.required("CONSTRUCTOR")?,
            external: fields.required("EXTERNAL")?,
            l1handler: fields.required("L1_HANDLER")?,
        };
        fields.finish()?;
        Ok(entry_points)
    }
}

impl FromInput for EntryPoint {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let function: u64 = fields.required("function_idx")?;
        let selector = fields.required("selector")?;
        fields.finish()?;
        let function =
            usize::try_from(function).map_err(|_| input.error("function_idx is too large"))?;
        Ok(Self { function_idx: FunctionIndex(function), selector })
    }
}
