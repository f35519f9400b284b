/**
 * Checks of single certificates, independent of the path: valid now, for this use and this host, with a strong key.
 * RFC 5280 §6.1.3, RFC 8446 §4.4.2, RFC 9525
 */
import type { Role } from "../../../src/wire/Role.ts"
import { CertificateAlert, CertificateRejected } from "../../../src/capability/CertificateVerifier.ts"
import { KeyUsage } from "../../../src/internal/certificateExtensions.ts"
import { namesHost } from "./hostNames.ts"
import type { ParsedCertificate } from "./ParsedCertificate.ts"

/** Undefined if there is none. */
export type Objection = CertificateRejected | undefined

export const objection = (alert: CertificateAlert, reason: string): CertificateRejected =>
  new CertificateRejected({ alert, reason })

/** id-kp-serverAuth, id-kp-clientAuth. RFC 5280 §4.2.1.12 */
const purpose = { server: "2b06010505070301", client: "2b06010505070302" } as const
/** The same as Netscape certificate type bits; obsolete, but OpenSSL still requires them if the extension is present. */
const netscapePurpose = { server: 0x40, client: 0x80 } as const

/** Checks the leaf itself, not its signature or issuers. */
export const checkLeaf = (
  leaf: ParsedCertificate,
  role: Role,
  serverName: string | undefined,
  nowMillis: number
): Objection => {
  const common = checkAny(leaf, nowMillis)
  if (common !== undefined) return common
  const { keyUsage, extendedKeyUsage, netscapeType } = leaf.extensions
  // "the digitalSignature bit MUST be set if the Key Usage extension is present": RFC 8446 §4.4.2.2
  if (keyUsage !== undefined && (keyUsage & KeyUsage.digitalSignature) === 0) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${leaf.label} may not sign: its key usage lacks digitalSignature`
    )
  }
  if (netscapeType !== undefined && (netscapeType & netscapePurpose[role]) === 0) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${leaf.label} is not for a ${role}, by its Netscape type`
    )
  }
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(purpose[role])) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${leaf.label} is not for a ${role}: its extended key usage lacks ${role}Auth`
    )
  }
  if (serverName !== undefined && !namesHost(leaf.extensions.alternativeNames, serverName)) {
    return objection(CertificateAlert.badCertificate, `${leaf.label} is not valid for ${serverName}`)
  }
  return undefined
}

/** Checks a CA certificate in the path of a peer with `role`. */
export const checkAuthority = (
  authority: ParsedCertificate,
  role: Role,
  intermediatesBelow: number,
  nowMillis: number
): Objection => {
  const common = checkAny(authority, nowMillis)
  if (common !== undefined) return common
  const { isCa, keyUsage, pathLength, extendedKeyUsage } = authority.extensions
  if (!isCa) {
    return objection(CertificateAlert.unknownCa, `${authority.label} issued a certificate but is not a CA`)
  }
  if (keyUsage !== undefined && (keyUsage & KeyUsage.keyCertSign) === 0) {
    return objection(
      CertificateAlert.unknownCa,
      `${authority.label} is a CA whose key usage lacks keyCertSign`
    )
  }
  if (intermediatesBelow > pathLength) {
    return objection(
      CertificateAlert.unknownCa,
      `${authority.label} allows ${pathLength} CAs below it, but there are ${intermediatesBelow}`
    )
  }
  // anyExtendedKeyUsage is not accepted, nor is it by OpenSSL: web CAs must not have it (BR §7.1.2.10.6)
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(purpose[role])) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${authority.label} is a CA for other uses: its extended key usage lacks ${role}Auth`
    )
  }
  return undefined
}

const checkAny = (certificate: ParsedCertificate, nowMillis: number): Objection => {
  const { notBeforeMillis, notAfterMillis } = certificate.validity
  if (nowMillis < notBeforeMillis) {
    return objection(
      CertificateAlert.certificateExpired,
      `${certificate.label} is not valid before ${dateText(notBeforeMillis)}; it is ${dateText(nowMillis)} now`
    )
  }
  if (nowMillis >= notAfterMillis) {
    return objection(
      CertificateAlert.certificateExpired,
      `${certificate.label} expired at ${dateText(notAfterMillis)}; it is ${dateText(nowMillis)} now`
    )
  }
  const { unknownCritical, foreignKind } = certificate.extensions
  if (unknownCritical !== undefined) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${certificate.label} has an unsupported critical extension (OID bytes ${unknownCritical.slice(0, 40)})`
    )
  }
  if (foreignKind !== undefined) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${certificate.label} is for ${foreignKind}, not for TLS`
    )
  }
  if (certificate.keyKind === undefined) {
    return objection(
      CertificateAlert.unsupportedCertificate,
      `${certificate.label} has an unsupported key: expected Ed25519, P-256, P-384, P-521, or RSA of 2048 to 8192 bits with a small exponent, canonically encoded`
    )
  }
  return undefined
}

const dateText = (millis: number): string =>
  Math.abs(millis) <= 8.64e15 ? new Date(millis).toISOString() : "a date out of range"
