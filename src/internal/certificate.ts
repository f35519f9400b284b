/**
 * Parses the outer structure of a certificate. The TLS handshake, which checks CertificateVerify with its key, and the
 * verifiers, which decide whom the key belongs to, share this parser and so agree on the bytes. RFC 5280 §4.1
 *
 * Strict DER: each field in its place, none missing, none left over. The contents of fields are left to their users.
 */
import { DerTag, type DerElement, readChildren, readElement } from "./der.ts"

export interface CertificateFields {
  /** The signed part. */
  readonly tbs: DerElement
  readonly version: 1 | 2 | 3
  readonly serialNumber: DerElement
  readonly issuer: DerElement
  readonly validity: DerElement
  readonly subject: DerElement
  readonly subjectPublicKeyInfo: DerElement
  /** The list of extensions; version 3 only. */
  readonly extensions: DerElement | undefined
  readonly signatureAlgorithm: DerElement
  /** The content of the BIT STRING. */
  readonly signature: { readonly start: number; readonly end: number }
}

/** Undefined unless the bytes are exactly one certificate. */
export const readCertificate = (der: Uint8Array): CertificateFields | undefined => {
  const outer = readElement(der, 0)
  if (outer === undefined || outer.tag !== DerTag.sequence || outer.end !== der.length) return undefined
  const parts = readChildren(der, outer, 3)
  if (parts?.length !== 3) return undefined
  const [tbs, signatureAlgorithm, signature] = parts
  if (tbs.tag !== DerTag.sequence || signature.tag !== DerTag.bitString) return undefined
  // a signature is whole bytes, so there are no unused bits
  if (signature.end === signature.contentStart || der[signature.contentStart] !== 0) return undefined
  const body = readBody(der, tbs)
  // the algorithm outside the signed part must match the one inside: RFC 5280 §4.1.1.2
  if (body === undefined || !isSame(der, body.algorithm, signatureAlgorithm)) return undefined
  const { algorithm: _, ...fields } = body
  return {
    tbs,
    ...fields,
    signatureAlgorithm,
    signature: { start: signature.contentStart + 1, end: signature.end }
  }
}

/** The DER SubjectPublicKeyInfo of a DER certificate; undefined when it is malformed. */
export const certificateSpki = (der: Uint8Array): Uint8Array | undefined => {
  const spki = readCertificate(der)?.subjectPublicKeyInfo
  return spki && der.slice(spki.start, spki.end)
}

const bodyTags = [
  DerTag.integer, // serialNumber
  DerTag.sequence, // signature
  DerTag.sequence, // issuer
  DerTag.sequence, // validity
  DerTag.sequence, // subject
  DerTag.sequence // subjectPublicKeyInfo
]

type Body = Omit<CertificateFields, "tbs" | "signatureAlgorithm" | "signature"> & {
  readonly algorithm: DerElement
}

const readBody = (der: Uint8Array, tbs: DerElement): Body | undefined => {
  const all = readChildren(der, tbs, 10)
  if (all === undefined || all.length === 0) return undefined
  const version = all[0].tag === explicit(0) ? readVersion(der, all[0]) : 1
  const fields = all[0].tag === explicit(0) ? all.slice(1) : all
  if (version === undefined || !bodyTags.every((tag, i) => fields[i]?.tag === tag)) return undefined
  const [serialNumber, algorithm, issuer, validity, subject, subjectPublicKeyInfo, ...rest] = fields
  const extensions = readTail(der, rest, version)
  return (
    extensions && {
      version,
      serialNumber,
      algorithm,
      issuer,
      validity,
      subject,
      subjectPublicKeyInfo,
      extensions: extensions[0]
    }
  )
}

/** Parses the optional unique identifiers and extensions after the key; returns the extensions if present. */
const readTail = (
  der: Uint8Array,
  tail: Array<DerElement>,
  version: 1 | 2 | 3
): ReadonlyArray<DerElement> | undefined => {
  for (const tag of [issuerUniqueId, subjectUniqueId]) {
    if (tail[0]?.tag !== tag) continue
    // introduced by version 2: RFC 5280 §4.1.2.8
    if (version === 1 || !isBitString(der, tail[0])) return undefined
    tail.shift()
  }
  if (tail.length === 0) return []
  if (tail.length > 1 || tail[0].tag !== explicit(3) || version !== 3) return undefined
  const list = readChildren(der, tail[0], 1)
  return list?.[0]?.tag === DerTag.sequence ? list : undefined
}

const explicit = (number: number): number => 0xa0 | number
const issuerUniqueId = 0x81
const subjectUniqueId = 0x82

/** v1 is the default and therefore omitted. RFC 5280 §4.1.2.1 */
const readVersion = (der: Uint8Array, field: DerElement): 2 | 3 | undefined => {
  if (field.end - field.contentStart !== 3 || der[field.contentStart] !== DerTag.integer) return undefined
  const value = der[field.contentStart + 1] === 1 ? der[field.end - 1] : 0
  return value === 1 ? 2 : value === 2 ? 3 : undefined
}

const isBitString = (der: Uint8Array, { contentStart, end }: DerElement): boolean =>
  end > contentStart && der[contentStart] <= 7 && (der[contentStart] === 0 || end > contentStart + 1)

const isSame = (der: Uint8Array, a: DerElement, b: DerElement): boolean => {
  if (a.end - a.start !== b.end - b.start) return false
  for (let i = 0; i < a.end - a.start; i++) if (der[a.start + i] !== der[b.start + i]) return false
  return true
}
