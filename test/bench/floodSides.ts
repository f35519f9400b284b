/**
 * The victim of the flood and its honest clients, each in a process of its own: `node floodSides.ts server | client`.
 * Both answer questions over IPC.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { type QuicConnection, QuicEndpoint } from "../../src/index.ts"
import { certificate } from "./identity.ts"
import { memoryUse } from "./memory.ts"
import { layerWithoutTrust } from "../io.ts"

export type FloodQuestion =
  | { readonly kind: "usage" }
  | { readonly kind: "memory" }
  | {
      readonly kind: "transfer"
      readonly port: number
      readonly millis: number
      readonly bitsPerSecond: number
    }
  | { readonly kind: "newcomers"; readonly port: number; readonly millis: number }

export interface Usage {
  readonly cpuMicros: number
  /** That reached the endpoint; the kernel drops what a busy process does not read in time. */
  readonly datagramsReceived: number
}
export interface Transferred {
  readonly bitsPerSecond: number
}
/** Milliseconds from connecting to the answer of a first call, for each newcomer that got in. */
export interface Newcomers {
  readonly millis: ReadonlyArray<number>
  readonly failed: ReadonlyArray<string>
}

const CALL_BYTES = 64
const chunk = new Uint8Array(65_536)
const scope = Scope.makeUnsafe()

const { identity } = await certificate()
const stack = Layer.mergeAll(
  layerWithoutTrust,
  NodeCertificateVerifier.layerPinnedCertificates(identity.chain),
  Logger.layer([])
)
const context = await Effect.runPromise(Layer.buildWithScope(stack, scope))
const run = <A, E>(
  effect: Effect.Effect<A, E, Scope.Scope | Layer.Success<typeof stack>>,
  within: Scope.Scope
): Promise<A> => Effect.runPromise(Effect.provide(Scope.provide(effect, within), context))

/** Answers each stream with the number of bytes it had. */
const serve = Effect.gen(function* () {
  const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["flood"], identity } })
  const handlers = server.serveStreams((stream) =>
    Effect.gen(function* () {
      let received = 0
      for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
        received += bytes.length
      yield* stream.write(new TextEncoder().encode(String(received)))
      yield* stream.finish
    })
  )
  yield* Effect.forkScoped(handlers)
  return server
})

let newcomersSoFar = 0
/** Every newcomer has an address of its own, as in the world, where a limit by source is none for them. */
const newAddress = (): string => {
  const n = newcomersSoFar++
  return `127.2.${(n >> 8) & 255}.${n & 255}`
}

const connect = Effect.fnUntraced(function* (port: number, host: string) {
  const client = yield* QuicEndpoint.make({ host })
  const transport = { initialDatagramBytes: 1452, maxDatagramBytes: 1452 }
  return yield* client.connect({
    host: "127.0.0.1",
    port,
    serverName: "localhost",
    alpn: ["flood"],
    transport
  })
})

/** The server, in its process. */
const server = process.argv[2] === "server" ? await run(serve, scope) : undefined

/** The client that was there before the flood. */
let established: Promise<QuicConnection> | undefined

/** Writes for that long at no more than that rate; what counts is what the server has read. */
const transfer = Effect.fnUntraced(function* (connection: QuicConnection, millis: number, limit: number) {
  const stream = yield* connection.openBidi
  const startedAt = performance.now()
  let written = 0
  for (let elapsed = 0; elapsed < millis; elapsed = performance.now() - startedAt) {
    const ahead = (8000 * written) / limit - elapsed
    if (ahead > 0) yield* Effect.sleep(ahead)
    yield* stream.write(chunk)
    written += chunk.length
  }
  yield* stream.finish
  const answer = yield* stream.read()
  const seconds = (performance.now() - startedAt) / 1000
  return { bitsPerSecond: (8 * Number(new TextDecoder().decode(answer))) / seconds }
}, Effect.scoped)

const visit = (port: number) =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    const connection = yield* connect(port, newAddress())
    const stream = yield* connection.openBidi
    yield* stream.write(new Uint8Array(CALL_BYTES))
    yield* stream.finish
    yield* stream.read()
    return performance.now() - startedAt
  }).pipe(Effect.scoped)

/** One new client after the other. */
const newcomers = Effect.fnUntraced(function* (port: number, millis: number) {
  const startedAt = performance.now()
  const result = { millis: [] as Array<number>, failed: [] as Array<string> }
  while (performance.now() - startedAt < millis)
    yield* Effect.match(visit(port), {
      onSuccess: (took) => result.millis.push(took),
      onFailure: ({ reason }) => result.failed.push(reason._tag)
    })
  return result
})

const answer = async (question: FloodQuestion): Promise<object> => {
  switch (question.kind) {
    case "usage": {
      const { user, system } = process.cpuUsage()
      const { datagramsReceived } = await run(server!.statistics, scope)
      return { cpuMicros: user + system, datagramsReceived }
    }
    case "memory":
      return memoryUse()
    case "transfer": {
      const connection = await (established ??= run(connect(question.port, "127.0.0.1"), scope))
      return run(transfer(connection, question.millis, question.bitsPerSecond), scope)
    }
    case "newcomers":
      return run(newcomers(question.port, question.millis), scope)
  }
}

process.on("disconnect", () => process.exit(0))
process.on("message", (question: FloodQuestion) => {
  answer(question).then(
    (result) => process.send!(result),
    (error: unknown) => process.send!({ error: error instanceof Error ? error.stack : String(error) })
  )
})
if (server !== undefined) process.send!({ port: server.localAddress.port })
