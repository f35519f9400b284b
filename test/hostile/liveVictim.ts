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
import { NodeCertificateVerifier, NodeIdentity } from "../../layers/node/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { type Attack, victimTransport } from "./Attack.ts"
import { Inspector, type InspectorShape } from "../../src/capability/Inspector.ts"
import { Qlog } from "../../src/capability/Qlog.ts"
import { formatted } from "../../src/cli/report.ts"
import { linesOf } from "../../src/cli/tree.ts"
import { advance, type Seen } from "../../src/cli/topRates.ts"
import { topRecord } from "../../src/cli/topRecord.ts"
import { initialState, onSeen } from "../../src/cli/topState.ts"
import { report as reportOf } from "../../src/cli/topView.ts"
import { printableJson } from "../../src/internal/printable.ts"
import { bytesInUse, cpuMicros } from "./attackers.ts"
import { firstObeyed, recordsOf } from "./forged.ts"
import { layerWithoutTrust } from "../io.ts"

/** What the main thread says: a port to connect to, or that it wants to know the usage. */
export type Order = { readonly connect: number } | "usage"

export interface Usage {
  readonly cpuMicros: number
  readonly bytesInUse: number
  /** CPU time once the bytes have been counted. */
  readonly afterMicros: number
  /** A line that was logged, recorded or shown with a control character in it. */
  readonly forgedLog: string | undefined
}

const { retry, trusts, isWatched }: Required<Pick<Attack, "retry" | "isWatched">> & Pick<Attack, "trusts"> =
  workerData

let forgedLog: string | undefined
/** Keeps the first text that a peer has put a control character into. */
const look = (texts: ReadonlyArray<string>): void => void (forgedLog ??= firstObeyed(texts))

/** What is logged: the words themselves, and the lines which the command line makes of them. */
const watchLogs = Logger.layer([
  Logger.make((record) => {
    const { message, cause } = record
    const parts = [...(Array.isArray(message) ? message : [message]), ...cause.reasons]
    look(parts.map((part) => (part instanceof Error ? part.message : String(part))))
    look([formatted.log(record)])
  })
])

const watchQlog = Layer.succeed(Qlog, () => (records) => look(recordsOf(records)))

/** What `effect-quic tree` and `effect-quic top` print, with and without `--json`, of one look after the other. */
const watchTrees = Layer.effect(
  Inspector,
  Effect.gen(function* () {
    let seen: Seen = []
    const show: InspectorShape["show"] = (tree) =>
      Effect.gen(function* () {
        const process = { pid: 1, command: "victim", endpoints: [yield* tree] }
        seen = advance(seen, [process])
        const shown = reportOf(onSeen(initialState("rate", ""), seen), 160)
        look([...linesOf(process), ...shown, printableJson(process), printableJson(topRecord(seen))])
      }).pipe(Effect.andThen(Effect.sleep(10)), Effect.forever, Effect.forkScoped, Effect.asVoid)
    return { show }
  })
)

const watching = isWatched ? Layer.mergeAll(watchLogs, watchQlog, watchTrees) : watchLogs
const transport = victimTransport

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
