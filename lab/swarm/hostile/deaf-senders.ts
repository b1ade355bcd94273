/**
 * Those who send whatever is answered: forgers, replayers, early openers, scrapers, floods of heads and bodies.
 *
 * Each sends a fixed number of requests, evenly over the run, from a few hundred addresses of its own; a node that is slow
 * delays it and is not spared. Each works from what an attacker can have: sessions of his own, and anything he can write.
 */
import { createSeededRandom, type SeededRandom } from "../seeded-random.ts";
import { wait } from "../system-clock.ts";
import { hear } from "./answer-book.ts";
import { drawOwnDevice } from "./devices.ts";
import { drawComputer, drawOldAgeDays } from "./disguise.ts";
import { until } from "./honest.ts";
import { addressOf, type Flood, OLD_ACCOUNTS_OF_REPLAYERS } from "./populations.ts";
import { arm, attemptPath, begin, type Manners, type Shopper } from "./shopping.ts";
import { type Call, type Scene, Visitor } from "./visitor.ts";

const TICK_MS = 10;
/** Of one flood; beyond it the node is slower than the flood, and the flood waits. */
const UNDER_WAY_MAX = 96;
const SENDERS: Readonly<Record<Flood, number>> = {
  replayer: 60,
  forger: 200,
  early_opener: 100,
  scraper: 150,
  header_flood: 20,
  body_flood: 40,
};
/** Accounts that floods log in with; the replayers' are old. */
const ACCOUNTS: Readonly<Record<Flood, number>> = {
  replayer: OLD_ACCOUNTS_OF_REPLAYERS,
  forger: 5,
  early_opener: 100,
  scraper: 0,
  header_flood: 0,
  body_flood: 3,
};
const STORY_STREAM = 100_000_000;
const DEAF: Manners = { triesMax: 4, waitMs: () => 300 };
const AHEAD_MS = 25_000;
const HEAD_BYTES_MIN = 20_000;
const HEAD_BYTES_SPREAD = 40_000;
const FIELD_BYTES = 4_000;
const MEGABYTE = 1_000_000;
const NESTING = 1_900;

type Write = (visitor: Visitor, index: number) => Buffer;

/** Sends the flood; answers which buyer ids were its own. */
export async function sendFlood(scene: Scene, flood: Flood, count: number, seed: number): Promise<readonly string[]> {
  const random = createSeededRandom(seed, STORY_STREAM + flood.length * 1_000 + flood.charCodeAt(0));
  const accounts = await Promise.all(
    Array.from({ length: ACCOUNTS[flood] }, (_, index) => logIn(scene, flood, seed, index)),
  );
  const withSession = accounts.filter(({ visitor }) => visitor.session !== null);
  const write = writerOf(scene, flood, withSession, random);
  const senders = Array.from(
    { length: SENDERS[flood] },
    (_, index) =>
      new Visitor({
        ...{ scene, population: flood, agent: "", random },
        // The accounts have the first addresses for themselves.
        address: () => addressOf(flood, ACCOUNTS[flood] + index),
      }),
  );
  const endsAtMs = flood === "early_opener" ? scene.opensAtMs : (scene.opensAtMs + scene.endsAtMs) / 2;
  await pace(scene, { count, endsAtMs }, (index) => {
    const sender = senders[index % senders.length] as Visitor;
    return sender.send(write(sender, index)).then((outcome) => {
      scene.book.note(flood, hear(outcome, flood === "replayer" || flood === "early_opener"));
      scene.book.wonder(flood, outcome);
    });
  });
  for (const sender of senders) sender.hangUp();
  for (const { visitor } of accounts) visitor.hangUp();
  return withSession.flatMap(({ visitor }) => visitor.session?.buyerId ?? []);
}

async function logIn(scene: Scene, flood: Flood, seed: number, index: number): Promise<Shopper> {
  const random = createSeededRandom(seed, STORY_STREAM * 2 + flood.length * 1_000 + index);
  const disguise = drawComputer(random);
  const visitor = new Visitor({
    ...{ scene, population: flood, agent: disguise.agent, random },
    address: () => addressOf(flood, index),
  });
  const isOld = flood === "replayer";
  const shopper: Shopper = {
    ...{ visitor, disguise, device: drawOwnDevice(scene.clock, random), pass: null, clearance: null },
    account: { name: `${flood}-${seed}-${index}`, ageDays: isOld ? drawOldAgeDays(random) : 0.1 },
    idempotencyKey: `${flood}-${index}-${random.text(8)}`,
  };
  await begin(shopper, DEAF);
  if (isOld && visitor.session !== null) await arm(shopper, DEAF);
  return shopper;
}

/** Sends `count` requests evenly until the instant, and waits for the last answers. */
async function pace(
  scene: Scene,
  plan: { count: number; endsAtMs: number },
  sendOne: (index: number) => Promise<void>,
): Promise<void> {
  await until(scene, scene.beginsAtMs);
  const startMs = scene.clock.nowMs();
  const durationMs = Math.max(1, plan.endsAtMs - startMs);
  const underWay = new Set<Promise<void>>();
  for (let sent = 0; sent < plan.count && scene.clock.nowMs() < scene.endsAtMs; ) {
    const share = (scene.clock.nowMs() - startMs) / durationMs;
    const due = Math.min(plan.count, Math.ceil(plan.count * share));
    while (sent < due && underWay.size < UNDER_WAY_MAX) {
      const sending = sendOne(sent);
      sent += 1;
      underWay.add(sending);
      void sending.finally(() => underWay.delete(sending));
    }
    await wait(scene.clock, TICK_MS);
  }
  await Promise.all(underWay);
}

