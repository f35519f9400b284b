/** One cell of the grid: two links in the simulator, a stream that fills them, and small messages beside it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeCryptoSuite from "../../../layers/node/NodeCryptoSuite.ts"
import { SimNetwork, SimRuntime } from "../../../layers/sim/index.ts"
import {
  Identity,
  type MessageOptions,
  PathScheduling,
  type QuicConnection,
  QuicEndpoint,
  type QuicStream,
  type TransportOptions,
  Trust
} from "../../../src/index.ts"
import { quantiles } from "../system.ts"

/** Of the first link; the second has a multiple of its round-trip time, and a fraction of its rate. */
export const RTT_MILLIS = 20
export const BITS_PER_SECOND = 20e6
/** What of a full packet is data: 28 bytes are IP and UDP, 35 are QUIC. */
const DATA_SHARE = (1480 - 28 - 35) / 1480
/** The queue before each limit holds as much as is on its way, and ten packets in any case. */
const LEAST_QUEUE_BYTES = 15_000

const CLIENT = ["10.1.0.2", "10.2.0.2"] as const
const SERVER = "203.0.113.10"
const BETWEEN_MESSAGES_MILLIS = 10
const MESSAGE_BYTES = 64
/** Past slow start on any of the links. */
const WARM_UP_MILLIS = 3_000
/** Longer where chance has a part in it. */
const MILLIS = { clean: 2_000, lossy: 5_000 }

export const schedulers = {
  earliest: PathScheduling.layerEarliest,
  minRTT: PathScheduling.layerMinRtt,
  BLEST: PathScheduling.layerBlest,
  ECF: PathScheduling.layerEcf,
  weighted: PathScheduling.layerWeighted(({ id }) => (id === 0 ? 2 : 1)),
  aggregate: PathScheduling.layerAggregate,
  redundant: PathScheduling.layerRedundant
} as const

export type SchedulerName = keyof typeof schedulers

export interface CellOptions {
  /** Undefined for the first link alone. */
  readonly scheduler: SchedulerName | undefined
  readonly rttRatio: number
  readonly rateRatio: number
  readonly lossRate: number
  readonly congestion: NonNullable<TransportOptions["congestion"]>
  /** Which packets are lost. */
  readonly seed: number
}

export interface Cell {
  /** Of the stream, as far as it has arrived. */
  readonly bitsPerSecond: number
  /** That, as a fraction of what the links have room for. */
  readonly share: number
  /** From `sendMessage` until it is read, of 99 % of the messages. */
  readonly messageMillis: number
  /** The same, of those that prefer the path of the lowest latency. */
  readonly hintedMillis: number
}

/** What the server has received. */
interface Seen {
  connection: QuicConnection | undefined
  /** Of the stream, read in order. */
  bytes: number
  /** When each message was read. */
  readonly arrived: Map<number, number>
}

const linkOf = (rttMillis: number, bitsPerSecond: number, lossRate: number) => ({
  delayMillis: rttMillis / 2,
  bitsPerSecond,
  lossRate,
  queueBytes: Math.max(LEAST_QUEUE_BYTES, (bitsPerSecond / 8) * (rttMillis / 1000))
})

/** A stream is a message, which begins with 1 and its number, or the one that fills the links. */
const receiving = (seen: Seen) =>
  Effect.fnUntraced(function* (stream: QuicStream) {
    const message: Array<number> = []
    for (let chunk = yield* stream.read(); chunk !== undefined; chunk = yield* stream.read())
      if (message.length === 0 && chunk[0] === 0) seen.bytes += chunk.length
      else message.push(...chunk)
    if (message.length < MESSAGE_BYTES) return
    const [, high, low] = message
    seen.arrived.set(256 * high + low, yield* Clock.currentTimeMillis)
  })

