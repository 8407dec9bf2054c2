//! Numbers that others computed, Starknet's own networks first of all.

use starknet_api::{
    core::{ClassHash, CompiledClassHash, Nonce},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use super::{Tip, contract, storage_key};
use crate::trie::{
    Writes, compute, hash,
    node::Trie,
    path::Path,
    tree::{Change, Tree},
};

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// What a block did.
struct Block {
    storage: &'static [(&'static str, Pairs<'static>)],
    deployed: Pairs<'static>,
    nonces: Pairs<'static>,
}

fn felt(hex: &str) -> Felt {
    Felt::from_hex_unchecked(hex)
}

impl Block {
    fn diff(&self) -> ThinStateDiff {
        let entries = |entries: Pairs<'_>| {
            entries.iter().map(|(key, value)| (storage_key(felt(key)), felt(value))).collect()
        };
        ThinStateDiff {
            storage_diffs: self
                .storage
                .iter()
                .map(|(address, pairs)| (contract(felt(address)), entries(pairs)))
                .collect(),
            deployed_contracts: self
                .deployed
                .iter()
                .map(|(address, class)| (contract(felt(address)), ClassHash(felt(class))))
                .collect(),
            nonces: self
                .nonces
                .iter()
                .map(|(address, nonce)| (contract(felt(address)), Nonce(felt(nonce))))
                .collect(),
            ..ThinStateDiff::default()
        }
    }
}

fn contracts_root(tip: &mut Tip, diff: &ThinStateDiff) -> Felt {
    tip.commit(diff).roots().contracts_trie_root_hash.0
}

/// The root of a trie after each of the given blocks.
fn roots(trie: Trie, blocks: &[Pairs<'_>]) -> Vec<Felt> {
    let mut tip = Tip::default();
    let mut root = |block: &Pairs<'_>| {
        let changes = block
            .iter()
            .map(|(key, value)| Change {
                path: Path::of_key(&felt(key)),
                value: hash::felt(&felt(value)),
            })
            .collect();
        let mut writes = Writes::new();
        Tree::new(&tip, trie).update(changes, &mut writes).expect("the nodes are whole");
        writes.sort_unstable();
        tip.write(&writes);
        hash::starknet_felt(Tree::new(&tip, trie).root().expect("the root is whole"))
    };
    blocks.iter().map(&mut root).collect()
}

#[test]
fn block_0_of_mainnet_has_its_root() {
    // Before Starknet 0.14.0 the state root was the root of the contracts while no class had a leaf.
    assert_eq!(
        contracts_root(&mut Tip::default(), &MAINNET_0.diff()),
        felt("0x21870ba80540e7831fb21c591ee93481f5ae1bb71ff85a86ddd465be4eddee6")
    );
}

#[test]
fn the_first_blocks_of_sepolia_have_their_root() {
    let root = felt("0xe005205a1327f3dff98074e528f7b96f30e0624a1dfcf571bdc81948d150a0");
    let mut tip = Tip::default();
    assert_eq!(contracts_root(&mut tip, &SEPOLIA_0.diff()), root);
    // Blocks 1 and 2 declare one class of Cairo 0 each.
    for class in [
        "0x1b661756bf7d16210fc611626e1af4569baa1781ffc964bd018f4585ae241c1",
        "0x4f23a756b221f8ce46b72e6a6b10ee7ee6cf3b59790e76e02433104f9a8c5d1",
    ] {
        let diff = ThinStateDiff {
            deprecated_declared_classes: vec![ClassHash(felt(class))],
            ..ThinStateDiff::default()
        };
        assert_eq!(contracts_root(&mut tip, &diff), root);
    }
}

/// Block 0 of a network that started with Starknet 0.14: only the system's contract 0x2 has a leaf,
/// no class has one. Published in the tests of pathfinder and madara.
#[test]
fn a_block_0_of_starknet_0_14_has_its_state_root() {
    let block = Block { storage: &[("0x2", &[("0x0", "0x80")])], deployed: &[], nonces: &[] };
    let update = Tip::default().commit(&block.diff());
    assert_eq!(
        update.roots().contracts_trie_root_hash.0,
        felt("0x3c538d437670f4c6f72dd799f215a007720ec7d19bc64195c96399145d8746f")
    );
    assert_eq!(
        update.state_root().0,
        felt("0x68bcf9e9257ab6bffd9425833a208aaab6b85649fd21c787a546cb7cb9abf")
    );
}

