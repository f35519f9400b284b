import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CertificateAlert } from "../../src/capability/CertificateVerifier.ts"
import {
  basicConstraints,
  ExtendedKeyUsage,
  extendedKeyUsage,
  extension,
  keyUsage,
  subjectAltName
} from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  acceptance,
  caExtensions,
  day,
  digitalSignature,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  keyCertSign,
  leafExtensions,
  newKey,
  now,
  verdictOn,
  withExponent,
  type KeyKind,
  type Verdict
} from "./certificateFactory.ts"

const root = issueRoot()
const intermediate = issueIntermediate({ by: root })
const leaf = issueLeaf({ by: intermediate })

const underRoot = (chain: Parameters<typeof verdictOn>[1], options?: Parameters<typeof verdictOn>[2]) =>
  Effect.flatMap(Effect.orDie(NodeCertificateVerifier.authorities([root.der])), (verifier) =>
    verdictOn(verifier, chain, options)
  )

/** Key identifiers that make a certificate not self-signed. */
const otherKey = [
  extension("2.5.29.14", false, Uint8Array.of(0x04, 0x01, 0x02).buffer),
  extension("2.5.29.35", false, Uint8Array.of(0x30, 0x03, 0x80, 0x01, 0x01).buffer)
]

const expectRefused = (verdict: Verdict, alert: number, reason: RegExp) => {
  expect(verdict.reason).toMatch(reason)
  expect(verdict).toMatchObject({ accepted: false, alert })
}

describe("a path of certificates", () => {
  it.effect("leads from a leaf over an intermediate to a given root", () =>
    Effect.gen(function* () {
      expect(yield* underRoot([leaf, intermediate])).toEqual(acceptance)
    })
  )

  it.effect("may include the root itself, unrelated certificates, and any order after the leaf", () =>
    Effect.gen(function* () {
      const stranger = issueRoot({ name: "Stranger" })
      const second = issueIntermediate({ by: intermediate, name: "Second" })
      const deep = issueLeaf({ by: second })
      expect(yield* underRoot([leaf, intermediate, root])).toEqual(acceptance)
      expect(yield* underRoot([deep, root, stranger, intermediate, second])).toEqual(acceptance)
      expect(yield* underRoot([deep, intermediate, intermediate, second, second])).toEqual(acceptance)
    })
  )

  it.effect("starts with the peer's own certificate, wherever the others are", () =>
    Effect.gen(function* () {
      const verdict = yield* underRoot([intermediate, leaf])
      expectRefused(verdict, CertificateAlert.unsupportedCertificate, /lacks digitalSignature/)
    })
  )

  it.effect("does not exist without the intermediate", () =>
    Effect.gen(function* () {
      const verdict = yield* underRoot([leaf])
      expectRefused(verdict, CertificateAlert.unknownCa, /issued by an untrusted CA/)
    })
  )

  it.effect("does not exist for no certificate at all, nor for more than ten", () =>
    Effect.gen(function* () {
      expectRefused(yield* underRoot([]), CertificateAlert.badCertificate, /sent no certificate/)
      const many = [leaf, intermediate, ...Array<typeof root>(9).fill(root)]
      expectRefused(
        yield* underRoot(many),
        CertificateAlert.badCertificate,
        /11 certificates; the limit is 10/
      )
      expect(yield* underRoot(many.slice(0, 10))).toEqual(acceptance)
    })
  )

  it.effect("must end in a trusted CA", () =>
    Effect.gen(function* () {
      const otherRoot = issueRoot({ name: "Other Root" })
      const other = issueLeaf({ by: otherRoot })
      const verdict = yield* underRoot([other, otherRoot])
      expectRefused(verdict, CertificateAlert.unknownCa, /Other Root is self-signed and not trusted/)
    })
  )

  it.effect("does not end in a self-signed certificate that only borrows the root's name", () =>
    Effect.gen(function* () {
      const impostor = issueRoot({ name: root.name })
      const verdict = yield* underRoot([issueLeaf({ by: impostor }), impostor])
      expect(verdict).toMatchObject({ accepted: false })
      const asLeaf = issueLeaf({ name: root.name })
      expect(yield* underRoot([asLeaf])).toMatchObject({ accepted: false })
      expect(yield* underRoot([asLeaf, root])).toMatchObject({ accepted: false })
    })
  )

  it.effect("tries every certificate of a CA: an expired or cross-signed one does not stop it", () =>
    Effect.gen(function* () {
      const expired = issueIntermediate({
        by: root,
        key: intermediate.key,
        notBefore: now - 9 * day,
        notAfter: now - day
      })
      const foreign = issueIntermediate({
        by: issueRoot({ name: "Foreign Root" }),
        key: intermediate.key
      })
      expect(yield* underRoot([leaf, expired, foreign, intermediate])).toEqual(acceptance)
      expectRefused(yield* underRoot([leaf, expired]), CertificateAlert.certificateExpired, /expired at/)
    })
  )

  it.effect("terminates when CAs have cross-signed in a cycle", () =>
    Effect.gen(function* () {
      const keys = Array.from({ length: 9 }, () => newKey("ed25519"))
      const member = (i: number) => ({ der: new Uint8Array(), name: "Circle", key: keys[i] })
      const circle = keys.map((key, i) =>
        issueIntermediate({ name: "Circle", by: member((i + 1) % keys.length), key })
      )
      const verdict = yield* underRoot([issueLeaf({ by: member(0) }), ...circle])
      expect(verdict).toMatchObject({ accepted: false })
    })
  )
})

