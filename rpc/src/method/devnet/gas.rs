//! `devnet_setGasPrice`.

use std::num::NonZeroU128;

use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::block::{GasPrice, GasPrices, NonzeroGasPrice};

use super::control;
use crate::{
    dispatch::Call,
    error::Error,
    params::{FromInput, Input, InvalidParams},
};

/// The answer to `devnet_setGasPrice`: all prices, set or not.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GAS_PRICES")]
pub(crate) struct Prices {
    gas_price_wei: u128,
    data_gas_price_wei: u128,
    gas_price_fri: u128,
    data_gas_price_fri: u128,
    l2_gas_price_wei: u128,
    l2_gas_price_fri: u128,
}

/// A price as a JSON number.
#[derive(Clone, Copy, Debug)]
struct Price(NonzeroGasPrice);

/// Above this no product of price and gas is sure to fit into 128 bits.
const PRICE_MAX: u128 = u64::MAX as u128;

impl FromInput for Price {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let price = input.raw().get().parse::<NonZeroU128>().ok().map(NonZeroU128::get);
        price
            .filter(|price| *price <= PRICE_MAX)
            .and_then(|price| NonzeroGasPrice::new(GasPrice(price)).ok())
            .map(Self)
            .ok_or_else(|| input.expected("a whole number from 1 to 2^64 - 1"))
    }
}

/// Answers `devnet_setGasPrice`.
///
/// # Errors
/// [`Error::Devnet`] if prices move by themselves.
pub(crate) async fn set(call: &Call<'_>) -> Result<Prices, Error> {
    let control = control(call)?;
    let mut prices = control.gas_prices();
    let GasPrices { eth_gas_prices: wei, strk_gas_prices: fri } = &mut prices;
    for (name, price) in [
        ("gas_price_wei", &mut wei.l1_gas_price),
        ("data_gas_price_wei", &mut wei.l1_data_gas_price),
        ("l2_gas_price_wei", &mut wei.l2_gas_price),
        ("gas_price_fri", &mut fri.l1_gas_price),
        ("data_gas_price_fri", &mut fri.l1_data_gas_price),
        ("l2_gas_price_fri", &mut fri.l2_gas_price),
    ] {
        if let Some(Price(given)) = call.params.optional(name)? {
            *price = given;
        }
    }
    let generate_block = call.params.optional("generate_block")?.unwrap_or(false);
    let (setting, set) = (control.clone(), prices.clone());
    call.context.exclusively(async move { setting.set_gas_prices(set).await }).await?;
    if generate_block {
        control.create_block().await?;
    }
    Ok(Prices::of(&prices))
}

impl Prices {
    fn of(GasPrices { eth_gas_prices: wei, strk_gas_prices: fri }: &GasPrices) -> Self {
        Self {
            gas_price_wei: wei.l1_gas_price.get().0,
            data_gas_price_wei: wei.l1_data_gas_price.get().0,
            gas_price_fri: fri.l1_gas_price.get().0,
            data_gas_price_fri: fri.l1_data_gas_price.get().0,
            l2_gas_price_wei: wei.l2_gas_price.get().0,
            l2_gas_price_fri: fri.l2_gas_price.get().0,
        }
    }
}
