/** Arbitrary bytes cause no exception, no endless loop, and bounded memory use. */
import type { Role } from "../../src/wire/Role.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type AckFrame, MAX_ACK_RANGES } from "../../src/wire/AckFrame.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import type { FrameSink } from "../../src/wire/FrameSink.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../../src/wire/TransportError.ts"
import {
  decodeTransportParameters,
  defaultTransportParameters,
  encodeTransportParameters
} from "../../src/wire/TransportParameters.ts"
import { parseRetry, parseVersionNegotiation } from "../../src/wire/versionPackets.ts"
import { fromHex, RecordingSink } from "./recordingSink.ts"
import { someFrames } from "./someFrames.ts"

const runs = { numRuns: 2000 }
const packetType = fc.constantFrom(
  PacketType.Initial,
  PacketType.Handshake,
  PacketType.ZeroRtt,
  PacketType.OneRtt
)
const noise = fc.uint8Array({ maxLength: 1500, size: "max" })

/** Bytes with a few of them changed, and possibly truncated. */
const mutated = (valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(
      valid,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
      fc.option(fc.nat(), { nil: undefined })
    )
    .map(([bytes, changes, cut]) => {
      const copy = bytes.slice(0, cut === undefined ? bytes.length : cut % (bytes.length + 1))
      if (copy.length > 0) for (const [at, value] of changes) copy[at % copy.length] = value
      return copy
    })

const payload = someFrames.map((frames) => {
  const w = new ByteWriter(new Uint8Array(20_000))
  for (const frame of frames) frame.write(w)
  return w.bytes.slice(0, w.offset)
})

/** Checks that every offset a decoder reports lies within the packet. */
const boundsSink = (start: number, end: number): FrameSink & { calls: number } => {
  const inside = (from: number, to: number): void => {
    if (!(start <= from && from <= to && to <= end))
      throw new Error(`${from}…${to} is outside ${start}…${end}`)
  }
  const number = (value: unknown): void => {
    if (typeof value === "number" && !(value >= 0 && value <= 2 ** 62)) throw new Error(`${value}`)
  }
  const sink = {
    calls: 0,
    onAck: (ack: AckFrame) => {
      sink.calls++
      if (ack.rangeCount < 1 || ack.rangeCount > MAX_ACK_RANGES) throw new Error(`${ack.rangeCount} ranges`)
      for (let i = 0; i < ack.rangeCount; i++) {
        if (ack.smallest[i] > ack.largestOf[i] || ack.smallest[i] < 0)
          throw new Error("a range with reversed ends")
        if (i > 0 && ack.largestOf[i] > ack.smallest[i - 1] - 2) throw new Error("adjacent ranges")
      }
      return undefined
    },
    onCrypto: (_offset: number, _bytes: Uint8Array, from: number, to: number) => inside(from, to),
    onStream: (_id: number, _offset: number, _bytes: Uint8Array, from: number, to: number) =>
      inside(from, to),
    onNewToken: (_bytes: Uint8Array, from: number, to: number) => inside(from, to),
    onDatagram: (_bytes: Uint8Array, from: number, to: number) => inside(from, to),
    onPathChallenge: (_bytes: Uint8Array, from: number) => inside(from, from + 8),
    onPathResponse: (_bytes: Uint8Array, from: number) => inside(from, from + 8),
    onNewConnectionId: (
      _path: number,
      _sequence: number,
      _prior: number,
      _bytes: Uint8Array,
      from: number,
      to: number,
      token: number
    ) => {
      inside(from, to)
      inside(token, token + 16)
    },
    onConnectionClose: (
      _application: boolean,
      _code: number,
      _type: number,
      _bytes: Uint8Array,
      from: number,
      to: number
    ) => inside(from, to)
  }
  // all other frames contain only numbers
  return new Proxy(sink, {
    get: (target, name, proxy) => {
      if (name === "streams") return proxy
      if (name in target) return target[name as keyof typeof target]
      return (...fields: ReadonlyArray<unknown>) => {
        target.calls++
        fields.forEach(number)
      }
    }
  }) as unknown as FrameSink & { calls: number }
}

const decoder = new FrameDecoder("either", FrameExtension.all)
const codes: ReadonlyArray<number> = [
  TransportErrorCode.FRAME_ENCODING_ERROR,
  TransportErrorCode.PROTOCOL_VIOLATION
]

const decodeAnything = (bytes: Uint8Array, type: PacketType): void => {
  const buffer = new Uint8Array(bytes.length + 20)
  buffer.set(bytes, 10)
  const end = 10 + bytes.length
  const error = decoder.decode(buffer, 10, end, type, boundsSink(10, end))
  if (error !== undefined) expect(codes).toContain(error.code)
}

describe("a frame decoder", () => {
  it("survives noise", () => {
    fc.assert(fc.property(noise, packetType, decodeAnything), runs)
  })

  it("survives frames with bytes changed", () => {
    fc.assert(fc.property(mutated(payload), packetType, decodeAnything), runs)
  })

  it("takes time linear in the packet, whatever its length fields claim", () => {
    // the largest range count an ACK can claim, and as many ranges as fit
    const claims = fromHex(`02bfffffff00${"ffffffffffffffff"}00${"0000".repeat(30_000)}`)
    const sink = new RecordingSink()
    const error = decoder.decode(claims, 0, claims.length, PacketType.OneRtt, sink)
    expect(error).toMatchObject({ code: TransportErrorCode.FRAME_ENCODING_ERROR })
    expect(sink.frames).toEqual([])
  })

  it("keeps a bounded number of ACK ranges, however many arrive", () => {
    const kept: Array<AckFrame> = []
    const sink = Object.assign(new RecordingSink(), {
      onAck: (ack: AckFrame) => {
        kept.push(ack)
        return undefined
      }
    })
    // largest 2^30-1, delay 0, 4999 ranges after the first, each of one packet
    const acks = fromHex(`02bfffffff00538700${"0000".repeat(4999)}`)
    expect(decoder.decode(acks, 0, acks.length, PacketType.OneRtt, sink)).toBeUndefined()
    for (const ack of kept) expect(ack.largestOf.length).toBeLessThanOrEqual(MAX_ACK_RANGES)
    expect(kept.length).toBe(1)
  })
})

describe("a packet header reader", () => {
  const inBounds = (bytes: Uint8Array, localCidLength: number): void => {
    const header = new PacketHeader()
    let offset = 0
    // walks a datagram like a receiver: every packet must end after its start
    while (parsePacketHeader(bytes, offset, bytes.length, localCidLength, header)) {
      const { dcidStart, dcidEnd, scidStart, scidEnd, tokenStart, tokenEnd, packetNumberOffset, end } = header
      const order = [offset, dcidStart, dcidEnd, scidStart, scidEnd, packetNumberOffset, end, bytes.length]
      expect(order).toEqual([...order].sort((a, b) => a - b))
      expect(tokenStart <= tokenEnd && tokenEnd <= end).toBe(true)
      expect(end).toBeGreaterThan(offset)
      parseVersionNegotiation(bytes, header)
      parseRetry(bytes, header)
      offset = end
    }
  }

  it("survives noise", () => {
    fc.assert(fc.property(noise, fc.nat(20), inBounds), runs)
  })

  it("survives headers with bytes changed", () => {
    const valid = fc.constantFrom(
      ...[
        "c3000000010211220233440355667705aabbccddee",
        "e06b3343cf0008f067a5502a4262b505aabbccddee",
        "f0000000010000abcd00112233445566778899aabbccddeeff",
        "80000000000211220000000001ff00001d",
        "40aabbccddeeff00112233"
      ].map(fromHex)
    )
    fc.assert(fc.property(mutated(valid), fc.nat(20), inBounds), runs)
  })
})

describe("a transport parameter decoder", () => {
  const decodeAnything = (bytes: Uint8Array, from: Role): void => {
    const decoded = decodeTransportParameters(bytes, from)
    if (decoded instanceof TransportError)
      expect(decoded.code).toBe(TransportErrorCode.TRANSPORT_PARAMETER_ERROR)
    else expect(Number.isSafeInteger(decoded.initialMaxData)).toBe(true)
  }
  const role = fc.constantFrom<Role>("client", "server")

  it("survives noise", () => {
    fc.assert(fc.property(noise, role, decodeAnything), runs)
  })

  it("survives parameters with bytes changed", () => {
    const valid = encodeTransportParameters(
      {
        ...defaultTransportParameters,
        originalDestinationConnectionId: new Uint8Array(8),
        initialSourceConnectionId: new Uint8Array(8),
        retrySourceConnectionId: new Uint8Array(8),
        statelessResetToken: new Uint8Array(16),
        initialMaxData: 2 ** 40,
        initialMaxStreamsBidi: 100,
        maxDatagramFrameSize: 65_535,
        disableActiveMigration: true,
        versionInformation: { chosen: 1, available: [1, 0x6b3343cf] },
        preferredAddress: {
          ipv4: { host: "192.0.2.1", port: 443, family: 4 },
          ipv6: { host: "2001:db8::1", port: 443, family: 6 },
          connectionId: new Uint8Array(8),
          statelessResetToken: new Uint8Array(16)
        }
      },
      "server",
      (length) => new Uint8Array(length)
    )
    fc.assert(fc.property(mutated(fc.constant(valid)), role, decodeAnything), runs)
  })
})
