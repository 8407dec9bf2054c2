//! `starknet_getTransactionStatus`.
//!
//! The specification has no status for a transaction that was ordered and then left out of its
//! block: REJECTED ended with version 0.8. "Transaction hash not found" would be a lie, because we
//! know the transaction and what became of it. So such a transaction stays CANDIDATE, which it was,
//! with the execution status REVERTED and the reason in `failure_reason`. It has no receipt.

use kraken_sequencer::Progress;
use serde::Serialize;

use crate::{
    dispatch::{Answer, Call, json},
    dto::receipt::{Execution, Finality},
    error::Error,
};

/// TXN_STATUS_RESULT.
#[derive(Debug, Serialize)]
struct Status<'a> {
    finality_status: Finalities,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'a str>,
}

/// TXN_STATUS.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Finalities {
    Executed(Finality),
    Waiting(&'static str),
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
        let execution = Execution::new(&block.transactions()[index].receipt.execution_status);
        return json(Ok(Status {
            finality_status: Finalities::Executed(Finality::of(&block, view.accepted_on_l1())),
            execution_status: Some(execution.status()),
            failure_reason: execution.reason(),
        }));
    }
    json(Ok(match &progress {
        None => return Err(Error::TransactionHashNotFound),
        Some(progress) => waiting(progress),
    }))
}

fn waiting(progress: &Progress) -> Status<'_> {
    let status = |finality_status| Status {
        finality_status: Finalities::Waiting(finality_status),
        execution_status: None,
        failure_reason: None,
    };
    match progress {
        Progress::Received => status("RECEIVED"),
        Progress::Candidate => status("CANDIDATE"),
        Progress::Rejected { reason } => Status {
            execution_status: Some("REVERTED"),
            failure_reason: Some(reason),
            ..status("CANDIDATE")
        },
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
            assert_eq!(serde_json::to_value(waiting(&progress)).expect("JSON"), expected);
        }
    }
}
