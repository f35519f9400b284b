import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CertificateVerifierShape } from "../../src/capability/CertificateVerifier.ts"
import * as Trust from "../../src/Trust.ts"
import { derElement } from "../../src/internal/der.ts"
import { extension, subjectAltName } from "../../layers/node/certificates/issueCertificate.ts"
import { Malformed } from "../../src/internal/DerReader.ts"
import { ParsedCertificate } from "../../layers/node/certificates/ParsedCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import { caExtensions, issueIntermediate, issueLeaf, issueRoot, newKey } from "./certificateFactory.ts"

const root = issueRoot({ notBefore: 0 })
const intermediate = issueIntermediate({ by: root, notBefore: 0 })
const leaf = issueLeaf({ by: intermediate, notBefore: 0 })

const x509 = Effect.runSync(NodeCertificateVerifier.authorities([root.der]))
const pinned = Effect.runSync(NodeCertificateVerifier.pinnedKeys(["00".repeat(32)]))
const everyVerifier = [x509, pinned, Trust.anyOf(x509, pinned, Trust.rawKeys([]))]

/** Every verdict is well-formed, and takes less than a second. */
const answersOrderly = (
  chain: ReadonlyArray<Uint8Array>,
  verifiers: ReadonlyArray<CertificateVerifierShape> = everyVerifier
): boolean => {
  for (const verifier of verifiers) {
    const startedAt = performance.now()
    const exit = Effect.runSyncExit(
      verifier.verify({ peer: { _tag: "x509", chain }, role: "server", serverName: "example.org" })
    )
    expect(performance.now() - startedAt).toBeLessThan(1000)
    if (Exit.isSuccess(exit)) return false
    expect(exit.cause.reasons).toEqual([expect.objectContaining({ _tag: "Fail" })])
  }
  return true
}

const certificates = [leaf.der, intermediate.der, root.der]

/** A real certificate with bytes changed, removed or inserted. */
const mutated = fc
  .tuple(
    fc.constantFrom(...certificates),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.option(fc.tuple(fc.nat(), fc.nat(40), fc.uint8Array({ maxLength: 40 })))
  )
  .map(([der, edits, splice]) => {
    const bytes = Array.from(der)
    for (const [at, value] of edits) bytes[at % bytes.length] = value
    if (splice !== null) bytes.splice(splice[0] % bytes.length, splice[1], ...splice[2])
    return Uint8Array.from(bytes)
  })

describe("hostile certificates", () => {
  it("of random bytes are rejected cleanly", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 12 }), (chain) =>
        answersOrderly(chain)
      ),
      { numRuns: 500 }
    )
  })

  it("that are damaged real ones are rejected cleanly", () => {
    fc.assert(
      fc.property(mutated, fc.nat(2), (damaged, position) => {
        const chain = certificates.slice()
        chain[position] = damaged
        // a damaged extra certificate next to a good path may pass, a damaged leaf or intermediate must not
        const untouched = certificates.some((der) => Buffer.compare(der, damaged) === 0)
        return answersOrderly(chain) || position === 2 || untouched
      }),
      { numRuns: 3000 }
    )
  })

  it("with random extension content and valid signatures are judged cleanly", () => {
    const ids = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.32", "2.5.29.35", "2.5.29.37"]
    const content = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc
        .array(fc.tuple(fc.constantFrom(0x02, 0x03, 0x30, 0x82, 0x87, 0xa0, 0xa1, 0xa4), fc.uint8Array()))
        .map((parts) =>
          derElement(0x30, ...parts.map(([tag, value]) => derElement(0x30, derElement(tag, value))))
        )
    )
    const rooted = issueRoot({ notBefore: 0, name: "Fuzz Root", key: newKey("ed25519") })
    const verifier = Effect.runSync(NodeCertificateVerifier.authorities([rooted.der]))
    const key = newKey("ed25519")
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...ids)), content, fc.boolean(), (some, value, critical) => {
        const extensions = some.map((id) => extension(id, critical, Uint8Array.from(value).buffer))
        const ca = issueIntermediate({
          by: rooted,
          notBefore: 0,
          key,
          extensions: [...caExtensions(), ...extensions]
        })
        answersOrderly([issueLeaf({ by: ca, notBefore: 0, key, extensions }).der, ca.der], [verifier])
      }),
      { numRuns: 1000 }
    )
  })

  it("that are large and deeply nested are rejected promptly", () => {
    const bombs = [
      new Uint8Array(65_536).fill(0x30),
      Uint8Array.from({ length: 65_536 }, (_, i) => (i % 2 ? 0x80 : 0x30)),
      new Uint8Array(65_536),
      Uint8Array.from({ length: 65_536 }, (_, i) => (i < 4 ? [0x30, 0x83, 0x00, 0xff][i] : 0xff)),
      new Uint8Array(65_537)
    ]
    for (const bomb of bombs) {
      expect(answersOrderly(Array<Uint8Array>(10).fill(bomb))).toBe(true)
      expect(answersOrderly([leaf.der, bomb])).toBe(true)
    }
    const manyNames = issueLeaf({
      by: intermediate,
      notBefore: 0,
      extensions: [subjectAltName(Array.from({ length: 4500 }, (_, i) => `host${i}.x`))]
    })
    expect(manyNames.der.length).toBeLessThan(65_536)
    expect(answersOrderly(Array<Uint8Array>(10).fill(manyNames.der))).toBe(true)
  })

  it("are not parsed as PEM, nor with leading or trailing bytes", () => {
    const pem = Buffer.from(
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(leaf.der).toString("base64")}\n-----END CERTIFICATE-----\n`
    )
    expect(ParsedCertificate.parse(leaf.der)).toBeInstanceOf(ParsedCertificate)
    expect(ParsedCertificate.parse(pem)).toBeInstanceOf(Malformed)
    expect(ParsedCertificate.parse(Uint8Array.of(...leaf.der, 0))).toBeInstanceOf(Malformed)
    expect(ParsedCertificate.parse(Uint8Array.of(0, ...leaf.der))).toBeInstanceOf(Malformed)
    expect(ParsedCertificate.parse(leaf.der.subarray(0, -1))).toBeInstanceOf(Malformed)
  })
})
