//! What the fuzz target of requests makes of its bytes. The program is in `fuzz/cairo`; a test of this
//! room sends what is kept in `fuzz/corpus`.

use serde_json::Value;

use crate::methods::{METHODS, Method};

/// How deep arbitrary JSON goes.
const DEPTH_MAX: usize = 4;

/// How many requests a batch has at most. One more than the limit of the node that is asked would be
/// refused as a whole.
const BATCH_MAX: u8 = 4;

/// Values that mean something to the node that is asked, such as hashes of its blocks and addresses
/// of its contracts, in hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Tried in place of any field element.
    pub felts: Vec<String>,
}

/// Makes the body of a request: bytes as they are, or a request or a batch of requests of methods of
/// the table, with parameters that are right, nearly right, or anything.
///
/// Methods that control a developer's chain are left out: one writes files.
pub fn body(bytes: &[u8], known: &Known) -> Vec<u8> {
    let mut script = Script { bytes, known };
    let mut body = match script.byte() % 8 {
        0 => return script.bytes.to_vec(),
        1 => {
            let count = script.byte() % (BATCH_MAX + 1);
            let requests: Vec<_> = (0..count).map(|_| script.request()).collect();
            format!("[{}]", requests.join(",")).into_bytes()
        }
        _ => script.request().into_bytes(),
    };
    if script.seldom() {
        let at = usize::from(script.byte()) * 256 + usize::from(script.byte());
        let length = body.len().max(1);
        if let Some(byte) = body.get_mut(at % length) {
            *byte ^= script.byte();
        }
    }
    body
}

/// Checks an answer to [`body`]: it is JSON, and whatever was wrong is the caller's fault.
///
/// # Panics
/// If it is not.
pub fn check(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    let batch = answer.as_array().map(Vec::as_slice);
    for answer in batch.unwrap_or(std::slice::from_ref(&answer)) {
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        let has = |name| answer.get(name).is_some();
        assert!(has("result") != has("error"), "{answer}");
        if let Some(error) = answer.get("error") {
            assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
            assert_ne!(error["code"], -32603, "an internal error: {answer}");
        }
    }
}

/// Inputs for [`body`] that mean something: each method, with parameters that are right.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    methods()
        .into_iter()
        .zip(0_u8..)
        .flat_map(|(method, index)| {
            (0_u8..4).map(move |variant| {
                let tail = (0..90_u8).map(|at| at.wrapping_mul(37).wrapping_add(variant * 59) | 1);
                let bytes: Vec<_> = [2, index, 3].into_iter().chain(tail).collect();
                (format!("{}-{variant}", method.name), bytes)
            })
        })
        .collect()
}

fn methods() -> Vec<&'static Method> {
    let is_read = |name: &str| name.starts_with("starknet_") || name.starts_with("devnet_get");
    METHODS.iter().filter(|method| is_read(method.name)).collect()
}

