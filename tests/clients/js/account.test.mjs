// Accounts: spending from a funded one, and bringing a new one to life.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Account, ec, hash, stark } from "starknet";
import {
  ACCOUNT_CLASS,
  ONE_STRK,
  ampleBounds,
  connect,
  failsWith,
  fundedAccount,
  nonceEverywhere,
  sameFelt,
  strkBalance,
  strkTransfer,
  succeeded,
} from "./kraken.mjs";

describe("accounts", () => {
  let provider;
  let funded;

  before(async () => {
    provider = await connect();
    funded = await fundedAccount(provider, 0);
  });

  /** An account that nobody has deployed yet: what deploys it, and what signs for it. */
  function freshAccount() {
    const privateKey = stark.randomAddress();
    const publicKey = ec.starkCurve.getStarkKey(privateKey);
    const deployment = {
      classHash: ACCOUNT_CLASS,
      constructorCalldata: [publicKey],
      addressSalt: publicKey,
    };
    const address = hash.calculateContractAddressFromHash(
      publicKey,
      ACCOUNT_CLASS,
      [publicKey],
      0,
    );
    const account = new Account({ provider, address, signer: privateKey, cairoVersion: "1" });
    return { account, deployment };
  }

  it("pays exactly what it sends and the fee of the receipt", async () => {
    const recipient = stark.randomAddress();
    const before = await strkBalance(provider, funded.address);
    const nonce = BigInt(await funded.getNonce());

    const { transaction_hash: sent } = await funded.execute(strkTransfer(recipient, ONE_STRK));
    const receipt = await succeeded(provider, sent);

    assert.equal(receipt.actual_fee.unit, "FRI");
    const fee = BigInt(receipt.actual_fee.amount);
    assert.ok(fee > 0n);
    assert.equal(await strkBalance(provider, recipient), ONE_STRK);
    assert.equal(await strkBalance(provider, funded.address), before - ONE_STRK - fee);
    assert.equal(BigInt(await funded.getNonce()), nonce + 1n);

    const past = receipt.block_number - 1;
    assert.equal(await strkBalance(provider, funded.address, past), before);
    assert.equal(BigInt(await provider.getNonceForAddress(funded.address, past)), nonce);
  });

  it("estimates a fee that is enough and not absurd", async () => {
    const call = strkTransfer(stark.randomAddress(), 1n);
    const estimate = await funded.estimateInvokeFee(call);
    assert.equal(estimate.unit, "FRI");
    const { transaction_hash: sent } = await funded.execute(call, {
      resourceBounds: estimate.resourceBounds,
    });
    const receipt = await succeeded(provider, sent);
    const fee = BigInt(receipt.actual_fee.amount);
    assert.ok(fee <= estimate.overall_fee, `${fee} paid, ${estimate.overall_fee} estimated`);
    // starknet.js adds half to the amounts and half to the prices.
    assert.ok(estimate.overall_fee < 4n * fee, `${fee} paid, ${estimate.overall_fee} estimated`);
  });

  it("deploys a new account, which sends at once", async () => {
    const { account, deployment } = freshAccount();
    const funding = await funded.execute(strkTransfer(account.address, 20n * ONE_STRK));
    await succeeded(provider, funding.transaction_hash);

    const estimate = await account.estimateAccountDeployFee(deployment);
    assert.ok(estimate.overall_fee > 0n);

    const recipient = stark.randomAddress();
    const resourceBounds = await ampleBounds(provider);
    const deployed = await account.deployAccount(deployment, {
      resourceBounds: estimate.resourceBounds,
      tip: 0n,
    });
    await nonceEverywhere(account.address, 1n);
    const sent = await account.execute(strkTransfer(recipient, 5n), {
      nonce: 1n,
      resourceBounds,
      tip: 0n,
    });
    sameFelt(deployed.contract_address, account.address);

    const birth = await succeeded(provider, deployed.transaction_hash);
    sameFelt(birth.contract_address, account.address);
    await succeeded(provider, sent.transaction_hash);
    assert.equal(await strkBalance(provider, recipient), 5n);
    sameFelt(await provider.getClassHashAt(account.address), ACCOUNT_CLASS);
    assert.equal(BigInt(await account.getNonce()), 2n);

    const transaction = await provider.getTransaction(deployed.transaction_hash);
    assert.equal(transaction.type, "DEPLOY_ACCOUNT");
    sameFelt(transaction.contract_address_salt, deployment.addressSalt);
  });

  it("refuses what it cannot accept, with the reason", async () => {
    const resourceBounds = await ampleBounds(provider);
    const details = { resourceBounds, tip: 0n };
    const call = strkTransfer(stark.randomAddress(), 1n);
    const nonce = BigInt(await funded.getNonce());

    // A nonce that is used already.
    await failsWith(52, funded.execute(call, { ...details, nonce: nonce - 1n }));

    // Somebody else's signature.
    const impostor = new Account({
      provider,
      address: funded.address,
      signer: stark.randomAddress(),
      cairoVersion: "1",
    });
    await failsWith(55, impostor.execute(call, { ...details, nonce }));

    // More than the account has.
    const dear = structuredClone(resourceBounds);
    dear.l2_gas.max_price_per_unit = 10n ** 20n;
    await failsWith(54, funded.execute(call, { ...details, nonce, resourceBounds: dear }));

    // Nobody lives there.
    const { account } = freshAccount();
    const stranger = account.execute(call, { ...details, nonce: 0n });
    const error = await stranger.catch((error) => error);
    assert.ok([20, 54, 55, 58].includes(error.code), `a reason, not ${error}`);

    assert.equal(BigInt(await funded.getNonce()), nonce);
  });
});
