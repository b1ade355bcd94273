/**
 * Whether a body is the one its Content-Digest header speaks of (RFC 9530, sha-256 only).
 *
 * The signature covers the header, the header covers the body: only together do they prove that nobody changed it. A
 * header that names sha-256 twice, or in another spelling, could be read two ways and therefore matches nothing.
 */
import { hash } from "node:crypto";

const MEMBER = "sha-256=";

/**
 * "absent" without a header. A body of no bytes needs no header; whether a body may lack one is the caller's rule:
 * under a signature it may not.
 */
export function compareDigest(header: string | null, body: Uint8Array): "match" | "mismatch" | "absent" {
  if (header === null) return "absent";
  const members = header.split(",").map((member) => member.trim());
  const ours = members.filter((member) => member.startsWith(MEMBER));
  const [only] = ours;
  if (only === undefined || ours.length > 1) return "mismatch";
  return only === contentDigestOf(body) ? "match" : "mismatch";
}

/** The header of a body, as everybody writes it. */
export function contentDigestOf(body: Uint8Array): string {
  return `${MEMBER}:${hash("sha256", body, "base64")}:`;
}
