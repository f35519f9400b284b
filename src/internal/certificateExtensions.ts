/**
 * Certificate extensions. RFC 5280 §4.2
 *
 * Extensions relevant to verification are parsed and must be well-formed, critical or not; others are ignored unless
 * critical. Some are parsed only because OpenSSL uses them: what makes OpenSSL refuse a certificate is refused here too.
 */
import { DerTag, type DerElement } from "./der.ts"
import { DerReader } from "./DerReader.ts"
import { readRelativeName } from "./DistinguishedName.ts"
import { type GeneralName, readGeneralName, readGeneralNames } from "./generalNames.ts"
import { hexadecimal } from "./hexadecimal.ts"

/** Key usage bits, in the first byte of the BIT STRING. RFC 5280 §4.2.1.3 */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04 } as const

/** Identifies the issuer's key. RFC 5280 §4.2.1.1 */
export interface AuthorityKeyId {
  /** Hex, like the serial number. */
  readonly keyId: string | undefined
  readonly issuer: ReadonlyArray<GeneralName> | undefined
  readonly serialNumber: string | undefined
}

/** RFC 5280 §4.2.1.10 */
export interface NameConstraints {
  readonly permitted: ReadonlyArray<GeneralName>
  readonly excluded: ReadonlyArray<GeneralName>
}

/** Initialised to the values of a certificate without extensions. */
export class CertificateExtensions {
  isCa = false
  /** Infinity if not constrained. RFC 5280 §4.2.1.9 */
  pathLength = Number.POSITIVE_INFINITY
  /** Bits of {@link KeyUsage}; like the fields below, undefined if the extension is absent. */
  keyUsage: number | undefined
  /** OIDs as hex of their content. */
  extendedKeyUsage: ReadonlyArray<string> | undefined
  alternativeNames: ReadonlyArray<GeneralName> = []
  nameConstraints: NameConstraints | undefined
  subjectKeyId: string | undefined
  authorityKeyId: AuthorityKeyId | undefined
  /** Bits of Netscape's certificate type. */
  netscapeType: number | undefined
  /** What kind of non-TLS certificate this is, if an extension says so. */
  foreignKind: string | undefined
  /** OID of an unsupported critical extension, as hex of its content. */
  unknownCritical: string | undefined
}

/** Parses the value of an extension, or throws. */
type Parser = (value: DerReader, into: CertificateExtensions) => void

/** Maximum distribution points, purposes and extensions per certificate. */
const maxEntries = 64
const maxSubtrees = 4096

const readBasicConstraints: Parser = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  if (fields.isNext(DerTag.boolean)) into.isCa = fields.takeBoolean()
  if (!fields.isAtEnd) into.pathLength = fields.takeNumber()
  fields.finish()
}

const readKeyUsage: Parser = (value, into) => {
  const bits = value.takeBits()
  // at least one bit must be set
  if (!bits.some((byte) => byte !== 0)) value.fail()
  into.keyUsage = bits[0]
}

const readExtendedKeyUsage: Parser = (value, into) => {
  const ids: Array<string> = []
  const list = value.enter(DerTag.sequence)
  do ids.push(ids.length < maxEntries ? list.takeId() : list.fail())
  while (!list.isAtEnd)
  into.extendedKeyUsage = ids
}

const readAlternativeNames: Parser = (value, into) => {
  into.alternativeNames = readGeneralNames(value.enter(DerTag.sequence))
}

const readSubjectKeyId: Parser = (value, into) => {
  into.subjectKeyId = contentOf(value, value.take(DerTag.octetString))
}

const readAuthorityKeyId: Parser = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  into.authorityKeyId = {
    keyId: fields.isNext(0x80) ? contentOf(fields, fields.take(0x80)) : undefined,
    issuer: fields.isNext(0xa1) ? readGeneralNames(fields.enter(0xa1)) : undefined,
    serialNumber: fields.isNext(0x82) ? contentOf(fields, fields.takeInteger(0x82)) : undefined
  }
  fields.finish()
}

