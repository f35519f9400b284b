/**
 * What `effect-quic top` shows: the rates between two snapshots of the same endpoints.
 *
 * A rate is the difference of a counter over the difference of the endpoint's own clock, so it does not depend on how
 * long a snapshot was on its way. Without an earlier snapshot there is no rate.
 */
import type { ConnectionNode, EndpointNode, PathNode, StreamHalf, StreamNode } from "../FiberTree.ts"
import type { EndpointStatistics } from "../capability/EndpointStatistics.ts"
import type { ProcessTree } from "./CliHost.ts"

/** Per second; undefined until there are two snapshots. */
export type Rate = number | undefined

/** What moved between two snapshots. */
export interface Traffic {
  readonly inBits: Rate
  readonly outBits: Rate
  /** UDP datagrams. */
  readonly inDatagrams: Rate
  readonly outDatagrams: Rate
  /** Packets lost, of those sent in the same time: 0 … 1; undefined if none was sent. */
  readonly lossShare: number | undefined
}

export interface PathRow extends Traffic {
  readonly node: PathNode
}

export interface StreamRow {
  readonly node: StreamNode
  readonly inBits: Rate
  readonly outBits: Rate
}

export interface ConnectionRow extends Traffic {
  /** The same in every snapshot. */
  readonly key: string
  readonly endpoint: string
  readonly pid: number
  /** Name of the `Peer` it belongs to. */
  readonly peer: string | undefined
  readonly node: ConnectionNode
  readonly paths: ReadonlyArray<PathRow>
  readonly streams: ReadonlyArray<StreamRow>
}

/** A counter and how fast it grows. */
export interface Counted {
  readonly total: number
  readonly rate: Rate
}

/** Counters by kind. */
export type CountedKinds = Readonly<Record<string, Counted>>

/** What an endpoint counts, connections that are gone included. */
export interface Totals {
  readonly inBytes: Counted
  readonly outBytes: Counted
  readonly inDatagrams: Counted
  readonly outDatagrams: Counted
  readonly lostPackets: Counted
  readonly handshakes: CountedKinds
  readonly dropped: CountedKinds
  readonly replies: CountedKinds
  readonly closes: CountedKinds
}

export interface EndpointRow {
  /** The same in every snapshot. */
  readonly key: string
  readonly pid: number
  readonly command: string
  readonly node: EndpointNode
  /** Time since the snapshot before; undefined for the first. */
  readonly elapsedMillis: number | undefined
  readonly totals: Totals
  readonly connections: ReadonlyArray<ConnectionRow>
}

/** Undefined before the first answer. */
export type Seen = ReadonlyArray<EndpointRow>

type Per = (now: number, before: number | undefined) => Rate

/** Differences per second. What is new since the snapshot before began at 0. */
const perSecond = (elapsedMillis: number | undefined): Per =>
  elapsedMillis === undefined
    ? () => undefined
    : (now, before = 0) => (Math.max(0, now - before) * 1000) / elapsedMillis

const sum = (rates: ReadonlyArray<Rate>): Rate =>
  rates.reduce(
    (total: Rate, rate) => (total === undefined || rate === undefined ? undefined : total + rate),
    0
  )

const bits = (bytesPerSecond: Rate): Rate => (bytesPerSecond === undefined ? undefined : bytesPerSecond * 8)

const share = (lost: Rate, sent: Rate): number | undefined =>
  lost === undefined || !sent ? undefined : Math.min(1, lost / sent)

const countedKinds = (now: object, before: object | undefined, per: Per): CountedKinds => {
  const known = new Map<string, number>(Object.entries(before ?? {}))
  return Object.fromEntries(
    Object.entries(now).map(([kind, total]) => [kind, { total, rate: per(total, known.get(kind)) }])
  )
}

