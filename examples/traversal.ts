/** Two peers behind NATs: the dial is answered through a relay, and the connection becomes direct by itself. In virtual time. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { NodeCryptoSuite } from "../layers/node/index.ts"
import { natKinds, SimNetwork, SimRelay, SimRuntime } from "../layers/sim/index.ts"
import {
  AddressDiscovery,
  DialAddress,
  Identity,
  type QuicConnection,
  QuicEndpoint,
  Trust
} from "../src/index.ts"

const shared = Layer.merge(NodeCryptoSuite.layer, Trust.layerAnyRawKey)
const alpn = ["chat"]

/** A public host, and two at home behind routers that let in only whom they have sent to. */
const internet = Effect.gen(function* () {
  const network = yield* SimNetwork
  const core = network.router("core")
  const open = network.host("public", "203.0.113.10")
  network.connect(open, core, { delayMillis: 15 })
  const home = (name: string, number: number) => {
    const nat = network.nat(`${name}'s router`, `203.0.113.${number}`, natKinds.portRestricted)
    const host = network.host(name, `192.168.${number}.2`)
    network.connect(host, nat.inside)
    network.connect(nat.outside, core, { delayMillis: 10 })
    return Layer.merge(host.layer, shared)
  }
  return { open, alice: home("alice", 1), bob: home("bob", 2) }
})

const way = ({ paths }: QuicConnection): string => {
  const used = paths.find(({ carriesData }) => carriesData)
  return used?.remote.relayed === undefined ? "directly" : "through the relay"
}

const program = Effect.gen(function* () {
  const { alice, bob, open } = yield* internet
  const relay = yield* Effect.gen(function* () {
    // as `effect-quic relay` does, it also tells its clients their addresses
    yield* AddressDiscovery.serve({ host: "203.0.113.10", identity: yield* Identity.generateRawKey })
    return yield* SimRelay.make(open)
  }).pipe(Effect.provide(Layer.merge(open.layer, shared)))
  const endpoint = Effect.fnUntraced(function* (server?: { readonly alpn: ReadonlyArray<string> }) {
    const identity = yield* Identity.generateRawKey
    const made = yield* QuicEndpoint.make({ identity, relays: [relay.url], ...(server && { server }) })
    yield* made.online
    return made
  })

  const listener = yield* Effect.provide(endpoint({ alpn }), bob)
  const echo = listener.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
  yield* Effect.forkScoped(Effect.ignore(echo))
  const ticket = DialAddress.ticket(yield* listener.dialAddress)

  const dialer = yield* Effect.provide(endpoint(), alice)
  const connection = yield* dialer.dial(ticket, { alpn })
  yield* Console.log(`connected ${way(connection)}`)
  yield* connection.traversal.events.pipe(
    Stream.tap(({ reason, to }) => Console.log(`  ${to}: ${reason}`)),
    Stream.takeUntil(({ to }) => to === "Connected"),
    Stream.runDrain
  )
  const { attempts, firstDirectMillis = 0, probes } = connection.traversal.statistics
  yield* Console.log(`connected ${way(connection)}, after ${Math.round(firstDirectMillis)} ms`)
  yield* Console.log(`${attempts} round, ${probes.answered} of ${probes.addresses} addresses answered`)
})

NodeRuntime.runMain(Effect.promise(() => SimRuntime.runPromise("any seed", Effect.scoped(program))))
