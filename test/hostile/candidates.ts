/** Attacks by a peer with which NAT traversal and address discovery are negotiated. */
import { FrameType } from "../../src/wire/FrameType.ts"
import { writeAddressFrame, writeRemoveAddress } from "../../src/wire/frameWriters.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import type { PuppetOptions } from "../connection/Puppet.ts"
import type { Attack } from "./Attack.ts"
import { flood } from "./floods.ts"

const offering: Partial<PuppetOptions> = {
  parameters: (honest) => ({
    ...honest,
    initialMaxPathId: 2,
    maxRemoteNatTraversalAddresses: 60,
    addressDiscovery: 2
  })
}

/** All addresses of a network, and all ports of each. */
const somewhere = (n: number): SocketAddress => ({
  host: `203.0.113.${n & 0xff}`,
  port: 1024 + (n % 60_000),
  family: 4
})

/** What the probes of one connection may amount to at once, and in the second that this may take. */
const MOST_ASTRAY = 16_384 + 8_192

const base = { puppet: offering, closes: Code.PROTOCOL_VIOLATION } as const
const draft = "draft-bruynooghe-n0-quic-nat-traversal"

export const candidates: ReadonlyArray<Attack> = [
  {
    ...base,
    name: "ADD_ADDRESS of thousands of candidates",
    reference: draft,
    victim: "client",
    packets: flood(20, (w, n) => writeAddressFrame(w, FrameType.ADD_ADDRESS, n, somewhere(n))),
    mayStray: MOST_ASTRAY
  },
  {
    ...base,
    name: "ADD_ADDRESS and REMOVE_ADDRESS in turn",
    reference: draft,
    victim: "client",
    packets: flood(20, (w, n) => {
      if (n % 2 === 0) writeAddressFrame(w, FrameType.ADD_ADDRESS, n / 2, somewhere(n))
      else writeRemoveAddress(w, (n - 1) / 2)
    }),
    mayStray: MOST_ASTRAY
  },
  {
    ...base,
    name: "REACH_OUT to a whole network",
    reference: "RFC 9000 §21.5",
    packets: flood(20, (w, n) => writeAddressFrame(w, FrameType.REACH_OUT, 1, somewhere(n))),
    mayStray: MOST_ASTRAY
  },
  {
    ...base,
    name: "REACH_OUT of ever new rounds",
    reference: "RFC 9000 §21.5",
    packets: flood(20, (w, n) => writeAddressFrame(w, FrameType.REACH_OUT, n, somewhere(n))),
    mayStray: MOST_ASTRAY
  },
  {
    ...base,
    name: "ADD_ADDRESS from a client",
    reference: draft,
    packets: flood(1, (w, n) => writeAddressFrame(w, FrameType.ADD_ADDRESS, n, somewhere(n)))
  },
  {
    ...base,
    name: "REACH_OUT from a server",
    reference: draft,
    victim: "client",
    packets: flood(1, (w, n) => writeAddressFrame(w, FrameType.REACH_OUT, n, somewhere(n)))
  },
  {
    ...base,
    name: "OBSERVED_ADDRESS flood",
    reference: "draft-ietf-quic-address-discovery",
    packets: flood(40, (w, n) => writeAddressFrame(w, FrameType.OBSERVED_ADDRESS, n, somewhere(n)))
  }
]
