// Many transactions from one account, faster than blocks.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { stark } from "starknet";
import {
  URLS,
  ampleBounds,
  connect,
  fundedAccount,
  strkBalance,
  strkTransfer,
  succeeded,
} from "./kraken.mjs";

/**
 * How many go out without waiting. A validator of a committee sees every fourth of them here, and
 * takes no nonce that is 200 ahead of what it knows.
 */
const COUNT = URLS.length > 1 ? 100n : 300n;

describe("a burst", () => {
  let provider;

  before(async () => {
    provider = await connect();
  });

  /** Requires that transactions are in the chain, in the order given. */
  async function inOrder(hashes) {
    assert.equal(new Set(hashes).size, hashes.length);
    await succeeded(provider, hashes.at(-1));
    const blocks = new Map();
    let earlier = [0, 0];
    for (const sent of hashes) {
      const receipt = await provider.getTransactionReceipt(sent);
      assert.ok(receipt.isSuccess(), `${sent} was reverted: ${receipt.revert_reason}`);
      assert.equal(receipt.finality_status, "ACCEPTED_ON_L2");
      const { block_number: number } = receipt;
      if (!blocks.has(number)) {
        blocks.set(number, (await provider.getBlockWithTxHashes(number)).transactions);
      }
      const index = blocks.get(number).findIndex((inBlock) => BigInt(inBlock) === BigInt(sent));
      assert.ok(index >= 0, `block ${number} holds ${sent}`);
      const [block, place] = earlier;
      const isLater = number > block || (number === block && index > place);
      assert.ok(isLater, `${sent} comes after the one with the nonce before it`);
      earlier = [number, index];
    }
  }

  it(`of ${COUNT} transactions is taken without waiting and keeps its order`, async () => {
    const account = await fundedAccount(provider, 2);
    const recipient = stark.randomAddress();
    const resourceBounds = await ampleBounds(provider);
    const first = BigInt(await account.getNonce());

    const hashes = [];
    for (let index = 0n; index < COUNT; index += 1n) {
      const { transaction_hash: sent } = await account.execute(strkTransfer(recipient, 1n), {
        nonce: first + index,
        resourceBounds,
        tip: 0n,
      });
      hashes.push(sent);
    }
    await inOrder(hashes);
    assert.equal(BigInt(await account.getNonce()), first + COUNT);
    assert.equal(await strkBalance(provider, recipient), COUNT);
  });

  it("that arrives in another order is put in order", async () => {
    const account = await fundedAccount(provider, 3);
    const recipient = stark.randomAddress();
    const resourceBounds = await ampleBounds(provider);
    const first = BigInt(await account.getNonce());

    const hashes = [];
    for (let index = 19n; index >= 0n; index -= 1n) {
      const { transaction_hash: sent } = await account.execute(strkTransfer(recipient, 1n), {
        nonce: first + index,
        resourceBounds,
        tip: 0n,
      });
      hashes.unshift(sent);
    }
    await inOrder(hashes);
    assert.equal(BigInt(await account.getNonce()), first + 20n);
    assert.equal(await strkBalance(provider, recipient), 20n);
  });
});
