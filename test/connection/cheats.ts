/** Protocol violations by a peer with valid keys after the handshake, and the RFC's answer to each. */
import { writeCrypto } from "../wire/writeCrypto.ts"
import type { Role } from "../../src/wire/Role.ts"
import type { TransportOptions } from "../../src/QuicOptions.ts"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import {
  writeAckFrequency,
  writeDatagram,
  writeHandshakeDone,
  writeImmediateAck,
  writeMaxStreamData,
  writeMaxStreams,
  writeNewConnectionId,
  writeNewToken,
  writePing,
  writeResetStream,
  writeResetStreamAt,
  writeRetireConnectionId,
  writeStopSending,
  writeStreamHeader
} from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { ackRange, type PacketOptions, type Payload, type Puppet } from "./Puppet.ts"

export interface Cheat {
  readonly name: string
  /** Both roles if omitted. */
  readonly victim?: Role
  readonly transport?: TransportOptions
  /** Builds the datagrams to deliver, in order. */
  readonly act: (puppet: Puppet) => ReadonlyArray<Uint8Array>
  readonly code: number
  /** The frame type the close must name. */
  readonly frameType?: number
}

const one = (payload: Payload, options?: PacketOptions) => (puppet: Puppet) => [
  puppet.packet(Level.OneRtt, payload, options)
]

const bytes = (...values: ReadonlyArray<number>): Uint8Array => Uint8Array.from(values)

/** The n-th stream of a type opened by the puppet, or by its victim. RFC 9000 §2.1 */
const ownBidi = ({ options }: Puppet, n = 0): number => 4 * n + (options.role === "client" ? 0 : 1)
const ownUni = (puppet: Puppet, n = 0): number => ownBidi(puppet, n) + 2
const victimsBidi = ({ options }: Puppet, n = 0): number => 4 * n + (options.role === "client" ? 1 : 0)
const victimsUni = (puppet: Puppet, n = 0): number => victimsBidi(puppet, n) + 2

const stream =
  (id: number, offset: number, length: number, fin = false) =>
  (w: ByteWriter): void => {
    writeStreamHeader(w, id, offset, length, fin)
    w.fill(0x61, length)
  }

const all =
  (...writers: ReadonlyArray<(w: ByteWriter) => void>) =>
  (w: ByteWriter): void => {
    for (const write of writers) write(w)
  }

const connectionId = (n: number): Uint8Array => new Uint8Array(8).fill(n)
const resetToken = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const newConnectionId =
  (sequence: number, retirePriorTo: number, id = connectionId(sequence)) =>
  (w: ByteWriter) =>
    writeNewConnectionId(w, sequence, retirePriorTo, id, resetToken(0x40 + sequence))

