/** The cheats of test/connection through the public API: each ends the connection with a typed error. */
import type { Role } from "../../src/wire/Role.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { writeVersionNegotiation } from "../../src/wire/versionPackets.ts"
import { writeHandshakeDone } from "../../src/wire/frameWriters.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { transportErrorName } from "../../src/wire/TransportError.ts"
import { cheats } from "../connection/cheats.ts"
import { rawIdentity } from "../connection/Duel.ts"
import { Puppet, type PuppetOptions } from "../connection/Puppet.ts"
import { itSim } from "../sim/itSim.ts"
import { reasonOf } from "./pair.ts"
import { LiveCryptoSuite } from "../io.ts"

const puppetHost = "10.0.0.1"
const victimHost = "10.0.0.2"

const stage = Effect.gen(function* () {
  const network = yield* SimNetwork
  const near = network.host("puppet", puppetHost)
  const far = network.host("victim", victimHost)
  network.connect(near, far, { delayMillis: 5 })
  const socket = yield* near.udpPort.bind({ host: puppetHost, port: 4433 })
  const surroundings = Layer.mergeAll(far.layer, LiveCryptoSuite.layer, Trust.layerAnyRawKey)
  return { socket, surroundings }
})

/** Keeps a puppet answering whoever sends to its socket; `answer` may respond in its place. */
const runPuppet = Effect.fnUntraced(function* (
  puppet: Puppet,
  socket: Effect.Success<typeof stage>["socket"],
  remote: { address: SocketAddress | undefined },
  answer?: (bytes: Uint8Array) => Uint8Array | undefined
) {
  const turn = Effect.sync(() => {
    socket.drain(100, ({ bytes, from }) => {
      remote.address = from
      const instead = answer?.(bytes)
      if (instead !== undefined) puppet.outbox.push(instead)
      else puppet.receive(bytes)
    })
    if (remote.address === undefined) return
    for (const datagram of puppet.outbox.splice(0))
      socket.send(datagram, 0, datagram.length, remote.address, 0)
    socket.flush()
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(turn, Effect.sleep("1 millis"))))
})

const puppetOf = (role: Role, options: Partial<PuppetOptions> = {}): Puppet => {
  const random = new SeededRandom("api puppet")
  return new Puppet({
    role,
    suite: LiveCryptoSuite.suite,
    random: random.bytes,
    identity: rawIdentity(random.fork("identity")),
    ...options
  })
}

/** A server of ours with a connected puppet client. */
const servePuppet = Effect.fnUntraced(function* (transport: object) {
  const { socket, surroundings } = yield* stage
  const identity = yield* Effect.provide(Identity.generateRawKey, surroundings)
  const server = yield* Effect.provide(
    QuicEndpoint.make({ host: victimHost, port: 4433, server: { alpn: ["test"], identity, transport } }),
    surroundings
  )
  const puppet = puppetOf("client")
  puppet.start()
  yield* runPuppet(puppet, socket, { address: { host: victimHost, port: 4433, family: 4 } })
  const connection = yield* server.accept
  yield* Effect.sleep("50 millis")
  return { puppet, connection, endpoint: server }
})

/** A client of ours connected to a puppet server. */
const visitPuppet = Effect.fnUntraced(function* (transport: object) {
  const { socket, surroundings } = yield* stage
  const client = yield* Effect.provide(QuicEndpoint.make({ host: victimHost }), surroundings)
  const puppet = puppetOf("server")
  yield* runPuppet(puppet, socket, { address: undefined })
  const connection = yield* client.connect({
    host: puppetHost,
    port: 4433,
    alpn: ["test"],
    serverName: "localhost",
    transport
  })
  yield* Effect.sleep("50 millis")
  puppet.send(Level.OneRtt, writeHandshakeDone)
  yield* Effect.sleep("50 millis")
  return { puppet, connection, endpoint: client }
})

