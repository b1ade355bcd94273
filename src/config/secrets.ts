/**
 * The secrets of solo mode: made at the first start, kept in DATA_DIR with mode 0600, the same ever after.
 *
 * A file is written whole under another name and then linked into place, so that a crash leaves no half secret and of two
 * processes that start together both read the winner's. Losing the files ends sessions; it loses no reservation.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Fault } from "../domain/faults.ts";

const SECRET_BYTES = 32;
const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

/** Root secret and operator token of a node. */
export interface Secrets {
  readonly secret: string;
  readonly adminToken: string;
}

/** Two fresh secrets of 256 bits each, in characters that need no quoting. */
export function makeSecrets(): Secrets {
  return {
    secret: randomBytes(SECRET_BYTES).toString("base64url"),
    adminToken: randomBytes(SECRET_BYTES).toString("base64url"),
  };
}

/** What a data directory holds; `isNew` when the operator token was made by this call. */
export interface KeptSecrets extends Secrets {
  readonly isNew: boolean;
}

/** The secrets of a data directory, made when missing. Throws DATA_DIRECTORY_UNUSABLE naming folder and cause. */
export function readOrMakeSecrets(dataDir: string): KeptSecrets {
  try {
    mkdirSync(dataDir, { recursive: true, mode: OWNER_ONLY_FOLDER });
    const fresh = makeSecrets();
    const secret = readOrKeep(join(dataDir, "secret"), fresh.secret);
    const adminToken = readOrKeep(join(dataDir, "admin-token"), fresh.adminToken);
    return { secret, adminToken, isNew: adminToken === fresh.adminToken };
  } catch (cause) {
    throw new Fault("DATA_DIRECTORY_UNUSABLE", { cause, internal: `DATA_DIR ${dataDir}: ${(cause as Error).message}` });
  }
}

function readOrKeep(path: string, fresh: string): string {
  if (!existsSync(path)) keep(path, fresh);
  const kept = readFileSync(path, "utf8").trim();
  if (kept.length < fresh.length)
    throw new Error(`${path} is damaged; restore it, or delete it to have a new one made`);
  return kept;
}

function keep(path: string, fresh: string): void {
  const draft = `${path}.${process.pid}.new`;
  try {
    writeThrough(draft, `${fresh}\n`);
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function writeThrough(path: string, text: string): void {
  const file = openSync(path, "w", OWNER_ONLY_FILE);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
