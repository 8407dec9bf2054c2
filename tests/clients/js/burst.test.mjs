// Many transactions from one account, faster than blocks.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { stark } from "starknet";
import {
  ampleBounds,
  connect,
  fundedAccount,
  strkBalance,
  strkTransfer,
  succeeded,
} from "./kraken.mjs";

const TRANSACTIONS = 100;

describe("a burst", () => {
  let provider;
  let account;

  before(async () => {
    provider = await connect();
    account = await fundedAccount(provider, 2);
  });

  it(`takes ${TRANSACTIONS} transactions without waiting, and keeps their order`, async () => {
    const recipient = stark.randomAddress();
    const resourceBounds = await ampleBounds(provider);
    const first = BigInt(await account.getNonce());

    const hashes = [];
    for (let index = 0; index < TRANSACTIONS; index += 1) {
      const { transaction_hash: sent } = await account.execute(strkTransfer(recipient, 1n), {
        nonce: first + BigInt(index),
        resourceBounds,
        tip: 0n,
      });
      hashes.push(sent);
    }
    assert.equal(new Set(hashes).size, TRANSACTIONS);

    const places = [];
    const blocks = new Map();
    for (const sent of hashes) {
      const { block_number: number } = await succeeded(provider, sent);
      if (!blocks.has(number)) {
        blocks.set(number, (await provider.getBlockWithTxHashes(number)).transactions);
      }
      const index = blocks.get(number).findIndex((inBlock) => BigInt(inBlock) === BigInt(sent));
      assert.ok(index >= 0, `block ${number} holds ${sent}`);
      places.push([number, index]);
    }
    for (let index = 1; index < TRANSACTIONS; index += 1) {
      const [block, place] = places[index];
      const [earlierBlock, earlierPlace] = places[index - 1];
      const isLater = block > earlierBlock || (block === earlierBlock && place > earlierPlace);
      assert.ok(isLater, `nonce ${first + BigInt(index)} comes after the one before it`);
    }
    assert.equal(BigInt(await account.getNonce()), first + BigInt(TRANSACTIONS));
    assert.equal(await strkBalance(provider, recipient), BigInt(TRANSACTIONS));
  });
});
