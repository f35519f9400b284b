import { writeCrypto } from "./writeCrypto.ts"
import fc from "fast-check"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { type ByteWriter, MAX_VARINT } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { formatIp } from "../../src/wire/ipAddress.ts"
import * as write from "../../src/wire/frameWriters.ts"
import { type Recorded, toHex } from "./recordingSink.ts"

/** A frame to write, and the call a sink should receive. */
export interface SomeFrame {
  readonly write: (w: ByteWriter) => void
  readonly heard: Recorded
  /** Whether its data extends to the end of the packet, so that it must be the last. */
  readonly last?: boolean
}

const varint = fc.oneof(
  fc.nat(63),
  fc.nat(16383),
  fc.nat(2 ** 30 - 1),
  fc.maxSafeNat(),
  fc.constant(MAX_VARINT)
)
/** A path ID, or none. */
const maybePath = fc.oneof(fc.constant(write.NO_PATH_ID), varint)
const offset = fc.oneof(fc.constant(0), varint)
const streams = fc.nat({ max: 2 ** 53 - 1 })
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })

/** Descending ranges, each at least one number apart, as an ACK requires. RFC 9000 §19.3.1 */
const ackFrame: fc.Arbitrary<AckFrame> = fc
  .record({
    spans: fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { minLength: 1, maxLength: 256 }),
    base: fc.nat(2 ** 50),
    delay: varint,
    ecn: fc.option(fc.tuple(varint, varint, varint), { nil: undefined }),
    pathId: fc.option(varint, { nil: undefined })
  })
  .map(({ spans, base, delay, ecn, pathId }) => {
    const ack = new AckFrame()
    ack.isPathAck = pathId !== undefined
    ack.pathId = pathId ?? 0
    let smallest = base
    const upwards = spans.map(([length, gap]) => {
      const range = { smallest, largest: smallest + length }
      smallest = range.largest + gap + 2
      return range
    })
    for (const { smallest, largest } of upwards.reverse()) {
      ack.smallest[ack.rangeCount] = smallest
      ack.largestOf[ack.rangeCount++] = largest
    }
    ack.largest = ack.largestOf[0]
    ack.delayRaw = delay
    ack.hasEcn = ecn !== undefined
    if (ecn !== undefined) [ack.ect0, ack.ect1, ack.ce] = ecn
    return ack
  })

const addressFrame = (name: "OBSERVED_ADDRESS" | "ADD_ADDRESS" | "REACH_OUT"): fc.Arbitrary<SomeFrame> =>
  fc.tuple(varint, fc.oneof(bytes(4, 4), bytes(16, 16)), fc.nat(0xffff)).map(([number, ip, port]) => ({
    write: (w) =>
      write.writeAddressFrame(w, FrameType[name], number, {
        host: formatIp(ip),
        port,
        family: ip.length === 4 ? 4 : 6
      }),
    heard: [name, number, toHex(ip), port]
  }))

const heardOfAck = (ack: AckFrame): Recorded => [
  "ACK",
  ack.isPathAck ? ack.pathId : undefined,
  ack.delayRaw,
  ack.largestOf.map((largest, i) => [ack.smallest[i], largest]),
  ack.hasEcn ? [ack.ect0, ack.ect1, ack.ce] : undefined
]

