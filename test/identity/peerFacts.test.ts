/** What a connection tells of its peer's certificate: names and a fingerprint, made printable. */
import { X509Certificate } from "node:crypto"
import { expect, it } from "vitest"
import { issueCertificate, spkiOf, subjectAltName } from "../../layers/node/certificates/issueCertificate.ts"
import { peerFacts } from "../../src/peerFacts.ts"
import * as PeerId from "../../src/PeerId.ts"
import { suite } from "../io.ts"
import { newKey, now } from "./certificateFactory.ts"

const key = newKey("ed25519")

const certificate = (subject: string, names: ReadonlyArray<string>): Uint8Array =>
  issueCertificate({
    subject,
    issuer: subject,
    serialNumber: Uint8Array.of(1),
    notBefore: new Date(now),
    notAfter: new Date(now + 1),
    key,
    issuerKey: key,
    extensions: names.length === 0 ? [] : [subjectAltName(names)]
  })

const factsOf = (...chain: ReadonlyArray<Uint8Array>) => {
  const facts = peerFacts({ _tag: "x509", chain }, suite)
  if (facts._tag !== "x509") throw new Error("a chain is no key")
  return facts
}

it("are subject, alternative names and SHA-256 of its own certificate", () => {
  const own = certificate("example.org", ["example.org", "*.example.net", "192.0.2.1", "2001:db8::1"])
  const chain = [own, certificate("its issuer", ["other.example"])]
  expect(factsOf(...chain)).toEqual({
    _tag: "x509",
    chain,
    subject: "CN=example.org",
    names: ["example.org", "*.example.net", "192.0.2.1", "2001:db8::1"],
    fingerprint: new X509Certificate(own).fingerprint256.replaceAll(":", "").toLowerCase()
  })
})

it("are the SHA-256 of a raw key, its PeerId", () => {
  const spki = spkiOf(key)
  const facts = peerFacts({ _tag: "rawPublicKey", spki }, suite)
  expect(facts).toEqual({ _tag: "rawPublicKey", spki, fingerprint: PeerId.fromSpki(spki) })
})

it("are computed once for a certificate", () => {
  const own = certificate("example.org", [])
  expect(factsOf(own)).toBe(factsOf(own))
  // the same certificate, sent again: its names are not read again, and the chain is that of the connection
  const again = factsOf(own.slice(), own)
  expect(again.names).toBe(factsOf(own).names)
  expect(again.chain).toHaveLength(2)
  expect(factsOf(certificate("example.com", [])).names).not.toBe(again.names)
})

it("cannot forge lines, nor fill logs", () => {
  const { subject, names } = factsOf(
    certificate("\u001b[31mevil\r\n2026 INFO\u202e", ["a\u001b]0;x\u0007.example"])
  )
  expect(subject).toBe("CN=\ufffd[31mevil 2026 INFO\ufffd")
  expect(names).toEqual(["a\ufffd]0;x\ufffd.example"])
  const long = factsOf(certificate("x".repeat(10_000), ["y".repeat(10_000)]))
  expect([long.subject.length, long.names[0].length]).toEqual([201, 201])
  const many = Array.from({ length: 500 }, (_, i) => `host${i}.example`)
  expect(factsOf(certificate("x", many)).names).toEqual(many.slice(0, 100))
})

it("are without names if the certificate has none, or cannot be read", () => {
  expect(factsOf(certificate("", [])).names).toEqual([])
  const own = certificate("example.org", ["example.org"])
  for (const broken of [own.subarray(0, 100).slice(), Uint8Array.of(), own.map((byte) => byte ^ 0x55)])
    expect(factsOf(broken)).toMatchObject({ subject: "", names: [] })
  // an address of three bytes, in an outline that is well-formed
  const at = own.findLastIndex((byte, i) => byte === 0x82 && own[i + 1] === "example.org".length)
  const wrong = own.slice()
  wrong[at] = 0x87
  expect(factsOf(wrong)).toMatchObject({ subject: "", names: [] })
})
