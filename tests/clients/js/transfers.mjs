// Transfers of STRK through a committee at a steady rate: what `cargo xtask bench transfers` runs.
//
// All are signed before the clock starts, so that the committee is measured and not how fast this
// program signs. Each is sent when it is due, whatever became of those before it, by the channel of
// starknet.js, to the validator of its account; it is done when that validator shows it in an
// accepted block. Latencies count from when it was due.
//
// KRAKEN_URLS says where the validators are, KRAKEN_SECONDS how long each rate lasts, KRAKEN_RATE
// which one; without it the highest is searched for with which the committee keeps up, and half of
// that is measured at last.

import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Account, RpcProvider } from "starknet";
import { URLS, ampleBounds, answerOf, strkTransfer } from "./kraken.mjs";

const SECONDS = Number(process.env.KRAKEN_SECONDS ?? "20");
const RATE = Number(process.env.KRAKEN_RATE ?? "0");

/** The search begins here, and ends when what works and what does not are so close. */
const FIRST_RATE = 40;
const CLOSE = 0.1;

/** A committee keeps up if the last transfer is accepted so soon after it was due. */
const KEPT_UP_MS = 3_000;

/** What is not accepted so long after the last was due will not be. */
const GIVEN_UP_MS = 60_000;

/** How often a validator is asked for its newest block. */
const LOOK_EVERY_MS = 20;

/** Far above what a transfer uses, at a price far above the present one, which rises with load. */
const L2_GAS = 3_000_000n;
const PRICE_FACTOR = 20n;

/** A validator, and when it first showed each transaction in an accepted block. */
class Validator {
  acceptedAt = new Map();

  constructor(provider) {
    this.provider = provider;
  }

