/** Wrong values from plain JavaScript: each is rejected, naming the field and its range, without side effects. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import vm from "node:vm"
import { describe, expect } from "vitest"
import {
  type EndpointOptions,
  Identity,
  KnownPeers,
  PeerId,
  QuicEndpoint,
  type QuicError,
  Resumption,
  Trust
} from "../../src/index.ts"
import * as NodeRelayPort from "../../layers/node/relay/NodeRelayPort.ts"
import { endpoints, pair, quietly, readText, reasonOf, text } from "./pair.ts"
import { simulated, type World } from "./World.ts"
import { LiveCryptoSuite } from "../io.ts"

const { it } = simulated
const any = (value: unknown): never => value as never

const refused = (field: string) => ({ _tag: "InvalidOption", field })

/** The error must say enough to be acted on. */
const expectRefused = Effect.fnUntraced(function* (
  operation: Effect.Effect<unknown, unknown, unknown>,
  field: string
) {
  const reason = yield* reasonOf(operation as Effect.Effect<unknown, QuicError>)
  expect(reason).toMatchObject(refused(field))
  expect(reason.message.length).toBeGreaterThan(field.length + 5)
})

const notBytes = ["hello", new ArrayBuffer(5), new DataView(new ArrayBuffer(5)), [1, 2], 5, null, undefined]

describe("values that are not bytes", () => {
  it("are not written", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const stream = yield* near.openUni
      for (const wrong of notBytes) {
        yield* expectRefused(stream.write(any(wrong)), "bytes")
        yield* expectRefused(stream.tryWrite(any(wrong)), "bytes")
        yield* expectRefused(Stream.run(Stream.make(any(wrong)), stream.writable), "bytes")
      }
      yield* stream.write(text("all of it"))
      yield* stream.finish
      expect(yield* readText(yield* far.acceptUni)).toBe("all of it")
    }))

  it("are not sent as datagrams", (world) =>
    Effect.gen(function* () {
      const transport = { maxDatagramFrameBytes: 1_200 }
      const { near, client, connectOptions } = yield* pair(world, {
        server: { transport },
        client: { transport }
      })
      const peer = yield* client.peer(connectOptions)
      for (const wrong of notBytes) {
        yield* expectRefused(near.sendDatagram(any(wrong)), "bytes")
        yield* expectRefused(near.deliverDatagram(any(wrong)), "bytes")
        yield* expectRefused(peer.sendDatagram(any(wrong)), "bytes")
      }
    }))

  it("are not confused with those of another realm", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const stream = yield* near.openUni
      const foreign: Uint8Array = vm.runInNewContext("new Uint8Array([104, 105])")
      expect(foreign).not.toBeInstanceOf(Uint8Array)
      yield* stream.write(foreign)
      yield* stream.write(Buffer.from("!"))
      yield* stream.finish
      expect(yield* readText(yield* far.acceptUni)).toBe("hi!")
    }))
})

