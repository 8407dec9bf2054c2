"""What all suites share: the validators under test, their funded accounts, and our own contract.

KRAKEN_URLS says where the validators are, with commas between them; `cargo xtask clients` starts
some and sets it. A suite talks to the first, and what it did must be seen at the last as well: with
one validator, these are the same.
"""

import asyncio
import json
import logging
import os
import unittest
import warnings
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession
from starknet_py.devnet_utils.devnet_client import DevnetClient
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_errors import ClientError
from starknet_py.net.client_models import (
    Call,
    ResourceBounds,
    ResourceBoundsMapping,
    TransactionExecutionStatus,
    TransactionFinalityStatus,
)
from starknet_py.net.models import StarknetChainId
from starknet_py.net.signer.key_pair import KeyPair
from starknet_py.transaction_errors import TransactionRevertedError

URLS = os.environ.get("KRAKEN_URLS", "http://127.0.0.1:5050").split(",")

STRK = 0x4718F5A0FC34CC1AF16A1CDEE98FFB20C31F5CD61D6AB07201858F4287C938D
ETH = 0x49D36570D4E46F48E99674BD3FCC84644DDD6B96F7C741B1562B82F9E004DC7
UDC = 0x2CEED65A4BD731034C01113685C831B01C15D7D432F71AFB1CF1634B53A2125

# The OpenZeppelin account 1.0.0, declared in the genesis.
ACCOUNT_CLASS = 0x5B4B537EAA2399E3AA99C4E2E0208EBD6C71BC1467938CD52C798C601E43564

# One STRK in fri.
ONE_STRK = 10**18

# Nothing has this address, hash or key.
UNKNOWN = 0x1234567890ABCDEF

# How to wait: ask ten times a second, for at most two minutes.
WAIT = {"check_interval": 0.1, "retries": 1200}

# What is on its way through a committee is in blocks of different validators at different times;
# a chain of one has nobody to tell.
IS_ALONE = len(URLS) == 1

COMPILED = Path(__file__).parents[3] / "contracts" / "compiled"


# Signing takes longer than the tests' event loop likes, which would say so each time.
logging.getLogger("asyncio").setLevel(logging.ERROR)


class Suite(unittest.IsolatedAsyncioTestCase):
    """Tests with a connection to the first validator and one to the last."""

    async def asyncSetUp(self):
        # That the node speaks the version that the library wants is seen by its silence.
        warnings.simplefilter("error")
        self.session = ClientSession()
        self.addAsyncCleanup(self.session.close)
        self.client = DevnetClient(URLS[0], session=self.session)
        self.last = DevnetClient(URLS[-1], session=self.session)

    async def funded_account(self, index):
        """One of the accounts that the node funds at its start. Suites use different ones."""
        predeployed = (await self.client.get_predeployed_accounts())[index]
        return self.account(predeployed.address, predeployed.private_key)

    def account(self, address, private_key):
        """An account, whether it is deployed or not."""
        return Account(
            address=address,
            client=self.client,
            key_pair=KeyPair.from_private_key(private_key),
            chain=StarknetChainId.SEPOLIA,
        )

    async def succeeded(self, transaction_hash):
        """Waits until a transaction is in a block of both validators, and returns its receipt."""
        receipt = await self.client.wait_for_tx(transaction_hash, **WAIT)
        self.assertEqual(await self.last.wait_for_tx(transaction_hash, **WAIT), receipt)
        return receipt

    async def reverted(self, transaction_hash):
        """Waits until both validators have a transaction that did not do what it was to do."""
        for client in (self.client, self.last):
            with self.assertRaises(TransactionRevertedError):
                await client.wait_for_tx(transaction_hash, **WAIT)
            # The library looks no further than the open block.
            for _ in range(WAIT["retries"]):
                receipt = await client.get_transaction_receipt(transaction_hash)
                if receipt.finality_status == TransactionFinalityStatus.ACCEPTED_ON_L2:
                    break
                await asyncio.sleep(WAIT["check_interval"])
            self.assertEqual(receipt.execution_status, TransactionExecutionStatus.REVERTED)
            self.assertEqual(receipt.finality_status, TransactionFinalityStatus.ACCEPTED_ON_L2)
        return receipt

    @asynccontextmanager
    async def fails_with(self, code):
        """Requires an error with this code of the specification, and gives it out."""
        with self.assertRaises(ClientError) as context:
            yield context
        self.assertEqual(context.exception.code, code, context.exception.message)

    async def ample_bounds(self, l2_gas=30_000_000):
        """Bounds for a transaction whose fee nobody estimates: plenty of gas at twice the price."""
        block = await self.client.get_block(block_number="latest")

        def bound(amount, price):
            return ResourceBounds(max_amount=amount, max_price_per_unit=2 * price.price_in_fri)

        return ResourceBoundsMapping(
            l1_gas=bound(10_000, block.l1_gas_price),
            l2_gas=bound(l2_gas, block.l2_gas_price),
            l1_data_gas=bound(10_000, block.l1_data_gas_price),
        )

    async def strk_balance(self, address, **block):
        """What somebody holds, in fri."""
        low, high = await self.client.call_contract(call(STRK, "balance_of", address), **block)
        return (high << 128) + low


def call(contract, function, *calldata):
    """A call of a function by its name."""
    return Call(
        to_addr=contract,
        selector=get_selector_from_name(function),
        calldata=list(calldata),
    )


def strk_transfer(recipient, amount):
    """A call that moves STRK."""
    return call(STRK, "transfer", recipient, amount, 0)


def ledger_class():
    """Our contract: its class, and its machine code for the hash that a declaration names."""
    return tuple(
        (COMPILED / name).read_text(encoding="utf-8")
        for name in ("ledger.sierra.json", "ledger.casm.json")
    )


def ledger_abi():
    """What its functions and events look like."""
    return json.loads(ledger_class()[0])["abi"]