describe("the dates of every certificate in the path", () => {
  it.effect("are checked against Effect's clock", () =>
    Effect.gen(function* () {
      const chain = [leaf, intermediate]
      expect(yield* underRoot(chain, { at: now - day })).toEqual(acceptance)
      expect(yield* underRoot(chain, { at: now + 90 * day - 1 })).toEqual(acceptance)
      expectRefused(
        yield* underRoot(chain, { at: now + 90 * day }),
        CertificateAlert.certificateExpired,
        /certificate for example.org expired at 2026-04-01T00:00:00.000Z; it is 2026-04-01T00:00:00.000Z now/
      )
      expectRefused(
        yield* underRoot(chain, { at: now - day - 1 }),
        CertificateAlert.certificateExpired,
        /not valid before/
      )
    })
  )

  it.effect("apply to the intermediate and the root, too", () =>
    Effect.gen(function* () {
      const longLived = { notAfter: now + 9000 * day }
      const chain = [issueLeaf({ by: intermediate, ...longLived }), intermediate]
      const afterIntermediate = yield* underRoot(chain, { at: now + 366 * day })
      expectRefused(afterIntermediate, CertificateAlert.certificateExpired, /Intermediate expired/)
      const direct = [issueLeaf({ by: root, ...longLived })]
      expect(yield* underRoot(direct, { at: now + 3649 * day })).toEqual(acceptance)
      const afterRoot = yield* underRoot(direct, { at: now + 3651 * day })
      expectRefused(afterRoot, CertificateAlert.certificateExpired, /Root expired/)
    })
  )

  it.effect("may be after 2049, when their encoding changes", () =>
    Effect.gen(function* () {
      const eternal = issueRoot({ name: "Eternal", notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) })
      const verifier = yield* NodeCertificateVerifier.authorities([eternal.der])
      const late = issueLeaf({ by: eternal, notAfter: Date.UTC(2100, 0, 1) })
      expect(yield* verdictOn(verifier, [late], { at: Date.UTC(2099, 0, 1) })).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [late], { at: Date.UTC(2101, 0, 1) })).toMatchObject({ alert: 45 })
    })
  )
})

