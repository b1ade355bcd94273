/**
 * nginx in front of the nodes: one address for buyers, whichever node is alive.
 *
 * A buyer's attempt may be sent to a second node when the first one died under it, although it is a POST: its id follows
 * from buyer, sale and key, so the ledger recognises it and no second unit is taken. Everything else is sent again only
 * when the first node was never reached. A buyer's attempts stay on one node while it lives, so that his limit is
 * exact and what was accepted a moment ago is known there; all else goes wherever there is room. Connections to nodes are
 * kept for less time than nodes keep them, else a request could meet a connection that is just being closed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../src/ports/clock.ts";
import { answers, ChildProgram } from "./child-program.ts";

const READY_WITHIN_MS = 10_000;
const STOP_WITHIN_MS = 5_000;
const CONNECTIONS_MAX = 8_192;
const CONNECTIONS_KEPT = 256;
/** Below the nodes' own five seconds (IDLE_TIMEOUT_MS of src/http/listen/listener.ts). */
const KEPT_FOR_S = 4;
/** Longer than the longest answer of a node (ANSWER_DEADLINE_MS). */
const ANSWER_WITHIN_S = 20;

export interface NginxSettings {
  readonly port: number;
  /** Where the nodes listen on loopback. */
  readonly nodePorts: readonly number[];
  /** Everything nginx writes goes here. */
  readonly folder: string;
  /** Workers of a root's nginx change to this user otherwise, and cannot read the folder. */
  readonly isRoot: boolean;
}

/** The whole configuration file. */
export function nginxConfiguration(settings: NginxSettings): string {
  const { port, nodePorts, folder, isRoot } = settings;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `  ${kind}_temp_path ${folder}/temporary/${kind};`)
    .join("\n");
  const servers = [
    ...nodePorts.map((node) => `    server 127.0.0.1:${node} max_fails=1 fail_timeout=1s;`),
    `    keepalive ${CONNECTIONS_KEPT};`,
    "    keepalive_requests 1000000;",
    `    keepalive_timeout ${KEPT_FOR_S}s;`,
  ].join("\n");
  return `${isRoot ? "user root;\n" : ""}daemon off;
worker_processes 1;
worker_rlimit_nofile ${CONNECTIONS_MAX * 2};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections ${CONNECTIONS_MAX}; }
http {
  access_log off;
${temporary}
  keepalive_requests 1000000;
  map $http_authorization $buyer {
    "" $request_id;
    default $http_authorization;
  }
  upstream any {
    least_conn;
${servers}
  }
  upstream own {
    hash $buyer consistent;
${servers}
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_connect_timeout 1s;
    proxy_read_timeout ${ANSWER_WITHIN_S}s;
    proxy_next_upstream error;
    proxy_next_upstream_tries 3;
    location / {
      proxy_pass http://any;
    }
    location ~ "^/v1/sales/[^/]+/items/[^/]+/reservations$" {
      proxy_next_upstream error non_idempotent;
      proxy_pass http://own;
    }
    location = /v1/events {
      proxy_buffering off;
      proxy_read_timeout 1h;
      proxy_pass http://any;
    }
  }
}
`;
}

/** A running nginx. */
export class Nginx {
  readonly port: number;
  readonly #program: ChildProgram;

  private constructor(port: number, program: ChildProgram) {
    this.port = port;
    this.#program = program;
  }

  /** Starts it before a single node is there; `untilReady` waits for the first. */
  static spawn(options: {
    program: string;
    port: number;
    nodePorts: readonly number[];
    folder: string;
    clock: Clock;
  }): Nginx {
    const { port, folder, nodePorts, clock } = options;
    mkdirSync(join(folder, "temporary"), { recursive: true });
    const file = join(folder, "nginx.conf");
    writeFileSync(file, nginxConfiguration({ port, nodePorts, folder, isRoot: process.getuid?.() === 0 }));
    const args = ["-c", file, "-p", folder, "-e", join(folder, "error.log")];
    // SIGTERM, because a killed master leaves its worker behind.
    const program = new ChildProgram({ name: "nginx", command: options.program, args, clock, exitSignal: "SIGTERM" });
    return new Nginx(port, program);
  }

  get pid(): number {
    return this.#program.pid;
  }

  get output(): string {
    return this.#program.output;
  }

  /** Resolves when a node answers through it. */
  async untilReady(): Promise<void> {
    await this.#program.untilReady(() => answers(`http://127.0.0.1:${this.port}/v1/time`, 200), READY_WITHIN_MS);
  }

  async stop(): Promise<void> {
    await this.#program.stop({ signal: "SIGTERM", withinMs: STOP_WITHIN_MS });
  }
}
