/** Clients that upload to one server at the same time, each over one link or two, through a link that they share. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { Identity, QuicEndpoint, type TransportOptions, Trust } from "../../src/index.ts"

const SERVER = "203.0.113.10"

export interface Flow {
  readonly congestion: NonNullable<TransportOptions["congestion"]>
  readonly paths: 1 | 2
}

export interface Bottleneck {
  readonly megabits: number
  readonly rttMillis: number
  /** In bandwidth-delay products. */
  readonly queue: number
}

/** Each flow's megabits per second in a period that begins once all have found their pace. */
export const shares = Effect.fnUntraced(function* (
  flows: ReadonlyArray<Flow>,
  { megabits, rttMillis, queue }: Bottleneck,
  seconds: { readonly before: number; readonly measured: number }
) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const far = network.host("server", SERVER)
  const queueBytes = (queue * megabits * 1000 * rttMillis) / 8
  network.connect(far, core, { bitsPerSecond: megabits * 1e6, delayMillis: rttMillis / 2, queueBytes })
  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(far.layer, NodeCryptoSuite.layer)
  )
  const capabilities = Layer.merge(NodeCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const server = yield* QuicEndpoint.make({
    port: 4433,
    server: { alpn: ["fill"], identity, transport: { maxPaths: 2 } }
  }).pipe(Effect.provide(Layer.merge(far.layer, capabilities)))
  const received = new Map<string, number>()
  yield* Effect.forkScoped(
    server.serve((connection) =>
      connection.serveStreams(
        Effect.fnUntraced(function* (stream) {
          const { host } = connection.paths[0].remote
          for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
            received.set(host, (received.get(host) ?? 0) + bytes.length)
        })
      )
    )
  )
  const start = Effect.fnUntraced(function* ({ congestion, paths }: Flow, at: number) {
    const addresses = Array.from({ length: paths }, (_, i) => `10.${at}.${i}.2`)
    const host = network.host(`client ${at}`, addresses[0], ...addresses.slice(1))
    for (const from of addresses) network.connect(host, core, { from })
    const client = yield* QuicEndpoint.make({ host: addresses[0], autoMigrate: false }).pipe(
      Effect.provide(Layer.merge(host.layer, capabilities))
    )
    const transport = { congestion, maxPaths: 2 }
    const connection = yield* client.connect({ host: SERVER, port: 4433, alpn: ["fill"], transport })
    for (const address of addresses.slice(1)) yield* connection.openPath({ local: { host: address } })
    const stream = yield* connection.openBidi
    const chunk = new Uint8Array(64_000)
    yield* Effect.forkScoped(Effect.forever(stream.write(chunk)))
    return addresses[0]
  })
  const hosts: Array<string> = []
  for (const [at, flow] of flows.entries()) hosts.push(yield* start(flow, at + 1))
  yield* Effect.sleep(seconds.before * 1000)
  const before = hosts.map((host) => received.get(host) ?? 0)
  const startedAt = yield* Clock.currentTimeMillis
  yield* Effect.sleep(seconds.measured * 1000)
  const millis = (yield* Clock.currentTimeMillis) - startedAt
  return hosts.map((host, i) => ((received.get(host) ?? 0) - before[i]) / millis / 125)
}, Effect.scoped)
