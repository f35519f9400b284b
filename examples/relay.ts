/** A relay for peers behind NATs, without TLS as for development, whose metrics are read. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { layer, RelayServer } from "../layers/node/index.ts"
import { QuicMetrics } from "../src/index.ts"

const program = Effect.gen(function* () {
  const relay = yield* RelayServer.make({ host: "127.0.0.1", port: 0, limits: { clients: 100 } })
  const response = yield* Effect.promise(() => fetch(new URL("/ping", relay.url)))
  yield* Console.log(`ping: ${response.status}`)
  const metrics = yield* PrometheusMetrics.format()
  yield* Console.log(metrics.split("\n").find((line) => line.startsWith("quic_relay_clients{")))
  yield* Console.log(yield* relay.drain())
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide([layer, QuicMetrics.layer()])))