const frames: ReadonlyArray<Cheat> = [
  {
    name: "a packet without frames", // RFC 9000 §12.4 #2
    act: one(bytes()),
    code: Code.PROTOCOL_VIOLATION
  },
  {
    name: "reserved bits set in a short header", // RFC 9000 §17.3.1 #3
    act: one(bytes(FrameType.PING), { firstByte: (first) => first | 0x18 }),
    code: Code.PROTOCOL_VIOLATION
  },
  {
    name: "a frame type nobody knows", // RFC 9000 §12.4 #4
    act: one(bytes(0x3f)),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: 0x3f
  },
  {
    name: "a frame type that is not in its shortest encoding", // RFC 9000 §12.4 #5
    act: one(bytes(0x40, FrameType.PING)),
    code: Code.PROTOCOL_VIOLATION
  },
  {
    name: "a frame that is cut short",
    act: one(bytes(FrameType.MAX_DATA)),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.MAX_DATA
  },
  {
    name: "an ACK of packets never sent", // RFC 9000 §13.1
    act: one(ackRange(0, 1_000_000)),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.ACK
  },
  {
    name: "an ACK range below zero", // RFC 9000 §19.3.1 #1
    act: one(bytes(FrameType.ACK, 2, 0, 0, 3)),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.ACK
  },
  {
    name: "CRYPTO data beyond the buffer", // RFC 9000 §7.5, §19.6
    act: one((w) => writeCrypto(w, 80_000, new Uint8Array(10), 0, 10)),
    code: Code.CRYPTO_BUFFER_EXCEEDED,
    frameType: FrameType.CRYPTO
  },
  {
    name: "a TLS KeyUpdate", // RFC 9001 §6 #2
    act: one((w) => writeCrypto(w, 0, bytes(24, 0, 0, 1, 0), 0, 5)),
    code: Code.CRYPTO_ERROR + 10
  },
  {
    name: "a CertificateRequest after the handshake", // RFC 9001 §4.4 #3
    victim: "client",
    act: one((w) => writeCrypto(w, 0, bytes(13, 0, 0, 3, 0, 0, 0), 0, 7)),
    code: Code.PROTOCOL_VIOLATION
  },
  {
    name: "a second ClientHello after the handshake",
    victim: "server",
    act: one((w) => writeCrypto(w, 0, bytes(1, 0, 0, 0), 0, 4)),
    code: Code.CRYPTO_ERROR + 10
  },
  {
    name: "NEW_TOKEN from a client", // RFC 9000 §19.7 #4
    victim: "server",
    act: one((w) => writeNewToken(w, bytes(1, 2, 3))),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.NEW_TOKEN
  },
  {
    name: "an empty NEW_TOKEN", // RFC 9000 §19.7 #2
    victim: "client",
    act: one(bytes(FrameType.NEW_TOKEN, 0)),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.NEW_TOKEN
  },
  {
    name: "HANDSHAKE_DONE from a client", // RFC 9000 §19.20 #2
    victim: "server",
    act: one(writeHandshakeDone),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.HANDSHAKE_DONE
  },
  {
    name: "a DATAGRAM that was not asked for", // RFC 9221 §3 #3
    act: one((w) => writeDatagram(w, bytes(1))),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.DATAGRAM_LEN
  },
  {
    name: "a DATAGRAM larger than allowed", // RFC 9221 §3 #4
    transport: { maxDatagramFrameBytes: 100 },
    act: one((w) => writeDatagram(w, new Uint8Array(98))),
    code: Code.PROTOCOL_VIOLATION
  },
  {
    name: "a DATAGRAM without a length, larger than allowed", // RFC 9221 §3 #4
    transport: { maxDatagramFrameBytes: 100 },
    act: one(bytes(FrameType.DATAGRAM, ...new Array<number>(100).fill(1))),
    code: Code.PROTOCOL_VIOLATION
  }
]

