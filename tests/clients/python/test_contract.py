"""The life of a contract, from its class to its events."""

import json

from starknet_py.common import create_casm_class
from starknet_py.contract import Contract
from starknet_py.hash.casm_class_hash import compute_casm_class_hash
from starknet_py.hash.hash_method import HashMethod
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.hash.storage import get_storage_var_address
from starknet_py.net.client_models import StorageResponseFlag, TransactionStatus

from kraken import UDC, Suite, call, ledger_abi, ledger_class

OPENING_TOTAL = 1_000


class Contracts(Suite):
    """One contract, which the first of the tests declares and deploys."""

    # What that leaves for the others: two receipts, the hash of the class, and the address.
    declared = deployed = class_hash = address = None

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.deployer = await self.funded_account(1)
        if Contracts.address is None:
            await self.declare()
            await self.deploy()

    async def declare(self):
        contract_class, casm = ledger_class()
        sent = await Contract.declare_v3(
            self.deployer, contract_class, compiled_contract_casm=casm, auto_estimate=True
        )
        Contracts.declared = await self.succeeded(sent.hash)
        Contracts.class_hash = sent.class_hash

    async def deploy(self):
        sent = await Contract.deploy_contract_v3(
            self.deployer,
            Contracts.class_hash,
            abi=ledger_abi(),
            constructor_args=[self.deployer.address, OPENING_TOTAL],
            auto_estimate=True,
        )
        Contracts.deployed = await self.succeeded(sent.hash)
        Contracts.address = sent.deployed_contract.address

    def ledger(self):
        """The contract, for the account that deployed it."""
        return Contract(address=Contracts.address, abi=ledger_abi(), provider=self.deployer)

    async def invoke(self, function, *arguments):
        """Invokes a function, and returns the receipt."""
        function = self.ledger().functions[function]
        sent = await function.invoke_v3(*arguments, auto_estimate=True)
        return await self.succeeded(sent.hash)

    async def value(self, key, **block):
        """The value of a counter."""
        return (await self.ledger().functions["value"].call(key, **block))[0]

    async def test_its_class_is_served_as_it_was_declared(self):
        contract_class, casm = ledger_class()
        served = await self.client.get_class_by_hash(Contracts.class_hash)
        program = json.loads(contract_class)["sierra_program"]
        self.assertEqual(served.sierra_program, [int(felt, 16) for felt in program])
        update = await self.client.get_state_update(block_number=self.declared.block_number)
        (in_diff,) = update.state_diff.declared_classes
        self.assertEqual(in_diff.class_hash, Contracts.class_hash)
        self.assertEqual(
            in_diff.compiled_class_hash,
            compute_casm_class_hash(create_casm_class(casm), hash_method=HashMethod.BLAKE2S),
        )

    async def test_its_class_is_not_declared_twice(self):
        contract_class, casm = ledger_class()
        bounds = await self.ample_bounds(500_000_000)
        async with self.fails_with(51):
            await Contract.declare_v3(
                self.deployer, contract_class, compiled_contract_casm=casm, resource_bounds=bounds
            )

    async def test_it_is_deployed_by_the_universal_deployer(self):
        class_hash = await self.client.get_class_hash_at(Contracts.address)
        self.assertEqual(class_hash, Contracts.class_hash)
        events = {event.from_address: event for event in Contracts.deployed.events}
        self.assertIn(UDC, events)
        opened = events[Contracts.address]
        self.assertEqual(opened.keys, [get_selector_from_name("Opened"), self.deployer.address])
        self.assertEqual(opened.data, [OPENING_TOTAL])

        owner = await self.ledger().functions["owner"].call()
        self.assertEqual(owner, (self.deployer.address,))
        total = await self.ledger().functions["total"].call(
            block_number=Contracts.deployed.block_number
        )
        self.assertEqual(total, (OPENING_TOTAL,))

    async def test_it_keeps_what_an_invocation_writes(self):
        receipt = await self.invoke("add", 0x61, 7)
        self.assertEqual(await self.value(0x61), 7)

        slot = get_storage_var_address("values", 0x61)
        stored = await self.client.get_storage_at(
            Contracts.address, slot, response_flags=[StorageResponseFlag.INCLUDE_LAST_UPDATE_BLOCK]
        )
        self.assertEqual(stored.value, 7)
        self.assertEqual(stored.last_update_block, receipt.block_number)
        past = receipt.block_number - 1
        self.assertEqual(await self.value(0x61, block_number=past), 0)

        update = await self.client.get_state_update(block_number=receipt.block_number)
        written = {diff.address: diff.storage_entries for diff in update.state_diff.storage_diffs}
        entries = {entry.key: entry.value for entry in written[Contracts.address]}
        self.assertEqual(entries[slot], 7)

    async def test_it_is_changed_by_several_calls_at_once(self):
        add = self.ledger().functions["add"]
        sent = await self.deployer.execute_v3(
            [add.prepare_call(0x62, amount) for amount in (1, 2)], auto_estimate=True
        )
        await self.succeeded(sent.transaction_hash)
        self.assertEqual(await self.value(0x62), 3)

    async def test_it_reverts_with_its_reason_and_leaves_no_trace(self):
        refuse = call(Contracts.address, "refuse", 0x63)
        async with self.fails_with(40) as refused:
            await self.client.call_contract(refuse)
        self.assertIn("Ledger: refused", json.dumps(refused.exception.data))
        async with self.fails_with(41) as refused:
            await self.deployer.execute_v3(refuse, auto_estimate=True)
        self.assertIn("Ledger: refused", json.dumps(refused.exception.data))
        async with self.fails_with(21):
            await self.client.call_contract(call(Contracts.address, "no_such_entry"))

        bounds = await self.ample_bounds()
        sent = await self.deployer.execute_v3(refuse, resource_bounds=bounds)
        receipt = await self.reverted(sent.transaction_hash)
        self.assertIn("Ledger: refused", receipt.revert_reason)
        self.assertGreater(receipt.actual_fee.amount, 0)
        self.assertEqual(await self.value(0x63), 0)
        status = await self.client.get_transaction_status(sent.transaction_hash)
        self.assertEqual(status.finality_status, TransactionStatus.ACCEPTED_ON_L2)
        self.assertIn("Ledger: refused", status.failure_reason)

    async def test_its_events_are_found_by_key_page_by_page(self):
        amounts = [10, 20, 30]
        receipts = [await self.invoke("add", 0x64, amount) for amount in amounts]
        await self.invoke("add", 0x65, 1)

        added = get_selector_from_name("Added")
        wanted = {
            "address": Contracts.address,
            "keys": [[added], [0x64]],
            "from_block_number": receipts[0].block_number,
            "to_block_number": "latest",
        }
        first = await self.client.get_events(**wanted, chunk_size=2)
        self.assertEqual(len(first.events), 2)
        rest = await self.client.get_events(
            **wanted, chunk_size=2, continuation_token=first.continuation_token
        )
        self.assertIsNone(rest.continuation_token)
        events = first.events + rest.events
        self.assertEqual([event.data[0] for event in events], amounts)
        places = [(event.transaction_hash, event.block_hash) for event in events]
        expected = [(receipt.transaction_hash, receipt.block_hash) for receipt in receipts]
        self.assertEqual(places, expected)

        followed = await self.client.get_events(
            **wanted, chunk_size=1, follow_continuation_token=True
        )
        self.assertEqual(followed.events, events)

    async def test_it_is_found_again_in_blocks(self):
        receipt = await self.invoke("add", 0x66, 9)
        block = await self.client.get_block_with_receipts(block_number=receipt.block_number)
        self.assertEqual(block.block_hash, receipt.block_hash)
        hashes = [inside.receipt.transaction_hash for inside in block.transactions]
        index = hashes.index(receipt.transaction_hash)
        self.assertEqual(block.transactions[index].receipt.events, receipt.events)

        by_index = await self.client.get_transaction_by_block_id(
            index, block_number=receipt.block_number
        )
        by_hash = await self.client.get_transaction(receipt.transaction_hash)
        self.assertEqual(by_index, by_hash)
        self.assertEqual(by_hash.sender_address, self.deployer.address)

        update = await self.client.get_state_update(block_number=receipt.block_number)
        parent = await self.client.get_state_update(block_number=receipt.block_number - 1)
        self.assertEqual((update.new_root, update.old_root), (block.new_root, parent.new_root))
