/**
 * Addresses that lead a server to itself, to its neighbours or to its cloud's metadata, in the spellings that filters miss.
 *
 * Each is a family of its own. `leadsTo` is what a resolver would answer for its name, where it has one.
 */
export interface HostileUrl {
  readonly url: string;
  readonly leadsTo?: readonly string[];
}

const PUBLIC = "93.184.215.14";

export const HOSTILE_URLS: readonly HostileUrl[] = [
  { url: "https://127.0.0.1/" },
  { url: "https://127.1/" },
  { url: "https://0x7f.1/" },
  { url: "https://0x7f000001/" },
  { url: "https://2130706433/" },
  { url: "https://017700000001/" },
  { url: "https://0177.0.0.1/" },
  { url: "https://127.0.0.1.:443/" },
  { url: "https://１２７.0.0.1/" },
  { url: "https://127。0。0。1/" },
  { url: "https://0/" },
  { url: "https://0.0.0.0/" },
  { url: "https://10.0.0.8/" },
  { url: "https://172.31.255.255/" },
  { url: "https://192.168.1.1/" },
  { url: "https://169.254.169.254/latest/meta-data/" },
  { url: "https://0xa9fea9fe/" },
  { url: "https://100.100.100.200/" },
  { url: "https://198.18.0.1/" },
  { url: "https://192.0.2.1/" },
  { url: "https://224.0.0.1/" },
  { url: "https://255.255.255.255/" },
  { url: "https://[::1]/" },
  { url: "https://[::]/" },
  { url: "https://[0:0:0:0:0:0:0:1]/" },
  { url: "https://[::ffff:127.0.0.1]/" },
  { url: "https://[::ffff:169.254.169.254]/" },
  { url: "https://[::ffff:a9fe:a9fe]/" },
  { url: "https://[::127.0.0.1]/" },
  { url: "https://[64:ff9b::7f00:1]/" },
  { url: "https://[2002:7f00:1::]/" },
  { url: "https://[2001:0:7f00:1::1]/" },
  { url: "https://[fe80::1]/" },
  { url: "https://[fc00::1]/" },
  { url: "https://[fd00:ec2::254]/" },
  { url: "https://[ff02::1]/" },
  { url: "https://localhost/", leadsTo: ["127.0.0.1", "::1"] },
  { url: "https://localhost./", leadsTo: ["127.0.0.1"] },
  { url: "https://metadata.google.internal/", leadsTo: ["169.254.169.254"] },
  { url: "https://127.0.0.1.nip.example/", leadsTo: ["127.0.0.1"] },
  { url: "https://two-faces.example/", leadsTo: [PUBLIC, "10.0.0.1"] },
  { url: "https://mapped.example/", leadsTo: ["::ffff:10.0.0.1"] },
  { url: "https://zone.example/", leadsTo: ["fe80::1%eth0"] },
  { url: "https://nowhere.example/", leadsTo: [] },
  { url: "http://shop.example/", leadsTo: [PUBLIC] },
  { url: "https://shop.example:22/", leadsTo: [PUBLIC] },
  { url: "https://shop.example:6379/", leadsTo: [PUBLIC] },
  { url: "https://shop.example:80/", leadsTo: [PUBLIC] },
  { url: "https://user:password@shop.example/", leadsTo: [PUBLIC] },
  { url: "https://shop.example@127.0.0.1/" },
  { url: "https://shop.example#@127.0.0.1/", leadsTo: [PUBLIC] },
  { url: "ftp://shop.example/", leadsTo: [PUBLIC] },
  { url: "file:///etc/passwd" },
  { url: "gopher://127.0.0.1:6379/_FLUSHALL" },
  { url: "data:text/plain,x" },
  { url: "//127.0.0.1/" },
  { url: "https:/127.0.0.1/" },
  { url: "https://" },
  { url: "" },
  { url: `https://shop.example/${"x".repeat(2_048)}`, leadsTo: [PUBLIC] },
];
