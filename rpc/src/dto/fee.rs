//! Fee estimates.

use kraken_execution::FeeEstimate as Estimate;
use schemars::JsonSchema;
use serde::Serialize;

use crate::dto::felt::Hex;

/// FEE_ESTIMATE and MESSAGE_FEE_ESTIMATE, which differ in the unit.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FEE_ESTIMATE")]
pub(crate) struct FeeEstimate {
    l1_gas_consumed: Hex<u64>,
    l1_gas_price: Hex<u128>,
    l2_gas_consumed: Hex<u64>,
    l2_gas_price: Hex<u128>,
    l1_data_gas_consumed: Hex<u64>,
    l1_data_gas_price: Hex<u128>,
    overall_fee: Hex<u128>,
    #[schemars(extend("enum" = ["FRI", "WEI"]))]
    unit: &'static str,
}

impl FeeEstimate {
    /// Of a transaction of an account.
    pub(crate) fn in_fri(estimate: Estimate) -> Self {
        Self::new(estimate, "FRI")
    }

    /// Of a message of L1.
    pub(crate) fn in_wei(estimate: Estimate) -> Self {
        Self::new(estimate, "WEI")
    }

    fn new(estimate: Estimate, unit: &'static str) -> Self {
        Self {
            l1_gas_consumed: Hex(estimate.l1_gas_consumed),
            l1_gas_price: Hex(estimate.l1_gas_price),
            l2_gas_consumed: Hex(estimate.l2_gas_consumed),
            l2_gas_price: Hex(estimate.l2_gas_price),
            l1_data_gas_consumed: Hex(estimate.l1_data_gas_consumed),
            l1_data_gas_price: Hex(estimate.l1_data_gas_price),
            overall_fee: Hex(estimate.overall_fee),
            unit,
        }
    }
}
