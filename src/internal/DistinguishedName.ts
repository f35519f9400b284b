/**
 * Distinguished names, in the canonical form used for comparison. RFC 5280 §4.1.2.4, §7.1
 *
 * Comparison ignores string encoding, the case of ASCII letters and runs of spaces. OpenSSL does the same; RFC 4518 ignores
 * more, but linking a certificate to its issuer must not be more lenient than other implementations. Matching *excluded*
 * names must not be stricter than others either, so it uses {@link Attribute.loose}.
 */
import { DerTag, type DerElement } from "./der.ts"
import { latin1 } from "./bytes.ts"
import type { DerReader } from "./DerReader.ts"
import { hexadecimal } from "./hexadecimal.ts"

export class Attribute {
  /** OID, as the hex of its content. */
  readonly type: string
  readonly tag: number
  /** Undefined if not text. */
  readonly text: string | undefined
  /** Equal for equal attributes. Escaped, so that one attribute cannot imitate two. */
  readonly canonical: string
  private cachedLoose: string | undefined

  constructor(type: string, tag: number, text: string | undefined, canonical: string) {
    this.type = type
    this.tag = tag
    this.text = text
    this.canonical = canonical
  }

  /** Equal for attributes a person might confuse; undefined if not text, which could mean anything. */
  get loose(): string | undefined {
    return (this.cachedLoose ??= this.text && foldAll(this.text))
  }
}

/** One level of a name: nearly always one attribute; the order of several does not matter. */
export class RelativeName {
  readonly attributes: ReadonlyArray<Attribute>
  readonly canonical: string

  constructor(attributes: ReadonlyArray<Attribute>) {
    this.attributes = attributes
    this.canonical = attributes
      .map(({ canonical }) => canonical)
      .sort()
      .join("+")
  }
}

export class DistinguishedName {
  readonly levels: ReadonlyArray<RelativeName>
  /** Equal for equal names. */
  readonly canonical: string

  constructor(levels: ReadonlyArray<RelativeName>) {
    this.levels = levels
    this.canonical = levels.map(({ canonical }) => canonical).join(",")
  }

  get isEmpty(): boolean {
    return this.levels.length === 0
  }

  /** All attributes of this type. */
  attributes(type: string): ReadonlyArray<Attribute> {
    return this.levels.flatMap(({ attributes }) => attributes.filter((attribute) => attribute.type === type))
  }

  /** For display: `C=US, O=Example, CN=example.org`. */
  get text(): string {
    return this.levels
      .flatMap(({ attributes }) => attributes)
      .map(({ type, text }) => `${shortNames[type] ?? "?"}=${text ?? "?"}`)
      .join(", ")
  }
}

/** Attribute types, as the hex of their OIDs. RFC 5280 App. A.1 */
export const AttributeId = { commonName: "550403", emailAddress: "2a864886f70d010901" } as const

const shortNames: { readonly [type: string]: string } = {
  [AttributeId.commonName]: "CN",
  [AttributeId.emailAddress]: "emailAddress",
  "550405": "serialNumber",
  "550406": "C",
  "550407": "L",
  "550408": "ST",
  "55040a": "O",
  "55040b": "OU",
  "0992268993f22c640119": "DC",
  "0992268993f22c640101": "UID"
}

/** Maximum levels per name and attributes per level. */
const maxParts = 64

/** Reads a Name. */
export const readName = (reader: DerReader): DistinguishedName => {
  const levels: Array<RelativeName> = []
  const sequence = reader.enter(DerTag.sequence)
  while (!sequence.isAtEnd) {
    if (levels.length === maxParts) sequence.fail()
    levels.push(readRelativeName(sequence.enter(DerTag.set)))
  }
  return new DistinguishedName(levels)
}

/** Reads all attributes of `set`, at least one. */
export const readRelativeName = (set: DerReader): RelativeName => {
  const attributes: Array<Attribute> = []
  do {
    if (attributes.length === maxParts) set.fail()
    const pair = set.enter(DerTag.sequence)
    const type = pair.takeId()
    attributes.push(makeAttribute(type, pair.takeAny(), pair))
    pair.finish()
  } while (!set.isAtEnd)
  return new RelativeName(attributes)
}

const makeAttribute = (type: string, value: DerElement, reader: DerReader): Attribute => {
  const { bytes } = reader
  const { tag } = value
  const decode = decoders.get(tag)
  if (decode === undefined) {
    // x500UniqueIdentifier; no other name attribute has another type
    if (tag !== DerTag.bitString || value.end === value.contentStart) return reader.fail()
  }
  const text = decode?.(bytes.subarray(value.contentStart, value.end))
  if (decode !== undefined && text === undefined) return reader.fail()
  const isOpaque = text === undefined || tag === numericString
  const canonical = isOpaque
    ? `#${hexadecimal(bytes, value.start, value.end)}`
    : JSON.stringify(foldAscii(text))
  return new Attribute(type, tag, text, `${type}=${canonical}`)
}

const foldAscii = (text: string): string =>
  text
    .replace(/[\t-\r ]+/g, " ")
    .replace(/^ | $/g, "")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** Ignores compatibility forms, case, spaces and invisible characters. RFC 4518 §2 */
const foldAll = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/\p{Cf}|\p{Cc}|\p{Z}/gu, "")

const numericString = 0x12

type Decoder = (content: Uint8Array) => string | undefined

const ascii: Decoder = (content) => (content.every((byte) => byte < 0x80) ? latin1(content) : undefined)

const utf8: Decoder = (content) => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return undefined
  }
}

/** Code points of `size` bytes each; surrogates are invalid. */
const wide =
  (size: 2 | 4): Decoder =>
  (content) => {
    if (content.length % size !== 0) return undefined
    let text = ""
    for (let i = 0; i < content.length; i += size) {
      let point = 0
      for (let j = 0; j < size; j++) point = point * 256 + content[i + j]
      if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return undefined
      text += String.fromCodePoint(point)
    }
    return text
  }

/** By tag. X.680 §41; TeletexString is decoded as Latin-1, as used in practice. */
const decoders = new Map<number, Decoder>([
  [0x0c, utf8], // UTF8String
  [numericString, ascii],
  [0x13, ascii], // PrintableString
  [0x14, (content) => latin1(content)], // TeletexString
  [0x16, ascii], // IA5String
  [0x1c, wide(4)], // UniversalString
  [0x1e, wide(2)] // BMPString
])