const readNameConstraints: Parser = (value, into) => {
  const fields = value.enter(DerTag.sequence)
  into.nameConstraints = {
    permitted: fields.isNext(0xa0) ? readSubtrees(fields.enter(0xa0)) : [],
    excluded: fields.isNext(0xa1) ? readSubtrees(fields.enter(0xa1)) : []
  }
  fields.finish()
}

/** Minimum is always 0, which DER omits, and maximum is absent. RFC 5280 §4.2.1.10 */
const readSubtrees = (list: DerReader): ReadonlyArray<GeneralName> => {
  const bases: Array<GeneralName> = []
  do {
    const subtree = list.enter(DerTag.sequence)
    bases.push(bases.length < maxSubtrees ? readGeneralName(subtree, [8, 32]) : list.fail())
    subtree.finish()
  } while (!list.isAtEnd)
  return bases
}

/** Revocation is not checked, but malformed distribution points still make the certificate malformed. RFC 5280 §4.2.1.13 */
const readDistributionPoints: Parser = (value) => {
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
    // requires a distribution point name or a CRL issuer
    if (point.isNext(0xa2)) readGeneralNames(point.enter(0xa2))
    else if (!hasName) point.fail()
    point.finish()
  } while (!list.isAtEnd)
}

const readNetscapeType: Parser = (value, into) => {
  into.netscapeType = value.takeBits()[0] ?? 0
}

const foreign =
  (kind: string): Parser =>
  (value, into) => {
    into.foreignKind = kind
    value.takeAny()
  }

const ignore: Parser = (value) => {
  value.takeAny()
}

interface Known {
  readonly what: string
  readonly read: Parser
  /** Whether the extension is fully processed, as a critical one requires. */
  readonly mayBeCritical: boolean
}

const known = (what: string, read: Parser): Known => ({ what, read, mayBeCritical: true })
const partiallyKnown = (what: string, read: Parser): Known => ({ what, read, mayBeCritical: false })

/** By OID, as hex of its content. */
const extensionsById = new Map<string, Known>([
  ["551d13", known("its basic constraints", readBasicConstraints)],
  ["551d0f", known("its key usage", readKeyUsage)],
  ["551d25", known("its extended key usage", readExtendedKeyUsage)],
  ["551d11", known("its alternative names", readAlternativeNames)],
  ["551d1e", known("its name constraints", readNameConstraints)],
  // ignored, as no policy is required: RFC 5280 §6.1.1 (c)
  ["551d20", known("its policies", ignore)],
  // must not be critical: RFC 5280 §4.2.1.1, §4.2.1.2
  ["551d0e", partiallyKnown("its subject key identifier", readSubjectKeyId)],
  ["551d23", partiallyKnown("its authority key identifier", readAuthorityKeyId)],
  ["551d1f", partiallyKnown("its CRL distribution points", readDistributionPoints)],
  ["6086480186f8420101", partiallyKnown("its Netscape type", readNetscapeType)],
  // delegation and address resources have their own rules: RFC 3820, RFC 3779
  ["2b0601050507010e", partiallyKnown("its proxy information", foreign("a proxy"))],
  ["2b06010505070107", partiallyKnown("its address blocks", foreign("an address holder"))],
  ["2b06010505070108", partiallyKnown("its AS numbers", foreign("an address holder"))]
])

/** Parses the list of extensions; throws if it is malformed or contains duplicates. RFC 5280 §4.2 */
export const readExtensions = (bytes: Uint8Array, list: DerElement): CertificateExtensions => {
  const extensions = new CertificateExtensions()
  const entries = new DerReader(bytes, "its extensions", list.contentStart, list.end)
  const seen = new Set<string>()
  while (!entries.isAtEnd) {
    const entry = entries.enter(DerTag.sequence)
    const id = entry.takeId()
    if (seen.has(id) || seen.size === maxEntries) return entries.fail()
    seen.add(id)
    // tolerates an explicit `critical FALSE`, which DER forbids but many older certificates contain
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
  hexadecimal(bytes, contentStart, end)
