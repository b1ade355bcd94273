import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { deriveKeys } from "../funnel/3-identity/keys.ts";
import { type CapacityCertificate, CERTIFICATE_FORMAT, readCertificate, signCertificate } from "./certificate.ts";

const { certificate: key } = deriveKeys("the secret of the deployment");
const RATE = {
  latencyMsP99: 41.5,
  missedPerS: 1_000,
  because: "at 1000/s it used 0.97 cores",
  cpuUsPerDecision: { api: 900 },
};
const CERTIFICATE: CapacityCertificate = {
  format: CERTIFICATE_FORMAT,
  ...{
    id: "rehearsal-one",
    deployment: "5bc6465b09bc",
    version: "0.1.0",
    issuedAt: 1_800_000_000_000,
    mode: "redis",
    nodes: 3,
  },
  ...{ settings: "fingerprint", latencyMsMax: 250, decidesPerS: 9_000, acceptsPerS: 840, p99Ms: 41.5 },
  limitedBy: "api processor",
  accepts: { ...RATE, ratePerS: 840, limitedBy: "api processor" },
  refuses: { ...RATE, ratePerS: 9_000, limitedBy: "generator" },
  crowd: null,
};
const SIGNED = signCertificate(key, CERTIFICATE);

/** Every document that differs from the signed one in one leaf. */
function* tampered(document: unknown, path: readonly string[] = []): Generator<{ path: string; document: unknown }> {
  if (typeof document === "object" && document !== null) {
    for (const [name, value] of Object.entries(document)) {
      for (const one of tampered(value, [...path, name]))
        yield { path: one.path, document: { ...document, [name]: one.document } };
      const { [name]: _, ...rest } = document as Record<string, unknown>;
      yield { path: `without ${[...path, name].join(".")}`, document: rest };
    }
    yield { path: `${path.join(".")} and more`, document: { ...document, more: 1 } };
    return;
  }
  const other = typeof document === "number" ? document + 1 : `${String(document)}x`;
  yield { path: path.join("."), document: other };
  yield { path: `${path.join(".")} null`, document: document === null ? 0 : null };
}

describe("a certificate", () => {
  test("is read as it was signed, also from a file that was formatted anew or whose members were sorted otherwise", () => {
    expect(readCertificate(key, SIGNED)).toEqual(CERTIFICATE);
    expect(readCertificate(key, JSON.parse(JSON.stringify(SIGNED, null, 8)))).toEqual(CERTIFICATE);
    const reversed = Object.fromEntries(Object.entries(CERTIFICATE).reverse());
    expect(readCertificate(key, { signature: SIGNED.signature, certificate: reversed })).toEqual(CERTIFICATE);
  });

  test("with anything changed, left out or added is none", () => {
    const forgeries = [...tampered(SIGNED)];
    expect(forgeries.length).toBeGreaterThan(60);
    expect(forgeries.filter(({ document }) => readCertificate(key, document) !== null)).toEqual([]);
  });

  test("is none under another secret, and still one while the secret is being changed", () => {
    expect(readCertificate(deriveKeys("another secret").certificate, SIGNED)).toBeNull();
    const changing = deriveKeys("another secret", "the secret of the deployment");
    expect(readCertificate(changing.certificate, SIGNED)).toEqual(CERTIFICATE);
  });

  test("is not what any other key of the deployment signs", () => {
    for (const name of ["receipt", "session", "pass"] as const) {
      expect(
        readCertificate(key, signCertificate(deriveKeys("the secret of the deployment")[name], CERTIFICATE)),
      ).toBeNull();
    }
  });

  test("reading never throws, whatever the document", () => {
    fc.assert(fc.property(fc.jsonValue(), (document) => expect(readCertificate(key, document)).toBeNull()));
    for (const odd of [undefined, [], "", { certificate: [], signature: "" }])
      expect(readCertificate(key, odd)).toBeNull();
  });
});
