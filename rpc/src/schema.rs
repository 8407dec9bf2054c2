//! What values look like in JSON, for the documents that describe the API.
//!
//! A type of ours says it where it is written or read. Here is what the types of others look like, as
//! shapes with the names that the specification has for them: only their description is wanted, so
//! nobody ever makes one.

pub(crate) mod class;
pub(crate) mod request;
pub(crate) mod transaction;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::{dto::felt::Hex, version::Version};

/// Describes a type: by name if it has one, which the generator then knows.
pub(crate) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// The word in a description that says since when there is such a part.
const SINCE: &str = "x-since";

/// A field element. Requests may also have leading zeros and capitals.
#[derive(JsonSchema)]
#[schemars(rename = "FELT")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct Felt(#[schemars(regex(pattern = "^0x(0|[1-9a-f][0-9a-f]{0,62})$"))] String);

/// The address of a contract, a field element below 2^251.
#[derive(JsonSchema)]
#[schemars(rename = "ADDRESS")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct Address(
    #[schemars(regex(pattern = "^0x(0|[1-7][0-9a-f]{62}|[1-9a-f][0-9a-f]{0,61})$"))] String,
);

/// The key of a cell in the storage of a contract, a field element below 2^251.
#[derive(JsonSchema)]
#[schemars(rename = "STORAGE_KEY")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct StorageKey(Address);

/// The hash of a block.
#[derive(JsonSchema)]
#[schemars(rename = "BLOCK_HASH")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct BlockHash(Felt);

/// The hash of a transaction.
#[derive(JsonSchema)]
#[schemars(rename = "TXN_HASH")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct TxHash(Felt);

/// A number of any size in minimal hexadecimal.
#[derive(JsonSchema)]
#[schemars(rename = "NUM_AS_HEX")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct Number(#[schemars(regex(pattern = "^0x(0|[1-9a-f][0-9a-f]*)$"))] String);

/// The name of a subscription among those of a socket.
#[derive(JsonSchema)]
#[schemars(rename = "SUBSCRIPTION_ID")]
#[expect(dead_code, reason = "a shape")]
pub(crate) struct SubscriptionId(String);

/// What a result or a parameter looks like.
pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Callers who speak 0.9 do not know this part.
pub(crate) fn since_v0_10(part: &mut Schema) {
    part.insert(SINCE.to_owned(), Version::V0_10.spec().into());
}

/// Callers who speak 0.9 do not know any of these fields.
pub(crate) fn fields_since_v0_10(object: &mut Schema) {
    let fields = object.get_mut("properties").and_then(Value::as_object_mut);
    for field in fields.into_iter().flat_map(|fields| fields.values_mut()) {
        field[SINCE] = Version::V0_10.spec().into();
    }
}

/// Takes out of a description what a version does not have.
pub(crate) fn keep_to(version: Version, description: &mut Value) {
    let is_known = |part: &Value| {
        let since = part.get(SINCE).and_then(Value::as_str);
        since.is_none_or(|since| Version::ALL.iter().any(|it| it.spec() == since && *it <= version))
    };
    match description {
        Value::Object(words) => {
            words.remove(SINCE);
            if let Some(Value::Object(fields)) = words.get_mut("properties") {
                fields.retain(|_, field| is_known(field));
                let known: Vec<_> = fields.keys().cloned().collect();
                if let Some(Value::Array(required)) = words.get_mut("required") {
                    required.retain(|name| known.iter().any(|known| name == known));
                }
            }
            words.values_mut().for_each(|word| keep_to(version, word));
        }
        Value::Array(parts) => {
            parts.retain(is_known);
            parts.iter_mut().for_each(|part| keep_to(version, part));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A number in minimal hexadecimal, of the width that its name says.
macro_rules! numbers {
    ($($type:ty: $name:literal, $pattern:literal;)*) => {$(
        impl JsonSchema for Hex<$type> {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

numbers! {
    u64: "u64", "^0x(0|[1-9a-f][0-9a-f]{0,15})$";
    u128: "u128", "^0x(0|[1-9a-f][0-9a-f]{0,31})$";
    [u8; 32]: "L1_TXN_HASH", "^0x[0-9a-fA-F]{1,64}$";
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use serde_json::json;

    use super::*;

    /// Has parts that are newer than others.
    #[derive(JsonSchema)]
    #[schemars(inline)]
    #[expect(dead_code, reason = "a shape")]
    struct Grown {
        old: bool,
        #[schemars(transform = since_v0_10)]
        new: bool,
        #[serde(flatten)]
        #[schemars(with = "More")]
        more: Option<More>,
        choice: Choice,
    }

    #[derive(JsonSchema)]
    #[schemars(transform = fields_since_v0_10)]
    #[expect(dead_code, reason = "a shape")]
    struct More {
        newer: bool,
    }

    #[derive(JsonSchema)]
    #[schemars(inline, rename_all = "UPPERCASE")]
    #[expect(dead_code, reason = "a shape")]
    enum Choice {
        Old,
        #[schemars(transform = since_v0_10)]
        New,
    }

    fn described(version: Version) -> Value {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let mut description = Value::from(generator.subschema_for::<Grown>());
        keep_to(version, &mut description);
        description
    }

    #[test]
    fn what_is_newer_is_not_described_to_older_callers() {
        let newest = described(Version::V0_10);
        assert_eq!(newest["required"], json!(["old", "new", "newer", "choice"]));
        let older = described(Version::V0_9);
        assert_eq!(older["required"], json!(["old", "choice"]));
        assert_eq!(older["properties"].as_object().expect("fields").len(), 2);
        for (description, has_new) in [(newest, true), (older, false)] {
            let shown = description.to_string();
            assert_eq!(shown.contains(r#""const":"NEW""#), has_new, "{shown}");
            assert!(shown.contains(r#""OLD""#) && !shown.contains(SINCE), "{shown}");
        }
    }
}
