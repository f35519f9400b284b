import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import {
  FrameExtension,
  FrameType,
  frameFlags,
  frameProperties,
  frameTable
} from "../../src/wire/FrameType.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { fromHex, RecordingSink } from "./recordingSink.ts"

const packetTypes = [
  ["I", PacketType.Initial],
  ["H", PacketType.Handshake],
  ["0", PacketType.ZeroRtt],
  ["1", PacketType.OneRtt]
] as const

/** One valid frame of each type. */
const samples = new Map<number, string>([
  [FrameType.PADDING, "00"],
  [FrameType.PING, "01"],
  [FrameType.ACK, "0200000000"],
  [FrameType.ACK_ECN, "0300000000000000"],
  [FrameType.RESET_STREAM, "04000000"],
  [FrameType.STOP_SENDING, "050000"],
  [FrameType.CRYPTO, "060000"],
  [FrameType.NEW_TOKEN, "0701aa"],
  ...Array.from(
    { length: 8 },
    (_, bits) =>
      [
        FrameType.STREAM | bits,
        `0${(8 | bits).toString(16)}00${bits & 4 ? "00" : ""}${bits & 2 ? "00" : ""}`
      ] as const
  ),
  [FrameType.MAX_DATA, "1000"],
  [FrameType.MAX_STREAM_DATA, "110000"],
  [FrameType.MAX_STREAMS_BIDI, "1200"],
  [FrameType.MAX_STREAMS_UNI, "1300"],
  [FrameType.DATA_BLOCKED, "1400"],
  [FrameType.STREAM_DATA_BLOCKED, "150000"],
  [FrameType.STREAMS_BLOCKED_BIDI, "1600"],
  [FrameType.STREAMS_BLOCKED_UNI, "1700"],
  [FrameType.NEW_CONNECTION_ID, `18000001aa${"00".repeat(16)}`],
  [FrameType.RETIRE_CONNECTION_ID, "1900"],
  [FrameType.PATH_CHALLENGE, `1a${"00".repeat(8)}`],
  [FrameType.PATH_RESPONSE, `1b${"00".repeat(8)}`],
  [FrameType.CONNECTION_CLOSE, "1c000000"],
  [FrameType.APPLICATION_CLOSE, "1d0000"],
  [FrameType.HANDSHAKE_DONE, "1e"],
  [FrameType.IMMEDIATE_ACK, "1f"],
  [FrameType.RESET_STREAM_AT, "2400000000"],
  [FrameType.DATAGRAM, "30"],
  [FrameType.DATAGRAM_LEN, "3100"],
  [FrameType.ACK_FREQUENCY, "40af00000000"],
  [FrameType.PATH_ACK, "3e0000000000"],
  [FrameType.PATH_ACK_ECN, "3f0000000000000000"],
  [FrameType.PATH_ABANDON, "7e750000"],
  [FrameType.PATH_STATUS_BACKUP, "7e760000"],
  [FrameType.PATH_STATUS_AVAILABLE, "7e770000"],
  [FrameType.PATH_NEW_CONNECTION_ID, `7e7800000001aa${"00".repeat(16)}`],
  [FrameType.PATH_RETIRE_CONNECTION_ID, "7e790000"],
  [FrameType.MAX_PATH_ID, "7e7a00"],
  [FrameType.PATHS_BLOCKED, "7e7b00"],
  [FrameType.PATH_CIDS_BLOCKED, "7e7c0000"],
  [FrameType.ADD_ADDRESS, `803d7f9000${"00".repeat(6)}`],
  [FrameType.ADD_ADDRESS_V6, `803d7f9100${"00".repeat(18)}`],
  [FrameType.REACH_OUT, `803d7f9200${"00".repeat(6)}`],
  [FrameType.REACH_OUT_V6, `803d7f9300${"00".repeat(18)}`],
  [FrameType.REMOVE_ADDRESS, "803d7f9400"],
  [FrameType.OBSERVED_ADDRESS, `809f81a600${"00".repeat(6)}`],
  [FrameType.OBSERVED_ADDRESS_V6, `809f81a700${"00".repeat(18)}`]
])

const names = new Map<number, string>(Object.entries(FrameType).map(([name, type]) => [type, name]))

const decode = (hex: string, packetType: PacketType) =>
  new FrameDecoder("either", FrameExtension.all).decode(
    fromHex(hex),
    0,
    hex.length / 2,
    packetType,
    new RecordingSink()
  )

