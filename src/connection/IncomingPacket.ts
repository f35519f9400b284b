import type { Route } from "../path/Route.ts"
import { Ecn } from "../recovery/ReceivedPackets.ts"
import { AEAD_TAG_BYTES } from "../protect/CipherSuite.ts"
import { PacketHeader } from "../wire/PacketHeader.ts"
import { Level } from "../wire/PacketType.ts"
import type { ConnectionPath } from "./ConnectionPath.ts"

const none = new Uint8Array(0)

/**
 * An incoming packet and its datagram. One record is reused for all: `Endpoint` fills in the datagram, the header of
 * its first packet and the path it is addressed to; `Connection` the route; `PacketReceiver` the rest, as it unprotects
 * the coalesced packets.
 */
export class IncomingPacket {
  // — the datagram
  bytes: Uint8Array = none
  ecn: Ecn = Ecn.NotEct
  /** Earlier than now for packets that waited for their keys. */
  arrivedMicros = 0
  /**
   * The path that the destination connection ID belongs to, and the ID's sequence number there, or
   * `INITIAL_DESTINATION`.
   */
  path!: ConnectionPath
  sequence = 0
  route!: Route
  // — the packet
  readonly header = new PacketHeader()
  start = 0
  level: Level = Level.Initial
  packetNumber = 0
  packetNumberLength = 0

  get pathId(): number {
    return this.path.id
  }

  get packetNumberOffset(): number {
    return this.header.packetNumberOffset
  }

  get payloadStart(): number {
    return this.header.packetNumberOffset + this.packetNumberLength
  }

  /** Where the authentication tag begins. */
  get payloadEnd(): number {
    return this.header.end - AEAD_TAG_BYTES
  }

  get end(): number {
    return this.header.end
  }

  /** Drops the reference to the datagram, so that this record does not keep it alive. */
  release(): void {
    this.bytes = none
  }
}
