/** A key has exactly one SubjectPublicKeyInfo, hence one PeerId: both suites reject every other encoding. */
import { ed25519 } from "@noble/curves/ed25519.js"
import { p256, p384 } from "@noble/curves/nist.js"
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto"
import { describe, expect, it } from "vitest"
import { concat, encodePkcs8, encodeSpki } from "../../layers/keys/keyEncodings.ts"
import { publicKeyKind } from "../../layers/keys/publicKey.ts"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import * as NobleCryptoSuite from "../../layers/noble/NobleCryptoSuite.ts"
import { SignatureScheme } from "../../src/capability/CryptoSuite.ts"
import { derElement } from "../../src/internal/der.ts"
import { hex, seeded, toHex } from "./bytes.ts"

const suites = [NodeCryptoSuite.suite, NobleCryptoSuite.suite]
const data = hex("0102")

const ecPublicKey = hex("06072a8648ce3d0201")
const curves = [
  {
    kind: "p256",
    curve: p256,
    length: 32,
    scheme: SignatureScheme.ecdsa_secp256r1_sha256,
    oid: hex("06082a8648ce3d030107")
  },
  {
    kind: "p384",
    curve: p384,
    length: 48,
    scheme: SignatureScheme.ecdsa_secp384r1_sha384,
    oid: hex("06052b81040022")
  }
] as const

/** An element whose length field is one byte longer than necessary. */
const longLength = (element: Uint8Array): Uint8Array =>
  concat(element.subarray(0, 1), Uint8Array.of(0x81), element.subarray(1))

const bits = (content: Uint8Array, unused = 0) => derElement(0x03, Uint8Array.of(unused), content)
const sequence = (...parts: ReadonlyArray<Uint8Array>) => derElement(0x30, ...parts)

describe.each(curves)("a key of kind $kind", ({ kind, curve, length, scheme, oid }) => {
  const secret = seeded(5)(length)
  const key = NodeCryptoSuite.suite.signingKey(encodePkcs8(kind, secret))!
  const signature = key.sign(scheme, data)
  const point = curve.getPublicKey(secret, false)
  const hybrid = concat(Uint8Array.of(6 | (point.at(-1)! & 1)), point.subarray(1))
  const algorithm = sequence(ecPublicKey, oid)

  it("is accepted in its one encoding", () => {
    expect(toHex(sequence(algorithm, bits(point)))).toBe(toHex(key.spki))
    expect(publicKeyKind(key.spki)).toBe(kind)
    for (const suite of suites) expect(suite.verify(scheme, key.spki, data, signature)).toBe(true)
  })

  const others: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["with a compressed point", sequence(algorithm, bits(curve.getPublicKey(secret, true)))],
    ["with a hybrid point", sequence(algorithm, bits(hybrid))],
    ["with trailing bytes", concat(key.spki, Uint8Array.of(0))],
    ["with bytes after the point", sequence(algorithm, bits(concat(point, Uint8Array.of(0))))],
    ["with a third field", sequence(algorithm, bits(point), hex("0500"))],
    ["with a third field in its algorithm", sequence(sequence(ecPublicKey, oid, hex("0500")), bits(point))],
    ["without its curve", sequence(sequence(ecPublicKey), bits(point))],
    ["with an overlong length", longLength(key.spki)],
    ["with an indefinite length", concat(hex("3080"), key.spki.subarray(2), hex("0000"))],
    ["with unused bits", sequence(algorithm, bits(point, 1))]
  ]
  it.each(others)("is rejected %s", (_, spki) => {
    expect(publicKeyKind(spki)).toBeUndefined()
    for (const suite of suites) expect(suite.verify(scheme, spki, data, signature)).toBe(false)
  })

  it("is written in that encoding whatever its private key file contained", () => {
    const privateKey = (publicPoint: Uint8Array) =>
      sequence(hex("020101"), derElement(0x04, secret), derElement(0xa1, bits(publicPoint)))
    const pkcs8 = sequence(
      hex("020100"),
      algorithm,
      derElement(0x04, privateKey(curve.getPublicKey(secret, true)))
    )
    for (const suite of suites) expect(toHex(suite.signingKey(pkcs8)!.spki)).toBe(toHex(key.spki))
  })
})

