// What a client is told over a WebSocket, by each kind of subscription.

import "./websocket.mjs";

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { WebSocketChannel } from "starknet";
import {
  ETH,
  STRK,
  URLS,
  WAIT,
  connect,
  fundedAccount,
  sameFelt,
  settled,
  strkTransfer,
} from "./kraken.mjs";

/** Where every path serves sockets, too. */
function socketUrl(url, path) {
  return new URL(path, url).href.replace(/^http/, "ws");
}

/** Keeps what a subscription tells, and waits for what is looked for. */
function listen(subscription) {
  const told = [];
  subscription.on((notice) => told.push(notice));
  const until = async (isIt) => {
    for (let retry = 0; !told.some(isIt); retry += 1) {
      assert.ok(retry < WAIT.retries, `told only ${JSON.stringify(told)}`);
      await new Promise((resume) => setTimeout(resume, WAIT.retryInterval));
    }
    return told.find(isIt);
  };
  return { told, until };
}

describe("a socket", () => {
  let provider;
  let sender;
  let channel;

  before(async () => {
    provider = await connect();
    sender = await fundedAccount(provider, 8);
    channel = new WebSocketChannel({ nodeUrl: socketUrl(URLS[0], "/ws/rpc/v0_10") });
    await channel.waitForConnection();
  });

  after(async () => {
    channel.disconnect();
    await channel.waitForDisconnection();
  });

  it("is opened on every path and serves ordinary methods", async () => {
    for (const path of ["/", "/ws", "/rpc/v0_10"]) {
      const one = new WebSocketChannel({ nodeUrl: socketUrl(URLS[0], path) });
      await one.waitForConnection();
      assert.equal(await one.sendReceive("starknet_specVersion"), "0.10.2", path);
      assert.equal(await one.sendReceive("starknet_chainId"), await provider.getChainId());
      one.disconnect();
      await one.waitForDisconnection();
    }
  });

  it("tells of a transaction in every way there is", async () => {
    const senderAddress = [sender.address];
    const finalityStatus = ["PRE_CONFIRMED", "ACCEPTED_ON_L2"];
    const heads = await channel.subscribeNewHeads();
    const events = await channel.subscribeEvents({ fromAddress: [STRK, ETH] });
    const receipts = await channel.subscribeNewTransactionReceipts({
      finalityStatus,
      senderAddress,
    });
    const transactions = await channel.subscribeNewTransactions({ finalityStatus, senderAddress });
    const [head, event, receipt, transaction] = [heads, events, receipts, transactions].map(listen);

    const { transaction_hash: hash } = await sender.execute(strkTransfer("0x5ee", 1n));
    const status = await channel.subscribeTransactionStatus({ transactionHash: hash });
    const statuses = listen(status);
    const { block_number: number } = await settled(provider, hash);

    assert.ok(Number.isInteger(number));
    const its = (notice) => BigInt(notice.transaction_hash) === BigInt(hash);
    const last = (notice) => its(notice) && notice.finality_status === "ACCEPTED_ON_L2";
    const closed = await head.until((notice) => notice.block_number === number);
    sameFelt(closed.block_hash, (await provider.getBlock(number)).block_hash);
    sameFelt((await event.until(its)).from_address, STRK);
    assert.equal((await receipt.until(last)).block_number, number);
    sameFelt((await transaction.until(last)).sender_address, sender.address);
    for (const { told } of [receipt, transaction]) {
      const seen = told.filter(its).map((notice) => notice.finality_status);
      assert.deepEqual(seen, finalityStatus);
    }
    await statuses.until((notice) => notice.status.finality_status === "ACCEPTED_ON_L2");
    const seen = statuses.told.map((notice) => notice.status.finality_status);
    assert.equal(new Set(seen).size, seen.length, seen.join());

    for (const subscription of [heads, events, receipts, transactions, status]) {
      assert.equal(await subscription.unsubscribe(), true);
    }
  });

  it("tells of blocks of the past and goes on from there", async () => {
    const newest = await channel.sendReceive("starknet_blockNumber");
    // The library takes block 0 for none.
    const heads = listen(await channel.subscribeNewHeads({ blockIdentifier: 1 }));
    await heads.until((notice) => notice.block_number === newest);
    const numbers = heads.told.map((notice) => notice.block_number);
    const expected = [...Array(newest).keys()].map((index) => index + 1);
    assert.deepEqual(numbers.slice(0, newest), expected);
  });

  it("says in the specification's words what it does not do", async () => {
    // Over a socket the library has the whole error in its message.
    const blockIdentifier = 99_999_999;
    await assert.rejects(channel.subscribeNewHeads({ blockIdentifier }), /"code":24,/);
    const unknown = channel.sendReceive("starknet_unsubscribe", { subscription_id: "0" });
    await assert.rejects(unknown, /"code":66,/);
  });
});
