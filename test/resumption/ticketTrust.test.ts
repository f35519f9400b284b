/** A ticket's peer may no longer be trusted: the verifier is asked before a ticket is used to send or read anything. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { describe, expect } from "vitest"
import {
  CertificateAlert,
  CertificateRejected,
  CertificateVerifier,
  type VerifyRequest
} from "../../src/capability/CertificateVerifier.ts"
import { TicketStore } from "../../src/capability/TicketStore.ts"
import { type Identity, QuicEndpoint, type QuicEndpointShape, type ServerOptions } from "../../src/index.ts"
import { defaults } from "../../src/Resumption.ts"
import { reasonOf, text } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { ask, DELAY_MILLIS, identity, to, visit, worldOfTwo } from "./worlds.ts"

/** A verifier with changeable answers that records its requests. */
class RecordingVerifier {
  readonly asked: Array<VerifyRequest> = []
  verdict: (request: VerifyRequest) => Effect.Effect<void, CertificateRejected> = () => Effect.void

  readonly layer = Layer.succeed(CertificateVerifier, {
    certificateTypes: ["x509", "rawPublicKey"],
    verify: (request) => {
      this.asked.push(request)
      return this.verdict(request)
    }
  })
}

const banned = Effect.fail(
  new CertificateRejected({ alert: CertificateAlert.certificateRevoked, reason: "banned since" })
)

const leafOf = ({ peer }: VerifyRequest): Uint8Array => (peer._tag === "x509" ? peer.chain[0] : peer.spki)

const scene = Effect.fnUntraced(function* (
  options: Partial<ServerOptions> = {},
  clientIdentity?: Identity.Identity
) {
  const world = yield* worldOfTwo
  const id = yield* yield* identity
  const shown = { identity: id }
  const atServer = new RecordingVerifier()
  const server = yield* QuicEndpoint.make({
    host: world.first.host,
    port: 4433,
    server: { alpn: ["test"], identity: () => shown.identity, earlyData: true, ...options }
  }).pipe(Effect.provide(Layer.merge(world.first.layer, atServer.layer)))
  /** What the server's application has read. */
  const read: Array<string> = []
  yield* Effect.forkScoped(
    server.serveStreams((stream) =>
      Effect.gen(function* () {
        for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read()) {
          read.push(new TextDecoder().decode(bytes))
          yield* stream.write(bytes)
        }
        yield* stream.finish
      }).pipe(Effect.ignore)
    )
  )
  // shared by all clients
  const store = defaults.store()
  const verifier = new RecordingVerifier()
  const makeClient = (whom: RecordingVerifier) =>
    QuicEndpoint.make({ host: world.client.host }).pipe(
      Effect.provide(Layer.mergeAll(world.client.layer, whom.layer, Layer.succeed(TicketStore, store)))
    )
  const client = yield* makeClient(verifier)
  yield* visit(client, to(server, clientIdentity && { identity: clientIdentity }))
  const flight: Array<Uint8Array> = []
  world.cable.forward.rewrite = (packet) => {
    // records only long headers; packets with short ones belong to the first visit
    if (packet.bytes[0] >= 0x80) flight.push(packet.bytes.slice())
    return packet
  }
  return { id, shown, server, read, atServer, verifier, client, makeClient, flight }
})

const early = (server: QuicEndpointShape) => to(server, { earlyData: true })

/** Version 1 packets of type 0-RTT. */
const earlyPackets = (flight: ReadonlyArray<Uint8Array>) =>
  flight.filter((bytes) => (bytes[0] & 0xf0) === 0xd0)

