//! Fields of an answer, read as strictly as the specification writes them.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use starknet_types_core::felt::Felt;

/// A field that must be there.
pub(super) fn of<'a>(object: &'a Value, name: &str) -> Result<&'a Value> {
    object.get(name).with_context(|| format!("{name} is missing in {object}"))
}

/// A FELT.
pub(super) fn felt(object: &Value, name: &str) -> Result<Felt> {
    parse(of(object, name)?).with_context(|| name.to_owned())
}

/// A list of FELT.
pub(super) fn felts(object: &Value, name: &str) -> Result<Vec<Felt>> {
    items(object, name)?.iter().map(parse).collect::<Result<_>>().with_context(|| name.to_owned())
}

/// A list.
pub(super) fn items<'a>(object: &'a Value, name: &str) -> Result<&'a [Value]> {
    let items = of(object, name)?.as_array().with_context(|| format!("{name} is no list"))?;
    Ok(items)
}

/// A JSON integer.
pub(super) fn number(object: &Value, name: &str) -> Result<u64> {
    of(object, name)?.as_u64().with_context(|| format!("{name} is no number"))
}

/// A text.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str> {
    of(object, name)?.as_str().with_context(|| format!("{name} is no text"))
}

/// A hexadecimal number without a zero in front, as the specification demands.
pub(super) fn parse(value: &Value) -> Result<Felt> {
    let Some(text) = value.as_str() else {
        bail!("{value} is no hexadecimal text");
    };
    let felt = Felt::from_hex(text).with_context(|| format!("{text} is no felt"))?;
    ensure!(format!("{felt:#x}").eq_ignore_ascii_case(text), "{text} is not in its shortest form");
    Ok(felt)
}
