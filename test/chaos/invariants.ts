/** Invariants of every connection, checked between events. */
import { localIdLimit, outstandingPackets, peerStreamCounts, spareIds } from "../inspect.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { allowances, type Misconduct } from "../../src/connection/Strikes.ts"
import type { PathRecovery } from "../../src/recovery/PathRecovery.ts"

/** Earlier values of what may only grow. */
interface Memory {
  confirmedAtMillis: number | undefined
  received: number
  consumed: number
  receiveLimit: number
}

/** Allowed memory per byte of window, as pages may be barely used. */
const slack = 4
const page = 65_536

export class Invariants {
  private readonly memories = new Map<Connection, Memory>()

  watch(connection: Connection): void {
    const memory = {
      confirmedAtMillis: undefined,
      received: 0,
      consumed: 0,
      receiveLimit: 0
    }
    this.memories.set(connection, memory)
  }

  confirmedAtMillis(connection: Connection): number | undefined {
    return this.memories.get(connection)?.confirmedAtMillis
  }

  /** Must be called at every instant. */
  note(nowMillis: number): void {
    for (const [connection, memory] of this.memories)
      if (connection.handshake.confirmed) memory.confirmedAtMillis ??= nowMillis
  }

  /** The first invariant violated by any connection. */
  check(): string | undefined {
    for (const [connection, memory] of this.memories) {
      if (connection.lifecycle.state === "closed") continue
      const problem = problemOf(connection, memory)
      if (problem !== undefined) return `${connection.config.role}: ${problem}`
    }
    return undefined
  }
}

const problemOf = (connection: Connection, memory: Memory): string | undefined =>
  pathProblem(connection) ??
  multipathProblem(connection) ??
  idProblem(connection) ??
  streamProblem(connection, memory) ??
  strikeProblem(connection)

/** Honest peers have most of every allowance left, whatever the network does (B5). */
const strikeProblem = ({ parts: { strikes } }: Connection): string | undefined => {
  if (strikes.total > 0) return `${strikes.total} strikes against an honest peer`
  for (const [what, { left }] of Object.entries(strikes.accounts ?? {}))
    if (left < allowances[what as Misconduct].atOnce / 2) return `${left} left of the allowance for ${what}`
  return undefined
}

/** Recomputes a path's in-flight counters from its outstanding packets. */
const inFlight = (recovery: PathRecovery): { readonly bytes: number; readonly packets: number } => {
  let bytes = 0
  let packets = 0
  for (const packet of outstandingPackets(recovery)) {
    if (packet.inFlight) bytes += packet.size
    if (packet.ackEliciting) packets++
  }
  return { bytes, packets }
}

const pathProblem = (connection: Connection): string | undefined => {
  for (const { recovery, mtu } of connection.paths) {
    const sum = inFlight(recovery)
    if (sum.bytes !== recovery.bytesInFlight)
      return `${recovery.bytesInFlight} bytes in flight, but the packets add up to ${sum.bytes}`
    if (sum.packets !== recovery.packetsInFlight)
      return `${recovery.packetsInFlight} packets in flight, but ${sum.packets} are outstanding`
    const { bytesInFlight, packetsInFlight, congestionWindow, rtt } = recovery
    if (!(bytesInFlight >= 0)) return `${bytesInFlight} bytes in flight`
    if (!(packetsInFlight >= 0)) return `${packetsInFlight} packets in flight`
    // RFC 9002 §7.2
    if (!(congestionWindow >= 2 * 1_200)) return `a congestion window of ${congestionWindow}`
    if (rtt.smoothedMicros < 0 || !Number.isFinite(rtt.smoothedMicros))
      return `a round-trip time of ${rtt.smoothedMicros}`
    if (mtu.current < 1_200) return `datagrams of ${mtu.current} bytes`
  }
  return undefined
}

