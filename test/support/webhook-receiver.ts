/**
 * A real HTTP server that takes notifications and keeps them, and refuses or stays silent when a test says so.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

interface Delivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class WebhookReceiver {
  readonly deliveries: Delivery[] = [];
  /** The answer to the next deliveries that are taken. */
  status = 204;
  /** Called with each delivery; one that throws is answered 503. */
  onDelivery: (delivery: Delivery) => void | Promise<void> = () => undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request).then(
        () => response.writeHead(this.status).end(),
        () => response.writeHead(503).end(),
      );
    });
  }

  /** A receiver that listens on a free loopback port. */
  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/notify`;
  }

  /** Ids in the order of arrival. */
  get ids(): string[] {
    return this.deliveries.map((delivery) => delivery.headers["webhook-id"] ?? "");
  }

  /** Kinds of events in the order of arrival. */
  get kinds(): string[] {
    return this.deliveries.map((delivery) => JSON.parse(delivery.body).type);
  }

  async #take(request: IncomingMessage): Promise<void> {
    const delivery = { headers: request.headers as Record<string, string>, body: await readBody(request) };
    this.deliveries.push(delivery);
    await this.onDelivery(delivery);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
