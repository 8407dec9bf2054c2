//! Classes.

use std::io::{self, Read as _};

use kraken_types::codec::DecodeError;
use serde_json as json;
use starknet_api::{
    rpc_transaction::EntryPointByType,
    state::{EntryPoint, FunctionIndex, SierraContractClass},
};
use starknet_types_core::felt::Felt;

use super::{
    decode_whole,
    wire::{
        Wire, malformed, read_bytes, read_count, read_felt, take, wire_structs, write_bytes,
        write_count,
    },
};
use crate::{Class, Error, SierraClass};

/// The version of the form of a class.
const CLASS_VERSION: u8 = 1;

/// The largest class, not compressed.
const CLASS_BYTES_MAX: usize = 64 << 20;

/// The most felts of a Sierra program that are read, several times what any network admits. Small
/// felts take two bytes here and 32 in memory.
const SIERRA_FELTS_MAX: usize = 1 << 18;

/// Classes are written once, read rarely and kept forever.
pub(super) const COMPRESSION_LEVEL: i32 = 3;

const SIERRA: u8 = 0;
const DEPRECATED: u8 = 1;

/// Encodes a class, not compressed.
///
/// # Errors
/// [`Error::Unencodable`] if it is too large, or not of the form of a class.
pub(crate) fn encode_class(class: &Class) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![CLASS_VERSION];
    let no_json = |_| Error::Unencodable { what: "a class has no JSON form" };
    match class {
        Class::Sierra(class) => {
            SIERRA.write(&mut bytes);
            class.sierra.write(&mut bytes);
            class.compiled_class_hash.write(&mut bytes);
            // Hints have no form but JSON.
            write_bytes(&json::to_vec(&class.casm).map_err(no_json)?, &mut bytes);
        }
        Class::Deprecated(class) => {
            DEPRECATED.write(&mut bytes);
            write_bytes(&json::to_vec(class).map_err(no_json)?, &mut bytes);
        }
    }
    if CLASS_BYTES_MAX < bytes.len() {
        return Err(Error::Unencodable { what: "a class is too large" });
    }
    Ok(bytes)
}

/// Decodes a class from its compressed form.
///
/// # Errors
/// [`DecodeError`] if the bytes are not a class, or one that is too large.
pub(crate) fn decode_class(bytes: &[u8]) -> Result<Class, DecodeError> {
    let mut bytes_left = CLASS_BYTES_MAX;
    decode_class_within(bytes, &mut bytes_left)
}

/// Decodes a class from its compressed form, of which no more than `bytes_left` may come, and takes
/// them off.
pub(super) fn decode_class_within(
    bytes: &[u8],
    bytes_left: &mut usize,
) -> Result<Class, DecodeError> {
    let bytes = decompress(bytes, CLASS_BYTES_MAX.min(*bytes_left))?;
    *bytes_left -= bytes.len();
    decode_whole(&bytes, CLASS_VERSION, read_class).map_err(DecodeError::Malformed)
}

/// Compresses.
pub(super) fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>, Error> {
    zstd::bulk::compress(bytes, level)
        .map_err(|_| Error::Unencodable { what: "it cannot be compressed" })
}

/// Decompresses to at most so many bytes.
pub(super) fn decompress(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decompressed = Vec::new();
    zstd::stream::read::Decoder::with_buffer(bytes)
        .and_then(|decoder| decoder.take(bytes_max as u64 + 1).read_to_end(&mut decompressed))
        .map_err(DecodeError::Malformed)?;
    if bytes_max < decompressed.len() {
        return Err(DecodeError::TooLarge { got: decompressed.len(), max: bytes_max });
    }
    Ok(decompressed)
}

fn read_class(input: &mut &[u8]) -> io::Result<Class> {
    let no_class = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    match u8::read(input)? {
        SIERRA => Ok(Class::Sierra(Box::new(SierraClass {
            sierra: Wire::read(input)?,
            compiled_class_hash: Wire::read(input)?,
            casm: json::from_slice(read_bytes(input)?).map_err(no_class)?,
        }))),
        DEPRECATED => {
            let class = json::from_slice(read_bytes(input)?).map_err(no_class)?;
            Ok(Class::Deprecated(Box::new(class)))
        }
        _ => Err(malformed("unknown kind of class")),
    }
}

wire_structs! {
    EntryPoint { function_idx, selector }
    EntryPointByType { constructor, external, l1handler }
}

impl Wire for FunctionIndex {
    const BYTES_MIN: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        (self.0 as u64).write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        usize::try_from(u64::read(input)?)
            .map(Self)
            .map_err(|_| malformed("a function index beyond this machine"))
    }
}

impl Wire for SierraContractClass {
    fn write(&self, out: &mut Vec<u8>) {
        let Self { sierra_program, contract_class_version, entry_points_by_type, abi } = self;
        write_program(sierra_program, out);
        contract_class_version.write(out);
        entry_points_by_type.write(out);
        abi.write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        Ok(Self {
            sierra_program: read_program(input)?,
            contract_class_version: Wire::read(input)?,
            entry_points_by_type: Wire::read(input)?,
            abi: Wire::read(input)?,
        })
    }
}

/// Most felts of a program are small: each is written as a length and so many bytes, the first of
/// which is not zero. So a class never takes more bytes here than as JSON.
fn write_program(program: &[Felt], out: &mut Vec<u8>) {
    write_count(program.len(), out);
    for felt in program {
        let bytes = felt.to_bytes_be();
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let significant = &bytes[zeros..];
        u8::try_from(significant.len()).expect("a felt has 32 bytes").write(out);
        out.extend_from_slice(significant);
    }
}

fn read_program(input: &mut &[u8]) -> io::Result<Vec<Felt>> {
    let count = read_count(input, 1)?;
    if SIERRA_FELTS_MAX < count {
        return Err(malformed("a program of too many felts"));
    }
    let mut program = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(u8::read(input)?);
        let significant = take(input, length)?;
        let mut bytes = [0; 32];
        match bytes.len().checked_sub(length) {
            Some(zeros) if significant.first() != Some(&0) => {
                bytes[zeros..].copy_from_slice(significant);
            }
            _ => return Err(malformed("a felt that is not in its shortest form")),
        }
        program.push(read_felt(&bytes)?);
    }
    Ok(program)
}
