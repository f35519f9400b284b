/** Checks that every packet we send, to any peer, obeys the rules; a puppet audits each one it can decrypt. */
import type { Level } from "../../src/wire/PacketType.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import type { PacketHeader } from "../../src/wire/PacketHeader.ts"
import type { SeenFrame } from "./FrameLog.ts"
import type { TransportError } from "../../src/wire/TransportError.ts"

const MAX_CONNECTION_ID_BYTES = 20

export class PacketAudit {
  private readonly numbers: ReadonlyArray<Set<number>> = [new Set(), new Set(), new Set()]
  private readonly fromServer: boolean
  /** The spin bits of the 1-RTT packets. */
  readonly spins: Array<boolean> = []

  constructor(fromServer: boolean) {
    this.fromServer = fromServer
  }

  /** Checks a datagram, given the offsets of its packets' destination connection IDs. RFC 9000 §12.2 #2 */
  datagram(bytes: Uint8Array, destinations: ReadonlyArray<readonly [start: number, end: number]>): void {
    const ids = destinations.map(([start, end]) => Buffer.from(bytes.subarray(start, end)).toString("hex"))
    if (new Set(ids).size > 1) throw new Error(`packets to ${ids.join(" and ")} share a datagram`)
  }

  /**
   * Checks a decrypted packet and its decoded frames. An error means a packet without frames, a frame in a packet type
   * that may not carry it, or an overlong frame type: RFC 9000 §12.4 #1 #5, §12.5 #1 #2, §13.2.6 #3, §17.2.3 #3,
   * §19.7 #1; RFC 9001 §8.3 #1; RFC 9221 §5, §6
   */
  packet(
    header: PacketHeader,
    firstByte: number,
    level: Level,
    space: number,
    packetNumber: number,
    problem: TransportError | undefined,
    frames: ReadonlyArray<SeenFrame>
  ): void {
    if (problem !== undefined) throw new Error(`we sent an invalid packet: ${problem.reason}`)
    // RFC 9000 §17.2 #6, §17.3.1 #2
    const reserved = header.type === PacketType.OneRtt ? 0x18 : 0x0c
    if ((firstByte & reserved) !== 0) throw new Error("reserved bits are set")
    if (header.type === PacketType.OneRtt) this.spins.push((firstByte & 0x20) !== 0)
    // RFC 9000 §17.2 #2 #4
    for (const length of [header.dcidEnd - header.dcidStart, header.scidEnd - header.scidStart])
      if (length > MAX_CONNECTION_ID_BYTES) throw new Error(`a connection ID of ${length} bytes`)
    // RFC 9000 §17.2.2
    if (this.fromServer && header.tokenEnd > header.tokenStart) throw new Error("a server sent a token")
    // RFC 9001 §5.6 #3
    if (this.fromServer && header.type === PacketType.ZeroRtt) throw new Error("a server sent 0-RTT")
    // RFC 9000 §19.7 #3: nor HANDSHAKE_DONE
    for (const { name } of frames)
      if (!this.fromServer && (name === "onNewToken" || name === "onHandshakeDone"))
        throw new Error(`a client sent a server-only frame: ${name}`)
    // RFC 9000 §8.2.1 #S1
    if (frames.filter(({ name }) => name === "onPathChallenge").length > 1)
      throw new Error("two challenges share a packet")
    // RFC 9000 §12.3 #1 #2
    if (this.numbers[space].has(packetNumber))
      throw new Error(`packet ${packetNumber} of level ${level} was sent twice`)
    this.numbers[space].add(packetNumber)
  }
}
