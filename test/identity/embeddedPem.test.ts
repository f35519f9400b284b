/** A certificate that contains another one as PEM text is judged as itself, never as what it contains. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readCertificate } from "../../src/internal/certificate.ts"
import { DerTag, derElement } from "../../src/internal/der.ts"
import { extension } from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  acceptance,
  type Issued,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  caExtensions,
  newKey,
  verdictOn
} from "./certificateFactory.ts"

const pem = (der: Uint8Array): string =>
  `\n-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`

const carrying = (der: Uint8Array) =>
  extension("1.3.6.1.4.1.99999.1", false, Uint8Array.from(derElement(0x04, Buffer.from(pem(der)))).buffer)

/** `attacker` with PEM text as its signature. */
const withSignature = (attacker: Uint8Array, victim: Uint8Array): Uint8Array => {
  const { tbs, signatureAlgorithm } = readCertificate(attacker)!
  const signed = attacker.subarray(tbs.start, signatureAlgorithm.end)
  return derElement(
    DerTag.sequence,
    signed,
    derElement(DerTag.bitString, Uint8Array.of(0), Buffer.from(pem(victim)))
  )
}

/** The attacker's certificates that contain `victim`, by location. */
const impostors = (victim: Uint8Array, isCa: boolean): ReadonlyArray<readonly [string, Issued]> => {
  const key = newKey("ed25519")
  const extensions = isCa ? caExtensions() : leafExtensions("example.org")
  const own = issueLeaf({ key, extensions })
  return [
    ["an extension", issueLeaf({ key, extensions: [...extensions, carrying(victim)] })],
    ["the subject", issueLeaf({ key, extensions, name: pem(victim) })],
    [
      "the issuer",
      issueLeaf({ key, extensions, by: issueRoot({ name: pem(victim), key: newKey("ed25519") }) })
    ],
    ["the signature", { ...own, der: withSignature(own.der, victim) }],
    ["bytes behind the end", { ...own, der: Buffer.concat([own.der, Buffer.from(pem(victim))]) }]
  ]
}

const root = issueRoot()
const intermediate = issueIntermediate({ by: root })
const victim = issueLeaf({ by: intermediate })
const clients = { role: "client", serverName: undefined } as const

describe("another certificate as PEM in", () => {
  it.effect("an extension of a trusted certificate does not change it", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const extensions = [...leafExtensions("example.net"), carrying(victim.der)]
      const odd = issueLeaf({ by: root, extensions })
      expect(yield* verdictOn(verifier, [odd], { serverName: "example.net" })).toEqual(acceptance)
      expect(yield* verdictOn(verifier, [odd])).toMatchObject({
        reason: "certificate for example.net is not valid for example.org"
      })
    })
  )

  for (const [place, impostor] of impostors(victim.der, false)) {
    it.effect(`${place} of a leaf does not impersonate the other`, () =>
      Effect.gen(function* () {
        const authorities = yield* NodeCertificateVerifier.authorities([root.der])
        expect(yield* verdictOn(authorities, [victim, intermediate])).toEqual(acceptance)
        for (const verifier of [
          authorities,
          yield* NodeCertificateVerifier.pinnedCertificates([victim.der])
        ]) {
          expect(yield* verdictOn(verifier, [impostor, intermediate])).toMatchObject({ accepted: false })
          expect(yield* verdictOn(verifier, [impostor, intermediate], clients)).toMatchObject({
            accepted: false
          })
        }
      })
    )
  }

  for (const [place, impostor] of impostors(root.der, false)) {
    it.effect(`${place} of a leaf does not make it the trusted CA`, () =>
      Effect.gen(function* () {
        const verifier = yield* NodeCertificateVerifier.authorities([root.der])
        expect(yield* verdictOn(verifier, [impostor], clients)).toMatchObject({ accepted: false })
      })
    )
  }

  for (const [place, impostor] of impostors(intermediate.der, true)) {
    it.effect(`${place} of an intermediate does not make it a CA`, () =>
      Effect.gen(function* () {
        const verifier = yield* NodeCertificateVerifier.authorities([root.der])
        const leaf = issueLeaf({ by: impostor })
        expect(yield* verdictOn(verifier, [leaf, impostor, intermediate])).toMatchObject({ accepted: false })
      })
    )
  }

  for (const [place, impostor] of impostors(root.der, true)) {
    it.effect(`${place} of a root, trusted or shown, does not add the other`, () =>
      Effect.gen(function* () {
        const shown = yield* NodeCertificateVerifier.authorities([root.der])
        const leaf = issueLeaf({ by: impostor })
        expect(yield* verdictOn(shown, [leaf, impostor])).toMatchObject({ accepted: false })
        const trusted = yield* Effect.exit(NodeCertificateVerifier.authorities([impostor.der]))
        if (trusted._tag === "Success") {
          expect(yield* verdictOn(trusted.value, [victim, intermediate])).toMatchObject({ accepted: false })
        }
      })
    )
  }
})