const totalsOf = (now: EndpointStatistics, before: EndpointStatistics | undefined, per: Per): Totals => {
  const counted = (total: number, known: number | undefined): Counted => ({ total, rate: per(total, known) })
  return {
    inBytes: counted(now.bytesReceived, before?.bytesReceived),
    outBytes: counted(now.bytesSent, before?.bytesSent),
    inDatagrams: counted(now.datagramsReceived, before?.datagramsReceived),
    outDatagrams: counted(now.datagramsSent, before?.datagramsSent),
    lostPackets: counted(now.packetsLost, before?.packetsLost),
    handshakes: countedKinds(now.handshakes, before?.handshakes, per),
    dropped: countedKinds(now.dropped, before?.dropped, per),
    replies: countedKinds(now.statelessReplies, before?.statelessReplies, per),
    closes: countedKinds(now.closes, before?.closes, per)
  }
}

const pathRow = (node: PathNode, before: PathNode | undefined, per: Per): PathRow => ({
  node,
  inBits: bits(per(node.bytesReceived, before?.bytesReceived)),
  outBits: bits(per(node.bytesSent, before?.bytesSent)),
  inDatagrams: per(node.datagramsReceived, before?.datagramsReceived),
  outDatagrams: per(node.datagramsSent, before?.datagramsSent),
  lossShare: share(per(node.packetsLost, before?.packetsLost), per(node.packetsSent, before?.packetsSent))
})

const halfBits = (half: StreamHalf | undefined, before: StreamHalf | undefined, per: Per): Rate =>
  half === undefined ? undefined : bits(per(half.bytes, before?.bytes))

const connectionRow = (
  place: { readonly endpoint: string; readonly pid: number; readonly peer: string | undefined },
  node: ConnectionNode,
  before: ConnectionRow | undefined,
  per: Per
): ConnectionRow => {
  const pathsBefore = new Map(before?.paths.map((row) => [row.node.id, row.node]))
  const streamsBefore = new Map(before?.streams.map((row) => [row.node.id, row.node]))
  const paths = node.paths.map((path) => pathRow(path, pathsBefore.get(path.id), per))
  const lost = node.paths.map((path) => per(path.packetsLost, pathsBefore.get(path.id)?.packetsLost))
  const sent = node.paths.map((path) => per(path.packetsSent, pathsBefore.get(path.id)?.packetsSent))
  return {
    ...place,
    key: `${place.endpoint}/${node.fiber}`,
    node,
    inBits: sum(paths.map(({ inBits }) => inBits)),
    outBits: sum(paths.map(({ outBits }) => outBits)),
    inDatagrams: sum(paths.map(({ inDatagrams }) => inDatagrams)),
    outDatagrams: sum(paths.map(({ outDatagrams }) => outDatagrams)),
    lossShare: share(sum(lost), sum(sent)),
    paths,
    streams: node.streams.map((stream) => {
      const known = streamsBefore.get(stream.id)
      return {
        node: stream,
        inBits: halfBits(stream.receiving, known?.receiving, per),
        outBits: halfBits(stream.sending, known?.sending, per)
      }
    })
  }
}

const endpointRow = (
  key: string,
  { pid, command }: ProcessTree,
  node: EndpointNode,
  before: EndpointRow | undefined
): EndpointRow => {
  const elapsed = before === undefined ? 0 : node.ageMillis - before.node.ageMillis
  // an endpoint that became younger is another one, in a process that was given the same PID
  const elapsedMillis = elapsed > 0 ? elapsed : undefined
  const known = new Map(before?.connections.map((row) => [row.key, row]))
  const per = perSecond(elapsedMillis)
  const rows = (nodes: ReadonlyArray<ConnectionNode>, peer: string | undefined) =>
    nodes.map((connection) =>
      connectionRow({ endpoint: key, pid, peer }, connection, known.get(`${key}/${connection.fiber}`), per)
    )
  const connections = [
    ...node.peers.flatMap((peer) => rows(peer.connections, peer.name)),
    ...rows(node.connections, undefined)
  ]
  const totals = totalsOf(node.statistics, before?.node.statistics, per)
  return { key, pid, command, node, elapsedMillis, totals, connections }
}

/** What the processes show now, with the rates since `before`. */
export const advance = (before: Seen, processes: ReadonlyArray<ProcessTree>): Seen => {
  const known = new Map(before.map((row) => [row.key, row]))
  return processes.flatMap((process) =>
    process.endpoints.map((node) => {
      const key = `${process.pid}/${node.shard ?? 0}/${node.fiber}`
      return endpointRow(key, process, node, known.get(key))
    })
  )
}
