import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { basicConstraints } from "../../layers/node/certificates/issueCertificate.ts"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import { acceptance, issueLeaf, issueRoot, leafExtensions, verdictOn } from "./certificateFactory.ts"

const root = issueRoot()

/** Whether a certificate with these alternative names is valid for the server name. */
const names = (alternatives: ReadonlyArray<string>, serverName: string) =>
  Effect.gen(function* () {
    const verifier = yield* Effect.orDie(NodeCertificateVerifier.authorities([root.der]))
    const leaf = issueLeaf({ by: root, name: "common.example", extensions: leafExtensions(...alternatives) })
    const verdict = yield* verdictOn(verifier, [leaf], { serverName })
    if (!verdict.accepted)
      expect(verdict).toMatchObject({ alert: 42, reason: expect.stringMatching(/is not valid for/) })
    return verdict.accepted
  })

const table = (rows: ReadonlyArray<readonly [ReadonlyArray<string>, string, boolean]>) =>
  Effect.forEach(
    rows,
    ([alternatives, serverName, expected]) =>
      Effect.map(names(alternatives, serverName), (accepted) =>
        expect(accepted, `${alternatives.join(" ")} for ${serverName}`).toBe(expected)
      ),
    { discard: true }
  )

describe("a certificate's host names", () => {
  it.effect("are compared as a whole, ignoring case and a trailing dot", () =>
    table([
      [["example.org"], "example.org", true],
      [["example.org"], "EXAMPLE.org", true],
      [["Example.ORG"], "example.org", true],
      [["example.org"], "example.org.", true],
      [["example.com", "example.org"], "example.org", true],
      [["example.org"], "www.example.org", false],
      [["www.example.org"], "example.org", false],
      [["example.org"], "notexample.org", false],
      [["example.org"], "example.org.evil.net", false],
      [["localhost"], "localhost", true]
    ])
  )

  it.effect("may have a wildcard for the whole left-most label and nothing else (RFC 9525 §6.3)", () =>
    table([
      [["*.example.org"], "www.example.org", true],
      [["*.example.org"], "WWW.Example.Org", true],
      [["*.example.org"], "example.org", false],
      [["*.example.org"], "a.b.example.org", false],
      [["*.example.org"], ".example.org", false],
      [["w*.example.org"], "www.example.org", false],
      [["*w.example.org"], "www.example.org", false],
      [["www.*.org"], "www.example.org", false],
      [["*.*.org"], "www.example.org", false],
      [["*"], "localhost", false],
      [["*.org"], "example.org", false],
      [["*.example.org"], "*.example.org", false]
    ])
  )

  it.effect("match internationalised names in their ASCII form", () =>
    table([
      [["xn--bcher-kva.example"], "bücher.example", true],
      [["xn--bcher-kva.example"], "xn--bcher-kva.example", true],
      [["*.example"], "bücher.example", false]
    ])
  )

  it.effect("do not match invalid names", () =>
    table([
      [["example.org"], "", false],
      [["example.org"], ".example.org", false],
      [["example.org"], "example.org\0.evil.net", false],
      [["example.org"], `${"a".repeat(300)}.example.org`, false]
    ])
  )

  it.effect("are used; the common name is not", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const bare = issueLeaf({ by: root, name: "example.org", extensions: [basicConstraints(false)] })
      expect(yield* verdictOn(verifier, [bare])).toMatchObject({
        accepted: false,
        alert: 42,
        reason: "certificate for CN=example.org is not valid for example.org"
      })
      expect(yield* names(["other.example"], "common.example")).toBe(false)
    })
  )

  it.effect("are only checked if there is a server name: a client has none", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const leaf = issueLeaf({ by: root })
      const verdict = yield* verdictOn(verifier, [leaf], { role: "client", serverName: undefined })
      expect(verdict).toEqual(acceptance)
    })
  )

  it.effect("are listed in the reason, sanitized and truncated", () =>
    Effect.gen(function* () {
      const verifier = yield* NodeCertificateVerifier.authorities([root.der])
      const leaf = issueLeaf({
        by: root,
        extensions: leafExtensions("a.example", "b.example", "10.0.0.1", "d")
      })
      const { reason } = yield* verdictOn(verifier, [leaf], { serverName: "localhost" })
      expect(reason).toBe("certificate for a.example, b.example, 10.0.0.1 is not valid for localhost")
      const nasty = issueLeaf({ by: root, extensions: leafExtensions(`\u001b[2J${"x".repeat(200)}`) })
      const verdict = yield* verdictOn(verifier, [nasty], { serverName: "localhost" })
      expect(verdict.reason).toMatch(/^[\x20-\x7e…\ufffd]{1,160}$/)
    })
  )
})

describe("IP addresses", () => {
  it.effect("are compared as addresses, however they are written", () =>
    table([
      [["127.0.0.1"], "127.0.0.1", true],
      [["::1"], "::1", true],
      [["::1"], "[::1]", true],
      [["::1"], "0:0:0:0:0:0:0:1", true],
      [["fe80::1"], "fe80::1%eth0", true],
      [["2001:db8::a:b"], "2001:DB8:0:0:0:0:A:B", true],
      [["127.0.0.1"], "127.0.0.2", false],
      [["127.0.0.1"], "::ffff:127.0.0.1", false]
    ])
  )

  it.effect("are not host names, and host names are not addresses", () =>
    Effect.gen(function* () {
      expect(yield* names(["localhost"], "127.0.0.1")).toBe(false)
      expect(yield* names(["127.0.0.1"], "localhost")).toBe(false)
      expect(yield* names(["*.0.0.1"], "127.0.0.1")).toBe(false)
    })
  )
})
