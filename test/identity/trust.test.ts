import { describe, expect, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import {
  CertificateRejected,
  CertificateVerifier,
  type CertificateVerifierShape
} from "../../src/capability/CertificateVerifier.ts"
import type { IdentityError } from "../../src/Identity.ts"
import * as PeerId from "../../src/PeerId.ts"
import * as Trust from "../../src/Trust.ts"
import { spkiOf } from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import {
  acceptance,
  day,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  newKey,
  now,
  refusal,
  verdictOn
} from "./certificateFactory.ts"

const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`

const rawVerdict = (verifier: CertificateVerifierShape, spki: Uint8Array) =>
  verifier
    .verify({ peer: { _tag: "rawPublicKey", spki }, role: "server", serverName: undefined })
    .pipe(Effect.match({ onSuccess: () => acceptance, onFailure: refusal }))

const root = issueRoot()
const leaf = issueLeaf({ by: root })

describe("explicit CAs", () => {
  it.effect("may be DER, PEM, or many in one PEM text", () =>
    Effect.gen(function* () {
      const other = issueRoot({ name: "Other Root" })
      const inputs = [
        [root.der],
        [pem(root.der)],
        [`# a bundle\n${pem(other.der)}\n${pem(root.der)}`],
        [other.der, pem(root.der)],
        root.der,
        `${pem(other.der)}${pem(root.der)}`
      ]
      for (const input of inputs) {
        const verifier = yield* NodeCertificateVerifier.authorities(input)
        expect(yield* verdictOn(verifier, [leaf])).toEqual(acceptance)
      }
    })
  )

  it.effect("that are neither text nor bytes are named, and so are pins", () =>
    Effect.gen(function* () {
      const { authorities, pinnedCertificates, pinnedKeys } = NodeCertificateVerifier
      const messageOf = (made: Effect.Effect<unknown, IdentityError>) =>
        Effect.map(Effect.flip(made), ({ message }) => message)
      for (const wrong of [undefined, 5, {}, new Set(["x"])] as unknown as ReadonlyArray<never>) {
        for (const make of [authorities, pinnedCertificates])
          expect(yield* messageOf(make(wrong))).toMatch(/^certificates: expected PEM text or DER bytes/)
        expect(yield* messageOf(pinnedKeys(wrong))).toMatch(/^keys: expected a SHA-256/)
      }
      expect(yield* messageOf(authorities([root.der, 5 as never]))).toMatch(/^certificates\.1: expected PEM/)
      expect(yield* messageOf(pinnedKeys([null as never]))).toMatch(/^keys\.0: expected/)
    })
  )

  it.effect("that are malformed cause a readable error", () =>
    Effect.gen(function* () {
      const garbage = yield* Effect.flip(NodeCertificateVerifier.authorities([Uint8Array.of(1, 2, 3)]))
      expect(garbage).toMatchObject({ _tag: "IdentityError", kind: "Malformed" })
      const empty = yield* Effect.flip(NodeCertificateVerifier.authorities(["nothing here"]))
      expect(empty.message).toBe("no -----BEGIN CERTIFICATE----- block in the PEM text")
      const damaged = yield* Effect.flip(
        NodeCertificateVerifier.authorities([pem(root.der.subarray(0, root.der.length - 3))])
      )
      expect(damaged.message).toBe("certificate 1 in the PEM text is damaged")
    })
  )

  it.effect("of the system do not include a private CA", () =>
    Effect.gen(function* () {
      const verifier = yield* CertificateVerifier
      expect(verifier.certificateTypes).toEqual(["x509"])
      expect(yield* verdictOn(verifier, [leaf, root])).toMatchObject({ accepted: false, alert: 48 })
      expect(yield* verdictOn(verifier, [issueLeaf({})])).toMatchObject({ accepted: false, alert: 48 })
    }).pipe(Effect.provide(NodeCertificateVerifier.layer))
  )
})

