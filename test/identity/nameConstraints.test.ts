import { describe, expect, it } from "@effect/vitest"
import { OctetString } from "asn1js"
import * as Effect from "effect/Effect"
import { GeneralName, GeneralSubtree, NameConstraints } from "pkijs"
import { parseIp } from "../../src/wire/ipAddress.ts"
import { DerTag, derElement } from "../../src/internal/der.ts"
import {
  extension,
  ExtensionOid,
  keyUsage,
  subjectAltName
} from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  acceptance,
  caExtensions,
  digitalSignature,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  verdictOn
} from "./certificateFactory.ts"

const root = issueRoot()

/** `10.0.0.0/255.0.0.0` is an address range, `@x` an e-mail host, anything else a DNS name. */
const subtree = (text: string) => {
  const range = /^([0-9a-f.:]+)\/([0-9a-f.:]+)$/.exec(text)
  const base = range
    ? new GeneralName({
        type: 7,
        value: new OctetString({
          valueHex: Uint8Array.from([range[1], range[2]].flatMap((address) => [...parseIp(address)!.bytes]))
            .buffer
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

/** Whether a CA with these constraints may issue for these names. */
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

describe("name constraints of a CA (RFC 5280 §4.2.1.10)", () => {
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

  it.effect("cover address ranges", () =>
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

  it.effect("apply to every certificate below, also from the root", () =>
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
        reason:
          "certificate for example.com is not allowed: its issuer's constraints do not permit example.com"
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

  describe("that exclude a directory name", () => {
    /** A subject with one attribute, optionally with another in front of it or in the same RDN. */
    const nameOf = (value: Uint8Array, ...beside: ReadonlyArray<Uint8Array>) =>
      derElement(DerTag.sequence, derElement(DerTag.set, attributeOf(organization, value), ...beside))
    const organization = Uint8Array.of(0x55, 0x04, 0x0a)
    const attributeOf = (type: Uint8Array, value: Uint8Array) =>
      derElement(DerTag.sequence, derElement(DerTag.objectIdentifier, type), value)
    const utf8 = (value: string) => derElement(0x0c, Buffer.from(value))
    const wide = (tag: number, size: number, value: string) =>
      derElement(
        tag,
        Uint8Array.from([...value].flatMap((one) => [0, 0, 0, one.codePointAt(0)!].slice(4 - size)))
      )

    const limited = (name: Uint8Array, group = 0xa1) =>
      extension(
        ExtensionOid.nameConstraints,
        true,
        Uint8Array.from(
          derElement(DerTag.sequence, derElement(group, derElement(DerTag.sequence, derElement(0xa4, name))))
        ).buffer
      )

    /** Whether a CA that must not issue for `O=Évil Corp` may issue for a certificate that also has this name. */
    const vouchesFor = (name: Uint8Array, barred = nameOf(utf8("Évil Corp"))) =>
      Effect.gen(function* () {
        const verifier = yield* Effect.orDie(NodeCertificateVerifier.authorities([root.der]))
        const ca = issueIntermediate({ by: root, extensions: [...caExtensions(), limited(barred)] })
        const also = extension(
          ExtensionOid.subjectAltName,
          false,
          Uint8Array.from(derElement(DerTag.sequence, derElement(0xa4, name))).buffer
        )
        const extensions = [...leafExtensions("example.org").slice(0, 3), also]
        const leaf = issueLeaf({ by: ca, extensions })
        const verdict = yield* verdictOn(verifier, [leaf, ca], { serverName: undefined })
        if (!verdict.accepted) {
          expect(verdict).toMatchObject({
            alert: 42,
            reason: expect.stringMatching(/its issuer's constraints exclude its subject/)
          })
        }
        return verdict.accepted
      })

    it.effect("exclude it in every string type", () =>
      Effect.gen(function* () {
        expect(yield* vouchesFor(nameOf(utf8("Évil Corp")))).toBe(false)
        expect(yield* vouchesFor(nameOf(wide(0x1e, 2, "Évil Corp")))).toBe(false) // BMPString
        expect(yield* vouchesFor(nameOf(wide(0x1c, 4, "Évil Corp")))).toBe(false) // UniversalString
        expect(yield* vouchesFor(nameOf(wide(0x14, 1, "Évil Corp")))).toBe(false) // TeletexString
        expect(yield* vouchesFor(nameOf(wide(0x13, 1, "Evil Corp")), nameOf(utf8("evil corp")))).toBe(false)
        expect(yield* vouchesFor(nameOf(wide(0x12, 1, "12")), nameOf(utf8("12")))).toBe(false) // NumericString
        expect(yield* vouchesFor(nameOf(wide(0x1e, 2, "Good Corp")))).toBe(true)
      })
    )

    it.effect("exclude its look-alikes", () =>
      Effect.gen(function* () {
        for (const name of [
          "évil corp",
          "E\u0301VIL  CORP",
          " Évil\u00a0Corp",
          "É\u200bvil Corp",
          "Ｅ\u0301vil Corp"
        ]) {
          expect(yield* vouchesFor(nameOf(utf8(name))), JSON.stringify(name)).toBe(false)
        }
        expect(yield* vouchesFor(nameOf(utf8("Évil Corps")))).toBe(true)
      })
    )

    it.effect("exclude it in a multi-valued RDN, and a name that is not text", () =>
      Effect.gen(function* () {
        const unit = attributeOf(Uint8Array.of(0x55, 0x04, 0x0b), utf8("Unit"))
        expect(yield* vouchesFor(nameOf(utf8("Évil Corp"), unit))).toBe(false)
        expect(yield* vouchesFor(nameOf(derElement(DerTag.bitString, Uint8Array.of(0, 1))))).toBe(false)
      })
    )

    it.effect("do not permit a mere look-alike of a permitted name", () =>
      Effect.gen(function* () {
        const verifier = yield* NodeCertificateVerifier.authorities([root.der])
        const common = (value: string) =>
          derElement(
            DerTag.sequence,
            derElement(DerTag.set, attributeOf(Uint8Array.of(0x55, 0x04, 0x03), utf8(value)))
          )
        const ca = issueIntermediate({
          by: root,
          extensions: [...caExtensions(), limited(common("Épicerie"), 0xa0)]
        })
        const accepted = (name: string) =>
          Effect.map(verdictOn(verifier, [issueLeaf({ by: ca, name }), ca]), (verdict) => verdict.accepted)
        expect(yield* accepted("Épicerie")).toBe(true)
        expect(yield* accepted(" ÉPICERIE")).toBe(true)
        expect(yield* accepted("épicerie")).toBe(false)
        expect(yield* accepted("É\u200bpicerie")).toBe(false)
      })
    )
  })

  it.effect("cover the common name of a leaf without other host names, and its e-mail address", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const limits = constraints({ permitted: ["example.org"] })
      const ca = issueIntermediate({ by: root, extensions: [...caExtensions(), limits] })
      const client = (name: string) =>
        verdictOn(verifier, [issueLeaf({ by: ca, name, extensions: [keyUsage(digitalSignature)] }), ca], {
          role: "client",
          serverName: undefined
        })
      expect(yield* client("a.example.org")).toEqual(acceptance)
      expect(yield* client("Example Client")).toEqual(acceptance)
      expect(yield* client("a.example.com")).toMatchObject({
        reason: expect.stringMatching(/constraints do not permit a/)
      })
      expect(yield* client("a.example.org\0b")).toMatchObject({
        reason: expect.stringMatching(/cannot be compared/)
      })
    })
  )

  it.effect("of an unsupported type exclude only names of that type", () =>
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
        reason: expect.stringMatching(/a name of an unsupported kind/)
      })
    })
  )

  it.effect("in absurd numbers are rejected without comparing", () =>
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
        reason: expect.stringMatching(/too many names and name constraints/)
      })
      expect(performance.now() - startedAt).toBeLessThan(5000)
    })
  )
})
