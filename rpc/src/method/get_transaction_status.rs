//! `starknet_getTransactionStatus`.
//!
//! The specification has no status for a transaction that was ordered and then left out of its
//! block: REJECTED ended with version 0.8. "Transaction hash not found" would be a lie, because we
//! know the transaction and what became of it. So such a transaction stays CANDIDATE, which it was,
//! with the execution status REVERTED and the reason in `failure_reason`. It has no receipt.

use kraken_sequencer::Progress;
use kraken_storage::ExecutedTransaction;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    dispatch::{Answer, Call, json},
    dto::receipt::{Execution, Finality},
    error::Error,
};

/// TXN_STATUS_RESULT.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_STATUS_RESULT")]
pub(crate) struct Status<'a> {
    finality_status: Finalities,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("enum" = ["SUCCEEDED", "REVERTED"]))]
    execution_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    failure_reason: Option<&'a str>,
}

/// TXN_STATUS.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TXN_STATUS")]
enum Finalities {
    Executed(Finality),
    Waiting(#[schemars(extend("enum" = ["RECEIVED", "CANDIDATE"]))] &'static str),
}

/// Answers `starknet_getTransactionStatus`.
///
/// # Errors
/// [`Error::TransactionHashNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let hash = call.params.required("transaction_hash")?;
    // Progress is read before the blocks: a transaction that moves on in between is in a block of a
    // later view, and must not be missed by both.
    let progress = call.context.sequencer.progress(hash);
    let view = call.context.sequencer.view();
    if let Some((block, index)) = view.find_transaction(hash)? {
        let finality = Finality::of(&block, view.accepted_on_l1());
        return json(Ok(Status::executed(&block.transactions()[index], finality)));
    }
    json(Ok(match &progress {
        None => return Err(Error::TransactionHashNotFound),
        Some(progress) => Status::waiting(progress),
    }))
}

impl<'a> Status<'a> {
    /// Of a transaction in a block.
    pub(crate) fn executed(executed: &'a ExecutedTransaction, finality: Finality) -> Self {
        let execution = Execution::new(&executed.receipt.execution_status);
        Self {
            finality_status: Finalities::Executed(finality),
            execution_status: Some(execution.status()),
            failure_reason: execution.reason(),
        }
    }

    /// Of one that is in none.
    pub(crate) fn waiting(progress: &'a Progress) -> Self {
        let status = |finality_status| Self {
            finality_status: Finalities::Waiting(finality_status),
            execution_status: None,
            failure_reason: None,
        };
        match progress {
            Progress::Received => status("RECEIVED"),
            Progress::Candidate => status("CANDIDATE"),
            Progress::Rejected { reason } => Self {
                execution_status: Some("REVERTED"),
                failure_reason: Some(reason),
                ..status("CANDIDATE")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_no_block_has_the_status_of_the_specification() {
        let cases = [
            (Progress::Received, json!({"finality_status": "RECEIVED"})),
            (Progress::Candidate, json!({"finality_status": "CANDIDATE"})),
            (
                Progress::Rejected { reason: "nonce 1 is used".to_owned() },
                json!({
                    "finality_status": "CANDIDATE",
                    "execution_status": "REVERTED",
                    "failure_reason": "nonce 1 is used",
                }),
            ),
        ];
        for (progress, expected) in cases {
            let status = Status::waiting(&progress);
            assert_eq!(serde_json::to_value(status).expect("JSON"), expected);
        }
    }
}