/** Of the paths among each other. */
const multipathProblem = ({ paths, path, config, lifecycle }: Connection): string | undefined => {
  if (!lifecycle.isOpen) return undefined
  const { maxPaths = 1 } = config.transport
  if (paths.all.length > maxPaths) return `${paths.all.length} paths; the limit is ${maxPaths}`
  if (!paths.all.includes(path)) return `path ${path.id} is used, and gone`
  if (!paths.all.some(({ status }) => status.carries)) return "no path carries data"
  for (const { id, status, recovery } of paths) {
    if (status.carries && !status.isUsable) return `path ${id} carries data and is ${status.state}`
    if (status.isEnding && recovery.packetsInFlight > 0)
      return `path ${id} is ${status.state} with ${recovery.packetsInFlight} packets in flight`
    if (status.isEnding && !Number.isFinite(status.removeAtMicros)) return `path ${id} is kept for ever`
    if (status.isSuspect && status.isUsable && recovery.packetsInFlight === 0)
      return `path ${id} is suspect, and nothing finds out whether it answers`
  }
  return undefined
}

const idProblem = ({ paths, config }: Connection): string | undefined => {
  for (const path of paths) {
    const problem = pathIdProblem(path, config.transport)
    if (problem !== undefined) return `${problem} on path ${path.id}`
  }
  return undefined
}

const pathIdProblem = (
  path: ConnectionPath,
  { activeConnectionIdLimit }: Connection["config"]["transport"]
): string | undefined => {
  // RFC 9000 §5.1.1
  if (path.peerIds.count > activeConnectionIdLimit)
    return `${path.peerIds.count} connection IDs from the peer; the limit is ${activeConnectionIdLimit}`
  // up to the peer's limit, and as many again whose retirement was requested but has not arrived
  const most = 2 * localIdLimit(path.localIds)
  if (path.localIds.count > most) return `${path.localIds.count} connection IDs issued; the limit is ${most}`
  if (spareIds(path.peerIds) > path.peerIds.count) return "more spare connection IDs than connection IDs"
  return undefined
}

const streamProblem = ({ streams, config }: Connection, memory: Memory): string | undefined => {
  const stats = streams.stats()
  const { transport } = config
  if (stats.sendCreditUsed > stats.sendCreditLimit)
    return `sent ${stats.sendCreditUsed} bytes of ${stats.sendCreditLimit}`
  if (stats.received > stats.receiveLimit) return `received ${stats.received} bytes of ${stats.receiveLimit}`
  if (stats.consumed > stats.received) return `consumed ${stats.consumed} bytes of ${stats.received}`
  // RFC 9000 §4.6
  const { bidirectional, unidirectional } = peerStreamCounts(streams)
  for (const [count, limit, kind] of [
    [bidirectional, transport.maxBidirectionalStreams, "bidirectional"],
    [unidirectional, transport.maxUnidirectionalStreams, "unidirectional"]
  ] as const) {
    if (count.opened > count.granted)
      return `${count.opened} ${kind} streams opened, ${count.granted} granted`
    const inUse = count.granted - count.closed - Math.min(count.lingering, limit)
    if (inUse > limit) return `${inUse} ${kind} streams; the limit is ${limit}`
  }
  const most = Math.max(transport.connectionWindowBytes, transport.maxConnectionWindowBytes)
  if (stats.receiveLimit - stats.consumed > most)
    return `a window of ${stats.receiveLimit - stats.consumed} bytes; the limit is ${most}`
  const allowed = slack * stats.receiveWindow + page * (1 + stats.open)
  if (stats.receiveAllocated > allowed) return `${stats.receiveAllocated} bytes allocated for received data`
  if (stats.readable > stats.received - stats.consumed)
    return `${stats.readable} readable bytes, but ${stats.received - stats.consumed} received and not consumed`
  // RFC 9000 §4.1: limits only grow; used credit is not returned, except for rejected 0-RTT
  for (const field of ["received", "consumed", "receiveLimit"] as const) {
    if (stats[field] < memory[field]) return `${field} fell from ${memory[field]} to ${stats[field]}`
    memory[field] = stats[field]
  }
  return undefined
}
