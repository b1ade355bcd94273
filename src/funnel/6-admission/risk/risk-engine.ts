/**
 * The risk of an attempt, computed where it is needed: from the session's own words and what this process saw lately.
 *
 * Everything lies in arrays made once, nothing is asked of anybody, and an attempt against which nothing is held
 * allocates nothing. Scores with the same causes are one object. Each process counts what comes to it and hears now and then
 * what the others counted; what the session was suspected of at its start travels in its token. An operator's exemption ends all of it for an account, device or network.
 */
import type { Refusal } from "../../../domain/refusals.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Ban } from "../../../ports/sale-store.ts";
import type { HmacKey } from "../../3-identity/hmac.ts";
import type { Session } from "../../3-identity/session-token.ts";
import type { AsnLookup } from "../../4-throttle/asn-table.ts";
import { type AddressedRequest, type ClientAddress, createClientAddress } from "../../4-throttle/client-address.ts";
import { hexOfWords, KeyedHash } from "../../keyed-hash.ts";
import type { HotRequest } from "../../request.ts";
import { DeviceBook } from "./device-book.ts";
import { DistinctCounts, type SharedCount } from "./distinct-counts.ts";
import { FadingCounts, type FadingKind } from "./fading-counts.ts";
import { Rhythm } from "./rhythm.ts";
import { type RiskAssessor, type RiskScore, UNSUSPECTED } from "./risk.ts";
import { RiskJournal, type RiskReport } from "./risk-journal.ts";
import {
  ATTEMPT_CAUSES,
  bandOf,
  clampScore,
  type RiskCause,
  type RiskModel,
  SUSPICION_CAUSE,
  stepOf,
  weightOf,
} from "./risk-model.ts";
import { deviceKeyOf, HANDHELD_TOLERANCE, isHandheld, type PageSignals, startCauses } from "./signals.ts";
import { SlowLane } from "./slow-lane.ts";
import { ToldWaits } from "./told-waits.ts";

/** Whose bans and exemptions are in force; the catalogue knows. */
export interface ExemptionList {
  isExempt(subject: RiskSubject, nowMs: number): boolean;
}

/** Whom a decision of an operator may be about. */
export interface RiskSubject {
  readonly buyerId: string;
  /** "" = unknown. */
  readonly device: string;
  /** The network as the throttle keys it. */
  readonly ipKey: string;
}

/** Somebody did something often enough that a ban should be thought about. */
export interface BanProposal {
  readonly kind: "buyer" | "device";
  readonly subject: string;
  readonly cause: FadingKind;
  readonly figure: number;
}

export interface RiskEngineParts {
  readonly model: RiskModel;
  readonly clock: Clock;
  /** Makes device keys: equal on all nodes. */
  readonly deviceKey: HmacKey;
  /** Names networks in reports: equal on all nodes. */
  readonly sharedHash: { readonly word0: number; readonly word1: number };
  readonly trustedProxies: readonly string[];
  /** Knows the autonomous system of an address; absent or null = nobody does. */
  readonly asns?: AsnLookup | null;
  /** False where all buyers seem to come from one address: then an address says nothing. */
  readonly countsNetworks: boolean;
  /** The header in which a trusted proxy writes the time zone of the address; null = nobody does. */
  readonly timeZoneHeader?: string | null;
  readonly exemptions?: ExemptionList;
  /** Must not wait or throw. */
  readonly propose?: (proposal: BanProposal) => void;
}

/** What processes tell each other, under hashes that all of them know. */
export interface SharedCounts {
  readonly device: readonly SharedCount[];
  readonly agent: readonly SharedCount[];
  readonly network: readonly SharedCount[];
  readonly system: readonly SharedCount[];
}

/** What a session gets into its token. */
export interface SessionRisk {
  readonly device: string;
  readonly suspicion: number;
}

/** Keys that each table remembers; some ten megabytes together. */
const ENTRIES_MAX = 32_768;
const NETWORK_SAMPLE = 16;
/** Of an agent in an autonomous system. */
const SYSTEMS_MAX = 8_192;
/** Keys with fewer accounts than this are nobody else's business; about as many as the first step needs. */
const SHARED_BITS_MIN = 4;
/** Of each table; 64 bytes each. */
const SHARED_KEYS_MAX = 256;
const DAY_MS = 86_400_000;
const SCORES_MAX = 4_096;
/** A device has to do worse than an account by this much: several people may share its key. */
export const DEVICE_TOLERANCE = 4;