#[test]
fn the_empty_state_has_root_zero() {
    let update = compute(&Tip::default(), &ThinStateDiff::default()).expect("nothing to read");
    assert_eq!(update.state_root().0, Felt::ZERO);
}

/// The last block deletes a leaf whose sibling is an edge. From the tests of pathfinder.
#[test]
fn a_deletion_merges_edges() {
    let roots = roots(
        Trie::Contracts,
        &[
            &[
                (
                    "0x1a2fd9b06eab5bca4d3885ee4c42736e835a57399ff8b7f6083a92fd2a20095",
                    "0x215aa555e0ce3e462423d18b7216378d3ccd5d94d724ac7897fbc83faaa4ed4",
                ),
                (
                    "0x7ac69285b869dc3e8b305c748a0b867b2de3027aeceba51158eca3b7354d76f",
                    "0x65c85592f29501d97a2ea1ccf2ba867e6a838d602f4e7a7391efcbf66958386",
                ),
                (
                    "0x5c71ab5ef6a5e9dbc7efd5c61554ab36039f60e5ba076833102e24344524566",
                    "0x60970df8e8a19af3f41b78e93b845ec074a0aed4e96d18c6633580722b93a28",
                ),
                ("0x5", "0x22b"),
            ],
            &[("0x5", "0x0")],
        ],
    );
    assert_eq!(roots[1], felt("0x5f3b2b98faef39c60dbbb459dbe63d1d10f1688af47fbc032f2cab025def896"));
}

/// A contract of block 0 of the Goerli network. From the tests of pathfinder.
#[test]
fn a_storage_trie_of_goerli_has_its_root() {
    let leaves: Pairs<'_> = &[
        ("0x5", "0x66"),
        ("0x1bf95d4b58f0741fea29f94ee5a118d0847c8b7ae0173c2a570c9f74cca9ea1", "0x7e5"),
        ("0x3c75c20765d020b0ec41b48bb8c5338ac4b619fc950d59994e844e1e1b9d2a9", "0x7c7"),
        (
            "0x4065b936c56f5908a981084dafa66dc17600937dc80c52eeb834693bb811792",
            "0x7970c532b764bb36faf5696b8bc1317505b8a4dc9eee5df4994671757975e4d",
        ),
        (
            "0x4b5fbb4904167e2e8195c35f7d4e78501a3fe95896794367c85b60b39aeffc2",
            "0x232c969eafc5b30c20648759d7fa1e2f4256ac6604e1921578101dce4dfdf48",
        ),
    ];
    let root = felt("0x6ee9a8202b40f3f76f1a132f953faa2df78b3b33ccb2b4406431abdc99c2dfe");
    let trie = Trie::Storage(contract(Felt::ONE));
    assert_eq!(roots(trie, &[leaves]), [root]);
    let one_by_one: Vec<_> = leaves.chunks(1).collect();
    assert_eq!(roots(trie, &one_by_one).last(), Some(&root));
}

/// From the tests of pathfinder.
#[test]
fn a_class_trie_of_one_leaf_has_its_root() {
    assert_eq!(
        roots(Trie::Classes, &[&[("0xdeadbeef", "0xfeeddefeed")]]),
        [felt("0x497f5ca0b5989a6fafa83ebc60c7427a78456d38ea716f8bbfa74972a39a7d")]
    );
}

/// From the tests of the committer of starkware-libs/sequencer, except the one of nonce zero, which
/// is from those of pathfinder.
#[test]
fn leaves_have_their_hashes() {
    for (class_hash, storage_root, nonce, leaf) in [
        (
            "0x150917f3bba17e3c0be685981d6cf8874098a857f354d374688e76eb69f44ab",
            "0x5d6b3a46ac855f3cea9af60e13cc6c81bf237b901f49f73981a521d4cb6c50c",
            "0x38",
            "0x3f27688d56740e5e238acde5b408154563c4f6e05514b8029e86ad51c388f8b",
        ),
        (
            "0x2c9982b9bd36f16e409c98616e43dbc9e4b47db8a8e8edc3b915bc4dab3c61c",
            "0x63d7c2a04df01e361238cf4bf07b7cee2e3c5ee58b4ec37cf279aed9ac8d013",
            "0x1b",
            "0x26e95377fcfa70a9882dc08653b7dc77165befe23971aa2fa5b926ff81af6cc",
        ),
        (
            "0x2ff4903e17f87b298ded00c44bfeb22874c5f73be2ced8f1d9d9556fb509779",
            "0x4fb440e8ca9b74fc12a22ebffe0bc0658206337897226117b985434c239c028",
            "0x0",
            "0x7161b591c893836263a64f2a7e0d829c92f6956148a60ce5e99a3f55c7973f3",
        ),
    ] {
        let hash = hash::contract_leaf(
            ClassHash(felt(class_hash)),
            hash::felt(&felt(storage_root)),
            Nonce(felt(nonce)),
        );
        assert_eq!(hash::starknet_felt(hash), felt(leaf));
    }
    assert_eq!(
        hash::starknet_felt(hash::class_leaf(CompiledClassHash(felt("0xacdc")))),
        felt("0x49ed9a06987e7e55770d6c4d7d16b819ad984bf4aed552042847380cc31210d")
    );
}

