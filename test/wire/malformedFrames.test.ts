import { describe, expect, it } from "vitest"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { TransportError, TransportErrorCode } from "../../src/wire/TransportError.ts"
import { fromHex, RecordingSink } from "./recordingSink.ts"

const { all, none } = FrameExtension

const decode = (hex: string, extensions: number = all, sink = new RecordingSink()) =>
  new FrameDecoder("either", extensions).decode(fromHex(hex), 0, hex.length / 2, PacketType.OneRtt, sink)

const token = "00".repeat(16)
const top = "ffffffffffffffff" // 2^62 − 1

describe("FRAME_ENCODING_ERROR is reported for", () => {
  // RFC 9000 §19.7 #2, §19.8 #2, §19.11 #1, §19.14, §19.15 #1 #6
  it.each([
    ["an ACK range below packet 0", "0203000004", 0x02, "range below zero"],
    ["a gap reaching below packet 0", "02030001000300", 0x02, "range below zero"],
    ["a second ACK range below packet 0", "02050001010202", 0x02, "range below zero"],
    ["a range below packet 0 beyond those kept", ackWithRanges(300), 0x02, "range below zero"],
    ["a CRYPTO frame beyond 2^62-1", `06${top}0101`, 0x06, "exceed 2^62-1"],
    ["a STREAM frame beyond 2^62-1", `0e00${top}0101`, 0x0e, "exceed 2^62-1"],
    ["a STREAM frame without a length beyond 2^62-1", `0c00${top}01`, 0x0c, "exceed 2^62-1"],
    ["an empty NEW_TOKEN", "0700", 0x07, "empty token"],
    ["MAX_STREAMS above 2^60", "12d000000000000001", 0x12, "more than 2^60 streams"],
    ["MAX_STREAMS above 2^60, unidirectional", `13${top}`, 0x13, "more than 2^60 streams"],
    ["STREAMS_BLOCKED above 2^60", "16d000000000000001", 0x16, "more than 2^60 streams"],
    ["STREAMS_BLOCKED above 2^60, unidirectional", `17${top}`, 0x17, "more than 2^60 streams"],
    ["an empty new connection ID", `18000000${token}`, 0x18, "a connection ID of 0 bytes"],
    [
      "a new connection ID of 21 bytes",
      `18000015${"aa".repeat(21)}${token}`,
      0x18,
      "a connection ID of 21 bytes"
    ],
    ["Retire Prior To above the sequence number", `18010201aa${token}`, 0x18, "Retire Prior To above"],
    ["a reliable size above the final size", "2400000506", 0x24, "reliable size above the final size"],
    ["an unknown frame", "21", 0x21, "unknown frame type 0x21"],
    ["an unknown frame of two bytes", "7fff", 0x3fff, "unknown frame type 0x3fff"]
  ])("%s", (_, hex, frameType, reason) => {
    const sink = new RecordingSink()
    const error = decode(hex, all, sink)
    expect(error).toMatchObject({ code: TransportErrorCode.FRAME_ENCODING_ERROR, frameType })
    expect(error!.reason).toContain(reason)
    expect(sink.frames).toEqual([])
  })

  it.each([
    ["ACK", "0240ff40010140010101"],
    ["ACK with ECN", "0340ff4001004001400140024003"],
    ["RESET_STREAM", "04400140014001"],
    ["RESET_STREAM_AT", "244001400140024001"],
    ["STOP_SENDING", "0540014001"],
    ["CRYPTO", "06400102aabb"],
    ["NEW_TOKEN", "0702aabb"],
    ["STREAM", "0e4001400102aabb"],
    ["MAX_DATA", "104001"],
    ["MAX_STREAM_DATA", "1140014001"],
    ["MAX_STREAMS", "124001"],
    ["DATA_BLOCKED", "144001"],
    ["STREAM_DATA_BLOCKED", "1540014001"],
    ["STREAMS_BLOCKED", "164001"],
    ["NEW_CONNECTION_ID", `184001400102aabb${token}`],
    ["RETIRE_CONNECTION_ID", "194001"],
    ["PATH_CHALLENGE", "1a0102030405060708"],
    ["PATH_RESPONSE", "1b0102030405060708"],
    ["CONNECTION_CLOSE of the transport", "1c400a400002aabb"],
    ["CONNECTION_CLOSE of the application", "1d400a02aabb"],
    ["DATAGRAM", "3102aabb"],
    ["ACK_FREQUENCY", "40af4001400240034004"],
    ["ADD_ADDRESS of IPv4", "803d7f904001010203040506"],
    ["REACH_OUT of IPv6", `803d7f934001${"01".repeat(16)}0506`],
    ["REMOVE_ADDRESS", "803d7f944001"],
    ["OBSERVED_ADDRESS of IPv4", "809f81a64001010203040506"],
    ["OBSERVED_ADDRESS of IPv6", `809f81a74001${"01".repeat(16)}0506`]
  ])("%s truncated at any byte", (_, hex) => {
    expect(decode(hex)).toBeUndefined()
    const typeBytes = 2 << (Number.parseInt(hex[0], 16) >> 2)
    for (let cut = typeBytes; cut < hex.length; cut += 2) {
      const sink = new RecordingSink()
      const error = decode(hex.slice(0, cut), all, sink)
      expect([cut, error?.code]).toEqual([cut, TransportErrorCode.FRAME_ENCODING_ERROR])
      expect(error!.reason).toContain("truncated")
      expect(sink.frames).toEqual([])
    }
  })

  it.each(["40", "8000", "c0000000"])("a frame type cut short: %s", (hex) => {
    expect(decode(hex)).toMatchObject({
      code: TransportErrorCode.FRAME_ENCODING_ERROR,
      reason: "a frame type cut short"
    })
  })

  it("extensions that were not negotiated", () => {
    for (const hex of ["2400000000", "1f", "40af00000000"]) {
      expect(decode(hex, all)).toBeUndefined()
      expect(decode(hex, none)).toMatchObject({ code: TransportErrorCode.FRAME_ENCODING_ERROR })
    }
  })
})

