/** How far an IP address reaches: what may be asked for depends on it. */
import { BlockList, isIP } from "node:net";

/** "reserved": link-local, unspecified, multicast, documentation …: nothing that serves models, much that should not be asked. */
export type Zone = "loopback" | "private" | "reserved" | "public";

const zones: readonly (readonly [Exclude<Zone, "public">, BlockList])[] = [
  ["loopback", subnets("127.0.0.0/8", "::1/128")],
  ["private", subnets("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")],
  [
    "reserved",
    // IANA's special-purpose registries; 169.254.169.254 is where clouds hand out credentials.
    subnets(
      ...["0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24"],
      ...["203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "fe80::/10", "fec0::/10", "ff00::/8"],
      ...["100::/64", "2001:db8::/32", "2002::/16", "2001::/32"],
    ),
  ],
];

/** The zone of an IPv4 or IPv6 address, without brackets; what is no address is "reserved". */
export function zoneOf(address: string): Zone {
  const family = isIP(address);
  if (family === 0) return "reserved";
  const inner = family === 6 ? embeddedIPv4(address) : undefined;
  if (inner !== undefined) return zoneOf(inner);
  return zones.find(([, list]) => list.check(address, family === 4 ? "ipv4" : "ipv6"))?.[0] ?? "public";
}

/** The IPv4 address that a NAT64 address (64:ff9b::/96, RFC 6052) stands for; BlockList knows IPv4-mapped ones by itself. */
function embeddedIPv4(address: string): string | undefined {
  // The URL parser writes every spelling of an address the one canonical way.
  const canonical = new URL(`http://[${address.replace(/%.*$/, "")}]/`).hostname.slice(1, -1);
  const [, high, low] = /^64:ff9b::(?:([\da-f]{1,4}):)?([\da-f]{1,4})$/.exec(canonical) ?? [];
  if (low === undefined) return undefined;
  const value = Number.parseInt(high ?? "0", 16) * 65536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

function subnets(...ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits] = range.split("/");
    list.addSubnet(network, Number(bits), network.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}
