/**
 * One certificate, read twice: OpenSSL (through `node:crypto`) vouches that it is X.509 and checks signatures and names;
 * what `node:crypto` does not show (raw names, criticality, key usage bits, path length, name constraints) is read from the
 * same bytes by a strict DER reader. A certificate either of them refuses is no certificate.
 */
import { X509Certificate } from "node:crypto"
import { DerTag, readChildren, readElement, type DerElement } from "../../../src/internal/der.ts"

/** Extension OIDs, as the hex of their content. RFC 5280 §4.2 */
export const ExtensionId = {
  keyUsage: "551d0f",
  subjectAltName: "551d11",
  basicConstraints: "551d13",
  nameConstraints: "551d1e",
  certificatePolicies: "551d20",
  extendedKeyUsage: "551d25"
} as const

/** Key usage bits as in the first byte of the BIT STRING. RFC 5280 §4.2.1.3 */
export const KeyUsage = { digitalSignature: 0x80, keyCertSign: 0x04 } as const

/** GeneralName tags. RFC 5280 §4.2.1.6 */
export const NameTag = {
  email: 0x81,
  dns: 0x82,
  directory: 0xa4,
  uri: 0x86,
  ip: 0x87
} as const

/** A certificate with more alternative names than this is refused. */
const maxAlternativeNames = 4096

/** A slice of some certificate's bytes. */
export interface Extension {
  readonly critical: boolean
  readonly value: DerElement
}

export class ParsedCertificate {
  readonly der: Uint8Array
  readonly x509: X509Certificate
  readonly tbs: ReadonlyArray<DerElement>
  /** The AlgorithmIdentifier outside of what is signed. */
  readonly signatureAlgorithm: DerElement
  readonly extensions: ReadonlyMap<string, Extension>
  readonly notBeforeMillis: number
  readonly notAfterMillis: number
  readonly isCa: boolean
  /** Infinity when there is no constraint. RFC 5280 §4.2.1.9 */
  readonly pathLength: number
  /** Bits of {@link KeyUsage}; undefined when the extension is absent. */
  readonly keyUsage: number | undefined
  /** OIDs as hex of their content; undefined when the extension is absent. */
  readonly extendedKeyUsage: ReadonlyArray<string> | undefined
  private cachedLabel: string | undefined

  private constructor(
    der: Uint8Array,
    x509: X509Certificate,
    fields: TopFields,
    extensions: ReadonlyMap<string, Extension>,
    values: ExtensionValues
  ) {
    this.der = der
    this.x509 = x509
    this.tbs = fields.tbs
    this.signatureAlgorithm = fields.signatureAlgorithm
    this.extensions = extensions
    this.notBeforeMillis = x509.validFromDate.getTime()
    this.notAfterMillis = x509.validToDate.getTime()
    this.isCa = values.isCa
    this.pathLength = values.pathLength
    this.keyUsage = values.keyUsage
    this.extendedKeyUsage = values.extendedKeyUsage
  }

  /** Undefined when these bytes are not exactly one well-formed certificate. Never throws. */
  static parse(der: Uint8Array): ParsedCertificate | undefined {
    const fields = topFields(der)
    if (fields === undefined) return undefined
    const extensions = readExtensions(der, fields.extensions)
    if (extensions === undefined) return undefined
    const values = readExtensionValues(der, extensions)
    if (values === undefined) return undefined
    try {
      const x509 = new X509Certificate(der)
      // Node looks for PEM first, wherever in these bytes it stands, and would vouch for another certificate
      if (Buffer.compare(x509.raw, der) !== 0) return undefined
      return new ParsedCertificate(der, x509, fields, extensions, values)
    } catch {
      return undefined // OpenSSL's refusal is the only thing that throws here
    }
  }

  get issuerName(): DerElement {
    return this.tbs[2]
  }

  get subjectName(): DerElement {
    return this.tbs[4]
  }

  get spki(): Uint8Array {
    return this.der.subarray(this.tbs[5].start, this.tbs[5].end)
  }

  /** GeneralNames of the subjectAltName extension; undefined when they are malformed. */
  alternativeNames(): ReadonlyArray<DerElement> | undefined {
    const extension = this.extensions.get(ExtensionId.subjectAltName)
    return extension === undefined ? [] : readChildren(this.der, extension.value, maxAlternativeNames)
  }

  /** The bytes of an element as hex, for comparing and for looking up. */
  hex(start: number, end: number): string {
    return hexOf(this.der, start, end)
  }

  /** How this certificate is spoken of to people; what the peer chose to write in it is cut short and cleaned. */
  get label(): string {
    return (this.cachedLabel ??= this.makeLabel())
  }