const streams: ReadonlyArray<Cheat> = [
  {
    name: "stream data beyond the stream's window", // RFC 9000 §4.1 #2, §19.10 #4
    transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 },
    act: (puppet) => one(stream(ownBidi(puppet), 1_200, 1))(puppet),
    code: Code.FLOW_CONTROL_ERROR
  },
  {
    name: "stream data beyond the connection's window", // RFC 9000 §4.1, §19.9 #2
    transport: {
      connectionWindowBytes: 16_384,
      maxConnectionWindowBytes: 16_384,
      streamWindowBytes: 10_000,
      maxStreamWindowBytes: 10_000
    },
    act: (puppet) =>
      one(all(stream(ownBidi(puppet), 9_999, 1), stream(ownBidi(puppet, 1), 6_384, 1)))(puppet),
    code: Code.FLOW_CONTROL_ERROR
  },
  {
    name: "a RESET_STREAM whose final size is beyond the window", // RFC 9000 §4.5 #1
    transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 },
    act: (puppet) => one((w) => writeResetStream(w, ownUni(puppet), 0, 1_201))(puppet),
    code: Code.FLOW_CONTROL_ERROR,
    frameType: FrameType.RESET_STREAM
  },
  {
    name: "data beyond the final size", // RFC 9000 §4.5
    act: (puppet) => one(all(stream(ownBidi(puppet), 0, 10, true), stream(ownBidi(puppet), 10, 1)))(puppet),
    code: Code.FINAL_SIZE_ERROR
  },
  {
    name: "a FIN that changes the final size", // RFC 9000 §4.5
    act: (puppet) =>
      one(all(stream(ownBidi(puppet), 5, 5, true), stream(ownBidi(puppet), 5, 6, true)))(puppet),
    code: Code.FINAL_SIZE_ERROR
  },
  {
    name: "a FIN below what was received", // RFC 9000 §4.5
    act: (puppet) => one(all(stream(ownBidi(puppet), 0, 10), stream(ownBidi(puppet), 0, 5, true)))(puppet),
    code: Code.FINAL_SIZE_ERROR
  },
  {
    name: "a RESET_STREAM that changes the final size", // RFC 9000 §4.5
    act: (puppet) =>
      one(all(stream(ownBidi(puppet), 5, 5, true), (w) => writeResetStream(w, ownBidi(puppet), 0, 11)))(
        puppet
      ),
    code: Code.FINAL_SIZE_ERROR,
    frameType: FrameType.RESET_STREAM
  },
  {
    name: "a RESET_STREAM_AT that promises more than there is", // draft-ietf-quic-reliable-stream-reset §4
    act: (puppet) => one((w) => writeResetStreamAt(w, ownUni(puppet), 0, 10, 11))(puppet),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.RESET_STREAM_AT
  },
  {
    name: "a RESET_STREAM_AT whose final size is beyond the window",
    transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 },
    act: (puppet) => one((w) => writeResetStreamAt(w, ownUni(puppet), 0, 1_201, 5))(puppet),
    code: Code.FLOW_CONTROL_ERROR,
    frameType: FrameType.RESET_STREAM_AT
  },
  {
    name: "two RESET_STREAM_ATs with different codes", // §5.2
    act: (puppet) =>
      one(
        all(
          (w) => writeResetStreamAt(w, ownUni(puppet), 1, 10, 5),
          (w) => writeResetStreamAt(w, ownUni(puppet), 2, 10, 4)
        )
      )(puppet),
    code: Code.STREAM_STATE_ERROR,
    frameType: FrameType.RESET_STREAM_AT
  },
  {
    name: "one bidirectional stream too many", // RFC 9000 §4.6, §19.11 #4
    transport: { maxBidirectionalStreams: 3 },
    act: (puppet) => one(stream(ownBidi(puppet, 3), 0, 1))(puppet),
    code: Code.STREAM_LIMIT_ERROR
  },
  {
    name: "one unidirectional stream too many", // RFC 9000 §4.6
    transport: { maxUnidirectionalStreams: 3 },
    act: (puppet) => one((w) => writeResetStream(w, ownUni(puppet, 3), 0, 0))(puppet),
    code: Code.STREAM_LIMIT_ERROR
  },
  {
    name: "MAX_STREAMS above 2^60", // RFC 9000 §19.11 #1
    act: one((w) => {
      w.u8(FrameType.MAX_STREAMS_BIDI)
      w.u32(0xd000_0001)
      w.u32(0)
    }),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.MAX_STREAMS_BIDI
  },
  {
    name: "data on a stream that only the victim writes", // RFC 9000 §19.8 #1
    act: (puppet) => one(stream(victimsUni(puppet), 0, 1))(puppet),
    code: Code.STREAM_STATE_ERROR
  },
  {
    name: "data on a stream the victim has not opened", // RFC 9000 §19.8 #1
    act: (puppet) => one(stream(victimsBidi(puppet), 0, 1))(puppet),
    code: Code.STREAM_STATE_ERROR
  },
  {
    name: "credit for a stream the victim only reads", // RFC 9000 §19.10 #2
    act: (puppet) => one((w) => writeMaxStreamData(w, ownUni(puppet), 1_000))(puppet),
    code: Code.STREAM_STATE_ERROR,
    frameType: FrameType.MAX_STREAM_DATA
  },
  {
    name: "STOP_SENDING on a stream the victim only reads", // RFC 9000 §19.5 #2
    act: (puppet) => one((w) => writeStopSending(w, ownUni(puppet), 0))(puppet),
    code: Code.STREAM_STATE_ERROR,
    frameType: FrameType.STOP_SENDING
  },
  {
    name: "RESET_STREAM on a stream only the victim writes", // RFC 9000 §19.4
    act: (puppet) => one((w) => writeResetStream(w, victimsUni(puppet), 0, 0))(puppet),
    code: Code.STREAM_STATE_ERROR,
    frameType: FrameType.RESET_STREAM
  }
]

