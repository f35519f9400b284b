/**
 * Names of certificates, in the one form that they are compared in. RFC 5280 §4.1.2.4, §7.1
 *
 * Two strings are the same without regard to their encoding, to the case of ASCII letters and to runs of spaces, which is what
 * OpenSSL does, and less than RFC 4518 would have: whoever links a certificate to its issuer must not be more generous than
 * others. Where a name is *barred*, it must not be less so, and there {@link Attribute.loose} counts.
 */
import { DerTag, type DerElement } from "../../../src/internal/der.ts"
import { type DerReader, hexOf } from "./DerReader.ts"

export class Attribute {
  /** OID, as the hex of its content. */
  readonly type: string
  readonly tag: number
  /** Undefined for what is no text. */
  readonly text: string | undefined
  /** The same for two attributes that are the same; what is in it is escaped, so that none can look like two. */
  readonly canonical: string
  private cachedLoose: string | undefined

  constructor(type: string, tag: number, text: string | undefined, canonical: string) {
    this.type = type
    this.tag = tag
    this.text = text
    this.canonical = canonical
  }

  /** The same for two that a person might take for the same; undefined for what is no text, and may mean anything. */
  get loose(): string | undefined {
    return (this.cachedLoose ??= this.text && foldAll(this.text))
  }
}

/** What is one level of a name: nearly always one attribute, and in any order where there are more. */
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
  /** The same for two names that are the same. */
  readonly canonical: string

  constructor(levels: ReadonlyArray<RelativeName>) {
    this.levels = levels
    this.canonical = levels.map(({ canonical }) => canonical).join(",")
  }

  get isEmpty(): boolean {
    return this.levels.length === 0
  }

  /** Every attribute of this type. */
  attributes(type: string): ReadonlyArray<Attribute> {
    return this.levels.flatMap(({ attributes }) => attributes.filter((attribute) => attribute.type === type))
  }

  /** For people: `C=US, O=Example, CN=example.org`. */
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

/** The most levels of a name, and attributes of a level. */
const maxParts = 64

/** The Name that is next. */
export const readName = (reader: DerReader): DistinguishedName => {
  const levels: Array<RelativeName> = []
  const sequence = reader.enter(DerTag.sequence)
  while (!sequence.isAtEnd) {
    if (levels.length === maxParts) sequence.fail()
    levels.push(readRelativeName(sequence.enter(DerTag.set)))
  }
  return new DistinguishedName(levels)
}

/** The attributes that `set` is over: one at least. */
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
    // x500UniqueIdentifier; no attribute of a name is of any other kind
    if (tag !== DerTag.bitString || value.end === value.contentStart) return reader.fail()
  }
  const text = decode?.(bytes.subarray(value.contentStart, value.end))
  if (decode !== undefined && text === undefined) return reader.fail()
  const isOpaque = text === undefined || tag === numericString
  const canonical = isOpaque ? `#${hexOf(bytes, value.start, value.end)}` : JSON.stringify(foldAscii(text))
  return new Attribute(type, tag, text, `${type}=${canonical}`)
}

const foldAscii = (text: string): string =>
  text
    .replace(/[\t-\r ]+/g, " ")
    .replace(/^ | $/g, "")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())

/** Compatibility forms, case, spaces and what is invisible make no difference. RFC 4518 §2 */
const foldAll = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/\p{Cf}|\p{Cc}|\p{Z}/gu, "")

const numericString = 0x12

type Decoder = (content: Uint8Array) => string | undefined

const ascii: Decoder = (content) =>
  content.every((byte) => byte < 0x80) ? Buffer.from(content).toString("latin1") : undefined

const utf8: Decoder = (content) => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return undefined
  }
}

/** Code points of `size` bytes each; surrogates are none. */
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

/** By tag. X.680 §41; TeletexString is read as Latin-1, as everybody writes it. */
const decoders = new Map<number, Decoder>([
  [0x0c, utf8], // UTF8String
  [numericString, ascii],
  [0x13, ascii], // PrintableString
  [0x14, (content) => Buffer.from(content).toString("latin1")], // TeletexString
  [0x16, ascii], // IA5String
  [0x1c, wide(4)], // UniversalString
  [0x1e, wide(2)] // BMPString
])
