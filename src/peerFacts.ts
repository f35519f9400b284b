/** Who the peer of a connection has proved to be, in words. */
import type { PeerCertificate } from "./capability/CertificateVerifier.ts"
import type { CryptoSuiteShape } from "./capability/CryptoSuite.ts"
import { readCertificate } from "./internal/certificate.ts"
import { readExtensions } from "./internal/certificateExtensions.ts"
import { DerReader, Malformed } from "./internal/DerReader.ts"
import { readName } from "./internal/DistinguishedName.ts"
import type { GeneralName } from "./internal/generalNames.ts"
import { hexadecimal } from "./internal/hexadecimal.ts"
import { printable } from "./internal/printable.ts"
import { Recent } from "./internal/Recent.ts"
import { formatIp } from "./wire/ipAddress.ts"

/**
 * What a peer has authenticated with.
 *
 * **Details**
 *
 * Names are what the certificate claims; whether they are true is for the `CertificateVerifier` to say. Text is made printable
 * and short, for logs and people: compare bytes instead.
 *
 * @category models
 * @since 0.1.0
 */
export type PeerFacts =
  | {
      /** A certificate chain. */
      readonly _tag: "x509"
      /** DER certificates as the peer sent them, its own first. */
      readonly chain: ReadonlyArray<Uint8Array>
      /** Subject of its own, such as `O=Example, CN=example.org`, at most 200 characters; empty if it has none. */
      readonly subject: string
      /**
       * Its subject alternative names, at most 100 of at most 200 characters each: host names, IP addresses, e-mail addresses
       * and URIs as they are, names of directories as `subject`. RFC 5280 §4.2.1.6
       */
      readonly names: ReadonlyArray<string>
      /** SHA-256 of its own certificate, 64 lowercase hex digits. */
      readonly fingerprint: string
    }
  | {
      /** A key alone. RFC 7250 */
      readonly _tag: "rawPublicKey"
      /** DER SubjectPublicKeyInfo. */
      readonly spki: Uint8Array
      /** SHA-256 of the key, 64 lowercase hex digits: its `PeerId`. */
      readonly fingerprint: string
    }

const MAX_NAMES = 100

const textOf = (name: GeneralName): string | undefined => {
  switch (name.kind) {
    case "dns":
    case "email":
    case "uri":
      return name.text
    case "ip":
      return formatIp(name.bytes)
    case "directory":
      return name.name.text
    default:
      return undefined
  }
}

interface Names {
  readonly subject: string
  readonly names: ReadonlyArray<string>
}

/** What cannot be read has no names: a verifier may have accepted it all the same. */
const namesIn = (der: Uint8Array): Names => {
  const fields = readCertificate(der)
  if (fields === undefined) return { subject: "", names: [] }
  const { subject, extensions } = fields
  try {
    const all = extensions === undefined ? [] : readExtensions(der, extensions).alternativeNames
    return {
      subject: printable(readName(new DerReader(der, "its subject", subject.start, subject.end)).text),
      names: all.slice(0, MAX_NAMES).flatMap((name) => printable(textOf(name) ?? "") || [])
    }
  } catch (cause) {
    if (cause instanceof Malformed) return { subject: "", names: [] }
    throw cause
  }
}

/** By the certificate or key: facts are asked for often, and are the same for all connections of a session. */
const known = new WeakMap<Uint8Array, PeerFacts>()

/** By the fingerprint: a client connects to the same few servers again and again, and each time is sent the same certificate. */
const recentNames = new Recent<Names>(64)

const namesOf = (der: Uint8Array, fingerprint: string): Names => {
  const before = recentNames.get(fingerprint)
  if (before !== undefined) return before
  const names = namesIn(der)
  recentNames.set(fingerprint, names)
  return names
}

const chainFacts = (chain: ReadonlyArray<Uint8Array>, fingerprint: string): PeerFacts => {
  const { subject, names } = namesOf(chain[0], fingerprint)
  return { _tag: "x509", chain, subject, names, fingerprint }
}

const keyFacts = (spki: Uint8Array, fingerprint: string): PeerFacts => ({
  _tag: "rawPublicKey",
  spki,
  fingerprint
})

export const peerFacts = (peer: PeerCertificate, suite: CryptoSuiteShape): PeerFacts => {
  const own = peer._tag === "x509" ? peer.chain[0] : peer.spki
  const before = known.get(own)
  if (before !== undefined) return before
  const fingerprint = hexadecimal(suite.hash("sha256", own))
  const facts = peer._tag === "x509" ? chainFacts(peer.chain, fingerprint) : keyFacts(peer.spki, fingerprint)
  known.set(own, facts)
  return facts
}
