"""What a client is told over a WebSocket, by each kind of subscription."""

import asyncio
import unittest

from starknet_py.net.client_models import (
    TransactionFinalityStatusWithoutL1,
    TransactionStatusWithoutL1,
)
from starknet_py.net.websockets.errors import WebsocketClientError
from starknet_py.net.websockets.websocket_client import WebsocketClient

from kraken import IS_ALONE, STRK, URLS, WAIT, Suite, strk_transfer


class Listener:
    """Keeps what a subscription tells."""

    def __init__(self):
        self.told = []

    def __call__(self, notification):
        self.told.append(notification.result)

    async def until(self, is_it):
        """Waits for what is looked for."""
        for _ in range(WAIT["retries"]):
            for result in self.told:
                if is_it(result):
                    return result
            await asyncio.sleep(WAIT["check_interval"])
        raise AssertionError(f"told only {self.told}")


class Socket(Suite):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.socket = WebsocketClient(URLS[0].replace("http", "ws", 1))
        await self.socket.connect()
        self.addAsyncCleanup(self.socket.disconnect)

    async def test_a_transaction_is_told_of_in_every_way_there_is(self):
        sender = await self.funded_account(8)
        heads, events, receipts, transactions, statuses = (Listener() for _ in range(5))
        both = [
            TransactionFinalityStatusWithoutL1.PRE_CONFIRMED,
            TransactionFinalityStatusWithoutL1.ACCEPTED_ON_L2,
        ]
        socket, own = self.socket, [sender.address]
        ids = [
            await socket.subscribe_new_heads(heads),
            await socket.subscribe_events(events, from_address=[STRK]),
            await socket.subscribe_new_transaction_receipts(receipts, both, own),
            await socket.subscribe_new_transactions(
                transactions, own, [TransactionStatusWithoutL1.ACCEPTED_ON_L2]
            ),
        ]
        sent = await sender.execute_v3(
            calls=strk_transfer(0x5EF, 1), resource_bounds=await self.ample_bounds()
        )
        ids.append(await socket.subscribe_transaction_status(statuses, sent.transaction_hash))
        receipt = await self.succeeded(sent.transaction_hash)

        def its(result):
            return result.transaction_hash == sent.transaction_hash

        head = await heads.until(lambda head: head.block_number == receipt.block_number)
        block = await self.client.get_block(block_number=receipt.block_number)
        self.assertEqual(head.block_hash, block.block_hash)
        self.assertEqual((await events.until(its)).from_address, STRK)
        await receipts.until(lambda it: its(it) and it.finality_status.value == "ACCEPTED_ON_L2")
        seen = [it.finality_status.value for it in receipts.told if its(it)]
        self.assertEqual(seen, ["PRE_CONFIRMED", "ACCEPTED_ON_L2"])
        await transactions.until(lambda it: it.transaction.hash == sent.transaction_hash)
        await statuses.until(lambda it: it.status.finality_status.value == "ACCEPTED_ON_L2")
        seen = [it.status.finality_status for it in statuses.told]
        self.assertEqual(len(set(seen)), len(seen))
        for subscription in ids:
            self.assertTrue(await socket.unsubscribe(subscription))

    async def test_blocks_of_the_past_are_told_from_the_first_on(self):
        heads = Listener()
        newest = await self.client.get_block_number()
        await self.socket.subscribe_new_heads(heads, block_number=0)
        await heads.until(lambda head: head.block_number == newest)
        numbers = [head.block_number for head in heads.told]
        self.assertEqual(numbers[: newest + 1], list(range(newest + 1)))

    async def test_an_unknown_block_has_the_code_of_the_specification(self):
        with self.assertRaises(WebsocketClientError) as context:
            await self.socket.subscribe_new_heads(Listener(), block_number=99_999_999)
        self.assertEqual(context.exception.code, 24)

    @unittest.skipUnless(IS_ALONE, "a committee takes no block back")
    async def test_blocks_that_are_taken_back_are_told_of(self):
        reorgs = Listener()
        self.socket.on_chain_reorg = reorgs
        await self.socket.subscribe_new_heads(Listener())
        await self.client.create_block()
        newest = await self.client.get_block(block_number="latest")
        await self.client.abort_block(block_number=newest.block_number)
        reorg = await reorgs.until(lambda it: it.starting_block_hash == newest.block_hash)
        self.assertEqual(reorg.ending_block_number, newest.block_number)
