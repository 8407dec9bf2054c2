//! How values are written and read, and the values that all forms share.

use std::{hash::Hash, io, mem, sync::Arc};

use indexmap::IndexMap;
use kraken_types::Digest;
use starknet_api::{
    block::{BlockHash, BlockNumber, BlockTimestamp, GasPrice, NonzeroGasPrice},
    core::{
        ClassHash, CompiledClassHash, ContractAddress, EntryPointSelector, EthAddress, Nonce,
        PATRICIA_KEY_UPPER_BOUND_FELT, PatriciaKey,
    },
    data_availability::DataAvailabilityMode,
    execution_resources::{GasAmount, GasVector},
    hash::PoseidonHash,
    state::StorageKey,
    transaction::{
        TransactionHash, TransactionVersion,
        fields::{
            AccountDeploymentData, AllResourceBounds, Calldata, ContractAddressSalt, Fee,
            PaymasterData, ProofFacts, ResourceBounds, Tip, TransactionSignature,
            ValidResourceBounds,
        },
    },
};
use starknet_types_core::felt::Felt;

/// A value with a binary form.
pub(super) trait Wire: Sized {
    /// No value is shorter. At least 1, so that a count cannot ask for more than there is.
    const BYTES_MIN: usize = 1;

    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes one value from the front of `input`.
    fn read(input: &mut &[u8]) -> io::Result<Self>;
}

/// What is wrong with bytes.
pub(super) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Takes so many bytes.
pub(super) fn take<'a>(input: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, rest) =
        input.split_at_checked(count).ok_or_else(|| malformed("the bytes end too early"))?;
    *input = rest;
    Ok(taken)
}

/// Appends a count.
///
/// # Panics
/// Never: nothing that fits into memory here has 2^32 parts of at least one byte.
pub(super) fn write_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).expect("no value of ours has so many parts").write(out);
}

/// Takes a count of things that take at least so many bytes each.
pub(super) fn read_count(input: &mut &[u8], bytes_min: usize) -> io::Result<usize> {
    let count = u32::read(input)? as usize;
    let most = input.len() / bytes_min;
    if count <= most { Ok(count) } else { Err(malformed("a count is larger than what follows")) }
}

/// Appends bytes with their count.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Takes bytes with their count.
pub(super) fn read_bytes<'a>(input: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let count = read_count(input, 1)?;
    take(input, count)
}

/// Room for so many values, as far as it is safe to believe a count.
fn room_for<T>(count: usize) -> usize {
    const BYTES_BELIEVED: usize = 64 << 10;
    count.min(BYTES_BELIEVED / mem::size_of::<T>().max(1))
}

macro_rules! wire_numbers {
    ($($number:ty)*) => {$(
        impl Wire for $number {
            const BYTES_MIN: usize = mem::size_of::<Self>();

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(input: &mut &[u8]) -> io::Result<Self> {
                let bytes = take(input, Self::BYTES_MIN)?;
                Ok(Self::from_le_bytes(bytes.try_into().expect("so many were taken")))
            }
        }
    )*};
}

wire_numbers!(u8 u32 u64 u128);

/// Structs are written as the list of their fields. One list serves both ways, and a field that is
/// missing from it does not compile.
macro_rules! wire_structs {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.write(out);)*
            }

            fn read(input: &mut &[u8]) -> io::Result<Self> {
                Ok(Self { $($field: Wire::read(input)?),* })
            }
        }
    )*};
}
pub(super) use wire_structs;

/// Wrappers are written as what they wrap.
macro_rules! wire_wrappers {
    ($($name:ident($inner:ty))*) => {$(
        impl Wire for $name {
            const BYTES_MIN: usize = <$inner as Wire>::BYTES_MIN;

            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(input: &mut &[u8]) -> io::Result<Self> {
                Ok(Self(Wire::read(input)?))
            }
        }
    )*};
}
pub(super) use wire_wrappers;

wire_wrappers! {
    AccountDeploymentData(Vec<Felt>)
    BlockHash(Felt)
    BlockNumber(u64)
    BlockTimestamp(u64)
    Calldata(Arc<Vec<Felt>>)
    CompiledClassHash(Felt)
    ContractAddress(PatriciaKey)
    ContractAddressSalt(Felt)
    EntryPointSelector(Felt)
    Fee(u128)
    GasAmount(u64)
    GasPrice(u128)
    Nonce(Felt)
    PaymasterData(Vec<Felt>)
    PoseidonHash(Felt)
    ProofFacts(Arc<Vec<Felt>>)
    StorageKey(PatriciaKey)
    Tip(u64)
    TransactionHash(Felt)
    TransactionSignature(Arc<Vec<Felt>>)
    TransactionVersion(Felt)
}

