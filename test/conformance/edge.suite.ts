/**
 * What every edge must do: add up uses, remember nonces, let one asker make a shared text.
 *
 * Tests that run on a model of the edge are only worth something while the model passes here too.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type EdgeState, LIMIT_USES_MAX, NONCES_PER_SESSION_MAX } from "../../src/ports/edge-state.ts";

export interface EdgeFixture {
  readonly edge: EdgeState;
  /** Lets the edge's time pass. */
  pass(durationMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Answers come from a real clock somewhere else: as much as this may have passed meanwhile. */
const SLACK_MS = 80;

export function describeEdge(name: string, open: () => Promise<EdgeFixture>): void {
  describe(`edge: ${name}`, () => {
    let fixture: EdgeFixture;
    let edge: EdgeState;
    let drawn = 0;
    const fresh = (): string => {
      drawn += 1;
      return `${drawn}`.padStart(16, "0");
    };

    before(async () => {
      fixture = await open();
      edge = fixture.edge;
    });
    after(async () => fixture.close());

    const use = async (key: string, requests: number, options: { ageMs?: number; scope?: string } = {}) => {
      const uses = [{ key, requests, ageMs: options.ageMs ?? 0 }];
      const scope = options.scope ?? "attempts.buyer";
      return await edge.shareLimits({ scope, costsMs: [200, 600], aheadMsMax: 60_000, uses });
    };
    const assertAbout = (actual: readonly number[], expected: readonly number[]): void => {
      assert.equal(actual.length, expected.length);
      expected.forEach((ahead, index) => {
        const value = actual[index] ?? Number.NaN;
        assert.ok(value <= ahead && value >= ahead - SLACK_MS, `${actual} is not about ${expected}`);
      });
    };

    test("adds up what several nodes let through of one key, limit by limit", async () => {
      const key = fresh();
      assertAbout(await use(key, 5), [1_000, 3_000]);
      assertAbout(await use(key, 5), [2_000, 6_000]);
      assertAbout(await use(key, 0), [2_000, 6_000]);
    });

    test("keys and scopes stay apart, and answers come in the order of the keys", async () => {
      const [first, second] = [fresh(), fresh()];
      await use(first, 3);
      await use(first, 7, { scope: "reads.buyer" });
      const answer = await edge.shareLimits({
        scope: "attempts.buyer",
        costsMs: [200],
        aheadMsMax: 60_000,
        uses: [
          { key: second, requests: 1, ageMs: 0 },
          { key: first, requests: 1, ageMs: 0 },
        ],
      });
      assertAbout(answer, [200, 800]);
    });

    test("a use counts from when it was made, not from when it was told", async () => {
      assertAbout(await use(fresh(), 1, { ageMs: 150 }), [50, 450]);
      assert.deepEqual(await use(fresh(), 1, { ageMs: 5_000 }), [0, 0]);
    });

    test("allowance comes back with time", async () => {
      const key = fresh();
      await use(key, 1);
      await fixture.pass(450);
      const [perSecond, perMinute] = await use(key, 0);
      assert.equal(perSecond, 0);
      assert.ok(perMinute !== undefined && perMinute <= 150, `${perMinute}`);
    });

    test("nobody is ever charged further ahead than was said", async () => {
      const uses = [{ key: fresh(), requests: 1_000_000, ageMs: 0 }];
      const answer = await edge.shareLimits({ scope: "attempts.buyer", costsMs: [200, 600], aheadMsMax: 5_000, uses });
      assertAbout(answer, [5_000, 5_000]);
    });

    test("takes as many keys at once as an exchange may name", async () => {
      const uses = Array.from({ length: LIMIT_USES_MAX }, () => ({ key: fresh(), requests: 2, ageMs: 0 }));
      const answer = await edge.shareLimits({ scope: "attempts.network", costsMs: [20], aheadMsMax: 60_000, uses });
      assert.equal(answer.length, LIMIT_USES_MAX);
      assert.ok(answer.every((ahead) => ahead >= 0 && ahead <= 40));
    });

    test("a nonce is claimed once a session", async () => {
      const [session, other, nonce] = [fresh(), fresh(), fresh()];
      assert.equal(await edge.claimNonce({ sessionKey: session, nonceKey: nonce, ttlMs: 60_000 }), true);
      assert.equal(await edge.claimNonce({ sessionKey: session, nonceKey: nonce, ttlMs: 60_000 }), false);
      assert.equal(await edge.claimNonce({ sessionKey: other, nonceKey: nonce, ttlMs: 60_000 }), true);
      assert.equal(await edge.claimNonce({ sessionKey: session, nonceKey: fresh(), ttlMs: 60_000 }), true);
    });

    test("of claims that come together exactly one is the first", async () => {
      const claim = { sessionKey: fresh(), nonceKey: fresh(), ttlMs: 60_000 };
      const answers = await Promise.all(Array.from({ length: 50 }, () => edge.claimNonce(claim)));
      assert.equal(answers.filter(Boolean).length, 1);
    });

    test("the newest nonces of a session are remembered, however many there are", async () => {
      const sessionKey = fresh();
      const nonces = Array.from({ length: 3 * NONCES_PER_SESSION_MAX }, fresh);
      for (const nonceKey of nonces) await edge.claimNonce({ sessionKey, nonceKey, ttlMs: 60_000 });
      const claim = (nonceKey: string) => edge.claimNonce({ sessionKey, nonceKey, ttlMs: 60_000 });
      for (const nonceKey of nonces.slice(-NONCES_PER_SESSION_MAX)) assert.equal(await claim(nonceKey), false);
      assert.equal(await claim(nonces[0] ?? ""), true);
    });

    test("a nonce that only looks like a part of two others is another one", async () => {
      const sessionKey = fresh();
      const claim = (nonceKey: string) => edge.claimNonce({ sessionKey, nonceKey, ttlMs: 60_000 });
      await claim("aaaaaaaabbbbbbbb");
      await claim("ccccccccaaaaaaaa");
      assert.equal(await claim("aaaaaaaaaaaaaaaa"), true);
      assert.equal(await claim("bbbbbbbbcccccccc"), true);
      assert.equal(await claim("ccccccccaaaaaaaa"), false);
    });

    test("a session's nonces are forgotten when it is quiet for long enough", async () => {
      const claim = { sessionKey: fresh(), nonceKey: fresh(), ttlMs: 120 };
      await edge.claimNonce(claim);
      await fixture.pass(200);
      assert.equal(await edge.claimNonce(claim), true);
    });

    test("one asker at a time makes a text, and everybody reads it", async () => {
      const key = fresh();
      const read = () => edge.readShared({ key, freshMs: 10_000, makeMsMax: 10_000 });
      assert.deepEqual(await read(), { text: null, ageMs: 0, isOursToMake: true });
      assert.deepEqual(await read(), { text: null, ageMs: 0, isOursToMake: false });
      await edge.writeShared({ key, text: 'a "text" of ours', ageMs: 300, ttlMs: 60_000 });
      const shared = await read();
      assert.equal(shared.text, 'a "text" of ours');
      assert.equal(shared.isOursToMake, false);
      assert.ok(shared.ageMs >= 300 && shared.ageMs <= 300 + SLACK_MS, `${shared.ageMs}`);
    });

    test("an old text is read until it expires, and is somebody's to make anew", async () => {
      const key = fresh();
      const read = () => edge.readShared({ key, freshMs: 100, makeMsMax: 10_000 });
      await edge.writeShared({ key, text: "old", ageMs: 500, ttlMs: 60_000 });
      const [first, second] = [await read(), await read()];
      assert.deepEqual([first.text, first.isOursToMake], ["old", true]);
      assert.deepEqual([second.text, second.isOursToMake], ["old", false]);
      await edge.writeShared({ key, text: "new", ageMs: 0, ttlMs: 150 });
      assert.equal((await read()).text, "new");
      await fixture.pass(250);
      assert.deepEqual(await read(), { text: null, ageMs: 0, isOursToMake: true });
    });

    test("a maker that does not come back is followed by another", async () => {
      const key = fresh();
      const read = () => edge.readShared({ key, freshMs: 100, makeMsMax: 150 });
      assert.equal((await read()).isOursToMake, true);
      assert.equal((await read()).isOursToMake, false);
      await fixture.pass(250);
      assert.equal((await read()).isOursToMake, true);
    });
  });
}
