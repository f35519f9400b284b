import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier, layerWithoutTrust } from "../../layers/node/index.ts"
import { QuicEndpoint, type QuicConnection } from "../../src/index.ts"
import { certificate } from "./identity.ts"
import { CALL_BYTES, seconds, type System, type Task, timeCalls } from "./system.ts"

const transportOf = (task: Task) => {
  const bytes = task.kind === "bulk" ? task.datagramBytes : 1452
  return { initialDatagramBytes: bytes, maxDatagramBytes: bytes, maxBidirectionalStreams: 1000 }
}

const request = new Uint8Array(CALL_BYTES).fill(1)

/** Runs in a scope that lives as long as the process. */
const scope = Scope.makeUnsafe()

const run = async <A, E>(
  effect: Effect.Effect<
    A,
    E,
    | Scope.Scope
    | Layer.Success<typeof layerWithoutTrust>
    | Layer.Success<ReturnType<typeof NodeCertificateVerifier.layerPinnedCertificates>>
  >
): Promise<A> => {
  const { identity } = await certificate()
  const stack = Layer.merge(
    layerWithoutTrust,
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  )
  return Effect.runPromise(Effect.provide(Scope.provide(effect, scope), stack))
}

const serve = Effect.fnUntraced(function* (task: Task) {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    server: { alpn: ["bench"], identity, transport: transportOf(task) }
  })
  yield* Effect.forkScoped(
    server.serveStreams(
      Effect.fnUntraced(function* (stream) {
        let received = 0
        for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
          received += bytes.length
        yield* stream.write(task.kind === "call" ? request : new TextEncoder().encode(String(received)))
        yield* stream.finish
      })
    )
  )
  return server.localAddress.port
})

const connect = Effect.fnUntraced(function* (task: Task) {
  const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
  return client.connect({
    host: "127.0.0.1",
    port: task.port,
    serverName: "localhost",
    alpn: ["bench"],
    transport: transportOf(task)
  })
})

const bulk = Effect.fnUntraced(function* (connection: QuicConnection, bytes: number) {
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  const cpu = process.cpuUsage()
  const stream = yield* connection.openBidi
  for (let sent = 0; sent < bytes; sent += chunk.length) yield* stream.write(chunk)
  yield* stream.finish
  yield* stream.read()
  const { user, system } = process.cpuUsage(cpu)
  const elapsed = seconds(startedAt)
  return {
    values: {
      bitsPerSecond: (8 * bytes) / elapsed,
      cpuMicrosPerDatagram: (user + system) / connection.stats.datagramsSent
    }
  }
})

const call = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const stream = yield* connection.openBidi
    yield* stream.write(request)
    yield* stream.finish
    while ((yield* stream.read()) !== undefined);
  }).pipe(Effect.scoped)

export const effectQuic: System = {
  kinds: ["bulk", "call", "handshake"],
  serve: (task) => run(serve(task)),
  run: async (task) => {
    const dial = await run(connect(task))
    if (task.kind === "handshake") {
      const startedAt = performance.now()
      for (let i = 0; i < task.count; i++) {
        const each = Scope.makeUnsafe()
        await Effect.runPromise(Scope.provide(dial, each))
        await Effect.runPromise(Scope.close(each, Exit.void))
      }
      return { values: { perSecond: task.count / seconds(startedAt) } }
    }
    const connection = await run(dial)
    return task.kind === "bulk"
      ? run(bulk(connection, task.bytes))
      : timeCalls(task.calls, () => Effect.runPromise(call(connection)))
  }
}
