/** Trust anchors, indexed by subject name. */
import { Malformed } from "../../../src/internal/DerReader.ts"
import { ParsedCertificate } from "./ParsedCertificate.ts"

export class TrustAnchors {
  private readonly bySubject = new Map<string, Array<ParsedCertificate>>()
  private readonly fingerprints = new Set<string>()

  /** Returns the malformed part if `der` is not a certificate. */
  add(der: Uint8Array): Malformed | undefined {
    const certificate = ParsedCertificate.parse(der)
    if (certificate instanceof Malformed) return certificate
    if (this.has(certificate)) return undefined
    this.fingerprints.add(certificate.fingerprint)
    const subject = certificate.subject.canonical
    const same = this.bySubject.get(subject)
    if (same === undefined) this.bySubject.set(subject, [certificate])
    else same.push(certificate)
    return undefined
  }

  get size(): number {
    return this.fingerprints.size
  }

  has(certificate: ParsedCertificate): boolean {
    return this.fingerprints.has(certificate.fingerprint)
  }

  /** Anchors that may have issued this certificate, by name; its signature is not verified. */
  issuersOf(certificate: ParsedCertificate): ReadonlyArray<ParsedCertificate> {
    return this.bySubject.get(certificate.issuer.canonical) ?? []
  }
}
