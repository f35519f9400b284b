/**
 * The fiber tree of an endpoint at one moment, as plain data that can be sent, compared and printed:
 *
 * ```
 * endpoint 127.0.0.1:4433 · open · 12 s · 1 socket, 5 fibers
 * ├─ peer billing · connected · 3.1 s · fiber 21
 * │  └─ connection to 10.0.0.7:4433 · 83a1f2b3c4d5e6f7 · established · v1 · 3.1 s · sent 12.0 kB, received 1.0 MB · fiber 23
 * │     ├─ path 0 · 0.0.0.0:51432 → 10.0.0.7:4433 · active · rtt 1.2 ms · window 14.5 kB · in flight 0 B · 1452 B datagrams
 * │     └─ stream 0 · 2.0 s · sent 64 B · received 1.0 MB
 * └─ connection from …
 * ```
 *
 * `endpoint.tree` takes it, `print` formats it. Durations are in milliseconds, sizes in bytes. A connection has the name by
 * which it is logged at both ends.
 *
 * **Example** (Logging the tree every minute)
 *
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import { FiberTree, type QuicEndpointShape } from "effect-quic"
 *
 * const watch = (endpoint: QuicEndpointShape) =>
 *   endpoint.tree.pipe(
 *     Effect.flatMap((tree) => Effect.log(FiberTree.print(tree))),
 *     Effect.repeat(Schedule.spaced("1 minute"))
 *   )
 * ```
 *
 * @since 0.1.0
 */
import { bondingOf, stateOf } from "./capability/pathStateText.ts"
import { versionName } from "./wire/PacketType.ts"
import type {
  ConnectionNode,
  EndpointNode,
  PathNode,
  PeerNode,
  StreamHalf,
  StreamNode,
  TraversalNode
} from "./capability/treeNodes.ts"
import { formatAddress } from "./wire/SocketAddress.ts"

export type {
  ConnectionNode,
  EndpointNode,
  Holdings,
  PathNode,
  PeerNode,
  RouteNode,
  StreamHalf,
  StreamNode,
  TraversalNode
} from "./capability/treeNodes.ts"

const units = ["B", "kB", "MB", "GB", "TB"]

const size = (bytes: number): string => {
  let unit = 0
  let value = bytes
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

const age = (millis: number): string => {
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

/** Text, and what hangs below it. */
interface Printed {
  readonly text: string
  readonly below: ReadonlyArray<Printed>
}

const fiberOf = (fiber: number | undefined): string => (fiber === undefined ? "" : ` · fiber ${fiber}`)
const waiting = (count: number): string => (count === 0 ? "" : ` · ${count} waiting`)

const half = (name: string, { state, bytes, bufferedBytes }: StreamHalf): string =>
  `${name} ${size(bytes)}${bufferedBytes === 0 ? "" : ` (${size(bufferedBytes)} buffered)`}${state === "open" ? "" : `, ${state}`}`

const printedStream = (stream: StreamNode): Printed => {
  const { sending, receiving } = stream
  const halves = [sending && half("sent", sending), receiving && half("received", receiving)]
  return {
    text: `stream ${stream.id} · ${age(stream.ageMillis)} · ${halves.filter((text) => text !== undefined).join(" · ")}${waiting(stream.waiting)}${fiberOf(stream.fiber)}`,
    below: []
  }
}

const printedPath = (path: PathNode): Printed => {
  const [current, ...others] = path.routes
  return {
    text: `path ${path.id} · ${formatAddress(current.local)} → ${formatAddress(current.remote)} · ${stateOf(path)} · rtt ${path.smoothedRttMillis.toFixed(1)} ms · window ${size(path.congestionWindowBytes)} · in flight ${size(path.bytesInFlight)} · ${path.datagramBytes} B datagrams`,
    below: others.map(({ local, remote, validation }) => ({
      text: `route ${formatAddress(local)} → ${formatAddress(remote)} · ${validation}`,
      below: []
    }))
  }
}

const printedTraversal = (traversal: TraversalNode | undefined): ReadonlyArray<Printed> => {
  if (traversal === undefined) return []
  const { phase, round, localCandidates, remoteCandidates, pairs } = traversal
  const counts = `${many(pairs, "pair")} of ${localCandidates} × ${remoteCandidates} candidates`
  return [{ text: `traversal · ${phase.toLowerCase()} · round ${round} · ${counts}`, below: [] }]
}

const printedConnection = (connection: ConnectionNode): Printed => {
  const { id, role, remote, state, paths, streams, handler } = connection
  const bytes = (of: "bytesSent" | "bytesReceived") => size(paths.reduce((sum, path) => sum + path[of], 0))
  const bonding = bondingOf(connection)
  return {
    text: `connection ${role === "client" ? "to" : "from"} ${formatAddress(remote)} · ${id} · ${state}${bonding && `, ${bonding}`} · ${versionName(connection.version)} · ${age(connection.ageMillis)} · sent ${bytes("bytesSent")}, received ${bytes("bytesReceived")}${waiting(connection.waiting)}${fiberOf(connection.fiber)}${handler === undefined ? "" : `, handler ${handler}`}`,
    below: [
      ...printedTraversal(connection.traversal),
      ...paths.map(printedPath),
      ...streams.map(printedStream)
    ]
  }
}

const printedPeer = (peer: PeerNode): Printed => ({
  text: `peer ${peer.name} · ${peer.state}${peer.detail && ` (${peer.detail})`} · ${age(peer.sinceMillis)}${waiting(peer.waiting)}${fiberOf(peer.fiber)}`,
  below: peer.connections.map(printedConnection)
})

const lines = ({ text, below }: Printed): Array<string> => [
  text,
  ...below.flatMap((child, i) => {
    const isLast = i === below.length - 1
    return lines(child).map(
      (line, at) => (at === 0 ? (isLast ? "└─ " : "├─ ") : isLast ? "   " : "│  ") + line
    )
  })
]

/**
 * Formats a tree for people, one line for each node.
 *
 * @category formatting
 * @since 0.1.0
 */
export const print = (endpoint: EndpointNode): string => {
  const { local, state, ageMillis, sockets, fibers, peers, connections } = endpoint
  return lines({
    text: `endpoint ${formatAddress(local)}${endpoint.shard === undefined ? "" : ` · shard ${endpoint.shard}`} · ${state} · ${age(ageMillis)} · ${many(sockets, "socket")}, ${many(fibers, "fiber")}${endpoint.backlog === 0 ? "" : ` · ${endpoint.backlog} to accept`}${endpoint.strangers === 0 ? "" : ` · ${many(endpoint.strangers, "stranger")}`}`,
    below: [...peers.map(printedPeer), ...connections.map(printedConnection)]
  }).join("\n")
}
