import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { type NatBehaviour, natKinds } from "../../layers/sim/natBehaviour.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { pair, type PairOptions, readAll } from "../api/pair.ts"
import { transfer } from "../migration/transfer.ts"
import { itSim } from "./itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

const MEGABYTE = 1_000_000

const place = (host: SimHost, address: string) => ({
  host: address,
  layer: Layer.merge(host.layer, LiveCryptoSuite.layer)
})

/** A connection between a server and a client behind `nats`, outermost first. */
const connected = Effect.fnUntraced(function* (nats: ReadonlyArray<NatBehaviour>, options: PairOptions = {}) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const serverHost = network.host("server", "198.51.100.1")
  network.connect(serverHost, core, { delayMillis: 5, bitsPerSecond: 50e6 })
  let behind: Parameters<typeof network.connect>[1] = core
  const chain = nats.map((kind, i) => {
    const nat = network.nat(`nat${i}`, i === 0 ? "203.0.113.1" : `100.64.${i}.1`, kind)
    network.connect(nat.outside, behind, { delayMillis: 5 })
    behind = nat.inside
    return nat
  })
  const clientHost = network.host("client", "192.168.1.2")
  network.connect(clientHost, behind, { delayMillis: 1 })
  const world = {
    server: place(serverHost, "198.51.100.1"),
    client: place(clientHost, "192.168.1.2"),
    cable: undefined,
    clientHost
  }
  return { nats: chain, ...(yield* pair(world, options)) }
})

describe("a QUIC connection", () => {
  for (const [name, kind] of Object.entries(natKinds)) {
    itSim(`goes through a ${name} NAT, and through its rebinding to other ports and another address`, () =>
      Effect.gen(function* () {
        const ends = yield* connected([kind])
        const [nat] = ends.nats
        const before = ends.far.remoteAddress
        expect(before).toEqual(nat.mappings[0].outside)
        yield* transfer(ends, 2 * MEGABYTE, [
          [0.2, Effect.sync(() => nat.rebind())],
          [0.4, Effect.sync(() => nat.rebind())],
          [0.7, Effect.sync(() => nat.rebind("203.0.113.99"))]
        ])
        expect(ends.far.remoteAddress.host).toBe("203.0.113.99")
        expect(ends.far.remoteAddress).toEqual(nat.mappings[0].outside)
      })
    )
  }

  itSim("goes through a NAT behind a carrier's, whichever of them rebinds", () =>
    Effect.gen(function* () {
      const ends = yield* connected([natKinds.symmetricRandom, natKinds.portRestricted])
      const [carrier, home] = ends.nats
      yield* transfer(ends, 2 * MEGABYTE, [
        [0.3, Effect.sync(() => home.rebind())],
        [0.6, Effect.sync(() => carrier.rebind())]
      ])
      expect(ends.far.remoteAddress).toEqual(carrier.mappings[0].outside)
    })
  )

  /** A download during which the NAT rebinds while nothing is in flight between it and the client. */
  const download = Effect.fnUntraced(function* (transport: { readonly keepAliveInterval?: number }) {
    const ends = yield* connected([natKinds.portRestricted], { client: { transport } })
    const stream = yield* ends.far.openUni
    yield* Effect.forkScoped(Effect.andThen(stream.write(new Uint8Array(MEGABYTE)), stream.finish))
    yield* Effect.forkScoped(
      Effect.andThen(
        Effect.sleep(100),
        Effect.sync(() => ends.nats[0].rebind())
      )
    )
    return (yield* readAll(yield* ends.near.acceptUni)).length
  })

  itSim("that only receives goes on after a rebinding, as the client asks for what it awaits", () =>
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      expect(yield* download({})).toBe(MEGABYTE)
      expect((yield* Clock.currentTimeMillis) - began).toBeLessThan(3_000)
    })
  )

  itSim("that only receives, but keeps itself alive, goes on after a rebinding", () =>
    Effect.gen(function* () {
      expect(yield* download({ keepAliveInterval: 200 })).toBe(MEGABYTE)
    })
  )

  for (const sender of ["near", "far"] as const)
    for (const maxIdleTimeout of [5000, 0])
      itSim(
        `whose ${sender} end waits for credit outlives a rebinding, with an idle timeout of ${maxIdleTimeout}`,
        () =>
          Effect.gen(function* () {
            const transport = {
              maxIdleTimeout,
              streamWindowBytes: 20_000,
              maxStreamWindowBytes: 20_000
            }
            const ends = yield* connected([natKinds.portRestricted], {
              client: { transport },
              server: { transport }
            })
            const [from, to] = sender === "near" ? [ends.near, ends.far] : [ends.far, ends.near]
            const stream = yield* from.openUni
            yield* Effect.forkScoped(Effect.andThen(stream.write(new Uint8Array(MEGABYTE)), stream.finish))
            const incoming = yield* to.acceptUni
            yield* Effect.sleep("1 second")
            ends.nats[0].rebind()
            yield* Effect.sleep("40 seconds")
            const bytes = yield* Effect.timeout(readAll(incoming), "30 seconds")
            expect(bytes.length).toBe(MEGABYTE)
            expect(ends.far.remoteAddress).toEqual(ends.nats[0].mappings[0].outside)
          })
      )

  const impatient = { ...natKinds.portRestricted, mappingTimeoutMillis: 20_000 }
  /** Whether data the server sends after half a minute of silence reaches the client. */
  const hearsTheServer = Effect.fnUntraced(function* (
    transport: {
      readonly keepAliveInterval?: number
    },
    waitMillis: number
  ) {
    const ends = yield* connected([impatient], { client: { transport } })
    yield* Effect.sleep("30 seconds")
    const stream = yield* ends.far.openUni
    yield* stream.write(new Uint8Array(10))
    yield* Effect.sleep("5 seconds")
    const arrived = yield* Effect.timeoutOption(ends.near.acceptUni, waitMillis)
    return arrived._tag === "Some"
  })

  itSim("is cut off from its server by a NAT that forgets it, as long as nobody at the client waits", () =>
    Effect.gen(function* () {
      expect(yield* hearsTheServer({}, 100)).toBe(false)
    })
  )

  itSim("is not, once somebody waits", () =>
    Effect.gen(function* () {
      expect(yield* hearsTheServer({}, 5_000)).toBe(true)
    })
  )

  itSim("is not, if it keeps itself alive", () =>
    Effect.gen(function* () {
      expect(yield* hearsTheServer({ keepAliveInterval: 15_000 }, 100)).toBe(true)
    })
  )
})