describe("arguments out of range", () => {
  it("of a stream name their field", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      const stream = yield* near.openBidi
      yield* stream.write(text("x"))
      const other = yield* far.acceptBidi
      for (const max of [0, -1, 0.5, Number.NaN, Infinity, "1", null])
        yield* expectRefused(other.read(any(max)), "max")
      for (const into of [new Uint8Array(0), [], "x", null, undefined, new DataView(new ArrayBuffer(8))])
        yield* expectRefused(other.readInto(any(into)), "into")
      for (const priority of ["high", 0.5, Number.NaN, undefined])
        yield* expectRefused(other.setPriority(any(priority)), "priority")
      for (const options of [null, 5, { deliver: "all" }])
        yield* expectRefused(other.reset(1, any(options)), "deliver")
      for (const code of ["1", -1, undefined]) {
        yield* expectRefused(other.reset(any(code)), "code")
        yield* expectRefused(other.stop(any(code)), "code")
      }
      expect(yield* other.read(1)).toEqual(text("x"))
    }))

  it("of a connection name their field", (world) =>
    Effect.gen(function* () {
      const { near } = yield* pair(world)
      yield* expectRefused(near.migrate(any({ port: 70_000 })), "port")
      yield* expectRefused(near.migrate(any({ address: "10.0.0.1" })), "address")
      yield* expectRefused(near.migrate(any("10.0.0.1")), "options")
      yield* expectRefused(near.close(0, any(5)), "reason")
      yield* expectRefused(near.closeNow(0, any(Buffer.from("x"))), "reason")
      yield* expectRefused(near.serveStreams(any(undefined)), "handler")
      const context = new Uint8Array(0)
      for (const label of ["", "x".repeat(250), "ä", "a\0", "EXPORTER\n€", undefined, 5])
        yield* expectRefused(near.exportKeyingMaterial(any(label), context, 32), "label")
      for (const wrong of [undefined, "text", new ArrayBuffer(4), [1]])
        yield* expectRefused(near.exportKeyingMaterial("EXPORTER-test", any(wrong), 32), "context")
      for (const length of [0, -1, 0.5, 8161, Number.NaN, Infinity, "32", undefined])
        yield* expectRefused(near.exportKeyingMaterial("EXPORTER-test", context, any(length)), "length")
      expect(yield* Effect.timeoutOption(near.closed, 100)).toMatchObject({ _tag: "None" })
    }))

  it("of a peer name their field", (world) =>
    Effect.gen(function* () {
      const { client, connectOptions } = yield* endpoints(world)
      yield* expectRefused(client.peer(any(undefined)), "options")
      yield* expectRefused(client.peer({ ...connectOptions, schedule: any(1_000) }), "schedule")
      const peer = yield* client.peer({ ...connectOptions, restart: "onDemand" })
      yield* expectRefused(peer.use(any(5)), "work")
      yield* expectRefused(
        peer.use(() => Effect.void, any(null)),
        "options"
      )
      yield* expectRefused(peer.openBidi(any({ replaySafe: "yes" })), "replaySafe")
      yield* expectRefused(peer.openUni(any(true)), "options")
      yield* expectRefused(peer.serveStreams(any(null)), "handler")
      yield* expectRefused(peer.close(0, any(5)), "reason")
      expect(yield* peer.state).toMatchObject({ _tag: "Idle" })
    }))
})

const made = (world: World, options: unknown) =>
  QuicEndpoint.make(any(options)).pipe(
    Effect.provide(Layer.merge(world.client.layer, Trust.layerRawKeys([])))
  )

describe("an endpoint", () => {
  it("is not made with what is no option", (world) =>
    Effect.gen(function* () {
      const { identity } = yield* endpoints(world)
      const { host } = world.client
      const before = world.clientHost!.socketCount
      const server = { alpn: ["x"], identity }
      for (const [options, field] of [
        [null, "options"],
        ["127.0.0.1", "options"],
        [{ host: "https://example.com" }, "host"],
        [{ host: "[::1]" }, "host"],
        [{ host, server: true }, "server"],
        [{ host, server: null }, "server"],
        [{ host, server: { alpn: ["x"] } }, "server.identity"],
        [{ host, server: { ...server, identity: Effect.succeed(identity) } }, "server.identity"],
        [{ host, server: { ...server, identity: { cert: "…", key: "…" } } }, "server.identity"],
        [{ host, server: { ...server, transport: 5 } }, "server.transport"],
        // what is a list of text is iterable as text, too: letter by letter
        [{ host, server: { ...server, alpn: "x" } }, "server.alpn"],
        [{ host, server: { ...server, groups: "x25519" } }, "server.groups"],
        [{ host, server: { ...server, cipherSuites: "aes-128-gcm" } }, "server.cipherSuites"],
        [{ host, server: { ...server, transport: { versions: "v1" } } }, "server.transport.versions"],
        [{ host, relays: "https://relay.example.org" }, "relays"],
        [{ host, traversal: { bootstraps: "relay.example.org" } }, "traversal.bootstraps"],
        [{ host, resetSecret: new Uint8Array(32) }, "resetSecret"],
        [{ host, resetSecret: "" }, "resetSecret"],
        [{ host, resetSecret: Redacted.make("a secret of more than 32 characters") }, "resetSecret"]
      ] as ReadonlyArray<[EndpointOptions, string]>)
        yield* expectRefused(made(world, options), field)
      expect(world.clientHost!.socketCount).toBe(before)
    }))

  it("connects and moves to no URL, and with no identity that is none", (world) =>
    Effect.gen(function* () {
      const { client, connectOptions } = yield* endpoints(world)
      yield* expectRefused(client.connect(any(undefined)), "options")
      for (const host of [
        "https://example.com",
        "https://example.com:443/",
        "example.com:443",
        "[::1]",
        "a b",
        ""
      ]) {
        yield* expectRefused(client.connect({ ...connectOptions, host }), "host")
        yield* expectRefused(client.rebind({ host }), "host")
      }
      for (const identity of [null, {}, Effect.succeed(1), "key.pem"])
        yield* expectRefused(client.connect({ ...connectOptions, identity: any(identity) }), "identity")
      yield* expectRefused(client.connect({ ...connectOptions, transport: any("fast") }), "transport")
      for (const list of ["alpn", "groups", "keyShareGroups", "cipherSuites"])
        yield* expectRefused(client.connect({ ...connectOptions, [list]: "x25519" }), list)
      for (const list of ["relays", "addresses"]) {
        const address = { publicKey: new Uint8Array(32), [list]: "https://relay.example.org" }
        yield* expectRefused(client.dial(address, { alpn: ["x"] }), `address.${list}`)
      }
      yield* expectRefused(client.rebind(any(4_433)), "options")
      expect(yield* client.connectionCount).toBe(0)
    }))

  it("without `server` accepts and serves nobody, and says so", (world) =>
    Effect.gen(function* () {
      const { client, server } = yield* endpoints(world)
      yield* expectRefused(client.accept, "server")
      yield* expectRefused(
        client.serve(() => Effect.void),
        "server"
      )
      yield* expectRefused(
        client.serveStreams(() => Effect.void),
        "server"
      )
      yield* expectRefused(server.serve(any(undefined)), "handler")
      yield* expectRefused(server.serveStreams(any({})), "handler")
    }))

  it("goes on serving when a handler throws, or returns no Effect", (world) =>
    Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      const wrong: Array<() => unknown> = [
        () => {
          throw new Error("before it returned an Effect")
        },
        async () => {},
        () => undefined
      ]
      const handler = (): Effect.Effect<void> => any((wrong.shift() ?? (() => Effect.never))())
      yield* Effect.forkScoped(server.serve(handler))
      for (let i = 0; i < 3; i++) {
        const near = yield* client.connect(connectOptions)
        expect((yield* near.closed).reason).toMatchObject({
          _tag: "TransportClosed",
          origin: "peer",
          code: 1
        })
      }
      const near = yield* client.connect(connectOptions)
      expect(yield* Effect.timeoutOption(near.closed, 100)).toMatchObject({ _tag: "None" })
    }).pipe(quietly))

  it("goes on serving streams when a handler throws", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      yield* Effect.forkScoped(
        far.serveStreams((stream) => {
          if (stream.id === 0) throw new Error("before it returned an Effect")
          return stream.finish
        })
      )
      const [first, second] = [yield* near.openBidi, yield* near.openBidi]
      for (const stream of [first, second]) yield* stream.write(text("x"))
      expect(yield* reasonOf(first.read())).toMatchObject({ _tag: "StreamReset" })
      expect(yield* second.read()).toBe(undefined)
    }).pipe(quietly))
})

