/** Which metrics an endpoint has, and where their values are: names and units as in OpenTelemetry. */
import type { EndpointStatistics } from "../capability/EndpointStatistics.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"

/** One series of a metric. */
export interface Series<Source> {
  readonly type: "counter" | "gauge"
  readonly name: string
  /** UCUM. */
  readonly unit: string
  readonly description: string
  readonly read: (source: Source) => number
  readonly attributes?: Readonly<Record<string, string>>
}

type Make = <Source>(
  name: string,
  unit: string,
  description: string,
  read: Series<Source>["read"]
) => Series<Source>

const counter: Make = (name, unit, description, read) => ({ type: "counter", name, unit, description, read })

const gauge: Make = (name, unit, description, read) => ({ type: "gauge", name, unit, description, read })

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A series for each field of a record of counts. */
const perKind = <Kind extends string>(
  attribute: string,
  first: Readonly<Record<Kind, number>>,
  seriesOf: (kind: Kind) => Series<EndpointStatistics>
): ReadonlyArray<Series<EndpointStatistics>> =>
  (Object.keys(first) as Array<Kind>).map((kind) => ({
    ...seriesOf(kind),
    attributes: { [attribute]: snakeCase(kind) }
  }))

const packet = "{packet}"
const datagram = "{datagram}"
const handshake = "{handshake}"
const connection = "{connection}"
const bytes = "By"

/** What is done to find direct paths through NATs. */
const traversalSeries = ({ traversal }: EndpointStatistics): ReadonlyArray<Series<EndpointStatistics>> => [
  counter(
    "quic.endpoint.traversal.attempts",
    "{attempt}",
    "Rounds of probing for direct paths through NATs",
    (s) => s.traversal.attempts
  ),
  counter(
    "quic.endpoint.traversal.successes",
    "{attempt}",
    "Rounds that have led to a direct path",
    (s) => s.traversal.successes
  ),
  counter(
    "quic.endpoint.traversal.direct",
    connection,
    "Connections that have become direct, each time",
    (s) => s.traversal.direct
  ),
  counter(
    "quic.endpoint.traversal.relayed",
    connection,
    "Connections that were left to their relay, each time",
    (s) => s.traversal.relayed
  ),
  counter(
    "quic.endpoint.traversal.coordinations",
    "{attempt}",
    "Rounds whose coordination was completed",
    (s) => s.traversal.coordinations
  ),
  counter(
    "quic.endpoint.traversal.coordination.time",
    "s",
    "Time from the exchange of candidates to the first probe",
    (s) => s.traversal.coordinationMillis / 1000
  ),
  counter(
    "quic.endpoint.traversal.probes.sent",
    datagram,
    "Datagrams sent to addresses at which a peer may be",
    (s) => s.traversal.probes.sent
  ),
  counter(
    "quic.endpoint.traversal.probes.bytes",
    bytes,
    "UDP payload of these datagrams, at most",
    (s) => s.traversal.probes.bytes
  ),
  counter(
    "quic.endpoint.traversal.probes.answered",
    "{pair}",
    "Pairs of addresses that have answered, once in each round",
    (s) => s.traversal.probes.answered
  ),
  counter(
    "quic.endpoint.traversal.probes.addresses",
    "{address}",
    "Addresses probed, each once an hour",
    (s) => s.traversal.probes.addresses
  ),
  ...perKind("quic.probe.limit", traversal.probes.refused, (limit) =>
    counter(
      "quic.endpoint.traversal.probes.refused",
      "{refusal}",
      "Times that a limit forbade an address or a datagram",
      (s) => s.traversal.probes.refused[limit]
    )
  )
]

