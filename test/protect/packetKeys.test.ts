import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { suite as noble } from "../../layers/noble/NobleCryptoSuite.ts"
import type { CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { type CipherSuite, cipherSuites } from "../../src/protect/CipherSuite.ts"
import { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { Version } from "../../src/wire/PacketType.ts"
import { flipped, hex, seeded, toHex } from "./bytes.ts"
import { suite as node } from "../io.ts"

const cases = [node, noble].flatMap((suite) =>
  [...cipherSuites.values()].map((cipher) => ({ suite, cipher }))
)

const keysOf = (suite: CryptoSuiteShape, cipher: CipherSuite, seed = 1): PacketKeys =>
  PacketKeys.fromSecret(suite, cipher, seeded(seed)(cipher.hashLength), Version.v1)

const START = 3
const CID = 8
const PN_LENGTH = 2
const PN_OFFSET = START + 1 + CID
const PAYLOAD = 40

/** A sealed 1-RTT packet that starts at START, with other bytes before and after it. */
const sealedPacket = (keys: PacketKeys, packetNumber: number, pathId = 0) => {
  const buffer = seeded(99)(PN_OFFSET + PN_LENGTH + PAYLOAD + 16 + 5)
  buffer[START] = 0x40 | (PN_LENGTH - 1)
  const plain = Uint8Array.from(buffer)
  const end = keys.seal(
    buffer,
    START,
    PN_OFFSET,
    PN_LENGTH,
    PN_OFFSET + PN_LENGTH + PAYLOAD,
    packetNumber,
    pathId
  )
  return { buffer, plain, end }
}

const openPacket = (
  keys: PacketKeys,
  buffer: Uint8Array,
  end: number,
  packetNumber: number,
  pathId = 0
): boolean => {
  const pnLength = keys.unmask(buffer, START, PN_OFFSET, end)
  return pnLength !== 0 && keys.open(buffer, START, PN_OFFSET, pnLength, end, packetNumber, pathId)
}

describe.each(cases)("packet protection with $cipher.name on $suite.name", ({ suite, cipher }) => {
  it("opens what was sealed and touches nothing around the packet", () => {
    const keys = keysOf(suite, cipher)
    const { buffer, plain, end } = sealedPacket(keys, 7)
    expect(end).toBe(buffer.length - 5)
    expect(toHex(buffer)).not.toBe(toHex(plain))
    expect(toHex(buffer.subarray(0, START))).toBe(toHex(plain.subarray(0, START)))
    expect(toHex(buffer.subarray(end))).toBe(toHex(plain.subarray(end)))
    expect(openPacket(keys, buffer, end, 7)).toBe(true)
    expect(toHex(buffer.subarray(0, end - 16))).toBe(toHex(plain.subarray(0, end - 16)))
  })

  it("leaves the header form, the fixed bit and the connection ID readable", () => {
    const keys = keysOf(suite, cipher)
    for (let packetNumber = 0; packetNumber < 32; packetNumber++) {
      const { buffer, plain } = sealedPacket(keys, packetNumber)
      expect(buffer[START] & 0xe0).toBe(plain[START] & 0xe0) // RFC 9001 §5.4.1: five bits of a short header
      expect(toHex(buffer.subarray(START + 1, PN_OFFSET))).toBe(toHex(plain.subarray(START + 1, PN_OFFSET)))
    }
  })

  it("rejects a packet with any one bit changed, leaving its payload untouched", () => {
    const keys = keysOf(suite, cipher)
    const { buffer, end } = sealedPacket(keys, 1000)
    for (let at = START; at < end; at++) {
      const forged = flipped(buffer, at, at % 8)
      const pnLength = keys.unmask(forged, START, PN_OFFSET, end)
      const unmasked = Uint8Array.from(forged)
      expect(keys.open(forged, START, PN_OFFSET, pnLength, end, 1000, 0), `byte ${at}`).toBe(false)
      expect(toHex(forged)).toBe(toHex(unmasked))
    }
    expect(openPacket(keys, buffer, end, 1000)).toBe(true)
  })

  it("rejects another packet number, path or key, and a truncated packet", () => {
    const keys = keysOf(suite, cipher)
    const { buffer, end } = sealedPacket(keys, 2 ** 40 + 5, 3)
    const attempt = (by: PacketKeys, packetNumber: number, pathId: number, packetEnd: number): boolean =>
      openPacket(by, Uint8Array.from(buffer), packetEnd, packetNumber, pathId)
    expect(attempt(keys, 5, 3, end)).toBe(false)
    expect(attempt(keys, 2 ** 40 + 6, 3, end)).toBe(false)
    expect(attempt(keys, 2 ** 40 + 5, 2, end)).toBe(false)
    expect(attempt(keys, 2 ** 40 + 5, 0, end)).toBe(false)
    expect(attempt(keysOf(suite, cipher, 2), 2 ** 40 + 5, 3, end)).toBe(false)
    for (let packetEnd = START; packetEnd < end; packetEnd++) {
      expect(attempt(keys, 2 ** 40 + 5, 3, packetEnd)).toBe(false)
    }
    expect(attempt(keys, 2 ** 40 + 5, 3, end)).toBe(true)
  })

  it("seals equal packets with equal numbers on two paths differently, and opens each only on its own path", () => {
    const keys = keysOf(suite, cipher)
    const sealed = [0, 1, 2 ** 32 - 1].map((pathId) => ({ pathId, ...sealedPacket(keys, 7, pathId) }))
    const plain = toHex(sealed[0].plain)
    expect(sealed.map((each) => toHex(each.plain))).toEqual([plain, plain, plain])
    expect(new Set(sealed.map(({ buffer, end }) => toHex(buffer.subarray(PN_OFFSET, end)))).size).toBe(3)
    for (const { pathId, buffer, end } of sealed)
      for (const other of sealed)
        expect(openPacket(keys, Uint8Array.from(buffer), end, 7, other.pathId)).toBe(other.pathId === pathId)
  })

  it("updates key and IV together on both sides, and keeps the header key", () => {
    const sender = keysOf(suite, cipher)
    const receiver = keysOf(suite, cipher)
    const { buffer, end } = sealedPacket(sender.next(), 50)
    expect(openPacket(receiver, Uint8Array.from(buffer), end, 50)).toBe(false)
    // RFC 9001 §6.3: the old keys unmask, and the Key Phase selects the keys to open with
    expect(receiver.unmask(buffer, START, PN_OFFSET, end)).toBe(PN_LENGTH)
    const updated = receiver.next()
    expect(updated.open(buffer, START, PN_OFFSET, PN_LENGTH, end, 50, 0)).toBe(true)
    expect(updated.sealed).toBe(0)
    const secret = toHex(updated.secret)
    expect(toHex(updated.next().secret)).not.toBe(secret)
    expect(updated.secret).toHaveLength(0)
  })

  it("counts what it sealed", () => {
    const keys = keysOf(suite, cipher)
    for (let i = 0; i < 3; i++) sealedPacket(keys, i)
    expect(keys.sealed).toBe(3)
  })

  // RFC 9001 §5.4.2 #1
  it("needs 4 bytes and a sample after the packet number's offset", () => {
    const keys = keysOf(suite, cipher)
    const buffer = new Uint8Array(64)
    expect(keys.unmask(buffer, 0, 9, 9 + 4 + 15)).toBe(0)
    expect(toHex(buffer)).toBe(toHex(new Uint8Array(64)))
    expect(keys.unmask(buffer, 0, 9, 9 + 4 + 16)).toBeGreaterThan(0)
    expect(keys.unmask(new Uint8Array(64), 0, 60, 64)).toBe(0)
  })

  it("opens no random bytes and never throws", () => {
    const keys = keysOf(suite, cipher)
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.nat(130),
        fc.maxSafeNat(),
        (bytes, offset, packetNumber) => {
          const pnOffset = Math.min(offset, bytes.length)
          const pnLength = keys.unmask(bytes, 0, pnOffset, bytes.length)
          const before = toHex(bytes)
          if (pnLength === 0) return pnOffset + 20 > bytes.length
          const opened = keys.open(bytes, 0, pnOffset, pnLength, bytes.length, packetNumber, 0)
          return !opened && toHex(bytes) === before
        }
      ),
      { numRuns: 300 }
    )
  })

  it("opens with either suite what the other sealed", () => {
    const other = suite === node ? noble : node
    const property = fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 1500 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.maxSafeNat(),
      fc.nat(2 ** 32 - 1),
      (payload, cid, pnLength, packetNumber, pathId) => {
        const pnOffset = 1 + cid.length
        const payloadEnd = pnOffset + pnLength + payload.length
        const buffer = new Uint8Array(payloadEnd + 16)
        buffer[0] = 0x40 | (pnLength - 1)
        buffer.set(cid, 1)
        buffer.set(payload, pnOffset + pnLength)
        const plain = toHex(buffer.subarray(0, payloadEnd))
        const end = keysOf(suite, cipher).seal(
          buffer,
          0,
          pnOffset,
          pnLength,
          payloadEnd,
          packetNumber,
          pathId
        )
        const keys = keysOf(other, cipher)
        return (
          keys.unmask(buffer, 0, pnOffset, end) === pnLength &&
          keys.open(buffer, 0, pnOffset, pnLength, end, packetNumber, pathId) &&
          toHex(buffer.subarray(0, payloadEnd)) === plain
        )
      }
    )
    fc.assert(property, { numRuns: 60 })
  })
})

