/**
 * Rehearsals of this deployment: whether one may begin, the task for its process, the certificate in the end.
 *
 * The load runs elsewhere (adapters/local/rehearsal-process.ts) and only measures; what it measured is signed here, because the key
 * should be where the other keys are. One runs at a time in the whole deployment. A node that goes down ends its own.
 */
import { join } from "node:path";
import { createRehearsalProcess } from "../adapters/local/rehearsal-process.ts";
import { readDeploymentId } from "../adapters/postgres/deployment-id.ts";
import { createPostgresRehearsalStore } from "../adapters/postgres/postgres-rehearsal-store.ts";
import { settingsFingerprint } from "../config/fingerprint.ts";
import type { Config } from "../config/load.ts";
import {
  type CapacityCertificate,
  CERTIFICATE_FORMAT,
  readCertificate,
  type SignedCertificate,
  signCertificate,
} from "../domain/certificate.ts";
import { readCrowd } from "../domain/headroom.ts";
import { chooseTargets, findSaleInTheWay, isLoopback, rehearsalId } from "../domain/rehearsal-rules.ts";
import type { Sale } from "../domain/sale.ts";
import { createClientAddress } from "../funnel/4-throttle/client-address.ts";
import { ipKeyOf } from "../funnel/4-throttle/ip-address.ts";
import type { RehearsalDocument, RehearsalRequest, RehearsalStart, Rehearsals } from "../http/operator/rehearsals.ts";
import type { Ledger } from "../ports/ledger.ts";
import type {
  RehearsalMeasurement,
  RehearsalProgress,
  RehearsalRunner,
  RehearsalTask,
  ServerOnThisMachine,
} from "../ports/rehearsal-runner.ts";
import type { RehearsalStore, StoredRehearsal } from "../ports/rehearsal-store.ts";
import type { ProcessParts } from "./process-parts.ts";

const SALES_MAX = 10_000;
/** A rehearsal whose process does not end in its time is ended by then. */
const GRACE_MS = 60_000;
/** How soon the node that runs one hears that somebody asked another node for its end. */
const LOOK_FOR_STOP_EVERY_MS = 1_000;
const MAIN_PATH = join(import.meta.dirname, "../main.ts");
const STOPPED = "An operator stopped it.";
const ELSEWHERE = "203.0.113.7";
const LOOPBACKS: Readonly<Record<string, string>> = { localhost: "127.0.0.1", "[::1]": "::1" };
const HTTP_PORT = 80;
const POSTGRES_PORT = 5_432;
const REDIS_PORT = 6_379;

/** Where this node listens, once it does. */
export interface OwnPorts {
  /** Null without the `api` role. */
  readonly buyers: number | null;
  readonly operators: number;
}

export interface RehearsalsParts extends Pick<ProcessParts, "config" | "clock" | "random" | "log" | "keys" | "sales"> {
  readonly store: RehearsalStore;
  readonly runner: RehearsalRunner;
  readonly readStock: Ledger["readStock"];
  readonly ports: () => OwnPorts;
  readonly version: string;
  readonly deployment: () => Promise<string>;
}

/** What of a node's rehearsals the node itself uses. */
export interface NodeRehearsals extends Rehearsals {
  /** Ends the one that runs here. */
  stop(): Promise<void>;
}

/** The rehearsals of a node. */
export function createRehearsals(
  parts: ProcessParts,
  outside: { readStock: Ledger["readStock"]; ports: () => OwnPorts; version: string },
): NodeRehearsals {
  const { config, clock, random, log, keys, sales, database } = parts;
  return new DeploymentRehearsals({
    ...{ config, clock, random, log, keys, sales, ...outside },
    store: createPostgresRehearsalStore(database.general),
    runner: createRehearsalProcess({ mainPath: MAIN_PATH }),
    deployment: () => readDeploymentId(database.general),
  });
}

interface Running {
  readonly id: string;
  progress: RehearsalProgress | null;
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

/** See the file comment. Exported for tests. */
export class DeploymentRehearsals implements NodeRehearsals {
  readonly settings: string;
  readonly #parts: RehearsalsParts;
  #running: Running | null = null;
  #cancelLook: (() => void) | null = null;

  constructor(parts: RehearsalsParts) {
    this.#parts = parts;
    this.settings = settingsFingerprint(parts.config);
  }

