/**
 * What a peer's own certificate must be like, whoever vouches for it: valid now, meant for this use, naming this host, and
 * with a key worth verifying against. RFC 5280 §6.1.3, RFC 8446 §4.4.2, RFC 9525
 */
import { isIP } from "node:net"
import { domainToASCII } from "node:url"
import {
  CertificateAlert,
  CertificateRejected,
  type PeerRole
} from "../../../src/capability/CertificateVerifier.ts"
import { publicKeyKind } from "../../keys/publicKey.ts"
import { ExtensionId, KeyUsage, type ParsedCertificate } from "./ParsedCertificate.ts"

/** Undefined when nothing speaks against it. */
export type Objection = CertificateRejected | undefined

export const objection = (alert: CertificateAlert, reason: string): CertificateRejected =>
  new CertificateRejected({ alert, reason })

/** id-kp-serverAuth, id-kp-clientAuth, anyExtendedKeyUsage. RFC 5280 §4.2.1.12 */
const purpose = { server: "2b06010505070301", client: "2b06010505070302" } as const
const anyPurpose = "551d2500"

/** Checks the leaf itself. Its signature and its issuers are the path's affair. */
export const judgeLeaf = (
  leaf: ParsedCertificate,
  role: PeerRole,
  serverName: string | undefined,
  nowMillis: number
): Objection => {
  const common = judgeAny(leaf, nowMillis)
  if (common !== undefined) return common
  // "the digitalSignature bit MUST be set if the Key Usage extension is present": RFC 8446 §4.4.2.2
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & KeyUsage.digitalSignature) === 0) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${leaf.label} is not for signing: its key usage lacks digitalSignature`
    )
  }
  if (leaf.extendedKeyUsage !== undefined && !leaf.extendedKeyUsage.includes(purpose[role])) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${leaf.label} is not for a ${role}: its extended key usage lacks ${role}Auth`
    )
  }
  if (serverName !== undefined && !namesHost(leaf, serverName)) {
    return objection(CertificateAlert.badCertificate, `${leaf.label} does not name ${serverName}`)
  }
  return undefined
}

/** Checks a certificate that stands above others in a path that ends in a peer of `role`. */
export const judgeAuthority = (
  authority: ParsedCertificate,
  role: PeerRole,
  intermediatesBelow: number,
  nowMillis: number
): Objection => {
  const common = judgeAny(authority, nowMillis)
  if (common !== undefined) return common
  if (!authority.isCa) {
    return objection(CertificateAlert.unknownCa, `${authority.label} has issued a certificate, but is no CA`)
  }
  if (authority.keyUsage !== undefined && (authority.keyUsage & KeyUsage.keyCertSign) === 0) {
    return objection(
      CertificateAlert.unknownCa,
      `${authority.label} is a CA whose key usage lacks keyCertSign`
    )
  }
  if (intermediatesBelow > authority.pathLength) {
    return objection(
      CertificateAlert.unknownCa,
      `${authority.label} allows ${authority.pathLength} CAs below it, and there are ${intermediatesBelow}`
    )
  }
  const uses = authority.extendedKeyUsage
  if (uses !== undefined && !uses.includes(purpose[role]) && !uses.includes(anyPurpose)) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${authority.label} is a CA for other uses: its extended key usage lacks ${role}Auth`
    )
  }
  return undefined
}

/** Critical extensions this verifier acts upon, or may pass over as long as no policy is asked for. RFC 5280 §6.1.1 (c) */
const understood: ReadonlySet<string> = new Set(Object.values(ExtensionId))

const judgeAny = (certificate: ParsedCertificate, nowMillis: number): Objection => {
  // written so that a date which cannot be read is not a valid one
  if (!(nowMillis >= certificate.notBeforeMillis)) {
    return objection(
      CertificateAlert.certificateExpired,
      `${certificate.label} is not valid before ${dateText(certificate.notBeforeMillis)}; it is ${dateText(nowMillis)} now`
    )
  }
  if (!(nowMillis <= certificate.notAfterMillis)) {
    return objection(
      CertificateAlert.certificateExpired,
      `${certificate.label} expired at ${dateText(certificate.notAfterMillis)}; it is ${dateText(nowMillis)} now`
    )
  }
  for (const [id, extension] of certificate.extensions) {
    if (extension.critical && !understood.has(id)) {
      return objection(
        CertificateAlert.unsupportedCertificate,
        `${certificate.label} has a critical extension that is not understood (OID bytes ${id.slice(0, 40)})`
      )
    }
  }
  if (publicKeyKind(certificate.spki) === undefined) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${certificate.label} has a key that is none of Ed25519, P-256, P-384, P-521, or RSA of 2048 to 8192 bits with a small exponent, in its one encoding`
    )
  }
  return undefined
}

const namesHost = (leaf: ParsedCertificate, serverName: string): boolean => {
  const address = serverName.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "")
  if (isIP(address) !== 0) return leaf.x509.checkIP(address) !== undefined
  const host = domainToASCII(serverName.replace(/\.$/, ""))
  if (host.length > 253 || !/^[\w-]+(\.[\w-]+)*$/.test(host)) return false
  return (
    leaf.x509.checkHost(host, {
      subject: "never", // no fallback to the common name: RFC 9525 §2
      wildcards: true,
      partialWildcards: false, // a star is a whole label, the left-most one: RFC 9525 §6.3
      multiLabelWildcards: false,
      singleLabelSubdomains: true
    }) !== undefined
  )
}

const dateText = (millis: number): string =>
  Number.isFinite(millis) && Math.abs(millis) <= 8.64e15
    ? new Date(millis).toISOString()
    : "an unreadable date"
