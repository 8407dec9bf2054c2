"""starknet.py's client for a devnet: the methods that only a chain for development has."""

from starknet_py.net.client_models import PriceUnit

from kraken import ETH, IS_ALONE, STRK, Suite, call

# Nobody had this address before.
RECIPIENT = 0xD34E

# What a committee says to what only a single validator can do.
FORBIDDEN = -32604


class Devnet(Suite):
    async def test_tokens_are_made(self):
        if not IS_ALONE:
            async with self.fails_with(FORBIDDEN):
                await self.client.mint(RECIPIENT, 1)
            return
        for token, unit in [(STRK, PriceUnit.FRI), (ETH, PriceUnit.WEI)]:
            minted = await self.client.mint(RECIPIENT, 10**20, unit)
            self.assertEqual((minted.new_balance, minted.unit), (10**20, unit))
            await self.succeeded(minted.tx_hash)
            low_high = await self.client.call_contract(call(token, "balance_of", RECIPIENT))
            self.assertEqual(low_high, [10**20, 0])
            for tag in ("latest", "pre_confirmed"):
                balance = await self.client.get_account_balance(RECIPIENT, unit, tag)
                self.assertEqual((balance.amount, balance.unit), (10**20, unit))

    async def test_a_block_is_made_on_demand(self):
        if not IS_ALONE:
            async with self.fails_with(FORBIDDEN):
                await self.client.create_block()
            return
        before = await self.client.get_block_number()
        created = await self.client.create_block()
        block = await self.client.get_block(block_hash=created)
        self.assertGreater(block.block_number, before)

    async def test_time_moves_as_it_is_told(self):
        if not IS_ALONE:
            async with self.fails_with(FORBIDDEN):
                await self.client.increase_time(1)
            return
        now = (await self.client.get_block(block_number="latest")).timestamp
        increased = await self.client.increase_time(1_000)
        self.assertEqual(increased.timestamp_increased_by, 1_000)
        later = await self.client.get_block(block_hash=increased.block_hash)
        self.assertGreaterEqual(later.timestamp, now + 1_000)

        wanted = later.timestamp + 10_000
        moved = await self.client.set_time(wanted, generate_block=True)
        self.assertEqual(moved.block_timestamp, wanted)
        block = await self.client.get_block(block_hash=moved.block_hash)
        self.assertEqual(block.timestamp, wanted)
        moved = await self.client.set_time(wanted + 1_000)
        self.assertIsNone(moved.block_hash)
