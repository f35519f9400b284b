/**
 * The processes of the soak test: `node sides.ts server PORT FILE`, which waits to be told to serve, and `node sides.ts
 * client PORT`, which streams from the server, over and over. Times are nanoseconds of the system's monotonic clock.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { type Peer, type QuicConnection, QuicEndpoint, type QuicStream, Resumption } from "../../src/index.ts"
import { ReplayGuard } from "../../src/capability/ReplayGuard.ts"
import { certificate } from "../bench/identity.ts"
import { memoryUse } from "../bench/memory.ts"
import { layerWithoutTrust } from "../io.ts"

export const ALPN = "soak"
/** The client knows by then that its connection is lost. */
export const IDLE_MILLIS = 1_000
/** Without a sign of the server the client sends something, so that a returned one can say that it knows nothing. */
export const KEEP_ALIVE_MILLIS = 100
/** Longest time between two packets of the client while it tries to connect. */
export const RETRY_MILLIS = 60

/** What the client says of itself. */
export type ClientEvent =
  /** `isEarly`: the request came with the first flight, so that the reply took one round trip. */
  | { readonly kind: "firstByte"; readonly atNanos: number; readonly isEarly: boolean }
  /** It is in the middle of a reply. */
  | { readonly kind: "midStream" }
  | { readonly kind: "lost"; readonly atNanos: number; readonly reason: string }
  | { readonly kind: "census"; readonly census: Census }

/** What there is of the client when it does nothing. */
export interface Census {
  readonly heapBytes: number
  /** Handlers of streams that the server opened. */
  readonly handlers: number
  readonly fibers: number
  readonly connections: number
  readonly streams: number
  readonly waiting: number
}

/** The server serves. */
export interface ServerEvent {
  readonly atNanos: number
}

const MID_STREAM_BYTES = 256_000
const nanos = (): number => Number(process.hrtime.bigint())

const { identity } = await certificate()
/** The same in every server process, as an operator would keep it. */
const secret = Redacted.make(new Uint8Array(32).fill(7))
const stack = Layer.mergeAll(
  layerWithoutTrust,
  NodeCertificateVerifier.layerPinnedCertificates(identity.chain),
  Logger.layer([])
)

const chunk = new Uint8Array(16_384)

/**
 * Remembers first flights in a file: with a guard in memory, a server would refuse 0-RTT until it has been there for longer
 * than a replayed flight can be old.
 */
const durableGuard = (file: string) =>
  Layer.sync(ReplayGuard, () => {
    const spent = new Set(existsSync(file) ? readFileSync(file, "latin1").split("\n") : [])
    return {
      admit: (binder) => {
        const key = Buffer.from(binder).toString("base64")
        if (spent.has(key)) return false
        spent.add(key)
        appendFileSync(file, `${key}\n`)
        return true
      }
    }
  })

/** Sends a byte on a stream of its own, and as much as the client takes on each of the client's. */
const serve = Effect.fnUntraced(function* (port: number) {
  const endpoint = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    port,
    resetSecret: secret,
    server: {
      alpn: [ALPN],
      identity,
      earlyData: true,
      transport: { maxIdleTimeout: IDLE_MILLIS }
    }
  })
  process.send!({ atNanos: nanos() } satisfies ServerEvent)
  const served = endpoint.serve((connection) =>
    Effect.gen(function* () {
      const own = yield* connection.openBidi
      yield* own.write(Uint8Array.of(1))
      return yield* connection.serveStreams((stream) => Effect.forever(stream.write(chunk)))
    }).pipe(Effect.ignore)
  )
  return yield* served
})

const policy = {
  alpn: [ALPN],
  serverName: "localhost",
  restart: "eager",
  schedule: Schedule.spaced(20),
  stableAfter: 0,
  transport: {
    maxIdleTimeout: IDLE_MILLIS,
    keepAliveInterval: KEEP_ALIVE_MILLIS,
    handshakeTimeout: 100,
    initialRtt: 5
  }
} as const

const tell = (event: ClientEvent): void => {
  process.send!(event)
}

/** Reads a reply until it fails; fails with what ended it if nothing had come. */
const readReply = Effect.fnUntraced(function* (connection: QuicConnection) {
  const stream = yield* connection.openBidi
  yield* stream.write(Uint8Array.of(1))
  let received = (yield* stream.read())!.length
  const atNanos = nanos()
  const read = Effect.gen(function* () {
    const { earlyData } = yield* connection.handshakeComplete
    tell({ kind: "firstByte", atNanos, isEarly: earlyData === "accepted" })
    while (true) {
      const before = received
      received += (yield* stream.read())!.length
      if (before < MID_STREAM_BYTES && received >= MID_STREAM_BYTES) tell({ kind: "midStream" })
    }
  })
  yield* Effect.catch(read, ({ reason }) =>
    Effect.sync(() => tell({ kind: "lost", atNanos: nanos(), reason: reason._tag }))
  )
}, Effect.scoped)

/** What is replay-safe may be sent to a server that is not there: such a call is made again. */
const streamOnce = (peer: Peer) =>
  Effect.retry(peer.use(readReply, { replaySafe: true }), {
    while: ({ reason }) => reason._tag !== "PeerClosed"
  })

const connect = Effect.fnUntraced(function* (port: number) {
  const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1" })
  const peer = yield* endpoint.peer({ ...policy, host: "127.0.0.1", port })
  let handlers = 0
  const handler = Effect.fnUntraced(function* (stream: QuicStream) {
    handlers++
    yield* Effect.ensuring(
      Effect.forever(stream.read()),
      Effect.sync(() => handlers--)
    )
  })
  yield* Effect.forkScoped(Effect.ignore(peer.serveStreams((stream) => Effect.ignore(handler(stream)))))
  const census = Effect.gen(function* () {
    yield* peer.connection
    // until the last one has closed, too
    yield* Effect.sleep(1_000)
    const { managedBytes } = yield* Effect.promise(memoryUse)
    const { fibers, connections, peers } = yield* endpoint.tree
    const all = [...connections, ...peers.flatMap((each) => each.connections)]
    const sum = (of: (node: (typeof all)[number]) => number): number =>
      all.reduce((total, node) => total + of(node), 0)
    return {
      heapBytes: managedBytes,
      handlers,
      fibers,
      connections: all.length,
      streams: sum(({ streams }) => streams.length),
      waiting: sum(({ waiting }) => waiting)
    } satisfies Census
  })
  return { peer, census }
})

const main = async (): Promise<void> => {
  const [role, port, guardFile] = process.argv.slice(2)
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(stack, scope))
  const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Layer.Success<typeof stack>>): Promise<A> =>
    Effect.runPromise(Effect.provide(Scope.provide(effect, scope), context))
  process.on("disconnect", () => process.exit(0))
  if (role === "server") {
    process.once("message", () => {
      const durable = Layer.merge(Resumption.layerTicketKeys({ secret }), durableGuard(guardFile))
      run(Effect.provide(serve(Number(port)), durable)).catch(die)
    })
    process.send!({ kind: "ready" })
    return
  }
  const { peer, census } = await run(connect(Number(port)))
  process.on("message", (order: "stream" | "census") => {
    if (order === "stream") run(streamOnce(peer)).catch(die)
    else run(census).then((each) => tell({ kind: "census", census: each }), die)
  })
}

const die = (error: unknown): never => {
  console.error(error)
  process.exit(1)
}

if (process.send !== undefined) await main()