describe("a CA", () => {
  it.effect("must be marked as a CA: a leaf cannot issue certificates", () =>
    Effect.gen(function* () {
      const forged = issueLeaf({ by: leaf, name: "forged" })
      const verdict = yield* underRoot([forged, leaf, intermediate])
      expectRefused(verdict, CertificateAlert.unknownCa, /certificate for example.org issued .* is not a CA/)
      // nor can one without basicConstraints, even with a CA's key usage
      const bare = issueLeaf({ by: root, extensions: [keyUsage(keyCertSign)], name: "Bare" })
      expectRefused(
        yield* underRoot([issueLeaf({ by: bare }), bare]),
        CertificateAlert.unknownCa,
        /is not a CA/
      )
      const old = issueLeaf({ by: root, extensions: [], name: "Old" })
      expectRefused(
        yield* underRoot([issueLeaf({ by: old }), old]),
        CertificateAlert.unknownCa,
        /is not a CA/
      )
    })
  )

  it.effect("must be marked as a CA even if it is explicitly trusted", () =>
    Effect.gen(function* () {
      const selfSigned = issueLeaf({ name: "lone" })
      const verifier = yield* NodeCertificateVerifier.authorities([selfSigned.der])
      expect(yield* verdictOn(verifier, [selfSigned])).toEqual(acceptance)
      const below = issueLeaf({ by: selfSigned, name: "below" })
      expectRefused(yield* verdictOn(verifier, [below]), CertificateAlert.unknownCa, /is not a CA/)
    })
  )

  it.effect("must have keyCertSign, if it has a key usage at all", () =>
    Effect.gen(function* () {
      const silent = issueIntermediate({ by: root, extensions: [basicConstraints(true)] })
      expect(yield* underRoot([issueLeaf({ by: silent }), silent])).toEqual(acceptance)
      const mute = issueIntermediate({
        by: root,
        extensions: [basicConstraints(true), keyUsage(digitalSignature)]
      })
      const verdict = yield* underRoot([issueLeaf({ by: mute }), mute])
      expect(verdict).toMatchObject({ accepted: false, alert: CertificateAlert.unknownCa })
    })
  )

  it.effect("limits the path below it", () =>
    Effect.gen(function* () {
      const short = issueIntermediate({ by: root, name: "Short", extensions: caExtensions(0) })
      expect(yield* underRoot([issueLeaf({ by: short }), short])).toEqual(acceptance)
      const below = issueIntermediate({ by: short, name: "Below" })
      expectRefused(
        yield* underRoot([issueLeaf({ by: below }), below, short]),
        CertificateAlert.unknownCa,
        /Short allows 0 CAs below it, but there are 1/
      )
      // the same holds for the root
      const shortRoot = issueRoot({ name: "Short Root", extensions: caExtensions(0) })
      const verifier = yield* NodeCertificateVerifier.authorities([shortRoot.der])
      expect(yield* verdictOn(verifier, [issueLeaf({ by: shortRoot })])).toEqual(acceptance)
      const middle = issueIntermediate({ by: shortRoot })
      expect(yield* verdictOn(verifier, [issueLeaf({ by: middle }), middle])).toMatchObject({ alert: 48 })
    })
  )

  it.effect("cannot bypass its path length by a self-issued CA", () =>
    Effect.gen(function* () {
      const short = issueIntermediate({ by: root, name: "Short", extensions: caExtensions(0) })
      const below = issueIntermediate({ by: short, name: "Below" })
      // Below has issued a self-issued CA, which does not count, but Below itself still does
      const again = issueIntermediate({
        by: below,
        name: "Below",
        extensions: [...caExtensions(), ...otherKey]
      })
      const verdict = yield* underRoot([issueLeaf({ by: again }), again, below, short])
      expectRefused(verdict, CertificateAlert.unknownCa, /Short allows 0 CAs below it, but there are 1/)
    })
  )

  it.effect("may have issued a self-issued certificate, if that names its signing key", () =>
    Effect.gen(function* () {
      const renewed = (extensions: ReturnType<typeof caExtensions>) =>
        issueIntermediate({ by: intermediate, name: intermediate.name, extensions })
      const next = renewed([...caExtensions(), ...otherKey])
      expect(yield* underRoot([issueLeaf({ by: next }), next, intermediate])).toEqual(acceptance)
      // otherwise it counts as self-signed, as in OpenSSL: RFC 5280 §4.2.1.1
      const silent = renewed(caExtensions())
      const verdict = yield* underRoot([issueLeaf({ by: silent }), silent, intermediate])
      expectRefused(verdict, CertificateAlert.unknownCa, /is self-signed and not trusted/)
    })
  )

  it.effect("must allow the peer's role, if it has an extended key usage", () =>
    Effect.gen(function* () {
      const clientsOnly = issueIntermediate({
        by: root,
        extensions: [...caExtensions(), extendedKeyUsage(ExtendedKeyUsage.clientAuth)]
      })
      const chain = [issueLeaf({ by: clientsOnly }), clientsOnly]
      expect(yield* underRoot(chain, { role: "client" })).toEqual(acceptance)
      expectRefused(yield* underRoot(chain), CertificateAlert.unsupportedCertificate, /lacks serverAuth/)
      const forAll = issueIntermediate({
        by: root,
        extensions: [...caExtensions(), extendedKeyUsage("2.5.29.37.0")]
      })
      // as in OpenSSL
      expectRefused(yield* underRoot([issueLeaf({ by: forAll }), forAll]), 43, /lacks serverAuth/)
    })
  )
})