describe("identities, secrets and keys", () => {
  it("are refused when they are of another kind", () =>
    Effect.gen(function* () {
      const wrong = [
        Identity.fromPem(any(undefined)),
        Identity.fromPem({ cert: any(Buffer.from("-----BEGIN CERTIFICATE-----")), key: "" }),
        Identity.fromDer(any({ chain: new Uint8Array(5), privateKey: new Uint8Array(5) })),
        Identity.fromDer(any({ chain: ["x"], privateKey: new Uint8Array(5) })),
        Identity.rawKey(any("-----BEGIN PRIVATE KEY-----"))
      ]
      for (const identity of wrong) {
        const error = yield* Effect.flip(Effect.provide(identity, LiveCryptoSuite.layer))
        expect(error).toMatchObject({ _tag: "IdentityError", kind: "Malformed" })
      }
      for (const secret of ["a secret of more than 32 characters", new Uint8Array(32)])
        yield* expectRefused(
          Layer.build(Resumption.layerTicketKeys({ secret: any(secret) })) as never,
          "secret"
        )
    }))

  it("are refused when they can match nobody", () =>
    Effect.gen(function* () {
      const id = PeerId.fromSpki(text("a key"))
      expect(() => Trust.rawKeys([id, text("a key")])).not.toThrow()
      for (const wrong of [id, [id.toUpperCase()], ["abc"], [5], undefined, 5])
        expect(() => Trust.rawKeys(any(wrong))).toThrow(/known: /)
      expect(Exit.isFailure(Effect.runSyncExit(Effect.sync(() => Trust.rawKeys(any("abc")))))).toBe(true)
      for (const authorities of [5, ["a", 5], {}])
        yield* expectRefused(
          Layer.build(NodeRelayPort.layerWith({ authorities: any(authorities) })),
          "authorities"
        )
      for (const wrong of ["quicpeer", ["quicpeer"], [{ publicKey: "key", relays: [], addresses: [] }], 5])
        expect(() => KnownPeers.make(any(wrong))).toThrow(/known: /)
    }))
})
