/**
 * Finds a path from a peer's certificate up to a trust anchor. RFC 5280 §6.1
 *
 * Peers may send certificates in any order and include unrelated ones (RFC 8446 §4.4.2), and a CA may have several
 * certificates, so all paths are tried until one is valid. A certificate issued another if the names (and key identifiers,
 * if present) match and the signature verifies. The number of signatures verified is limited. Verification is
 * synchronous, so it takes no virtual time.
 */
import type { Role } from "../../../src/wire/Role.ts"
import { CertificateAlert } from "../../../src/capability/CertificateVerifier.ts"
import { nameViolation } from "./nameConstraints.ts"
import type { ParsedCertificate } from "./ParsedCertificate.ts"
import { checkAuthority, objection, type Objection } from "./peerCertificate.ts"
import type { TrustAnchors } from "./TrustAnchors.ts"

/** Maximum signatures verified per peer. A valid path needs one per certificate, and few have five. */
const maxSignatures = 10

/** Undefined if a path from `chain[0]` to an anchor is valid; otherwise the objection to the longest path. */
export const verifyPath = (
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
    // an anchor presented as a peer's own certificate is trusted directly
    if (this.anchors.has(leaf) || this.findPath(leaf)) return undefined
    if (this.signaturesLeft < 0) {
      return objection(
        CertificateAlert.unknownCa,
        `no valid certificate path found after checking ${maxSignatures} signatures`
      )
    }
    return this.best ?? objection(CertificateAlert.unknownCa, this.noIssuer(leaf))
  }

  /** Whether a path from `certificate`, the last of `path`, leads to an anchor. */
  private findPath(certificate: ParsedCertificate): boolean {
    this.path.push(certificate)
    if (certificate.seemsSelfSigned) {
      this.recordObjection(CertificateAlert.unknownCa, this.noIssuer(certificate))
      this.path.pop()
      return false
    }
    if (certificate.signatureAlgorithm === undefined) {
      this.recordObjection(
        CertificateAlert.badCertificate,
        `${certificate.label} is signed with an algorithm too weak to trust`
      )
      this.path.pop()
      return false
    }
    let hasIssuer = false
    for (const anchor of this.anchors.issuersOf(certificate)) {
      hasIssuer = true
      if (this.isIssuerOf(anchor, certificate) && this.satisfiesNameConstraints(anchor)) return true
    }
    for (const issuer of this.chain) {
      if (issuer.subject.canonical !== certificate.issuer.canonical || this.isInPath(issuer)) continue
      hasIssuer = true
      if (this.isIssuerOf(issuer, certificate) && this.findPath(issuer)) return true
    }
    if (!hasIssuer) this.recordObjection(CertificateAlert.unknownCa, this.noIssuer(certificate))
    this.path.pop()
    return false
  }

  /** Whether `issuer` is a CA valid at its position, and has signed `certificate`. */
  private isIssuerOf(issuer: ParsedCertificate, certificate: ParsedCertificate): boolean {
    // self-issued intermediates do not count toward the path length: RFC 5280 §4.2.1.9
    const intermediates = this.path.slice(1).filter((below) => !below.isSelfIssued).length
    const unfit = checkAuthority(issuer, this.role, intermediates, this.nowMillis)
    if (unfit !== undefined) return this.refuse(unfit)
    if (!certificate.names(issuer)) {
      this.recordObjection(CertificateAlert.unknownCa, this.noIssuer(certificate))
      return false
    }
    if (--this.signaturesLeft < 0) return false
    if (!certificate.isSignedBy(issuer)) {
      this.recordObjection(
        CertificateAlert.badCertificate,
        `the signature of ${certificate.label} does not match its issuer's key`
      )
      return false
    }
    return true
  }

  /**
   * Whether the name constraints of all CAs, up to `anchor`, allow the names below them. Comparing names is the expensive
   * part of path validation, so it is done only for paths that lead to an anchor.
   */
  private satisfiesNameConstraints(anchor: ParsedCertificate): boolean {
    const authorities = [...this.path.slice(1), anchor]
    for (const [i, below] of this.path.entries()) {
      // self-issued intermediates are exempt, the leaf is not: RFC 5280 §6.1.3 (b)
      if (i > 0 && below.isSelfIssued) continue
      for (const authority of authorities.slice(i)) {
        const violation = nameViolation(authority, below, i === 0)
        if (violation !== undefined) {
          this.recordObjection(CertificateAlert.badCertificate, `${below.label} is not allowed: ${violation}`)
          return false
        }
      }
    }
    return true
  }

  /** Whether `candidate`, or another certificate of the same name and key, is already in the path. */
  private isInPath(candidate: ParsedCertificate): boolean {
    return this.path.some(
      (used) =>
        used === candidate ||
        (used.subject.canonical === candidate.subject.canonical &&
          Buffer.compare(used.spki, candidate.spki) === 0)
    )
  }

  private recordObjection(alert: CertificateAlert, reason: string): void {
    this.refuse(objection(alert, reason))
  }

  /** Keeps the objection to the longest path, as the most informative. */
  private refuse(reason: Objection): false {
    if (this.best === undefined || this.path.length > this.furthest) {
      this.furthest = this.path.length
      this.best = reason
    }
    return false
  }

  private noIssuer(certificate: ParsedCertificate): string {
    return certificate.seemsSelfSigned
      ? `${certificate.label} is self-signed and not trusted`
      : `${certificate.label} was issued by an untrusted CA`
  }
}
