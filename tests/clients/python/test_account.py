"""Accounts: spending from a funded one, and bringing a new one to life."""

import dataclasses
import secrets

from starknet_py.contract import Contract
from starknet_py.hash.address import compute_address
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_models import (
    DeployAccountTransactionV3,
    PriceUnit,
    TransactionFinalityStatus,
)
from starknet_py.net.signer.key_pair import KeyPair

from kraken import ACCOUNT_CLASS, ONE_STRK, STRK, Suite, strk_transfer


def somebody():
    """An address that nobody has used."""
    return secrets.randbelow(2**250) + 1


class Accounts(Suite):
    async def test_one_pays_exactly_what_it_sends_and_the_fee_of_the_receipt(self):
        account, recipient = await self.funded_account(0), somebody()
        before, nonce = await account.get_balance(), await account.get_nonce()

        strk = await Contract.from_address(STRK, provider=account)
        transfer = strk.functions["transfer"].prepare_invoke_v3(recipient, ONE_STRK)
        sent = await transfer.invoke(auto_estimate=True)
        receipt = await self.succeeded(sent.hash)

        self.assertEqual(receipt.finality_status, TransactionFinalityStatus.ACCEPTED_ON_L2)
        fee = receipt.actual_fee
        self.assertEqual(fee.unit, PriceUnit.FRI)
        self.assertGreater(fee.amount, 0)
        self.assertEqual(await self.strk_balance(recipient), ONE_STRK)
        self.assertEqual(await account.get_balance(), before - ONE_STRK - fee.amount)
        self.assertEqual(await account.get_nonce(), nonce + 1)

        past = receipt.block_number - 1
        self.assertEqual(await account.get_balance(block_number=past), before)
        self.assertEqual(await account.get_nonce(block_number=past), nonce)

        moved, paid = [event for event in receipt.events if event.from_address == STRK]
        self.assertEqual(moved.keys[0], get_selector_from_name("Transfer"))
        self.assertIn(recipient, moved.keys + moved.data)
        self.assertIn(ONE_STRK, moved.data)
        self.assertIn(fee.amount, paid.data)

    async def test_an_estimate_is_enough_and_not_absurd(self):
        account = await self.funded_account(0)
        call = strk_transfer(somebody(), 1)
        bounds = await self.ample_bounds()
        estimate = await account.estimate_fee(
            await account.sign_invoke_v3(call, resource_bounds=bounds)
        )
        self.assertEqual(estimate.unit, PriceUnit.FRI)
        sent = await account.execute_v3(
            call, resource_bounds=estimate.to_resource_bounds(), auto_estimate_tip=True
        )
        fee = (await self.succeeded(sent.transaction_hash)).actual_fee.amount
        self.assertLessEqual(fee, estimate.overall_fee)
        self.assertLess(estimate.overall_fee, 2 * fee)

    async def test_a_new_one_is_deployed_and_sends(self):
        funded, key_pair = await self.funded_account(0), KeyPair.generate()
        deployment = {
            "class_hash": ACCOUNT_CLASS,
            "salt": key_pair.public_key,
            "key_pair": key_pair,
            "client": self.client,
        }
        address = compute_address(
            class_hash=ACCOUNT_CLASS,
            constructor_calldata=[key_pair.public_key],
            salt=key_pair.public_key,
        )
        funding = await funded.execute_v3(
            strk_transfer(address, 20 * ONE_STRK), auto_estimate=True
        )
        await self.succeeded(funding.transaction_hash)

        deployed = await Account.deploy_account_v3(
            address=address, auto_estimate=True, **deployment
        )
        birth = await self.succeeded(deployed.hash)
        self.assertEqual(birth.contract_address, address)
        self.assertEqual(await self.client.get_class_hash_at(address), ACCOUNT_CLASS)
        transaction = await self.client.get_transaction(deployed.hash)
        self.assertIsInstance(transaction, DeployAccountTransactionV3)
        self.assertEqual(transaction.contract_address_salt, key_pair.public_key)

        recipient = somebody()
        sent = await deployed.account.execute_v3(strk_transfer(recipient, 5), auto_estimate=True)
        await self.succeeded(sent.transaction_hash)
        self.assertEqual(await self.strk_balance(recipient), 5)
        self.assertEqual(await deployed.account.get_nonce(), 2)

    async def test_what_cannot_be_accepted_is_refused_with_the_reason(self):
        account = await self.funded_account(0)
        bounds, nonce = await self.ample_bounds(), await account.get_nonce()
        details = {"calls": strk_transfer(somebody(), 1), "resource_bounds": bounds}

        async with self.fails_with(52) as refused:
            await account.execute_v3(nonce=nonce - 1, **details)
        self.assertIn("nonce", refused.exception.data)

        impostor = self.account(account.address, somebody())
        async with self.fails_with(55):
            await impostor.execute_v3(nonce=nonce, **details)

        dear = dataclasses.replace(bounds.l2_gas, max_price_per_unit=10**20)
        details["resource_bounds"] = dataclasses.replace(bounds, l2_gas=dear)
        async with self.fails_with(54):
            await account.execute_v3(nonce=nonce, **details)

        self.assertEqual(await account.get_nonce(), nonce)

    async def test_one_that_goes_beyond_its_means_is_reverted_and_pays(self):
        account = await self.funded_account(0)
        before = await account.get_balance()
        sent = await account.execute_v3(
            strk_transfer(somebody(), 2**127), resource_bounds=await self.ample_bounds()
        )
        receipt = await self.reverted(sent.transaction_hash)
        self.assertIn("insufficient balance", receipt.revert_reason)
        self.assertEqual(await account.get_balance(), before - receipt.actual_fee.amount)