describe("a peer's own certificate", () => {
  it.effect("must allow the peer's role", () =>
    Effect.gen(function* () {
      const [base, , , names] = leafExtensions("example.org")
      const only = (use: string) => [
        issueLeaf({ by: root, extensions: [base, extendedKeyUsage(use), names] })
      ]
      const server = only(ExtendedKeyUsage.serverAuth)
      const client = only(ExtendedKeyUsage.clientAuth)
      expect(yield* underRoot(server, { role: "server" })).toEqual(acceptance)
      expect(yield* underRoot(client, { role: "client" })).toEqual(acceptance)
      expectRefused(yield* underRoot(server, { role: "client" }), 43, /not for a client.*lacks clientAuth/)
      expectRefused(yield* underRoot(client, { role: "server" }), 43, /not for a server.*lacks serverAuth/)
      expectRefused(yield* underRoot(only("1.3.6.1.5.5.7.3.3" /* code signing */)), 43, /lacks serverAuth/)
    })
  )

  it.effect("must allow signing, if it has a key usage", () =>
    Effect.gen(function* () {
      const [base, , uses, names] = leafExtensions("example.org")
      const keyEncipherment = issueLeaf({ by: root, extensions: [base, keyUsage(0x20), uses, names] })
      expectRefused(yield* underRoot([keyEncipherment]), 43, /lacks digitalSignature/)
      const silent = issueLeaf({ by: root, extensions: [subjectAltName(["example.org"])] })
      expect(yield* underRoot([silent])).toEqual(acceptance)
    })
  )

  it.effect("must have no unknown critical extension", () =>
    Effect.gen(function* () {
      const strange = (critical: boolean) =>
        extension("1.2.3.4", critical, Uint8Array.of(0x04, 0x01, 0x00).buffer)
      const chain = (critical: boolean) => [
        issueLeaf({ by: root, extensions: [...leafExtensions("example.org"), strange(critical)] })
      ]
      expect(yield* underRoot(chain(false))).toEqual(acceptance)
      expectRefused(yield* underRoot(chain(true)), 43, /unsupported critical extension/)
      const ca = issueIntermediate({ by: root, extensions: [...caExtensions(), strange(true)] })
      expectRefused(yield* underRoot([issueLeaf({ by: ca }), ca]), 43, /critical extension/)
    })
  )

  it.effect("must have each extension only once", () =>
    Effect.gen(function* () {
      const twice = issueLeaf({
        by: root,
        extensions: [...leafExtensions("example.com"), subjectAltName(["example.org"])]
      })
      expectRefused(yield* underRoot([twice]), CertificateAlert.badCertificate, /not a well-formed/)
    })
  )
})

