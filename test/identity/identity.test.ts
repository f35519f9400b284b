import { describe, expect, it } from "@effect/vitest"
import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto"
import { connect, createServer } from "node:tls"
import { inspect } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Entropy } from "../../src/capability/Entropy.ts"
import * as Identity from "../../src/Identity.ts"
import * as PeerId from "../../src/PeerId.ts"
import { spkiOf } from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { issueIntermediate, issueLeaf, issueRoot, newKey, now, type KeyKind } from "./certificateFactory.ts"

const certificatePem = (...ders: ReadonlyArray<Uint8Array>) =>
  ders.map((der) => new X509Certificate(der).toString()).join("")

const keyPem = (key: KeyObject, type: "pkcs8" | "sec1" | "pkcs1" = "pkcs8") =>
  key.export({ type, format: "pem" }).toString()

const pkcs8 = (key: KeyObject) => new Uint8Array(key.export({ type: "pkcs8", format: "der" }))

const root = issueRoot()
const intermediate = issueIntermediate({ by: root })

it.layer(NodeCryptoSuite.layer)("an identity from PEM", (it) => {
  it.effect("has the chain in order and the key in PKCS #8, of every kind in use", () =>
    Effect.gen(function* () {
      for (const kind of ["ed25519", "p256", "p384", "rsa"] satisfies ReadonlyArray<KeyKind>) {
        const leaf = issueLeaf({ by: intermediate, key: newKey(kind) })
        const identity = yield* Identity.fromPem({
          cert: certificatePem(leaf.der, intermediate.der),
          key: keyPem(leaf.key)
        })
        expect(identity.certificateType).toBe("x509")
        expect(identity.chain).toEqual([leaf.der, intermediate.der])
        expect(identity.spki).toEqual(spkiOf(leaf.key))
        expect(Redacted.value(identity.privateKey)).toEqual(pkcs8(leaf.key))
      }
    })
  )

  it.effect("accepts the older key formats of SEC 1 and PKCS #1", () =>
    Effect.gen(function* () {
      for (const [kind, type] of [
        ["p256", "sec1"],
        ["p384", "sec1"],
        ["rsa", "pkcs1"]
      ] as const) {
        const leaf = issueLeaf({ by: root, key: newKey(kind) })
        const identity = yield* Identity.fromPem({
          cert: certificatePem(leaf.der),
          key: keyPem(leaf.key, type)
        })
        const der = Buffer.from(Redacted.value(identity.privateKey))
        const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
        expect(key.equals(leaf.key)).toBe(true)
      }
    })
  )

  it.effect("may be all in one file, among other text, with any line endings", () =>
    Effect.gen(function* () {
      const leaf = issueLeaf({ by: root })
      const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
      const file = `Bag Attributes: none\n${parameters}${keyPem(leaf.key, "sec1")}subject=x\n${certificatePem(leaf.der)}`
      for (const text of [file, file.replaceAll("\n", "\r\n")]) {
        const identity = yield* Identity.fromPem({ cert: text, key: Redacted.make(text) })
        expect(identity.chain).toEqual([leaf.der])
      }
    })
  )

  it.effect("fails with an actionable error", () =>
    Effect.gen(function* () {
      const leaf = issueLeaf({ by: intermediate })
      const cert = certificatePem(leaf.der, intermediate.der)
      const key = keyPem(leaf.key)
      const encrypted = leaf.key
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString()
      const oldEncrypted = leaf.key
        .export({ type: "sec1", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString()
      const strange = generateKeyPairSync("x25519").privateKey
      const cases = [
        {
          pem: { cert, key: encrypted },
          kind: "EncryptedKey",
          message: /is encrypted; decrypt it first: openssl/
        },
        { pem: { cert, key: oldEncrypted }, kind: "EncryptedKey", message: /is encrypted/ },
        { pem: { cert, key: cert }, kind: "NoPrivateKey", message: /no -----BEGIN PRIVATE KEY/ },
        { pem: { cert: key, key }, kind: "NoCertificate", message: /no -----BEGIN CERTIFICATE/ },
        { pem: { cert: "", key: "" }, kind: "NoCertificate", message: /no -----BEGIN CERTIFICATE/ },
        {
          pem: { cert, key: keyPem(newKey()) },
          kind: "KeyMismatch",
          message: /does not belong to the certificate/
        },
        {
          pem: { cert: certificatePem(intermediate.der, leaf.der), key },
          kind: "KeyMismatch",
          message: /belongs to certificate 2, which must come first/
        },
        { pem: { cert, key: keyPem(strange) }, kind: "UnsupportedKey", message: /must be Ed25519, P-256/ },
        {
          pem: { cert, key: key.replace(/\n\w{2}/, "\n!!") },
          kind: "Malformed",
          message: /block .* is damaged/
        },
        {
          pem: { cert: cert.replace(/\n[^-]{4}/, "\n!!!!"), key },
          kind: "Malformed",
          message: /certificate 1 .* damaged/
        },
        {
          pem: { cert: cert.repeat(6), key },
          kind: "ChainTooLong",
          message: /12 certificates; peers accept at most 10/
        }
      ]
      for (const { pem, kind, message } of cases) {
        const error = yield* Effect.flip(Identity.fromPem(pem))
        expect(error.message).toMatch(message)
        expect(error.kind).toBe(kind)
      }
    })
  )

  it.effect("survives a round trip through PEM", () =>
    Effect.gen(function* () {
      const leaf = issueLeaf({ by: root })
      const identity = yield* Identity.fromDer({ chain: [leaf.der, root.der], privateKey: pkcs8(leaf.key) })
      expect(Identity.publicPem(identity)).toBe(certificatePem(leaf.der, root.der))
      expect(Redacted.value(Identity.privateKeyPem(identity))).toBe(keyPem(leaf.key))
    })
  )
})

it.layer(NodeCryptoSuite.layer)("a raw key", (it) => {
  it.effect("is an identity by its public key alone, and determines the PeerId", () =>
    Effect.gen(function* () {
      const key = newKey("ed25519")
      const identity = yield* Identity.rawKey(pkcs8(key))
      expect(identity.certificateType).toBe("rawPublicKey")
      expect(identity.chain).toEqual([spkiOf(key)])
      expect(identity.peerId).toBe(PeerId.fromSpki(spkiOf(key)))
      expect(Identity.publicPem(identity)).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
      const again = yield* Identity.rawKey(identity.privateKey)
      expect(again.peerId).toBe(identity.peerId)
    })
  )

  it.effect("that is malformed is rejected", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Identity.rawKey(Uint8Array.of(0x30, 0x00)))
      expect(error).toMatchObject({ _tag: "IdentityError", kind: "UnsupportedKey" })
    })
  )

  it.effect("is drawn from entropy: the same seed gives the same peer", () => {
    const seeded = (seed: number) =>
      Layer.succeed(Entropy, {
        randomBytes: (length) => Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff)
      })
    return Effect.gen(function* () {
      const generate = (seed: number) => Effect.provide(Identity.generateRawKey, seeded(seed))
      const one = yield* generate(1)
      expect((yield* generate(1)).peerId).toBe(one.peerId)
      expect((yield* generate(2)).peerId).not.toBe(one.peerId)
    })
  })
})