export class RiskEngine implements RiskAssessor {
  readonly #parts: RiskEngineParts;
  readonly #clientAddress: ClientAddress;
  readonly #account: KeyedHash;
  readonly #device: KeyedHash;
  readonly #network: KeyedHash;
  readonly #agent: KeyedHash;
  readonly #system: KeyedHash;
  /** Of the attempt that is looked at. */
  #isInSystem = false;
  readonly #onDevice: DistinctCounts;
  readonly #onAgent: DistinctCounts;
  readonly #onNetwork: DistinctCounts;
  readonly #onSystem: DistinctCounts;
  readonly #held: FadingCounts;
  readonly #rhythm = new Rhythm({ entriesMax: ENTRIES_MAX });
  readonly #lane: SlowLane;
  readonly #devices = new DeviceBook({ entriesMax: ENTRIES_MAX });
  readonly #told = new ToldWaits({ entriesMax: ENTRIES_MAX });
  readonly #journal = new RiskJournal();
  readonly #scores = new Map<number, RiskScore>();
  #learnt: readonly Ban[] = [];
  #coolDowns: ReadonlySet<string> = new Set();

  constructor(parts: RiskEngineParts) {
    const { model } = parts;
    this.#parts = parts;
    this.#clientAddress = createClientAddress(parts.trustedProxies);
    this.#account = new KeyedHash(parts.sharedHash);
    this.#device = new KeyedHash(parts.sharedHash);
    this.#network = new KeyedHash(parts.sharedHash);
    this.#agent = new KeyedHash(parts.sharedHash);
    this.#system = new KeyedHash(parts.sharedHash);
    const counts = { entriesMax: ENTRIES_MAX, windowMs: model.windowMs };
    this.#onDevice = new DistinctCounts(counts);
    this.#onAgent = new DistinctCounts(counts);
    this.#onNetwork = new DistinctCounts({ ...counts, sampleEvery: NETWORK_SAMPLE });
    this.#onSystem = new DistinctCounts({ ...counts, entriesMax: SYSTEMS_MAX, sampleEvery: NETWORK_SAMPLE });
    this.#held = new FadingCounts({ entriesMax: ENTRIES_MAX, halfLifeMs: model.halfLifeMs });
    this.#lane = new SlowLane({ entriesMax: ENTRIES_MAX, distanceMs: model.slowDownMs });
  }

  /** Looks at a session that begins. `signals` null = no page told any. */
  beginSession(start: { request: AddressedRequest; signals: PageSignals | null; buyerId: string }): SessionRisk {
    const { clock, model, deviceKey, timeZoneHeader } = this.#parts;
    const { request, signals } = start;
    const networkKey = this.#clientAddress(request);
    const agent = request.header("user-agent") ?? "";
    const addressTimeZone = timeZoneHeader == null ? null : request.header(timeZoneHeader);
    const origin = { networkKey, agent, addressTimeZone };
    const causes = startCauses(signals, origin, clock.nowMs());
    const device = signals === null ? "" : deviceKeyOf(deviceKey, signals, origin);
    const sum = causes.reduce((total, cause) => total + weightOf(model, cause, stepOf(model, cause, 1)), 0);
    // A farm that makes its accounts before the opening is known by the time it begins.
    this.#hash({ buyerId: start.buyerId, device }, networkKey, agent);
    this.#countAccount(device, clock.monotonicMs());
    return { device, suspicion: clampScore(sum) };
  }

  assess(attempt: { session: Session; request: HotRequest }): RiskScore {
    const { session, request } = attempt;
    const { clock, exemptions } = this.#parts;
    const ipKey = this.#clientAddress(request);
    const wallMs = clock.nowMs();
    const { buyerId, device } = session;
    if (exemptions?.isExempt({ buyerId, device, ipKey }, wallMs) === true) return UNSUSPECTED;
    this.#hash(session, ipKey, request.header("user-agent") ?? "");
    if (device !== "") this.#devices.note(this.#account, this.#device, clock.monotonicMs());
    const score = this.#scoreNamed(this.#grade(session, clock.monotonicMs(), wallMs));
    this.#journal.note(score, { session, nowMs: wallMs, networkName: () => hexOfWords(this.#network) });
    return score;
  }

  /** For a score in the slow lane: 0 = this attempt gets through, else how long until one does. */
  slowDownMs(session: Session): number {
    // The key of a telephone is that of many people's, who must not wait for each other.
    const isShared = session.device === "" || isHandheld(session.device);
    const owner = isShared ? this.#account : this.#device;
    owner.update(isShared ? session.buyerId : session.device);
    return this.#lane.enter(owner, this.#parts.clock.monotonicMs());
  }

