import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { AddressTokens } from "../../src/endpoint/AddressTokens.ts"
import { SpentKeys } from "../../src/endpoint/SpentKeys.ts"
import { SealingKeys } from "../../src/protect/SealingKeys.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { suite } from "../io.ts"

const home: SocketAddress = { host: "192.0.2.1", port: 1000, family: 4 }
const otherPort: SocketAddress = { ...home, port: 1001 }
const elsewhere: SocketAddress = { ...home, host: "192.0.2.2" }
const original = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const retrySource = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)
const T = 1_000_000
const HOUR = 3_600_000

const makeTokens = (): AddressTokens => new AddressTokens(suite, new SeededRandom("tokens").bytes, T, 5_000)

describe("a Retry token", () => {
  it("yields the original connection ID, from the same address to the Retry's source ID", () => {
    const tokens = makeTokens()
    const token = tokens.forRetry(original, retrySource, home, T)
    expect(tokens.judge(token, retrySource, home, T + 100)).toEqual({
      _tag: "retried",
      originalDestination: original
    })
  })

  // RFC 9000 §8.1.4 #S1
  it("is invalid from another address, another port, or to another connection ID", () => {
    const tokens = makeTokens()
    const token = tokens.forRetry(original, retrySource, home, T)
    expect(tokens.judge(token, retrySource, elsewhere, T)._tag).toBe("invalid")
    expect(tokens.judge(token, retrySource, otherPort, T)._tag).toBe("invalid")
    expect(tokens.judge(token, original, home, T)._tag).toBe("invalid")
  })

  // RFC 9000 §8.1.4 #S2
  it("is invalid after fifteen seconds", () => {
    const tokens = makeTokens()
    const token = tokens.forRetry(original, retrySource, home, T)
    expect(tokens.judge(token, retrySource, home, T + 15_000)._tag).toBe("retried")
    expect(tokens.judge(token, retrySource, home, T + 15_001)._tag).toBe("invalid")
  })

  it("is valid for as long as a client's handshake timeout may be", () => {
    const tokens = new AddressTokens(suite, new SeededRandom("tokens").bytes, T, 120_000)
    const token = tokens.forRetry(original, retrySource, home, T)
    expect(tokens.judge(token, retrySource, home, T + 120_000)._tag).toBe("retried")
    expect(tokens.judge(token, retrySource, home, T + 120_001)._tag).toBe("invalid")
  })

  it("is invalid once used", () => {
    const tokens = makeTokens()
    const token = tokens.forRetry(original, retrySource, home, T)
    tokens.spend(token, T)
    expect(tokens.judge(token, retrySource, home, T)._tag).toBe("invalid")
    const another = tokens.forRetry(original, retrySource, home, T)
    expect(tokens.judge(another, retrySource, home, T)._tag).toBe("retried")
  })

  // RFC 9000 §8.1.4 #1 #2
  it("is invalid with any bit changed, and at another server", () => {
    const tokens = makeTokens()
    const token = tokens.forRetry(original, retrySource, home, T)
    for (let bit = 8; bit < token.length * 8; bit++) {
      const forged = token.slice()
      forged[bit >> 3] ^= 1 << (bit & 7)
      expect(tokens.judge(forged, retrySource, home, T)._tag).toBe("invalid")
    }
    const other = new AddressTokens(suite, new SeededRandom("other").bytes, T, 5_000)
    expect(other.judge(token, retrySource, home, T)._tag).toBe("invalid")
  })
})

