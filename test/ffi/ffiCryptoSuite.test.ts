/** The suite on OpenSSL by node:ffi: the compliance suite, pinned memory, hostile lengths, what is missing. */
import fc from "fast-check"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as FfiCryptoSuite from "../../layers/ffi/FfiCryptoSuite.ts"
import { Missing, Native } from "../../layers/ffi/native.ts"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import { type AeadAlgorithm, CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import { seeded, toHex } from "../protect/bytes.ts"
import { compliance } from "../protect/cryptoSuite.compliance.ts"
import { collected } from "./collected.ts"
import { compareRandomly } from "./randomVectors.ts"

const node = NodeCryptoSuite.suite
const { suite: ffi, missing } = FfiCryptoSuite.get()
const native = Result.getOrThrow(Native.open())

const algorithms: ReadonlyArray<[AeadAlgorithm, number]> = [
  ["aes-128-gcm", 16],
  ["aes-256-gcm", 32],
  ["chacha20-poly1305", 32]
]

it("nothing is missing in the Node that comes with the project", () => {
  expect(missing).toEqual([])
  expect(ffi.name).toBe("ffi")
})

describe("the ffi suite", () => {
  compliance(ffi, node)

  it("is what its layer provides", async () => {
    expect(await Effect.runPromise(Effect.provide(CryptoSuite, FfiCryptoSuite.layer))).toBe(ffi)
  })

  it("agrees with the node suite on random packets, in pinned memory and elsewhere", () => {
    expect(compareRandomly(20_000, 1)).toEqual([])
  })
})

describe.each(algorithms)("a key of %s", (algorithm, keyBytes) => {
  const nonce = seeded(5)(12)
  const key = seeded(6)(keyBytes)

  it("seals and opens payloads larger than any datagram", () => {
    const buffer = seeded(1)(200_016)
    const expected = buffer.slice()
    const aead = ffi.aead(algorithm, key)
    aead.seal(nonce, buffer, 0, 100, 200_000)
    node.aead(algorithm, key).seal(nonce, expected, 0, 100, 200_000)
    expect(Buffer.compare(buffer, expected)).toBe(0)
    expect(aead.open(nonce, buffer, 0, 100, 200_016)).toBe(true)
    expect(Buffer.compare(buffer.subarray(0, 200_000), seeded(1)(200_016).subarray(0, 200_000))).toBe(0)
  })

  it("opens nothing and seals nothing once it has been released, and can be released again", () => {
    const aead = ffi.aead(algorithm, key)
    const sealed = new Uint8Array(60)
    aead.seal(nonce, sealed, 0, 10, 44)
    aead.release?.()
    aead.release?.()
    expect(aead.open(nonce, sealed, 0, 10, 60)).toBe(false)
    expect(() => aead.seal(nonce, sealed, 0, 10, 44)).toThrow("a key that has been released")
    const header = ffi.headerProtection("aes-128-gcm", seeded(1)(16))
    header.release?.()
    header.release?.()
    expect(() => header.mask(sealed, 0, new Uint8Array(5))).toThrow("a key that has been released")
  })

  it("touches no byte outside of the buffer, whatever the lengths", () => {
    const aead = ffi.aead(algorithm, key)
    const header = ffi.headerProtection(algorithm, key)
    const anything = fc.oneof(
      fc.integer({ min: -40, max: 120 }),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 32), 0.5, 17.5)
    )
    const memories = [native.pin(192).bytes, new Uint8Array(192)]
    fc.assert(
      fc.property(anything, anything, anything, fc.nat(1), fc.nat(13), (a, b, c, which, nonceBytes) => {
        const memory = memories[which].fill(0xee)
        const buffer = memory.subarray(64, 128)
        const fits = [a, b, c].every(Number.isInteger) && a >= 0 && a <= b && b <= c && c + 16 <= 64
        const number = new Uint8Array(nonceBytes)
        const attempt = () => aead.seal(number, buffer, a, b, c)
        if (fits && nonceBytes === 12) attempt()
        else expect(attempt).toThrow(RangeError)
        if (!fits || nonceBytes !== 12) expect(aead.open(number, buffer, a, b, c + 16)).toBe(false)
        if (algorithm !== "chacha20-poly1305" && !(a >= 0 && a + 16 <= 64))
          expect(() => header.mask(buffer, a, new Uint8Array(5))).toThrow(RangeError)
        expect(toHex(memory.subarray(0, 64)) + toHex(memory.subarray(128))).toBe("ee".repeat(128))
      }),
      { numRuns: 2_000 }
    )
  })

  it("refuses a key of another length, and memory that was transferred", () => {
    expect(() => ffi.aead(algorithm, new Uint8Array(keyBytes - 1))).toThrow("bytes")
    expect(() => ffi.aead(algorithm, new Uint8Array(keyBytes + 1))).toThrow("bytes")
    const { bytes } = native.pin(100)
    const aead = ffi.aead(algorithm, key)
    aead.seal(nonce, bytes, 0, 10, 50)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expect(aead.open(nonce, bytes, 0, 10, 66)).toBe(false)
    expect(() => aead.seal(nonce, bytes, 0, 0, 0)).toThrow(RangeError)
  })
})

