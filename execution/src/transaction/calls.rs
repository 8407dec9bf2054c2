//! What an account is asked to do, in the form that accounts of Cairo 1 read.

use starknet_api::transaction::{
    TransactionHash,
    fields::{Calldata, TransactionSignature},
};
use starknet_crypto::{SignError, rfc6979_generate_k, sign};
use starknet_types_core::felt::Felt;

use crate::Call;

/// The calldata of `__execute__`: the calls, one after the other.
pub(crate) fn execute_calldata(calls: &[Call]) -> Calldata {
    let mut felts = vec![Felt::from(calls.len())];
    for call in calls {
        felts.extend([*call.contract_address.0.key(), call.selector.0]);
        felts.push(Felt::from(call.calldata.len()));
        felts.extend(&call.calldata);
    }
    Calldata::from(felts)
}

/// Signs a hash with a key of the Stark curve.
///
/// # Panics
/// If the hash is 2^251 or more, which no transaction has been seen to hash to: one in 2^55 does.
pub(crate) fn signature(hash: TransactionHash, private_key: &Felt) -> TransactionSignature {
    let mut seed = None;
    loop {
        let k = rfc6979_generate_k(&hash.0, private_key, seed.as_ref());
        match sign(private_key, &hash.0, &k) {
            Ok(signature) => return TransactionSignature(vec![signature.r, signature.s].into()),
            // Next to never; then another seed serves.
            Err(SignError::InvalidK) => seed = Some(seed.unwrap_or(Felt::ZERO) + Felt::ONE),
            Err(SignError::InvalidMessageHash) => panic!("the hash {:#x} is over 2^251", hash.0),
        }
    }
}
