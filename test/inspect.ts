/**
 * The only way for tests to look inside: what the API does not show and an invariant checker must see. Everything read
 * here is marked `@internal` at its declaration, which keeps it out of the published types.
 */
import type { Connection } from "../src/connection/Connection.ts"
import type { LocalConnectionIds } from "../src/path/LocalConnectionIds.ts"
import type { PeerConnectionIds } from "../src/path/PeerConnectionIds.ts"
import type { Observation } from "../src/nat/CandidateSource.ts"
import type { QuicEndpointShape } from "../src/QuicEndpoint.ts"
import type { QuicConnection } from "../src/QuicConnection.ts"
import type { PathRecovery } from "../src/recovery/PathRecovery.ts"
import type { SentPacket } from "../src/recovery/SentPacket.ts"
import type { PeerStreamCount } from "../src/stream/StreamCounts.ts"
import type { StreamSet } from "../src/stream/StreamSet.ts"

/** What the bootstrap nodes of an endpoint have told. */
export const observationsOf = ({ bootstraps }: QuicEndpointShape): ReadonlyArray<Observation> =>
  bootstraps.nodes.observations

/** The connection below its actor. */
export const coreOf = (connection: QuicConnection): Connection => connection.actor.core

/** What a path has sent and has not heard the fate of. */
export function* outstandingPackets(recovery: PathRecovery): Generator<SentPacket> {
  for (const { outstanding } of recovery.spaces)
    for (let packet = outstanding.first; packet !== undefined; packet = packet.next) yield packet
}

/** The most unretired connection IDs this side keeps at a time. */
export const localIdLimit = (ids: LocalConnectionIds): number => ids.limit

/** How many of the peer's connection IDs have not been used. */
export const spareIds = ({ ids }: PeerConnectionIds): number =>
  ids.filter(({ state }) => state === "spare").length

/** How many streams of one kind this side could open now. */
export const openableStreams = (streams: StreamSet, unidirectional: boolean): number =>
  streams.directory.localCount(unidirectional).available

/** How many streams of each kind the peer may open, has opened and has finished with. */
export const peerStreamCounts = (
  streams: StreamSet
): { readonly bidirectional: PeerStreamCount; readonly unidirectional: PeerStreamCount } => {
  const { peerBidi, peerUni } = streams.directory
  return { bidirectional: peerBidi, unidirectional: peerUni }
}