describe("a client with a ticket", () => {
  itSim("asks about its server before a byte leaves, and not again", () =>
    Effect.gen(function* () {
      const { server, verifier, client, flight, id } = yield* scene()
      verifier.asked.length = 0
      verifier.verdict = () => {
        expect(flight).toEqual([])
        return Effect.void
      }
      const connection = yield* client.connect(early(server))
      expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
      expect(verifier.asked).toHaveLength(1)
      expect(verifier.asked[0]).toMatchObject({ role: "server", serverName: "localhost" })
      expect(leafOf(verifier.asked[0])).toEqual(id.chain[0])
      // the tap does see 0-RTT packets, whose absence later tests check
      expect(earlyPackets(flight).length).toBeGreaterThan(0)
    })
  )

  itSim("sends no 0-RTT data to a server that was banned since, and no ticket", () =>
    Effect.gen(function* () {
      const { server, verifier, client, flight } = yield* scene()
      verifier.verdict = () => banned
      const reason = yield* reasonOf(
        Effect.flatMap(client.connect(early(server)), (connection) => ask(connection, text("secret")))
      )
      expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "local", alert: 44 })
      expect(earlyPackets(flight)).toEqual([])
      // one request about the ticket, one about the certificate in the full handshake
      expect(verifier.asked).toHaveLength(3)
    })
  )

  itSim("that another endpoint has got, with another verifier, is held to its own", () =>
    Effect.gen(function* () {
      const { server, makeClient, flight } = yield* scene()
      const strict = new RecordingVerifier()
      strict.verdict = () => banned
      const reason = yield* reasonOf(
        Effect.flatMap((yield* makeClient(strict)).connect(early(server)), (connection) =>
          ask(connection, text("secret"))
        )
      )
      expect(reason).toMatchObject({ _tag: "HandshakeRefused", alert: 44 })
      expect(earlyPackets(flight)).toEqual([])
    })
  )

  itSim(
    "goes through a full handshake when its server's certificate is too old, and the present one is not",
    () =>
      Effect.gen(function* () {
        const { server, verifier, client, flight, shown, id } = yield* scene()
        shown.identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
        const expired = new CertificateRejected({
          alert: CertificateAlert.certificateExpired,
          reason: "too old"
        })
        verifier.verdict = (request) =>
          Buffer.compare(leafOf(request), id.chain[0]) === 0 ? Effect.fail(expired) : Effect.void
        const connection = yield* client.connect(early(server))
        expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
        expect(connection.facts).toMatchObject({ resumed: false, earlyData: "none" })
        expect(earlyPackets(flight)).toEqual([])
      })
  )

  itSim("says nothing, not even a probe, while its verifier takes its time", () =>
    Effect.gen(function* () {
      const { server, verifier, client, flight } = yield* scene()
      verifier.verdict = () => {
        expect(flight).toEqual([])
        return Effect.sleep("3 seconds")
      }
      const begun = yield* Clock.currentTimeMillis
      const connection = yield* client.connect(early(server))
      expect((yield* Clock.currentTimeMillis) - begun).toBe(3_000)
      expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted" })
      expect((yield* Clock.currentTimeMillis) - begun).toBe(3_000 + 2 * DELAY_MILLIS)
    })
  )

  itSim("does not wait for ever for a verifier that says nothing", () =>
    Effect.gen(function* () {
      const { server, verifier, client, flight } = yield* scene()
      verifier.verdict = () => Effect.never
      const begun = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(client.connect(early(server)))
      expect(error.reason).toMatchObject({ _tag: "HandshakeTimeout", waitingFor: "verifier" })
      expect(error.message).toContain("the CertificateVerifier gave no verdict")
      expect((yield* Clock.currentTimeMillis) - begun).toBe(5_000)
      expect(flight).toEqual([])
      expect(yield* client.connectionCount).toBe(0)
    })
  )

  itSim("has it still, when interrupted while the verifier thinks", () =>
    Effect.gen(function* () {
      const { server, verifier, client, flight } = yield* scene()
      for (let i = 0; i < 5; i++) {
        verifier.verdict = () => Effect.never
        const fiber = yield* Effect.forkChild(Effect.scoped(client.connect(early(server))))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(fiber)
        expect(yield* Effect.map(Fiber.await(fiber), Exit.isFailure)).toBe(true)
      }
      expect(flight).toEqual([])
      verifier.verdict = () => Effect.void
      const connection = yield* client.connect(early(server))
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
    })
  )
})

describe("a server with a client's ticket", () => {
  const certified = Effect.gen(function* () {
    const own = yield* Effect.orDie(NodeIdentity.developmentCertificate())
    const all = yield* scene({ clientCertificate: "require" }, own)
    return { ...all, options: { ...early(all.server), identity: own } }
  })

  itSim("asks about the client before its 0-RTT data is read", () =>
    Effect.gen(function* () {
      const { client, options, atServer, read } = yield* certified
      atServer.asked.length = 0
      atServer.verdict = () =>
        Effect.andThen(
          Effect.sync(() => expect(read).toEqual([])),
          Effect.sleep("1 second")
        )
      const connection = yield* client.connect(options)
      expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
      expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "accepted", resumed: true })
      expect(atServer.asked).toHaveLength(1)
      expect(atServer.asked[0]).toMatchObject({ role: "client" })
      expect(leafOf(atServer.asked[0])).toEqual(options.identity.chain[0])
      expect(read).toEqual(["hello"])
    })
  )

  itSim("reads nothing of a client that was banned since", () =>
    Effect.gen(function* () {
      const { client, options, atServer, read } = yield* certified
      atServer.verdict = () => banned
      const connection = yield* client.connect(options)
      expect(connection.facts.earlyData).toBe("pending")
      const stream = yield* connection.openBidi
      yield* stream.write(text("let me in"))
      expect((yield* connection.closed).reason).toMatchObject({
        _tag: "HandshakeRefused",
        origin: "peer",
        alert: 44
      })
      expect(read).toEqual([])
    })
  )

  itSim(
    "goes through a full handshake when the ticket's certificate is too old, and takes what it was sent then",
    () =>
      Effect.gen(function* () {
        const { client, options, atServer, read } = yield* certified
        let asked = 0
        atServer.verdict = () => (++asked === 1 ? banned : Effect.void)
        const connection = yield* client.connect(options)
        expect((yield* ask(connection, text("hello"))).toString()).toBe("hello")
        expect(yield* connection.handshakeComplete).toMatchObject({ earlyData: "rejected", resumed: false })
        expect(read).toEqual(["hello"])
      })
  )
})
