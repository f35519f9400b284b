import type { SocketNumber } from "../path/Route.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import type { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Datagrams held per stranger: a ClientHello of 16 kB, or a short one and some 0-RTT. */
const MAX_DATAGRAMS = 16
const MIN_ROOM_BYTES = 24 * 1024

/** The byte limit per stranger: at least two datagrams of our initial size. */
export const roomForStranger = (initialDatagramBytes: number): number =>
  Math.max(MIN_ROOM_BYTES, 2 * initialDatagramBytes)

/** The unprotected fields of an Initial from an unknown client, and what its token proves. */
export interface Introduction {
  readonly version: Version
  readonly from: SocketAddress
  /** The socket that received it. */
  readonly socket: SocketNumber
  /** The DCID of the packet. */
  readonly destination: Uint8Array
  /** The DCID of the client's first Initial, before a Retry if there was one. */
  readonly originalDestination: Uint8Array
  /** The client's SCID. */
  readonly source: Uint8Array
  /** Empty for none. */
  readonly token: Uint8Array
  readonly isProven: boolean
}

export interface HeldDatagram {
  readonly bytes: Uint8Array
  readonly ecn: Ecn
}

/**
 * A client from its first Initial to the end of its handshake. Datagrams that may carry a ClientHello are held here
 * until its turn.
 */
export class Stranger<C> {
  readonly introduction: Introduction
  readonly sinceMicros: number
  /** Undefined until its first turn. */
  connection: C | undefined = undefined
  isWaiting = false
  private held: Array<HeldDatagram> = []
  private room: number

  /** Holds at most `roomBytes` of datagrams. */
  constructor(introduction: Introduction, sinceMicros: number, roomBytes: number) {
    this.introduction = introduction
    this.sinceMicros = sinceMicros
    this.room = roomBytes
  }

  /** Keeps a copy of a datagram unless there is no room: the client will retransmit it. */
  hold(bytes: Uint8Array, ecn: Ecn): boolean {
    if (this.held.length === MAX_DATAGRAMS || bytes.length > this.room) return false
    this.held.push({ bytes: bytes.slice(), ecn })
    this.room -= bytes.length
    return true
  }

  /** Removes and returns the held datagrams, oldest first. */
  takeHeld(): ReadonlyArray<HeldDatagram> {
    const { held } = this
    this.held = []
    for (const { bytes } of held) this.room += bytes.length
    return held
  }
}
