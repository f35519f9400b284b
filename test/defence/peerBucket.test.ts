/** B4, second half: an established peer can be given its own token bucket, charged before any decryption. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Trust } from "../../src/index.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { makeEndpoint, pinned, readAll } from "../api/pair.ts"
import { simulated } from "../api/World.ts"
import { Duel, puppetAddress } from "../connection/Duel.ts"

describe("B4: the bucket of an established peer", () => {
  const limits = { peerPacketsPerSecond: 100, peerPacketsAtOnce: 20 }

  it("is charged before anything is decrypted, for forged packets as well", () => {
    const duel = new Duel({ victim: "server", limits }).shakeHands().advance(1_000_000)
    const { counters } = duel.connection.receiver
    const before = { ...counters }
    const genuine = Array.from({ length: 500 }, () => duel.puppet.packet(Level.OneRtt, writePing))
    for (const [n, datagram] of genuine.entries()) {
      if (n % 2 === 1) datagram[datagram.length - 1] ^= 1
      duel.endpoint.handleDatagram(datagram, puppetAddress, 0, duel.nowMicros)
    }
    expect(counters.received - before.received).toBe(10)
    expect(counters.undecryptable - before.undecryptable).toBe(10)
    expect(counters.overLimit).toBe(480)
    // a second later there is room for as many again
    duel.advance(1_000_000)
    for (let n = 0; n < 100; n++) duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
    expect(counters.received - before.received).toBe(10 + 20)
    expect(duel.connection.lifecycle.state).toBe("established")
  })

  it("is not there unless asked for, and never charged for a handshake", () => {
    const free = new Duel({ victim: "server" }).shakeHands()
    for (let n = 0; n < 900; n++) free.inject(free.puppet.packet(Level.OneRtt, writePing))
    expect(free.connection.receiver.counters).toMatchObject({ overLimit: 0 })
    const strict = { peerPacketsPerSecond: 1, peerPacketsAtOnce: 1 }
    expect(new Duel({ victim: "server", limits: strict }).shakeHands().connection.lifecycle.state).toBe(
      "established"
    )
  })

  simulated.it("slows its peer down, loses nothing, and leaves the other peers alone", (world) =>
    Effect.gen(function* () {
      const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
      const server = yield* makeEndpoint(world.server, Trust.layerRawKeys([]), {
        limits: { peerPacketsPerSecond: 200, peerPacketsAtOnce: 20 },
        server: { alpn: ["test"], identity }
      })
      const over: Array<number> = []
      const received: Array<number> = []
      const serving = yield* Effect.forkScoped(
        server.serve((connection) =>
          Effect.gen(function* () {
            const bytes = yield* Effect.flatMap(connection.acceptUni, readAll)
            received.push(bytes.length)
            over.push(connection.stats.datagramsOverLimit)
          }).pipe(Effect.orDie)
        )
      )
      const send = (bytes: number) =>
        Effect.gen(function* () {
          const client = yield* makeEndpoint(world.client, pinned(identity))
          const { host, port } = server.localAddress
          const connection = yield* client.connect({ host, port, alpn: ["test"], serverName: "localhost" })
          const stream = yield* connection.openUni
          yield* stream.write(new Uint8Array(bytes))
          yield* stream.finish
          yield* stream.finished
        }).pipe(Effect.scoped)
      const greedy = yield* Effect.forkScoped(send(1_000_000))
      yield* Effect.sleep("500 millis")
      expect(received).toEqual([])
      yield* send(10_000)
      expect([received, over]).toEqual([[10_000], [0]])
      yield* Fiber.join(greedy)
      expect(received).toEqual([10_000, 1_000_000])
      expect(over[1]).toBeGreaterThan(50)
      yield* Fiber.interrupt(serving)
    })
  )
})
