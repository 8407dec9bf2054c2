"""Many transactions from one account, faster than blocks."""

import asyncio

from kraken import Suite, strk_transfer

# Nobody had this address before.
RECIPIENT = 0x1A4D_B1E5


class Burst(Suite):
    async def test_300_at_once_are_taken_and_keep_their_order(self):
        account = await self.funded_account(2)
        bounds, first = await self.ample_bounds(), await account.get_nonce()
        signed = [
            await account.sign_invoke_v3(
                strk_transfer(RECIPIENT, 1), nonce=first + place, resource_bounds=bounds
            )
            for place in range(300)
        ]
        answers = await asyncio.gather(*map(self.client.send_transaction, signed))

        hashes = [answer.transaction_hash for answer in answers]
        await self.succeeded(hashes[-1])
        receipts = await asyncio.gather(*map(self.client.get_transaction_receipt, hashes))
        numbers = sorted({receipt.block_number for receipt in receipts})
        in_chain = []
        for number in numbers:
            block = await self.client.get_block_with_tx_hashes(block_number=number)
            in_chain += [sent for sent in block.transactions if sent in hashes]
        self.assertEqual(in_chain, hashes)
        self.assertEqual(await account.get_nonce(), first + 300)
        self.assertEqual(await self.strk_balance(RECIPIENT), 300)
