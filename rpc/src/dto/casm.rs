//! Machine code.

use serde::Serialize;
use serde_json::Value;
use starknet_types_core::felt::Felt;

/// CASM_COMPILED_CONTRACT_CLASS, of what the compiler made.
///
/// The compiler writes constants below zero with a sign, which is no NUM_AS_HEX and which clients
/// do not read; here they are the field elements that the machine makes of them.
///
/// # Errors
/// If the class has no form in JSON.
pub(crate) fn casm(class: &impl Serialize) -> Result<Value, serde_json::Error> {
    let mut class = serde_json::to_value(class)?;
    if let Some(hints) = class.get_mut("hints") {
        take_signs_off(hints);
    }
    Ok(class)
}

fn take_signs_off(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let absolute = value.as_str().and_then(|number| number.strip_prefix('-'));
                let absolute = absolute.and_then(|hex| Felt::from_hex(hex).ok());
                match absolute {
                    Some(absolute) if name == "Immediate" => {
                        *value = Value::String(format!("{:#x}", -absolute));
                    }
                    Some(_) | None => take_signs_off(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(take_signs_off),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn constants_below_zero_are_field_elements() {
        let mut hints = json!([[5, [{ "TestLessThan": {
            "lhs": { "BinOp": { "op": "Add", "b": { "Immediate": "-0x10" } } },
            "rhs": { "Immediate": "0x7" },
        } }]]]);
        take_signs_off(&mut hints);
        let below = "0x800000000000010fffffffffffffffffffffffffffffffffffffffffffffff1";
        assert_eq!(hints[0][1][0]["TestLessThan"]["lhs"]["BinOp"]["b"]["Immediate"], below);
        assert_eq!(hints[0][1][0]["TestLessThan"]["rhs"]["Immediate"], "0x7");
    }
}
