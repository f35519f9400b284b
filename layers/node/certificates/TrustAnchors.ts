/** Certificates that are trusted for what they are: authorities, found by the name of whoever they have signed for. */
import { Malformed } from "./DerReader.ts"
import { ParsedCertificate } from "./ParsedCertificate.ts"

export class TrustAnchors {
  private readonly bySubject = new Map<string, Array<ParsedCertificate>>()
  private readonly fingerprints = new Set<string>()

  /** Says what cannot be read when `der` is not a certificate. */
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

  /** Anchors that may have issued this certificate; that they have is for its signature to show. */
  issuersOf(certificate: ParsedCertificate): ReadonlyArray<ParsedCertificate> {
    return this.bySubject.get(certificate.issuer.canonical) ?? []
  }
}