describe("an Ed25519 key", () => {
  const key = NodeCryptoSuite.suite.signingKey(encodePkcs8("ed25519", seeded(6)(32)))!
  const signature = key.sign(SignatureScheme.ed25519, data)
  const point = key.spki.subarray(-32)

  it.each([
    ["with NULL parameters", sequence(sequence(hex("06032b6570"), hex("0500")), bits(point))],
    ["with trailing bytes", concat(key.spki, Uint8Array.of(0))],
    ["with bytes after the point", sequence(sequence(hex("06032b6570")), bits(concat(point, hex("00"))))],
    ["with an overlong length", longLength(key.spki)]
  ])("is rejected %s", (_, spki) => {
    expect(publicKeyKind(spki)).toBeUndefined()
    for (const suite of suites)
      expect(suite.verify(SignatureScheme.ed25519, spki, data, signature)).toBe(false)
  })

  it("must be below the prime, and not of small order, for which a zero signature fits every message", () => {
    const prime = 2n ** 255n - 19n
    const littleEndian = (y: bigint, sign: number) =>
      Uint8Array.from({ length: 32 }, (_, i) => Number((y >> BigInt(8 * i)) & 0xffn) | (i === 31 ? sign : 0))
    const order8 = ed25519.Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    const small = [...Array(8).keys()].map((i) =>
      i === 0 ? ed25519.Point.ZERO : order8.multiplyUnsafe(BigInt(i))
    )
    const zeros = concat(hex("01"), new Uint8Array(63))
    const weak = [
      ...small.map((one) => one.toBytes()),
      ...[0n, 1n, 18n].flatMap((y) => [littleEndian(prime + y, 0), littleEndian(prime + y, 0x80)])
    ]
    expect(new Set(weak.map(toHex)).size).toBe(14)
    for (const one of weak) {
      const spki = encodeSpki("ed25519", one)
      expect(publicKeyKind(spki), toHex(one)).toBeUndefined()
      for (const suite of suites) expect(suite.verify(SignatureScheme.ed25519, spki, data, zeros)).toBe(false)
    }
  })
})

describe("an RSA key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }))
  const modulus = concat(hex("00"), Buffer.from(publicKey.export({ format: "jwk" }).n!, "base64url"))
  const signature = sign("sha256", data, { key: privateKey, padding: 6, saltLength: 32 })
  const scheme = SignatureScheme.rsa_pss_rsae_sha256
  const node = NodeCryptoSuite.suite
  const integer = (content: Uint8Array) => derElement(0x02, content)
  const rsa = (n: Uint8Array, e: Uint8Array, algorithm = hex("300d06092a864886f70d0101010500")) =>
    sequence(algorithm, bits(sequence(integer(n), integer(e))))

  it("is accepted in its one encoding, with an odd exponent from 3 to 2³³ − 1", () => {
    expect(toHex(rsa(modulus, hex("010001")))).toBe(toHex(spki))
    expect(node.verify(scheme, spki, data, signature)).toBe(true)
    for (const e of ["03", "11", "010001", "00ffffffff", "01ffffffff"]) {
      expect(publicKeyKind(rsa(modulus, hex(e))), e).toBe("rsa")
    }
    for (const e of [
      "00",
      "01",
      "02",
      "04",
      "010000",
      "0200000001",
      "80",
      "83",
      "81",
      `7f${"ff".repeat(255)}`
    ]) {
      expect(publicKeyKind(rsa(modulus, hex(e))), e).toBeUndefined()
    }
  })

  it("is rejected in any other", () => {
    const e = hex("010001")
    const others = [
      rsa(modulus, hex("00010001")),
      rsa(concat(hex("00"), modulus), e),
      rsa(modulus.subarray(1), e),
      rsa(modulus, e, hex("300b06092a864886f70d010101")), // parameters absent
      rsa(modulus, e, hex("300f06092a864886f70d01010104020500")),
      concat(spki, hex("00")),
      sequence(
        hex("300d06092a864886f70d0101010500"),
        bits(concat(sequence(integer(modulus), integer(e)), hex("00")))
      ),
      longLength(spki)
    ]
    for (const other of others) {
      expect(publicKeyKind(other), toHex(other)).toBeUndefined()
      expect(node.verify(scheme, other, data, signature)).toBe(false)
    }
  })

  it("must have an odd modulus of 2048 to 8192 bits", () => {
    const ofBits = (count: number) => {
      const bytes = new Uint8Array(Math.ceil(count / 8)).fill(0xff)
      bytes[0] = 0xff >> (bytes.length * 8 - count)
      return bytes[0] >= 0x80 ? concat(hex("00"), bytes) : bytes
    }
    const e = hex("010001")
    for (const count of [2048, 2049, 8191, 8192])
      expect(publicKeyKind(rsa(ofBits(count), e)), `${count}`).toBe("rsa")
    for (const count of [1024, 2047, 8193])
      expect(publicKeyKind(rsa(ofBits(count), e)), `${count}`).toBeUndefined()
    const even = modulus.slice()
    even[even.length - 1] &= 0xfe
    expect(publicKeyKind(rsa(even, e))).toBeUndefined()
  })

  it("of our own with an exponent out of bounds is rejected, as peers would reject it", () => {
    const odd = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }).privateKey
    const pkcs8 = new Uint8Array(odd.export({ format: "der", type: "pkcs8" }))
    expect(node.signingKey(pkcs8)?.schemes.length).toBe(3)
    const at = Buffer.from(pkcs8).indexOf(hex("020103"))
    pkcs8[at + 2] = 1
    try {
      createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })
    } catch {
      return // OpenSSL rejected it first
    }
    expect(node.signingKey(pkcs8)).toBeUndefined()
  })
})
