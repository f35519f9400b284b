/**
 * A second opinion: pkijs accepts every path we accept. The reverse does not hold, which is why its engine is not the
 * reference: it ignores path lengths, the leaf's key usage, extended key usage, and the strength of keys and hashes,
 * does not support Ed25519, and does not terminate on CAs that have cross-signed in a cycle.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Effect from "effect/Effect"
import { Certificate, CertificateChainValidationEngine } from "pkijs"
import { basicConstraints, keyUsage } from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import {
  caExtensions,
  day,
  digitalSignature,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  newKey,
  now,
  verdictOn,
  type Issued
} from "./certificateFactory.ts"

const key = newKey()
const keys = [key, newKey(), newKey("p384")]

/** A path of one to four CAs, each with at most one fault. */
const authority = fc.record({
  key: fc.constantFrom(...keys),
  fault: fc.constantFrom(
    "none",
    "none",
    "none",
    "none",
    "notCa",
    "noCertSign",
    "short",
    "expired",
    "badSignature"
  )
})
type Authority = typeof authority extends fc.Arbitrary<infer A> ? A : never

const build = (authorities: ReadonlyArray<Authority>): ReadonlyArray<Issued> => {
  const issued: Array<Issued> = []
  for (const [i, { key, fault }] of authorities.entries()) {
    const above = issued.at(-1)
    const wish = {
      name: `CA ${i}`,
      key,
      notBefore: now - 30 * day,
      ...(fault === "expired" ? { notAfter: now - day } : {}),
      ...(fault === "notCa" ? { extensions: [basicConstraints(false)] } : {}),
      ...(fault === "noCertSign" ? { extensions: [basicConstraints(true), keyUsage(digitalSignature)] } : {}),
      ...(fault === "short" ? { extensions: caExtensions(0) } : {})
    }
    if (above === undefined) issued.push(issueRoot(wish))
    else {
      const by = fault === "badSignature" ? { ...above, key: newKey() } : above
      issued.push(issueIntermediate({ ...wish, by }))
    }
  }
  return issued
}

const secondOpinion = async (root: Issued, chain: ReadonlyArray<Issued>): Promise<boolean> => {
  const engine = new CertificateChainValidationEngine({
    trustedCerts: [Certificate.fromBER(root.der)],
    // its engine expects the leaf last
    certs: chain.toReversed().map(({ der }) => Certificate.fromBER(der)),
    checkDate: new Date(now)
  })
  return (await engine.verify()).result
}

describe("a second opinion", () => {
  it.effect("on paths with and without faults agrees with every acceptance", () =>
    Effect.gen(function* () {
      const seen = { accepted: 0, refused: 0 }
      const paths = fc.sample(fc.array(authority, { minLength: 1, maxLength: 4 }), { numRuns: 150, seed: 7 })
      for (const path of paths) {
        const [root, ...below] = build(path)
        const chain = [issueLeaf({ by: below.at(-1) ?? root }), ...below.toReversed()]
        const verifier = yield* NodeCertificateVerifier.authorities([root.der])
        const { accepted } = yield* verdictOn(verifier, chain)
        const second = yield* Effect.promise(() => secondOpinion(root, chain))
        const label = path.map(({ fault }) => fault).join(" > ")
        if (accepted) expect(second, label).toBe(true)
        const flawless = path.every(({ fault }, i) =>
          fault === "short"
            ? i === path.length - 1
            : fault === "none" || (fault === "badSignature" && i === 0)
        )
        expect(accepted, label).toBe(flawless)
        seen[accepted ? "accepted" : "refused"]++
      }
      expect(seen.accepted).toBeGreaterThan(20)
      expect(seen.refused).toBeGreaterThan(20)
    })
  )
})
