import { describe, expect, it } from "@effect/vitest"
import { OctetString } from "asn1js"
import * as Effect from "effect/Effect"
import { GeneralName, GeneralSubtree, NameConstraints } from "pkijs"
import {
  addressBytes,
  extension,
  ExtensionOid,
  subjectAltName
} from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  caExtensions,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  verdictOn
} from "./certificateFactory.ts"

const root = issueRoot()

/** `10.0.0.0/255.0.0.0` is an address range, `@x` an e-mail host, everything else a DNS name. */
const subtree = (text: string) => {
  const range = /^([0-9a-f.:]+)\/([0-9a-f.:]+)$/.exec(text)
  const base = range
    ? new GeneralName({
        type: 7,
        value: new OctetString({
          valueHex: Uint8Array.from([...addressBytes(range[1]), ...addressBytes(range[2])]).buffer
        })
      })
    : text.startsWith("@")
      ? new GeneralName({ type: 1, value: text.slice(1) })
      : new GeneralName({ type: 2, value: text })
  return new GeneralSubtree({ base })
}

const constraints = (limits: { permitted?: ReadonlyArray<string>; excluded?: ReadonlyArray<string> }) =>
  extension(
    ExtensionOid.nameConstraints,
    true,
    new NameConstraints({
      ...(limits.permitted ? { permittedSubtrees: limits.permitted.map(subtree) } : {}),
      ...(limits.excluded ? { excludedSubtrees: limits.excluded.map(subtree) } : {})
    })
      .toSchema()
      .toBER()
  )

/** Whether a CA so constrained may vouch for these names. */
const allows = (limits: Parameters<typeof constraints>[0], hosts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const verifier = yield* Effect.orDie(NodeCertificateVerifier.authorities([root.der]))
    const ca = issueIntermediate({ by: root, extensions: [...caExtensions(), constraints(limits)] })
    const leaf = issueLeaf({ by: ca, extensions: leafExtensions(...hosts) })
    const verdict = yield* verdictOn(verifier, [leaf, ca], { serverName: undefined })
    if (!verdict.accepted)
      expect(verdict).toMatchObject({
        alert: 42,
        reason: expect.stringMatching(/is not allowed: its issuer/)
      })
    return verdict.accepted
  })

describe("name constraints of an authority (RFC 5280 §4.2.1.10)", () => {
  it.effect("permit host names at and below a domain", () =>
    Effect.gen(function* () {
      const limits = { permitted: ["example.org"] }
      expect(yield* allows(limits, ["example.org"])).toBe(true)
      expect(yield* allows(limits, ["a.b.EXAMPLE.org"])).toBe(true)
      expect(yield* allows(limits, ["*.example.org"])).toBe(true)
      expect(yield* allows(limits, ["notexample.org"])).toBe(false)
      expect(yield* allows(limits, ["example.org", "example.com"])).toBe(false)
      expect(yield* allows({ permitted: [".example.org"] }, ["example.org"])).toBe(false)
      expect(yield* allows({ permitted: [".example.org"] }, ["a.example.org"])).toBe(true)
      expect(yield* allows({ permitted: ["a.example.org"] }, ["*.example.org"])).toBe(false)
    })
  )

  it.effect("exclude host names, and wildcards that might stand for them", () =>
    Effect.gen(function* () {
      const limits = { excluded: ["secret.example.org"] }
      expect(yield* allows(limits, ["example.org"])).toBe(true)
      expect(yield* allows(limits, ["a.secret.example.org"])).toBe(false)
      expect(yield* allows(limits, ["*.example.org"])).toBe(false)
      expect(yield* allows(limits, ["*.example.com"])).toBe(true)
      expect(yield* allows({ permitted: ["example.org"], ...limits }, ["secret.example.org"])).toBe(false)
    })
  )

  it.effect("speak about address ranges", () =>
    Effect.gen(function* () {
      const limits = { permitted: ["10.0.0.0/255.0.0.0"] }
      expect(yield* allows(limits, ["10.1.2.3"])).toBe(true)
      expect(yield* allows(limits, ["11.1.2.3"])).toBe(false)
      expect(yield* allows(limits, ["::1"])).toBe(false)
      expect(yield* allows(limits, ["any.host"])).toBe(true)
      const six = { excluded: ["2001:db8::/ffff:ffff::"] }
      expect(yield* allows(six, ["2001:db8::7"])).toBe(false)
      expect(yield* allows(six, ["2001:db9::7"])).toBe(true)
    })
  )

  it.effect("hold for every certificate below, from the root too", () =>
    Effect.gen(function* () {
      const limited = issueRoot({
        name: "Limited Root",
        extensions: [...caExtensions(), constraints({ permitted: ["example.org"] })]
      })
      const verifier = yield* NodeCertificateVerifier.authorities([limited.der])
      const middle = issueIntermediate({ by: limited })
      const inside = issueLeaf({ by: middle })
      const outside = issueLeaf({ by: middle, extensions: leafExtensions("example.com") })
      expect(yield* verdictOn(verifier, [inside, middle])).toMatchObject({ accepted: true })
      expect(yield* verdictOn(verifier, [outside, middle], { serverName: "example.com" })).toMatchObject({
        accepted: false,
        reason: "certificate for example.com is not allowed: its issuer may not vouch for example.com"
      })
      const strayCa = issueIntermediate({
        by: limited,
        name: "Stray",
        extensions: [...caExtensions(), subjectAltName(["example.com"])]
      })
      expect(yield* verdictOn(verifier, [issueLeaf({ by: strayCa }), strayCa])).toMatchObject({
        accepted: false
      })
    })
  )

  it.effect("of a kind that is not understood bar only names of that kind", () =>
    Effect.gen(function* () {
      expect(yield* allows({ permitted: ["@example.org"] }, ["example.org"])).toBe(true)
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const ca = issueIntermediate({
        by: root,
        extensions: [...caExtensions(), constraints({ permitted: ["@example.org"] })]
      })
      const [base, usage, uses] = leafExtensions("example.org")
      const mail = extension(
        ExtensionOid.subjectAltName,
        false,
        Uint8Array.of(0x30, 0x05, 0x81, 0x03, 0x61, 0x40, 0x62).buffer // rfc822Name a@b
      )
      const leaf = issueLeaf({ by: ca, extensions: [base, usage, uses, mail] })
      expect(yield* verdictOn(verifier, [leaf, ca], { serverName: undefined })).toMatchObject({
        accepted: false,
        reason: expect.stringMatching(/a name of a kind that is not understood/)
      })
    })
  )

  it.effect("in absurd numbers are refused, not compared", () =>
    Effect.gen(function* () {
      const many = (count: number) => Array.from({ length: count }, (_, i) => `${i}.x`)
      const startedAt = performance.now()
      expect(yield* allows({ excluded: many(1500) }, ["a.example"])).toBe(true)
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const ca = issueIntermediate({
        by: root,
        extensions: [...caExtensions(), constraints({ excluded: many(1500) })]
      })
      const leaf = issueLeaf({ by: ca, extensions: leafExtensions(...many(1500).map((name) => `${name}y`)) })
      expect(yield* verdictOn(verifier, [leaf, ca], { serverName: undefined })).toMatchObject({
        accepted: false,
        reason: expect.stringMatching(/more names and name constraints than are worth comparing/)
      })
      expect(performance.now() - startedAt).toBeLessThan(5000)
    })
  )
})
