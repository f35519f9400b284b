/** The benchmarks, their metrics and the systems compared. */
import { type OpenTask, WARM_UP_MILLIS } from "./system.ts"

export interface Metric {
  /** The figure's name in a `Result`. */
  readonly from: string
  readonly metric: string
  /** Column heading. */
  readonly short: string
  readonly unit: string
  readonly scale: number
  /** Whether larger is better. */
  readonly more: boolean
}

export interface Benchmark {
  readonly title: string
  readonly conditions: string
  readonly task: OpenTask
  readonly metrics: ReadonlyArray<Metric>
  /** The system that ratios refer to. */
  readonly reference: string
  /** Run only once: the result does not vary with load. */
  readonly isSteady?: boolean
}

const less = (from: string, metric: string, short: string, unit: string): Metric => ({
  from,
  metric,
  short,
  unit,
  scale: 1,
  more: false
})

const goodput: Metric = {
  from: "bitsPerSecond",
  metric: "goodput",
  short: "",
  unit: "Mbit/s",
  scale: 1e-6,
  more: true
}

const coldGoodput: Metric = {
  ...goodput,
  from: "firstBitsPerSecond",
  metric: "a process's first transfer",
  short: "first"
}

const bulk = (datagramBytes: number, bytes: number): Benchmark => ({
  title: `One stream, client to server, datagrams of ${datagramBytes} bytes`,
  conditions: `1 stream, ${datagramBytes} B datagrams`,
  task: { kind: "bulk", bytes, datagramBytes },
  metrics: [goodput, coldGoodput],
  reference: "@chainsafe/libp2p-quic"
})

const held = (what: "connections" | "streams", count: number): Benchmark => ({
  title: `Memory for each of ${count} idle ${what}, by side`,
  conditions: `${count} idle ${what}`,
  task: { kind: what === "connections" ? "holdConnections" : "holdStreams", count },
  metrics: [
    less("client", "heap and buffers, client", "client", "kB"),
    less("server", "heap and buffers, server", "server", "kB"),
    less("clientResident", "resident, client", "resident", "kB"),
    less("serverResident", "resident, server", "resident", "kB")
  ],
  reference: "effect-quic portable",
  isSteady: true
})

const handshakes = (title: string, conditions: string, task: OpenTask): Benchmark => ({
  title,
  conditions,
  task,
  metrics: [
    { from: "perSecond", metric: "handshakes", short: "", unit: "1/s", scale: 1, more: true },
    less("clientMicros", "CPU per handshake, client", "client CPU", "µs"),
    less("serverMicros", "CPU per handshake, server", "server CPU", "µs"),
    less("firstMillis", "a process's first handshake", "first", "ms")
  ],
  reference: "node:tls"
})

export interface Extent {
  /** Fraction of the usual amount of work. */
  readonly scale: number
  readonly connections: number
  readonly streams: number
}

const DELAY_MILLIS = 20

const handshaking = (scale: number) => ({
  count: Math.ceil(400 * scale),
  warmUpMillis: scale < 1 ? 0 : WARM_UP_MILLIS
})

export const benchmarks = ({ scale, connections, streams }: Extent): ReadonlyArray<Benchmark> => [
  bulk(1452, 200_000_000 * scale),
  bulk(1200, 200_000_000 * scale),
  {
    title:
      "One stream, client to server, datagrams as large as path MTU discovery finds (loopback: 65507 bytes)",
    conditions: "1 stream, discovered datagram size",
    task: { kind: "bulk", bytes: 500_000_000 * scale, datagramBytes: "discovered" },
    metrics: [
      goodput,
      coldGoodput,
      { ...goodput, from: "datagramBytes", metric: "datagram size", short: "datagrams", unit: "B", scale: 1 }
    ],
    reference: "@chainsafe/libp2p-quic"
  },
  {
    title: "A call: a 64-byte round trip on a new stream",
    conditions: "64 B request and reply, sequential",
    task: { kind: "call", calls: 5_000 * scale },
    metrics: [
      less("p50", "call latency p50", "p50", "µs"),
      less("p99", "call latency p99", "p99", "µs"),
      less("cpuMicros", "CPU per call, client", "client CPU", "µs"),
      less("first", "a process's first call", "first", "µs")
    ],
    reference: "@chainsafe/libp2p-quic"
  },
  handshakes("Sequential handshakes with certificate verification", "sequential, full", {
    kind: "handshake",
    ...handshaking(scale),
    tickets: "ignore"
  }),
  handshakes("Sequential resumed handshakes", "sequential, resumed", {
    kind: "handshake",
    ...handshaking(scale),
    tickets: "use"
  }),
  {
    title: `From connect to the first byte of a response, over a relay with an RTT of ${2 * DELAY_MILLIS} ms`,
    conditions: `loopback relay, ${DELAY_MILLIS} ms each way`,
    task: { kind: "firstByte", count: Math.max(4, 20 * scale), delayMillis: DELAY_MILLIS },
    metrics: [less("millis", "time to first byte", "", "ms")],
    reference: "effect-quic portable",
    isSteady: true
  },
  held("connections", connections),
  held("streams", streams)
]

/** The transfer profiled by stage. */
export const staged = ({ scale }: Extent): Extract<OpenTask, { kind: "bulk" }> => ({
  kind: "bulk",
  bytes: Math.max(40_000_000, 200_000_000 * scale),
  datagramBytes: 1452
})