const connected = Effect.fnUntraced(function* (options: CellOptions, seen: Seen) {
  const { scheduler, rttRatio, rateRatio, lossRate, congestion } = options
  const network = yield* SimNetwork
  const core = network.router("core")
  const near = network.host("client", ...CLIENT)
  const far = network.host("server", SERVER)
  const second = linkOf(RTT_MILLIS * rttRatio, BITS_PER_SECOND / rateRatio, lossRate)
  network.connect(near, core, { from: CLIENT[0], ...linkOf(RTT_MILLIS, BITS_PER_SECOND, lossRate) })
  network.connect(near, core, { from: CLIENT[1], ...second })
  network.connect(far, core, {})
  const crypto = Layer.merge(far.layer, NodeCryptoSuite.layer)
  const identity = yield* Effect.provide(Identity.generateRawKey, crypto)
  const shared = Layer.mergeAll(
    NodeCryptoSuite.layer,
    Trust.layerRawKeys([identity.peerId]),
    scheduler === undefined ? Layer.empty : schedulers[scheduler]
  )
  const transport: TransportOptions = { maxPaths: 2, congestion, maxUnidirectionalStreams: 1_000 }
  const server = yield* QuicEndpoint.make({
    port: 4433,
    server: { alpn: ["grid"], identity, transport }
  }).pipe(Effect.provide(Layer.merge(far.layer, shared)))
  yield* Effect.forkScoped(
    server.serve((connection) => {
      seen.connection = connection
      return connection.serveStreams(receiving(seen))
    })
  )
  const client = yield* Effect.provide(
    QuicEndpoint.make({ autoMigrate: false }),
    Layer.merge(near.layer, shared)
  )
  const connection = yield* client.connect({ host: SERVER, port: 4433, alpn: ["grid"], transport })
  if (scheduler !== undefined) yield* connection.openPath({ local: { host: CLIENT[1] } })
  return connection
})

const preferences: ReadonlyArray<MessageOptions> = [{}, { path: { prefer: "lowestLatency" } }]

const program = Effect.fnUntraced(function* (options: CellOptions) {
  const seen: Seen = { connection: undefined, bytes: 0, arrived: new Map() }
  const connection = yield* connected(options, seen)
  const stream = yield* connection.openUni
  yield* Effect.forkScoped(Effect.forever(stream.write(new Uint8Array(64_000))))
  yield* Effect.sleep(WARM_UP_MILLIS)
  const startedAt = yield* Clock.currentTimeMillis
  const before = received(seen)
  const sent: Array<number> = []
  const { lossRate, scheduler, rateRatio } = options
  for (let left = lossRate === 0 ? MILLIS.clean : MILLIS.lossy; left > 0; left -= BETWEEN_MESSAGES_MILLIS) {
    const message = new Uint8Array(MESSAGE_BYTES)
    message.set([1, sent.length >> 8, sent.length & 0xff])
    sent.push(yield* Clock.currentTimeMillis)
    yield* connection.sendMessage(message, preferences[sent.length % 2])
    yield* Effect.sleep(BETWEEN_MESSAGES_MILLIS)
  }
  const bytes = received(seen) - before
  const bitsPerSecond = (bytes * 8_000) / ((yield* Clock.currentTimeMillis) - startedAt)
  while (seen.arrived.size < sent.length) yield* Effect.sleep(100)
  const delays: ReadonlyArray<Array<number>> = [[], []]
  for (const [i, at] of sent.entries()) delays[(i + 1) % 2].push(seen.arrived.get(i)! - at)
  const links = scheduler === undefined ? 1 : 1 + 1 / rateRatio
  const cell: Cell = {
    bitsPerSecond,
    share: bitsPerSecond / (DATA_SHARE * BITS_PER_SECOND * (1 - lossRate) * links),
    messageMillis: quantiles(delays[0]).p99,
    hintedMillis: quantiles(delays[1]).p99
  }
  return cell
}, Effect.scoped)

/** What waits for data of the slower path has arrived, too. */
const received = ({ connection, bytes }: Seen): number => bytes + (connection?.stats.reorderBytes ?? 0)

/** Runs it in this process, in virtual time. */
export const measureCell = (options: CellOptions): Promise<Cell> =>
  SimRuntime.runPromise(JSON.stringify(options), program(options))
