import type { SocketNumber } from "../path/Route.ts"
import type { Ecn } from "../recovery/ReceivedPackets.ts"
import type { Version } from "../wire/PacketType.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Of one stranger, until it has its turn: a ClientHello of 16 kB, or a short one and some 0-RTT. */
const MAX_DATAGRAMS = 16
const MIN_ROOM_BYTES = 24 * 1024

/** How much of a stranger is held: two datagrams at least, whatever size this side begins with. */
export const roomForStranger = (initialDatagramBytes: number): number =>
  Math.max(MIN_ROOM_BYTES, 2 * initialDatagramBytes)

/** What an Initial of an unknown client says in the clear, and what its token proves. */
export interface Introduction {
  readonly version: Version
  readonly from: SocketAddress
  /** The socket it came to. */
  readonly socket: SocketNumber
  /** The Destination Connection ID the client sends to. */
  readonly destination: Uint8Array
  /** The one of its very first Initial, which came before a Retry if there was one. */
  readonly originalDestination: Uint8Array
  /** The Source Connection ID of the client. */
  readonly source: Uint8Array
  /** Empty when it has none. */
  readonly token: Uint8Array
  readonly isProven: boolean
}

export interface HeldDatagram {
  readonly bytes: Uint8Array
  readonly ecn: Ecn
}

/**
 * A client from its first Initial to the end of its handshake. Whatever of it costs the work of a ClientHello is held
 * here until it has its turn.
 */
export class Stranger<C> {
  readonly introduction: Introduction
  readonly sinceMicros: number
  /** What has been made of it; undefined until its first turn. */
  connection: C | undefined = undefined
  isWaiting = false
  private held: Array<HeldDatagram> = []
  private room: number

  /** At most `roomBytes` of datagrams are held at a time. */
  constructor(introduction: Introduction, sinceMicros: number, roomBytes: number) {
    this.introduction = introduction
    this.sinceMicros = sinceMicros
    this.room = roomBytes
  }

  /** Keeps a datagram, which is the stranger's from now on, unless there is no room: the client sends it again. */
  hold(bytes: Uint8Array, ecn: Ecn): boolean {
    if (this.held.length === MAX_DATAGRAMS || bytes.length > this.room) return false
    this.held.push({ bytes, ecn })
    this.room -= bytes.length
    return true
  }

  /** Its datagrams, oldest first, which are held no longer. */
  takeHeld(): ReadonlyArray<HeldDatagram> {
    const { held } = this
    this.held = []
    for (const { bytes } of held) this.room += bytes.length
    return held
  }
}
