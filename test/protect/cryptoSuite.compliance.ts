/** The compliance suite of `CryptoSuite`, which also compares two implementations. */
import { smallOrderPoints } from "./smallOrderPoints.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type AeadAlgorithm,
  type CryptoSuiteShape,
  type HashAlgorithm,
  NamedGroup,
  SignatureScheme
} from "../../src/capability/CryptoSuite.ts"
import { flipped, hex, seeded, toHex } from "./bytes.ts"

const aeads: ReadonlyArray<{ readonly algorithm: AeadAlgorithm; readonly keyLength: number }> = [
  { algorithm: "aes-128-gcm", keyLength: 16 },
  { algorithm: "aes-256-gcm", keyLength: 32 },
  { algorithm: "chacha20-poly1305", keyLength: 32 }
]
const hashes: ReadonlyArray<HashAlgorithm> = ["sha256", "sha384", "sha512"]

const groups = [
  { name: "X25519MLKEM768", group: NamedGroup.x25519MlKem768, client: 1216, server: 1120, secret: 64 },
  { name: "x25519", group: NamedGroup.x25519, client: 32, server: 32, secret: 32 },
  { name: "secp256r1", group: NamedGroup.secp256r1, client: 65, server: 65, secret: 32 },
  { name: "secp384r1", group: NamedGroup.secp384r1, client: 97, server: 97, secret: 48 }
]

/** PKCS #8 of RFC 8032 §7.1 test 1, RFC 6979 §A.2.5 and §A.2.6. */
const keys = {
  ed25519:
    "302e020100300506032b657004220420" + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
  p256:
    "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420" +
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721",
  p384:
    "304e020100301006072a8648ce3d020106052b81040022043730350201010430" +
    "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8" +
    "96d5724e4c70a825f872c9ea60d2edf5"
}

const ownKeys = [
  { kind: "ed25519", pkcs8: hex(keys.ed25519), scheme: SignatureScheme.ed25519 },
  { kind: "p256", pkcs8: hex(keys.p256), scheme: SignatureScheme.ecdsa_secp256r1_sha256 },
  { kind: "p384", pkcs8: hex(keys.p384), scheme: SignatureScheme.ecdsa_secp384r1_sha384 }
]

/** Runs the suite; `other` is the implementation to compare with. */
export const compliance = (suite: CryptoSuiteShape, other: CryptoSuiteShape): void => {
  packetProtection(suite, other)
  hashing(suite, other)
  keyAgreement(suite, other)
  signatures(suite, other)

  describe("equal", () => {
    it("is true for the same bytes only", () => {
      const secret = seeded(1)(32)
      expect(suite.equal(secret, Uint8Array.from(secret))).toBe(true)
      for (let at = 0; at < 32; at++) expect(suite.equal(secret, flipped(secret, at, 7))).toBe(false)
      expect(suite.equal(secret, secret.subarray(0, 31))).toBe(false)
      expect(suite.equal(new Uint8Array(0), new Uint8Array(0))).toBe(true)
    })
  })
}