describe("a PeerId", () => {
  it("is 64 lowercase hex digits, of which the first 16 are displayed", () => {
    const peerId = PeerId.fromSpki(spkiOf(newKey("ed25519")))
    expect(Schema.is(PeerId.PeerId)(peerId)).toBe(true)
    expect(Schema.is(PeerId.PeerId)(peerId.toUpperCase())).toBe(false)
    expect(Schema.is(PeerId.PeerId)(PeerId.short(peerId))).toBe(false)
    expect(peerId.startsWith(PeerId.short(peerId))).toBe(true)
    expect(PeerId.short(peerId)).toHaveLength(16)
  })
})

describe("a private key", () => {
  it.effect("is not in anything an identity prints", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(inspect(message, { depth: 9, showHidden: true }), JSON.stringify(message), String(message))
      })
      const identity = yield* NodeIdentity.developmentCertificate()
      const key = Buffer.from(Redacted.value(identity.privateKey))
      yield* Effect.log(identity, { nested: [identity] }, Identity.privateKeyPem(identity)).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      lines.push(String(identity), inspect(identity), inspect({ identity }), JSON.stringify({ identity }))
      const secret = key.subarray(36, 44)
      const traces = [
        secret.toString("hex"),
        secret.subarray(0, 6).toString("base64"),
        secret.join(","),
        secret.join(", ")
      ]
      for (const line of lines) for (const trace of traces) expect(line).not.toContain(trace)
      expect(String(identity)).toMatch(/^Identity\(x509, sha256:[0-9a-f]{64}\)$/)
    })
  )
})

