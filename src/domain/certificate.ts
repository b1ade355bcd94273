/**
 * The capacity certificate: what a deployment was measured to decide, and how far that reaches for a crowd.
 *
 * A document of plain numbers under the deployment's own code, so that nobody can write a better one by hand. The code covers the
 * members in alphabetical order: a file that was formatted anew is still the same certificate. What the numbers mean on
 * another day is for people: the settings' fingerprint says whether they are still those of the rehearsal.
 */

export const CERTIFICATE_FORMAT = "doorbuster/certificate/v1";

/** Who is the first to have no more to give. */
export type Limit =
  | "api processor"
  | "worker processor"
  | "redis"
  | "postgres"
  /** The load came from a process that had no more itself: the deployment may be able to do more. */
  | "generator"
  /** A RATE_… setting. */
  | "limits"
  /** Nothing: the rehearsal's time was over before anything gave way. */
  | "time"
  /** No processor was busy that could be looked at. */
  | "unknown";

/** The highest rate that was kept, and what was in the way of more. */
export interface MeasuredRate {
  readonly ratePerS: number;
  readonly latencyMsP99: number;
  /** The lowest rate above it that was not kept, be it tried but once; null = there was none. */
  readonly missedPerS: number | null;
  readonly limitedBy: Limit;
  /** Why that is said, in a sentence. */
  readonly because: string;
  /** Processor time of one decision by process, in microseconds; null where none could be looked at. */
  readonly cpuUsPerDecision: Readonly<Record<string, number>> | null;
}

/** A crowd that is expected, and how it compares. */
export interface CrowdReading {
  readonly saleId: string | null;
  readonly buyers: number;
  /** Units of the sale; null = not known, and everybody in the busiest second is taken to be served. */
  readonly stock: number | null;
  /** The share of the crowd that comes in its busiest second. */
  readonly busiestSecondShare: number;
  readonly headroom: number;
  /** How that was computed, with the numbers. */
  readonly how: string;
}

export interface CapacityCertificate {
  readonly format: typeof CERTIFICATE_FORMAT;
  /** The rehearsal's. */
  readonly id: string;
  readonly deployment: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly mode: "solo" | "postgres" | "redis";
  /** Processes that answered buyers or worked, as far as they report. */
  readonly nodes: number;
  /** Stands for the settings, secrets left out. */
  readonly settings: string;
  /** The bound that p99 of decisions had to keep. */
  readonly latencyMsMax: number;
  /** Decisions when the stock has gone, and everybody is told so: as measured, also where that is below `acceptsPerS`. */
  readonly decidesPerS: number;
  /** Decisions while everybody is served. */
  readonly acceptsPerS: number;
  /** The larger p99 of the two. */
  readonly p99Ms: number;
  readonly limitedBy: Limit;
  readonly accepts: MeasuredRate;
  /** Null only where there was no time left to try any: `decidesPerS` is then `acceptsPerS`. */
  readonly refuses: MeasuredRate | null;
  readonly crowd: CrowdReading | null;
}

/** A certificate and the deployment's code for it. */
export interface SignedCertificate {
  readonly certificate: CapacityCertificate;
  readonly signature: string;
}

/** What signs and recognises: one of the deployment's own keys. */
export interface CertificateKey {
  sign(message: string): string;
  verify(message: string, code: string): boolean;
}

/** Puts the deployment's code under a certificate. */
export function signCertificate(key: CertificateKey, certificate: CapacityCertificate): SignedCertificate {
  return { certificate, signature: key.sign(messageOf(certificate)) };
}

/** The certificate in a parsed document when it is one, and exactly what the deployment signed; else null. */
export function readCertificate(key: CertificateKey, document: unknown): CapacityCertificate | null {
  if (!isObject(document) || Object.keys(document).sort().join() !== "certificate,signature") return null;
  const { certificate, signature } = document;
  if (!isObject(certificate) || typeof signature !== "string" || certificate["format"] !== CERTIFICATE_FORMAT)
    return null;
  // What was signed was one of ours: its form needs no second look.
  return key.verify(messageOf(certificate), signature) ? (certificate as unknown as CapacityCertificate) : null;
}

function messageOf(certificate: object): string {
  return `${CERTIFICATE_FORMAT}\n${sortedJson(certificate)}`;
}

/** JSON with the members of every object in alphabetical order. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${sortedJson(value[name])}`);
  return `{${members.join(",")}}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