const packetProtection = (suite: CryptoSuiteShape, other: CryptoSuiteShape): void => {
  describe.each(aeads)("the AEAD $algorithm", ({ algorithm, keyLength }) => {
    const key = seeded(keyLength)(keyLength)
    const nonce = seeded(12)(12)

    it("seals and opens in place like the other suite", () => {
      const property = fc.property(
        fc.uint8Array({ maxLength: 1600 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(20),
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        (payload, aad, start, nonce) => {
          const payloadStart = start + aad.length
          const payloadEnd = payloadStart + payload.length
          const plain = new Uint8Array(payloadEnd + 16 + 9).fill(0xee)
          plain.set(aad, start)
          plain.set(payload, payloadStart)
          const sealed = Uint8Array.from(plain)
          const expected = Uint8Array.from(plain)
          suite.aead(algorithm, key).seal(nonce, sealed, start, payloadStart, payloadEnd)
          other.aead(algorithm, key).seal(nonce, expected, start, payloadStart, payloadEnd)
          expect(toHex(sealed)).toBe(toHex(expected))
          expect(suite.aead(algorithm, key).open(nonce, sealed, start, payloadStart, payloadEnd + 16)).toBe(
            true
          )
          expect(toHex(sealed.subarray(0, payloadEnd))).toBe(toHex(plain.subarray(0, payloadEnd)))
          expect(toHex(sealed.subarray(payloadEnd + 16))).toBe("ee".repeat(9))
        }
      )
      fc.assert(property, { numRuns: 50 })
    })

    it("seals equal messages equally with one key object: no state is left over", () => {
      const aead = suite.aead(algorithm, key)
      const first = new Uint8Array(64)
      const second = new Uint8Array(64)
      aead.seal(nonce, first, 0, 10, 48)
      aead.seal(nonce, second, 0, 10, 48)
      expect(toHex(second)).toBe(toHex(first))
    })

    it("rejects any changed bit of associated data, ciphertext, tag or nonce, leaving the buffer untouched", () => {
      const aead = suite.aead(algorithm, key)
      const sealed = seeded(3)(70)
      aead.seal(nonce, sealed, 2, 14, 54)
      for (let at = 2; at < 70; at++) {
        const forged = flipped(sealed, at, at % 8)
        const before = toHex(forged)
        expect(aead.open(nonce, forged, 2, 14, 70), `byte ${at}`).toBe(false)
        expect(toHex(forged)).toBe(before)
      }
      const before = toHex(sealed)
      for (let at = 0; at < 12; at++) expect(aead.open(flipped(nonce, at), sealed, 2, 14, 70)).toBe(false)
      expect(toHex(sealed)).toBe(before)
      expect(aead.open(nonce, sealed, 2, 14, 70)).toBe(true)
    })

    it("rejects input shorter than a tag", () => {
      const aead = suite.aead(algorithm, key)
      const buffer = new Uint8Array(40)
      for (let end = 20; end < 36; end++) expect(aead.open(nonce, buffer, 0, 20, end)).toBe(false)
      expect(aead.open(nonce, buffer, 0, 20, 10)).toBe(false)
      expect(aead.open(nonce, buffer, 0, 20, 36)).toBe(false)
    })

    it("masks headers like the other suite, whatever the sample", () => {
      const ours = suite.headerProtection(algorithm, key)
      const theirs = other.headerProtection(algorithm, key)
      const maskOf = (headerKey: typeof ours, buffer: Uint8Array, offset: number): string => {
        const mask = new Uint8Array(5)
        headerKey.mask(buffer, offset, mask)
        return toHex(mask)
      }
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 16, maxLength: 40 }), fc.nat(24), (buffer, at) => {
          const offset = Math.min(at, buffer.length - 16)
          expect(maskOf(ours, buffer, offset)).toBe(maskOf(theirs, buffer, offset))
        })
      )
      const ones = new Uint8Array(16).fill(0xff) // the largest counter, for ChaCha20
      expect(maskOf(ours, ones, 0)).toBe(maskOf(theirs, ones, 0))
    })
  })
}

const hashing = (suite: CryptoSuiteShape, other: CryptoSuiteShape): void => {
  describe.each(hashes)("%s", (algorithm) => {
    it("hashes and authenticates like the other suite", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 200 }), (data, key) => {
          expect(toHex(suite.hash(algorithm, data))).toBe(toHex(other.hash(algorithm, data)))
          expect(toHex(suite.hmac(algorithm, key, data))).toBe(toHex(other.hmac(algorithm, key, data)))
        }),
        { numRuns: 50 }
      )
    })

    it("can be continued after its digest was read", () => {
      const data = seeded(5)(500)
      const running = suite.runningHash(algorithm)
      expect(toHex(running.digest())).toBe(toHex(suite.hash(algorithm, new Uint8Array(0))))
      for (let at = 0; at < 500; at += 100) {
        running.update(data.subarray(at, at + 100))
        expect(toHex(running.digest())).toBe(toHex(suite.hash(algorithm, data.subarray(0, at + 100))))
        expect(toHex(running.digest())).toBe(toHex(running.digest()))
      }
    })
  })

  it("gives results that own their memory and are plain byte arrays", () => {
    for (const bytes of [suite.hash("sha256", hex("00")), suite.hmac("sha256", hex("00"), hex("00"))]) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
      expect(bytes.byteLength).toBe(bytes.buffer.byteLength)
    }
  })
}

