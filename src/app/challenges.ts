/**
 * The challenges of a node: the kinds that it has, the desk that gives them out, and the gate that asks for them.
 */
import { CaptchaChallenge, type CaptchaProvider, captchaSources } from "../adapters/captcha/captcha-challenge.ts";
import { DrawingThread } from "../adapters/drawing-thread/drawing-thread.ts";
import { ArithmeticChallenge } from "../challenges/arithmetic.ts";
import { PictureAllowance, type SharedPictures } from "../challenges/picture-allowance.ts";
import { SlideChallenge } from "../challenges/slide.ts";
import { ChallengeDesk } from "../funnel/6-admission/challenge/challenge-desk.ts";
import { DemandingGate } from "../funnel/6-admission/challenge/demanding-gate.ts";
import { LoadLevel } from "../funnel/6-admission/challenge/load-level.ts";
import { bandOf } from "../funnel/6-admission/risk/risk-model.ts";
import { hexOfWords, KeyedHash } from "../funnel/keyed-hash.ts";
import type { WidgetSources } from "../http/security-headers.ts";
import type { ChallengeKind } from "../ports/challenge.ts";
import type { ProcessParts } from "./process-parts.ts";
import { readRiskModel } from "./risk-side.ts";

type ChallengeParts = Pick<ProcessParts, "config" | "clock" | "random" | "keys" | "edge" | "log">;

export interface ChallengeSide {
  readonly gate: DemandingGate;
  /** Begins to draw, where puzzles are drawn. */
  start(): void;
  stop(): Promise<void>;
}

/** Throws CONFIG_INVALID. One per node: the hot route and the routes ahead of it must know the same used challenges. */
export function createChallenges(parts: ChallengeParts): ChallengeSide {
  const { config, clock, random, keys, edge } = parts;
  const { kinds, thread } = createKinds(parts);
  const model = readRiskModel(config.riskWeights);
  const desk = new ChallengeDesk({
    keys,
    random,
    edge: edge?.state ?? null,
    kinds,
    primary: config.challengeKind,
    ttlMs: config.challengeTtlMs,
    clearanceMs: config.challengeClearanceMs,
  });
  const gate = new DemandingGate({
    desk,
    load: new LoadLevel({ ordinaryPerS: config.challengeLoadPerS }),
    keys,
    clock,
    bandOf: (score) => bandOf(model, score),
    baseDifficulty: config.challengeBits,
    difficultyMax: config.challengeBitsMax,
  });
  return { gate, start: () => thread?.start(), stop: async () => await thread?.stop() };
}

/** What the buyer's page must be allowed to load for the kind that is configured; null = nothing of others. */
export function widgetSourcesOf({
  challengeKind,
}: Pick<ProcessParts["config"], "challengeKind">): WidgetSources | null {
  return isCaptcha(challengeKind) ? captchaSources(challengeKind) : null;
}

/** Besides proof of work. Who asks for pictures also gets the simplest of them. */
function createKinds(parts: ChallengeParts): { kinds: readonly ChallengeKind[]; thread: DrawingThread | null } {
  const { config, clock, log, keys } = parts;
  const { challengeKind } = config;
  if (challengeKind === "pow") return { kinds: [], thread: null };
  if (isCaptcha(challengeKind)) return { kinds: [createCaptcha(parts, challengeKind)], thread: null };
  const drawings = new DrawingThread({ clock, log });
  const sealKeys = { current: keys.puzzleSeal, previous: keys.previous?.puzzleSeal ?? null };
  const drawn = { drawings, allowance: new PictureAllowance(sharedPictures(parts)), keys: sealKeys };
  const arithmetic = new ArithmeticChallenge(drawn);
  const kinds = challengeKind === "slide" ? [new SlideChallenge(drawn), arithmetic] : [arithmetic];
  return { kinds, thread: drawings };
}

/** Null where nodes share no edge. */
function sharedPictures({ edge, keys, log }: ChallengeParts): SharedPictures | null {
  if (edge === null) return null;
  const hash = new KeyedHash(keys.sharedHash);
  return {
    edge: edge.state,
    nameOf(sessionId) {
      hash.update(`pictures|${sessionId}`);
      return hexOfWords(hash);
    },
    onBug: (error) => log.error({ error }, "sharing what pictures were given failed by a bug"),
  };
}

function createCaptcha({ config, clock, log }: ChallengeParts, provider: CaptchaProvider): CaptchaChallenge {
  const host = config.publicUrl === null ? "" : new URL(config.publicUrl).hostname;
  return new CaptchaChallenge({
    provider,
    siteKey: config.captchaSiteKey ?? "",
    secret: config.captchaSecret ?? "",
    hostnames: new Set(config.captchaHostnames?.split(",") ?? [host]),
    ttlMs: config.challengeTtlMs,
    verifyUrl: config.captchaVerifyUrl,
    clock,
    log,
  });
}

function isCaptcha(kind: string): kind is CaptchaProvider {
  return kind === "turnstile" || kind === "hcaptcha";
}