  refused(session: Session, refusal: Refusal): void {
    if (refusal.reason === "throttled") {
      this.#account.update(session.buyerId);
      const waitMs = refusal.retryAfterMs ?? 0;
      if (this.#told.tell(this.#account, waitMs, this.#parts.clock.monotonicMs())) this.note(session, "hammering");
    } else if (refusal.reason === "challenge_failed" && isHisFailure(refusal)) this.note(session, "failed_challenges");
  }

  /**
   * Learns from the bans in force who left holds unpaid since the last time. It is held against the account's device, too,
   * where the account came to this process: a new account costs nothing, a new device something.
   */
  learnBans(bans: readonly Ban[]): void {
    if (bans === this.#learnt) return;
    this.#learnt = bans;
    const coolDowns = new Set<string>();
    for (const { id, kind, subject, effect } of bans) {
      if (kind !== "buyer" || effect !== "cool_down") continue;
      coolDowns.add(id);
      if (!this.#coolDowns.has(id)) this.#noteDroppedHold(subject);
    }
    this.#coolDowns = coolDowns;
  }

  #noteDroppedHold(buyerId: string): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#account.update(buyerId);
    this.#held.add(this.#account, "dropped_holds", nowMs);
    const device = this.#devices.find(this.#account);
    if (device !== null) this.#held.add(device, "dropped_holds", nowMs);
  }

  /** Something that will be held against the account and its device. */
  note(session: { readonly buyerId: string; readonly device: string }, kind: FadingKind): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#account.update(session.buyerId);
    this.#noteOn(this.#account, { kind: "buyer", subject: session.buyerId, cause: kind }, nowMs);
    if (session.device === "") return;
    this.#device.update(session.device);
    this.#noteOn(this.#device, { kind: "device", subject: session.device, cause: kind }, nowMs);
  }

  /** The crowded keys that this process saw, for the others. */
  sharedCounts(): SharedCounts {
    const request = { bitsMin: SHARED_BITS_MIN, keysMax: SHARED_KEYS_MAX, nowMs: this.#parts.clock.monotonicMs() };
    return {
      device: this.#onDevice.crowded(request),
      agent: this.#onAgent.crowded(request),
      network: this.#onNetwork.crowded(request),
      system: this.#onSystem.crowded(request),
    };
  }

  /** What all other processes see now. */
  learnCounts(others: readonly SharedCounts[]): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#onDevice.learn(
      others.flatMap(({ device }) => device),
      nowMs,
    );
    this.#onAgent.learn(
      others.flatMap(({ agent }) => agent),
      nowMs,
    );
    this.#onNetwork.learn(
      others.flatMap(({ network }) => network),
      nowMs,
    );
    this.#onSystem.learn(
      others.flatMap(({ system }) => system),
      nowMs,
    );
  }

  report(): RiskReport {
    return this.#journal.report();
  }

  #noteOn(key: KeyedHash, subject: Omit<BanProposal, "figure">, nowMs: number): void {
    const { model, propose } = this.#parts;
    this.#held.add(key, subject.cause, nowMs);
    const from = model.bans[subject.cause] * (subject.kind === "device" ? DEVICE_TOLERANCE : 1);
    // The key of a telephone is that of many people's.
    if (from === 0 || propose === undefined || (subject.kind === "device" && isHandheld(subject.subject))) return;
    const figure = this.#held.readAt(this.#held.find(key), subject.cause, nowMs);
    if (figure >= from) propose({ ...subject, figure: Math.round(figure) });
  }

  #hash(session: { readonly buyerId: string; readonly device: string }, networkKey: string, agent: string): void {
    this.#account.update(session.buyerId);
    if (session.device !== "") this.#device.update(session.device);
    if (!this.#parts.countsNetworks) return;
    this.#network.update(networkKey);
    this.#agent.update(agent);
    const system = this.#parts.asns?.find(networkKey) ?? null;
    this.#isInSystem = system !== null;
    if (system !== null) {
      this.#system.update(system);
      mix(this.#system, this.#agent);
    }
    // The agent of this network and not of all the world's.
    mix(this.#agent, this.#network);
  }

  #countAccount(device: string, nowMs: number): void {
    if (device !== "") this.#onDevice.note(this.#device, this.#account, nowMs);
    if (!this.#parts.countsNetworks) return;
    this.#onAgent.note(this.#agent, this.#account, nowMs);
    this.#onNetwork.note(this.#network, this.#account, nowMs);
    if (this.#isInSystem) this.#onSystem.note(this.#system, this.#account, nowMs);
  }

  /** Everything that is held against the attempt, packed into one number; see {@link #scoreNamed}. */
  #grade(session: Session, nowMs: number, wallMs: number): number {
    const { countsNetworks } = this.#parts;
    const hasDevice = session.device !== "";
    const created = session.accountCreatedAt;
    const heldByAccount = this.#held.find(this.#account);
    const heldByDevice = hasDevice ? this.#held.find(this.#device) : -1;
    const held = (kind: FadingKind): number =>
      Math.max(
        this.#held.readAt(heldByAccount, kind, nowMs),
        this.#held.readAt(heldByDevice, kind, nowMs) / DEVICE_TOLERANCE,
      );
    const isQuiet = heldByAccount < 0 && heldByDevice < 0;
    return (
      session.suspicion +
      this.#pack("accounts_on_device", hasDevice ? this.#countOnDevice(session.device, nowMs) : 0) +
      this.#pack("accounts_on_agent", countsNetworks ? this.#onAgent.note(this.#agent, this.#account, nowMs) : 0) +
      this.#pack(
        "accounts_on_network",
        countsNetworks ? this.#onNetwork.note(this.#network, this.#account, nowMs) : 0,
      ) +
      this.#pack("accounts_on_system", this.#isInSystem ? this.#onSystem.note(this.#system, this.#account, nowMs) : 0) +
      this.#pack("young_account", created !== null && wallMs - created < DAY_MS ? 1 : 0) +
      this.#pack("rhythm", this.#rhythm.note(this.#account, nowMs)) +
      (isQuiet ? 0 : this.#pack("hammering", held("hammering"))) +
      (isQuiet ? 0 : this.#pack("failed_challenges", held("failed_challenges"))) +
      (isQuiet ? 0 : this.#pack("dropped_holds", held("dropped_holds")))
    );
  }

  #countOnDevice(device: string, nowMs: number): number {
    const accounts = this.#onDevice.note(this.#device, this.#account, nowMs);
    return isHandheld(device) ? accounts / HANDHELD_TOLERANCE : accounts;
  }

  #pack(cause: (typeof ATTEMPT_CAUSES)[number], figure: number): number {
    const step = figure === 0 ? 0 : stepOf(this.#parts.model, cause, figure);
    return step * PLACES[cause];
  }

  /** Equal causes are one object: a crowd of suspects costs no more memory than one. */
  #scoreNamed(name: number): RiskScore {
    if (name === 0) return UNSUSPECTED;
    const known = this.#scores.get(name);
    if (known !== undefined) return known;
    const score = this.#unpack(name);
    if (this.#scores.size >= SCORES_MAX) this.#scores.clear();
    this.#scores.set(name, score);
    return score;
  }

  #unpack(name: number): RiskScore {
    const { model } = this.#parts;
    const suspicion = name % SUSPICION_RANGE;
    const weights: { cause: string; weight: number }[] = [{ cause: SUSPICION_CAUSE, weight: suspicion }];
    for (const cause of ATTEMPT_CAUSES) {
      const step = Math.floor(name / PLACES[cause]) % STEP_RANGE;
      weights.push({ cause, weight: weightOf(model, cause, step) });
    }
    const counted = weights.filter(({ weight }) => weight > 0).sort((one, other) => other.weight - one.weight);
    const score = clampScore(counted.reduce((sum, { weight }) => sum + weight, 0));
    const causes = Object.freeze(counted.map(({ cause }) => cause));
    return Object.freeze({ score, band: bandOf(model, score), causes });
  }
}

/** Makes a hash one of two things together. */
function mix(hash: KeyedHash, other: KeyedHash): void {
  hash.high = (hash.high ^ Math.imul(other.low, 0x9e3779b1)) >>> 0;
  hash.low = (hash.low ^ Math.imul(other.high, 0x85ebca6b)) >>> 0;
}

/** A judge who is away and a challenge that ran out while somebody was slow are nobody's doing. */
function isHisFailure(refusal: Refusal): boolean {
  const cause = refusal.extra?.["cause"];
  return cause !== "unavailable" && cause !== "crowded" && cause !== "expired";
}

/** A name is the suspicion (0 to 100) and above it two bits a cause. */
const SUSPICION_RANGE = 128;
const STEP_RANGE = 4;
const PLACES = Object.fromEntries(
  ATTEMPT_CAUSES.map((cause, index) => [cause, SUSPICION_RANGE * STEP_RANGE ** index]),
) as Readonly<Record<RiskCause, number>>;
