/**
 * `node test/bench/simulation.ts [VIRTUAL_SECONDS]`: how much faster than real time the simulator runs. Ten hosts
 * around a router, with 10 ms and 20 Mbit/s links, each a server and a client connected to its neighbour. Under
 * moderate load each makes one call per second (200 B request, 1 kB response), under heavy load five, plus one of 20
 * kB.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeCertificateVerifier, NodeIdentity } from "../../layers/node/index.ts"
import { type SimHost, SimNetwork, SimRuntime } from "../../layers/sim/index.ts"
import { CryptoSuite, type CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { QuicEndpoint, type QuicStream } from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"

const HOSTS = 10
const alpn = ["calls"]

export type Load = "moderate" | "heavy"

export interface SimulatedSpeed {
  readonly virtualSeconds: number
  readonly realSeconds: number
  readonly calls: number
}

const drain = (stream: QuicStream): Effect.Effect<number, unknown> =>
  Effect.flatMap(stream.read(), (bytes) =>
    bytes === undefined ? Effect.succeed(0) : Effect.map(drain(stream), (rest) => rest + bytes.length)
  )

const network = Effect.fnUntraced(function* (
  load: Load,
  virtualSeconds: number,
  suite: CryptoSuiteShape,
  onCall: () => void
) {
  const sim = yield* SimNetwork
  const router = sim.router("router")
  const hosts: Array<SimHost> = []
  for (let i = 0; i < HOSTS; i++) {
    const host = sim.host(`host ${i}`, `10.0.0.${i + 1}`)
    sim.connect(host, router, { delayMillis: 5, bitsPerSecond: 20e6 })
    hosts.push(host)
  }
  const identity = yield* NodeIdentity.developmentCertificate({ keyType: "ed25519" })
  const shared = Layer.merge(
    Layer.succeed(CryptoSuite, suite),
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  )
  const endpoints = yield* Effect.forEach(hosts, (host) =>
    QuicEndpoint.make({ port: 4433, server: { alpn, identity } }).pipe(
      Effect.provide(Layer.merge(host.layer, shared))
    )
  )
  for (const endpoint of endpoints)
    yield* Effect.forkScoped(
      endpoint.serveStreams((stream) => Effect.andThen(drain(stream), stream.write(new Uint8Array(1000))))
    )
  const began = yield* Effect.forEach(endpoints, (endpoint, i) =>
    Effect.gen(function* () {
      const host = `10.0.0.${((i + 1) % HOSTS) + 1}`
      const connection = yield* endpoint.connect({ host, port: 4433, alpn, serverName: "localhost" })
      const call = (bytes: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* connection.openBidi
            yield* stream.write(new Uint8Array(bytes))
            yield* stream.finish
            yield* drain(stream)
            onCall()
          })
        )
      const everySecond = (times: number, bytes: number) =>
        Effect.repeat(Effect.andThen(call(bytes), Effect.sleep(1000 / times)), {
          times: virtualSeconds * times - 1
        })
      return load === "moderate"
        ? everySecond(1, 200)
        : Effect.all([everySecond(5, 200), everySecond(1, 20_000)], { concurrency: 2 })
    })
  )
  yield* Effect.all(began, { concurrency: "unbounded", discard: true })
})

/** Runs in this process; includes the handshakes. */
export const simulatedSpeed = async (
  load: Load,
  virtualSeconds: number,
  suite: CryptoSuiteShape = LiveCryptoSuite.suite
): Promise<SimulatedSpeed> => {
  let calls = 0
  const startedAt = performance.now()
  const program = network(load, virtualSeconds, suite, () => calls++)
  const { exit, virtualMillis } = await SimRuntime.run("bench", Effect.scoped(program))
  if (exit._tag === "Failure") throw new Error(String(exit.cause))
  const realSeconds = (performance.now() - startedAt) / 1000
  return { virtualSeconds: virtualMillis / 1000, realSeconds, calls }
}

if (import.meta.main) {
  const seconds = Number(process.argv[2] ?? 60)
  await simulatedSpeed("heavy", 2) // warms up the JIT
  for (const load of ["moderate", "heavy"] as const) {
    const { virtualSeconds, realSeconds, calls } = await simulatedSpeed(load, seconds)
    console.log(
      `${load} load: ${virtualSeconds.toFixed(1)} s in ${realSeconds.toFixed(2)} s, ${(virtualSeconds / realSeconds).toFixed(0)} times real time; ${calls} calls`
    )
  }
}