/** Every frame writer, by the frame's name. */
export const someFrame: { readonly [name: string]: fc.Arbitrary<SomeFrame> } = {
  PADDING: fc.nat(20).map((size) => ({ write: (w) => write.writePadding(w, size), heard: ["PADDING"] })),
  PING: fc.constant({ write: write.writePing, heard: ["PING"] }),
  ACK: ackFrame.map((ack) => ({ write: (w) => write.writeAck(w, ack), heard: heardOfAck(ack) })),
  RESET_STREAM: fc.tuple(streams, varint, varint).map((fields) => ({
    write: (w) => write.writeResetStream(w, ...fields),
    heard: ["RESET_STREAM", ...fields]
  })),
  RESET_STREAM_AT: fc.tuple(streams, varint, varint, varint).map(([id, code, a, b]) => {
    const [reliable, final] = a < b ? [a, b] : [b, a]
    return {
      write: (w) => write.writeResetStreamAt(w, id, code, final, reliable),
      heard: ["RESET_STREAM_AT", id, code, final, reliable]
    }
  }),
  STOP_SENDING: fc.tuple(streams, varint).map((fields) => ({
    write: (w) => write.writeStopSending(w, ...fields),
    heard: ["STOP_SENDING", ...fields]
  })),
  CRYPTO: fc.tuple(offset, bytes(0, 100), fc.nat(100)).map(([at, data, cut]) => {
    const start = Math.min(cut, data.length)
    return {
      write: (w) => writeCrypto(w, at, data, start, data.length),
      heard: ["CRYPTO", at, toHex(data, start)]
    }
  }),
  NEW_TOKEN: bytes(1, 100).map((token) => ({
    write: (w) => write.writeNewToken(w, token),
    heard: ["NEW_TOKEN", toHex(token)]
  })),
  STREAM: fc
    .tuple(streams, offset, bytes(0, 100), fc.boolean(), fc.boolean())
    .map(([id, at, data, fin, last]) => ({
      write: (w) => {
        write.writeStreamHeader(w, id, at, last ? -1 : data.length, fin)
        w.copy(data)
      },
      heard: ["STREAM", id, at, toHex(data), fin],
      last
    })),
  MAX_DATA: varint.map((limit) => ({
    write: (w) => write.writeMaxData(w, limit),
    heard: ["MAX_DATA", limit]
  })),
  MAX_STREAM_DATA: fc.tuple(streams, varint).map((fields) => ({
    write: (w) => write.writeMaxStreamData(w, ...fields),
    heard: ["MAX_STREAM_DATA", ...fields]
  })),
  MAX_STREAMS: fc.tuple(fc.boolean(), varint).map((fields) => ({
    write: (w) => write.writeMaxStreams(w, ...fields),
    heard: ["MAX_STREAMS", ...fields]
  })),
  DATA_BLOCKED: varint.map((limit) => ({
    write: (w) => write.writeDataBlocked(w, limit),
    heard: ["DATA_BLOCKED", limit]
  })),
  STREAM_DATA_BLOCKED: fc.tuple(streams, varint).map((fields) => ({
    write: (w) => write.writeStreamDataBlocked(w, ...fields),
    heard: ["STREAM_DATA_BLOCKED", ...fields]
  })),
  STREAMS_BLOCKED: fc.tuple(fc.boolean(), varint).map((fields) => ({
    write: (w) => write.writeStreamsBlocked(w, ...fields),
    heard: ["STREAMS_BLOCKED", ...fields]
  })),
  NEW_CONNECTION_ID: fc
    .tuple(maybePath, varint, varint, bytes(1, 20), bytes(16, 16))
    .map(([pathId, a, b, id, token]) => {
      const [retirePriorTo, sequence] = a < b ? [a, b] : [b, a]
      return {
        write: (w) => write.writeNewConnectionId(w, sequence, retirePriorTo, id, token, pathId),
        heard: ["NEW_CONNECTION_ID", Math.max(0, pathId), sequence, retirePriorTo, toHex(id), toHex(token)]
      }
    }),
  RETIRE_CONNECTION_ID: fc.tuple(maybePath, varint).map(([pathId, sequence]) => ({
    write: (w) => write.writeRetireConnectionId(w, sequence, pathId),
    heard: ["RETIRE_CONNECTION_ID", Math.max(0, pathId), sequence]
  })),
  PATH_ABANDON: fc.tuple(varint, varint).map((fields) => ({
    write: (w) => write.writePathFrame(w, FrameType.PATH_ABANDON, ...fields),
    heard: ["PATH_ABANDON", ...fields]
  })),
  PATH_STATUS_BACKUP: fc.tuple(varint, varint).map((fields) => ({
    write: (w) => write.writePathFrame(w, FrameType.PATH_STATUS_BACKUP, ...fields),
    heard: ["PATH_STATUS", ...fields, true]
  })),
  PATH_STATUS_AVAILABLE: fc.tuple(varint, varint).map((fields) => ({
    write: (w) => write.writePathFrame(w, FrameType.PATH_STATUS_AVAILABLE, ...fields),
    heard: ["PATH_STATUS", ...fields, false]
  })),
  PATH_CIDS_BLOCKED: fc.tuple(varint, varint).map((fields) => ({
    write: (w) => write.writePathFrame(w, FrameType.PATH_CIDS_BLOCKED, ...fields),
    heard: ["PATH_CIDS_BLOCKED", ...fields]
  })),
  OBSERVED_ADDRESS: addressFrame("OBSERVED_ADDRESS"),
  ADD_ADDRESS: addressFrame("ADD_ADDRESS"),
  REACH_OUT: addressFrame("REACH_OUT"),
  REMOVE_ADDRESS: varint.map((sequence) => ({
    write: (w) => write.writeRemoveAddress(w, sequence),
    heard: ["REMOVE_ADDRESS", sequence]
  })),
  MAX_PATH_ID: varint.map((maximum) => ({
    write: (w) => write.writeMaxPathId(w, maximum),
    heard: ["MAX_PATH_ID", maximum]
  })),
  PATHS_BLOCKED: varint.map((maximum) => ({
    write: (w) => write.writePathsBlocked(w, maximum),
    heard: ["PATHS_BLOCKED", maximum]
  })),
  PATH_CHALLENGE: bytes(8, 8).map((data) => ({
    write: (w) => write.writePathChallenge(w, data),
    heard: ["PATH_CHALLENGE", toHex(data)]
  })),
  PATH_RESPONSE: bytes(8, 8).map((data) => ({
    write: (w) => write.writePathResponse(w, data),
    heard: ["PATH_RESPONSE", toHex(data)]
  })),
  CONNECTION_CLOSE: fc
    .tuple(fc.boolean(), varint, varint, bytes(0, 100))
    .map(([application, code, frameType, reason]) => ({
      write: (w) => write.writeConnectionClose(w, application, code, frameType, reason),
      heard: ["CONNECTION_CLOSE", application, code, application ? 0 : frameType, toHex(reason)]
    })),
  HANDSHAKE_DONE: fc.constant({ write: write.writeHandshakeDone, heard: ["HANDSHAKE_DONE"] }),
  DATAGRAM: bytes(0, 100).map((data) => ({
    write: (w) => write.writeDatagram(w, data),
    heard: ["DATAGRAM", toHex(data)]
  })),
  ACK_FREQUENCY: fc.tuple(varint, varint, varint, varint).map((fields) => ({
    write: (w) => write.writeAckFrequency(w, ...fields),
    heard: ["ACK_FREQUENCY", ...fields]
  })),
  IMMEDIATE_ACK: fc.constant({ write: write.writeImmediateAck, heard: ["IMMEDIATE_ACK"] })
}

/** Frames as a packet could carry them, with at most one that extends to the end, at the end. */
export const someFrames: fc.Arbitrary<ReadonlyArray<SomeFrame>> = fc
  .array(fc.oneof(...Object.values(someFrame)), { minLength: 1, maxLength: 12 })
  .map((frames) => [...frames.filter(({ last }) => !last), ...frames.filter(({ last }) => last).slice(0, 1)])
  .filter((frames) => frames.length > 0)
