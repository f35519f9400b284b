/**
 * Finds a path from a peer's certificate up to a trust anchor. RFC 5280 §6.1
 *
 * Peers send their certificates in any order and with any number of strangers among them (RFC 8446 §4.4.2), and an
 * authority may have several certificates, so every way up is tried until one holds. A certificate has issued another when
 * the names (and key identifiers, where given) match and the signature verifies. The search is
 * bounded by the signatures it may verify. All of it is synchronous: under virtual time a verdict takes no time.
 */
import type { Role } from "../../../src/wire/Role.ts"
import { CertificateAlert } from "../../../src/capability/CertificateVerifier.ts"
import { nameViolation } from "./nameConstraints.ts"
import type { ParsedCertificate } from "./ParsedCertificate.ts"
import { judgeAuthority, objection, type Objection } from "./peerCertificate.ts"
import type { TrustAnchors } from "./TrustAnchors.ts"

/** The most signatures verified for one peer. An honest path needs one for each certificate in it, and few have five. */
const maxSignatures = 10

/** Undefined when a path from `chain[0]` to an anchor holds; otherwise what spoke against the one that came furthest. */
export const judgePath = (
  chain: ReadonlyArray<ParsedCertificate>,
  anchors: TrustAnchors,
  role: Role,
  nowMillis: number
): Objection => new PathSearch(chain, anchors, role, nowMillis).run()

class PathSearch {
  private readonly chain: ReadonlyArray<ParsedCertificate>
  private readonly anchors: TrustAnchors
  private readonly role: Role
  private readonly nowMillis: number
  private readonly path: Array<ParsedCertificate> = []
  private signaturesLeft = maxSignatures
  private furthest = 0
  private best: Objection

  constructor(chain: ReadonlyArray<ParsedCertificate>, anchors: TrustAnchors, role: Role, nowMillis: number) {
    this.chain = chain
    this.anchors = anchors
    this.role = role
    this.nowMillis = nowMillis
  }

  run(): Objection {
    const leaf = this.chain[0]
    // an anchor that shows itself has been trusted as it is
    if (this.anchors.has(leaf) || this.climb(leaf)) return undefined
    if (this.signaturesLeft < 0) {
      return objection(
        CertificateAlert.unknownCa,
        `too many certificates to find out who has issued which: ${maxSignatures} signatures were checked`
      )
    }
    return this.best ?? objection(CertificateAlert.unknownCa, this.noIssuer(leaf))
  }

  /** Whether some anchor stands above `certificate`, which stands on top of `path`. */
  private climb(certificate: ParsedCertificate): boolean {
    this.path.push(certificate)
    if (certificate.seemsSelfSigned) {
      this.note(CertificateAlert.unknownCa, this.noIssuer(certificate))
      this.path.pop()
      return false
    }
    if (certificate.signatureAlgorithm === undefined) {
      this.note(
        CertificateAlert.badCertificate,
        `${certificate.label} is signed with an algorithm too weak to trust`
      )
      this.path.pop()
      return false
    }
    let hasIssuer = false
    for (const anchor of this.anchors.issuersOf(certificate)) {
      hasIssuer = true
      if (this.vouches(anchor, certificate) && this.areNamesAllowed(anchor)) return true
    }
    for (const issuer of this.chain) {
      if (issuer.subject.canonical !== certificate.issuer.canonical || this.isInPath(issuer)) continue
      hasIssuer = true
      if (this.vouches(issuer, certificate) && this.climb(issuer)) return true
    }
    if (!hasIssuer) this.note(CertificateAlert.unknownCa, this.noIssuer(certificate))
    this.path.pop()
    return false
  }

  /** Whether `issuer` is an authority fit for where it stands, and has signed `certificate`. */
  private vouches(issuer: ParsedCertificate, certificate: ParsedCertificate): boolean {
    // self-issued certificates do not count, unless they are the last: RFC 5280 §4.2.1.9
    const intermediates = this.path.slice(1).filter((below) => !below.isSelfIssued).length
    const unfit = judgeAuthority(issuer, this.role, intermediates, this.nowMillis)
    if (unfit !== undefined) return this.refuse(unfit)
    if (!certificate.names(issuer)) {
      this.note(CertificateAlert.unknownCa, this.noIssuer(certificate))
      return false
    }
    if (--this.signaturesLeft < 0) return false
    if (!certificate.isSignedBy(issuer)) {
      this.note(
        CertificateAlert.badCertificate,
        `${certificate.label} carries a signature that its issuer has not made`
      )
      return false
    }
    return true
  }

  /**
   * Whether all authorities, up to `anchor`, may vouch for the names below them. Comparing names is the only costly part
   * of judging a path, so strangers, whose path leads to no anchor, never get this far.
   */
  private areNamesAllowed(anchor: ParsedCertificate): boolean {
    const authorities = [...this.path.slice(1), anchor]
    for (const [i, below] of this.path.entries()) {
      // a self-issued intermediate is exempt, the leaf is not: RFC 5280 §6.1.3 (b)
      if (i > 0 && below.isSelfIssued) continue
      for (const authority of authorities.slice(i)) {
        const violation = nameViolation(authority, below, i === 0)
        if (violation !== undefined) {
          this.note(CertificateAlert.badCertificate, `${below.label} is not allowed: ${violation}`)
          return false
        }
      }
    }
    return true
  }

  /** No certificate, and no key under the same name, is used twice on the way up. */
  private isInPath(candidate: ParsedCertificate): boolean {
    return this.path.some(
      (used) =>
        used === candidate ||
        (used.subject.canonical === candidate.subject.canonical &&
          Buffer.compare(used.spki, candidate.spki) === 0)
    )
  }

  private note(alert: CertificateAlert, reason: string): void {
    this.refuse(objection(alert, reason))
  }

  /** Keeps the objection of the longest path: it tells most about what is wrong. */
  private refuse(reason: Objection): false {
    if (this.best === undefined || this.path.length > this.furthest) {
      this.furthest = this.path.length
      this.best = reason
    }
    return false
  }

  private noIssuer(certificate: ParsedCertificate): string {
    return certificate.seemsSelfSigned
      ? `${certificate.label} is signed by itself, and not trusted`
      : `${certificate.label} was issued by an authority that is not trusted`
  }
}
