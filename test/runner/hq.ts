/** The QUIC interop runner's setup: a client, a link, and a server that answers `GET /BYTES` over hq-interop. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import type { LinkConditions } from "../../layers/sim/SimLink.ts"
import { type SimConnection, SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { encodeRequest, hqAlpn, HqRefusal, parseRequest, readRequestLine } from "../../src/cli/hqRequest.ts"
import type { QuicConnection, QuicError, QuicStream, TransportOptions } from "../../src/index.ts"
import { type Endpoints, endpoints, type PairOptions, pattern } from "../api/pair.ts"
import type { World } from "../api/World.ts"
import { LiveCryptoSuite } from "../io.ts"

export const KIB = 1024
export const MIB = 1024 * KIB

/** The content of every file; longer ones repeat it. */
const contents = pattern(4 * MIB)

/** Answers with the number of bytes the request names. */
const answer = Effect.fnUntraced(function* (stream: QuicStream) {
  const path = parseRequest((yield* readRequestLine(stream)) ?? "")
  const bytes = Number(path?.slice(1))
  if (!Number.isSafeInteger(bytes) || bytes < 0) return yield* stream.reset(HqRefusal.notFound)
  for (let sent = 0; sent < bytes; sent += contents.length) {
    const rest = Math.min(contents.length, bytes - sent)
    for (let at = 0; at < rest; at += 64 * KIB)
      yield* stream.write(contents.subarray(at, Math.min(rest, at + 64 * KIB)))
  }
  yield* stream.finish
})

export interface Stage extends Endpoints {
  readonly world: World
  readonly cable: SimConnection
  /** The server's ends of connections. */
  readonly accepted: ReadonlyArray<QuicConnection>
  readonly connect: Effect.Effect<QuicConnection, QuicError, Scope.Scope>
}

/** Options common to both sides. */
export const both = (transport: TransportOptions, more: PairOptions = {}): PairOptions => ({
  ...more,
  client: { transport, ...more.client },
  server: { transport, ...more.server }
})

/** Timeouts that never fire. */
export const patient: TransportOptions = {
  handshakeTimeout: 300_000,
  maxIdleTimeout: 300_000,
  closeTimeout: 30_000
}

export const simulatedWorld = (link: Partial<LinkConditions>) =>
  Effect.map(SimNetwork, (network): World => {
    const client = network.host("client", "10.0.0.1")
    const server = network.host("server", "10.0.0.2")
    return {
      client: { host: "10.0.0.1", layer: Layer.merge(client.layer, LiveCryptoSuite.layer) },
      server: { host: "10.0.0.2", layer: Layer.merge(server.layer, LiveCryptoSuite.layer) },
      cable: network.connect(client, server, link),
      clientHost: client
    }
  })

/** A running server, and a client that may connect to it. */
export const served = Effect.fnUntraced(function* (world: World, options: PairOptions = {}) {
  const made = yield* endpoints(world, {
    ...options,
    client: { alpn: [hqAlpn], groups: ["x25519"], ...options.client },
    server: { alpn: [hqAlpn], ...options.server }
  })
  const accepted: Array<QuicConnection> = []
  const serve = made.server.serve((far) => {
    accepted.push(far)
    return far.serveStreams(answer)
  })
  yield* Effect.forkScoped(serve)
  return { ...made, accepted, connect: made.client.connect(made.connectOptions) }
})

export const stage = Effect.fnUntraced(function* (link: Partial<LinkConditions>, options: PairOptions = {}) {
  const world = yield* simulatedWorld(link)
  return { ...(yield* served(world, options)), world, cable: world.cable! } satisfies Stage
})

/** Requests that many bytes and checks each of them; `onBytes` is called with the number received so far. */
export const get = Effect.fnUntraced(function* (
  connection: QuicConnection,
  bytes: number,
  onBytes: (count: number) => void = () => {}
) {
  const stream = yield* connection.openBidi
  yield* stream.write(encodeRequest(`/${bytes}`))
  yield* stream.finish
  let received = 0
  for (let chunk = yield* stream.read(); chunk !== undefined; chunk = yield* stream.read()) {
    const from = received % contents.length
    const whole = from + chunk.length <= contents.length
    if (whole && Buffer.compare(chunk, contents.subarray(from, from + chunk.length)) !== 0)
      throw new Error(`data differs at or soon after byte ${received} of ${bytes}`)
    received += chunk.length
    onBytes(received)
  }
  expect(received).toBe(bytes)
}, Effect.scoped)

/** The duration in virtual milliseconds. */
export const timed = <E, R>(effect: Effect.Effect<unknown, E, R>): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    const from = yield* Clock.currentTimeMillis
    yield* effect
    return (yield* Clock.currentTimeMillis) - from
  })
