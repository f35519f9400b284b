/** The bytes of channels: preambles, datagrams, counts and codecs. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { codecOf } from "../../src/channels/codec.ts"
import { countFrame, countOf, frameOf, PREFIX_BYTES } from "../../src/channels/frames.ts"
import {
  areCompatible,
  CLAIM_BYTES,
  claimOf,
  datagramHeaderOf,
  datagramOf,
  hashOf,
  headerOf,
  preambleOf
} from "../../src/channels/preamble.ts"

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const versions = fc
  .tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
  .map(([a, b]) => ({ version: Math.max(a, b), oldest: Math.min(a, b) }))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

describe("C1: the preamble of a channel", () => {
  it("is the bytes that docs/channels.md shows", () => {
    expect(hashOf("")).toBe(0x811c9dc5)
    expect(hashOf("foobar")).toBe(0xbf9cf968)
    const header = { version: 3, oldest: 2, kind: 0, channelId: hashOf("log") }
    expect(hex(preambleOf(hashOf("link"), header))).toBe(
      "454348310ddb0669" + "0003" + "0002" + "00" + "3f515151"
    )
  })

  it("is read as it was written, and begins with what its set claims", () => {
    fc.assert(
      fc.property(u32, u32, versions, fc.constantFrom(0, 1), (setId, channelId, range, kind) => {
        const bytes = preambleOf(setId, { ...range, kind, channelId })
        expect(bytes.subarray(0, CLAIM_BYTES)).toEqual(claimOf(setId))
        expect(headerOf(bytes.subarray(CLAIM_BYTES))).toEqual({ ...range, kind, channelId })
      })
    )
  })

  it("has no meaning with another kind, or with a range of versions that ends before it begins", () => {
    const bytes = preambleOf(1, { version: 2, oldest: 1, kind: 2, channelId: 3 }).subarray(CLAIM_BYTES)
    expect(headerOf(bytes)).toBeUndefined()
    const inverted = preambleOf(1, { version: 1, oldest: 2, kind: 0, channelId: 3 }).subarray(CLAIM_BYTES)
    expect(headerOf(inverted)).toBeUndefined()
  })

  it("versions are compatible if each is at least the other's oldest", () => {
    const of = (version: number, oldest: number) => ({ version, oldest })
    expect(areCompatible(of(3, 2), of(2, 1))).toBe(true)
    expect(areCompatible(of(3, 3), of(2, 1))).toBe(false)
    fc.assert(
      fc.property(versions, versions, (one, other) => {
        expect(areCompatible(one, other)).toBe(areCompatible(other, one))
        expect(areCompatible(one, one)).toBe(true)
      })
    )
  })
})

describe("C2: frames", () => {
  it("a frame is the length and a copy of the message", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
        const frame = frameOf(message)
        expect(new DataView(frame.buffer).getUint32(0)).toBe(message.length)
        expect(frame.subarray(PREFIX_BYTES)).toEqual(message)
        expect(frame.buffer).not.toBe(message.buffer)
      })
    )
  })

  it("a count is read as it was written, and no other length is one", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        expect(countOf(countFrame(count).subarray(PREFIX_BYTES))).toBe(count)
      })
    )
    expect(countOf(new Uint8Array(7))).toBeUndefined()
    expect(countOf(new Uint8Array(8).fill(255))).toBeUndefined()
  })
})

describe("C4: datagrams", () => {
  it("are read as they were written; cut off, they are none", () => {
    const header = fc
      .tuple(u32, u32, versions, fc.maxSafeNat())
      .map(([channelId, epoch, range, sequence]) => ({ ...range, channelId, epoch, sequence }))
    fc.assert(
      fc.property(header, fc.uint8Array(), (given, message) => {
        const bytes = datagramOf(given, message)
        expect(datagramHeaderOf(bytes)).toEqual({ ...given, message })
        for (let end = 0; end < bytes.length - message.length; end++)
          expect(datagramHeaderOf(bytes.subarray(0, end))).toBeUndefined()
      })
    )
  })

  it("of any bytes have a header or none, and nothing throws", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void datagramHeaderOf(bytes)))
  })
})

describe("codecs", () => {
  const Message = Schema.Struct({
    id: Schema.Int,
    name: Schema.String,
    tags: Schema.Array(Schema.String),
    at: Schema.Date
  })
  const message = { id: 1, name: "Ada", tags: ["a", "ö"], at: new Date(86_400_000) }

  for (const encoding of ["binary", "json"] as const)
    it(`${encoding}: a message comes back as it was, and other bytes are none`, async () => {
      const codec = codecOf(Message, encoding)
      const bytes = await Effect.runPromise(codec.encode(message))
      expect(await Effect.runPromise(codec.decode(bytes))).toEqual(message)
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (other) => {
          const exit = await Effect.runPromise(Effect.exit(codec.decode(other)))
          // fails as a value, if it does: never as a defect
          if (exit._tag === "Failure") expect(exit.cause.reasons.map(({ _tag }) => _tag)).toEqual(["Fail"])
        })
      )
    })

  it("bytes are sent as they are", async () => {
    const codec = codecOf(Schema.Uint8Array, "binary")
    expect(await Effect.runPromise(codec.encode(Uint8Array.of(1, 2, 3)))).toEqual(Uint8Array.of(1, 2, 3))
    const exit = await Effect.runPromise(Effect.exit(codec.encode("text")))
    expect(exit._tag).toBe("Failure")
  })
})
