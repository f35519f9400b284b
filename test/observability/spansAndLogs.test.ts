/** Spans join the caller's, and logs say whom they are about. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { describe, expect, vi } from "vitest"
import { CertificateVerifier, formatAddress } from "../../src/index.ts"
import { endpoints, pair, readText, reasonOf, text } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

/** A tracing backend that keeps its spans. */
const backend = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer, named: (name: string) => spans.filter((span) => span.name === name) }
}

const parentOf = (span: Tracer.Span): string | undefined => Option.getOrUndefined(span.parent)?.spanId

interface Logged {
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

const listening = () => {
  const logged: Array<Logged> = []
  const logger = Logger.make(({ message, cause, fiber }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    logged.push({ text: `${String(message)} ${Cause.pretty(cause)}`, annotations })
  })
  return { logged, layer: Logger.layer([logger]) }
}

describe("B8 spans", () => {
  simulated.it("of connecting are children of the caller's, and those of handshakes theirs", (world) => {
    const { named, tracer } = backend()
    return Effect.gen(function* () {
      const { near } = yield* Effect.withSpan(pair(world), "caller")
      const [[caller], [connect], handshakes] = [
        named("caller"),
        named("quic.connect"),
        named("quic.handshake")
      ]
      expect(parentOf(connect)).toBe(caller.spanId)
      expect(handshakes.map(({ kind }) => kind).sort()).toEqual(["client", "server"])
      const [client, server] = handshakes.sort((a, b) => a.kind.localeCompare(b.kind))
      expect(parentOf(client)).toBe(connect.spanId)
      expect(parentOf(server)).toBeUndefined()
      for (const { status, attributes } of [connect, client, server]) {
        expect(status._tag).toBe("Ended")
        expect([...attributes.keys()].join()).toMatch(/address/)
      }
      for (const { attributes } of handshakes) expect(attributes.get("quic.connection.id")).toBe(near.id)
      expect(connect.attributes.has("quic.connection.id")).toBe(false)
      // both begin with the first flight; a round trip takes 20 ms
      const took = ({ status }: Tracer.Span) =>
        status._tag === "Ended" ? Number(status.endTime - status.startTime) / 1e6 : 0
      expect(took(client)).toBeGreaterThanOrEqual(20)
      expect(took(server)).toBeGreaterThanOrEqual(20)
    }).pipe(Effect.withTracer(tracer))
  })

  simulated.it("of a handshake that fails say why", (world) => {
    const { named, tracer } = backend()
    return Effect.gen(function* () {
      const { client, connectOptions } = yield* endpoints(world)
      yield* reasonOf(client.connect({ ...connectOptions, alpn: ["unknown"] }))
      for (const name of ["quic.connect", "quic.handshake"]) {
        const [{ status }] = named(name)
        expect(status).toMatchObject({ _tag: "Ended", exit: { _tag: "Failure" } })
      }
    }).pipe(Effect.withTracer(tracer))
  })

  simulated.it("of migrations and stream handlers are children of whoever asked for them", (world) => {
    const { named, tracer } = backend()
    return Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const echo = far.serveStreams((stream) =>
        Effect.withSpan(Effect.andThen(stream.read(), stream.write(text("done"))), "work")
      )
      yield* Effect.forkScoped(Effect.withSpan(echo, "server"))
      const stream = yield* near.openBidi
      yield* stream.write(text("go"))
      yield* stream.finish
      expect(yield* readText(stream)).toBe("done")
      yield* Effect.withSpan(near.migrate(), "client")
      yield* Effect.sleep(100)
      const [[server], [handled], [work]] = [named("server"), named("quic.stream"), named("work")]
      expect(parentOf(handled)).toBe(server.spanId)
      expect(parentOf(work)).toBe(handled.spanId)
      expect(Object.fromEntries(handled.attributes)).toMatchObject({
        "quic.stream": 0,
        "quic.connection.id": near.id,
        "network.peer.address": "10.0.0.1"
      })
      expect([handled.status._tag, work.status._tag]).toEqual(["Ended", "Ended"])
      const [[client], [migrate]] = [named("client"), named("quic.migrate")]
      expect(parentOf(migrate)).toBe(client.spanId)
      expect(migrate.attributes.get("quic.connection.id")).toBe(near.id)
      expect(migrate.status._tag).toBe("Ended")
    }).pipe(Effect.withTracer(tracer))
  })

