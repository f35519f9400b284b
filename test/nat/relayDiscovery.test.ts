/** Relays tell their clients' addresses by themselves, and direct paths are looked for without being asked for. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { SimRelay } from "../../layers/sim/relay/SimRelay.ts"
import {
  AddressDiscovery,
  DialAddress,
  type EndpointOptions,
  Identity,
  QuicEndpoint,
  Trust
} from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"
import { reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import type { Kind } from "./matrix.ts"
import { alpn, isDirect } from "./peers.ts"
import { natWorld, publicAddresses, type Site } from "./simulated.ts"

const [relayHost] = publicAddresses

/** They know each other by key; the relay's address discovery has a key that nobody knows. */
const on = (host: Site["host"]) => Layer.mergeAll(host.layer, LiveCryptoSuite.layer, Trust.layerRawKeys([]))

interface Setting extends Pick<EndpointOptions, "traversal"> {
  /** Options of the one that dials. */
  readonly dialer?: EndpointOptions
  readonly kinds?: readonly [Kind, Kind]
  /** Where the relay tells addresses; undefined if it does not. */
  readonly discoveryPort?: number
  /** What its clients are told of that. */
  readonly told?: number | false
}

/** Two peers that are given a relay and nothing else. */
const relayed = Effect.fnUntraced(function* ({
  kinds: [client, server] = ["port-restricted", "port-restricted"],
  discoveryPort,
  told,
  traversal,
  dialer = {}
}: Setting) {
  const world = yield* natWorld({ client, server })
  const services = Effect.gen(function* () {
    const identity = yield* Identity.generateRawKey
    if (discoveryPort !== undefined)
      yield* AddressDiscovery.serve({ host: relayHost, port: discoveryPort, identity })
    return yield* SimRelay.make(world.public)
  })
  const { url } = yield* Effect.provide(services, on(world.public))
  const peerAt = ({ host }: Site, given: EndpointOptions) =>
    Effect.gen(function* () {
      const identity = yield* Identity.generateRawKey
      const endpoint = yield* QuicEndpoint.make({
        host: "0.0.0.0",
        identity,
        relays: [told === undefined ? url : { url, discoveryPort: told }],
        ...(traversal !== undefined && { traversal }),
        ...given
      })
      yield* endpoint.online
      return endpoint
    }).pipe(Effect.provide(on(host)))
  const far = yield* peerAt(world.server, { server: { alpn, clientCertificate: "none" } })
  const near = yield* peerAt(world.client, dialer)
  const address = yield* far.dialAddress
  const dialed = near.dial(DialAddress.ticket({ ...address, addresses: [] }), { alpn })
  return { ...world, url, near, far, dialed }
})

describe("an endpoint that is given a relay", () => {
  itSim("goes direct between two NATs, without another option", () =>
    Effect.gen(function* () {
      const { url, near, far, dialed, client } = yield* relayed({ discoveryPort: AddressDiscovery.port })
      const connection = yield* dialed
      yield* connection.traversal.events.pipe(
        Stream.takeUntil(({ to }) => to === "Connected"),
        Stream.runDrain,
        Effect.timeout("5 seconds")
      )
      expect(isDirect(connection)).toBe(true)
      for (const { bootstraps } of [near, far])
        expect(bootstraps.list).toMatchObject([
          { host: relayHost, port: 7842, relay: url, state: "connected", connections: 1 }
        ])
      expect(client.nat?.mappings.map(({ outside }) => outside)).toContainEqual(
        near.bootstraps.list[0].observed
      )
    })
  )

  itSim(
    "goes direct through the relay of the peer it dials, too, and asks that for as long as it is used",
    () =>
      Effect.gen(function* () {
        const { url, near, dialed } = yield* relayed({
          discoveryPort: AddressDiscovery.port,
          dialer: { relays: [] }
        })
        expect(near.bootstraps.list).toEqual([])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* dialed
            yield* Effect.sleep(5_000)
            expect(isDirect(connection)).toBe(true)
            expect(near.bootstraps.list).toMatchObject([
              { host: relayHost, port: 7842, relay: url, state: "connected", connections: 1 }
            ])
          })
        )
        yield* Effect.sleep(60_000)
        expect(near.bootstraps.list).toEqual([])
        // and once more: the relay is another one now
        const again = yield* dialed
        yield* Effect.sleep(5_000)
        expect(isDirect(again)).toBe(true)
      })
  )

  itSim("stays on the relay of its peer, and asks nobody, with `traversal: false`", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({
        discoveryPort: AddressDiscovery.port,
        dialer: { relays: [], traversal: false }
      })
      const connection = yield* dialed
      yield* Effect.sleep(5_000)
      expect(isDirect(connection)).toBe(false)
      expect(near.bootstraps.list).toEqual([])
    })
  )

  itSim("asks a node once that it is told of besides, and keeps it when the relay is not used any more", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({
        discoveryPort: AddressDiscovery.port,
        dialer: { relays: [], traversal: { bootstraps: [relayHost] } }
      })
      yield* Effect.scoped(Effect.andThen(dialed, Effect.sleep(5_000)))
      yield* Effect.sleep(60_000)
      expect(near.bootstraps.list).toMatchObject([{ host: relayHost, port: 7842 }])
    })
  )

  itSim("asks at the port that the relay is said to have", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({ discoveryPort: 777, told: 777 })
      const connection = yield* dialed
      yield* Effect.sleep(5_000)
      expect(isDirect(connection)).toBe(true)
      expect(near.bootstraps.list).toMatchObject([{ host: relayHost, port: 777 }])
    })
  )

  itSim("asks nobody, and stays on the relay, if that does not tell addresses", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({ discoveryPort: AddressDiscovery.port, told: false })
      const connection = yield* dialed
      yield* Effect.sleep(5_000)
      expect(near.bootstraps.list).toEqual([])
      expect(isDirect(connection)).toBe(false)
      expect(connection.traversal.phase).toBeDefined()
    })
  )

  itSim("does not wait for a relay that is silent: what it knows of itself may do", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({ kinds: ["none", "none"] })
      const connection = yield* dialed
      yield* Effect.sleep(4_000)
      expect(isDirect(connection)).toBe(true)
      const [node] = near.bootstraps.list
      expect(node).toMatchObject({ state: "connecting", observed: undefined, connections: 0 })
    })
  )

  itSim("looks for nothing if it is told not to", () =>
    Effect.gen(function* () {
      const { near, dialed } = yield* relayed({ discoveryPort: AddressDiscovery.port, traversal: false })
      const connection = yield* dialed
      yield* Effect.sleep(5_000)
      expect(near.bootstraps.list).toEqual([])
      expect(isDirect(connection)).toBe(false)
      expect(connection.traversal.state).toEqual({ _tag: "Idle" })
    })
  )

  itSim("can have the relay asked no more, and has one node once", () =>
    Effect.gen(function* () {
      const { near, url } = yield* relayed({
        discoveryPort: AddressDiscovery.port,
        traversal: { bootstraps: [relayHost, `${relayHost}:1`] }
      })
      const shown = () => near.bootstraps.list.map(({ port, relay }) => [port, relay])
      expect(shown()).toEqual([
        [7842, url],
        [1, undefined]
      ])
      expect(yield* reasonOf(near.bootstraps.add(relayHost))).toMatchObject({ field: "node" })
      expect(yield* near.bootstraps.remove(relayHost)).toBe(true)
      expect(shown()).toEqual([[1, undefined]])
    })
  )
})