for (const [victim, connect] of [
  ["client", visitPuppet],
  ["server", servePuppet]
] as const)
  describe(`the API of a ${victim} whose peer sends`, () => {
    for (const cheat of cheats.filter((cheat) => (cheat.victim ?? victim) === victim))
      itSim(`${cheat.name} says ${transportErrorName(cheat.code)}`, () =>
        Effect.gen(function* () {
          const { puppet, connection, endpoint } = yield* connect(cheat.transport ?? {})
          const waiting = yield* Effect.forkScoped(reasonOf(connection.acceptBidi))
          puppet.outbox.push(...cheat.act(puppet))
          const { reason } = yield* connection.closed
          expect(reason).toMatchObject(
            cheat.code >= 0x100
              ? { _tag: "HandshakeRefused", origin: "local", alert: cheat.code - 0x100 }
              : { _tag: "TransportClosed", origin: "local", code: cheat.code }
          )
          expect(reason.message).toContain("this side")
          // a pending operation may have obtained a stream first, which then fails like all later ones
          yield* Effect.sleep("20 millis")
          expect(yield* reasonOf(connection.openBidi)).toEqual(reason)
          yield* Effect.sync(() => waiting.interruptUnsafe())
          expect(puppet.seen.close).toMatchObject({ application: false, code: cheat.code })
          yield* Effect.sleep("5 seconds")
          expect(yield* endpoint.connectionCount).toBe(0)
        })
      )
  })

describe("the API of a client whose server", () => {
  itSim("forges its transport parameters says so", () =>
    Effect.gen(function* () {
      const { socket, surroundings } = yield* stage
      const client = yield* Effect.provide(QuicEndpoint.make({ host: victimHost }), surroundings)
      const puppet = puppetOf("server", {
        parameters: (honest) => ({ ...honest, originalDestinationConnectionId: new Uint8Array(8) })
      })
      yield* runPuppet(puppet, socket, { address: undefined })
      const reason = yield* reasonOf(
        client.connect({ host: puppetHost, port: 4433, alpn: ["test"], serverName: "localhost" })
      )
      expect(reason).toMatchObject({ _tag: "TransportClosed", origin: "local", code: 8 })
      expect(reason.message).toContain("original_destination_connection_id")
    })
  )

  itSim("speaks other versions says which", () =>
    Effect.gen(function* () {
      const { socket, surroundings } = yield* stage
      const client = yield* Effect.provide(QuicEndpoint.make({ host: victimHost }), surroundings)
      const header = new PacketHeader()
      yield* runPuppet(puppetOf("server"), socket, { address: undefined }, (bytes) => {
        parsePacketHeader(bytes, 0, bytes.length, 8, header)
        const theirs = bytes.slice(header.scidStart, header.scidEnd)
        const ours = bytes.slice(header.dcidStart, header.dcidEnd)
        return writeVersionNegotiation(theirs, ours, [0x709a50c4, 0xff00001d], (n) => new Uint8Array(n))
      })
      const reason = yield* reasonOf(
        client.connect({ host: puppetHost, port: 4433, alpn: ["test"], serverName: "localhost" })
      )
      expect(reason).toMatchObject({ _tag: "VersionMismatch", offered: [0x709a50c4, 0xff00001d] })
      expect(reason.message).toContain("0xff00001d")
      expect(yield* client.connectionCount).toBe(0)
    })
  )

  itSim("knows no RESET_STREAM_AT refuses such a reset, and keeps the stream", () =>
    Effect.gen(function* () {
      const { puppet, connection } = yield* visitPuppet({})
      const stream = yield* connection.openUni
      yield* stream.write(new Uint8Array(100))
      expect(yield* reasonOf(stream.reset(1, { deliver: 50 }))).toMatchObject({
        _tag: "ResetRefused",
        streamId: stream.id
      })
      yield* stream.reset(1)
      yield* Effect.sleep("50 millis")
      expect(puppet.seen.named("onResetStreamAt").length).toBe(0)
      expect(puppet.seen.named("onResetStream").length).toBe(1)
    })
  )

  itSim("lost its state says StatelessReset", () =>
    Effect.gen(function* () {
      const { puppet, connection, endpoint } = yield* visitPuppet({})
      const reset = new Uint8Array(50).fill(0x55)
      reset.fill(7, 50 - 16)
      puppet.outbox.push(reset)
      expect((yield* connection.closed).reason).toMatchObject({ _tag: "StatelessReset" })
      yield* Effect.sleep("5 seconds")
      expect(yield* endpoint.connectionCount).toBe(0)
    })
  )
})
