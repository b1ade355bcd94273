/**
 * Reads the operator's risk weights: a JSON file that changes members of the default model and leaves the rest as it is.
 *
 * Read once, at the start: a model that cannot be read ends the start with what is wrong with it, because a deployment that
 * silently judged by other weights than its operator wrote would be worse than one that does not run.
 */
import { z } from "zod";
import { Fault } from "../domain/faults.ts";
import { FADING_KINDS } from "../funnel/6-admission/risk/fading-counts.ts";
import {
  DEFAULT_RISK_MODEL,
  RISK_CAUSE_NAMES,
  RISK_STEPS_MAX,
  type RiskModel,
} from "../funnel/6-admission/risk/risk-model.ts";

const HOUR_MS = 3_600_000;
/** One above the highest score: the band is never reached. */
const BAND_MAX = 101;

const band = z.number().int().min(1).max(BAND_MAX);
const StepSchema = z
  .tuple([z.number().min(1).max(1e9), z.number().int().min(0).max(100)])
  .transform(([from, weight]) => ({ from, weight }));
const StepsSchema = z
  .array(StepSchema)
  .max(RISK_STEPS_MAX)
  .refine((steps) => steps.every((step, index) => index === 0 || step.from > (steps[index - 1]?.from ?? 0)), {
    error: "steps must ascend",
  });

const WeightsSchema = z
  .strictObject({
    bands: z.strictObject({ challenge: band, slow_down: band, refuse: band }).partial(),
    causes: z.partialRecord(z.enum(RISK_CAUSE_NAMES), StepsSchema),
    bans: z.partialRecord(z.enum(FADING_KINDS), z.number().int().min(0).max(1e9)),
    windowMs: z
      .number()
      .int()
      .min(1_000)
      .max(24 * HOUR_MS),
    halfLifeMs: z
      .number()
      .int()
      .min(1_000)
      .max(24 * HOUR_MS),
    slowDownMs: z.number().int().min(100).max(60_000),
  })
  .partial();

/** The default model with the changes of a file's text. `name` is for the message. Throws CONFIG_INVALID. */
export function parseRiskWeights(text: string, name: string): RiskModel {
  const changes = WeightsSchema.safeParse(readJson(text, name));
  if (!changes.success) throw invalid(name, z.prettifyError(changes.error));
  const { bands, causes, bans, ...times } = changes.data;
  const model: RiskModel = {
    ...DEFAULT_RISK_MODEL,
    ...withoutUndefined(times),
    bands: { ...DEFAULT_RISK_MODEL.bands, ...withoutUndefined(bands ?? {}) },
    causes: { ...DEFAULT_RISK_MODEL.causes, ...withoutUndefined(causes ?? {}) },
    bans: { ...DEFAULT_RISK_MODEL.bans, ...withoutUndefined(bans ?? {}) },
  };
  const { challenge, slow_down: slowDown, refuse } = model.bands;
  if (challenge > slowDown || slowDown > refuse) throw invalid(name, "the bands must ascend");
  return model;
}

function readJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(name, "it is not JSON");
    throw error;
  }
}

function withoutUndefined<Value extends object>(value: Value): { [Key in keyof Value]: NonNullable<Value[Key]> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}

function invalid(name: string, why: string): Fault {
  return new Fault("CONFIG_INVALID", { internal: `RISK_WEIGHTS names ${JSON.stringify(name)}, but ${why}.` });
}
