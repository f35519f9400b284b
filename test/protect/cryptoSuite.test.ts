import {
  createCipheriv,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign
} from "node:crypto"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { CIPHERTEXT_LENGTH } from "../../layers/keys/keyAgreement.ts"
import { bareKeys } from "../../layers/node/crypto/bareKeys.ts"
import { encapsulate, implementations } from "../../layers/node/crypto/mlKem768.ts"
import { nodeEntropy } from "../../layers/node/NodeEntropy.ts"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import * as NobleCryptoSuite from "../../layers/noble/NobleCryptoSuite.ts"
import { CryptoSuite, SignatureScheme } from "../../src/capability/CryptoSuite.ts"
import { hex, seeded, toHex } from "./bytes.ts"
import { compliance } from "./cryptoSuite.compliance.ts"

const node = NodeCryptoSuite.suite
const noble = NobleCryptoSuite.suite

describe("the node suite", () => {
  compliance(node, noble)

  it("is what its layer provides", async () => {
    expect(await Effect.runPromise(Effect.provide(CryptoSuite, NodeCryptoSuite.layer))).toBe(node)
  })

  const der = (key: KeyObject, type: "pkcs8" | "spki"): Uint8Array =>
    new Uint8Array(key.export({ format: "der", type } as { format: "der"; type: "pkcs8" }))

  const rsaSchemes = [
    SignatureScheme.rsa_pss_rsae_sha256,
    SignatureScheme.rsa_pss_rsae_sha384,
    SignatureScheme.rsa_pss_rsae_sha512
  ]

  it("signs with RSA-PSS, with salts as long as the hash", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const key = node.signingKey(der(privateKey, "pkcs8"))!
    expect(key.schemes).toEqual(rsaSchemes)
    for (const scheme of rsaSchemes) {
      const signature = key.sign(scheme, hex("0102"))
      expect(node.verify(scheme, key.spki, hex("0102"), signature)).toBe(true)
      expect(node.verify(scheme, key.spki, hex("0103"), signature)).toBe(false)
      for (const another of rsaSchemes) {
        if (another !== scheme) expect(node.verify(another, key.spki, hex("0102"), signature)).toBe(false)
      }
    }
    // RFC 8446 §4.2.3: the salt is as long as the hash, and PKCS #1 v1.5 is not used in handshakes
    const salted = (saltLength: number) =>
      sign("sha256", hex("0102"), { key: privateKey, padding: 6, saltLength })
    expect(node.verify(rsaSchemes[0], key.spki, hex("0102"), salted(32))).toBe(true)
    expect(node.verify(rsaSchemes[0], key.spki, hex("0102"), salted(20))).toBe(false)
    expect(node.verify(rsaSchemes[0], key.spki, hex("0102"), sign("sha256", hex("0102"), privateKey))).toBe(
      false
    )
  })

  it("refuses RSA keys of less than 2048 bits, RSASSA-PSS keys, and curves TLS 1.3 has no scheme for", () => {
    const small = generateKeyPairSync("rsa", { modulusLength: 1024 })
    const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 })
    const k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" })
    const x25519 = generateKeyPairSync("x25519")
    for (const { privateKey } of [small, pss, k1, x25519]) {
      expect(node.signingKey(der(privateKey, "pkcs8"))).toBeUndefined()
    }
    const signature = sign("sha256", hex("00"), { key: small.privateKey, padding: 6, saltLength: 32 })
    expect(node.verify(rsaSchemes[0], der(small.publicKey, "spki"), hex("00"), signature)).toBe(false)
  })

  it.each(["sha256", "sha384", "sha512"] as const)(
    "authenticates with HMAC-%s whatever the sizes, also beyond a block and beyond its buffers",
    (algorithm) => {
      for (const keyBytes of [0, 1, 63, 64, 65, 127, 128, 129, 500])
        for (const dataBytes of [0, 1, 55, 56, 119, 511, 512, 513, 5000]) {
          const key = seeded(keyBytes)(keyBytes)
          const data = seeded(dataBytes)(dataBytes)
          const expected = createHmac(algorithm, key).update(data).digest("hex")
          expect(toHex(node.hmac(algorithm, key, data)), `${keyBytes}, ${dataBytes}`).toBe(expected)
        }
    }
  )

  it("masks with the ChaCha20 of OpenSSL", () => {
    const key = seeded(8)(32)
    const headerKey = node.headerProtection("chacha20-poly1305", key)
    for (const sample of [seeded(1)(16), new Uint8Array(16), new Uint8Array(16).fill(0xff)]) {
      const mask = new Uint8Array(5)
      headerKey.mask(sample, 0, mask)
      expect(toHex(mask)).toBe(
        createCipheriv("chacha20", key, sample).update(new Uint8Array(5)).toString("hex")
      )
    }
  })
})

