//! The price of L2 gas.
//!
//! The rule is that of EIP-1559 as Starknet uses it: `fee_market` of the crate
//! `apollo_consensus_orchestrator` in the sequencer of StarkWare. With price `p`, gas `u` used by
//! the block, target `t` and denominator `d`:
//!
//! ```text
//! next = p ± p · |u − t| / (t · d)     up where u > t; rounded towards p; never below the floor
//! next = p + p / 333                   while p is below the floor; never above the floor
//! ```
//!
//! So a block that is empty lowers the price by one part in `d`, and one that uses twice the target
//! raises it by one part in `d`; a fuller one raises it by more. Two deviations: a price below the
//! floor rises by at least one fri, so that it reaches the floor from wherever it starts, and no
//! price is above [`PRICE_MAX`], so that no product of price and gas leaves 128 bits.

use kraken_types::genesis::Fees;
use num_bigint::BigUint;

/// The highest price of any gas: 2^64 - 1 fri or wei per unit, about 18 STRK.
pub(crate) const PRICE_MAX: u128 = u64::MAX as u128;

/// A price below the floor rises by at most one part in this many from block to block.
const RISE_DENOMINATOR: u128 = 333;

/// The price of L2 gas, in fri, of the block that follows one with price `price` and `used` L2 gas.
///
/// A pure function of the chain: the floor, target and denominator are settings of the genesis. With
/// a denominator of zero the price stays as it is. A target of zero, which [`crate::Chain::new`]
/// refuses, counts as one.
pub(crate) fn next_l2_gas_price(fees: &Fees, price: u128, used: u64) -> u128 {
    if fees.l2_gas_price_change_denominator == 0 {
        return price.min(PRICE_MAX);
    }
    let floor = fees.l2_gas_price_fri_min.min(PRICE_MAX);
    if price < floor {
        let rise = (price / RISE_DENOMINATOR).max(1);
        return price.saturating_add(rise).min(floor);
    }
    let target = u128::from(fees.l2_gas_target.max(1));
    let denominator = u128::from(fees.l2_gas_price_change_denominator);
    let distance = u128::from(used).abs_diff(target);
    // Two factors of 64 bits.
    let change = mul_div(price, distance, target * denominator);
    let next = if target < u128::from(used) {
        price.saturating_add(change)
    } else {
        price.saturating_sub(change)
    };
    next.clamp(floor, PRICE_MAX)
}

/// `number * factor / divisor`, rounded down and exact in between; `u128::MAX` where the result is
/// larger than that, and for a divisor of zero.
pub(crate) fn mul_div(number: u128, factor: u128, divisor: u128) -> u128 {
    if divisor == 0 {
        return u128::MAX;
    }
    let quotient = BigUint::from(number) * factor / divisor;
    u128::try_from(quotient).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGET: u64 = 1_040_000_000;

    fn fees(floor: u128) -> Fees {
        Fees {
            l1_gas_price_fri: 1,
            l1_gas_price_wei: 1,
            l1_data_gas_price_fri: 1,
            l1_data_gas_price_wei: 1,
            l2_gas_price_fri_min: floor,
            l2_gas_price_wei_min: 1,
            l2_gas_target: TARGET,
            l2_gas_price_change_denominator: 48,
        }
    }

    #[test]
    fn the_price_follows_the_rule_of_starknet() {
        let price = 30_000_000_000;
        let fees = fees(8_000_000_000);
        // Computed by hand from the formula.
        assert_eq!(next_l2_gas_price(&fees, price, 0), 29_375_000_000);
        assert_eq!(next_l2_gas_price(&fees, price, TARGET / 2), 29_687_500_000);
        assert_eq!(next_l2_gas_price(&fees, price, 2 * TARGET), 30_625_000_000);
        assert_eq!(next_l2_gas_price(&fees, price, 5_800_000_000), 32_860_576_923);
    }

    #[test]
    fn the_price_climbs_to_the_floor_from_anywhere_in_small_steps() {
        let fees = fees(8_000_000_000);
        assert_eq!(next_l2_gas_price(&fees, 333_000, 0), 334_000);
        assert_eq!(next_l2_gas_price(&fees, 7_999_999_999, 0), 8_000_000_000);
        let mut price = 0;
        let blocks = (0..10_000).take_while(|_| {
            price = next_l2_gas_price(&fees, price, u64::MAX);
            price < 8_000_000_000
        });
        assert!(blocks.count() < 10_000, "stuck at {price}");
    }

    #[test]
    fn without_a_market_the_price_stays_wherever_it_is() {
        let fees = Fees { l2_gas_price_change_denominator: 0, ..fees(8_000_000_000) };
        for (price, used) in [(1, 0), (8_000_000_000, u64::MAX), (PRICE_MAX, 0)] {
            assert_eq!(next_l2_gas_price(&fees, price, used), price);
        }
    }

    #[test]
    fn nonsense_settings_do_not_panic() {
        let mut fees = fees(u128::MAX);
        fees.l2_gas_target = 0;
        fees.l2_gas_price_change_denominator = 0;
        assert_eq!(next_l2_gas_price(&fees, u128::MAX, u64::MAX), PRICE_MAX);
    }

    proptest! {
        #[test]
        fn a_price_at_the_floor_never_falls_below_it(
            floor in 1..=PRICE_MAX, above in 0..=PRICE_MAX, used in any::<u64>(),
        ) {
            let price = floor.saturating_add(above).min(PRICE_MAX);
            let next = next_l2_gas_price(&fees(floor), price, used);
            prop_assert!((floor..=PRICE_MAX).contains(&next));
        }

        #[test]
        fn a_step_is_bounded_and_goes_the_right_way(
            price in 1..=PRICE_MAX, used in 0..=2 * TARGET,
        ) {
            let next = next_l2_gas_price(&fees(1), price, used);
            prop_assert!(next.abs_diff(price) <= price / 48);
            let (lower, higher) = if used <= TARGET { (next, price) } else { (price, next) };
            prop_assert!(lower <= higher);
        }

        #[test]
        fn a_block_at_the_target_keeps_the_price(price in 1..=PRICE_MAX) {
            prop_assert_eq!(next_l2_gas_price(&fees(1), price, TARGET), price);
        }

        #[test]
        fn a_rise_to_the_floor_is_at_most_one_part_in_333(
            floor in 1..=PRICE_MAX, below in 1..=PRICE_MAX, used in any::<u64>(),
        ) {
            let price = floor.saturating_sub(below);
            prop_assume!(price < floor);
            let next = next_l2_gas_price(&fees(floor), price, used);
            prop_assert!(price < next && next <= floor);
            prop_assert!(next - price <= (price / 333).max(1));
        }

        #[test]
        fn a_product_is_exact_before_it_is_divided(
            number in any::<u64>(), factor in any::<u64>(), divisor in 1..=u128::MAX,
        ) {
            let product = u128::from(number) * u128::from(factor);
            prop_assert_eq!(
                mul_div(u128::from(number), u128::from(factor), divisor),
                product / divisor
            );
            let (large, again) = (u128::MAX - u128::from(number), u128::from(factor) + 1);
            prop_assert_eq!(mul_div(large, again, again), large);
        }
    }
}
