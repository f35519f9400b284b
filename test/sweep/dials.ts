/** Sweeps of dialing by key, through a relay and at an address at once. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DialAddress, Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { FakeRelays } from "../dial/FakeRelays.ts"
import type { World } from "../api/World.ts"
import type { Stage, Sweep } from "./sweep.ts"

const RELAY = "https://relay.example.org/"
const options = { alpn: ["test"] }

interface Dialable extends Stage {
  readonly address: DialAddress.DialAddressInput
  readonly relays: FakeRelays
}

/** Two endpoints with keys, linked to a relay; `isDirect` if the address is known too. */
const dialable = (isDirect: boolean) => (world: World) =>
  Effect.gen(function* () {
    const relays = yield* FakeRelays.make({ [RELAY]: 5 })
    const made = (place: World["client"], isServer: boolean) =>
      Effect.gen(function* () {
        const identity = yield* Identity.generateRawKey
        const given = { host: place.host, identity, relays: [RELAY], traversal: false as const }
        const endpoint = yield* QuicEndpoint.make(isServer ? { ...given, server: options } : given)
        yield* endpoint.online
        return endpoint
      }).pipe(Effect.provide(Layer.mergeAll(place.layer, relays.layer, Trust.layerAnyRawKey)))
    const client = yield* made(world.client, false)
    const server = yield* made(world.server, true)
    const { publicKey, relays: urls } = yield* server.dialAddress
    const { host, port } = server.localAddress
    const address = { publicKey, relays: urls, addresses: isDirect ? [{ host, port }] : [] }
    // they are accepted and kept until they are over
    yield* Effect.forkScoped(Effect.ignore(server.serve((connection) => Effect.asVoid(connection.closed))))
    const works = Effect.gen(function* () {
      const connection = yield* Effect.timeout(client.dial(address, options), 5_000)
      yield* connection.close()
      yield* Effect.sleep(2_000)
    })
    return { endpoints: [client, server], works, address, relays } satisfies Dialable
  })

const dialing = (name: string, isDirect: boolean): Sweep<Dialable> => ({
  name,
  stage: dialable(isDirect),
  operation: ({ endpoints: [client], address }) => client.dial(address, options),
  stride: 3,
  afterwards: ({ relays }) => Effect.sync(() => assert.equal(relays.at(RELAY).links.size, 2))
})

export const dialSweeps: ReadonlyArray<Sweep<never>> = [
  dialing("dial through a relay", false),
  dialing("dial through a relay and at an address", true)
] as never
