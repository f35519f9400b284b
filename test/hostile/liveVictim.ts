/**
 * The victim of the live runs: an echo server in a thread of its own, which reports what it uses when asked, and connects
 * as a client to whatever port it is told.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { parentPort, workerData } from "node:worker_threads"
import { layerWithoutTrust, NodeCertificateVerifier, NodeIdentity } from "../../layers/node/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import type { Attack } from "./Attack.ts"
import { bytesInUse, cpuMicros } from "./attackers.ts"

/** What the main thread says: a port to connect to, or that it wants to know the usage. */
export type Order = { readonly connect: number } | "usage"

export interface Usage {
  readonly cpuMicros: number
  readonly bytesInUse: number
  /** CPU time once the bytes have been counted. */
  readonly afterMicros: number
  /** A logged message with a control character in it. */
  readonly forgedLog: string | undefined
}

/** What a terminal or a reader of logs obeys; our own words have none. */
const control = /\p{Cc}/u
let forgedLog: string | undefined

/** Keeps the first message that a peer has put a control character into. */
const watching = Logger.layer([
  Logger.make(({ message, cause }) => {
    const parts = [...(Array.isArray(message) ? message : [message]), ...cause.reasons]
    const peersWords = parts.map((part) => (part instanceof Error ? part.message : String(part)))
    forgedLog ??= peersWords.find((words) => control.test(words))
  })
])

const { retry, trusts }: Required<Pick<Attack, "retry">> & Pick<Attack, "trusts"> = workerData
const transport = { maxDatagramFrameBytes: 1200 }

const report = (): void => {
  // the collector's work is not the attack's
  const cpu = cpuMicros()
  const bytes = bytesInUse()
  const usage: Usage = { cpuMicros: cpu, bytesInUse: bytes, afterMicros: cpuMicros(), forgedLog }
  parentPort!.postMessage(usage)
}

const serve = Effect.gen(function* () {
  const identity = yield* NodeIdentity.developmentCertificate()
  const server = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    server: { alpn: ["test"], identity, retry, transport }
  })
  yield* Effect.forkScoped(server.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
  const run = Effect.runForkWith(yield* Effect.context<Scope.Scope>())
  parentPort!.on("message", (order: Order) => {
    if (order === "usage") return report()
    const to = { host: "127.0.0.1", serverName: "localhost", port: order.connect, alpn: ["test"], transport }
    const ended = Effect.catch(
      Effect.flatMap(server.connect(to), ({ closed }) => closed),
      Effect.succeed
    )
    run(Effect.flatMap(ended, (error) => Effect.logWarning(error)))
  })
  parentPort!.postMessage(server.localAddress.port)
  return yield* Effect.never
})

const trust =
  trusts === undefined ? Trust.layerInsecureAcceptsAnyPeer : NodeCertificateVerifier.layerAuthorities(trusts)
const stack = Layer.merge(layerWithoutTrust, Layer.orDie(trust)).pipe(Layer.provideMerge(watching))
Effect.runFork(Effect.scoped(Effect.provide(serve, stack)))