describe("PROTOCOL_VIOLATION is reported for", () => {
  it("a packet without frames", () => {
    expect(decode("")).toMatchObject({
      code: TransportErrorCode.PROTOCOL_VIOLATION,
      reason: "a packet without frames"
    })
  })

  it.each(["4001", "80000001", "c000000000000001", "4000", "800000af", "c0000000000000af"])(
    "an overlong frame type: %s",
    (hex) => {
      expect(decode(`${hex}00000000`)).toMatchObject({
        code: TransportErrorCode.PROTOCOL_VIOLATION,
        reason: "frame type not in its shortest encoding"
      })
    }
  )

  it("a DATAGRAM that was not negotiated", () => {
    // RFC 9221 §3
    for (const hex of ["30aa", "3101aa"])
      expect(decode(hex, none)).toMatchObject({ code: TransportErrorCode.PROTOCOL_VIOLATION })
  })
})

describe("a decoder", () => {
  it("stops at the first malformed frame, after delivering the frames before it", () => {
    const sink = new RecordingSink()
    expect(decode("010107000101", all, sink)).toMatchObject({ frameType: 0x07 })
    expect(sink.frames).toEqual([["PING"], ["PING"]])
  })

  it("stops when its sink returns an error, with that error", () => {
    const refusal = new TransportError(TransportErrorCode.FLOW_CONTROL_ERROR, "enough", 0x01)
    const sink = new RecordingSink(1, refusal)
    expect(decode("01010101", all, sink)).toBe(refusal)
    expect(sink.frames).toHaveLength(2)
  })

  it("accepts the largest values the RFC allows", () => {
    expect(decode("12d000000000000000")).toBeUndefined() // 2^60 streams
    expect(decode(`18050514${"aa".repeat(20)}${token}`)).toBeUndefined()
    expect(decode("2400000505")).toBeUndefined()
    expect(decode(`10${top}`)).toBeUndefined()
  })
})

/** An ACK of every second packet, whose last range falls below 0. */
function ackWithRanges(count: number): string {
  const varint = (value: number) => (0x4000 | value).toString(16)
  return `02${varint(2 * (count - 2))}00${varint(count - 1)}00${"0000".repeat(count - 1)}`
}
