// What a client asks before it does anything: who are you, where are you, what do you know.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { constants, num } from "starknet";
import {
  ACCOUNT_CLASS,
  ETH,
  SEED,
  SPEC,
  STRK,
  UDC,
  URLS,
  connect,
  failsWith,
  rpc,
  sameFelt,
} from "./kraken.mjs";

const UNKNOWN = "0x1234567890abcdef";

describe("the chain", () => {
  let provider;

  before(async () => {
    provider = await connect();
  });

  it("speaks a version that starknet.js accepts", async () => {
    assert.equal(await provider.getSpecVersion(), SPEC);
    assert.equal(provider.readSpecVersion(), SPEC);
  });

  it("answers a plain GET with 200", async () => {
    for (const url of URLS) {
      for (const path of ["/", "/is_alive", "/health", "/ready"]) {
        const response = await fetch(new URL(path, url));
        assert.equal(response.status, 200, path);
      }
    }
  });

  it("answers on every path that clients use", async () => {
    for (const [path, version] of [
      ["/", "0.10.2"],
      ["/rpc", "0.10.2"],
      ["/rpc/v0_10", "0.10.2"],
      ["/v0_10", "0.10.2"],
      ["/rpc/v0_9", "0.9.0"],
      ["/v0_9", "0.9.0"],
    ]) {
      const response = await fetch(new URL(path, URLS[0]), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 7, method: "starknet_specVersion" }),
      });
      assert.deepEqual(await response.json(), { jsonrpc: "2.0", id: 7, result: version }, path);
    }
  });

  it("is the chain that development clients expect", async () => {
    assert.equal(await provider.getChainId(), constants.StarknetChainId.SN_SEPOLIA);
    assert.equal(await provider.getSyncingStats(), false);
  });

  it("has a first block", async () => {
    const genesis = await provider.getBlock(0);
    assert.equal(genesis.block_number, 0);
    assert.equal(genesis.status, "ACCEPTED_ON_L2");
    sameFelt(genesis.parent_hash, 0);
    assert.equal(await provider.getBlockTransactionCount(0), genesis.transactions.length);

    const byHash = await provider.getBlockWithTxs(genesis.block_hash);
    assert.equal(byHash.block_hash, genesis.block_hash);
  });

  it("knows its newest block by number, by hash and by tag", async () => {
    const { block_hash: hash, block_number: number } = await provider.getBlockLatestAccepted();
    assert.ok((await provider.getBlockNumber()) >= number);
    assert.equal((await provider.getBlock(number)).block_hash, hash);
    assert.equal((await provider.getBlock(hash)).block_number, number);
    assert.ok((await provider.getBlock("latest")).block_number >= number);
  });

  it("always has a block that is being built", async () => {
    const open = await provider.getBlock("pre_confirmed");
    assert.equal(open.block_hash, undefined);
    assert.ok(open.block_number > 0);
    assert.match(open.starknet_version, /^0\.14\./);
  });

  it("funds the accounts of the seed", async () => {
    const accounts = await rpc("devnet_getPredeployedAccounts");
    assert.equal(accounts.length, 10);
    if (SEED === "0") {
      sameFelt(
        accounts[0].address,
        "0x64b48806902a367c8598f4f95c305e8c1a1acba5f082d294a43793113115691",
      );
      sameFelt(accounts[0].private_key, "0x71d7bb07b9a64f6f78ac4c816aff4da9");
    }
    sameFelt(await provider.getClassHashAt(accounts[0].address), ACCOUNT_CLASS);
    assert.equal(BigInt(await provider.getNonceForAddress(accounts[9].address)), 0n);
  });

  it("has the tokens and the deployer at their known addresses", async () => {
    for (const address of [STRK, ETH, UDC]) {
      const { abi } = await provider.getClassAt(address);
      assert.ok(Array.isArray(abi) && abi.length > 0, address);
    }
    const call = { contractAddress: STRK, entrypoint: "decimals", calldata: [] };
    assert.deepEqual(await provider.callContract(call), [num.toHex(18)]);
  });

  it("says in the specification's words what it does not know", async () => {
    const unknownCall = { contractAddress: UNKNOWN, entrypoint: "balance_of", calldata: [] };
    const noSuchEntry = { contractAddress: STRK, entrypoint: "no_such_entry", calldata: [] };
    await failsWith(20, provider.getClassHashAt(UNKNOWN));
    await failsWith(20, provider.getNonceForAddress(UNKNOWN));
    await failsWith(20, provider.getStorageAt(UNKNOWN, "0x1"));
    await failsWith(20, provider.callContract(unknownCall));
    await failsWith(21, provider.callContract(noSuchEntry));
    await failsWith(24, provider.getBlock(99_999_999));
    await failsWith(24, provider.getStateUpdate(UNKNOWN));
    await failsWith(27, provider.getTransactionByBlockIdAndIndex(0, 99_999));
    await failsWith(28, provider.getClass(UNKNOWN));
    await failsWith(29, provider.getTransaction(UNKNOWN));
    await failsWith(29, provider.getTransactionReceipt(UNKNOWN));
    await failsWith(29, provider.getTransactionStatus(UNKNOWN));
    await failsWith(31, provider.getEvents({ chunk_size: 1_000_000 }));
    await failsWith(33, provider.getEvents({ chunk_size: 1, continuation_token: "not one" }));
  });
});