/** The series of an endpoint; `first` says which kinds there are. */
export const endpointSeries = (first: EndpointStatistics): ReadonlyArray<Series<EndpointStatistics>> => [
  counter(
    "quic.endpoint.packets.received",
    packet,
    "QUIC packets received, authentic and new",
    (s) => s.packetsReceived
  ),
  counter("quic.endpoint.packets.sent", packet, "QUIC packets sent", (s) => s.packetsSent),
  counter("quic.endpoint.packets.lost", packet, "Packets declared lost", (s) => s.packetsLost),
  ...perKind("quic.drop.reason", first.dropped, (kind) =>
    counter(
      "quic.endpoint.packets.dropped",
      packet,
      "Packets received that had no effect",
      (s) => s.dropped[kind]
    )
  ),
  counter("quic.endpoint.datagrams.received", datagram, "UDP datagrams received", (s) => s.datagramsReceived),
  counter("quic.endpoint.datagrams.sent", datagram, "UDP datagrams sent", (s) => s.datagramsSent),
  counter("quic.endpoint.bytes.received", bytes, "UDP payload received", (s) => s.bytesReceived),
  counter("quic.endpoint.bytes.sent", bytes, "UDP payload sent", (s) => s.bytesSent),
  counter("quic.endpoint.bytes.lost", bytes, "Bytes of lost packets", (s) => s.bytesLost),
  ...perKind("quic.reply.kind", first.statelessReplies, (kind) =>
    counter(
      "quic.endpoint.stateless_replies",
      packet,
      "Answers without a connection",
      (s) => s.statelessReplies[kind]
    )
  ),
  gauge(
    "quic.endpoint.handshakes.in_flight",
    handshake,
    "Handshakes in progress",
    (s) => s.handshakes.inFlight
  ),
  counter(
    "quic.endpoint.handshakes.completed",
    handshake,
    "Handshakes completed",
    (s) => s.handshakes.completed
  ),
  counter("quic.endpoint.handshakes.failed", handshake, "Handshakes that failed", (s) => s.handshakes.failed),
  gauge(
    "quic.endpoint.connections.active",
    connection,
    "Established connections",
    (s) => s.connectionsActive
  ),
  ...perKind("quic.close.reason", first.closes, (kind) =>
    counter("quic.endpoint.connections.closed", connection, "Connections that ended", (s) => s.closes[kind])
  ),
  ...traversalSeries(first),
  counter("quic.endpoint.strikes", "{strike}", "What peers did that does no good", (s) => s.strikes),
  gauge(
    "quic.endpoint.reorder_buffer.size",
    bytes,
    "Memory of data that waits for earlier bytes",
    (s) => s.reorderBufferBytes
  )
]

const seconds = (micros: number): number => micros / 1_000_000

/** The series of a path. */
export const pathSeries: ReadonlyArray<Series<ConnectionPath>> = [
  gauge("quic.path.rtt.smoothed", "s", "Smoothed round-trip time", ({ recovery }) =>
    seconds(recovery.rtt.smoothedMicros)
  ),
  gauge("quic.path.rtt.min", "s", "Smallest round-trip time", ({ recovery }) =>
    seconds(recovery.rtt.shownMinMicros)
  ),
  gauge(
    "quic.path.congestion_window",
    bytes,
    "Congestion window",
    ({ recovery }) => recovery.congestionWindow
  ),
  gauge(
    "quic.path.bytes.in_flight",
    bytes,
    "Bytes neither acknowledged nor lost",
    ({ recovery }) => recovery.bytesInFlight
  ),
  counter("quic.path.bytes.received", bytes, "UDP payload received", ({ traffic }) => traffic.bytesReceived),
  counter("quic.path.bytes.sent", bytes, "UDP payload sent", ({ traffic }) => traffic.bytesSent),
  counter(
    "quic.path.bytes.lost",
    bytes,
    "Bytes of lost packets",
    ({ recovery }) => recovery.counters.bytesLost
  ),
  counter(
    "quic.path.packets.sent",
    packet,
    "QUIC packets sent",
    ({ recovery }) => recovery.counters.packetsSent
  ),
  counter(
    "quic.path.packets.lost",
    packet,
    "Packets declared lost",
    ({ recovery }) => recovery.counters.packetsLost
  ),
  gauge("quic.path.mtu", bytes, "Size of UDP payloads", ({ mtu }) => mtu.current)
]