/// Bytes that decide. Where there are none left they are zero.
struct Script<'a> {
    bytes: &'a [u8],
    known: &'a Known,
}

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *byte
    }

    /// Once in 32 times, and not when there is nothing left.
    fn seldom(&mut self) -> bool {
        self.byte() % 32 == 1
    }

    fn pick<'b, T: ?Sized>(&mut self, choices: &[&'b T]) -> &'b T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn request(&mut self) -> String {
        let methods = methods();
        let method = methods[usize::from(self.byte()) % methods.len()];
        let by_name = self.byte().is_multiple_of(2);
        let mut params = Vec::new();
        for param in method.params {
            if self.seldom() {
                continue;
            }
            let value = self.value(method.name, param.name);
            params.push(if by_name { format!("{:?}:{value}", param.name) } else { value });
        }
        let params = params.join(",");
        let params = if by_name { format!("{{{params}}}") } else { format!("[{params}]") };
        let id = self.pick(&["1", "\"a\"", "null", "0", "-7"]);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{}","params":{params}}}"#, method.name)
    }

    /// A value for a parameter or a field.
    fn value(&mut self, method: &str, name: &str) -> String {
        match self.byte() % 32 {
            0 => self.anything(0),
            2 => {
                let length = usize::from(self.byte() % 64).min(self.bytes.len());
                let (text, rest) = self.bytes.split_at(length);
                self.bytes = rest;
                Value::String(String::from_utf8_lossy(text).into_owned()).to_string()
            }
            _ => self.fitting(method, name),
        }
    }

    fn fitting(&mut self, method: &str, name: &str) -> String {
        match name {
            "block_id" | "from_block" | "to_block" => self.block_id(),
            "request" if method == "starknet_call" => self.call(),
            "request" | "transactions" => self.list(3, |script| script.transaction(None)),
            "invoke_transaction" => self.transaction(Some("INVOKE")),
            "declare_transaction" => self.transaction(Some("DECLARE")),
            "deploy_account_transaction" => self.transaction(Some("DEPLOY_ACCOUNT")),
            "filter" => self.filter(),
            "message" => self
                .object(method, &["from_address", "to_address", "entry_point_selector", "payload"]),
            "simulation_flags" | "response_flags" | "trace_flags" | "tags" => {
                self.list(3, |script| {
                    let flag = script.pick(&[
                        "SKIP_VALIDATE",
                        "SKIP_FEE_CHARGE",
                        "RETURN_INITIAL_READS",
                        "INCLUDE_PROOF_FACTS",
                        "INCLUDE_LAST_UPDATE_BLOCK",
                        "WHAT",
                    ]);
                    format!("{flag:?}")
                })
            }
            "keys" => self.list(3, |script| script.list(3, Self::felt)),
            "contracts_storage_keys" => self.list(3, |script| {
                let (contract, keys) = (script.felt(), script.list(3, Self::felt));
                format!(r#"{{"contract_address":{contract},"storage_keys":{keys}}}"#)
            }),
            "calldata"
            | "payload"
            | "signature"
            | "paymaster_data"
            | "constructor_calldata"
            | "contract_addresses"
            | "class_hashes"
            | "storage_keys" => self.list(6, Self::felt),
            "index" | "chunk_size" => {
                self.pick(&["0", "1", "1024", "18446744073709551615", "1.5", "-1"]).to_owned()
            }
            "with_balance" => self.pick(&["true", "false"]).to_owned(),
            "unit" => self.pick(&["\"FRI\"", "\"WEI\""]).to_owned(),
            _ => self.felt(),
        }
    }

    fn block_id(&mut self) -> String {
        match self.byte() % 6 {
            0 => format!(r#"{{"block_hash":{}}}"#, self.felt()),
            1 => format!(r#"{{"block_number":{}}}"#, self.byte() % 8),
            2 => r#""pre_confirmed""#.to_owned(),
            3 => r#""l1_accepted""#.to_owned(),
            _ => r#""latest""#.to_owned(),
        }
    }

    fn felt(&mut self) -> String {
        let known = self.known;
        match self.byte() % 8 {
            0 => format!("\"0x{:x}\"", self.byte()),
            1 => {
                r#""0x800000000000011000000000000000000000000000000000000000000000000""#.to_owned()
            }
            2 => {
                r#""0x800000000000011000000000000000000000000000000000000000000000001""#.to_owned()
            }
            3 => r#""0x0""#.to_owned(),
            _ if known.felts.is_empty() => r#""0x1""#.to_owned(),
            _ => format!("{:?}", known.felts[usize::from(self.byte()) % known.felts.len()]),
        }
    }

    fn call(&mut self) -> String {
        self.object("", &["contract_address", "entry_point_selector", "calldata"])
    }

    fn filter(&mut self) -> String {
        let fields = ["chunk_size", "from_block", "to_block", "address", "keys"];
        let count = usize::from(self.byte()) % (fields.len() + 1);
        self.object("", &fields[..count.max(1)])
    }

    /// An object with these fields, of which some are missing and others are not what they should be.
    fn object(&mut self, method: &str, names: &[&str]) -> String {
        let mut fields = Vec::new();
        for name in names {
            if !self.seldom() {
                let value = self.value(method, name);
                fields.push(format!("{name:?}:{value}"));
            }
        }
        format!("{{{}}}", fields.join(","))
    }

    fn transaction(&mut self, kind: Option<&str>) -> String {
        let kind = kind.unwrap_or_else(|| self.pick(&["INVOKE", "DECLARE", "DEPLOY_ACCOUNT"]));
        let own: &[&str] = match kind {
            "INVOKE" => &["sender_address", "calldata"],
            "DECLARE" => &["sender_address", "compiled_class_hash"],
            _ => &["class_hash", "contract_address_salt", "constructor_calldata"],
        };
        let mut names = vec!["signature", "nonce", "tip", "paymaster_data"];
        names.extend(own);
        let fields = self.object("", &names);
        let version = self.pick(&["0x3", "0x100000000000000000000000000000003", "0x1"]);
        let mode = self.pick(&["L1", "L2"]);
        let (amount, price) = (self.byte(), self.byte());
        let bound = format!(
            r#"{{"max_amount":"0x{amount:x}00000","max_price_per_unit":"0x{price:x}00000000"}}"#
        );
        let class = if kind == "DECLARE" {
            format!(r#","contract_class":{}"#, self.class())
        } else {
            String::new()
        };
        let account =
            if kind == "DEPLOY_ACCOUNT" { "" } else { r#","account_deployment_data":[]"# };
        let inner = fields.trim_start_matches('{').trim_end_matches('}');
        let comma = if inner.is_empty() { "" } else { "," };
        format!(
            r#"{{{inner}{comma}"type":"{kind}","version":"{version}","nonce_data_availability_mode":"{mode}","fee_data_availability_mode":"L1","resource_bounds":{{"l1_gas":{bound},"l2_gas":{bound},"l1_data_gas":{bound}}}{account}{class}}}"#
        )
    }

    fn class(&mut self) -> String {
        let program = self.list(8, Self::felt);
        let functions = self.list(2, |script| {
            let selector = script.felt();
            format!(r#"{{"selector":{selector},"function_idx":{}}}"#, script.byte() % 4)
        });
        format!(
            r#"{{"sierra_program":{program},"contract_class_version":"0.1.0","entry_points_by_type":{{"EXTERNAL":{functions},"CONSTRUCTOR":[],"L1_HANDLER":[]}},"abi":"[]"}}"#
        )
    }

    fn list(&mut self, count_max: u8, mut item: impl FnMut(&mut Self) -> String) -> String {
        let count = self.byte() % (count_max + 1);
        let items: Vec<_> = (0..count).map(|_| item(self)).collect();
        format!("[{}]", items.join(","))
    }

    fn anything(&mut self, depth: usize) -> String {
        match self.byte() % 8 {
            0 if depth < DEPTH_MAX => self.list(4, |script| script.anything(depth + 1)),
            1 if depth < DEPTH_MAX => {
                let (key, value) = (self.byte(), self.anything(depth + 1));
                format!(r#"{{"{key}":{value}}}"#)
            }
            2 => "null".to_owned(),
            3 => "true".to_owned(),
            4 => self.byte().to_string(),
            5 => "1e999".to_owned(),
            6 => format!("-{}", self.byte()),
            _ => self.felt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_bytes_there_is_a_body_and_most_are_json() {
        let known = Known { felts: vec!["0x7".to_owned()] };
        let mut json = 0;
        for (_, bytes) in seeds() {
            for start in 0..bytes.len() {
                let body = body(&bytes[start..], &known);
                json += usize::from(serde_json::from_slice::<Value>(&body).is_ok());
            }
        }
        let all: usize = seeds().iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(all / 2 < json, "{json} of {all}");
    }

    #[test]
    #[should_panic(expected = "an internal error")]
    fn an_internal_error_is_a_finding() {
        check(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error"}}"#);
    }
}