describe("the noble suite", () => {
  compliance(noble, node)

  it("is what its layer provides", async () => {
    expect(await Effect.runPromise(Effect.provide(CryptoSuite, NobleCryptoSuite.layer))).toBe(noble)
  })

  it("signs deterministically", () => {
    for (const kind of ["ed25519", "p256"] as const) {
      const key = noble.signingKey(noble.generateSigningKey(kind, seeded(1)))!
      expect(toHex(key.sign(key.schemes[0], hex("00")))).toBe(toHex(key.sign(key.schemes[0], hex("00"))))
    }
  })

  it("reads keys written by node, public key included", () => {
    for (const namedCurve of ["P-256", "P-384"]) {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve })
      const pkcs8 = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }))
      const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" })
      expect(toHex(noble.signingKey(pkcs8)!.spki)).toBe(spki.toString("hex"))
    }
    const { privateKey } = generateKeyPairSync("ed25519")
    const pkcs8 = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }))
    expect(noble.signingKey(pkcs8)).toBeDefined()
  })

  it("leaves RSA out of its schemes, and rejects RSA keys", () => {
    expect(noble.signatureSchemes).toEqual(
      node.signatureSchemes.filter((scheme) => scheme >> 8 !== 8 || scheme === 0x0807)
    )
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
    expect(
      noble.signingKey(new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })))
    ).toBeUndefined()
  })
})

describe("encapsulation with the system's randomness", () => {
  const { encapsulationKey } = implementations[0](seeded(1)(64))
  const { randomBytes } = nodeEntropy

  it("yields another secret each time", () => {
    const [one, two] = [1, 2].map(() => toHex(encapsulate(encapsulationKey, randomBytes)!.sharedSecret))
    expect(one).toHaveLength(64)
    expect(one).not.toBe(two)
  })

  it("rejects a key with a coefficient not below q, as in FIPS 203 §7.2, or of another length", () => {
    const key = Uint8Array.from(encapsulationKey)
    key[0] = 0x01 // 3329 in the low 12 bits
    key[1] = (key[1] & 0xf0) | 0x0d
    expect(encapsulate(key, randomBytes)).toBeUndefined()
    key[0] = 0x00 // 3328
    expect(encapsulate(key, randomBytes)).toBeDefined()
    expect(encapsulate(key.subarray(1), randomBytes)).toBeUndefined()
  })
})

describe.each(implementations.map((make, i) => ({ i, make })))(
  "ML-KEM-768, implementation $i",
  ({ make }) => {
    const key = make(seeded(1)(64))

    it("derives the key from its seed", () => {
      expect(toHex(key.encapsulationKey)).toBe(toHex(implementations[0](seeded(1)(64)).encapsulationKey))
      expect(toHex(key.encapsulationKey)).not.toBe(toHex(make(seeded(2)(64)).encapsulationKey))
    })

    it.each([
      { from: "a seed", random: seeded(3) },
      { from: "the system", random: nodeEntropy.randomBytes }
    ])("decapsulates what was encapsulated with randomness from $from, and nothing else", ({ random }) => {
      const { ciphertext, sharedSecret } = encapsulate(key.encapsulationKey, random)!
      expect(ciphertext.length).toBe(CIPHERTEXT_LENGTH)
      expect(toHex(key.decapsulate(ciphertext))).toBe(toHex(sharedSecret))
      ciphertext[17] ^= 1
      const rejected = key.decapsulate(ciphertext)
      expect(toHex(rejected)).not.toBe(toHex(sharedSecret))
      expect(toHex(rejected)).toBe(toHex(implementations[0](seeded(1)(64)).decapsulate(ciphertext)))
    })
  }
)

describe.each(bareKeys.map((keys, i) => ({ i, keys })))(
  "implementation $i of keys without encoding",
  ({ keys }) => {
    const [best] = bareKeys

    it.each([
      { kind: "x25519", privateBytes: 32, publicBytes: 32 },
      { kind: "ml-kem-768", privateBytes: 64, publicBytes: 1184 }
    ] as const)("reads and writes keys of $kind like the best one", ({ kind, privateBytes, publicBytes }) => {
      const secret = seeded(7)(privateBytes)
      const privateKey = keys.privateKey(kind, secret)
      const bytes = keys.publicBytes(kind, privateKey)
      expect(bytes.length).toBe(publicBytes)
      expect(toHex(bytes)).toBe(toHex(best.publicBytes(kind, best.privateKey(kind, secret))))
      expect(privateKey.equals(best.privateKey(kind, secret))).toBe(true)
      expect(keys.publicKey(kind, bytes).equals(createPublicKey(privateKey))).toBe(true)
      expect(keys.publicKey(kind, bytes).equals(best.publicKey(kind, bytes))).toBe(true)
    })

    it("throws for a public key that is cut off", () => {
      for (const length of [0, 31]) expect(() => keys.publicKey("x25519", new Uint8Array(length))).toThrow()
      expect(() => keys.publicKey("ml-kem-768", new Uint8Array(1183))).toThrow()
    })
  }
)
