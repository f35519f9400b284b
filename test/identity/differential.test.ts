/**
 * Unusual chains (`PROPERTY_RUNS`, default 600) judged by us and by `openssl verify`. What OpenSSL rejects, we reject; where we are
 * stricter, the reason is listed here.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { certificateSpki } from "../../src/internal/certificate.ts"
import { Malformed } from "../../src/internal/DerReader.ts"
import { ParsedCertificate } from "../../layers/node/certificates/ParsedCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import { verdictOn, type Verdict } from "./certificateFactory.ts"
import { type MutatedChain, mutatedChain } from "./mutatedChains.ts"
import { opensslVerdict } from "./openssl.ts"

const chains = Number(process.env.PROPERTY_RUNS ?? 600)

/** The reason for a part of a certificate that cannot be parsed. */
const unreadable = (part: string) =>
  new RegExp(`not a well-formed X.509 certificate: its ${part} cannot be read`)

/** Where we are stricter, and why. */
const stricter: ReadonlyArray<readonly [reason: RegExp, why: string]> = [
  [
    unreadable("outline"),
    `DER has one length for everything, and nothing behind the end (X.690 §10.1); version 1 is not written, extensions need
     version 3, unique identifiers version 2 (RFC 5280 §4.1.2.1, §4.1.2.8); a list of extensions is the last of the fields`
  ],
  [unreadable("signature algorithm"), "RFC 5758 §3.2 and RFC 8410 §3: there are no parameters"],
  [unreadable("(issuer|subject)"), "DER lengths; no level of a name is empty; an ASCII string holds ASCII"],
  [unreadable("validity"), "DER lengths"],
  [
    unreadable("extensions"),
    "DER lengths, and booleans of one value; no extension comes twice (RFC 5280 §4.2)"
  ],
  [
    unreadable(
      "(basic constraints|key usage|extended key usage|subject key identifier|authority key identifier)"
    ),
    "DER lengths, bits that are not used are zero, nothing behind the value, at least one purpose"
  ],
  [
    unreadable("(alternative names|CRL distribution points|name constraints)"),
    `at least one name, of which an address has 4 bytes or 16, text is ASCII, and none is an x400Address or ediPartyName (RFC 5280
     §4.2.1.6); of name constraints, minimum and maximum are not written (§4.2.1.10)`
  ],
  [
    /has an unsupported key/,
    "RSA has 2048 bits or more; every key has its one encoding, on a curve that TLS 1.3 has"
  ],
  [
    /algorithm too weak to trust/,
    "RFC 8446 §4.4.2.4: nothing older than SHA-256, nor PSS with its default, SHA-1"
  ],
  [
    /unsupported critical extension/,
    "policies are not processed, and Netscape's type is not enough to go by"
  ],
  [/is for (a proxy|an address holder)/, "RFC 3779 and RFC 3820 have paths of their own"],
  [
    /is not a CA/,
    "RFC 5280 §4.2.1.9: version 1 roots, and what has a key usage but no basic constraints, are no CAs"
  ],
  [/lacks digitalSignature/, "RFC 8446 §4.4.2.2: TLS 1.3 only signs"],
  [
    /constraints exclude (\*|its subject|a name of an unsupported kind)/,
    "what an excluded name might mean is excluded with it"
  ],
  [
    /constraints do not permit a name of an unsupported kind/,
    "e-mail addresses, URIs and others are not compared, hence not permitted"
  ],
  [/is not valid for/, "RFC 9525 §2, §6.3: the common name does not count, nor does part of a label's star"],
  [/contains names that cannot be compared/, "an e-mail address in a subject is an IA5String"]
]

const ourVerdict = ({ root, shown, ...options }: MutatedChain): Effect.Effect<Verdict> =>
  NodeCertificateVerifier.authorities([root]).pipe(
    Effect.flatMap((verifier) => verdictOn(verifier, shown, options)),
    Effect.catch((error) => Effect.succeed({ accepted: false, alert: undefined, reason: error.message }))
  )

/**
 * Whether OpenSSL finds a path through some of the given certificates. It follows one path without backtracking, and
 * fails on an unrelated certificate that it cannot parse.
 */
const acceptsSome = async (chain: MutatedChain): Promise<string> => {
  const [leaf, ...others] = chain.shown
  let text = ""
  for (let chosen = 2 ** others.length - 1; chosen >= 0; chosen--) {
    const verdict = await opensslVerdict(chain, [leaf, ...others.filter((_, i) => (chosen >> i) & 1)])
    if (verdict.accepted) return ""
    text ||= verdict.text
  }
  return text
}

interface Comparison {
  readonly label: string
  readonly accepted: boolean
  /** OpenSSL's reason, if only we accepted. */
  readonly missed: string
  /** Our reason, if only OpenSSL accepted. */
  readonly beyond: string
}

const compare = (chain: MutatedChain, seed: number, ours: Verdict): Effect.Effect<Comparison> =>
  Effect.promise(async () => {
    const { accepted, reason } = ours
    const label = `chain ${seed}: ${chain.applied.join(", ")}`
    if (accepted) return { label, accepted, missed: await acceptsSome(chain), beyond: "" }
    const openssl = await opensslVerdict(chain, chain.shown)
    return { label, accepted, missed: "", beyond: openssl.accepted ? reason : "" }
  })

describe("mutated chains", () => {
  it.effect(
    "are rejected by us if OpenSSL rejects them, and otherwise only for listed reasons",
    () =>
      Effect.gen(function* () {
        const mutated = Array.from({ length: chains }, (_, seed) => mutatedChain(seed))
        // sequentially: they share a clock, and each sets it
        const verdicts = yield* Effect.forEach(mutated, ourVerdict)
        const comparisons = yield* Effect.forEach(
          mutated,
          (chain, seed) => compare(chain, seed, verdicts[seed]),
          { concurrency: 3 }
        )
        const missed = comparisons.filter((one) => one.missed !== "")
        const unexplained = comparisons.filter(
          ({ beyond }) => beyond !== "" && !stricter.some(([reason]) => reason.test(beyond))
        )
        expect({ missed, unexplained }).toEqual({ missed: [], unexplained: [] })
        // the comparison is meaningful: many chains pass both, and many pass only OpenSSL
        expect(comparisons.filter(({ accepted }) => accepted).length).toBeGreaterThan(chains / 10)
        expect(comparisons.filter(({ beyond }) => beyond !== "").length).toBeGreaterThan(chains / 50)
      }),
    300_000
  )

  it("have the key that TLS checks CertificateVerify with, if they can be parsed", () => {
    let read = 0
    for (let seed = 0; seed < chains; seed++) {
      for (const der of mutatedChain(seed).shown) {
        const certificate = ParsedCertificate.parse(der)
        if (certificate instanceof Malformed) continue
        expect(Buffer.compare(certificate.spki, certificateSpki(der)!)).toBe(0)
        read++
      }
    }
    expect(read).toBeGreaterThan(chains)
  })
})