const connectionIds: ReadonlyArray<Cheat> = [
  {
    name: "RETIRE_CONNECTION_ID of one never issued", // RFC 9000 §19.16 #1
    act: one((w) => writeRetireConnectionId(w, 1_000)),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.RETIRE_CONNECTION_ID
  },
  {
    name: "RETIRE_CONNECTION_ID of the one the packet is sent to", // RFC 9000 §19.16 #2
    act: one((w) => writeRetireConnectionId(w, 0)),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.RETIRE_CONNECTION_ID
  },
  {
    name: "more connection IDs than allowed", // RFC 9000 §5.1.1 #4
    transport: { activeConnectionIdLimit: 3 },
    act: one(all(newConnectionId(1, 0), newConnectionId(2, 0), newConnectionId(3, 0))),
    code: Code.CONNECTION_ID_LIMIT_ERROR,
    frameType: FrameType.NEW_CONNECTION_ID
  },
  {
    name: "two connection IDs of one sequence number", // RFC 9000 §19.15
    act: one(all(newConnectionId(1, 0), newConnectionId(1, 0, connectionId(9)))),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.NEW_CONNECTION_ID
  },
  {
    name: "a Retire Prior To above the sequence number", // RFC 9000 §19.15 #6
    act: one(newConnectionId(1, 2)),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.NEW_CONNECTION_ID
  },
  {
    name: "a connection ID of no bytes", // RFC 9000 §19.15 #1
    act: one((w) => {
      w.copy(bytes(FrameType.NEW_CONNECTION_ID, 1, 0, 0))
      w.fill(1, 16)
    }),
    code: Code.FRAME_ENCODING_ERROR,
    frameType: FrameType.NEW_CONNECTION_ID
  }
]

const keys: ReadonlyArray<Cheat> = [
  {
    name: "two key updates without waiting for an acknowledgement", // RFC 9001 §6.2
    act: (puppet) => {
      puppet.updateKeys("both")
      const first = puppet.packet(Level.OneRtt, writePing)
      puppet.updateKeys("write")
      return [first, puppet.packet(Level.OneRtt, writePing)]
    },
    code: Code.KEY_UPDATE_ERROR
  },
  {
    name: "newer keys below older ones", // RFC 9001 §6.4 #1 #2
    act: (puppet) => {
      const number = puppet.nextPacketNumber[Space.Application]
      const old = puppet.packet(Level.OneRtt, writePing, { packetNumber: number + 1 })
      puppet.updateKeys("both")
      return [old, puppet.packet(Level.OneRtt, writePing, { packetNumber: number })]
    },
    code: Code.KEY_UPDATE_ERROR
  }
]

const ackFrequency: ReadonlyArray<Cheat> = [
  {
    name: "a request to acknowledge sooner than min_ack_delay",
    act: one((w) => writeAckFrequency(w, 0, 1, 999, 1)),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.ACK_FREQUENCY
  },
  {
    name: "a request to acknowledge later than any max_ack_delay",
    act: one((w) => writeAckFrequency(w, 0, 1, 2 ** 14 * 1000, 1)),
    code: Code.PROTOCOL_VIOLATION,
    frameType: FrameType.ACK_FREQUENCY
  }
]

export const cheats: ReadonlyArray<Cheat> = [
  ...frames,
  ...streams,
  ...connectionIds,
  ...ackFrequency,
  ...keys
]

/** Similar but legal actions, to show that the cheats do not fail merely for lack of a valid packet. */
export const honestActs: ReadonlyArray<Omit<Cheat, "code">> = [
  { name: "data up to the window", act: (puppet) => one(stream(ownBidi(puppet), 0, 1_000))(puppet) },
  { name: "a limit on streams", act: one((w) => writeMaxStreams(w, false, 100)) },
  {
    name: "a connection ID, and a request to retire the first",
    act: one(all(newConnectionId(1, 0), newConnectionId(2, 1)))
  },
  {
    name: "a request for rare ACKs, and one for an ACK now",
    act: one(all((w) => writeAckFrequency(w, 0, 10, 25_000, 3), writeImmediateAck))
  },
  {
    name: "a DATAGRAM without a length, as large as allowed",
    transport: { maxDatagramFrameBytes: 100 },
    act: one(bytes(FrameType.DATAGRAM, ...new Array<number>(99).fill(1)))
  },
  {
    name: "a RESET_STREAM_AT, one that promises less, and one that promises more",
    act: (puppet) =>
      one(
        all(
          (w) => writeResetStreamAt(w, ownUni(puppet), 1, 10, 5),
          (w) => writeResetStreamAt(w, ownUni(puppet), 1, 10, 0),
          (w) => writeResetStreamAt(w, ownUni(puppet), 1, 10, 8)
        )
      )(puppet)
  },
  {
    name: "a key update",
    act: (puppet) => {
      puppet.updateKeys("both")
      return [puppet.packet(Level.OneRtt, writePing)]
    }
  }
]
