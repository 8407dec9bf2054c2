"""What a client asks before it does anything: who are you, where are you, what do you know."""

from starknet_py.net.client_models import (
    BlockStatus,
    PreConfirmedBlockStateUpdate,
    PreConfirmedStarknetBlock,
)
from starknet_py.net.tip import estimate_tip
from starknet_py.transaction_errors import TransactionNotReceivedError

from kraken import ACCOUNT_CLASS, ETH, STRK, UDC, UNKNOWN, Suite, call


class Chain(Suite):
    async def test_it_is_the_chain_that_development_clients_expect(self):
        self.assertEqual(await self.client.get_chain_id(), "0x534e5f5345504f4c4941")
        self.assertEqual(await self.client.spec_version(), "0.10.2")
        self.assertEqual(await self.client.get_syncing_status(), False)

    async def test_it_has_a_first_block(self):
        genesis = await self.client.get_block_with_tx_hashes(block_number=0)
        self.assertEqual((genesis.block_number, genesis.parent_hash), (0, 0))
        self.assertEqual(genesis.status, BlockStatus.ACCEPTED_ON_L2)
        count = await self.client.get_block_transaction_count(block_number=0)
        self.assertEqual(count, len(genesis.transactions))
        by_hash = await self.client.get_block(block_hash=genesis.block_hash)
        self.assertEqual(by_hash.new_root, genesis.new_root)
        update = await self.client.get_state_update(block_number=0)
        self.assertEqual((update.old_root, update.new_root), (0, genesis.new_root))

    async def test_its_newest_block_has_a_number_a_hash_and_a_tag(self):
        newest = await self.client.get_block_hash_and_number()
        self.assertGreaterEqual(await self.client.get_block_number(), newest.block_number)
        by_number = await self.client.get_block(block_number=newest.block_number)
        self.assertEqual(by_number.block_hash, newest.block_hash)
        latest = await self.client.get_block_with_receipts(block_number="latest")
        self.assertGreaterEqual(latest.block_number, newest.block_number)

    async def test_there_is_always_a_block_that_is_being_built(self):
        latest = await self.client.get_block_number()
        block = await self.client.get_block(block_number="pre_confirmed")
        self.assertIsInstance(block, PreConfirmedStarknetBlock)
        self.assertGreater(block.block_number, latest)
        self.assertRegex(block.starknet_version, r"^0\.14\.")
        await self.client.get_block_with_tx_hashes(block_number="pre_confirmed")
        await self.client.get_block_with_receipts(block_number="pre_confirmed")
        update = await self.client.get_state_update(block_number="pre_confirmed")
        self.assertIsInstance(update, PreConfirmedBlockStateUpdate)

    async def test_a_tip_can_be_estimated_from_the_newest_block(self):
        self.assertEqual(await estimate_tip(self.client), 0)

    async def test_accounts_of_the_seed_are_funded(self):
        accounts = await self.client.get_predeployed_accounts(with_balance=True)
        self.assertEqual(len(accounts), 10)
        first, last = accounts[0], accounts[9]
        self.assertEqual(
            first.address, 0x64B48806902A367C8598F4F95C305E8C1A1ACBA5F082D294A43793113115691
        )
        self.assertEqual(first.private_key, 0x71D7BB07B9A64F6F78AC4C816AFF4DA9)
        self.assertEqual(await self.client.get_class_hash_at(first.address), ACCOUNT_CLASS)
        self.assertEqual(await self.client.get_contract_nonce(last.address), 0)
        self.assertEqual(last.balance.strk.amount, last.initial_balance)

    async def test_tokens_and_the_deployer_are_where_they_are_known(self):
        for address in (STRK, ETH, UDC):
            contract = await self.client.get_class_at(address)
            self.assertTrue(contract.parsed_abi)
        self.assertEqual(await self.client.call_contract(call(STRK, "decimals")), [18])

    async def test_what_it_does_not_know_has_the_code_of_the_specification(self):
        client = self.client
        for code, request in [
            (20, client.get_class_hash_at(UNKNOWN)),
            (20, client.get_contract_nonce(UNKNOWN)),
            (20, client.get_storage_at(UNKNOWN, 1)),
            (20, client.call_contract(call(UNKNOWN, "balance_of"))),
            (21, client.call_contract(call(STRK, "no_such_entry"))),
            (24, client.get_block(block_number=99_999_999)),
            (24, client.get_state_update(block_hash=UNKNOWN)),
            (27, client.get_transaction_by_block_id(99_999, block_number=0)),
            (28, client.get_class_by_hash(UNKNOWN)),
            (29, client.get_transaction_receipt(UNKNOWN)),
            (29, client.get_transaction_status(UNKNOWN)),
            (31, client.get_events(chunk_size=1_000_000)),
            (33, client.get_events(chunk_size=1, continuation_token="not one")),
            (40, client.call_contract(call(STRK, "transfer_from", 1, 2, 3, 0))),
        ]:
            async with self.fails_with(code):
                await request
        # The library has an exception of its own for this one.
        with self.assertRaises(TransactionNotReceivedError):
            await client.get_transaction(UNKNOWN)
