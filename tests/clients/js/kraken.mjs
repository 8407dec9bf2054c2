// What all suites share: the node under test, its funded accounts, and our own contract.
//
// KRAKEN_URL says where the node is; `cargo xtask clients` starts one and sets it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Account, RpcError, RpcProvider, json, logger, num, uint256 } from "starknet";

// On a young chain there is no statistic of tips, of which it would warn at each transaction.
logger.setLogLevel("ERROR");

/** The node under test. */
export const URL_OF_NODE = process.env.KRAKEN_URL ?? "http://127.0.0.1:5050";

/** The seed that the node was started with. */
export const SEED = process.env.KRAKEN_SEED ?? "0";

export const STRK = "0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d";
export const ETH = "0x49d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7";
export const UDC = "0x2ceed65a4bd731034c01113685c831b01c15d7d432f71afb1cf1634b53a2125";

/** The OpenZeppelin account 1.0.0, declared in the genesis. */
export const ACCOUNT_CLASS = "0x5b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564";

/** One STRK in fri. */
export const ONE_STRK = 10n ** 18n;

/** How to wait: ask ten times a second, for at most two minutes. */
export const WAIT = { retryInterval: 100, retries: 1200 };

/** Connects as a wallet does, which checks the version that the node says it speaks. */
export function connect() {
  return RpcProvider.create({ nodeUrl: URL_OF_NODE });
}

/** Calls a method that starknet.js does not know. */
export async function rpc(method, params = {}) {
  const response = await fetch(URL_OF_NODE, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  assert.equal(response.status, 200, `${method} answers with HTTP ${response.status}`);
  const answer = await response.json();
  assert.equal(answer.error, undefined, `${method}: ${JSON.stringify(answer.error)}`);
  return answer.result;
}

/** One of the accounts that the node funds at its start. Suites use different ones. */
export async function fundedAccount(provider, index) {
  const accounts = await rpc("devnet_getPredeployedAccounts");
  const { address, private_key: signer } = accounts[index];
  return new Account({ provider, address, signer, cairoVersion: "1" });
}

/** Waits until a transaction is in a block, and requires that it did what it should. */
export async function succeeded(provider, hash) {
  const receipt = await provider.waitForTransaction(hash, WAIT);
  assert.ok(receipt.isSuccess(), `${hash} was reverted: ${receipt.revert_reason}`);
  assert.equal(receipt.finality_status, "ACCEPTED_ON_L2");
  return receipt;
}

/** Bounds for a transaction whose fee nobody estimates: plenty of gas at twice the price. */
export async function ampleBounds(provider, l2Gas = 30_000_000n) {
  const prices = await provider.getGasPrices("latest");
  const bound = (amount, price) => ({ max_amount: amount, max_price_per_unit: 2n * price });
  return {
    l1_gas: bound(10_000n, prices.l1GasPrice),
    l2_gas: bound(l2Gas, prices.l2GasPrice),
    l1_data_gas: bound(10_000n, prices.l1DataGasPrice),
  };
}

/** A call that moves STRK. */
export function strkTransfer(recipient, amount) {
  const { low, high } = uint256.bnToUint256(amount);
  return { contractAddress: STRK, entrypoint: "transfer", calldata: [recipient, low, high] };
}

/** What an account holds, in fri. */
export async function strkBalance(provider, address, block = "latest") {
  const call = { contractAddress: STRK, entrypoint: "balance_of", calldata: [address] };
  const [low, high] = await provider.callContract(call, block);
  return BigInt(low) + (BigInt(high) << 128n);
}

/** Requires that a request fails with this code of the specification, and returns the error. */
export async function failsWith(code, request) {
  try {
    await request;
  } catch (error) {
    assert.ok(error instanceof RpcError, `an RPC error, not ${error.stack ?? error}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`error ${code} did not come`);
}

/** Compares felts however they are written. */
export function sameFelt(actual, expected, message) {
  assert.equal(num.toHex(actual), num.toHex(expected), message);
}

/** Our contract: its class, and its machine code for the hash that a declaration names. */
export function ledgerClass() {
  const read = (name) =>
    json.parse(
      readFileSync(new URL(`../../../contracts/compiled/${name}`, import.meta.url), "utf8"),
    );
  return { contract: read("ledger.sierra.json"), casm: read("ledger.casm.json") };
}
