/**
 * PTB spoofing: ICMP messages that say that a packet was too large, by somebody who has seen none of them. The core is never
 * told of any; what the system makes of them must not stop a connection. RFC 9000 §14.2.1
 *
 * In the simulator, whose hosts treat ICMP as Linux does; `npm run netns -- --only "false MTU"` has a real kernel's.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { initialTtl } from "../../layers/sim/SimPacket.ts"
import { SimRuntime } from "../../layers/sim/index.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { pair } from "../api/pair.ts"
import { transfer } from "../migration/transfer.ts"
import type { Row } from "./Attack.ts"
import { bytesInUse, cpuMicros } from "./attackers.ts"
import { LiveCryptoSuite } from "../io.ts"

export const FORGED_TOO_BIG = "PTB spoofing below 1200"
const MEGABYTE = 1_000_000
/** All in one heap: both ends and the network between them. */
const MAX_BYTES_HELD = 5_000_000
/** Of a packet of the transfer, both ends and the network together. */
const MAX_MICROS = 1_000

/** A client, a server, and somebody else, all at one router. */
const world = Effect.gen(function* () {
  const network = yield* SimNetwork
  const core = network.router("core", "10.0.0.254", "fd00::fe")
  const place = (name: string, n: number) => {
    const host = network.host(name, `10.0.0.${n}`, `fd00::${n}`)
    for (const from of host.addresses)
      network.connect(host, core, { from, delayMillis: 5, bitsPerSecond: 20e6 })
    return host
  }
  const [client, server, attacker] = [place("client", 1), place("server", 2), place("attacker", 3)]
  /** Tells `victim` that one of its packets to `to` was larger than the next link's MTU. */
  const forge = (victim: SocketAddress, to: SocketAddress, mtu: number): void => {
    const isOf = (host: string) => host.includes(":") === (victim.family === 6)
    const from = { host: attacker.addresses.find(isOf)!, port: 0, family: victim.family }
    const [link] = attacker.links
    const datagram = { bytes: new Uint8Array(0), ecn: 0, dontFragment: false, ttl: initialTtl } as const
    link.carry({ ...datagram, from, to: victim, origin: "attacker", icmp: { from: victim, to, mtu } })
  }
  return { client, server, forge }
})

/** Milliseconds for a megabyte in each direction while both are lied to every 10 ms; the smallest datagrams meanwhile. */
export const lied = Effect.fnUntraced(function* (
  addresses: readonly [string, string],
  mtus: ReadonlyArray<number>,
  portOffset = 0
) {
  const { client, server, forge } = yield* world
  const ends = yield* pair({
    client: { host: addresses[0], layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
    server: { host: addresses[1], layer: Layer.merge(server.layer, LiveCryptoSuite.layer) },
    cable: undefined,
    clientHost: client
  })
  const { near, far } = ends
  // both have found the largest datagrams
  yield* transfer(ends, MEGABYTE)
  const [atClient, atServer] = [far.remoteAddress, near.remoteAddress]
  let smallest = Number.POSITIVE_INFINITY
  const lie = Effect.gen(function* () {
    for (let n = 0; ; n++) {
      const mtu = mtus[n % mtus.length]
      const elsewhere = (address: SocketAddress) => ({ ...address, port: address.port + portOffset })
      if (mtu !== undefined) forge(elsewhere(atClient), atServer, mtu)
      if (mtu !== undefined) forge(elsewhere(atServer), atClient, mtu)
      yield* Effect.sleep(10)
      smallest = Math.min(smallest, near.stats.datagramBytes, far.stats.datagramBytes)
    }
  })
  yield* Effect.forkScoped(lie)
  const begun = yield* Clock.currentTimeMillis
  yield* transfer(ends, MEGABYTE)
  const { packetsSent } = near.stats
  return {
    millis: (yield* Clock.currentTimeMillis) - begun,
    smallest,
    packets: packetsSent + far.stats.packetsSent
  }
})

/** The row of the attack. */
export async function* forgedTooBig(): AsyncGenerator<Row> {
  const before = { bytes: bytesInUse(), cpu: cpuMicros() }
  const attack = Effect.scoped(lied(["10.0.0.1", "10.0.0.2"], [68, 296, 552, 576, 1_000, 1_199, 1_227]))
  const { exit } = await SimRuntime.run(FORGED_TOO_BIG, attack)
  const { smallest, millis, packets } = await Effect.runPromise(exit)
  const cpuMicrosPerPacket = Math.round((10 * (cpuMicros() - before.cpu)) / packets) / 10
  const bytesHeld = Math.max(0, bytesInUse() - before.bytes)
  const reasons = [
    smallest < 1_200 && `datagrams shrank to ${smallest} bytes`,
    millis > 1_000 && `a megabyte each way took ${millis} ms`,
    bytesHeld > MAX_BYTES_HELD && `it holds more than ${MAX_BYTES_HELD} bytes`,
    cpuMicrosPerPacket > MAX_MICROS && `a packet costs more than ${MAX_MICROS} µs`
  ].filter((reason) => reason !== false)
  yield {
    attack: FORGED_TOO_BIG,
    reference: "CVE-2024-53259",
    where: "core",
    result: reasons.length === 0 ? "pass" : "fail",
    bytesHeld,
    cpuMicrosPerPacket,
    reason: reasons.join("; ")
  }
}
