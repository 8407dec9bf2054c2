"""starknet.py's client for a devnet: what turns a chain back, bends its rules and keeps it."""

import tempfile
from pathlib import Path

from starknet_py.net.client_errors import ClientError
from starknet_py.net.client_models import TransactionExecutionStatus, TransactionType

from kraken import IS_ALONE, STRK, UNKNOWN, URLS, Suite, strk_transfer

# Nobody had these addresses before.
RECIPIENT = 0xC0_4701
OTHER_RECIPIENT = 0xC0_4702

FORBIDDEN = -32604


class Controls(Suite):
    async def needs(self, method):
        """Skips a test of what a single validator has and a committee refuses."""
        if IS_ALONE:
            return
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
        async with self.session.post(URLS[0], json=request) as response:
            self.assertEqual((await response.json())["error"]["code"], FORBIDDEN)
        self.skipTest(f"a committee has no {method}")

    async def with_a_wrong_key(self):
        """Somebody who has money, and signs with a key that is none of theirs."""
        owner = await self.funded_account(4)
        return self.account(owner.address, UNKNOWN)

    async def refuses(self, impostor):
        """Requires that an account does not take that signature."""
        async with self.fails_with(55):
            await self.send(impostor)

    async def send(self, account):
        """Sends a little, whatever the account says of its signature."""
        bounds = await self.ample_bounds()
        return await account.execute_v3(strk_transfer(RECIPIENT, 1), resource_bounds=bounds)

    async def test_one_account_is_impersonated(self):
        await self.needs("devnet_impersonateAccount")
        impostor = await self.with_a_wrong_key()
        await self.refuses(impostor)
        await self.client.impersonate_account(impostor.address)
        sent = await self.send(impostor)
        await self.succeeded(sent.transaction_hash)
        await self.client.stop_impersonate_account(impostor.address)
        await self.refuses(impostor)

    async def test_all_accounts_are_impersonated(self):
        await self.needs("devnet_autoImpersonate")
        impostor = await self.with_a_wrong_key()
        await self.client.auto_impersonate()
        sent = await self.send(impostor)
        await self.succeeded(sent.transaction_hash)
        await self.client.stop_auto_impersonate()
        await self.refuses(impostor)

    async def test_blocks_are_aborted(self):
        await self.needs("devnet_abortBlocks")
        kept = await self.client.get_block_number()
        before = await self.strk_balance(OTHER_RECIPIENT)
        minted = await self.client.mint(OTHER_RECIPIENT, 77)
        receipt = await self.succeeded(minted.tx_hash)
        aborted = await self.client.abort_block(block_number=kept + 1)
        self.assertIn(receipt.block_hash, [int(block, 16) for block in aborted])
        async with self.fails_with(24):
            await self.client.get_block(block_hash=receipt.block_hash)
        self.assertEqual(await self.strk_balance(OTHER_RECIPIENT), before)

    async def test_a_chain_is_dumped_and_loaded(self):
        await self.needs("devnet_dump")
        await self.succeeded((await self.client.mint(OTHER_RECIPIENT, 5)).tx_hash)
        before = await self.strk_balance(OTHER_RECIPIENT)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "dump.json"
            await self.client.dump(str(path))
            self.assertTrue(path.stat().st_size)
            await self.succeeded((await self.client.mint(OTHER_RECIPIENT, 6)).tx_hash)
            await self.client.load(str(path))
        self.assertEqual(await self.strk_balance(OTHER_RECIPIENT), before)

    async def test_a_chain_begins_anew(self):
        await self.needs("devnet_restart")
        account = await self.funded_account(5)
        sent = await self.send(account)
        await self.succeeded(sent.transaction_hash)
        await self.client.restart()
        self.assertEqual(await account.get_nonce(), 0)
        async with self.fails_with(29):
            await self.client.get_transaction_receipt(sent.transaction_hash)

    async def test_nobody_pretends_that_there_is_an_l1(self):
        await self.needs("devnet_postmanFlush")
        messenger = 0x5FBDB2315678AFECB367F032D93F642F64180AA3
        for request in [
            self.client.postman_load("http://127.0.0.1:8545"),
            self.client.postman_flush(),
            self.client.consume_message_from_l2(STRK, messenger, [1]),
        ]:
            with self.assertRaisesRegex(ClientError, "L1"):
                await request

    async def test_a_message_that_a_developer_has_l1_send_is_handled(self):
        await self.needs("devnet_postmanSendMessageToL2")
        messenger = 0x5FBDB2315678AFECB367F032D93F642F64180AA3
        # The token has no handler, so handling it reverts, in a block like any other.
        sent = await self.client.send_message_to_l2(STRK, 1, messenger, [1], 0, 1)
        receipt = await self.client.get_transaction_receipt(sent)
        self.assertEqual(receipt.type, TransactionType.L1_HANDLER)
        self.assertEqual(receipt.execution_status, TransactionExecutionStatus.REVERTED)
        transaction = await self.client.get_transaction(sent)
        self.assertEqual(transaction.calldata, [messenger, 1])
