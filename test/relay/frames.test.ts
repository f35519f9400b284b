/** The relay protocol's frames: the bytes of each, both directions, and whatever else may arrive. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Frames from "../../src/relay/frames.ts"

const { RelayFrameType } = Frames
const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1)
const other = new Uint8Array(32).fill(0xee)
const signature = Uint8Array.from({ length: 64 }, (_, i) => 255 - i)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const keyHex = hex(key)

const parsed = (bytes: Uint8Array): Frames.ReceivedRelayFrame => {
  const frame = new Frames.ReceivedRelayFrame()
  if (!frame.parse(bytes)) throw new Error(`no frame: ${hex(bytes)}`)
  return frame
}

const isFrame = (text: string): boolean =>
  new Frames.ReceivedRelayFrame().parse(Buffer.from(text.replaceAll(" ", ""), "hex"))

describe("the bytes of a frame", () => {
  const body = Uint8Array.of(0, 9, 8, 7, 0)

  it("of the handshake", () => {
    const challenge = key.subarray(0, 16)
    expect(hex(Frames.encodeChallenge(challenge))).toBe(`00${hex(challenge)}`)
    expect(hex(Frames.encodeClientAuth(key, signature))).toBe(`01${keyHex}40${hex(signature)}`)
    expect(hex(Frames.encodeConfirmsAuth())).toBe("02")
    expect(hex(Frames.encodeDeniesAuth("né"))).toBe("03036ec3a9")
  })

  it("of datagrams, to a relay and from it", () => {
    expect(hex(Frames.encodeDatagram(RelayFrameType.clientDatagram, key, 2, body, 1, 4))).toBe(
      `04${keyHex}02090807`
    )
    expect(hex(Frames.encodeBatch(RelayFrameType.relayBatch, key, 1, 0x0102, body, 1, 4))).toBe(
      `07${keyHex}010102090807`
    )
  })

  it("of everything else", () => {
    const ping = key.subarray(0, 8)
    expect(hex(Frames.encodeGone(key))).toBe(`08${keyHex}`)
    expect(hex(Frames.encodePing(ping))).toBe("090102030405060708")
    expect(hex(Frames.encodePong(ping))).toBe("0a0102030405060708")
    expect(hex(Frames.encodeRestarting(1000, 0xffff_ffff))).toBe("0c000003e8ffffffff")
    expect(hex(Frames.encodeStatus(2))).toBe("0d02")
  })
})

describe("a parsed frame", () => {
  it("has what was encoded", () => {
    const auth = Frames.encodeClientAuth(key, signature)
    const frame = parsed(auth)
    expect(auth.subarray(frame.headStart, frame.headStart + 32)).toEqual(key)
    expect(auth.subarray(frame.signatureStart, frame.signatureStart + 64)).toEqual(signature)
    const restarting = parsed(Frames.encodeRestarting(5, 4_000_000_000))
    expect([restarting.reconnectInMillis, restarting.tryForMillis]).toEqual([5, 4_000_000_000])
    expect(parsed(Frames.encodeStatus(1)).status).toBe(1)
  })

  it("of a denial has its reason, cut off at a whole character", () => {
    for (const [reason, bytes] of [
      ["", 0],
      ["x".repeat(127), 127],
      ["x".repeat(128), 128],
      ["é".repeat(600), 1024],
      [`x${"é".repeat(600)}`, 1023]
    ] as const) {
      const { bodyStart, bodyEnd } = parsed(Frames.encodeDeniesAuth(reason))
      expect(bodyEnd - bodyStart).toBe(bytes)
    }
  })

  it("is passed on from its sender's key, the rest as it was", () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i)
    for (const [sent, arrives] of [
      [
        Frames.encodeDatagram(RelayFrameType.clientDatagram, key, 3, bytes),
        Frames.encodeDatagram(RelayFrameType.relayDatagram, other, 3, bytes)
      ],
      [
        Frames.encodeBatch(RelayFrameType.clientBatch, key, 0, 40, bytes),
        Frames.encodeBatch(RelayFrameType.relayBatch, other, 0, 40, bytes)
      ]
    ]) {
      // what a socket delivers is in the middle of a larger buffer
      const buffer = new Uint8Array(sent.length + 20)
      buffer.set(sent, 7)
      const frame = new Frames.ReceivedRelayFrame()
      expect(frame.parse(buffer, 7, 7 + sent.length)).toBe(true)
      expect(Frames.encodeForwarded(frame, buffer, other)).toEqual(arrives)
    }
  })
})

describe("what is no frame", () => {
  it("is refused", () => {
    const no = [
      "",
      "40",
      `00 ${"11".repeat(15)}`,
      `00 ${"11".repeat(17)}`,
      `01 ${keyHex} 3f ${"11".repeat(63)}`,
      `01 ${keyHex} 41 ${"11".repeat(65)}`,
      `01 ${keyHex} 40 ${"11".repeat(63)}`,
      `01 ${keyHex} 40 ${"11".repeat(65)}`,
      "02 00",
      "03",
      "03 01",
      "03 00 61",
      "03 ff ff 03",
      `04 ${keyHex}`,
      `04 ${keyHex} 04`,
      `05 ${keyHex} 00 00 00 aa`,
      `05 ${keyHex} 00 01`,
      `08 ${keyHex.slice(2)}`,
      "09 01020304050607",
      "0a 010203040506070809",
      "0c 000003e8ffffff",
      "0d",
      "0d 00 00"
    ]
    for (const text of no) expect(isFrame(text), text).toBe(false)
  })

  it("and neither is one longer than 64 KiB", () => {
    const most = new Uint8Array(Frames.MAX_DATAGRAM_BYTES)
    const longest = Frames.encodeDatagram(RelayFrameType.clientDatagram, key, 0, most)
    expect(longest.length).toBe(65_536)
    const frame = new Frames.ReceivedRelayFrame()
    expect(frame.parse(longest)).toBe(true)
    const longer = new Uint8Array(65_537)
    longer.set(longest)
    expect(frame.parse(longer)).toBe(false)
  })

  it("one of an unknown type is a frame", () => {
    expect(isFrame("0b 01")).toBe(true)
    expect(isFrame("ffffffffffffffff 01")).toBe(true)
  })
})

it("whatever bytes arrive, offsets stay within them", () => {
  const noise = fc
    .tuple(fc.nat(15), fc.uint8Array({ maxLength: 160, size: "max" }))
    .map(([type, rest]) => Uint8Array.of(type, ...rest))
  const frame = new Frames.ReceivedRelayFrame()
  let taken = 0
  fc.assert(
    fc.property(noise, fc.nat(9), (bytes, before) => {
      const buffer = new Uint8Array(before + bytes.length + 200).fill(0x55)
      buffer.set(bytes, before)
      const end = before + bytes.length
      if (!frame.parse(buffer, before, end)) return
      taken++
      const { type, headStart, bodyStart, bodyEnd, signatureStart } = frame
      if (type >= RelayFrameType.clientDatagram && type <= RelayFrameType.relayBatch) {
        expect(headStart + 33).toBeLessThanOrEqual(bodyStart)
        expect(bodyEnd).toBe(end)
        expect(bodyStart).toBeLessThanOrEqual(bodyEnd)
        if (type <= RelayFrameType.clientBatch)
          expect(Frames.encodeForwarded(frame, buffer, key).length).toBe(bytes.length)
      }
      if (type === RelayFrameType.clientAuth) expect(signatureStart + 64).toBe(end)
    }),
    { numRuns: 20_000 }
  )
  expect(taken).toBeGreaterThan(100)
})
