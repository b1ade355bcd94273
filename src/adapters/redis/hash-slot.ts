/**
 * The hash slot of a Cluster that a hash tag falls into: CRC-16/XMODEM modulo 16,384, as the Cluster specification says.
 */
export const HASH_SLOTS = 16_384;

const POLYNOMIAL = 0x1021;
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 0x8000 ? (sum << 1) ^ POLYNOMIAL : sum << 1;
  return sum & 0xffff;
});

/** The slot of what stands between the braces of a key. ASCII only, as all our ids are. */
export function hashSlot(tag: string): number {
  let sum = 0;
  for (let at = 0; at < tag.length; at += 1) {
    sum = ((sum << 8) ^ (TABLE[((sum >> 8) ^ tag.charCodeAt(at)) & 0xff] ?? 0)) & 0xffff;
  }
  return sum % HASH_SLOTS;
}
