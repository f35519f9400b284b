/**
 * Our client or server as a process that its parent talks to over IPC: a server answers with its port, and sends as many
 * bytes as are asked for; a client fetches some, over one path or two, and says how it went.
 */
import { createCipheriv } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { NodeCertificateVerifier } from "../../../layers/node/index.ts"
import { type PathInfo, type QuicConnection, QuicEndpoint, type QuicStream } from "../../../src/index.ts"
import { certificate } from "../../bench/identity.ts"
import { layerWithoutTrust } from "../../io.ts"
import { CLIENT, SERVER } from "./Links.ts"

export type Congestion = "cubic" | "bbr"

export type Question =
  | { readonly kind: "serve"; readonly congestion: Congestion }
  | {
      readonly kind: "fetch"
      readonly port: number
      readonly bytes: number
      readonly paths: 1 | 2
      readonly congestion: Congestion
    }
  | { readonly kind: "usage" }

export interface Gap {
  /** By the system's clock. */
  readonly untilMillis: number
  readonly millis: number
}

/** How a transfer went, by us or the kernel. */
export interface Fetched {
  readonly bytes: number
  /** From before connecting until the last byte. */
  readonly millis: number
  /** Of which nothing was received yet. */
  readonly connectMillis: number
  /** The longer times without a byte. */
  readonly gaps: ReadonlyArray<Gap>
  /** CPU time of the client. */
  readonly cpuMillis: number
}

export interface Usage {
  readonly cpuMillis: number
  /** Of the newest connection. */
  readonly paths: ReadonlyArray<PathInfo>
}

const ALPN = ["links"]
const GAP_MILLIS = 20
/** A prime, so that no shifted byte goes unnoticed. */
const PATTERN_BYTES = 1_000_003

const pattern = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(PATTERN_BYTES)
)

const transport = (congestion: Congestion) => ({ congestion, maxPaths: 2 })

const cpuMillis = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const send = Effect.fnUntraced(function* (stream: QuicStream) {
  const asked = yield* stream.read()
  let left = Number(Buffer.from(asked ?? []).toString())
  for (let at = 0; left > 0; ) {
    const end = Math.min(at + 65_536, PATTERN_BYTES, at + left)
    yield* stream.write(pattern.subarray(at, end))
    left -= end - at
    at = end % PATTERN_BYTES
  }
  yield* stream.finish
})

/** The newest one of the server. */
let newest: QuicConnection | undefined

const serve = Effect.fnUntraced(function* (congestion: Congestion) {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({
    host: SERVER,
    server: { alpn: ALPN, identity, transport: transport(congestion) }
  })
  yield* Effect.forkScoped(
    server.serve((connection) => {
      newest = connection
      return connection.serveStreams(send)
    })
  )
  return { port: server.localAddress.port }
})

/** Reads all, compares it with what was sent, and times the gaps. */
const receive = Effect.fnUntraced(function* (stream: QuicStream) {
  const gaps: Array<Gap> = []
  let [bytes, at, last] = [0, 0, performance.now()]
  for (let chunk = yield* stream.read(); chunk !== undefined; chunk = yield* stream.read()) {
    const now = performance.now()
    if (bytes > 0 && now - last >= GAP_MILLIS) gaps.push({ untilMillis: Date.now(), millis: now - last })
    last = now
    bytes += chunk.length
    for (let from = 0; from < chunk.length; ) {
      const length = Math.min(chunk.length - from, PATTERN_BYTES - at)
      if (pattern.compare(chunk, from, from + length, at, at + length) !== 0)
        return yield* Effect.die(new Error(`other bytes than were sent, before byte ${bytes}`))
      from += length
      at = (at + length) % PATTERN_BYTES
    }
  }
  return { bytes, gaps }
})

const fetch = Effect.fnUntraced(function* (task: Extract<Question, { kind: "fetch" }>) {
  const client = yield* QuicEndpoint.make({ host: CLIENT.wifi })
  const before = cpuMillis()
  const startedAt = performance.now()
  const { port, congestion, paths } = task
  const connection = yield* client.connect({
    ...{ host: SERVER, port, alpn: ALPN, serverName: "localhost", transport: transport(congestion) }
  })
  if (paths === 2)
    yield* Effect.forkScoped(Effect.orDie(connection.openPath({ local: { host: CLIENT.lte } })))
  const connectMillis = performance.now() - startedAt
  const stream = yield* connection.openBidi
  yield* stream.write(Buffer.from(String(task.bytes)))
  yield* stream.finish
  const received = yield* receive(stream)
  const millis = performance.now() - startedAt
  return { ...received, millis, connectMillis, cpuMillis: cpuMillis() - before } satisfies Fetched
})

const usage = (): Usage => ({ cpuMillis: cpuMillis(), paths: newest?.paths ?? [] })

const answer = Effect.fnUntraced(function* (question: Question) {
  switch (question.kind) {
    case "serve":
      return yield* serve(question.congestion)
    case "fetch":
      return yield* Effect.scoped(fetch(question))
    case "usage":
      return usage()
  }
})

process.on("disconnect", () => process.exit(0))

const program = Effect.gen(function* () {
  const { identity } = yield* Effect.promise(certificate)
  const questions = yield* Queue.unbounded<Question>()
  process.on("message", (question: Question) => Queue.offerUnsafe(questions, question))
  process.send!({})
  const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  yield* Effect.provide(
    Effect.forever(
      Effect.gen(function* () {
        const question = yield* Queue.take(questions)
        process.send!(yield* answer(question))
      })
    ),
    Layer.merge(layerWithoutTrust, trust)
  )
})

Effect.runPromise(Effect.scoped(program)).catch((error: unknown) =>
  process.send!({ error: error instanceof Error ? error.stack : String(error) })
)
