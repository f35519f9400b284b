/** A datagram under way in the simulated network. */
import type { EcnCodepoint } from "../../src/capability/UdpPort.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"

export interface SimPacket {
  readonly from: SocketAddress
  readonly to: SocketAddress
  /** Nobody else's: the link may corrupt it, the receiver may keep it. */
  readonly bytes: Uint8Array
  readonly ecn: EcnCodepoint
  /** Dropped rather than fragmented where it does not fit. */
  readonly dontFragment: boolean
}

/** Size on the wire: IP and UDP headers and the payload. */
export const wireSize = (packet: SimPacket): number =>
  packet.bytes.length + (packet.to.family === 4 ? 28 : 48)

/** Anything a link can lead to: a host, later routers and NATs. */
export interface SimNode {
  readonly name: string
  receive(packet: SimPacket): void
}