describe("a pinned certificate", () => {
  it.effect("is trusted without a CA, as long as it is valid and names the host", () =>
    Effect.gen(function* () {
      for (const keyType of ["p256", "ed25519"] as const) {
        yield* TestClock.setTime(now)
        const identity = yield* NodeIdentity.developmentCertificate({ keyType })
        const verifier = yield* NodeCertificateVerifier.pinnedCertificates(identity.chain)
        for (const serverName of ["localhost", "127.0.0.1", "::1"]) {
          expect(yield* verdictOn(verifier, identity.chain, { serverName })).toEqual(acceptance)
        }
        const asClient = { role: "client", serverName: undefined } as const
        expect(yield* verdictOn(verifier, identity.chain, asClient)).toEqual(acceptance)
        const named = yield* verdictOn(verifier, identity.chain, { serverName: "example.org" })
        expect(named).toMatchObject({ accepted: false, alert: 42 })
        const late = yield* verdictOn(verifier, identity.chain, {
          serverName: "localhost",
          at: now + 14 * day
        })
        expect(late).toMatchObject({ accepted: false, alert: 45 })
      }
    })
  )

  it.effect("is matched exactly: no other of the same name, key or issuer is trusted", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.pinnedCertificates([leaf.der])
      expect(yield* verdictOn(verifier, [leaf])).toEqual(acceptance)
      for (const other of [issueLeaf({ by: root }), issueLeaf({ by: root, key: leaf.key }), issueLeaf({})]) {
        expect(yield* verdictOn(verifier, [other])).toMatchObject({ accepted: false, alert: 46 })
        // nor does it help to add the pinned one
        expect(yield* verdictOn(verifier, [other, leaf])).toMatchObject({ accepted: false, alert: 46 })
      }
    })
  )
})

describe("a pinned key", () => {
  it.effect("may be a SubjectPublicKeyInfo or its SHA-256", () =>
    Effect.gen(function* () {
      const spki = spkiOf(leaf.key)
      const hex = createHash("sha256").update(spki).digest("hex")
      const colons = hex.toUpperCase().replace(/(..)(?=.)/g, "$1:")
      for (const pin of [spki, hex, `sha256:${hex}`, colons]) {
        const verifier = yield* NodeCertificateVerifier.pinnedKeys([pin])
        expect(yield* verdictOn(verifier, [leaf])).toEqual(acceptance)
        expect(yield* verdictOn(verifier, [issueLeaf({ key: leaf.key })])).toEqual(acceptance)
        const verdict = yield* verdictOn(verifier, [issueLeaf({ by: root })])
        expect(verdict).toMatchObject({ accepted: false, alert: 46 })
        expect(yield* verdictOn(verifier, [leaf], { serverName: "localhost" })).toMatchObject({ alert: 42 })
        expect(yield* verdictOn(verifier, [leaf], { at: now + 91 * day })).toMatchObject({ alert: 45 })
      }
      const wrong = yield* Effect.flip(NodeCertificateVerifier.pinnedKeys(["abc"]))
      expect(wrong.message).toBe('a pinned key must be a SHA-256 of 64 hex digits, not "abc"')
    })
  )
})

describe("raw public keys (RFC 7250)", () => {
  const known = spkiOf(newKey("ed25519"))
  const unknown = spkiOf(newKey("ed25519"))

  it.effect("are trusted when listed, by key or by PeerId", () =>
    Effect.gen(function* () {
      for (const key of [known, PeerId.fromSpki(known)]) {
        const verifier = Trust.rawKeys([key])
        expect(verifier.certificateTypes).toEqual(["rawPublicKey"])
        expect(yield* rawVerdict(verifier, known)).toEqual(acceptance)
        expect(yield* rawVerdict(verifier, unknown)).toEqual({
          accepted: false,
          alert: 46,
          reason: `the key of peer ${PeerId.fromSpki(unknown)} is not among the known ones`
        })
      }
      expect(yield* rawVerdict(Trust.rawKeys([]), known)).toMatchObject({ accepted: false })
    })
  )

  it.effect("are trusted by a function whose answer may change", () =>
    Effect.gen(function* () {
      const members = new Set<PeerId.PeerId>()
      const verifier = Trust.rawKeysWhere((peerId) => members.has(peerId))
      expect(yield* rawVerdict(verifier, known)).toMatchObject({ accepted: false })
      members.add(PeerId.fromSpki(known))
      expect(yield* rawVerdict(verifier, known)).toEqual(acceptance)
      expect(yield* rawVerdict(Trust.anyRawKey, unknown)).toEqual(acceptance)
    })
  )

  it.effect("are rejected where certificates are expected, and the other way round", () =>
    Effect.gen(function* () {
      for (const verifier of [
        yield* NodeCertificateVerifier.authorities([root.der]),
        yield* NodeCertificateVerifier.pinnedKeys([known])
      ]) {
        expect(yield* rawVerdict(verifier, known)).toMatchObject({ accepted: false, alert: 43 })
      }
      const verdict = yield* verdictOn(Trust.rawKeys([spkiOf(leaf.key)]), [leaf])
      expect(verdict).toMatchObject({ accepted: false, alert: 43 })
    })
  )
})

