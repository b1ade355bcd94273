/**
 * One deployment under test, on a database and a runtime of choice: what every black-box suite is a function of.
 *
 * Limits per buyer and per IP are off, because suites hammer from one address on purpose; the throttle suite starts a
 * deployment of its own with the defaults. Proxies on loopback are trusted, so that a test can come from any address.
 */
import { Buyer } from "./buyer-client.ts";
import { SessionMint } from "./minted-session.ts";
import { NodeProcess, type Runtime } from "./node-process.ts";
import { OPEN_LIMITS } from "./open-limits.ts";
import { Operator } from "./operator-client.ts";
import { PostgresCluster } from "./postgres-cluster.ts";
import { SHOP_SECRET } from "./shop-login.ts";

/** The matrix of the black-box suite. */
export interface Target {
  readonly database: "pglite" | "postgres";
  readonly runtime: Runtime;
}

const PATIENT_SETTINGS = {
  ...OPEN_LIMITS,
  COOL_DOWN_MS_MAX: "0",
  /** Solved in a moment. */
  CHALLENGE_BITS: "9",
};

export class Deployment {
  readonly target: Target;
  readonly node: NodeProcess;
  readonly operator: Operator;
  readonly mint: SessionMint;
  /** Null in solo mode. */
  readonly cluster: PostgresCluster | null;

  private constructor(fields: { target: Target; node: NodeProcess; cluster: PostgresCluster | null }) {
    this.target = fields.target;
    this.node = fields.node;
    this.cluster = fields.cluster;
    this.operator = new Operator(fields.node);
    this.mint = new SessionMint(fields.node.secret);
  }

  static async start(target: Target, env: Readonly<Record<string, string>> = PATIENT_SETTINGS): Promise<Deployment> {
    const cluster = target.database === "postgres" ? await PostgresCluster.start() : null;
    try {
      const databaseUrl = cluster === null ? null : await cluster.createDatabase();
      const node = await NodeProcess.start({
        runtime: target.runtime,
        databaseUrl,
        env: { TRUSTED_PROXIES: "127.0.0.0/8", SESSION_JWT_SECRET: SHOP_SECRET, ...env },
      });
      return new Deployment({ target, node, cluster });
    } catch (error) {
      await cluster?.stop();
      throw error;
    }
  }

  get buyerUrl(): string {
    return this.node.buyerUrl;
  }

  /** A new guest with a session obtained over HTTP. */
  async guest(): Promise<Buyer> {
    return await Buyer.guest(this.buyerUrl);
  }

  /** A new guest with a session made on the spot: for crowds. */
  mintedGuest(): Buyer {
    return new Buyer(this.buyerUrl, this.mint.mint());
  }

  /** A sale that this deployment's buyers see. */
  async sale(overrides: Record<string, unknown> = {}): Promise<{ saleId: string; sku: string }> {
    return await this.operator.createSale(overrides, [this.buyerUrl]);
  }

  async stop(): Promise<void> {
    await this.node.kill();
    await this.cluster?.stop();
  }
}

/** How a suite reaches the deployment that its file starts before the first test. */
export type GetDeployment = () => Deployment;