const keyAgreement = (suite: CryptoSuiteShape, other: CryptoSuiteShape): void => {
  it("offers the hybrid group first, then x25519 and the NIST curves", () => {
    expect(suite.groups).toEqual(groups.map(({ group }) => group))
  })

  describe.each(groups)("the group $name", ({ group, client, server, secret }) => {
    it("agrees with the other suite, in either role", () => {
      for (const [one, two] of [
        [suite, other],
        [other, suite]
      ]) {
        const share = one.keyShare(group, seeded(1))
        const answer = two.respond(group, share.publicKey, seeded(2))
        expect(answer).toBeDefined()
        expect([share.group, share.publicKey.length, answer!.publicKey.length]).toEqual([
          group,
          client,
          server
        ])
        expect(answer!.secret.length).toBe(secret)
        expect(toHex(share.agree(answer!.publicKey)!)).toBe(toHex(answer!.secret))
      }
    })

    it("takes all randomness from the argument", () => {
      const share = suite.keyShare(group, seeded(1))
      expect(toHex(share.publicKey)).toBe(toHex(other.keyShare(group, seeded(1)).publicKey))
      expect(toHex(share.publicKey)).not.toBe(toHex(suite.keyShare(group, seeded(2)).publicKey))
      const answer = suite.respond(group, share.publicKey, seeded(3))!
      const again = other.respond(group, share.publicKey, seeded(3))!
      expect(toHex(answer.publicKey)).toBe(toHex(again.publicKey))
      expect(toHex(answer.secret)).toBe(toHex(again.secret))
    })

    it("returns undefined for shares of the wrong length", () => {
      const share = suite.keyShare(group, seeded(1))
      const answer = suite.respond(group, share.publicKey, seeded(2))!
      for (const length of [0, 1, 31, 33, 64, 66, 1088, 1184, 4096]) {
        if (length !== client)
          expect(suite.respond(group, new Uint8Array(length).fill(4), seeded(2))).toBeUndefined()
        if (length !== server) expect(share.agree(new Uint8Array(length).fill(4))).toBeUndefined()
      }
      expect(suite.respond(group, share.publicKey.subarray(1), seeded(2))).toBeUndefined()
      expect(share.agree(Uint8Array.from([...answer.publicKey, 0]))).toBeUndefined()
    })

    it("never throws, and never agrees on a secret over a modified share", () => {
      const share = suite.keyShare(group, seeded(1))
      const answer = suite.respond(group, share.publicKey, seeded(2))!
      for (const at of [0, 1, 31, 32, 64, server - 33, server - 2].filter((at) => at >= 0 && at < server)) {
        const agreed = share.agree(flipped(answer.publicKey, at))
        expect(agreed === undefined || toHex(agreed) !== toHex(answer.secret)).toBe(true)
      }
      for (const at of [0, 1, 31, 32, 64, client - 33, client - 2].filter((at) => at >= 0 && at < client)) {
        const answered = suite.respond(group, flipped(share.publicKey, at), seeded(2))
        expect(answered === undefined || toHex(answered.secret) !== toHex(answer.secret)).toBe(true)
      }
      for (let seed = 0; seed < 20; seed++) {
        share.agree(seeded(seed)(server))
        suite.respond(group, seeded(seed)(client), seeded(2))
      }
    })
  })

  it("has the classical part of a hybrid as a share of its own", () => {
    const { publicKey, classical } = suite.keyShare(NamedGroup.x25519MlKem768, seeded(1))
    expect(classical!.group).toBe(NamedGroup.x25519)
    expect(toHex(classical!.publicKey)).toBe(toHex(publicKey.subarray(1184)))
    const answer = other.respond(NamedGroup.x25519, classical!.publicKey, seeded(2))!
    expect(toHex(classical!.agree(answer.publicKey)!)).toBe(toHex(answer.secret))
  })

  it("computes the shared secret of the handshake in RFC 8448 §3", () => {
    const privateKey = hex("49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005")
    const share = suite.keyShare(NamedGroup.x25519, () => privateKey)
    const peer = hex("c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f")
    expect(toHex(share.publicKey)).toBe("99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c")
    expect(toHex(share.agree(peer)!)).toBe("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
  })

  it.each(smallOrderPoints)("rejects the x25519 point %s, whose secret is all zero", (point) => {
    expect(suite.keyShare(NamedGroup.x25519, seeded(1)).agree(hex(point))).toBeUndefined()
    expect(suite.respond(NamedGroup.x25519, hex(point), seeded(1))).toBeUndefined()
    const hybrid = suite.keyShare(NamedGroup.x25519MlKem768, seeded(1))
    const answer = suite.respond(NamedGroup.x25519MlKem768, hybrid.publicKey, seeded(2))!
    const badAnswer = Uint8Array.from(answer.publicKey)
    badAnswer.set(hex(point), 1088)
    expect(hybrid.agree(badAnswer)).toBeUndefined()
    const badHello = Uint8Array.from(hybrid.publicKey)
    badHello.set(hex(point), 1184)
    expect(suite.respond(NamedGroup.x25519MlKem768, badHello, seeded(2))).toBeUndefined()
  })

  it("rejects an ML-KEM key with a coefficient not below q, as in FIPS 203 §7.2", () => {
    const hello = Uint8Array.from(suite.keyShare(NamedGroup.x25519MlKem768, seeded(1)).publicKey)
    hello[0] = 0x01 // 3329 in the low 12 bits
    hello[1] = (hello[1] & 0xf0) | 0x0d
    expect(suite.respond(NamedGroup.x25519MlKem768, hello, seeded(2))).toBeUndefined()
    hello[0] = 0x00 // 3328
    expect(suite.respond(NamedGroup.x25519MlKem768, hello, seeded(2))).toBeDefined()
  })

  it.each([NamedGroup.secp256r1, NamedGroup.secp384r1])(
    "rejects points not on the curve of group %i",
    (group) => {
      const share = suite.keyShare(group, seeded(1))
      const peer = suite.keyShare(group, seeded(2)).publicKey
      expect(share.agree(peer)).toBeDefined()
      expect(share.agree(flipped(peer, peer.length - 1))).toBeUndefined()
      expect(share.agree(Uint8Array.of(0))).toBeUndefined() // the point at infinity
      const infinity = new Uint8Array(peer.length)
      infinity[0] = 4
      expect(share.agree(infinity)).toBeUndefined()
      const half = (peer.length - 1) / 2
      const compressed = Uint8Array.from([2 + (peer[peer.length - 1] & 1), ...peer.subarray(1, 1 + half)])
      expect(share.agree(compressed)).toBeUndefined() // RFC 8446 §4.2.8.2
      const uncompressed = Uint8Array.from(peer)
      for (const form of [0, 2, 3, 5, 6, 7]) {
        uncompressed[0] = form
        expect(share.agree(uncompressed)).toBeUndefined()
      }
      const beyondField = new Uint8Array(peer.length).fill(0xff)
      beyondField[0] = 4
      expect(share.agree(beyondField)).toBeUndefined()
    }
  )

  it("draws again when a scalar is not below the curve's order", () => {
    let draws = 0
    const share = suite.keyShare(NamedGroup.secp256r1, (length) =>
      draws++ === 0 ? new Uint8Array(length).fill(0xff) : seeded(1)(length)
    )
    expect(draws).toBe(2)
    expect(toHex(share.publicKey)).toBe(toHex(suite.keyShare(NamedGroup.secp256r1, seeded(1)).publicKey))
  })
}

const signatures = (suite: CryptoSuiteShape, other: CryptoSuiteShape): void => {
  describe.each(ownKeys)("a signing key of kind $kind", ({ pkcs8, scheme }) => {
    const data = seeded(4)(130)

    it("signs what both suites verify", () => {
      for (const signer of [suite, other]) {
        const key = signer.signingKey(pkcs8)!
        expect(key.schemes).toEqual([scheme])
        const signature = key.sign(scheme, data)
        for (const verifier of [suite, other]) {
          expect(verifier.verify(scheme, key.spki, data, signature)).toBe(true)
        }
      }
      expect(toHex(suite.signingKey(pkcs8)!.spki)).toBe(toHex(other.signingKey(pkcs8)!.spki))
    })

    it("is verified only with its data, its key and its scheme, and verifying never throws", () => {
      const { spki, sign } = suite.signingKey(pkcs8)!
      const signature = sign(scheme, data)
      expect(suite.verify(scheme, spki, flipped(data, 100), signature)).toBe(false)
      for (let at = 0; at < signature.length; at++) {
        expect(suite.verify(scheme, spki, data, flipped(signature, at, at % 8)), `byte ${at}`).toBe(false)
        expect(suite.verify(scheme, spki, data, signature.subarray(0, at))).toBe(false)
      }
      expect(suite.verify(scheme, spki, data, Uint8Array.from([...signature, 0]))).toBe(false)
      for (let at = 0; at < spki.length; at++) {
        expect(suite.verify(scheme, spki.subarray(0, at), data, signature)).toBe(false)
        expect(suite.verify(scheme, flipped(spki, at, at % 8), data, signature), `byte ${at}`).toBe(false)
      }
      for (const another of Object.values(SignatureScheme)) {
        if (another !== scheme) expect(suite.verify(another, spki, data, signature)).toBe(false)
      }
      expect(suite.verify(0x0000 as SignatureScheme, spki, data, signature)).toBe(false)
    })

    it("is parsed completely or not at all", () => {
      for (let at = 0; at < pkcs8.length; at++)
        expect(suite.signingKey(pkcs8.subarray(0, at))).toBeUndefined()
      for (let at = 0; at < pkcs8.length; at++) {
        const key = suite.signingKey(flipped(pkcs8, at, at % 8)) // must not throw
        if (key !== undefined) expect(key.schemes.length).toBeGreaterThan(0)
      }
    })
  })

  it("reproduces the public key and signature of RFC 8032 §7.1 test 1", () => {
    const key = suite.signingKey(hex(keys.ed25519))!
    expect(toHex(key.spki)).toBe(
      "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    expect(toHex(key.sign(SignatureScheme.ed25519, new Uint8Array(0)))).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
  })

  it("reproduces the P-384 public key of RFC 6979 §A.2.6", () => {
    expect(toHex(suite.signingKey(hex(keys.p384))!.spki)).toContain(
      "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13"
    )
  })

  it("verifies the P-256 signature of RFC 6979 §A.2.5, whose s is above half the order", () => {
    const { spki } = suite.signingKey(hex(keys.p256))!
    const signature = hex(
      "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
        "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )
    const sample = new TextEncoder().encode("sample")
    expect(suite.verify(SignatureScheme.ecdsa_secp256r1_sha256, spki, sample, signature)).toBe(true)
  })

  it("requires ECDSA signatures in DER", () => {
    const key = suite.signingKey(hex(keys.p256))!
    const signature = key.sign(SignatureScheme.ecdsa_secp256r1_sha256, hex("00"))
    expect([signature[0], signature[1], signature[2]]).toEqual([0x30, signature.length - 2, 0x02])
    expect(
      suite.verify(SignatureScheme.ecdsa_secp256r1_sha256, key.spki, hex("00"), new Uint8Array(64))
    ).toBe(false)
  })

  it.each(["ed25519", "p256"] as const)("generates the %s key that the randomness determines", (kind) => {
    const pkcs8 = suite.generateSigningKey(kind, seeded(9))
    expect(toHex(pkcs8)).toBe(toHex(other.generateSigningKey(kind, seeded(9))))
    expect(toHex(pkcs8)).not.toBe(toHex(suite.generateSigningKey(kind, seeded(10))))
    expect(suite.signingKey(pkcs8)).toBeDefined()
  })

  it("finds no key among random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => suite.signingKey(bytes) === undefined)
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(SignatureScheme)),
        fc.uint8Array({ maxLength: 120 }),
        fc.uint8Array({ maxLength: 120 }),
        (scheme, spki, signature) => !suite.verify(scheme, spki, hex("00"), signature)
      )
    )
  })
}
