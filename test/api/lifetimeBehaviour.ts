/** How connections and endpoints start and end. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import type { QuicConnection } from "../../src/index.ts"
import {
  endpoints,
  makeEndpoint,
  pair,
  pattern,
  pinned,
  quietly,
  readAll,
  readText,
  reasonOf,
  silentPort,
  text
} from "./pair.ts"
import type { Universe } from "./World.ts"

export const lifetimeBehaviour = ({ it }: Universe): void => {
  describe("connections", () => {
    it("show the peer the code and reason they are closed with", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        yield* near.close(42, "enough")
        expect(yield* far.closed).toMatchObject({
          reason: { _tag: "ApplicationClosed", origin: "peer", code: 42, problem: "enough" }
        })
        expect(yield* near.closed).toMatchObject({
          reason: { _tag: "ApplicationClosed", origin: "local", code: 42, problem: "enough" }
        })
        expect(yield* reasonOf(near.openBidi)).toMatchObject({ _tag: "ApplicationClosed" })
        expect(yield* reasonOf(far.acceptBidi)).toMatchObject({ _tag: "ApplicationClosed" })
        // closing again changes nothing
        yield* near.close(43, "again")
        expect(yield* near.closed).toMatchObject({ reason: { code: 42 } })
      }))

    it("show nothing of the peer's reason that a terminal or a log would obey", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        yield* near.close(1, `\x1b[2Jroot#\n2026-01-01 forged\u202e${"a".repeat(900)}`)
        const { reason } = yield* far.closed
        expect(reason).toMatchObject({ problem: `\ufffd[2Jroot# 2026-01-01 forged\ufffd${"a".repeat(172)}…` })
      }))

    it("fail everything that waits when the peer closes", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { maxDatagramFrameBytes: 1200 } },
          server: { transport: { maxUnidirectionalStreams: 0 } }
        })
        const stream = yield* near.openBidi
        yield* stream.write(text("x"))
        const waiting = yield* Effect.forkScoped(
          Effect.all(
            [
              reasonOf(stream.read()),
              reasonOf(stream.finished),
              reasonOf(near.openUni),
              reasonOf(near.acceptBidi),
              reasonOf(near.acceptUni),
              reasonOf(near.receiveDatagram)
            ],
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.sleep("50 millis")
        yield* far.closeNow(7, "over")
        for (const reason of yield* Fiber.join(waiting))
          expect(reason).toMatchObject({ _tag: "ApplicationClosed", origin: "peer", code: 7 })
      }))

    it("deliver what was accepted before they close", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const sent = pattern(500_000)
        const stream = yield* near.openUni
        yield* stream.write(sent)
        yield* stream.finish
        const reading = yield* Effect.forkScoped(Effect.flatMap(far.acceptUni, readAll))
        yield* near.close(0, "done")
        expect(Buffer.compare(yield* Fiber.join(reading), sent)).toBe(0)
      }))

    it("give what they had received even after the peer has closed", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const sent = pattern(100_000)
        const stream = yield* near.openUni
        yield* stream.write(sent)
        yield* stream.finish
        yield* near.close(0, "all sent")
        expect((yield* far.closed).reason).toMatchObject({ problem: "all sent" })
        expect(Buffer.compare(yield* readAll(yield* far.acceptUni), sent)).toBe(0)
        expect(yield* reasonOf(far.acceptUni)).toMatchObject({ _tag: "ApplicationClosed" })
      }))

    it("close at once when a close that waits is interrupted", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { closeTimeout: 60_000 } },
          server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
        })
        const stream = yield* near.openUni
        yield* stream.write(new Uint8Array(50_000))
        const closing = yield* Effect.forkScoped(near.close(4, "in a hurry"))
        yield* Effect.sleep("50 millis")
        expect(yield* Effect.timeoutOption(far.closed, "50 millis")).toEqual(Option.none())
        yield* Fiber.interrupt(closing)
        expect((yield* far.closed).reason).toMatchObject({ code: 4, problem: "in a hurry" })
      }))

    it("live on when serving their streams is interrupted, which resets those being served", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const serving = yield* Effect.forkScoped(
          far.serveStreams((stream) => Effect.andThen(stream.write(text("working on it")), Effect.never))
        )
        const stream = yield* near.openBidi
        yield* stream.write(text("x"))
        yield* stream.read()
        yield* Fiber.interrupt(serving)
        expect(yield* reasonOf(readAll(stream))).toMatchObject({ _tag: "StreamReset", code: 0 })
        const other = yield* near.openUni
        yield* other.write(text("still there?"))
        yield* other.finish
        expect(yield* readText(yield* far.acceptUni)).toBe("still there?")
      }))

    it("close with what was accepted delivered when their scope succeeds", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world)
        const reading = yield* Effect.forkScoped(
          Effect.gen(function* () {
            const connection = yield* server.accept
            const all = yield* Effect.flatMap(connection.acceptUni, readText)
            return { all, end: yield* connection.closed }
          })
        )
        yield* Effect.gen(function* () {
          const connection = yield* client.connect(connectOptions)
          const stream = yield* connection.openUni
          yield* stream.write(text("last words"))
        }).pipe(Effect.scoped)
        const { all, end } = yield* Fiber.join(reading)
        expect(all).toBe("last words")
        expect(end.reason).toMatchObject({ _tag: "ApplicationClosed", origin: "peer", code: 0 })
      }))

    it("close at once when their scope fails", (world) =>
      Effect.gen(function* () {
        const { server, client, connectOptions } = yield* endpoints(world)
        const connected = yield* Deferred.make<QuicConnection>()
        yield* Effect.forkScoped(Effect.flatMap(server.accept, (far) => Deferred.succeed(connected, far)))
        yield* client
          .connect(connectOptions)
          .pipe(
            Effect.andThen(Deferred.await(connected)),
            Effect.andThen(Effect.fail("no")),
            Effect.scoped,
            Effect.ignore
          )
        const far = yield* Deferred.await(connected)
        expect((yield* far.closed).reason).toMatchObject({ _tag: "ApplicationClosed", code: 1 })
      }))

    it("give up delivering after the close timeout", (world) =>
      Effect.gen(function* () {
        const { near } = yield* pair(world, {
          client: { transport: { closeTimeout: 200 } },
          server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
        })
        const stream = yield* near.openUni
        yield* stream.write(new Uint8Array(100_000))
        const start = yield* Clock.currentTimeMillis
        yield* near.close(0, "anyway")
        const took = (yield* Clock.currentTimeMillis) - start
        expect(took).toBeGreaterThanOrEqual(195)
        expect(took).toBeLessThan(1_000)
      }))

    it("fall idle on both sides when nothing is said", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { maxIdleTimeout: 400 } }
        })
        const start = yield* Clock.currentTimeMillis
        const ends = yield* Effect.all([near.closed, far.closed], { concurrency: "unbounded" })
        expect(ends.map((end) => end.reason._tag)).toEqual(["IdleTimeout", "IdleTimeout"])
        const took = (yield* Clock.currentTimeMillis) - start
        expect(took).toBeGreaterThanOrEqual(350)
        expect(took).toBeLessThan(2_000)
      }))

    it("are kept alive by a keep-alive", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { maxIdleTimeout: 400, keepAliveInterval: 100 } },
          server: { transport: { maxIdleTimeout: 400 } }
        })
        const end = yield* Effect.race(near.closed, far.closed).pipe(Effect.timeoutOption("1500 millis"))
        expect(Option.isNone(end)).toBe(true)
      }))

    it("answer a ping", (world) =>
      Effect.gen(function* () {
        const { near } = yield* pair(world)
        yield* Effect.sleep("100 millis")
        const before = near.stats.datagramsReceived
        yield* near.ping
        yield* Effect.sleep("150 millis")
        expect(near.stats.datagramsReceived).toBeGreaterThan(before)
      }))

    it("move to version 2 when the client offers it", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: { transport: { versions: ["v1", "v2"] } } })
        expect([near.facts.version, far.facts.version]).toEqual(["v2", "v2"])
        const stream = yield* near.openUni
        yield* stream.write(text("in version 2"))
        yield* stream.finish
        expect(yield* readText(yield* far.acceptUni)).toBe("in version 2")
      }))

    it("begin again with a version both speak", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, {
          client: { transport: { versions: ["v2", "v1"] } },
          server: { transport: { versions: ["v1"] } }
        })
        expect([near.facts.version, far.facts.version]).toEqual(["v1", "v1"])
      }))

    it("fail with VersionMismatch when there is none", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world, {
          client: { transport: { versions: ["v2"] } },
          server: { transport: { versions: ["v1"] } }
        })
        expect(yield* reasonOf(client.connect(connectOptions))).toMatchObject({ _tag: "VersionMismatch" })
      }))

    it("tell what they were given: facts and statistics", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world, { client: { cipherSuites: ["aes-256-gcm"] } })
        expect(near.facts).toMatchObject({
          version: "v1",
          alpn: "test",
          serverName: "localhost",
          cipherSuite: "TLS_AES_256_GCM_SHA384",
          peer: { _tag: "x509" }
        })
        expect(far.facts).toMatchObject({ alpn: "test", serverName: "localhost", peer: undefined })
        const stream = yield* near.openUni
        yield* stream.write(new Uint8Array(10_000))
        yield* stream.finish
        yield* readAll(yield* far.acceptUni)
        expect(near.stats.bytesSent).toBeGreaterThan(10_000)
        expect(far.stats.bytesReceived).toBeGreaterThan(10_000)
        expect(near.stats.smoothedRttMillis).toBeGreaterThan(0)
      }))

    it("export keying material that both sides agree on, by label, context and length", (world) =>
      Effect.gen(function* () {
        for (const cipherSuites of [["aes-128-gcm"], ["aes-256-gcm"]] as const) {
          const { near, far } = yield* pair(world, { client: { cipherSuites } })
          const derive = (end: QuicConnection, label = "EXPORTER-test", context = "a", length = 42) =>
            Effect.map(end.exportKeyingMaterial(label, text(context), length), (bytes) =>
              Buffer.from(bytes).toString("hex")
            )
          const known = yield* derive(near)
          expect(known).toHaveLength(84)
          expect(yield* derive(far)).toBe(known)
          const others = [
            yield* derive(near, "EXPORTER-else"),
            yield* derive(near, "EXPORTER-test", "b"),
            yield* derive(near, "EXPORTER-test", ""),
            yield* derive(near, "EXPORTER-test", "a", 41)
          ]
          expect(new Set([known, ...others, known.slice(0, 82)]).size).toBe(6)
          expect(yield* derive(far, "x".repeat(249), "a".repeat(100_000), 8160)).toBe(
            yield* derive(near, "x".repeat(249), "a".repeat(100_000), 8160)
          )
          yield* near.close()
          expect(yield* derive(near)).toBe(known)
          // another connection derives other bytes
          const { near: again } = yield* pair(world, { client: { cipherSuites } })
          expect(yield* derive(again)).not.toBe(known)
        }
      }))

    it("change keys in the middle of a transfer", (world) =>
      Effect.gen(function* () {
        const { near, far } = yield* pair(world)
        const sent = pattern(2_000_000)
        const stream = yield* near.openUni
        yield* Effect.forkScoped(Effect.andThen(stream.write(sent), stream.finish))
        yield* Effect.sleep("20 millis")
        yield* near.updateKeys
        const reading = yield* Effect.forkScoped(Effect.flatMap(far.acceptUni, readAll))
        yield* Effect.sleep("20 millis")
        yield* far.updateKeys
        expect(Buffer.compare(yield* Fiber.join(reading), sent)).toBe(0)
        const ask = yield* near.openUni
        yield* ask.write(text("still in touch"))
        yield* ask.finish
        expect(yield* readText(yield* far.acceptUni)).toBe("still in touch")
        expect(near.stats.keyUpdates).toBeGreaterThanOrEqual(1)
        expect(far.stats.keyUpdates).toBe(near.stats.keyUpdates)
      }))
  })

  describe("connecting", () => {
    it("to a port where nobody answers fails after the handshake timeout, and leaves nothing", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world)
        const port = yield* silentPort(world)
        const start = yield* Clock.currentTimeMillis
        const reason = yield* reasonOf(
          client.connect({ ...connectOptions, port, transport: { handshakeTimeout: 300 } })
        )
        expect(reason).toMatchObject({
          _tag: "HandshakeTimeout",
          address: `${connectOptions.host}:${port}`,
          waitingFor: "peer"
        })
        const took = (yield* Clock.currentTimeMillis) - start
        expect(took).toBeGreaterThanOrEqual(295)
        expect(took).toBeLessThan(2_000)
        expect(yield* client.connectionCount).toBe(0)
      }))

    it("is refused without an application protocol in common", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        const reason = yield* reasonOf(client.connect({ ...connectOptions, alpn: ["other"] }))
        expect(reason).toMatchObject({ _tag: "HandshakeRefused", origin: "peer", alert: 120 })
        yield* eventually(client.connectionCount, 0)
        yield* eventually(server.connectionCount, 0)
      }))

    // RFC 9000 §5.2.2 #S3
    it("is refused when too many wait to be accepted", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world, {
          serverEndpoint: { limits: { acceptBacklog: 1 } }
        })
        const first = yield* client.connect(connectOptions)
        const end = yield* reasonOf(
          Effect.flatMap(client.connect(connectOptions), (second) =>
            Effect.flatMap(second.closed, Effect.fail)
          )
        )
        expect(end).toMatchObject({ _tag: "TransportClosed", origin: "peer", code: 2 })
        expect(yield* Effect.timeoutOption(first.closed, "100 millis")).toEqual(Option.none())
      }))

    it("can be interrupted, and leaves nothing", (world) =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(world)
        const port = yield* silentPort(world)
        const connecting = yield* Effect.forkScoped(
          Effect.scoped(client.connect({ ...connectOptions, port, transport: { handshakeTimeout: 60_000 } }))
        )
        yield* Effect.sleep("50 millis")
        expect(yield* client.connectionCount).toBe(1)
        yield* Fiber.interrupt(connecting)
        yield* eventually(client.connectionCount, 0)
      }))

    it("can be interrupted while the server thinks, which then forgets it", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        for (const millis of [1, 5, 11, 15, 21, 25]) {
          const connecting = yield* Effect.forkScoped(Effect.scoped(client.connect(connectOptions)))
          yield* Effect.sleep(millis)
          yield* Fiber.interrupt(connecting)
        }
        yield* eventually(client.connectionCount, 0)
        yield* eventually(server.connectionCount, 0)
      }))

    it("to an accepting endpoint that was interrupted loses nobody", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        const accepting = yield* Effect.forkScoped(Effect.scoped(server.accept))
        yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(accepting)
        const near = yield* client.connect(connectOptions)
        const far = yield* server.accept
        yield* near.close(9, "found you")
        expect((yield* far.closed).reason).toMatchObject({ code: 9 })
      }))

    it("a hundred times leaves nothing", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world, {
          serverEndpoint: { limits: { acceptBacklog: 2_000 } }
        })
        yield* Effect.forkScoped(server.serve((connection) => Effect.asVoid(connection.closed)))
        yield* Effect.forEach(
          Array.from({ length: 100 }),
          () => Effect.scoped(client.connect({ ...connectOptions, transport: { handshakeTimeout: 20_000 } })),
          { concurrency: 10 }
        )
        yield* eventually(client.connectionCount, 0)
        yield* eventually(server.connectionCount, 0)
      }))
  })

  describe("endpoints", () => {
    it("close what they hold, in bounded time, when their scope ends", (world) =>
      Effect.gen(function* () {
        const { server, connectOptions, identity } = yield* endpoints(world)
        const scope = yield* Scope.make()
        const client = yield* makeEndpoint(world.client, pinned(identity)).pipe(Scope.provide(scope))
        const near = yield* Scope.provide(client.connect(connectOptions), scope)
        const far = yield* server.accept
        const stream = yield* Scope.provide(near.openUni, scope)
        yield* stream.write(text("bye"))
        const start = yield* Clock.currentTimeMillis
        yield* Scope.close(scope, Exit.void)
        expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(3_500)
        expect(yield* readText(yield* far.acceptUni)).toBe("bye")
        expect((yield* far.closed).reason).toMatchObject({ _tag: "ApplicationClosed", origin: "peer" })
        expect((yield* near.closed).reason).toMatchObject({ _tag: "ApplicationClosed", origin: "local" })
        expect(yield* reasonOf(client.connect(connectOptions))).toMatchObject({ _tag: "EndpointClosed" })
      }))

    it("that close end what waits for them: connect and accept", (world) =>
      Effect.gen(function* () {
        const { connectOptions, identity } = yield* endpoints(world)
        const port = yield* silentPort(world)
        const scope = yield* Scope.make()
        const endpoint = yield* makeEndpoint(world.client, pinned(identity), {
          server: { alpn: ["test"], identity }
        }).pipe(Scope.provide(scope))
        const connecting = yield* Effect.forkScoped(
          reasonOf(endpoint.connect({ ...connectOptions, port, transport: { handshakeTimeout: 60_000 } }))
        )
        const accepting = yield* Effect.forkScoped(reasonOf(endpoint.accept))
        yield* Effect.sleep("50 millis")
        const start = yield* Clock.currentTimeMillis
        yield* Scope.close(scope, Exit.void)
        expect(["ApplicationClosed", "EndpointClosed"]).toContain((yield* Fiber.join(connecting))._tag)
        expect(yield* Fiber.join(accepting)).toMatchObject({ _tag: "EndpointClosed" })
        expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(1_000)
      }))

    it("close in bounded time though the peer has vanished", (world) =>
      Effect.gen(function* () {
        const { server, connectOptions, identity } = yield* endpoints(world)
        const scope = yield* Scope.make()
        const client = yield* makeEndpoint(world.client, pinned(identity)).pipe(Scope.provide(scope))
        const near = yield* Scope.provide(
          client.connect({ ...connectOptions, transport: { closeTimeout: 300 } }),
          scope
        )
        yield* server.accept
        world.cable?.set({ up: false })
        const stream = yield* Scope.provide(near.openUni, scope)
        yield* stream.write(new Uint8Array(5_000_000))
        const start = yield* Clock.currentTimeMillis
        yield* Scope.close(scope, Exit.void)
        expect((yield* Clock.currentTimeMillis) - start).toBeLessThan(1_500)
      }))

    it("survive a connection handler that fails or dies, and tell the peer", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        let served = 0
        yield* Effect.forkScoped(
          server.serve(() =>
            Effect.suspend(() => {
              served++
              if (served === 1) return Effect.fail("no")
              if (served === 2) return Effect.die(new Error("a defect in a connection handler"))
              return Effect.never
            })
          )
        )
        const first = yield* client.connect(connectOptions)
        expect((yield* first.closed).reason).toMatchObject({
          _tag: "ApplicationClosed",
          origin: "peer",
          code: 1
        })
        const second = yield* client.connect(connectOptions)
        expect((yield* second.closed).reason).toMatchObject({
          _tag: "TransportClosed",
          origin: "peer",
          code: 1
        })
        const third = yield* client.connect(connectOptions)
        expect(yield* Effect.timeoutOption(third.closed, "100 millis")).toEqual(Option.none())
      }).pipe(quietly))

    it("cannot share a port, and say so", (world) =>
      Effect.gen(function* () {
        const { server, identity } = yield* endpoints(world)
        const reason = yield* reasonOf(
          makeEndpoint(world.server, pinned(identity), { port: server.localAddress.port })
        )
        expect(reason).toMatchObject({ _tag: "BindFailed" })
        expect(reason.message).toContain(`${server.localAddress.port}`)
      }))

    it("run servers until they are interrupted, and then tell the clients", (world) =>
      Effect.gen(function* () {
        const { client, server, connectOptions } = yield* endpoints(world)
        const started = yield* Deferred.make<void>()
        const serving = yield* Effect.forkScoped(
          server.serve(() => Effect.andThen(Deferred.succeed(started, undefined), Effect.never))
        )
        const near = yield* client.connect(connectOptions)
        yield* Deferred.await(started)
        yield* Fiber.interrupt(serving)
        const end = yield* near.closed
        expect(end.reason).toMatchObject({ _tag: "ApplicationClosed", origin: "peer", code: 0 })
        const exit = yield* Fiber.await(serving)
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }))
  })
}

/** Waits up to ten seconds for a count to reach a value. */
const eventually = Effect.fnUntraced(function* (count: Effect.Effect<number>, wanted: number) {
  for (let i = 0; i < 200 && (yield* count) !== wanted; i++) yield* Effect.sleep("50 millis")
  expect(yield* count).toBe(wanted)
})
