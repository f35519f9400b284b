/**
 * What the extensions of a certificate say. RFC 5280 §4.2
 *
 * Those that bear on a verdict are read, and must be readable, critical or not; all others are passed over, unless critical.
 * Among those read are some that this verifier has no use for, and OpenSSL has: where they would have it refuse, so do we.
 */
import { DerTag, type DerElement } from "../../../src/internal/der.ts"
import { DerReader, hexOf } from "./DerReader.ts"
import { readRelativeName } from "./DistinguishedName.ts"
import { type GeneralName, readGeneralName, readGeneralNames } from "./generalNames.ts"

/** Key usage bits as in the first byte of the BIT STRING. RFC 5280 §4.2.1.3 */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04 } as const

/** Who has signed, beyond their name. RFC 5280 §4.2.1.1 */
export interface AuthorityKeyId {
  /** Hex; as is the serial number. */
  readonly keyId: string | undefined
  readonly issuer: ReadonlyArray<GeneralName> | undefined
  readonly serialNumber: string | undefined
}

/** RFC 5280 §4.2.1.10 */
export interface NameConstraints {
  readonly permitted: ReadonlyArray<GeneralName>
  readonly excluded: ReadonlyArray<GeneralName>
}

/** What a certificate without extensions says. */
export class CertificateExtensions {
  isCa = false
  /** Infinity when there is no constraint. RFC 5280 §4.2.1.9 */
  pathLength = Number.POSITIVE_INFINITY
  /** Bits of {@link KeyUsage}; undefined when the extension is absent, as with all that follow. */
  keyUsage: number | undefined
  /** OIDs as hex of their content. */
  extendedKeyUsage: ReadonlyArray<string> | undefined
  alternativeNames: ReadonlyArray<GeneralName> = []
  nameConstraints: NameConstraints | undefined
  subjectKeyId: string | undefined
  authorityKeyId: AuthorityKeyId | undefined
  /** Bits of Netscape's certificate type. */
  netscapeType: number | undefined
  /** The kinds of certificate that are none of TLS, as far as somebody says so. */
  foreignKind: string | undefined
  /** OID of a critical extension that is not understood, as hex of its content. */
  unknownCritical: string | undefined
}

/** Reads one extension's value, or throws. */
type Reading = (value: DerReader, into: CertificateExtensions) => void

/** The most distribution points, purposes and extensions that a certificate may have. */
const maxEntries = 64
const maxSubtrees = 4096

const readBasicConstraints: Reading = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  if (fields.isNext(DerTag.boolean)) into.isCa = fields.takeBoolean()
  if (!fields.isAtEnd) into.pathLength = fields.takeNumber()
  fields.finish()
}

const readKeyUsage: Reading = (value, into) => {
  const bits = value.takeBits()
  // one bit at least is set
  if (!bits.some((byte) => byte !== 0)) value.fail()
  into.keyUsage = bits[0]
}

const readExtendedKeyUsage: Reading = (value, into) => {
  const ids: Array<string> = []
  const list = value.enter(DerTag.sequence)
  do ids.push(ids.length < maxEntries ? list.takeId() : list.fail())
  while (!list.isAtEnd)
  into.extendedKeyUsage = ids
}

const readAlternativeNames: Reading = (value, into) => {
  into.alternativeNames = readGeneralNames(value.enter(DerTag.sequence))
}

const readSubjectKeyId: Reading = (value, into) => {
  into.subjectKeyId = contentOf(value, value.take(DerTag.octetString))
}

const readAuthorityKeyId: Reading = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  into.authorityKeyId = {
    keyId: fields.isNext(0x80) ? contentOf(fields, fields.take(0x80)) : undefined,
    issuer: fields.isNext(0xa1) ? readGeneralNames(fields.enter(0xa1)) : undefined,
    serialNumber: fields.isNext(0x82) ? contentOf(fields, fields.takeInteger(0x82)) : undefined
  }
  fields.finish()
}

const readNameConstraints: Reading = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  into.nameConstraints = {
    permitted: fields.isNext(0xa0) ? readSubtrees(fields.enter(0xa0)) : [],
    excluded: fields.isNext(0xa1) ? readSubtrees(fields.enter(0xa1)) : []
  }
  fields.finish()
}

