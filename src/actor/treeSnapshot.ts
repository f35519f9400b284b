/** Takes a snapshot of the fiber tree, for `FiberTree` to print. Changes nothing. */
import { holdings } from "../connection/holdings.ts"
import type { ConnectionPath } from "../connection/ConnectionPath.ts"
import { shownPathState } from "../connection/shownPathState.ts"
import type {
  ConnectionNode,
  EndpointNode,
  PathNode,
  PeerNode,
  StreamHalf,
  StreamNode,
  TraversalNode
} from "../capability/treeNodes.ts"
import { endpointStatistics } from "../endpoint/endpointStatistics.ts"
import type { SideSnapshot, StreamSnapshot } from "../stream/streamStats.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { EndpointActor } from "./EndpointActor.ts"

const millis = (micros: number): number => Math.max(0, micros) / 1000

const halfSnapshot = (half: SideSnapshot<{ readonly _tag: string }>): StreamHalf => ({
  state: half.outcome._tag,
  bytes: half.bytes,
  bufferedBytes: half.bufferedBytes
})

const streamSnapshot = (actor: ConnectionActor, snapshot: StreamSnapshot, nowMicros: number): StreamNode => {
  const inUse = actor.streams.find(snapshot.id)
  return {
    id: snapshot.id,
    ageMillis: inUse === undefined ? 0 : Math.max(0, nowMicros / 1000 - inUse.sinceMillis),
    fiber: inUse?.handler?.id,
    waiting: inUse?.waiting ?? 0,
    sending: snapshot.sending && halfSnapshot(snapshot.sending),
    receiving: snapshot.receiving && halfSnapshot(snapshot.receiving)
  }
}

type SocketAddressOf = (socket: number) => SocketAddress

const pathSnapshot = (path: ConnectionPath, addressOf: SocketAddressOf): PathNode => ({
  id: path.id,
  state: shownPathState(path),
  carriesData: path.status.carries,
  isSilent: path.status.isSuspect,
  routes: path.routes.all.map((route) => ({
    local: addressOf(route.socket),
    remote: route.remote,
    isCurrent: route === path.routes.current,
    validation: route.validator.state
  })),
  smoothedRttMillis: path.recovery.rtt.smoothedMicros / 1000,
  congestionWindowBytes: path.recovery.congestionWindow,
  bytesInFlight: path.recovery.bytesInFlight,
  datagramBytes: path.mtu.current,
  ...path.traffic,
  packetsSent: path.recovery.counters.packetsSent,
  packetsLost: path.recovery.counters.packetsLost
})

const traversalSnapshot = ({ traversal }: ConnectionActor): TraversalNode | undefined => {
  const session = traversal?.session
  if (session === undefined) return undefined
  const { phase, round, named, remotes, pairs } = session
  return {
    phase,
    round,
    localCandidates: named.length,
    remoteCandidates: remotes.all.length,
    pairs: pairs.all.length
  }
}

const connectionSnapshot = (
  actor: ConnectionActor,
  addressOf: SocketAddressOf,
  nowMicros: number
): ConnectionNode => {
  const { core, branch } = actor
  return {
    id: core.id,
    role: core.config.role,
    state: core.lifecycle.state,
    fiber: branch.fiberId,
    remote: core.path.remote,
    version: core.versions.negotiated,
    alpn: core.handshake.facts?.alpn,
    ageMillis: millis(nowMicros - actor.sinceMicros),
    handler: actor.handlerId,
    fibers: actor.fiberCount,
    waiting: actor.waiting,
    bonding: core.multipath.bond.state,
    traversal: traversalSnapshot(actor),
    paths: core.paths.used.map((path) => pathSnapshot(path, addressOf)),
    streams: core.streams.snapshots().map((snapshot) => streamSnapshot(actor, snapshot, nowMicros)),
    holdings: holdings(core)
  }
}

export const treeSnapshot = (endpoint: EndpointActor): EndpointNode => {
  const nowMicros = endpoint.now()
  const snapshot = (actor: ConnectionActor) =>
    connectionSnapshot(actor, (socket) => endpoint.addressOf(socket), nowMicros)
  const all = [...endpoint.connections.visible]
  const peers = [...endpoint.peers].map(
    (peer): PeerNode => ({
      ...peer.snapshot(nowMicros),
      connections: all.filter((actor) => actor.owner === peer).map(snapshot)
    })
  )
  return {
    local: endpoint.socket.localAddress,
    fiber: endpoint.branch.fiberId,
    state: endpoint.isClosed ? "closed" : "open",
    ageMillis: millis(nowMicros - endpoint.sinceMicros),
    sockets: endpoint.socketCount,
    fibers: endpoint.branch.fiberCount,
    timers: endpoint.hasTimer ? 1 : 0,
    routedIds: endpoint.core.routedIds,
    resetTokens: endpoint.core.resetTokens,
    backlog: endpoint.accepting.length,
    strangers: endpoint.core.incoming?.strangers ?? 0,
    statistics: endpointStatistics(endpoint.core),
    peers,
    connections: all.filter((actor) => actor.owner === undefined).map(snapshot)
  }
}
