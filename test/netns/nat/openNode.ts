/**
 * The public host: a relay at the first address, and address discovery at all of them. Reads `restart`, upon which the relay
 * says that it goes, and comes back a second later.
 */
import { createInterface } from "node:readline"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { RelayServer } from "../../../layers/node/index.ts"
import { AddressDiscovery, DialAddress, Identity, Trust } from "../../../src/index.ts"
import { say } from "./events.ts"
import { layerWithoutTrust } from "../../io.ts"

const addresses = process.argv.slice(2)
const downMillis = 1000

const program = Effect.gen(function* () {
  const identity = yield* Identity.generateRawKey
  const publicKey = DialAddress.publicKeyOf(identity)
  for (const host of addresses) yield* AddressDiscovery.serve({ host, identity })
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const relay = yield* Scope.provide(RelayServer.make({ host: addresses[0] }), scope)
    return { relay, scope }
  })
  let { relay, scope } = yield* start
  const key = Buffer.from(publicKey ?? []).toString("hex")
  say({ event: "ready", relays: [relay.url], bootstraps: addresses.map((host) => ({ host, key })) })
  const lines = yield* Queue.unbounded<string>()
  createInterface({ input: process.stdin }).on("line", (line) => Queue.offerUnsafe(lines, line))
  for (;;) {
    yield* Queue.take(lines)
    yield* relay.drain({ reconnectIn: downMillis, tryFor: 30_000, deadline: 100 })
    yield* Scope.close(scope, Exit.void)
    yield* Effect.sleep(downMillis)
    ;({ relay, scope } = yield* start)
  }
})

program.pipe(
  Effect.scoped,
  Effect.provide(Layer.merge(layerWithoutTrust, Trust.layerAnyRawKey)),
  NodeRuntime.runMain()
)
