/** The interop runner's handshake cases. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import type { SimConnection } from "../../layers/sim/SimNetwork.ts"
import type { SimPacket } from "../../layers/sim/SimPacket.ts"
import { Identity } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { pinned } from "../api/pair.ts"
import { both, get, KIB, MIB, patient, stage, timed } from "./hq.ts"

describe("longrtt", () => {
  itSim("a handshake over 750 ms each way repeats little and takes one round trip", () =>
    Effect.gen(function* () {
      const { cable, connect } = yield* stage({ delayMillis: 750 }, both(patient))
      const from = yield* Clock.currentTimeMillis
      const near = yield* connect
      const handshake = (yield* Clock.currentTimeMillis) - from
      const { entered: toServer } = cable.forward.counters
      const { entered: toClient } = cable.backward.counters
      expect(handshake).toBeGreaterThanOrEqual(1_500)
      expect(handshake).toBeLessThanOrEqual(1_600)
      // RFC 9002 allows one probe timeout before the first answer; a second would at most double it
      expect(toServer).toBeLessThanOrEqual(6)
      expect(toClient).toBeLessThanOrEqual(6)
      const transfer = yield* timed(get(near, KIB))
      expect(transfer).toBeGreaterThanOrEqual(1_500)
      expect(transfer).toBeLessThanOrEqual(1_600)
    })
  )
})

/** The largest ratio of bytes sent to bytes received by the server before it received a Handshake packet. */
const amplification = (cable: SimConnection) => {
  const seen = { toServer: 0, toClient: 0, most: 0, validated: false }
  cable.forward.rewrite = (packet: SimPacket) => {
    seen.toServer += packet.bytes.length
    // long header of type Handshake: RFC 9000 §17.2.4
    if ((packet.bytes[0] & 0xf0) === 0xe0) seen.validated = true
    return packet
  }
  cable.backward.rewrite = (packet: SimPacket) => {
    seen.toClient += packet.bytes.length
    if (!seen.validated) seen.most = Math.max(seen.most, seen.toClient / seen.toServer)
    return packet
  }
  return seen
}

describe("amplificationlimit", () => {
  /** Ten certificates where one would suffice. */
  const longChain = Effect.gen(function* () {
    const short = yield* NodeIdentity.developmentCertificate()
    const chain = Array.from({ length: 10 }, () => short.chain[0])
    return new Identity.Identity("x509", chain, short.spki, short.privateKey)
  })

  for (const [name, isLost] of [
    ["no packet of the client", () => false],
    ["the client's packets 2 to 7", (index: number) => index >= 1 && index < 7],
    ["the client's packets 2 to 11", (index: number) => index >= 1 && index < 11],
    ["the client's packets 1, 3 and 4", (index: number) => [0, 2, 3].includes(index)]
  ] as const)
    itSim(
      `a server with ten certificates sends three times what came, and is heard out, though ${name} is lost`,
      () =>
        Effect.gen(function* () {
          const identity = yield* longChain
          const options = both(patient, {
            server: { identity, transport: patient },
            clientTrust: pinned(identity)
          })
          const { cable, connect } = yield* stage({ delayMillis: 15, bitsPerSecond: 10e6 }, options)
          const seen = amplification(cable)
          cable.forward.dropIf = (_, index) => isLost(index)
          const near = yield* connect
          expect(seen.toClient).toBeGreaterThan(3_600)
          expect(seen.most).toBeLessThanOrEqual(3)
          yield* get(near, 5 * KIB)
        })
    )
})

describe("handshakeloss and handshakecorruption", () => {
  const connections = 50
  for (const [name, link] of [
    ["lost", { lossRate: 0.3 }],
    ["corrupted", { corruptRate: 0.3 }]
  ] as const)
    itSim(`${connections} connections one after another each fetch 1 KiB where 30 % is ${name}`, () =>
      Effect.gen(function* () {
        const { connect } = yield* stage({ delayMillis: 15, bitsPerSecond: 10e6, ...link }, both(patient))
        const times: Array<number> = []
        for (let i = 0; i < connections; i++)
          times.push(yield* timed(Effect.scoped(Effect.flatMap(connect, (near) => get(near, KIB)))))
        times.sort((a, b) => a - b)
        expect(times[connections / 2]).toBeLessThan(5_000)
      })
    )
})

describe("chacha20", () => {
  itSim("1 MiB arrives where both speak ChaCha20-Poly1305 and nothing else", () =>
    Effect.gen(function* () {
      const only = { cipherSuites: ["chacha20-poly1305"] as const }
      const { connect } = yield* stage(
        { delayMillis: 15, bitsPerSecond: 10e6 },
        { client: only, server: only }
      )
      const near = yield* connect
      yield* get(near, MIB)
      expect(near.facts.cipherSuite).toBe("TLS_CHACHA20_POLY1305_SHA256")
    })
  )
})
