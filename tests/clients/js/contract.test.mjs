// The life of a contract, from its source to its events.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { CallData, Contract, ec, hash, num, selector } from "starknet";
import {
  ONE_STRK,
  SPEC,
  UDC,
  WAIT,
  acceptedEverywhere,
  ampleBounds,
  connect,
  failsWith,
  fundedAccount,
  ledgerClass,
  sameFelt,
  settled,
  succeeded,
} from "./kraken.mjs";

const OPENING_TOTAL = 1_000n;

describe("a contract", () => {
  const { contract, casm } = ledgerClass();
  const classHash = hash.computeContractClassHash(contract);
  let provider;
  let account;
  let ledger;
  let other;

  before(async () => {
    provider = await connect();
    account = await fundedAccount(provider, 1);
  });

  const constructorCalldata = (total) =>
    new CallData(contract.abi).compile("constructor", { owner: account.address, total });

  const value = async (key, of = ledger) => BigInt(await of.value(key));

  const slotOf = (key) => ec.starkCurve.pedersen(selector.getSelectorFromName("values"), key);

  const stored = async (slot, block = "latest") =>
    BigInt((await provider.getStorageAt(ledger.address, slot, block)).value);

  it("is declared", async () => {
    assert.equal(await provider.isClassDeclared({ classHash }), false);
    const estimate = await account.estimateDeclareFee({ contract, casm });
    assert.ok(estimate.overall_fee > 0n);

    const declared = await account.declare({ contract, casm });
    sameFelt(declared.class_hash, classHash);
    const receipt = await succeeded(provider, declared.transaction_hash);
    assert.equal(receipt.type, "DECLARE");
    assert.equal(await provider.isClassDeclared({ classHash }), true);

    const update = await provider.getStateUpdate(receipt.block_number);
    assert.deepEqual(
      update.state_diff.declared_classes.map(({ class_hash: declaredClass }) => declaredClass),
      [num.toHex(classHash)],
    );
    sameFelt(
      update.state_diff.declared_classes[0].compiled_class_hash,
      hash.computeCompiledClassHashBlake(casm),
    );
    const served = await provider.getClass(classHash);
    sameFelt(hash.computeContractClassHash(served), classHash, "it is served as it was declared");
  });

  it("is not declared twice, nor with the hash of other machine code", async () => {
    const resourceBounds = await ampleBounds(provider, 500_000_000n);
    await failsWith(51, account.declare({ contract, casm }, { resourceBounds, tip: 0n }));

    const changed = structuredClone(contract);
    changed.abi = changed.abi.filter(({ type }) => type !== "event");
    await failsWith(
      60,
      account.declare(
        { contract: changed, casm, compiledClassHash: "0x1234" },
        { resourceBounds, tip: 0n },
      ),
    );
  });

  it("is deployed through the universal deployer with arguments", async () => {
    const payload = { classHash, constructorCalldata: constructorCalldata(OPENING_TOTAL) };
    const estimate = await account.estimateDeployFee(payload);
    assert.ok(estimate.overall_fee > 0n);

    const deployed = await account.deployContract(payload, WAIT);
    await acceptedEverywhere(deployed.transaction_hash);
    sameFelt(deployed.deployer, account.address);
    sameFelt(await provider.getClassHashAt(deployed.address), classHash);
    ledger = new Contract({
      abi: contract.abi,
      address: deployed.address,
      providerOrAccount: account,
    });
    assert.equal(BigInt(await ledger.total()), OPENING_TOTAL);
    sameFelt(await ledger.owner(), account.address);

    const receipt = await provider.getTransactionReceipt(deployed.transaction_hash);
    const opened = receipt.events.filter(({ from_address: from }) => {
      return BigInt(from) === BigInt(ledger.address);
    });
    assert.equal(opened.length, 1);
    sameFelt(opened[0].keys[0], selector.getSelectorFromName("Opened"));
    sameFelt(opened[0].keys[1], account.address);
    assert.deepEqual(opened[0].data.map(BigInt), [OPENING_TOTAL]);
    assert.ok(receipt.events.some(({ from_address: from }) => BigInt(from) === BigInt(UDC)));
  });

  it("is deployed as often as one likes, several at once", async () => {
    const payload = { classHash, constructorCalldata: constructorCalldata(0n) };
    const deployed = await account.deploy([payload, payload]);
    await succeeded(provider, deployed.transaction_hash);
    const [first, second] = deployed.contract_address;
    assert.notEqual(BigInt(first), BigInt(second));
    sameFelt(await provider.getClassHashAt(second), classHash);
    other = new Contract({ abi: contract.abi, address: first, providerOrAccount: account });
  });

  it("keeps what an invocation writes", async () => {
    const { transaction_hash: sent } = await ledger.invoke("add", ["0x61", 7]);
    const { block_number: block } = await succeeded(provider, sent);
    assert.equal(await value("0x61"), 7n);
    assert.equal(BigInt(await ledger.total()), OPENING_TOTAL + 7n);

    assert.equal(await stored(selector.getSelectorFromName("total")), OPENING_TOTAL + 7n);
    assert.equal(await stored(slotOf("0x61")), 7n);
    assert.equal(await stored("0x123456"), 0n, "what nobody wrote is zero");

    // 0.9 has no such flag, and starknet.js does not send it.
    if (SPEC === "0.10.2") {
      const flags = ["INCLUDE_LAST_UPDATE_BLOCK"];
      const slot = slotOf("0x61");
      const dated = await provider.getStorageAt(ledger.address, slot, "latest", flags);
      assert.equal(Number(dated.last_update_block), block);
    }
  });

  it("is changed by several calls in one transaction", async () => {
    const { transaction_hash: sent } = await account.execute([
      ledger.populate("add", ["0x62", 1]),
      ledger.populate("add", ["0x62", 2]),
      ledger.populate("add_through", [other.address, "0x62", 3]),
    ]);
    const receipt = await succeeded(provider, sent);
    assert.equal(await value("0x62"), 3n);
    assert.equal(await value("0x62", other), 3n);

    const added = receipt.events.filter(
      ({ keys }) => BigInt(keys[0]) === BigInt(selector.getSelectorFromName("Added")),
    );
    assert.deepEqual(added.map(({ data }) => data.map(BigInt)), [[1n, 1n], [2n, 3n], [3n, 3n]]);
    sameFelt(added[0].keys[2], account.address);
    sameFelt(added[2].keys[2], ledger.address, "called by a contract, it says so");

    const parsed = ledger.parseEvents(receipt);
    assert.ok(parsed.length >= 2, "starknet.js understands the events");
  });

  it("reverts with its reason, pays, and leaves no trace", async () => {
    const call = ledger.populate("refuse", ["0x63"]);
    const refused = await failsWith(41, account.estimateInvokeFee(call));
    assert.match(JSON.stringify(refused.baseError.data), /Ledger: refused/);
    const called = await failsWith(40, provider.callContract(call));
    assert.match(JSON.stringify(called.baseError.data), /Ledger: refused/);

    const resourceBounds = await ampleBounds(provider);
    const { transaction_hash: sent } = await account.execute(call, { resourceBounds, tip: 0n });
    const receipt = await settled(provider, sent);
    assert.ok(receipt.isReverted());
    assert.match(receipt.revert_reason, /Ledger: refused/);
    assert.ok(BigInt(receipt.actual_fee.amount) > 0n);
    assert.equal(await value("0x63"), 0n);

    const status = await provider.getTransactionStatus(sent);
    assert.equal(status.finality_status, "ACCEPTED_ON_L2");
    assert.equal(status.execution_status, "REVERTED");
    assert.match(status.failure_reason, /Ledger: refused/);
  });

  it("finds its events by key, page by page", async () => {
    const from = await provider.getBlockNumber();
    for (const amount of [10, 20, 30, 40, 50]) {
      const { transaction_hash: sent } = await ledger.invoke("add", ["0x64", amount]);
      await succeeded(provider, sent);
    }
    const { transaction_hash: noise } = await ledger.invoke("add", ["0x65", 1]);
    await succeeded(provider, noise);

    const filter = {
      address: ledger.address,
      from_block: { block_number: from },
      to_block: "latest",
      keys: [[selector.getSelectorFromName("Added")], ["0x64"]],
      chunk_size: 2,
    };
    const pages = [];
    let token;
    do {
      const page = await provider.getEvents({
        ...filter,
        ...(token === undefined ? {} : { continuation_token: token }),
      });
      assert.ok(page.events.length <= 2);
      pages.push(page.events);
      token = page.continuation_token;
      assert.ok(pages.length <= 6, "the pages come to an end");
    } while (token !== undefined);
    const events = pages.flat();
    assert.deepEqual(events.map(({ data }) => BigInt(data[0])), [10n, 20n, 30n, 40n, 50n]);
    for (const event of events) {
      const receipt = await provider.getTransactionReceipt(event.transaction_hash);
      assert.equal(event.block_number, receipt.block_number);
      assert.equal(event.block_hash, receipt.block_hash);
    }

    const all = await provider.getEvents({ ...filter, keys: [], chunk_size: 100 });
    assert.equal(all.events.length, 6, "without keys every event of the contract comes");
    const none = await provider.getEvents({ ...filter, keys: [["0x1"]], chunk_size: 100 });
    assert.equal(none.events.length, 0);
  });

  it("is found again in blocks, receipts and state updates", async () => {
    const { transaction_hash: sent } = await ledger.invoke("add", ["0x66", 9]);
    const receipt = await succeeded(provider, sent);

    const block = await provider.getBlockWithReceipts(receipt.block_number);
    assert.equal(block.block_hash, receipt.block_hash);
    const index = block.transactions.findIndex(({ receipt: inBlock }) => {
      return inBlock.transaction_hash === receipt.transaction_hash;
    });
    assert.ok(index >= 0, "the block holds the transaction");
    assert.deepEqual(block.transactions[index].receipt.events, receipt.events);

    const byIndex = await provider.getTransactionByBlockIdAndIndex(receipt.block_number, index);
    assert.equal(byIndex.transaction_hash, receipt.transaction_hash);
    const byHash = await provider.getTransaction(sent);
    assert.equal(byHash.type, "INVOKE");
    sameFelt(byHash.sender_address, account.address);

    const update = await provider.getStateUpdate(receipt.block_number);
    assert.equal(update.block_hash, receipt.block_hash);
    assert.equal(update.new_root, block.new_root);
    const diff = update.state_diff.storage_diffs.find(({ address }) => {
      return BigInt(address) === BigInt(ledger.address);
    });
    const entry = diff.storage_entries.find(({ key }) => BigInt(key) === BigInt(slotOf("0x66")));
    assert.equal(BigInt(entry.value), 9n);
    const parent = await provider.getStateUpdate(receipt.block_number - 1);
    assert.equal(update.old_root, parent.new_root, "the states are a chain");
  });

  it("can be read as it was", async () => {
    const { transaction_hash: sent } = await ledger.invoke("add", ["0x61", 100]);
    const { block_number: block } = await succeeded(provider, sent);
    assert.equal(await stored(slotOf("0x61"), block - 1), 7n);
    assert.equal(await stored(slotOf("0x61"), block), 107n);

    const call = ledger.populate("value", ["0x61"]);
    assert.deepEqual((await provider.callContract(call, block - 1)).map(BigInt), [7n]);
    assert.deepEqual((await provider.callContract(call, "pre_confirmed")).map(BigInt), [107n]);
  });

  it("costs less than the account has", async () => {
    const estimate = await account.estimateInvokeFee(ledger.populate("add", ["0x67", 1]));
    assert.ok(estimate.overall_fee < ONE_STRK, `${estimate.overall_fee} fri for one addition`);
  });
});
