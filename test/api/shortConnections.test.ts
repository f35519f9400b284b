/** What a connection that is over soon costs: its datagrams, and what is not done for it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "@effect/vitest"
import { NodeIdentity } from "../../layers/node/index.ts"
import { checkedOnce } from "../../src/checkedOnce.ts"
import { clientSettings } from "../../src/clientSettings.ts"
import { connectSettings, ConnectSchema } from "../../src/EndpointOptions.ts"
import { check as checkSchema, checkTransport } from "../../src/QuicOptions.ts"
import { NetworkInterfaces } from "../../src/capability/NetworkInterfaces.ts"
import { invalidOption } from "../../src/QuicError.ts"
import { suite } from "../io.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints } from "./pair.ts"
import { type Place, simWorld } from "./World.ts"

describe("a handshake", () => {
  itSim(
    "takes three datagrams of the client's: the Finished goes with the acknowledgment of what it answers",
    () =>
      Effect.gen(function* () {
        const { client, connectOptions } = yield* endpoints(yield* simWorld)
        const connection = yield* client.connect(connectOptions)
        yield* connection.handshakeComplete
        yield* Effect.sleep(5)
        const { datagramsSent, datagramsReceived } = connection.stats
        // the ClientHello has two, as has the server's flight
        expect({ datagramsSent, datagramsReceived }).toEqual({ datagramsSent: 3, datagramsReceived: 2 })
      })
  )
})

describe("a connection that is over soon", () => {
  itSim("is not looked at for where it is sent from", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      let looks = 0
      const counting = Layer.succeed(NetworkInterfaces, {
        addresses: Effect.sync(() => {
          looks++
          return []
        }),
        changes: Stream.never,
        sourceAddress: () => Effect.succeed(undefined)
      })
      const place: Place = { ...world.client, layer: Layer.merge(world.client.layer, counting) }
      const { client, connectOptions } = yield* endpoints({ ...world, client: place })
      yield* client.connect(connectOptions)
      yield* Effect.sleep(200)
      expect(looks).toBe(0) // the first is seen to by whoever follows changes
      for (let i = 0; i < 3; i++) yield* Effect.scoped(client.connect(connectOptions))
      yield* client.connect(connectOptions)
      yield* Effect.sleep(200)
      // nor are others that are over by then
      const quiet = looks
      for (let i = 0; i < 3; i++) yield* Effect.scoped(client.connect(connectOptions))
      yield* Effect.sleep(200)
      expect(looks).toBe(quiet)
      // those that were made within 100 ms at once
      const before = looks
      yield* Effect.all([client.connect(connectOptions), client.connect(connectOptions)], { concurrency: 2 })
      yield* Effect.sleep(200)
      expect(looks - before).toBe(1)
    })
  )
})

describe("options checked once", () => {
  const counted = () => {
    let checks = 0
    const check = checkedOnce((options: { readonly a?: unknown; readonly list?: unknown }) => {
      checks++
      return options.a === "wrong"
        ? invalidOption("a", "anything else")
        : Effect.succeed({ a: options.a, list: options.list })
    })
    return { check: (options: object) => Effect.runSync(check(options)), checks: () => checks }
  }

  it("are not checked again while they are equal, and have the same result", () => {
    const { check, checks } = counted()
    const first = check({ a: 1, list: ["x", "y"] })
    expect(check({ list: ["x", "y"], a: 1 })).toBe(first)
    expect(checks()).toBe(1)
  })

  it("are checked again when anything about them is different", () => {
    const { check, checks } = counted()
    const all: ReadonlyArray<object> = [
      { a: 1 },
      { a: "1" },
      { a: undefined },
      {},
      { b: undefined },
      { a: ["x"] },
      { a: ["y"] },
      { a: ["y", "y"] },
      { a: "y,y" }
    ]
    for (const [i, each] of all.entries()) {
      check(each)
      expect(checks(), JSON.stringify(each)).toBe(i + 1)
    }
  })

  it("are checked again when a list was changed in place", () => {
    const { check } = counted()
    const list = ["x"]
    check({ list })
    list[0] = "y"
    expect(check({ list })).toEqual({ a: undefined, list: ["y"] })
  })

  it("are checked each time if they hold more than values and lists of them, and if they are wrong", () => {
    const { check, checks } = counted()
    for (let i = 1; i <= 3; i++) {
      check(i === 1 ? Object.create({ a: "inherited" }) : { a: { deep: true } })
      expect(checks()).toBe(i)
    }
    for (let i = 4; i <= 6; i++) {
      expect(() => check({ a: "wrong" })).toThrow("a: anything else")
      expect(checks()).toBe(i)
    }
  })
})

describe("the settings of a connection", () => {
  it.effect("are built once for options that are equal", () =>
    Effect.gen(function* () {
      const identity = yield* NodeIdentity.developmentCertificate({ keyType: "ed25519" })
      const context = {
        suite,
        randomBytes: (length: number) => new Uint8Array(length),
        nowMillis: () => 0,
        checkTransport: checkedOnce(checkTransport),
        checkConnect: checkedOnce((options: object) =>
          Effect.map(checkSchema(ConnectSchema, options as never), connectSettings)
        ),
        shared: { peerCertificateTypes: ["x509"], keyLog: false }
      } as const
      const settings = (wish: object = {}) =>
        clientSettings({ host: "192.0.2.1", port: 443, alpn: ["a"], ...wish }, context)
      const first = yield* settings()
      expect(yield* settings({ transport: {} })).toBe(first)
      expect((yield* settings({ transport: { maxIdleTimeout: 5_000 } })).transport).not.toBe(first.transport)
      const named = yield* settings({ identity })
      expect(named.tls.selectIdentity(undefined)?.chain).toEqual(identity.chain)
      expect(named.memory).not.toBe(first.memory)
      expect((yield* settings()).tls.selectIdentity(undefined)).toBeUndefined()
      expect((yield* settings({ host: "192.0.2.2" })).expectedName).toBe("192.0.2.2")
    })
  )
})