wire_structs! {
    AllResourceBounds { l1_gas, l2_gas, l1_data_gas }
    GasVector { l1_gas, l1_data_gas, l2_gas }
    ResourceBounds { max_amount, max_price_per_unit }
}

impl Wire for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        match u8::read(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("neither false nor true")),
        }
    }
}

impl Wire for Digest {
    const BYTES_MIN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let bytes = take(input, Self::BYTES_MIN)?;
        Ok(Self::from_bytes(bytes.try_into().expect("so many were taken")))
    }
}

impl Wire for String {
    const BYTES_MIN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let bytes = read_bytes(input)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("text is not UTF-8"))?;
        Ok(text.to_owned())
    }
}

impl<T: Wire> Wire for Vec<T> {
    const BYTES_MIN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let count = read_count(input, T::BYTES_MIN)?;
        let mut values = Self::with_capacity(room_for::<T>(count));
        for _ in 0..count {
            values.push(T::read(input)?);
        }
        Ok(values)
    }
}

impl<T: Wire> Wire for Arc<T> {
    const BYTES_MIN: usize = T::BYTES_MIN;

    fn write(&self, out: &mut Vec<u8>) {
        self.as_ref().write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        T::read(input).map(Self::new)
    }
}

/// In their own order, which is part of the value. No key comes twice.
impl<K: Wire + Eq + Hash, V: Wire> Wire for IndexMap<K, V> {
    const BYTES_MIN: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let count = read_count(input, K::BYTES_MIN + V::BYTES_MIN)?;
        let mut map = Self::with_capacity(room_for::<(K, V)>(count));
        for _ in 0..count {
            if map.insert(K::read(input)?, V::read(input)?).is_some() {
                return Err(malformed("a key comes twice"));
            }
        }
        Ok(map)
    }
}

impl Wire for Felt {
    const BYTES_MIN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes_be());
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let bytes = take(input, 32)?.try_into().expect("so many were taken");
        read_felt(bytes)
    }
}

/// A felt from its bytes, which must be below the modulus 2^251 + 17 · 2^192 + 1.
pub(super) fn read_felt(bytes: &[u8; 32]) -> io::Result<Felt> {
    const MODULUS: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 0x08;
        bytes[7] = 0x11;
        bytes[31] = 0x01;
        bytes
    };
    if *bytes < MODULUS { Ok(Felt::from_bytes_be(bytes)) } else { Err(malformed("not a felt")) }
}

impl Wire for PatriciaKey {
    const BYTES_MIN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        self.key().write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        Self::try_from(Felt::read(input)?).map_err(|_| malformed("an address or key over 2^251"))
    }
}

impl Wire for ClassHash {
    const BYTES_MIN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        let hash = Felt::read(input)?;
        if hash < PATRICIA_KEY_UPPER_BOUND_FELT {
            Ok(Self(hash))
        } else {
            Err(malformed("a class hash over 2^251"))
        }
    }
}

impl Wire for EthAddress {
    const BYTES_MIN: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        Felt::from(*self).write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        Self::try_from(Felt::read(input)?).map_err(|_| malformed("not an Ethereum address"))
    }
}

impl Wire for NonzeroGasPrice {
    const BYTES_MIN: usize = 16;

    fn write(&self, out: &mut Vec<u8>) {
        self.get().write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        Self::new(GasPrice::read(input)?).map_err(|_| malformed("a price of zero"))
    }
}

impl Wire for DataAvailabilityMode {
    fn write(&self, out: &mut Vec<u8>) {
        let mode: u8 = match self {
            Self::L1 => 0,
            Self::L2 => 1,
        };
        mode.write(out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        match u8::read(input)? {
            0 => Ok(Self::L1),
            1 => Ok(Self::L2),
            _ => Err(malformed("unknown data availability mode")),
        }
    }
}

impl Wire for ValidResourceBounds {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::AllResources(bounds) => {
                0_u8.write(out);
                bounds.write(out);
            }
            Self::L1Gas(bounds) => {
                1_u8.write(out);
                bounds.write(out);
            }
        }
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        match u8::read(input)? {
            0 => Ok(Self::AllResources(Wire::read(input)?)),
            1 => Ok(Self::L1Gas(Wire::read(input)?)),
            _ => Err(malformed("unknown kind of resource bounds")),
        }
    }
}
