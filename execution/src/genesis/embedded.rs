//! The classes that come with the binary.

use kraken_storage::{Class, SierraClass};
use starknet_api::core::{ClassHash, CompiledClassHash};
use starknet_types_core::felt::Felt;

use super::{
    ACCOUNT_CLASS_HASH, ARGENT_CLASS_HASH, ARGENT_MULTISIG_CLASS_HASH, ETH_CLASS_HASH,
    GenesisStateError, STRK_CLASS_HASH, UDC_CLASS_HASH, UDC_LEGACY_CLASS_HASH,
    cache::{self, Cache},
};
use crate::class;

/// Felts of bytecode at which compiling stops; the largest class has about a third of it.
const BYTECODE_FELTS_MAX: usize = 81_920;

/// A class that comes with the binary.
#[derive(Debug)]
pub(super) struct Embedded {
    /// What people call it.
    pub(super) name: &'static str,
    /// Its class hash.
    pub(super) hash: ClassHash,
    /// The artefact of its compiler, compressed; the build script put it there.
    artefact: &'static [u8],
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sierra {
        /// Blake2s hash of what it compiles to.
        compiled: CompiledClassHash,
        /// Digest of what it compiles to, in the encoding of the cache.
        digest: &'static str,
    },
    Deprecated,
}

/// The classes of every block 0, in the order in which they are made.
///
/// Hashes and digests of compiled classes belong to one version of the compiler; a test computes
/// them and says what they should be.
pub(super) const CLASSES: [Embedded; 5] = [
    Embedded {
        name: "STRK",
        hash: STRK_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/strk.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x14052ca2cd6f04203bab1e25c5e19410d95591033c36fb7db6b07ef2408bf54"),
            digest: "ff25abe050c185f41177e1a6071d665769bb53ee833643f8551a400599de55b7",
        },
    },
    Embedded {
        name: "ETH",
        hash: ETH_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/eth.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x4cd8916950617cf46f8a2c51797623e5da0f93c3b4317a4ceed34c41662ac1d"),
            digest: "d335b92ee879d528b091f2edb7cc3f0715e7f6b9920f451a5dd480346a23ddb0",
        },
    },
    Embedded {
        name: "OpenZeppelin account",
        hash: ACCOUNT_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/account.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x284d1aa2335e9726eaf676ffe5d13dd39a7addd9a995651e0f3258923e7e30c"),
            digest: "645fd8366792f095dabc5fd8735b9afd472d9062549a0275751ebe1206101a85",
        },
    },
    Embedded {
        name: "universal deployer",
        hash: UDC_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/udc.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x1e932c04a9735b31659ac7178cd4c740557b1378f0a8e888a0bfef46a97ad29"),
            digest: "5a10b46f44bba6a7456a0aa04f75400462743de16d84b55968793f6c0323da0a",
        },
    },
    Embedded {
        name: "universal deployer of Cairo 0",
        hash: UDC_LEGACY_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/udc_legacy.json.zst")),
        kind: Kind::Deprecated,
    },
];

/// Classes of the wallet Argent X, which a developer may have declared in block 0.
pub(super) const ARGENT: [Embedded; 2] = [
    Embedded {
        name: "Argent account",
        hash: ARGENT_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/argent.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x294a323246c017d00a98f11942e1e38d562c97bc79426742110a14ce497e9b5"),
            digest: "3e4281c09cc43b2ed2c65d60bb877dc0e92e13b835f9bcc7fcb3ae06125a1c68",
        },
    },
    Embedded {
        name: "Argent multisig",
        hash: ARGENT_MULTISIG_CLASS_HASH,
        artefact: include_bytes!(concat!(env!("OUT_DIR"), "/argent_multisig.json.zst")),
        kind: Kind::Sierra {
            compiled: compiled("0x10972dc21f31635a6e90d524295e4e356a565e21dd1dbe986c476dbe9d0f8c9"),
            digest: "1260e1f1817064b41c1b539f90dc3c944309252534d84f1e7d8687ee777e6df6",
        },
    },
];

impl Embedded {
    /// The class, compiled or from the cache.
    pub(super) fn load(&self, cache: Option<&Cache>) -> Result<Class, GenesisStateError> {
        match self.kind {
            Kind::Sierra { compiled, digest } => {
                let class = self.load_sierra(cache, compiled, digest)?;
                Ok(Class::Sierra(Box::new(class)))
            }
            Kind::Deprecated => {
                let class = serde_json::from_slice(&self.json()).expect("a class of Cairo 0");
                Ok(Class::Deprecated(Box::new(class)))
            }
        }
    }

    fn load_sierra(
        &self,
        cache: Option<&Cache>,
        compiled: CompiledClassHash,
        digest: &str,
    ) -> Result<SierraClass, GenesisStateError> {
        let sierra = class::read_artefact(&self.json()).expect("a class of Cairo 1");
        let (name, got, expected) = (self.name, class::class_hash(&sierra), self.hash);
        if got != expected {
            return Err(GenesisStateError::ClassHash { name, got, expected });
        }
        if let Some(casm) = cache.and_then(|cache| cache.read(self.hash, digest)) {
            return Ok(SierraClass { sierra, casm, compiled_class_hash: compiled });
        }
        let casm = class::to_casm(&sierra, BYTECODE_FELTS_MAX)
            .map_err(|source| GenesisStateError::Class { name, source })?;
        let (got, expected) = (class::compiled_class_hash(&casm), compiled);
        if got != expected {
            return Err(GenesisStateError::CompiledClassHash { name, got, expected });
        }
        if let Some(cache) = cache {
            cache.write(self.hash, &cache::encode(&casm));
        }
        Ok(SierraClass { sierra, casm, compiled_class_hash: compiled })
    }

    /// The artefact as its compiler wrote it.
    pub(super) fn json(&self) -> Vec<u8> {
        zstd::decode_all(self.artefact).expect("the build script compressed it")
    }
}

const fn compiled(hex: &str) -> CompiledClassHash {
    CompiledClassHash(Felt::from_hex_unchecked(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the compiler changes, this prints what the table must say.
    #[test]
    fn classes_compile_to_what_the_table_says() {
        let (mut got, mut said) = (Vec::new(), Vec::new());
        for class in CLASSES.iter().chain(&ARGENT) {
            let Kind::Sierra { compiled, digest } = class.kind else { continue };
            let sierra = class::read_artefact(&class.json()).expect("an artefact");
            assert_eq!(class::class_hash(&sierra), class.hash, "{}", class.name);
            let casm = class::to_casm(&sierra, BYTECODE_FELTS_MAX).expect("it compiles");
            let digest_of = cache::digest_of(&cache::encode(&casm));
            got.push((class.name, class::compiled_class_hash(&casm), digest_of));
            said.push((class.name, compiled, digest.to_owned()));
        }
        assert_eq!(got, said);
    }
}