  async start(request: RehearsalRequest): Promise<RehearsalStart> {
    const { store, sales, clock, random } = this.#parts;
    const { saleId, durationMs, isForced } = request;
    const sale = saleId === null ? null : await sales.findSale(saleId);
    if (saleId !== null && sale === null) return { kind: "no such sale" };
    const { config, ports } = this.#parts;
    const ownUrl = originOf(config.host, ports().buyers);
    const targets = chooseTargets({ urls: request.urls, ownUrl, publicUrl: config.publicUrl });
    if (targets.kind === "refused") return targets;
    const unbelieved = targets.urls.find((url) => !isBelieved(config, url));
    if (unbelieved !== undefined) return { kind: "refused", why: whyUnbelieved(unbelieved) };
    const why = findSaleInTheWay({
      sales: await sales.listSales({ rowsMax: SALES_MAX }),
      ...{ nowMs: clock.nowMs(), durationMs, isForced },
    });
    if (why !== null) return { kind: "refused", why };
    const id = rehearsalId(random.id());
    if (!(await store.begin({ id, saleId, durationMs: durationMs + GRACE_MS }))) {
      return {
        kind: "refused",
        why: "Another rehearsal of this deployment runs. Wait for its end, or end it (DELETE /v1/admin/rehearsals/{id}): two at once measure each other.",
      };
    }
    const controller = new AbortController();
    const ended = this.#run(this.#taskOf(id, { request, sale, urls: targets.urls }), {
      request,
      sale,
      signal: controller.signal,
    });
    this.#running = { id, progress: null, controller, ended };
    this.#lookForStop(id);
    return { kind: "started", id };
  }

  async cancel(id: string): Promise<RehearsalDocument | null> {
    await this.#parts.store.askToStop(id);
    if (this.#running?.id === id) this.#running.controller.abort(new Error(STOPPED));
    return this.find(id);
  }

  async find(id: string): Promise<RehearsalDocument | null> {
    const stored = await this.#parts.store.find(id);
    return stored === null ? null : this.#documentOf(stored);
  }

  async list(request: { saleId: string | null; rowsMax: number }): Promise<readonly RehearsalDocument[]> {
    return (await this.#parts.store.list(request)).map((stored) => this.#documentOf(stored));
  }

  async stop(): Promise<void> {
    this.#running?.controller.abort(new Error("The node is going down."));
    await this.#running?.ended;
  }

  /** Looks again and again whether another node was asked for its end, as long as it runs. */
  #lookForStop(id: string): void {
    this.#cancelLook = this.#parts.clock.setTimer(LOOK_FOR_STOP_EVERY_MS, () => void this.#stopIfAsked(id));
  }

  async #stopIfAsked(id: string): Promise<void> {
    const { store, log } = this.#parts;
    const stored = await store.find(id).catch((error: unknown) => {
      log.debug({ error, rehearsalId: id }, "whether a rehearsal should end could not be read; looked again soon");
      return null;
    });
    if (this.#running?.id !== id) return;
    if (stored?.isStopping === true) this.#running.controller.abort(new Error(STOPPED));
    else this.#lookForStop(id);
  }

  /** Never rejects: whatever happens is what the rehearsal came to. */
  async #run(
    task: RehearsalTask,
    { request, sale, signal }: { request: RehearsalRequest; sale: Sale | null; signal: AbortSignal },
  ): Promise<void> {
    const { runner, store, log } = this.#parts;
    const { id } = task;
    try {
      const outcome = await runner
        .run(task, {
          onProgress: (progress) => {
            if (this.#running?.id === id) this.#running.progress = progress;
          },
          signal,
        })
        .then((measured) => this.#certify({ id, request, sale, measured }))
        .then(
          (signed) => ({ id, signed: JSON.stringify(signed), failure: null }),
          (error: unknown) => ({ id, signed: null, failure: error instanceof Error ? error.message : String(error) }),
        );
      await store.finish(outcome);
      log.info({ rehearsalId: id, failure: outcome.failure }, "rehearsal ended");
    } catch (error) {
      log.error({ error, rehearsalId: id }, "the end of a rehearsal could not be written down");
    } finally {
      this.#running = null;
      this.#cancelLook?.();
    }
  }

  async #certify(end: {
    id: string;
    request: RehearsalRequest;
    sale: Sale | null;
    measured: RehearsalMeasurement;
  }): Promise<SignedCertificate> {
    const { config, clock, keys, version, deployment } = this.#parts;
    const { id, request, sale, measured } = end;
    const { accepts, refuses, nodes, ledger } = measured;
    const rates = {
      acceptsPerS: accepts.ratePerS,
      decidesPerS: refuses?.ratePerS ?? accepts.ratePerS,
    };
    const { expectedBuyers: buyers, busiestSecondShare, saleId, latencyMsMax } = request;
    const crowd = buyers === null ? null : { saleId, buyers, stock: await this.#stockOf(sale), busiestSecondShare };
    const certificate: CapacityCertificate = {
      format: CERTIFICATE_FORMAT,
      ...{ id, version, latencyMsMax, nodes, settings: this.settings, ...rates, accepts, refuses },
      deployment: await deployment(),
      issuedAt: clock.nowMs(),
      mode: config.mode === "solo" ? "solo" : ledger,
      p99Ms: Math.max(accepts.latencyMsP99, refuses?.latencyMsP99 ?? 0),
      limitedBy: accepts.limitedBy,
      crowd: crowd === null ? null : readCrowd(crowd, rates),
    };
    return signCertificate(keys.certificate, certificate);
  }

  async #stockOf(sale: Sale | null): Promise<number | null> {
    if (sale === null) return null;
    const stock = await this.#parts.readStock(sale.items.map(({ itemId }) => itemId));
    return stock.reduce((units, { total }) => units + total, 0);
  }

  #taskOf(
    id: string,
    { request, sale, urls }: { request: RehearsalRequest; sale: Sale | null; urls: readonly string[] },
  ): RehearsalTask {
    const { config, ports } = this.#parts;
    const { durationMs, latencyMsMax } = request;
    const { publicUrl } = config;
    const isPublic = publicUrl !== null && urls.includes(new URL(publicUrl).origin);
    return {
      ...{ id, targets: urls, durationMs, latencyMsMax, adminToken: config.adminToken, secret: config.secret },
      ownHost: isPublic ? new URL(publicUrl).hostname : config.host,
      buckets: sale?.buckets ?? 1,
      adminUrl: originOf(config.adminHost, ports().operators) ?? "",
      ledger: config.redisUrl === null ? "postgres" : "redis",
      servers: serversOf(config, urls, ports()),
    };
  }

  #documentOf(stored: StoredRehearsal): RehearsalDocument {
    const { id, startedAt, finishedAt, saleId } = stored;
    const isOver = finishedAt !== null || this.#parts.clock.nowMs() > stored.endsAt;
    const signed = this.#readSigned(stored);
    const failure = stored.failure ?? (signed === null && isOver ? whyNothing(stored) : null);
    const running = isOver ? "failed" : "running";
    return {
      ...{ id, startedAt, finishedAt, saleId, failure, signed },
      state: signed === null ? running : "certified",
      progress: this.#running?.id === id ? this.#running.progress : null,
    };
  }

  /** What the database has is believed no more than a file is. */
  #readSigned({ id, signed }: StoredRehearsal): SignedCertificate | null {
    if (signed === null) return null;
    const document = parsed(signed);
    const certificate = readCertificate(this.#parts.keys.certificate, document);
    return certificate?.id === id ? (document as SignedCertificate) : null;
  }
}

