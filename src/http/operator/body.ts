/**
 * Bodies of the operator API: strict JSON, checked by a schema, every error with its field.
 *
 * The schemas word their own errors (see schemas.ts); this file only finds the field's path. An absent body counts as
 * an empty object, because lifecycle commands need none.
 */
import type { z } from "zod";
import { parseStrictJson } from "../../domain/strict-json.ts";
import type { Clock } from "../../ports/clock.ts";
import { readRequestBody } from "../request-body.ts";
import { type FieldError, invalidFields, type OperatorProblem } from "./problem.ts";

/** A checked value, or the problem to answer with. */
export type Checked<Value> =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "problem"; readonly problem: OperatorProblem };

/** Room for a sale with a long blocklist. */
export const JSON_BYTES_MAX = 1_048_576;

/** Reads the body as UTF-8 text of at most `bytesMax`. */
export async function readText(request: Request, clock: Clock, bytesMax: number): Promise<Checked<string>> {
  const body = await readRequestBody(request, clock, bytesMax);
  if (body.kind === "refused") return refuse({ reason: body.reason, detail: body.detail });
  try {
    return { kind: "value", value: new TextDecoder("utf-8", { fatal: true }).decode(body.bytes) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return refuse({ reason: "malformed", detail: "The body is not valid UTF-8." });
  }
}

/** Reads and checks a JSON body. */
export async function readJson<Schema extends z.ZodType>(
  request: Request,
  clock: Clock,
  schema: Schema,
  bytesMax: number = JSON_BYTES_MAX,
): Promise<Checked<z.output<Schema>>> {
  const text = await readText(request, clock, bytesMax);
  if (text.kind === "problem") return text;
  if (text.value.trim() === "") return checkValue(schema, {});
  const json = parseStrictJson(text.value);
  if (json.kind === "bad") return refuse({ reason: "malformed", detail: json.detail });
  return checkValue(schema, json.value);
}

/** Checks any value; errors are named by the path of their field. */
export function checkValue<Schema extends z.ZodType>(schema: Schema, value: unknown): Checked<z.output<Schema>> {
  const result = schema.safeParse(value);
  if (result.success) return { kind: "value", value: result.data };
  return refuse(invalidFields(result.error.issues.map(toFieldError)));
}

function refuse(problem: OperatorProblem): { readonly kind: "problem"; readonly problem: OperatorProblem } {
  return { kind: "problem", problem };
}

function toFieldError(issue: z.core.$ZodIssue): FieldError {
  return { field: fieldPath(issue.path), text: issue.message };
}

function fieldPath(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (before, part) => (typeof part === "number" ? `${before}[${part}]` : `${before}.${String(part)}`),
    "",
  );
  return text === "" ? "The body" : text.replace(/^\./, "");
}