describe("the nonce", () => {
  /** The nonce for the given IV, which a faked HMAC makes the derivation return. */
  const nonceFor = (iv: Uint8Array, packetNumber: number, pathId: number): string => {
    let seen = ""
    const recording: CryptoSuiteShape = {
      ...node,
      hmac: () => Uint8Array.from([...iv, ...new Uint8Array(20)]),
      aead: () => ({ seal: (nonce) => void (seen = toHex(nonce)), open: () => false })
    }
    const cipher = cipherSuites.get(0x1301)!
    PacketKeys.fromSecret(recording, cipher, new Uint8Array(32), Version.v1).seal(
      new Uint8Array(64),
      0,
      1,
      4,
      40,
      packetNumber,
      pathId
    )
    return seen
  }

  it("is the IV with path ID and packet number, as in the multipath draft", () => {
    expect(nonceFor(hex("6b26114b9cba2b63a9e8dd4f"), 54_321, 3)).toBe("6b2611489cba2b63a9e8097e")
  })

  it("is the IV with only the packet number on path 0", () => {
    expect(nonceFor(hex("e0459b3474bdd0e44a41c144"), 654_360_564, 0)).toBe("e0459b3474bdd0e46d417eb0")
  })

  it("covers every packet number below 2^53 and every 32-bit path ID", () => {
    const zero = new Uint8Array(12)
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(2 ** 32 - 1), (packetNumber, pathId) => {
        const expected = pathId.toString(16).padStart(8, "0") + packetNumber.toString(16).padStart(16, "0")
        return nonceFor(zero, packetNumber, pathId) === expected
      })
    )
  })
})

describe("the usage limits", () => {
  it("are those of RFC 9001 §5.3 #1, §5.4.1, §6.6 #7 #8 and Appendix B", () => {
    const limits = [...cipherSuites.values()].map(
      ({ name, confidentialityLimit, integrityLimit }) =>
        `${name} ${Math.log2(confidentialityLimit).toFixed(0)} ${Math.log2(integrityLimit)}`
    )
    expect(limits).toEqual([
      "TLS_AES_128_GCM_SHA256 23 52",
      "TLS_AES_256_GCM_SHA384 23 52",
      "TLS_CHACHA20_POLY1305_SHA256 53 36"
    ])
  })
})
