/**
 * Push: what happens to a buyer's reservations reaches the buyer, also after a broken connection; polling agrees.
 */
import { afterAll, expect, test } from "bun:test";
import { expectAccepted, expectRefusal } from "../../support/answers.ts";
import { type Buyer, freshKey } from "../../support/buyer-client.ts";
import type { GetDeployment } from "../../support/deployment.ts";
import { EventStream } from "../../support/event-stream.ts";
import { payInSandbox } from "../../support/sandbox-checkout.ts";
import { range, waitUntil } from "../../support/waiting.ts";

const HEARTBEAT_MS = 15_000;
const HEARTBEAT_SLACK_MS = 3_000;

/** The streams of this suite's tests, to be closed after them. */
const open: EventStream[] = [];

async function listen(buyer: Buyer, headers: Record<string, string> = {}): Promise<EventStream> {
  const stream = await openStream(buyer, headers);
  open.push(stream);
  return stream;
}

async function openStream(buyer: Buyer, headers: Record<string, string> = {}): Promise<EventStream> {
  const authorization = { Authorization: `Bearer ${buyer.session.token}` };
  return await EventStream.open(`${buyer.baseUrl}/v1/events`, { ...authorization, ...headers });
}

/** A quiet stream that is opened first and looked at last, so that nobody waits for its heartbeat. */
export interface HeartbeatWatch {
  begin(): Promise<void>;
  describe(): void;
}

export function watchHeartbeat(deployment: GetDeployment): HeartbeatWatch {
  let stream: EventStream;
  let openedAtMs: number;
  return {
    begin: async () => {
      openedAtMs = performance.now();
      stream = await openStream(await deployment().guest());
    },
    describe: () => {
      test("sends a heartbeat on a quiet stream at least each 15 seconds", async () => {
        await waitUntil("a heartbeat", () => stream.heartbeatsAtMs.some((at) => at > openedAtMs + 1_000), {
          withinMs: HEARTBEAT_MS + HEARTBEAT_SLACK_MS,
        });
        const moments = [openedAtMs, ...stream.heartbeatsAtMs];
        const gaps = moments.slice(1).map((at, index) => at - (moments[index] as number));
        expect(Math.max(...gaps)).toBeLessThanOrEqual(HEARTBEAT_MS + HEARTBEAT_SLACK_MS);
        expect(stream.isEnded).toBe(false);
        expect(stream.events).toEqual([]);
        stream.close();
      }, 30_000);
    },
  };
}

export function describeEvents(deployment: GetDeployment): void {
  afterAll(() => {
    for (const stream of open) stream.close();
  });

  test("tells a buyer about holds, payment and end, exactly as polling does, and nobody else", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const stranger = await deployment().guest();
    const stream = await listen(buyer);
    const foreign = await listen(stranger);
    expect(stream.response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(stream.response.headers.get("cache-control")).toMatch(/no-store|no-cache/);
    const { rid } = expectAccepted(await buyer.reserve(sale));
    const held = await stream.waitFor("held", ({ data }) => data.rid === rid && data.status === "held");
    expect([held.event, typeof held.id]).toEqual(["reservation", "string"]);
    expect(held.data).toEqual((await buyer.find(rid)).json);
    await payInSandbox(buyer, rid);
    await stream.waitFor("paid", ({ data }) => data.rid === rid && data.status === "paid");
    await waitUntil("polling to agree", async () => (await buyer.find(rid)).json.status === "paid");
    expect(foreign.events).toEqual([]);
  });

  test("replays what was missed after Last-Event-ID, also over a second broken connection", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const first = await listen(buyer);
    const one = expectAccepted(await buyer.reserve(sale)).rid;
    const seen = await first.waitFor("the first hold", ({ data }) => data.rid === one);
    first.close();
    const two = expectAccepted(await buyer.reserve(sale)).rid;
    await buyer.cancel(one);
    const second = await listen(buyer, { "Last-Event-ID": seen.id as string });
    await second.waitFor("the missed hold", ({ data }) => data.rid === two && data.status === "held");
    await second.waitFor("the missed cancellation", ({ data }) => data.rid === one && data.status === "cancelled");
    const last = second.events.at(-1);
    second.close();
    await buyer.cancel(two);
    const third = await listen(buyer, { "Last-Event-ID": last?.id as string });
    await third.waitFor("the missed end", ({ data }) => data.rid === two && data.status === "cancelled");
  });

  test("refuses a Last-Event-ID that it did not make, or starts afresh, and never fails", async () => {
    const buyer = await deployment().guest();
    for (const id of ["0", "1-1", "x".repeat(200), "%00", "../../etc"]) {
      const stream = await listen(buyer, { "Last-Event-ID": id });
      expect([200, 400]).toContain(stream.response.status);
      stream.close();
      await waitUntil("the stream to be over", () => stream.isEnded);
    }
  });

  test("opens a stream with a one-minute ticket, which works for its buyer alone", async () => {
    const sale = await deployment().sale();
    const buyer = await deployment().guest();
    const answer = await buyer.send({ path: "/v1/events/tickets", idempotencyKey: freshKey() });
    expect([answer.status, typeof answer.json.ticket]).toEqual([201, "string"]);
    const { ticket } = answer.json;
    const stream = await EventStream.open(`${buyer.baseUrl}/v1/events?ticket=${encodeURIComponent(ticket)}`);
    open.push(stream);
    expect(stream.response.status).toBe(200);
    const { rid } = expectAccepted(await buyer.reserve(sale));
    await stream.waitFor("the hold", ({ data }) => data.rid === rid);
    const bad = await EventStream.open(`${buyer.baseUrl}/v1/events?ticket=${ticket.slice(0, -2)}xx`);
    expect(bad.response.status).toBe(401);
  });

  test("tells a buyer with too many streams that it is busy, and still serves another one", async () => {
    const buyer = await deployment().guest();
    const streams = await Promise.all(range(12).map(async () => await listen(buyer)));
    const refused = streams.filter((stream) => stream.response.status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(12);
    for (const { response } of refused) {
      const text = await response.text();
      const answer = { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
      expectRefusal(answer, "busy", { retryAfter: true });
    }
    expect((await listen(await deployment().guest())).response.status).toBe(200);
    for (const stream of streams) stream.close();
    await waitUntil("a place to be free again", async () => (await listen(buyer)).response.status === 200);
  });
}
