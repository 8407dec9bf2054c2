//! The table, case by case.

use blockifier::execution::{
    call_info::Retdata,
    contract_class::TrackedResource,
    entry_point::ConstructorContext,
    stack_trace::{Cairo1RevertHeader, Cairo1RevertSummary},
};
use starknet_api::{
    block::GasPrice,
    core::{ClassHash, ContractAddress, Nonce},
    execution_resources::GasAmount,
    transaction::fields::{AllResourceBounds, Fee, Resource},
};
use starknet_types_core::felt::Felt;

use super::*;

fn kind(error: TransactionExecutionError) -> RejectionKind {
    let error = TransactionExecutorError::TransactionExecutionError(error);
    Rejection::from_executor(&error).expect("the transaction's own").kind
}

fn nonce(account: u64, incoming: u64) -> TransactionExecutionError {
    TransactionPreValidationError::InvalidNonce {
        address: ContractAddress::default(),
        account_nonce: Nonce(Felt::from(account)),
        incoming_tx_nonce: Nonce(Felt::from(incoming)),
    }
    .boxed()
}

/// Errors that come wrapped.
trait Boxed {
    fn boxed(self) -> TransactionExecutionError;
}

impl Boxed for TransactionPreValidationError {
    fn boxed(self) -> TransactionExecutionError {
        TransactionExecutionError::TransactionPreValidationError(Box::new(self))
    }
}

impl Boxed for TransactionFeeError {
    fn boxed(self) -> TransactionExecutionError {
        TransactionPreValidationError::TransactionFeeError(Box::new(self)).boxed()
    }
}

fn panic_in_validate(retdata: Vec<Felt>) -> TransactionExecutionError {
    TransactionExecutionError::PanicInValidate {
        panic_reason: Cairo1RevertSummary {
            header: Cairo1RevertHeader::Validation,
            stack: Vec::new(),
            last_retdata: Retdata(retdata),
        },
    }
}

fn constructor(class: u64, undeclared: u64) -> TransactionExecutionError {
    let error = StateError::UndeclaredClassHash(ClassHash(Felt::from(undeclared)));
    let context = ConstructorContext {
        class_hash: ClassHash(Felt::from(class)),
        code_address: None,
        storage_address: ContractAddress::default(),
        caller_address: ContractAddress::default(),
    };
    ConstructorEntryPointExecutionError::new(
        EntryPointExecutionError::from(error).annotated(TrackedResource::CairoSteps, true),
        &context,
        None,
    )
    .into()
}

#[test]
fn a_nonce_is_ahead_or_invalid() {
    assert_eq!(kind(nonce(3, 4)), RejectionKind::NonceAhead);
    assert_eq!(kind(nonce(3, 2)), RejectionKind::InvalidNonce);
    let error = TransactionExecutorError::TransactionExecutionError(nonce(3, 2));
    let rejection = Rejection::from_executor(&error).expect("the transaction's own");
    assert_eq!(rejection.to_string(), "nonce 2 is below the account nonce 3");
}

#[test]
fn fees_are_short_of_resources_or_of_balance() {
    let balance = TransactionFeeError::ResourcesBoundsExceedBalance {
        bounds: AllResourceBounds::default(),
        balance: 0_u8.into(),
    };
    let bounds = TransactionFeeError::InsufficientResourceBounds { errors: Vec::new() };
    let token = FeeCheckError::InsufficientFeeTokenBalance {
        fee: Fee(1),
        balance_low: Felt::ZERO,
        balance_high: Felt::ZERO,
    };
    let gas = FeeCheckError::MaxGasAmountExceeded {
        resource: Resource::L2Gas,
        max_amount: GasAmount(1),
        actual_amount: GasAmount(2),
    };
    let gas_bounds = TransactionFeeError::GasBoundsExceedBalance {
        resource: Resource::L1Gas,
        max_amount: GasAmount(1),
        max_price: GasPrice(1),
        balance: 0_u8.into(),
    };
    assert_eq!(kind(balance.boxed()), RejectionKind::InsufficientBalance);
    assert_eq!(kind(gas_bounds.boxed()), RejectionKind::InsufficientBalance);
    assert_eq!(kind(token.into()), RejectionKind::InsufficientBalance);
    assert_eq!(kind(bounds.boxed()), RejectionKind::InsufficientResources);
    assert_eq!(kind(gas.into()), RejectionKind::InsufficientResources);
}

#[test]
fn validation_fails_for_the_account_the_gas_or_want_of_an_account() {
    let failed = Felt::from(7);
    assert_eq!(kind(panic_in_validate(vec![failed])), RejectionKind::ValidationFailure);
    let no_account = panic_in_validate(vec![ENTRYPOINT_NOT_FOUND_ERROR_FELT]);
    assert_eq!(kind(no_account), RejectionKind::NonAccount);
    let deeper = panic_in_validate(vec![ENTRYPOINT_NOT_FOUND_ERROR_FELT, failed]);
    assert_eq!(kind(deeper), RejectionKind::ValidationFailure);
    let gas = panic_in_validate(vec![OUT_OF_GAS_ERROR_FELT]);
    assert_eq!(kind(gas), RejectionKind::InsufficientResources);
    let returned =
        TransactionExecutionError::InvalidValidateReturnData { actual: Retdata(vec![Felt::ZERO]) };
    assert_eq!(kind(returned), RejectionKind::ValidationFailure);
}

#[test]
fn only_the_deployed_class_itself_is_a_missing_class() {
    assert_eq!(kind(constructor(1, 1)), RejectionKind::ClassNotFound);
    assert_eq!(kind(constructor(1, 2)), RejectionKind::ValidationFailure);
}

#[test]
fn declares_have_codes_of_their_own() {
    let declared =
        TransactionExecutionError::DeclareTransactionError { class_hash: ClassHash::default() };
    assert_eq!(kind(declared), RejectionKind::ClassAlreadyDeclared);
}

#[test]
fn what_the_state_cannot_say_is_a_fault() {
    let error = StateError::StateReadError("disk".to_owned());
    let error = TransactionExecutorError::StateError(error);
    assert!(matches!(Rejection::from_executor(&error), Err(Fault::Engine { .. })));

    let error = TransactionPreValidationError::StateError(StateError::OldBlockHashNotProvided);
    let error = StatefulValidatorError::TransactionPreValidationError(error);
    assert!(matches!(Rejection::from_validator(&error), Err(Fault::Engine { .. })));
}