describe("a development certificate", () => {
  it.effect("is valid for its days from slightly before now, by Effect's clock, even in 1970", () =>
    Effect.gen(function* () {
      for (const at of [0, now]) {
        yield* TestClock.setTime(at)
        const identity = yield* NodeIdentity.developmentCertificate({ days: 3 })
        const x509 = new X509Certificate(identity.chain[0])
        expect(x509.validFromDate.getTime()).toBe(at - 3_600_000)
        expect(x509.validToDate.getTime()).toBe(at - 3_600_000 + 3 * 86_400_000)
      }
    })
  )

  it.effect("names the requested hosts, and no two are the same", () =>
    Effect.gen(function* () {
      const make = NodeIdentity.developmentCertificate({
        hosts: ["*.test", "bücher.example", "10.0.0.7", "2001:db8::1"],
        keyType: "ed25519"
      })
      const one = yield* make
      const other = yield* make
      const x509 = new X509Certificate(one.chain[0])
      expect(x509.subjectAltName).toBe(
        "DNS:*.test, DNS:xn--bcher-kva.example, IP Address:10.0.0.7, IP Address:2001:DB8:0:0:0:0:0:1"
      )
      expect(x509.publicKey.asymmetricKeyType).toBe("ed25519")
      expect(x509.serialNumber).toHaveLength(32)
      expect(new X509Certificate(other.chain[0]).serialNumber).not.toBe(x509.serialNumber)
      expect(other.peerId).not.toBe(one.peerId)
    })
  )

  it.effect("is not issued for no hosts, invalid hosts or absurd durations", () =>
    Effect.gen(function* () {
      const cases = [
        [{ hosts: [] }, /hosts: at least one/],
        [{ hosts: "localhost" as never }, /hosts: an array of host names/],
        [{ hosts: ["exa mple"] }, /hosts: "exa mple" is neither/],
        // the URL standard reads this as 1.2.0.3; here it is neither a name nor an address
        [{ hosts: ["localhost", "1.2.3"] }, /hosts: "1.2.3" is neither/],
        [{ days: 0 }, /days: 0 is not within 1–825/],
        [{ days: 10_000 }, /days: 10000/],
        [{ days: Number.NaN }, /days: NaN/]
      ] as const
      for (const [options, message] of cases) {
        const error = yield* Effect.flip(NodeIdentity.developmentCertificate(options))
        expect(error.message).toMatch(message)
      }
    })
  )

  it.live("is accepted by OpenSSL, with either key", () =>
    Effect.gen(function* () {
      for (const keyType of ["p256", "ed25519"] as const) {
        const identity = yield* NodeIdentity.developmentCertificate({ keyType })
        const cert = Identity.publicPem(identity)
        const authorized = yield* Effect.callback<boolean>((resume) => {
          const server = createServer({ cert, key: Redacted.value(Identity.privateKeyPem(identity)) })
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            const client = connect({ port, host: "127.0.0.1", ca: [cert], servername: "localhost" }, () => {
              resume(Effect.succeed(client.authorized))
              client.destroy()
              server.close()
            })
            client.on("error", () => resume(Effect.succeed(false)))
          })
        })
        expect(authorized).toBe(true)
      }
    })
  )
})
