// What all suites share: the validators under test, their funded accounts, and our own contract.
//
// KRAKEN_URLS says where the validators are, with commas between them, KRAKEN_SPEC what they speak
// there; `cargo xtask clients` starts some and sets both. Each call asks the next one, so that nothing holds only where it was sent. What
// a validator has done, others learn a moment later; a test waits for that as a real client must:
// until the validator that it asks next knows the transaction.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Account, RpcError, RpcProvider, json, logger, num, uint256 } from "starknet";

// On a young chain there is no statistic of tips, of which it would warn at each transaction.
logger.setLogLevel("ERROR");

/** Where the validators under test are: one, or a whole committee. */
export const URLS = (process.env.KRAKEN_URLS ?? "http://127.0.0.1:5050").split(",");

/** The seed that the node was started with. */
export const SEED = process.env.KRAKEN_SEED ?? "0";

/** The version of the specification that is spoken where KRAKEN_URLS says. */
export const SPEC = process.env.KRAKEN_SPEC ?? "0.10.2";

export const STRK = "0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d";
export const ETH = "0x49d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7";
export const UDC = "0x2ceed65a4bd731034c01113685c831b01c15d7d432f71afb1cf1634b53a2125";

/** The OpenZeppelin account 1.0.0, declared in the genesis. */
export const ACCOUNT_CLASS = "0x5b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564";

/** One STRK in fri. */
export const ONE_STRK = 10n ** 18n;

/**
 * How to wait: ask ten times a second, for at most two minutes. That one validator has not heard of
 * a transaction that another one has received does not mean that it is gone.
 */
export const WAIT = { retryInterval: 100, retries: 1200, lifeCycleRetries: 1200 };

let calls = 0;

/** Asks the next validator, wherever the library wanted to go. */
function fetchAnywhere(_url, request) {
  calls += 1;
  return fetch(URLS[calls % URLS.length], request);
}

/** Connects as a wallet does, which checks the version that the node says it speaks. */
export function connect() {
  return RpcProvider.create({ nodeUrl: URLS[0], baseFetch: fetchAnywhere });
}

/** Asks one validator, and returns its whole answer. */
async function ask(url, method, params) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  assert.equal(response.status, 200, `${method} answers with HTTP ${response.status}`);
  return response.json();
}

/** Waits until every validator answers as wanted. */
async function everyAnswer(method, params, isAsWanted) {
  for (const url of URLS) {
    let answer = await ask(url, method, params);
    for (let retry = 0; !isAsWanted(answer); retry += 1) {
      assert.ok(retry < WAIT.retries, `${url} still says ${JSON.stringify(answer)} to ${method}`);
      await new Promise((resume) => setTimeout(resume, WAIT.retryInterval));
      answer = await ask(url, method, params);
    }
  }
}

/** Waits until every validator has a transaction in an accepted block. */
export function acceptedEverywhere(hash) {
  return everyAnswer(
    "starknet_getTransactionStatus",
    { transaction_hash: hash },
    ({ result }) => result?.finality_status === "ACCEPTED_ON_L2",
  );
}

/**
 * Waits until every validator of a committee takes this nonce from an account. A node that is alone
 * needs no time: it knows what it has received.
 */
export async function nonceEverywhere(address, nonce) {
  if (URLS.length > 1) {
    await everyAnswer(
      "starknet_getNonce",
      { block_id: "pre_confirmed", contract_address: address },
      ({ result }) => result !== undefined && BigInt(result) >= nonce,
    );
  }
}

/** Calls a method that starknet.js does not know. */
export async function rpc(method, params = {}) {
  calls += 1;
  return answerOf(URLS[calls % URLS.length], method, params);
}

/** Asks one validator, which must not refuse. */
export async function answerOf(url, method, params) {
  const answer = await ask(url, method, params);
  assert.equal(answer.error, undefined, `${method} of ${url}: ${JSON.stringify(answer.error)}`);
  return answer.result;
}

/** One of the accounts that the node funds at its start. Suites use different ones. */
export async function fundedAccount(provider, index) {
  const accounts = await rpc("devnet_getPredeployedAccounts");
  const { address, private_key: signer } = accounts[index];
  return new Account({ provider, address, signer, cairoVersion: "1" });
}

/** Waits until a transaction is in a block, and every validator has that block. */
export async function settled(provider, hash) {
  await provider.waitForTransaction(hash, WAIT);
  await acceptedEverywhere(hash);
  // The wait may have had its status from one validator and its receipt from one that was behind.
  return provider.getTransactionReceipt(hash);
}

/** Waits until a transaction is in a block, and requires that it did what it should. */
export async function succeeded(provider, hash) {
  const receipt = await settled(provider, hash);
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