describe("combined verifiers", () => {
  const spki = spkiOf(newKey("ed25519"))

  it.effect("by anyOf accept what one of them accepts, and offer the certificate types of all", () =>
    Effect.gen(function* () {
      const other = issueLeaf({})
      const verifier = Trust.anyOf(
        Trust.rawKeys([spki]),
        yield* NodeCertificateVerifier.authorities([root.der]),
        yield* NodeCertificateVerifier.pinnedCertificates([other.der])
      )
      expect(verifier.certificateTypes).toEqual(["rawPublicKey", "x509"])
      expect(yield* rawVerdict(verifier, spki)).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [leaf])).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [other])).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [issueLeaf({})])).toMatchObject({ accepted: false })
      expect(yield* rawVerdict(verifier, spkiOf(newKey()))).toMatchObject({ accepted: false, alert: 46 })
    })
  )

  it.effect("by anyOf report what is wrong with a peer rather than that another does not know it", () =>
    Effect.gen(function* () {
      const tampered = leaf.der.slice()
      tampered[tampered.length - 5] ^= 1
      const knows = yield* NodeCertificateVerifier.authorities([root.der])
      const doesNot = yield* NodeCertificateVerifier.pinnedCertificates([leaf.der])
      for (const verifier of [Trust.anyOf(knows, doesNot), Trust.anyOf(doesNot, knows)]) {
        expect((yield* verdictOn(verifier, [tampered])).reason).toMatch(/signature/)
      }
    })
  )

  it.effect("by allOf accept only what all of them accept", () =>
    Effect.gen(function* () {
      const verifier = Trust.allOf(
        yield* NodeCertificateVerifier.authorities([root.der]),
        yield* NodeCertificateVerifier.pinnedKeys([spkiOf(leaf.key)])
      )
      expect(yield* verdictOn(verifier, [leaf])).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [issueLeaf({ by: root })])).toMatchObject({ alert: 46 })
      expect(yield* verdictOn(verifier, [issueLeaf({ key: leaf.key })])).toMatchObject({ alert: 48 })
      const never = Trust.allOf(Trust.rawKeys([spki]), verifier)
      expect(never.certificateTypes).toEqual([])
      expect(yield* rawVerdict(never, spki)).toMatchObject({ accepted: false, alert: 43 })
    })
  )
})

describe("trusting anyone", () => {
  it.effect("must be requested by name, and is logged as a warning", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${message}`))
    return Effect.gen(function* () {
      const verifier = yield* CertificateVerifier
      expect(verifier.certificateTypes).toEqual(["x509", "rawPublicKey"])
      expect(yield* verdictOn(verifier, [issueLeaf({})], { serverName: "anything" })).toEqual(acceptance)
      expect(lines).toEqual([expect.stringMatching(/^Warn .*accepts any peer without verifying/)])
    }).pipe(Effect.provide(Trust.layerInsecureAcceptsAnyPeer), Effect.provide(Logger.layer([logger])))
  })
})

describe("a rejection", () => {
  it("reads as its reason", () => {
    const refused = new CertificateRejected({ alert: 48, reason: "who is that?" })
    expect(String(refused)).toContain("who is that?")
    expect(refused.message).toBe("who is that?")
  })
})

describe("CAs that issued each other's certificates", () => {
  it.effect("are each trusted only if explicitly given", () =>
    Effect.gen(function* () {
      const a = issueRoot({ name: "A" })
      const b = issueRoot({ name: "B" })
      const bByA = issueIntermediate({ name: "B", key: b.key, by: a })
      const byB = issueLeaf({ by: b })
      const verifier = yield* NodeCertificateVerifier.authorities([a.der])
      expect(yield* verdictOn(verifier, [byB, b])).toMatchObject({ accepted: false, alert: 48 })
      expect(yield* verdictOn(verifier, [byB, b, bByA])).toEqual(acceptance)
    })
  )
})