/// What block 0 of mainnet did.
const MAINNET_0: Block = Block {
    storage: &[
        (
            "0x20cfa74ee3564b4cd5435cdace0f9c4d43b939620e4a0bb5076105df0a626c6",
            &[
                ("0x5", "0x22b"),
                (
                    "0x313ad57fdf765addc71329abf8d74ac2bce6d46da8c2b9b82255a5076620300",
                    "0x4e7e989d58a17cd279eca440c5eaa829efb6f9967aaad89022acbe644c39b36",
                ),
                (
                    "0x313ad57fdf765addc71329abf8d74ac2bce6d46da8c2b9b82255a5076620301",
                    "0x453ae0c9610197b18b13645c44d3d0a407083d96562e8752aab3fab616cecb0",
                ),
                ("0x5aee31408163292105d875070f98cb48275b8c87e80380b78d30647e05854d5", "0x7e5"),
                (
                    "0x6cf6c2f36d36b08e591e4489e92ca882bb67b9c39a3afccf011972a8de467f0",
                    "0x7ab344d88124307c07b56f6c59c12f4543e9c96398727854a322dea82c73240",
                ),
            ],
        ),
        (
            "0x31c887d82502ceb218c06ebb46198da3f7b92864a8223746bc836dda3e34b52",
            &[
                (
                    "0xdf28e613c065616a2e79ca72f9c1908e17b8c913972a9993da77588dc9cae9",
                    "0x1432126ac23c7028200e443169c2286f99cdb5a7bf22e607bcd724efa059040",
                ),
                ("0x5f750dc13ed239fa6fc43ff6e10ae9125a33bd05ec034fc3bb4dd168df3505f", "0x7c7"),
            ],
        ),
        (
            "0x31c9cdb9b00cb35cf31c05855c0ec3ecf6f7952a1ce6e3c53c3455fcd75a280",
            &[
                ("0x5", "0x65"),
                (
                    "0xcfc2e2866fd08bfb4ac73b70e0c136e326ae18fc797a2c090c8811c695577e",
                    "0x5f1dd5a5aef88e0498eeca4e7b2ea0fa7110608c11531278742f0b5499af4b3",
                ),
                ("0x5aee31408163292105d875070f98cb48275b8c87e80380b78d30647e05854d5", "0x7c7"),
                (
                    "0x5fac6815fddf6af1ca5e592359862ede14f171e1544fd9e792288164097c35d",
                    "0x299e2f4b5a873e95e65eb03d31e532ea2cde43b498b50cd3161145db5542a5",
                ),
                (
                    "0x5fac6815fddf6af1ca5e592359862ede14f171e1544fd9e792288164097c35e",
                    "0x3d6897cf23da3bf4fd35cc7a43ccaf7c5eaf8f7c5b9031ac9b09a929204175f",
                ),
            ],
        ),
        (
            "0x6ee3440b08a9c805305449ec7f7003f27e9f7e287b83610952ec36bdc5a6bae",
            &[
                (
                    "0x1e2cd4b3588e8f6f9c4e89fb0e293bf92018c96d7a93ee367d29a284223b6ff",
                    "0x71d1e9d188c784a0bde95c1d508877a0d93e9102b37213d1e13f3ebc54a7751",
                ),
                (
                    "0x449908c349e90f81ab13042b1e49dc251eb6e3e51092d9a40f86859f7f415b0",
                    "0x6cb6104279e754967a721b52bcf5be525fdc11fa6db6ef5c3a4db832acf7804",
                ),
                (
                    "0x48cba68d4e86764105adcdcf641ab67b581a55a4f367203647549c8bf1feea2",
                    "0x362d24a3b030998ac75e838955dfee19ec5b6eceb235b9bfbeccf51b6304d0b",
                ),
                (
                    "0x5bdaf1d47b176bfcd1114809af85a46b9c4376e87e361d86536f0288a284b65",
                    "0x28dff6722aa73281b2cf84cac09950b71fa90512db294d2042119abdd9f4b87",
                ),
                (
                    "0x5bdaf1d47b176bfcd1114809af85a46b9c4376e87e361d86536f0288a284b66",
                    "0x57a8f8a019ccab5bfc6ff86c96b1392257abb8d5d110c01d326b94247af161c",
                ),
                ("0x5f750dc13ed239fa6fc43ff6e10ae9125a33bd05ec034fc3bb4dd168df3505f", "0x7e5"),
            ],
        ),
        (
            "0x735596016a37ee972c42adef6a3cf628c19bb3794369c65d2c82ba034aecf2c",
            &[
                ("0x5", "0x64"),
                (
                    "0x2f50710449a06a9fa789b3c029a63bd0b1f722f46505828a9f815cf91b31d8",
                    "0x2a222e62eabe91abdb6838fa8b267ffe81a6eb575f61e96ec9aa4460c0925a2",
                ),
            ],
        ),
    ],
    deployed: &[
        (
            "0x20cfa74ee3564b4cd5435cdace0f9c4d43b939620e4a0bb5076105df0a626c6",
            "0x10455c752b86932ce552f2b0fe81a880746649b9aee7e0d842bf3f52378f9f8",
        ),
        (
            "0x31c887d82502ceb218c06ebb46198da3f7b92864a8223746bc836dda3e34b52",
            "0x10455c752b86932ce552f2b0fe81a880746649b9aee7e0d842bf3f52378f9f8",
        ),
        (
            "0x31c9cdb9b00cb35cf31c05855c0ec3ecf6f7952a1ce6e3c53c3455fcd75a280",
            "0x10455c752b86932ce552f2b0fe81a880746649b9aee7e0d842bf3f52378f9f8",
        ),
        (
            "0x6ee3440b08a9c805305449ec7f7003f27e9f7e287b83610952ec36bdc5a6bae",
            "0x10455c752b86932ce552f2b0fe81a880746649b9aee7e0d842bf3f52378f9f8",
        ),
        (
            "0x735596016a37ee972c42adef6a3cf628c19bb3794369c65d2c82ba034aecf2c",
            "0x10455c752b86932ce552f2b0fe81a880746649b9aee7e0d842bf3f52378f9f8",
        ),
    ],
    nonces: &[],
};

