/** The two peers of a cell of the matrix, the same in the simulator and in the kernel's namespaces. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  type BootstrapOption,
  DialAddress,
  Identity,
  QuicEndpoint,
  type QuicConnection,
  type QuicEndpointShape
} from "../../src/index.ts"
import type { Expectation } from "./matrix.ts"
import { readAll } from "../api/pair.ts"

export const alpn = ["nat-matrix"]

/** What both are told of the public network. */
export interface Public {
  readonly relays: ReadonlyArray<string>
  readonly bootstraps: ReadonlyArray<BootstrapOption>
}

/** What a cell was measured at. */
export interface CellFigures {
  /** How data goes when all is settled. */
  readonly outcome: "direct" | "relayed"
  /** From the dial to the first byte of the answer. */
  readonly firstByteMillis: number
  readonly firstByteVia: "relay" | "direct"
  /** From the dial until data goes directly; null if it never did. */
  readonly directMillis: number | null
  /** Through the client's relays, both ways, until then. */
  readonly relayedBytes: number
  /** Through them while `bulkBytes` went each way afterwards. */
  readonly relayedLater: number
  /** Datagrams that the client has sent for it until then. */
  readonly probes: number
}

/** Goes each way once all is settled. */
export const bulkBytes = 100_000
/** As long as a round of traversal may take, and the one after it. */
export const patienceMillis = 45_000
/** Where UDP is blocked there is nothing to wait for. */
export const shortPatienceMillis = 12_000

export const patienceFor = (expected: Expectation): number =>
  expected === "relayed" ? shortPatienceMillis : patienceMillis

/** A peer that echoes every stream; its address names relays alone, as the matrix is about what is found out later. */
export const echoPeer = Effect.fnUntraced(function* ({ relays, bootstraps }: Public) {
  const identity = yield* Identity.generateRawKey
  const endpoint = yield* QuicEndpoint.make({
    host: "0.0.0.0",
    identity,
    relays,
    traversal: { bootstraps },
    server: { alpn }
  })
  yield* endpoint
    .serveStreams((stream) => Stream.run(stream.readable, stream.writable))
    .pipe(Effect.ignore, Effect.forkScoped)
  yield* endpoint.online
  const address = yield* endpoint.dialAddress
  const ticket = DialAddress.ticket({ ...address, addresses: [] })
  return { endpoint, ticket }
})

/** The peer that dials. */
export const dialingPeer = Effect.fnUntraced(function* ({ relays, bootstraps }: Public) {
  const identity = yield* Identity.generateRawKey
  const endpoint = yield* QuicEndpoint.make({ host: "0.0.0.0", identity, relays, traversal: { bootstraps } })
  yield* endpoint.online
  return endpoint
})

/** Whether what is sent now goes directly. */
export const isDirect = (connection: QuicConnection): boolean =>
  connection.paths.some(({ remote, carriesData }) => remote.relayed === undefined && carriesData)

export const relayedBytes = (endpoint: QuicEndpointShape): Effect.Effect<number> =>
  Effect.map(endpoint.relays, (relays) =>
    relays.reduce((sum, { counters }) => sum + (counters?.sentBytes ?? 0) + (counters?.receivedBytes ?? 0), 0)
  )

/** Sends so much and waits for the echo; how many bytes of it are right. */
export const echoed = Effect.fnUntraced(function* (connection: QuicConnection, length: number) {
  const stream = yield* connection.openBidi
  const sending = Effect.andThen(stream.write(Uint8Array.from({ length }, (_, i) => i % 251)), stream.finish)
  const [, answer] = yield* Effect.all([sending, readAll(stream)], { concurrency: 2 })
  const wrong = answer.findIndex((byte, i) => byte !== i % 251)
  return wrong === -1 ? answer.length : wrong
})

/** Dials, and asks for little things until the connection is direct, or has had the time to be. */
export const measureCell = Effect.fnUntraced(function* (
  endpoint: QuicEndpointShape,
  ticket: string,
  patience = patienceMillis
) {
  const began = yield* Clock.currentTimeMillis
  const since = Effect.map(Clock.currentTimeMillis, (now) => now - began)
  const connection = yield* endpoint.dial(ticket, { alpn })
  yield* echoed(connection, 1)
  const firstByteMillis = yield* since
  const firstByteVia = isDirect(connection) ? "direct" : "relay"
  let directMillis: number | null = null
  for (let now = firstByteMillis; directMillis === null && now < patience; now = yield* since) {
    if (isDirect(connection)) directMillis = now
    else {
      yield* echoed(connection, 100)
      yield* Effect.sleep(20)
    }
  }
  const relayed = yield* relayedBytes(endpoint)
  const probes = connection.traversal.statistics.probes.sent
  // what was sent through the relay before is on its way still
  yield* Effect.sleep(2000)
  const before = yield* relayedBytes(endpoint)
  const length = yield* echoed(connection, bulkBytes)
  if (length !== bulkBytes) return yield* Effect.die(new Error(`${length} of ${bulkBytes} bytes came back`))
  const figures: CellFigures = {
    outcome: directMillis === null ? "relayed" : "direct",
    firstByteMillis,
    firstByteVia,
    directMillis,
    relayedBytes: relayed,
    relayedLater: (yield* relayedBytes(endpoint)) - before,
    probes
  }
  return { connection, figures }
})
