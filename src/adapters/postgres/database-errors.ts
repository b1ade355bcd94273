/**
 * Translates what `pg` throws into faults: the one table that decides whether an outcome is unknown, rolled back or a bug.
 *
 * The rule that matters: whenever the server did not positively say "rolled back", the outcome is unknown and the
 * caller may only resend the same work. SQLSTATE classes: PostgreSQL manual, appendix A.
 */
import { Fault } from "../../domain/faults.ts";

/** Rolled back for certain, and the same call may succeed: deadlock, serialization, lock time-out, raced insert. */
const CONFLICT_STATES = new Set(["40001", "40P01", "55P03", "23505"]);
/** Connection exceptions, resources, operator intervention, system errors: says nothing about a COMMIT on its way. */
const UNAVAILABLE_CLASSES = new Set(["08", "53", "57", "58"]);
/** A server that became read-only (a failover in progress) is not available for what we do. */
const READ_ONLY_STATE = "25006";

/** The SQLSTATE and constraint behind a fault, where PostgreSQL named them. */
export interface SqlFailure {
  readonly sqlState: string;
  readonly constraint: string | undefined;
  readonly message: string;
}

/** Reads the SQLSTATE off an error or off the cause of a fault; null for everything that is not PostgreSQL's. */
export function sqlFailure(error: unknown): SqlFailure | null {
  const source = error instanceof Fault ? error.cause : error;
  if (typeof source !== "object" || source === null || !("code" in source)) return null;
  const { code } = source;
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code)) return null;
  const constraint = "constraint" in source && typeof source.constraint === "string" ? source.constraint : undefined;
  return { sqlState: code, constraint, message: source instanceof Error ? source.message : String(source) };
}

/** The fault for an error of the driver; faults pass through. */
export function toDatabaseFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const failure = sqlFailure(error);
  const internal = error instanceof Error ? error.message : String(error);
  if (failure === null) return new Fault("DATABASE_UNAVAILABLE", { cause: error, internal });
  if (CONFLICT_STATES.has(failure.sqlState)) return new Fault("DATABASE_CONFLICT", { cause: error, internal });
  if (UNAVAILABLE_CLASSES.has(failure.sqlState.slice(0, 2)) || failure.sqlState === READ_ONLY_STATE) {
    return new Fault("DATABASE_UNAVAILABLE", { cause: error, internal });
  }
  return new Fault("DATABASE_REFUSED", { cause: error, internal });
}
