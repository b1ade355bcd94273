/**
 * K13: the payment provider's notifications come twice, in the wrong order, late, and fifty times over; the provider is
 * down while holds end; money arrives after the hold has ended.
 */
import { connect } from "node:net";
import { mapBounded } from "../../../test/support/waiting.ts";
import { FIRST_SALE_MS, type Scenario } from "../scenario.ts";
import type { Scene } from "../scene.ts";
import { USUAL_SHAPE } from "../stack.ts";

const NOTIFICATION = Buffer.from("POST /v1/webhooks/payments/");
const COPIES = 50;
const REPLAYED_MAX = 5;
const REPLAYED_AT_ONCE = 12;
const DOWN_FOR_MS = 1_500;
const REPLAYED_WITHIN_MS = 10_000;
const COLLECTED_WITHIN_MS_MIN = 1_000;
const COLLECTED_WITHIN_MS_MAX = 2_000;

export const notifications: Scenario = {
  id: "K13",
  title: "notifications ×50, reordered, late; the provider down while holds end",
  mustHold: "every payment is paid or refunded, once",
  variants: [
    {
      name: "duplicates, outage, late money",
      // Only a node with both roles has the switch for the outage where the holds are ended.
      shape: { ...USUAL_SHAPE, apiRoles: ["worker"], workers: 0 },
      habits: { paysShare: 0.3, paysLateShare: 0.25, cancelsShare: 0.1, asksAgainShare: 0.1, wantsMoreShare: 0 },
      awaitsPayments: true,
      disturb,
      firstSale: { withinMs: FIRST_SALE_MS.api, after: "injection" },
    },
  ],
};

async function disturb(scene: Scene): Promise<void> {
  const { stack } = scene;
  const captured: Buffer[] = [];
  stack.front.tap((bytes, direction) => {
    if (direction === "toServer" && Buffer.from(bytes.subarray(0, NOTIFICATION.length)).equals(NOTIFICATION)) {
      captured.push(Buffer.from(bytes));
    }
    return "forward";
  });
  await scene.last(scene.between(COLLECTED_WITHIN_MS_MIN, COLLECTED_WITHIN_MS_MAX));
  stack.front.tap(null);
  const whole = captured.filter(isWhole);
  const ports = stack.apiNodes.map((node) => node.shop.buyerPort);
  scene.expect(whole.length > 0, "no notification was seen");
  const replays = whole.slice(0, REPLAYED_MAX).flatMap((bytes) => Array.from({ length: COPIES }, () => bytes));
  for (let at = replays.length - 1; at > 0; at -= 1) {
    const other = scene.random.below(at + 1);
    [replays[at], replays[other]] = [replays[other] as Buffer, replays[at] as Buffer];
  }
  const statuses = new Map<number, number>();
  await mapBounded(replays, REPLAYED_AT_ONCE, async (bytes, index) => {
    const status = await replay(ports[index % ports.length] ?? 0, bytes);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  });
  const answers = [...statuses].map(([status, count]) => `${count} × ${status}`).join(", ");
  scene.injected(`${replays.length} notifications sent again: ${answers}`);
  scene.expect((statuses.get(204) ?? 0) > 0, "no notification that was sent again was taken");
  for (const node of stack.apiNodes) await switchOff(scene, node.shop.buyerPort);
  scene.injected(`the provider is down for ${DOWN_FOR_MS} ms`);
  await scene.last(DOWN_FOR_MS);
  scene.healed();
}

async function switchOff(scene: Scene, port: number): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/sandbox-payments/control`, {
    method: "POST",
    headers: { authorization: `Bearer ${scene.stack.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ action: "outage", durationMs: DOWN_FOR_MS }),
  });
  if (!answer.ok) throw new Error(`the outage was refused: ${answer.status} ${await answer.text()}`);
}

/** The chunk is one complete request, as small ones are. */
function isWhole(bytes: Buffer): boolean {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? -1);
  return end !== -1 && text.length === end + 4 + length;
}

/** Sends the very bytes again, on a connection of its own; answers the status, 0 for none. */
function replay(port: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: REPLAYED_WITHIN_MS });
    const finish = (status: number): void => {
      socket.destroy();
      resolve(status);
    };
    socket.once("connect", () => socket.write(bytes));
    socket.once("data", (answer: Buffer) => finish(Number(answer.toString("latin1", 9, 12))));
    for (const event of ["error", "timeout", "close"] as const) socket.once(event, () => finish(0));
  });
}