describe("the packets that may carry a frame", () => {
  it("are those of RFC 9000 §12.4, Table 3, and of the extensions", () => {
    const table = [...samples].map(([type, hex]) => {
      const packets = packetTypes.map(([letter, packet]) =>
        decode(hex, packet) === undefined ? letter : "_"
      )
      const name = names.get(type) ?? names.get(FrameType.STREAM)
      return `0x${type.toString(16).padStart(2, "0")} ${packets.join("")} ${name}`
    })
    // Table 3 allows RETIRE_CONNECTION_ID in 0-RTT, but §12.5 lets a server reject it there
    expect(`\n${table.join("\n")}\n`).toMatchInlineSnapshot(`
      "
      0x00 IH01 PADDING
      0x01 IH01 PING
      0x02 IH_1 ACK
      0x03 IH_1 ACK_ECN
      0x04 __01 RESET_STREAM
      0x05 __01 STOP_SENDING
      0x06 IH_1 CRYPTO
      0x07 ___1 NEW_TOKEN
      0x08 __01 STREAM
      0x09 __01 STREAM
      0x0a __01 STREAM
      0x0b __01 STREAM
      0x0c __01 STREAM
      0x0d __01 STREAM
      0x0e __01 STREAM
      0x0f __01 STREAM
      0x10 __01 MAX_DATA
      0x11 __01 MAX_STREAM_DATA
      0x12 __01 MAX_STREAMS_BIDI
      0x13 __01 MAX_STREAMS_UNI
      0x14 __01 DATA_BLOCKED
      0x15 __01 STREAM_DATA_BLOCKED
      0x16 __01 STREAMS_BLOCKED_BIDI
      0x17 __01 STREAMS_BLOCKED_UNI
      0x18 __01 NEW_CONNECTION_ID
      0x19 ___1 RETIRE_CONNECTION_ID
      0x1a __01 PATH_CHALLENGE
      0x1b ___1 PATH_RESPONSE
      0x1c IH01 CONNECTION_CLOSE
      0x1d __01 APPLICATION_CLOSE
      0x1e ___1 HANDSHAKE_DONE
      0x1f ___1 IMMEDIATE_ACK
      0x24 __01 RESET_STREAM_AT
      0x30 __01 DATAGRAM
      0x31 __01 DATAGRAM_LEN
      0xaf ___1 ACK_FREQUENCY
      0x3e ___1 PATH_ACK
      0x3f ___1 PATH_ACK_ECN
      0x3e75 ___1 PATH_ABANDON
      0x3e76 ___1 PATH_STATUS_BACKUP
      0x3e77 ___1 PATH_STATUS_AVAILABLE
      0x3e78 ___1 PATH_NEW_CONNECTION_ID
      0x3e79 ___1 PATH_RETIRE_CONNECTION_ID
      0x3e7a ___1 MAX_PATH_ID
      0x3e7b ___1 PATHS_BLOCKED
      0x3e7c ___1 PATH_CIDS_BLOCKED
      0x3d7f90 ___1 ADD_ADDRESS
      0x3d7f91 ___1 ADD_ADDRESS_V6
      0x3d7f92 ___1 REACH_OUT
      0x3d7f93 ___1 REACH_OUT_V6
      0x3d7f94 ___1 REMOVE_ADDRESS
      0x9f81a6 __01 OBSERVED_ADDRESS
      0x9f81a7 __01 OBSERVED_ADDRESS_V6
      "
    `)
  })

  it("are those of the frame table", () => {
    for (const { type, packets } of frameTable)
      for (const [, packet] of packetTypes)
        expect(decode(samples.get(type)!, packet) === undefined).toBe((packets & (1 << packet)) !== 0)
  })

  // RFC 9000 §12.4 #3, RFC 9001 §8.3 #2
  it("are enforced with PROTOCOL_VIOLATION, naming the frame, before a sink receives it", () => {
    for (const [type, hex] of samples) {
      for (const [, packet] of packetTypes) {
        const error = decode(hex, packet)
        if (error === undefined) continue
        expect(error).toMatchObject({ code: TransportErrorCode.PROTOCOL_VIOLATION, frameType: type })
        expect(error.reason).toBe(`frame 0x${type.toString(16)} in a packet type that may not carry it`)
      }
    }
  })

  it("do not matter for an unknown type, which is unknown everywhere", () => {
    for (const type of ["20", "2f", "32", "3d", "40ff", "7e74", "7e7d", "80010000", "ff00000000000000"]) {
      for (const [, packet] of packetTypes)
        expect(decode(`${type}00000000`, packet)).toMatchObject({
          code: TransportErrorCode.FRAME_ENCODING_ERROR
        })
    }
  })
})