describe("signatures and keys", () => {
  const kinds: ReadonlyArray<KeyKind> = ["ed25519", "p256", "p384", "p521", "rsa"]

  it.effect("of every kind in use verify, in every position", () =>
    Effect.gen(function* () {
      for (const kind of kinds) {
        const authority = issueRoot({ key: newKey(kind), name: `${kind} Root` })
        const verifier = yield* NodeCertificateVerifier.authorities([authority.der])
        const middle = issueIntermediate({ by: authority, key: newKey(kind) })
        for (const leafKind of kinds) {
          const chain = [issueLeaf({ by: middle, key: newKey(leafKind) }), middle]
          expect(yield* verdictOn(verifier, chain)).toEqual(acceptance)
        }
      }
    })
  )

  it.effect("by RSA-PSS verify, also with SHA-384", () =>
    Effect.gen(function* () {
      const authority = issueRoot({ key: newKey("rsa"), name: "PSS Root", pss: true })
      const verifier = yield* NodeCertificateVerifier.authorities([authority.der])
      for (const hash of ["sha256", "sha384"] as const) {
        for (const pss of [true, false]) {
          expect(yield* verdictOn(verifier, [issueLeaf({ by: authority, pss, hash })])).toEqual(acceptance)
        }
      }
    })
  )

  it.effect("with SHA-1 are rejected", () =>
    Effect.gen(function* () {
      const rsaRoot = issueRoot({ key: newKey("rsa"), name: "RSA Root" })
      const verifier = yield* NodeCertificateVerifier.authorities([rsaRoot.der, root.der])
      const weak = [
        issueLeaf({ by: root, hash: "sha1" }),
        issueLeaf({ by: rsaRoot, hash: "sha1" }),
        issueLeaf({ by: rsaRoot, hash: "sha1", pss: true })
      ]
      for (const one of weak) expectRefused(yield* verdictOn(verifier, [one]), 42, /algorithm too weak/)
    })
  )

  it.effect("by keys too short or of an unsupported kind are rejected", () =>
    Effect.gen(function* () {
      for (const kind of ["rsa1024", "secp256k1"] as const) {
        const weak = issueLeaf({ by: root, key: newKey(kind) })
        expectRefused(yield* underRoot([weak]), 43, /has an unsupported key/)
        const ca = issueIntermediate({ by: root, key: newKey(kind) })
        expectRefused(yield* underRoot([issueLeaf({ by: ca }), ca]), 43, /has an unsupported key/)
      }
    })
  )

  it.effect("are verified at most ten times per peer", () =>
    Effect.gen(function* () {
      const right = issueRoot({ name: "Many" })
      const one = issueLeaf({ by: right })
      const underTheNameAfter = (others: number) =>
        NodeCertificateVerifier.authorities([
          ...Array.from({ length: others }, () => issueRoot({ name: "Many" }).der),
          right.der
        ])
      expect(yield* verdictOn(yield* underTheNameAfter(9), [one])).toEqual(acceptance)
      const verdict = yield* verdictOn(yield* underTheNameAfter(10), [one])
      expectRefused(verdict, CertificateAlert.unknownCa, /no valid certificate path found/)
    })
  )

  it.effect("by RSA keys whose exponent is even, tiny or huge are rejected before any is verified", () =>
    Effect.gen(function* () {
      const key = newKey("rsa")
      for (const exponent of ["01", "010000", "0200000001", `7f${"ff".repeat(255)}`]) {
        const authority = issueIntermediate({ by: root, key, spki: withExponent(key, exponent) })
        const chain = [issueLeaf({ by: authority }), authority]
        expectRefused(yield* underRoot(chain), 43, /has an unsupported key/)
        const peer = issueLeaf({ by: root, key, spki: withExponent(key, exponent) })
        expectRefused(yield* underRoot([peer]), 43, /has an unsupported key/)
      }
      const usual = issueLeaf({ by: root, key, spki: withExponent(key, "010001") })
      expect(yield* underRoot([usual])).toEqual(acceptance)
    })
  )

  it.effect("fail when a single bit of any certificate is changed", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      for (const victim of [0, 1]) {
        for (let bit = 0; bit < leaf.der.length * 8; bit += 53) {
          const chain = [leaf.der, intermediate.der].map((der) => der.slice())
          if (bit >> 3 >= chain[victim].length) break
          chain[victim][bit >> 3] ^= 1 << (bit & 7)
          expect(yield* verdictOn(verifier, chain), `bit ${bit} of certificate ${victim}`).toMatchObject({
            accepted: false
          })
        }
      }
      const forged = leaf.der.slice()
      forged[forged.length - 5] ^= 1
      const verdict = yield* verdictOn(verifier, [forged, intermediate])
      expectRefused(verdict, 42, /does not match its issuer.s key/)
    })
  )
})
