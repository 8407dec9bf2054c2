"""Calls as other clients write them, byte by byte where they differ."""

from kraken import IS_ALONE, URLS, Suite

PATHS = ["", "/", "/rpc", "/rpc/v0_10", "/v0_10"]


class Calls(Suite):
    async def post(self, body, path=""):
        """Asks the first validator, which answers with HTTP 200 whatever it is asked."""
        async with self.session.post(URLS[0] + path, json=body) as response:
            self.assertEqual(response.status, 200)
            self.assertEqual(response.content_type, "application/json")
            return await response.json()

    async def ask(self, method, *params):
        """Asks as sncast does, and returns the result."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method}
        if params:
            (request["params"],) = params
        answer = await self.post(request)
        self.assertNotIn("error", answer)
        return answer["result"]

    async def test_no_parameters_may_be_a_list_an_object_or_nothing(self):
        for method, path in [(m, p) for m in ("chainId", "specVersion") for p in PATHS]:
            request = {"jsonrpc": "2.0", "id": "seven", "method": f"starknet_{method}"}
            answers = [
                await self.post(request | params, path)
                for params in ({}, {"params": []}, {"params": {}})
            ]
            self.assertEqual(answers[0]["id"], "seven")
            self.assertIn("result", answers[0])
            self.assertEqual(answers, [answers[0]] * 3, path)

    async def test_parameters_have_names_or_places(self):
        by_name = await self.ask("starknet_getBlockWithTxs", {"block_id": {"block_number": 0}})
        by_place = await self.ask("starknet_getBlockWithTxs", [{"block_number": 0}])
        self.assertEqual(by_name, by_place)

    async def test_an_error_is_an_answer(self):
        request = {"jsonrpc": "2.0", "id": 5, "method": "starknet_getNonce", "params": []}
        answer = await self.post(request)
        self.assertEqual((answer["id"], answer["error"]["code"]), (5, -32602))
        self.assertIn("block_id", str(answer["error"]["data"]))
        request["method"] = "starknet_noSuchMethod"
        self.assertEqual((await self.post(request))["error"]["code"], -32601)

    async def test_many_calls_may_come_in_one_request(self):
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": "starknet_getBlockWithTxHashes"}
            | {"params": [{"block_number": 0}]}
            for number in range(50)
        ]
        answers = await self.post(requests, "/rpc")
        self.assertEqual(sorted(answer["id"] for answer in answers), list(range(50)))
        self.assertTrue(all("result" in answer for answer in answers))

    async def test_sncast_finds_a_devnet(self):
        async with self.session.get(URLS[0] + "/is_alive") as response:
            self.assertEqual(response.status, 200)
        config = await self.ask("devnet_getConfig")
        self.assertEqual((config["seed"], config["total_accounts"]), (0, 10))
        class_hash = int(config["account_contract_class_hash"], 16)
        accounts = await self.ask("devnet_getPredeployedAccounts")
        self.assertEqual(len(accounts), 10)
        for account in accounts:
            self.assertEqual(
                account.keys() & {"address", "public_key", "private_key", "initial_balance"},
                {"address", "public_key", "private_key", "initial_balance"},
            )
        deployed = await self.ask(
            "starknet_getClassHashAt", ["latest", accounts[0]["address"]]
        )
        self.assertEqual(int(deployed, 16), class_hash)

    async def test_sncast_reads_the_version_of_the_open_block(self):
        block = await self.ask("starknet_getBlockWithTxHashes", ["pre_confirmed"])
        self.assertRegex(block["starknet_version"], r"^0\.14\.")
        self.assertNotIn("block_hash", block)
        latest = await self.ask("starknet_getBlockWithTxs", {"block_id": "latest"})
        self.assertEqual(latest["status"], "ACCEPTED_ON_L2")
        if IS_ALONE:
            self.assertEqual(block["block_number"], latest["block_number"] + 1)
