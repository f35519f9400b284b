import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto"
import { describe, expect, it } from "vitest"
import {
  concat,
  decodePkcs8,
  decodeSpki,
  encodePkcs8,
  encodeSpki,
  type KeyKind
} from "../../layers/keys/keyEncodings.ts"
import { derElement, DerTag } from "../../src/internal/der.ts"
import { hex, seeded, toHex } from "./bytes.ts"

const kinds: ReadonlyArray<{
  readonly kind: KeyKind
  readonly length: number
  readonly generate: () => Uint8Array
}> = [
  { kind: "ed25519", length: 32, generate: () => pkcs8Of(generateKeyPairSync("ed25519").privateKey) },
  {
    kind: "p256",
    length: 32,
    generate: () => pkcs8Of(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey)
  },
  {
    kind: "p384",
    length: 48,
    generate: () => pkcs8Of(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey)
  }
]

const pkcs8Of = (key: ReturnType<typeof createPrivateKey>): Uint8Array =>
  new Uint8Array(key.export({ format: "der", type: "pkcs8" }))

describe.each(kinds)("the encodings of a key of kind $kind", ({ kind, length, generate }) => {
  const privateKey = seeded(1)(length)
  const pkcs8 = encodePkcs8(kind, privateKey)

  it("survive a round trip and are accepted by OpenSSL", () => {
    expect(decodePkcs8(pkcs8)).toEqual({ kind, bytes: privateKey })
    const spki = createPublicKey(
      createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
    ).export({ format: "der", type: "spki" })
    const key = decodeSpki(new Uint8Array(spki))!
    expect(key.kind).toBe(kind)
    expect(toHex(encodeSpki(kind, key.bytes))).toBe(spki.toString("hex"))
  })

  it("are read from what OpenSSL writes", () => {
    const written = generate()
    const key = decodePkcs8(written)!
    expect([key.kind, key.bytes.length]).toEqual([kind, length])
    expect(toHex(written)).toContain(toHex(key.bytes))
  })

  it("allow no trailing bytes", () => {
    expect(decodePkcs8(Uint8Array.from([...pkcs8, 0]))).toBeUndefined()
    const point = kind === "ed25519" ? seeded(2)(32) : concat(Uint8Array.of(4), seeded(2)(2 * length))
    const spki = encodeSpki(kind, point)
    expect(decodeSpki(spki)).toBeDefined()
    expect(decodeSpki(Uint8Array.from([...spki, 0]))).toBeUndefined()
  })

  const wrap = (inner: Uint8Array): Uint8Array => {
    const algorithms = {
      ed25519: "300506032b6570",
      p256: p256Algorithm,
      p384: "301006072a8648ce3d020106052b81040022"
    }
    return derElement(
      DerTag.sequence,
      hex("020100"),
      hex(algorithms[kind]),
      derElement(DerTag.octetString, inner)
    )
  }
  const inner = (octets: Uint8Array): Uint8Array => {
    const key = derElement(DerTag.octetString, octets)
    return kind === "ed25519" ? key : derElement(DerTag.sequence, hex("020101"), key)
  }

  it("contain a private key of the correct length, and nothing after it", () => {
    expect(decodePkcs8(wrap(inner(privateKey)))).toEqual({ kind, bytes: privateKey })
    for (const wrong of [0, length - 1, length + 1])
      expect(decodePkcs8(wrap(inner(new Uint8Array(wrong))))).toBeUndefined()
    expect(decodePkcs8(wrap(Uint8Array.from([...inner(privateKey), 0x05, 0x00])))).toBeUndefined()
    expect(decodePkcs8(wrap(new Uint8Array(0)))).toBeUndefined()
  })
})

const p256Algorithm = "301306072a8648ce3d020106082a8648ce3d030107"

describe("a SubjectPublicKeyInfo", () => {
  const bits = (unused: number) => derElement(0x03, Uint8Array.of(unused), new Uint8Array(65).fill(4))

  it("has a named curve, and a whole number of bytes", () => {
    expect(decodeSpki(derElement(DerTag.sequence, hex(p256Algorithm), bits(0)))?.kind).toBe("p256")
    expect(decodeSpki(derElement(DerTag.sequence, hex(p256Algorithm), bits(1)))).toBeUndefined()
    expect(decodeSpki(derElement(DerTag.sequence, hex("300906072a8648ce3d0201"), bits(0)))).toBeUndefined()
    expect(decodeSpki(derElement(DerTag.sequence, hex(p256Algorithm), derElement(0x03)))).toBeUndefined()
    expect(decodeSpki(derElement(DerTag.sequence, hex(p256Algorithm), bits(0), hex("0500")))).toBeUndefined()
  })
})