/** A suite by a binding some of whose functions were replaced. */
const doctored = (change: (functions: Record<string, (...args: Array<never>) => unknown>) => object) => {
  const functions: Native["functions"] = (what, definitions) =>
    Result.map(native.functions(what, definitions), (real) => ({ ...real, ...change({ ...real }) }))
  const changed: Native = Object.create(native, { functions: { value: functions } })
  return FfiCryptoSuite.make(Result.succeed(changed))
}

describe("the context of a key", () => {
  let freed = 0
  const { suite } = doctored(({ EVP_CIPHER_CTX_free }) => ({
    EVP_CIPHER_CTX_free: (...args: Array<never>) => {
      freed++
      EVP_CIPHER_CTX_free(...args)
    }
  }))

  it("is freed once, when the key is released", () => {
    const keys = [
      suite.aead("aes-128-gcm", new Uint8Array(16)),
      suite.headerProtection("aes-256-gcm", new Uint8Array(32))
    ]
    freed = 0
    for (const key of [...keys, ...keys]) key.release?.()
    expect(freed).toBe(2)
  })

  it("is freed when a key that nobody released has been collected", async () => {
    const make = (count: number): void => {
      for (let i = 0; i < count; i++) suite.aead("aes-128-gcm", new Uint8Array(16))
    }
    make(100)
    freed = 0
    await collected(() => freed > 0)
    expect(freed).toBeGreaterThan(90)
  })
})

describe("without parts of OpenSSL", () => {
  it("all is the node suite's, with the reason", () => {
    const why = new Missing("node:ffi", "it is switched off")
    expect(FfiCryptoSuite.make(Result.fail(why))).toEqual({ suite: node, missing: [why] })
  })

  it("a nonce that is ignored makes all AEADs the node suite's, and leaves the masks", () => {
    const { suite, missing } = doctored(() => ({ EVP_CIPHER_CTX_set_params: () => 1 }))
    expect(missing.map(({ what }) => what)).toEqual(["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"])
    for (const [algorithm, keyBytes] of algorithms)
      expect(suite.aead(algorithm, new Uint8Array(keyBytes)).release).toBeUndefined()
    expect(suite.headerProtection("aes-128-gcm", new Uint8Array(16)).release).toBeDefined()
  })

  it("tags that are not checked are noticed", () => {
    const { missing } = doctored(() => ({ EVP_DecryptFinal_ex: () => 1 }))
    expect(missing.map(({ why }) => why)).toEqual(Array.from({ length: 3 }, () => "it opens what is forged"))
  })

  it("a cipher that is not there is missed by name", () => {
    let fetched = 0
    const absent = [3, 5]
    const { suite, missing } = doctored(({ EVP_CIPHER_fetch }) => ({
      EVP_CIPHER_fetch: (...args: Array<never>) =>
        absent.includes(++fetched) ? 0n : EVP_CIPHER_fetch(...args)
    }))
    expect(missing).toEqual([
      new Missing("ChaCha20-Poly1305", "this OpenSSL does not have it"),
      new Missing("AES-256-ECB", "this OpenSSL does not have it")
    ])
    expect(suite.headerProtection("aes-256-gcm", new Uint8Array(32)).release).toBeUndefined()
    expect(suite.aead("aes-256-gcm", new Uint8Array(32)).release).toBeDefined()
  })
})
