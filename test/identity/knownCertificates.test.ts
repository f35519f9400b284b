/** What is remembered of peers that were accepted, and what is asked again all the same. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { KnownCertificates } from "../../layers/node/certificates/KnownCertificates.ts"
import { ParsedCertificate } from "../../layers/node/certificates/ParsedCertificate.ts"
import { Recent } from "../../src/internal/Recent.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  acceptance,
  day,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  leafExtensions,
  now,
  verdictOn
} from "./certificateFactory.ts"

const root = issueRoot()
const intermediate = issueIntermediate({ by: root })
const leaf = issueLeaf({ by: intermediate })
const chain = [leaf, intermediate]

const parsed = (der: Uint8Array): ParsedCertificate => ParsedCertificate.parse(der) as ParsedCertificate

describe("a peer that was accepted", () => {
  it.effect("is asked for its dates, its name and its use again", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      for (let i = 0; i < 2; i++) expect(yield* verdictOn(verifier, chain)).toEqual(acceptance)
      expect((yield* verdictOn(verifier, chain, { at: now + 91 * day })).reason).toContain("expired")
      expect((yield* verdictOn(verifier, chain, { serverName: "example.com" })).reason).toContain(
        "not valid for example.com"
      )
      expect((yield* verdictOn(verifier, [leaf])).reason).toContain("untrusted CA")
      expect(yield* verdictOn(verifier, chain, { role: "client" })).toEqual(acceptance)
      const stranger = issueLeaf({ by: issueIntermediate({ by: issueRoot() }) })
      expect((yield* verdictOn(verifier, [stranger, intermediate])).accepted).toBe(false)
      expect(yield* verdictOn(verifier, chain)).toEqual(acceptance)
    })
  )

  it.effect("stays known by the bytes it sent, whatever becomes of them", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const sent = [Uint8Array.from(leaf.der), Uint8Array.from(intermediate.der)]
      expect(yield* verdictOn(verifier, sent)).toEqual(acceptance)
      for (const bytes of sent) bytes.fill(0)
      expect((yield* verdictOn(verifier, sent)).reason).toContain("not a well-formed")
      expect(yield* verdictOn(verifier, chain)).toEqual(acceptance)
    })
  )
})

describe("known certificates", () => {
  it("are parsed once, after they were accepted", () => {
    const known = new KnownCertificates()
    expect(known.parse(leaf.der)).not.toBe(known.parse(leaf.der))
    known.remember([parsed(leaf.der)])
    expect(known.parse(Uint8Array.from(leaf.der))).toBe(known.parse(leaf.der))
    const changed = Uint8Array.from(leaf.der)
    changed[changed.length - 1] ^= 1
    expect(known.parse(changed)).not.toBe(known.parse(leaf.der))
  })

  it("are at most 64, the recent ones, and none of more than 4096 bytes", () => {
    const known = new KnownCertificates()
    const large = issueLeaf({ extensions: leafExtensions(...new Array(400).fill("example.org")) })
    expect(large.der.length).toBeGreaterThan(4096)
    known.remember([parsed(large.der)])
    expect(known.size).toBe(0)
    known.remember([parsed(leaf.der)])
    const first = known.parse(leaf.der)
    for (let i = 0; i < 80; i++) {
      known.remember([parsed(issueLeaf({ by: root }).der)])
      if (i === 40) expect(known.parse(leaf.der)).toBe(first)
    }
    expect(known.size).toBe(64)
    expect(known.parse(leaf.der)).toBe(first) // it was used since
    known.remember(Array.from({ length: 64 }, () => parsed(issueLeaf({ by: root }).der)))
    expect(known.parse(leaf.der)).not.toBe(first)
  })

  it("are signed by who they were found to be signed by, and by nobody else", () => {
    const [below, above] = [parsed(leaf.der), parsed(intermediate.der)]
    for (let i = 0; i < 2; i++) {
      expect(below.isSignedBy(above)).toBe(true)
      expect(below.isSignedBy(parsed(root.der))).toBe(false)
      expect(above.isSignedBy(below)).toBe(false)
    }
  })
})

describe("what is recent", () => {
  it("is bounded, and used values stay", () => {
    const recent = new Recent<number>(3)
    for (const i of [1, 2, 3]) recent.set(String(i), i)
    recent.get("1")
    recent.set("4", 4)
    expect(["1", "2", "3", "4"].map((key) => recent.get(key))).toEqual([1, undefined, 3, 4])
    recent.set("4", 5)
    expect([recent.size, recent.get("4")]).toEqual([3, 5])
  })
})