describe("a NEW_TOKEN token", () => {
  it("validates the address, whatever the port", () => {
    const tokens = makeTokens()
    const token = tokens.forLater(home, T)
    expect(tokens.judge(token, original, home, T + HOUR)._tag).toBe("known")
    expect(tokens.judge(token, original, otherPort, T + HOUR)._tag).toBe("known")
  })

  // RFC 9000 §8.1.4 #3 #5 #S3, §8.1.3 #S1, §21.3 #S1
  it("is ignored from another address, after a day, or a second time", () => {
    const tokens = makeTokens()
    const token = tokens.forLater(home, T)
    expect(tokens.judge(token, original, elsewhere, T)._tag).toBe("absent")
    expect(tokens.judge(token, original, home, T + 24 * HOUR)._tag).toBe("known")
    expect(tokens.judge(token, original, home, T + 24 * HOUR + 1)._tag).toBe("absent")
    tokens.spend(token, T)
    expect(tokens.judge(token, original, home, T)._tag).toBe("absent")
  })

  // RFC 9000 §8.1.1 #1
  it("does not pass for a Retry token, nor the other way round", () => {
    const tokens = makeTokens()
    const later = tokens.forLater(home, T)
    const retry = tokens.forRetry(original, retrySource, home, T)
    const [laterKind, retryKind] = [later[0], retry[0]]
    later[0] = retryKind
    retry[0] = laterKind
    expect(tokens.judge(later, retrySource, home, T)._tag).toBe("invalid")
    expect(tokens.judge(retry, retrySource, home, T)._tag).toBe("absent")
    // not even when the client chose an original connection ID that spells another address
    const spelt = tokens.forRetry(new TextEncoder().encode(elsewhere.host), retrySource, home, T)
    spelt[0] = laterKind
    expect(tokens.judge(spelt, retrySource, elsewhere, T)._tag).toBe("absent")
  })

  it("counts as absent when it is empty or malformed", () => {
    const tokens = makeTokens()
    for (const bytes of [[], [0x4e], [0x4e, 1, 2, 3], [7, 7, 7], new Array<number>(300).fill(0x4e)])
      expect(tokens.judge(Uint8Array.from(bytes), original, home, T)._tag).toBe("absent")
  })
})

describe("sealing keys", () => {
  const rotation = { periodMillis: 1000, keptPeriods: 2 }
  const secret = new Uint8Array(32).fill(7)
  const plaintext = Uint8Array.of(1, 2, 3)

  it("open what they sealed for as long as they are kept, and no longer", () => {
    const keys = new SealingKeys(suite, new SeededRandom("keys").bytes, rotation)
    const sealed = keys.seal(plaintext, 10_500)
    expect(keys.open(sealed, 10_500)).toEqual(plaintext)
    expect(keys.open(sealed, 12_999)).toEqual(plaintext)
    expect(keys.open(sealed, 13_000)).toBeUndefined()
  })

  it("are equal if derived from one secret, and differ if derived from two", () => {
    const a = new SealingKeys(suite, new SeededRandom("a").bytes, rotation, secret)
    const b = new SealingKeys(suite, new SeededRandom("b").bytes, rotation, secret)
    const c = new SealingKeys(suite, new SeededRandom("c").bytes, rotation, new Uint8Array(32))
    const sealed = a.seal(plaintext, 10_500)
    expect(b.open(sealed, 10_500)).toEqual(plaintext)
    expect(b.open(sealed, 9_999)).toEqual(plaintext) // b's clock is behind
    expect(c.open(sealed, 10_500)).toBeUndefined()
  })

  // RFC 9000 §8.1.3 #3 #4
  it("seal the same plaintext differently each time", () => {
    const keys = new SealingKeys(suite, new SeededRandom("keys").bytes, rotation)
    expect(keys.seal(plaintext, 1)).not.toEqual(keys.seal(plaintext, 1))
  })
})

describe("used keys", () => {
  const key = (n: number): Uint8Array => Uint8Array.of(0, 0, n >>> 24, n >>> 16, n >>> 8, n)

  it("are remembered, without false positives among newer ones", () => {
    const spent = new SpentKeys(T)
    spent.spend(key(1), T)
    expect(spent.isSpent(key(1), T)).toBe(true)
    expect(spent.isSpent(key(2), T)).toBe(false)
  })

  it("that could have been used before the memory began count as used", () => {
    expect(new SpentKeys(T).isSpent(key(1), T - 1)).toBe(true)
  })

  it("take bounded memory: keys that may have been forgotten are refused instead", () => {
    const spent = new SpentKeys(T)
    for (let i = 0; i < 100_000; i++) spent.spend(key(i), T + i)
    // recent keys are known individually, older ones only by age
    expect(spent.isSpent(key(99_999), T)).toBe(true)
    expect(spent.isSpent(key(99_999), T + 99_999)).toBe(true)
    expect(spent.isSpent(key(0), T)).toBe(true)
    expect(spent.isSpent(key(200_000), T + 10)).toBe(true)
    expect(spent.isSpent(key(200_000), T + 99_999)).toBe(false)
  })
})