function writerOf(scene: Scene, flood: Flood, accounts: readonly Shopper[], random: SeededRandom): Write {
  const path = attemptPath(scene);
  const accountAt = (index: number): Shopper | null => accounts[index % Math.max(1, accounts.length)] ?? null;
  const base: Call = { method: "POST", path, body: '{"quantity":1}', idempotencyKey: "flood-key-of-nobody" };
  switch (flood) {
    case "forger":
      return (visitor, index) => visitor.build(forge(base, accountAt(index), index, random));
    case "replayer":
      return createReplayer(base, accounts, random);
    case "early_opener":
      return (visitor, index) => {
        const early = accountAt(index);
        if (early === null) return visitor.build(base);
        return early.visitor.build({ ...base, proof: "signature", idempotencyKey: `early-${index}-${random.text(6)}` });
      };
    case "scraper":
      return (visitor, index) => {
        const paths = [`/v1/sales/${scene.saleId}`, `/v1/sales?probe=${index}`, `/v1/sales/${scene.saleId}?t=${index}`];
        return visitor.build({ method: "GET", path: paths[index % paths.length] as string });
      };
    case "header_flood":
      return (visitor) => visitor.build({ ...base, headers: manyHeaders(random) });
    case "body_flood":
      return (visitor, index) => writeBody(visitor, base, accountAt(index), index);
  }
}

/** Seven ways of being nobody. */
function forge(base: Call, own: Shopper | null, index: number, random: SeededRandom): Call {
  const idempotencyKey = `forged-${index}`;
  const session = own?.visitor.session ?? null;
  const token = session?.token ?? `s2.${random.text(22)}.${random.text(22)}.zz.0.-.-.0.${random.text(43)}`;
  const altered = token.replace(/\.[^.]*$/, `.${random.text(43)}`);
  const stamp = { "X-Timestamp": String(Date.now()), "X-Nonce": random.text(22) };
  const signed = { ...stamp, "X-Signature": random.text(43) };
  const pass = own?.pass ?? `p1.${random.text(8)}`;
  const headers: readonly Readonly<Record<string, string>>[] = [
    { Authorization: `Bearer ${altered}`, ...signed },
    { Authorization: `Bearer ${token}`, ...signed },
    { Authorization: `Bearer ${token}` },
    { Authorization: `Bearer ${token}`, ...signed, "X-Timestamp": String(Date.now() - 90_000) },
    { Authorization: `Bearer ${token.replace(/^s2/, "s1")}`, ...signed },
    { "X-Pass": `${pass.slice(0, -8)}${random.text(8)}` },
    signed,
  ];
  return { ...base, idempotencyKey, headers: headers[index % headers.length] as Readonly<Record<string, string>> };
}

/** The same bytes; a pass with another key; captured headers with another key; and the genuine pass, from elsewhere. */
function createReplayer(base: Call, accounts: readonly Shopper[], random: SeededRandom): Write {
  const captured = new Map<Shopper, { readonly bytes: Buffer; readonly atMs: number }>();
  const CAPTURE_AGAIN_MS = 20_000;
  return (visitor, index) => {
    const own = accounts[index % Math.max(1, accounts.length)];
    if (own === undefined) return visitor.build(base);
    const nowMs = visitor.scene.clock.nowMs();
    const known = captured.get(own);
    const isFresh = known !== undefined && nowMs - known.atMs < CAPTURE_AGAIN_MS;
    const bytes = isFresh
      ? known.bytes
      : own.visitor.build({ ...base, proof: "signature", idempotencyKey: own.idempotencyKey });
    if (!isFresh) captured.set(own, { bytes, atMs: nowMs });
    switch (Math.floor(index / accounts.length) % 4) {
      case 0:
        return bytes;
      case 1:
        return Buffer.from(
          bytes.toString("latin1").replace(own.idempotencyKey, `${own.idempotencyKey}-${random.text(4)}`),
          "latin1",
        );
      case 2:
        return visitor.build({
          ...base,
          idempotencyKey: random.text(16),
          headers: { "X-Pass": own.pass ?? "p1.none" },
        });
      default:
        return visitor.build({
          ...{ ...base, idempotencyKey: own.idempotencyKey },
          headers: { "X-Pass": own.pass ?? "p1.none", "X-Timestamp": String(nowMs + AHEAD_MS) },
        });
    }
  };
}

function manyHeaders(random: SeededRandom): Readonly<Record<string, string>> {
  const bytes = HEAD_BYTES_MIN + random.below(HEAD_BYTES_SPREAD);
  const headers: Record<string, string> = {};
  for (let field = 0; field * FIELD_BYTES < bytes; field++) headers[`X-Padding-${field}`] = "a".repeat(FIELD_BYTES);
  return headers;
}

/** A megabyte announced and begun; a body beyond the limit; one nested to the bottom; one that is no JSON at all. */
function writeBody(visitor: Visitor, base: Call, own: Shopper | null, index: number): Buffer {
  const call: Call = { ...base, idempotencyKey: `body-${index}-of-nobody` };
  const writer = own?.visitor ?? visitor;
  const proof = own === null ? {} : ({ proof: "signature" } as const);
  switch (index % 4) {
    case 0: {
      const text = writer.build({ ...call, ...proof }).toString("latin1");
      return Buffer.from(text.replace(/Content-Length: \d+/, `Content-Length: ${MEGABYTE}`), "latin1");
    }
    case 1:
      return writer.build({ ...call, ...proof, body: `{"quantity":1,"padding":"${"x".repeat(5_000)}"}` });
    case 2:
      return writer.build({ ...call, ...proof, body: `{"quantity":${"[".repeat(NESTING)}${"]".repeat(NESTING)}}` });
    default:
      return writer.build({ ...call, ...proof, body: '{"quantity":1e400,"quantity":1,"__proto__":{}}' });
  }
}