function whyNothing({ signed }: StoredRehearsal): string {
  return signed === null
    ? "The node that ran it ended meanwhile."
    : "Its certificate was not signed by this deployment, or changed since.";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A node only believes X-Forwarded-For of proxies it trusts; without it the whole load is one buyer's neighbourhood. */
function isBelieved({ trustedProxies, publicUrl }: Config, url: string): boolean {
  if (publicUrl !== null && new URL(publicUrl).origin === url) return true;
  const { hostname } = new URL(url);
  const remoteAddress = LOOPBACKS[hostname] ?? hostname;
  return createClientAddress(trustedProxies)({ remoteAddress, header: () => ELSEWHERE }) === ipKeyOf(ELSEWHERE);
}

function whyUnbelieved(url: string): string {
  const { hostname } = new URL(url);
  return `The nodes do not believe what ${hostname} says of buyers' addresses, so the limit of one address is all that would be measured. Start them with TRUSTED_PROXIES containing ${LOOPBACKS[hostname] ?? hostname}.`;
}

/** Whose processor time may be looked at, because it is spent on this machine. A port of another one says nothing here. */
function serversOf(config: Config, urls: readonly string[], own: OwnPorts): ServerOnThisMachine[] {
  const { host, databaseUrl, redisUrl } = config;
  const ownUrl = originOf(host, own.buyers);
  const here = urls
    .map((url) => new URL(url))
    .filter(({ hostname, origin }) => isLoopback(hostname) || isSame(origin, ownUrl));
  const api = here.map(({ port }) => ({ part: "api", port: Number(port || HTTP_PORT) }));
  const worker = own.buyers === null ? [{ part: "worker", port: own.operators }] : [];
  const postgres = localPort(databaseUrl, POSTGRES_PORT).map((port) => ({ part: "postgres", port }));
  const redis = (redisUrl ?? []).flatMap((url) => localPort(url, REDIS_PORT)).map((port) => ({ part: "redis", port }));
  return [...api, ...worker, ...postgres, ...redis];
}

function isSame(origin: string, url: string | null): boolean {
  return url !== null && new URL(url).origin === origin;
}

function localPort(url: string | null, byDefault: number): readonly number[] {
  if (url === null || !URL.canParse(url)) return [];
  const { hostname, port } = new URL(url);
  return isLoopback(hostname) ? [Number(port || byDefault)] : [];
}

function originOf(host: string, port: number | null): string | null {
  return port === null ? null : `http://${hostInUrl(host)}:${port}`;
}

/** A listening address as part of a URL that reaches it from the same machine. */
function hostInUrl(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
