/** What the kernel does for each kind of NAT, as rules of nftables. */
import type { Kind } from "../../nat/matrix.ts"

/**
 * Not as many as a router has, but more than are in use at a time. The kernel does not count by itself: it keeps the port,
 * or draws one.
 */
const sequentialPorts = { first: 20_000, count: 2_048 }

interface Chains {
  /** Further parts of the table. */
  readonly sets?: string
  readonly prerouting?: string
  readonly postrouting: string
  readonly forward: string
}

const answersOnly = `iifname "wan" ct state established,related accept
    iifname "wan" drop`

/** Ports are kept, so what comes to one is for the same port of the host. */
const toHost = (host: string): string => `udp dport 1024-65535 dnat to ${host}`

const masquerade = `oifname "wan" masquerade`

const counted = (outside: string): string => {
  const { first, count } = sequentialPorts
  const ports = Array.from({ length: count }, (_, i) => `${i} : ${first + i}`).join(", ")
  return `oifname "wan" meta l4proto udp snat to ${outside} : numgen inc mod ${count} map { ${ports} }
    ${masquerade}`
}

const chainsOf = (kind: Kind, host: string, outside: string): Chains => {
  switch (kind) {
    case "none":
      return { postrouting: "", forward: "" }
    case "full-cone":
      return { prerouting: `iifname "wan" ${toHost(host)}`, postrouting: masquerade, forward: "" }
    case "address-restricted":
      return {
        sets: "set contacted { type ipv4_addr; flags dynamic,timeout; timeout 120s; }",
        prerouting: `iifname "wan" ip saddr @contacted ${toHost(host)}`,
        postrouting: masquerade,
        forward: `oifname "wan" update @contacted { ip daddr }
    ct status dnat accept
    ${answersOnly}`
      }
    case "port-restricted":
      return { postrouting: masquerade, forward: answersOnly }
    case "symmetric-sequential":
      return { postrouting: counted(outside), forward: answersOnly }
    case "symmetric-random":
      return { postrouting: `oifname "wan" masquerade fully-random`, forward: answersOnly }
    case "udp-blocked":
      return { postrouting: masquerade, forward: `meta l4proto udp drop\n    ${answersOnly}` }
  }
}

/**
 * The rules of a router between a host and `outside`, its address on the interface `wan`.
 *
 * What comes unasked is dropped before it is tracked: a flow that the kernel knows by an early packet of the other side
 * would not get the port that it keeps for the host.
 */
export const natRules = (kind: Kind, host: string, outside: string): string => {
  const { sets = "", prerouting = "", postrouting, forward } = chainsOf(kind, host, outside)
  return `flush ruleset
table ip nat {
  ${sets}
  chain inward {
    type nat hook prerouting priority dstnat
    ${prerouting}
  }
  chain outward {
    type nat hook postrouting priority srcnat
    ${postrouting}
  }
  chain unsolicited {
    type filter hook input priority filter
    ${answersOnly}
  }
  chain passing {
    type filter hook forward priority filter
    ${forward}
  }
}
`
}
