/**
 * Reads the elements within another in order and requires strict DER, so that a certificate has only one interpretation.
 * X.690 §8, §10, §11
 *
 * Any error throws {@link Malformed} with the name of the part being read; it is caught by `ParsedCertificate.parse`.
 */
import { DerTag, type DerElement, readElement } from "./der.ts"
import { hexadecimal } from "./hexadecimal.ts"

/** The message names the part of a certificate that is malformed. */
export class Malformed extends Error {
  readonly _tag = "Malformed"
}

export class DerReader {
  readonly bytes: Uint8Array
  private readonly what: string
  private readonly end: number
  private offset: number

  constructor(bytes: Uint8Array, what: string, start: number, end: number) {
    this.bytes = bytes
    this.what = what
    this.offset = start
    this.end = end
  }

  /** A reader for the content of the next element, which must have this tag. */
  enter(tag: number): DerReader {
    return this.inside(this.take(tag))
  }

  /** A reader for the content of an element taken before. */
  inside({ contentStart, end }: DerElement): DerReader {
    return new DerReader(this.bytes, this.what, contentStart, end)
  }

  get isAtEnd(): boolean {
    return this.offset === this.end
  }

  /** Whether an element with this tag is next. */
  isNext(tag: number): boolean {
    return this.offset < this.end && this.bytes[this.offset] === tag
  }

  take(tag: number): DerElement {
    const element = this.takeAny()
    return element.tag === tag ? element : this.fail()
  }

  takeAny(): DerElement {
    const element = readElement(this.bytes, this.offset, this.end) ?? this.fail()
    this.offset = element.end
    return element
  }

  /** An OBJECT IDENTIFIER, as hex of its content. X.690 §8.19 */
  takeId(): string {
    return this.idIn(this.take(DerTag.objectIdentifier))
  }

  /** The same for an element taken before, possibly with an implicit tag. */
  idIn({ contentStart, end }: DerElement): string {
    if (end === contentStart || this.bytes[end - 1] >= 0x80) return this.fail()
    for (let i = contentStart; i < end; i++) {
      // no arc may have leading padding bytes
      if (this.bytes[i] === 0x80 && (i === contentStart || this.bytes[i - 1] < 0x80)) return this.fail()
    }
    return hexadecimal(this.bytes, contentStart, end)
  }

  /** X.690 §11.1: one byte, all ones or all zeros. */
  takeBoolean(): boolean {
    const { contentStart, end } = this.take(DerTag.boolean)
    const value = this.bytes[contentStart]
    if (end - contentStart !== 1 || (value !== 0 && value !== 0xff)) return this.fail()
    return value === 0xff
  }

  /** An INTEGER of either sign, minimally encoded. X.690 §8.3.2 */
  takeInteger(tag: number = DerTag.integer): DerElement {
    const element = this.take(tag)
    const { contentStart, end } = element
    if (end === contentStart) return this.fail()
    const isNegative = this.bytes[contentStart] >= 0x80
    if (end - contentStart > 1 && this.bytes[contentStart + 1] >= 0x80 === isNegative) {
      const first = this.bytes[contentStart]
      if (first === 0 || first === 0xff) return this.fail()
    }
    return element
  }

  /** A non-negative INTEGER of up to six bytes. */
  takeNumber(): number {
    const { contentStart, end } = this.takeInteger()
    if (this.bytes[contentStart] >= 0x80 || end - contentStart > 6) return this.fail()
    let value = 0
    for (let i = contentStart; i < end; i++) value = value * 256 + this.bytes[i]
    return value
  }

  /** The bytes of a BIT STRING; unused bits must be zero. X.690 §11.2.1 */
  takeBits(tag: number = DerTag.bitString): Uint8Array {
    const { contentStart, end } = this.take(tag)
    const unused = end > contentStart ? this.bytes[contentStart] : 8
    if (unused > 7 || (unused > 0 && end === contentStart + 1)) return this.fail()
    if (unused > 0 && (this.bytes[end - 1] & ((1 << unused) - 1)) !== 0) return this.fail()
    return this.bytes.subarray(contentStart + 1, end)
  }

  /** Fails unless everything has been read. */
  finish(): void {
    if (!this.isAtEnd) this.fail()
  }

  fail(): never {
    throw new Malformed(this.what)
  }
}
