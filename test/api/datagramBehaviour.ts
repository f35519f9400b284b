/** Unreliable datagrams, and out-of-range options. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import type { ConnectOptions, EndpointOptions, TransportOptions } from "../../src/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { endpoints, pair, pattern, reasonOf, text } from "./pair.ts"
import type { Universe } from "./World.ts"

const datagrams = { transport: { maxDatagramFrameBytes: 65_535 } }

const wrongTransport: ReadonlyArray<readonly [TransportOptions, string]> = [
  [{ maxIdleTimeout: -1 }, "maxIdleTimeout"],
  [{ handshakeTimeout: 5 }, "handshakeTimeout"],
  [{ connectionWindowBytes: 1.5 }, "connectionWindowBytes"],
  [{ initialDatagramBytes: 1_199 }, "initialDatagramBytes"],
  [{ activeConnectionIdLimit: 1 }, "activeConnectionIdLimit"], // RFC 9000 §18.2 #6
  [{ congestion: "reno" as "newReno" }, "congestion"],
  [{ originalVersion: "v2" }, "originalVersion"], // a client supports only v1 by default
  [{ versions: ["v2"], originalVersion: "v1" }, "originalVersion"],
  [{ noSuchOption: 1 } as TransportOptions, "noSuchOption"]
]

const wrongConnect: ReadonlyArray<readonly [Partial<ConnectOptions>, string]> = [
  [{ port: 0 }, "port"],
  [{ port: 65_536 }, "port"],
  [{ host: "" }, "host"],
  [{ alpn: [] }, "alpn"],
  [{ alpn: [""] }, "alpn"],
  [{ groups: [] }, "groups"],
  [{ cipherSuites: ["rot13" as "aes-128-gcm"] }, "cipherSuites"],
  [{ serverName: "" }, "serverName"],
  [{ serverName: "two words" }, "serverName"],
  [{ serverName: "[::1]" }, "serverName"]
]

const wrongEndpoint: ReadonlyArray<readonly [EndpointOptions, string]> = [
  [{ port: 70_000 }, "port"],
  [{ connectionIdBytes: 0 }, "connectionIdBytes"], // RFC 9000 §5.1 #3
  [{ connectionIdBytes: 3 }, "connectionIdBytes"],
  [{ limits: { acceptBacklog: 0 } }, "limits.acceptBacklog"]
]

export const datagramBehaviour = ({ it }: Universe): void => {
  describe("datagrams", () => {
    it("go both ways", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams, server: datagrams })
        yield* near.sendDatagram(text("ping"))
        expect(yield* far.receiveDatagram).toEqual(text("ping"))
        yield* far.sendDatagram(text("pong"))
        expect(yield* near.receiveDatagram).toEqual(text("pong"))
      }))

    it("are told of when the peer has them, or when newer ones took their place", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { maxDatagramFrameBytes: 65_535, sendBufferBytes: 5_100 } },
          server: datagrams
        })
        expect(yield* near.deliverDatagram(text("kept"))).toBe("acknowledged")
        expect(yield* far.receiveDatagram).toEqual(text("kept"))
        const fates = yield* Effect.all(
          Array.from({ length: 10 }, () => near.deliverDatagram(new Uint8Array(1_000))),
          { concurrency: "unbounded" }
        )
        expect(fates.slice(-4)).toEqual(Array.from({ length: 4 }, () => "acknowledged"))
        expect(fates.filter((fate) => fate === "dropped").length).toBe(near.stats.sendDatagramsDropped)
        expect(near.stats.sendDatagramsDropped).toBeGreaterThan(0)
      }))

    it("that are asked about fail with their connection, and with an interrupt are asked about no longer", (world) =>
      Effect.gen(function* () {
        const { near, far, client } = yield* pair(world, { client: datagrams, server: datagrams })
        yield* Effect.timeoutOption(near.deliverDatagram(text("a")), 0)
        expect((yield* client.tree).connections[0].waiting).toBe(0)
        expect(yield* far.receiveDatagram).toEqual(text("a"))
        const asking = yield* Effect.forkChild(near.deliverDatagram(text("b")))
        yield* Effect.yieldNow
        yield* near.closeNow()
        expect(yield* reasonOf(Fiber.join(asking))).toMatchObject({ _tag: "ApplicationClosed" })
      }))

    it("can be as large as the path carries, and not a byte larger", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams, server: datagrams })
        const largest = pattern(near.maxDatagramPayloadBytes)
        expect(largest.length).toBeGreaterThan(1_100)
        yield* near.sendDatagram(largest)
        expect(yield* far.receiveDatagram).toEqual(largest)
        const reason = yield* reasonOf(near.sendDatagram(new Uint8Array(near.maxDatagramPayloadBytes + 1)))
        expect(reason._tag).toBe("DatagramRefused")
        expect(reason.message).toMatch(/the path carries \d+/)
      }))

    it("may be empty", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams, server: datagrams })
        yield* near.sendDatagram(new Uint8Array(0))
        expect((yield* far.receiveDatagram).length).toBe(0)
      }))

    it("are refused where the peer takes none", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams })
        expect(near.maxDatagramPayloadBytes).toBe(0)
        expect(yield* reasonOf(near.sendDatagram(text("x")))).toMatchObject({
          _tag: "DatagramRefused",
          problem: "the peer accepts no datagrams: its transport.maxDatagramFrameBytes is 0, the default"
        })
        expect(yield* reasonOf(far.receiveDatagram)).toMatchObject({
          _tag: "DatagramRefused",
          problem: "this side accepts no datagrams: its transport.maxDatagramFrameBytes is 0, the default"
        })
        // the other direction allows them
        yield* far.sendDatagram(text("y"))
        expect(yield* near.receiveDatagram).toEqual(text("y"))
      }))

    it("are not lost to a receiver that is interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams, server: datagrams })
        const receiving = yield* Effect.forkScoped(far.receiveDatagram)
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(receiving)
        yield* near.sendDatagram(text("for the next"))
        expect(yield* far.receiveDatagram).toEqual(text("for the next"))
      }))

    it("share the connection with streams", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: datagrams, server: datagrams })
        const stream = yield* near.openUni
        yield* stream.write(pattern(300_000))
        yield* stream.finish
        for (let i = 0; i < 20; i++) {
          yield* near.sendDatagram(Uint8Array.of(i))
          yield* Effect.sleep("2 millis")
        }
        const reading = yield* far.acceptUni
        let received = 0
        for (let chunk = yield* reading.read(); chunk !== undefined; chunk = yield* reading.read())
          received += chunk.length
        expect(received).toBe(300_000)
        expect((yield* far.receiveDatagram).length).toBe(1)
      }))
  })

  describe("options out of range", () => {
    it("of a transport name their field", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world)
        for (const [transport, field] of wrongTransport) {
          const reason = yield* reasonOf(client.connect({ ...connectOptions, transport }))
          expect(reason).toMatchObject({ _tag: "InvalidOption", field: `transport.${field}` })
          expect(reason.message.length).toBeGreaterThan(field.length + 15)
        }
        expect(yield* client.connectionCount).toBe(0)
      }))

    it("of a connect name their field", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world)
        for (const [options, field] of wrongConnect) {
          const reason = yield* reasonOf(client.connect({ ...connectOptions, ...options }))
          expect(reason._tag).toBe("InvalidOption")
          expect(reason).toMatchObject({ field: expect.stringMatching(new RegExp(`^${field}(\\.|$)`)) })
        }
      }))

    it("of an endpoint and of a server name their field", (world) =>
      Effect.gen(function* () {
        const { identity } = yield* endpoints(world)
        const make = (options: EndpointOptions) =>
          Effect.provide(
            QuicEndpoint.make({ host: world.server.host, ...options }),
            Layer.merge(world.server.layer, Trust.layerRawKeys([]))
          )
        for (const [options, field] of wrongEndpoint)
          expect(yield* reasonOf(make(options))).toMatchObject({ _tag: "InvalidOption", field })
        expect(yield* reasonOf(make({ server: { alpn: [], identity } }))).toMatchObject({
          _tag: "InvalidOption",
          field: "server.alpn"
        })
        expect(
          yield* reasonOf(make({ server: { alpn: ["x"], identity, transport: { maxAckDelay: 9_999 } } }))
        ).toMatchObject({ _tag: "InvalidOption", field: "server.transport.maxAckDelay" })
        expect(
          yield* reasonOf(make({ server: { alpn: ["x"], identity, transport: { originalVersion: "v1" } } }))
        ).toMatchObject({ _tag: "InvalidOption", field: "server.transport.originalVersion" })
      }))

    it("of a close name their field", (world) =>
      Effect.gen(function* () {
        const { near } = yield* pair(world)
        expect(yield* reasonOf(near.close(-1))).toMatchObject({ _tag: "InvalidOption", field: "code" })
        expect(yield* reasonOf(near.close(0.5))).toMatchObject({ _tag: "InvalidOption", field: "code" })
      }))
  })
}