/// What block 0 of Sepolia did; its two classes are of Cairo 0.
const SEPOLIA_0: Block = Block {
    storage: &[
        (
            "0x4c5772d1914fe6ce891b64eb35bf3522aeae1315647314aac58b01137607f3f",
            &[
                ("0xe8fc4f1b6b3dc661208f9a8a5017a6c059098327e31518722e0a5c3a5a7e86", "0x1"),
                ("0x6d56a3a16e0bf05482515c10fcf552437cdd1b7b409a6e8cec88c4b8fa03c13", "0x1"),
            ],
        ),
        (
            "0x43abaa073c768ebf039c0c4f46db9acc39e9ec165690418060a652aab39e7d8",
            &[(
                "0x3b28019ccfdbd30ffc65951d94bb85c9e2b8434111a000b5afd533ce65f57a4",
                "0x12c4df40394d06f157edec8d0e64db61fe0c271149ea860c8fe98def29ecf02",
            )],
        ),
        (
            "0x49d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7",
            &[
                ("0xe8fc4f1b6b3dc661208f9a8a5017a6c059098327e31518722e0a5c3a5a7e86", "0x1"),
                ("0x6d56a3a16e0bf05482515c10fcf552437cdd1b7b409a6e8cec88c4b8fa03c13", "0x1"),
            ],
        ),
    ],
    deployed: &[
        (
            "0x43abaa073c768ebf039c0c4f46db9acc39e9ec165690418060a652aab39e7d8",
            "0x5c478ee27f2112411f86f207605b2e2c58cdb647bac0df27f660ef2252359c6",
        ),
        (
            "0x49d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7",
            "0xd0e183745e9dae3e4e78a8ffedcce0903fc4900beace4e0abf192d4c202da3",
        ),
        (
            "0x4c5772d1914fe6ce891b64eb35bf3522aeae1315647314aac58b01137607f3f",
            "0xd0e183745e9dae3e4e78a8ffedcce0903fc4900beace4e0abf192d4c202da3",
        ),
    ],
    nonces: &[("0x43abaa073c768ebf039c0c4f46db9acc39e9ec165690418060a652aab39e7d8", "0x5")],
};