  private makeLabel(): string {
    const names = this.x509.subjectAltName?.split(", ").map((name) => name.replace(/^(DNS|IP Address):/, ""))
    const name = names ? names.slice(0, 3).join(", ") : (this.x509.subject ?? "").replaceAll("\n", ", ")
    const printable = name.replace(/[^\x20-\x7e]/g, "?")
    if (printable === "") return "certificate without a name"
    return `certificate for ${printable.length > 100 ? `${printable.slice(0, 100)}…` : printable}`
  }
}

export const hexOf = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("hex")

interface TopFields {
  /** serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, and what follows. */
  readonly tbs: ReadonlyArray<DerElement>
  readonly signatureAlgorithm: DerElement
  readonly extensions: DerElement | undefined
}

const topFields = (der: Uint8Array): TopFields | undefined => {
  const outer = readElement(der, 0)
  if (outer === undefined || outer.tag !== DerTag.sequence || outer.end !== der.length) return undefined
  const parts = readChildren(der, outer, 3)
  if (parts === undefined || parts.length !== 3 || parts[0].tag !== DerTag.sequence) return undefined
  const all = readChildren(der, parts[0], 16)
  if (all === undefined) return undefined
  const versioned = all[0]?.tag === 0xa0
  const tbs = versioned ? all.slice(1) : all
  if (tbs.length < 6) return undefined
  for (const i of [1, 2, 3, 4, 5]) if (tbs[i].tag !== DerTag.sequence) return undefined
  const [inner, outerAlgorithm] = [tbs[1], parts[1]]
  // the algorithm outside of the signature must be the one inside: RFC 5280 §4.1.1.2
  if (hexOf(der, inner.start, inner.end) !== hexOf(der, outerAlgorithm.start, outerAlgorithm.end))
    return undefined
  const extensions = tbs.find((field) => field.tag === 0xa3)
  // extensions need version 3, encoded as 2: RFC 5280 §4.1.2.1
  if (extensions !== undefined && !(versioned && der[all[0].end - 1] === 2)) return undefined
  return { tbs, signatureAlgorithm: outerAlgorithm, extensions }
}

const readExtensions = (
  der: Uint8Array,
  field: DerElement | undefined
): ReadonlyMap<string, Extension> | undefined => {
  const found = new Map<string, Extension>()
  if (field === undefined) return found
  const list = readChildren(der, field, 1)
  if (list === undefined || list.length !== 1) return undefined
  const entries = readChildren(der, list[0])
  if (entries === undefined) return undefined
  for (const entry of entries) {
    const parts = readChildren(der, entry, 3)
    if (parts === undefined || parts.length < 2 || parts[0].tag !== DerTag.objectIdentifier) return undefined
    const octets = parts[parts.length - 1]
    if (octets.tag !== DerTag.octetString) return undefined
    const critical = parts.length === 3 && der[parts[1].contentStart] !== 0
    const value = readElement(der, octets.contentStart, octets.end)
    const id = hexOf(der, parts[0].contentStart, parts[0].end)
    // one instance of each: RFC 5280 §4.2
    if (value === undefined || value.end !== octets.end || found.has(id)) return undefined
    found.set(id, { critical, value })
  }
  return found
}

interface ExtensionValues {
  readonly isCa: boolean
  readonly pathLength: number
  readonly keyUsage: number | undefined
  readonly extendedKeyUsage: ReadonlyArray<string> | undefined
}

/** The extensions a path is judged by; undefined when one of them is malformed. */
const readExtensionValues = (
  der: Uint8Array,
  extensions: ReadonlyMap<string, Extension>
): ExtensionValues | undefined => {
  let isCa = false
  let pathLength = Number.POSITIVE_INFINITY
  const basic = extensions.get(ExtensionId.basicConstraints)
  if (basic !== undefined) {
    const fields = readChildren(der, basic.value, 2)
    if (basic.value.tag !== DerTag.sequence || fields === undefined) return undefined
    for (const field of fields) {
      const size = field.end - field.contentStart
      if (field.tag === 0x01 && size === 1) isCa = der[field.contentStart] !== 0
      else if (field.tag === DerTag.integer && size === 1 && der[field.contentStart] < 0x80) {
        pathLength = der[field.contentStart]
      } else return undefined
    }
  }
  let keyUsage: number | undefined
  const usage = extensions.get(ExtensionId.keyUsage)
  if (usage !== undefined) {
    const { tag, contentStart, end } = usage.value
    if (tag !== 0x03 || end - contentStart < 1) return undefined
    keyUsage = end - contentStart >= 2 ? der[contentStart + 1] : 0
  }
  let extendedKeyUsage: ReadonlyArray<string> | undefined
  const extended = extensions.get(ExtensionId.extendedKeyUsage)
  if (extended !== undefined) {
    const ids = extended.value.tag === DerTag.sequence ? readChildren(der, extended.value) : undefined
    if (ids === undefined || ids.length === 0) return undefined
    extendedKeyUsage = ids.map((id) => hexOf(der, id.contentStart, id.end))
  }
  return { isCa, pathLength, keyUsage, extendedKeyUsage }
}