/** Minimum is always 0, which DER leaves out, and maximum is absent: RFC 5280 §4.2.1.10 */
const readSubtrees = (list: DerReader): ReadonlyArray<GeneralName> => {
  const bases: Array<GeneralName> = []
  do {
    const subtree = list.enter(DerTag.sequence)
    bases.push(bases.length < maxSubtrees ? readGeneralName(subtree, [8, 32]) : list.fail())
    subtree.finish()
  } while (!list.isAtEnd)
  return bases
}

/** Revocation is not checked; lists that cannot be read are no less a reason to doubt the rest. RFC 5280 §4.2.1.13 */
const readDistributionPoints: Reading = (value) => {
  const list = value.enter(DerTag.sequence)
  do {
    const point = list.enter(DerTag.sequence)
    const hasName = point.isNext(0xa0)
    if (hasName) {
      const name = point.enter(0xa0)
      if (name.isNext(0xa0)) readGeneralNames(name.enter(0xa0))
      else readRelativeName(name.enter(0xa1))
      name.finish()
    }
    if (point.isNext(0x81)) point.takeBits(0x81)
    // the list is found by its name or by its issuer
    if (point.isNext(0xa2)) readGeneralNames(point.enter(0xa2))
    else if (!hasName) point.fail()
    point.finish()
  } while (!list.isAtEnd)
}

const readNetscapeType: Reading = (value, into) => {
  into.netscapeType = value.takeBits()[0] ?? 0
}

const foreign =
  (kind: string): Reading =>
  (value, into) => {
    into.foreignKind = kind
    value.takeAny()
  }

const passOver: Reading = (value) => {
  value.takeAny()
}

interface Known {
  readonly what: string
  readonly read: Reading
  /** Whether it is acted upon as one that is critical wants to be. */
  readonly mayBeCritical: boolean
}

const known = (what: string, read: Reading): Known => ({ what, read, mayBeCritical: true })
const knownInPart = (what: string, read: Reading): Known => ({ what, read, mayBeCritical: false })

/** By OID, as the hex of its content. */
const extensionsById = new Map<string, Known>([
  ["551d13", known("its basic constraints", readBasicConstraints)],
  ["551d0f", known("its key usage", readKeyUsage)],
  ["551d25", known("its extended key usage", readExtendedKeyUsage)],
  ["551d11", known("its alternative names", readAlternativeNames)],
  ["551d1e", known("its name constraints", readNameConstraints)],
  // as long as no policy is asked for: RFC 5280 §6.1.1 (c)
  ["551d20", known("its policies", passOver)],
  // not to be critical: RFC 5280 §4.2.1.1, §4.2.1.2
  ["551d0e", knownInPart("its subject key identifier", readSubjectKeyId)],
  ["551d23", knownInPart("its authority key identifier", readAuthorityKeyId)],
  ["551d1f", knownInPart("its CRL distribution points", readDistributionPoints)],
  ["6086480186f8420101", knownInPart("its Netscape type", readNetscapeType)],
  // delegation and address resources have rules of their own: RFC 3820, RFC 3779
  ["2b0601050507010e", knownInPart("its proxy information", foreign("a proxy"))],
  ["2b06010505070107", knownInPart("its address blocks", foreign("an address holder"))],
  ["2b06010505070108", knownInPart("its AS numbers", foreign("an address holder"))]
])

/** What the list of extensions says; throws when it cannot be read, or has one of them twice. RFC 5280 §4.2 */
export const readExtensions = (bytes: Uint8Array, list: DerElement): CertificateExtensions => {
  const extensions = new CertificateExtensions()
  const entries = new DerReader(bytes, "its extensions", list.contentStart, list.end)
  const seen = new Set<string>()
  while (!entries.isAtEnd) {
    const entry = entries.enter(DerTag.sequence)
    const id = entry.takeId()
    if (seen.has(id) || seen.size === maxEntries) return entries.fail()
    seen.add(id)
    // `critical FALSE` is the default and not to be written; much is that was issued before anybody minded
    const isCritical = entry.isNext(DerTag.boolean) && entry.takeBoolean()
    const { contentStart, end } = entry.take(DerTag.octetString)
    entry.finish()
    const extension = extensionsById.get(id)
    if (extension !== undefined) {
      const value = new DerReader(bytes, extension.what, contentStart, end)
      extension.read(value, extensions)
      value.finish()
    }
    if (isCritical && !extension?.mayBeCritical) extensions.unknownCritical ??= id
  }
  return extensions
}

const contentOf = ({ bytes }: DerReader, { contentStart, end }: DerElement): string =>
  hexOf(bytes, contentStart, end)