describe("the frame table", () => {
  it("has each type once, and each has a sample here", () => {
    expect(frameTable.map(({ type }) => type)).toEqual([...samples.keys()])
    expect(new Set(Object.values(FrameType))).toEqual(
      new Set(frameTable.map(({ type }) => type).filter((type) => type === 8 || type >> 3 !== 1))
    )
  })

  it("determines whether a packet is ack-eliciting or probing", () => {
    const decoder = new FrameDecoder("either", FrameExtension.all)
    for (const { type, ackEliciting, probing } of frameTable) {
      const bytes = fromHex(samples.get(type)!)
      expect(decoder.decode(bytes, 0, bytes.length, PacketType.OneRtt, new RecordingSink())).toBeUndefined()
      expect([type, decoder.ackEliciting, decoder.probingOnly]).toEqual([type, ackEliciting, probing])
    }
    // RFC 9000 §12.4, Table 3, columns N and P
    const types = (test: (type: number) => boolean) => [...samples.keys()].filter(test)
    expect(types((type) => !frameProperties(type)!.ackEliciting)).toEqual([
      0x00, 0x02, 0x03, 0x1c, 0x1d, 0x3e, 0x3f
    ])
    expect(types((type) => frameProperties(type)!.probing)).toEqual([
      0x00, 0x18, 0x1a, 0x1b, 0x3e78, 0x9f81a6, 0x9f81a7
    ])
  })

  it("determines what only one role sends, and rejects it from the other before reading the frame", () => {
    const refused: Record<Role, Array<number>> = { client: [], server: [] }
    for (const role of ["client", "server"] as const) {
      const decoder = new FrameDecoder(role, FrameExtension.all)
      for (const { type, name } of frameTable) {
        const bytes = fromHex(samples.get(type)!)
        const sink = new RecordingSink()
        const error = decoder.decode(bytes, 0, bytes.length, PacketType.OneRtt, sink)
        if (error === undefined) continue
        refused[role].push(type)
        expect(sink.frames).toEqual([])
        expect(error).toMatchObject({
          code: TransportErrorCode.PROTOCOL_VIOLATION,
          reason: `${name.toUpperCase()} from a ${role}`,
          frameType: type
        })
      }
    }
    expect(refused).toEqual({
      // RFC 9000 §19.7 #4, §19.20 #2
      client: [FrameType.NEW_TOKEN, FrameType.HANDSHAKE_DONE, 0x3d7f90, 0x3d7f91, 0x3d7f94],
      server: [0x3d7f92, 0x3d7f93]
    })
  })

  it("determines which extension a frame needs, without which it is rejected", () => {
    const { all, none } = FrameExtension
    for (const { type, extension } of frameTable) {
      const bytes = fromHex(samples.get(type)!)
      const error = (extensions: number) =>
        new FrameDecoder("either", extensions).decode(
          bytes,
          0,
          bytes.length,
          PacketType.OneRtt,
          new RecordingSink()
        )
      expect(error(extension)).toBeUndefined()
      expect(error(all & ~extension) === undefined).toBe(extension === none)
      // of these, the drafts and RFC 9221 §3 say so
      const { datagram, addressDiscovery, natTraversal } = FrameExtension
      if (extension === none) continue
      expect(error(all & ~extension)!.code).toBe(
        (extension & (datagram | addressDiscovery | natTraversal)) === 0
          ? TransportErrorCode.FRAME_ENCODING_ERROR
          : TransportErrorCode.PROTOCOL_VIOLATION
      )
    }
  })

  it("is looked up by an array for one-byte types and a map for longer ones, and contains no others", () => {
    for (const { type, packets } of frameTable) expect(frameFlags(type) & 0x0f).toBe(packets)
    for (const type of [0x20, 0x3d, 0x40, 0x4000, 2 ** 62 - 1]) {
      expect(frameProperties(type)).toBeUndefined()
      expect(frameFlags(type) & 0x0f).toBe(0x0f)
    }
  })
})