  simulated.it("are not even made without a backend", (world) =>
    Effect.gen(function* () {
      const made = vi.spyOn(Tracer.nativeTracer, "span")
      const { near, far } = yield* pair(world)
      yield* Effect.forkScoped(far.serveStreams((stream) => stream.write(text("done"))))
      const stream = yield* near.openBidi
      yield* stream.write(text("go"))
      yield* stream.finish
      yield* readText(stream)
      yield* near.migrate()
      expect(made).not.toHaveBeenCalled()
      yield* Effect.withSpan(Effect.void, "own")
      expect(made).toHaveBeenCalledOnce()
      made.mockRestore()
    })
  )
})

describe("B8 logs", () => {
  simulated.it("of handlers that fail say whose connection and which stream", (world) => {
    const { logged, layer } = listening()
    return Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      const streams = server.serve((connection) =>
        connection.serveStreams(() => Effect.fail(new Error("no such file")))
      )
      yield* Effect.forkScoped(streams)
      const near = yield* client.connect(connectOptions)
      const stream = yield* near.openBidi
      yield* stream.write(text("go"))
      yield* Effect.sleep(1_000)
      expect(logged).toHaveLength(1)
      expect(logged[0].text).toMatch(/stream 0 failed.*no such file/s)
      expect(logged[0].annotations).toEqual({
        peer: formatAddress(client.localAddress),
        connection: near.id,
        stream: 0
      })
    }).pipe(Effect.provide(layer))
  })

  simulated.it("of a connection's handler and of defects do so too", (world) => {
    const { logged, layer } = listening()
    const broken = Layer.succeed(CertificateVerifier, {
      certificateTypes: ["x509"],
      verify: () => Effect.die(new Error("a defect in a verifier"))
    })
    return Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      yield* Effect.forkScoped(server.serve(() => Effect.fail(new Error("no such user"))))
      const near = yield* client.connect(connectOptions)
      yield* Effect.sleep(1_000)
      expect(logged).toHaveLength(1)
      expect(logged[0].annotations).toEqual({
        peer: formatAddress(client.localAddress),
        connection: near.id
      })
      const other = yield* endpoints(world, { clientTrust: broken })
      yield* reasonOf(other.client.connect(other.connectOptions))
      const defect = logged.find(({ text }) => text.includes("the certificate verifier broke"))!
      expect(defect.annotations).toEqual({
        endpoint: formatAddress(other.client.localAddress),
        peer: formatAddress(other.server.localAddress),
        connection: expect.stringMatching(/^[0-9a-f]{16}$/)
      })
    }).pipe(Effect.provide(layer))
  })

  simulated.it("contain nothing of a peer's that a terminal or a viewer would interpret", (world) => {
    const { logged, layer } = listening()
    const { spans, tracer } = backend()
    return Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      yield* Effect.forkScoped(server.serve((connection) => Effect.flatMap(connection.closed, Effect.fail)))
      const near = yield* client.connect(connectOptions)
      yield* Effect.sleep(1_000)
      yield* near.closeNow(7, "\u001b[2J\nERROR forged \u202e")
      yield* Effect.sleep(5_000)
      expect(logged.map((one) => one.text).join()).toContain("ERROR forged")
      const values = spans.flatMap(({ attributes }) => [...attributes.values()])
      const all = [
        ...logged.map(({ text }) => text),
        ...logged.flatMap((one) => Object.values(one.annotations)),
        ...values
      ]
      for (const value of all) expect(String(value).replaceAll(/\n(?= )/g, "")).not.toMatch(/[\p{Cf}\p{Cc}]/u)
    }).pipe(Effect.provide(layer), Effect.withTracer(tracer))
  })
})
