// Whether all validators have the same chain, once nobody sends any more: every block of one number
// is the same everywhere, with its hash and its state root.

import assert from "node:assert/strict";
import { URLS, WAIT, answerOf } from "./kraken.mjs";

/** Answers of all validators to one question. */
function everywhere(method, params) {
  return Promise.all(URLS.map((url) => answerOf(url, method, params)));
}

/** Waits until all validators have the same newest block, and returns its number. */
async function commonTip() {
  for (let retry = 0; retry < WAIT.retries; retry += 1) {
    const tips = await everywhere("starknet_blockHashAndNumber", []);
    if (tips.every(({ block_hash: hash }) => hash === tips[0].block_hash)) {
      return tips[0].block_number;
    }
    await new Promise((resume) => setTimeout(resume, WAIT.retryInterval));
  }
  assert.fail("the validators come to no common block");
}

const tip = await commonTip();
for (let number = 0; number <= tip; number += 1) {
  const blocks = await everywhere("starknet_getBlockWithTxHashes", [{ block_number: number }]);
  for (const [validator, block] of blocks.entries()) {
    assert.match(block.block_hash, /^0x/, `block ${number} of validator ${validator} has a hash`);
    assert.match(block.new_root, /^0x/, `block ${number} of validator ${validator} has a root`);
    assert.deepEqual(block, blocks[0], `block ${number} of validators 0 and ${validator}`);
  }
}
console.log(`${tip + 1} blocks: hashes and state roots are the same on ${URLS.length} validators`);
