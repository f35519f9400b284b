/** Certificates that are trusted for what they are: authorities, found by the name of whoever they have signed for. */
import { ParsedCertificate } from "./ParsedCertificate.ts"

export class TrustAnchors {
  private readonly bySubject = new Map<string, Array<ParsedCertificate>>()
  private readonly fingerprints = new Set<string>()

  /** False when `der` is not a certificate. */
  add(der: Uint8Array): boolean {
    const certificate = ParsedCertificate.parse(der)
    if (certificate === undefined) return false
    if (this.has(certificate)) return true
    this.fingerprints.add(certificate.x509.fingerprint256)
    const subject = certificate.x509.subject ?? ""
    const same = this.bySubject.get(subject)
    if (same === undefined) this.bySubject.set(subject, [certificate])
    else same.push(certificate)
    return true
  }

  get size(): number {
    return this.fingerprints.size
  }

  has(certificate: ParsedCertificate): boolean {
    return this.fingerprints.has(certificate.x509.fingerprint256)
  }

  /** Anchors that may have issued this certificate; that they have is for its signature to show. */
  issuersOf(certificate: ParsedCertificate): ReadonlyArray<ParsedCertificate> {
    const { issuer } = certificate.x509
    return issuer ? (this.bySubject.get(issuer) ?? []) : []
  }
}