  /** Looks at every block as it comes, until `isOver`. */
  async follow(isOver) {
    let next = (await this.provider.getBlockNumber()) + 1;
    while (!isOver()) {
      const tip = await this.provider.getBlockNumber();
      for (; next <= tip; next += 1) {
        const { transactions } = await this.provider.getBlockWithTxHashes(next);
        const now = performance.now();
        transactions.forEach((hash) => this.acceptedAt.set(BigInt(hash), now));
      }
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** The accounts that the committee funds, each with the validator that it talks to. */
async function wallets(validators) {
  const accounts = await answerOf(URLS[0], "devnet_getPredeployedAccounts", {});
  return accounts.map(({ address, private_key: signer }, place) => {
    const validator = validators[place % validators.length];
    const { provider } = validator;
    return { validator, account: new Account({ provider, address, signer, cairoVersion: "1" }) };
  });
}

/** Signs so many transfers, one of each account in turn. */
async function sign(purses, count) {
  const bounds = await ampleBounds(purses[0].validator.provider, L2_GAS);
  for (const bound of Object.values(bounds)) {
    bound.max_price_per_unit *= PRICE_FACTOR;
  }
  const nonceOf = async ({ account }) => BigInt(await account.getNonce());
  const nonces = await Promise.all(purses.map(nonceOf));
  const signed = [];
  for (let index = 0; index < count; index += 1) {
    const place = index % purses.length;
    const { account, validator } = purses[place];
    const recipient = purses[(place + 1) % purses.length].account.address;
    const details = { nonce: nonces[place], resourceBounds: bounds, tip: 0n };
    nonces[place] += 1n;
    const transaction = await account.getSignedTransaction(strkTransfer(recipient, 1n), details);
    signed.push({ validator, transaction });
  }
  return signed;
}

/** Sends each transfer when it is due; returns what became of them once the last one is sent. */
async function send(signed, rate) {
  const began = performance.now() + 100;
  const sent = [];
  for (const [index, { validator, transaction }] of signed.entries()) {
    const due = began + (index * 1_000) / rate;
    for (let now = performance.now(); now < due; now = performance.now()) {
      await sleep(Math.max(1, Math.floor(due - now)));
    }
    const answer = validator.provider.channel.invokeSignedTx(transaction).then(
      ({ transaction_hash: hash }) => ({ validator, due, hash: BigInt(hash) }),
      (error) => ({ validator, due, error }),
    );
    sent.push(answer);
  }
  return Promise.all(sent);
}

/** Waits until all are accepted, or nobody waits any longer. */
async function settle(sent) {
  const last = sent.at(-1).due;
  const isOpen = ({ validator, hash }) => hash !== undefined && !validator.acceptedAt.has(hash);
  while (sent.some(isOpen) && performance.now() < last + GIVEN_UP_MS) {
    await sleep(LOOK_EVERY_MS);
  }
}

/** The smallest of some sorted numbers that a part of them does not exceed. */
function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}

/** How long the cores of this machine have worked together since it started, in milliseconds. */
function machineTime() {
  const worked = ({ times: { user, nice, sys, irq } }) => user + nice + sys + irq;
  return cpus().reduce((sum, core) => sum + worked(core), 0);
}

/** One rate for some time. */
async function measure(purses, rate, seconds) {
  const signing = performance.now();
  const signed = await sign(purses, Math.round(rate * seconds));
  const signedPerSecond = (1_000 * signed.length) / (performance.now() - signing);

  const [began, machine, cpu] = [performance.now(), machineTime(), process.cpuUsage()];
  const sent = await send(signed, rate);
  await settle(sent);
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);

  const done = sent.filter(({ validator, hash }) => validator.acceptedAt.has(hash));
  const at = ({ validator, hash }) => validator.acceptedAt.get(hash);
  const latencies = done.map((transfer) => at(transfer) - transfer.due).sort((a, b) => a - b);
  const end = Math.max(...done.map(at));
  const refused = sent.find(({ error }) => error !== undefined);
  return {
    rate,
    sent: sent.length,
    done: done.length,
    refused: refused?.error.message,
    perSecond: (1_000 * done.length) / (end - sent[0].due),
    drainMs: end - sent.at(-1).due,
    keptUp: done.length === sent.length && end - sent.at(-1).due <= KEPT_UP_MS,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    client: (user + system) / 1_000 / took,
    machine: (machineTime() - machine) / took,
    signedPerSecond,
  };
}

function row({ rate, sent, done, perSecond, drainMs, p50, p99, client, machine, keptUp }) {
  const whole = (number) => Math.round(number).toLocaleString("en");
  const cells = [
    `${whole(rate)} tx/s`,
    `${whole(done)} of ${whole(sent)}`,
    `${whole(perSecond)} tx/s`,
    `${whole(drainMs)} ms`,
    `${whole(p50)} ms`,
    `${whole(p99)} ms`,
    `${client.toFixed(2)} of ${machine.toFixed(2)}`,
    keptUp ? "yes" : "no",
  ];
  return `| ${cells.join(" | ")} |`;
}

/** The highest rate with which the committee keeps up, as far as it is looked for. */
async function search(measured) {
  let [low, high, rate] = [0, Infinity, FIRST_RATE];
  while (high - low > CLOSE * low) {
    const { keptUp } = await measured(rate);
    [low, high] = keptUp ? [rate, high] : [low, rate];
    rate = Math.round(high === Infinity ? 1.5 * low : (low + high) / 2);
    if (rate <= low || rate >= high) {
      break;
    }
  }
  return low;
}

const providers = await Promise.all(URLS.map((nodeUrl) => RpcProvider.create({ nodeUrl })));
const validators = providers.map((provider) => new Validator(provider));
const purses = await wallets(validators);
let isOver = false;
const following = Promise.all(validators.map((validator) => validator.follow(() => isOver)));

const measured = async (rate) => {
  const result = await measure(purses, rate, SECONDS);
  console.log(row(result));
  if (result.refused !== undefined) {
    console.error(`refused: ${result.refused}`);
  }
  return result;
};

// Whatever is done once is done before the first row.
const { signedPerSecond } = await measure(purses, 10, 3);
console.log(
  `${purses.length} accounts over ${URLS.length} validators, ${SECONDS} s each; before that, this ` +
    `program signs ${Math.round(signedPerSecond)} transfers a second\n\n` +
    "| offered | accepted | accepted at | last after | p50 | p99 | cores: client, of all | keeps up |\n" +
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
);
if (RATE > 0) {
  await measured(RATE);
} else {
  const sustained = await search(measured);
  const { p50, p99 } = await measured(Math.round(sustained / 2));
  console.log(
    `\nsustained: ${sustained} tx/s; at half of that, submit → ACCEPTED_ON_L2 ` +
      `${Math.round(p50)} ms (p50), ${Math.round(p99)} ms (p99)`,
  );
}
isOver = true;
await following;
