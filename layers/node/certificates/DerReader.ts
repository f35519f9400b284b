/**
 * Reads the elements inside of another, one after the other, and insists on DER: what a certificate says must be readable in one
 * way only. X.690 §8, §10, §11
 *
 * Whatever is not as expected throws {@link Malformed} with the name of the part that is read; it is caught where a certificate
 * has been read whole, or not at all.
 */
import { DerTag, type DerElement, readElement } from "../../../src/internal/der.ts"

/** Says which part of a certificate cannot be read. */
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

  /** Over what is inside of the next element, which has this tag. */
  enter(tag: number): DerReader {
    return this.inside(this.take(tag))
  }

  /** Over what is inside of an element that has been taken. */
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

  /** An OBJECT IDENTIFIER, as the hex of its content. X.690 §8.19 */
  takeId(): string {
    return this.idIn(this.take(DerTag.objectIdentifier))
  }

  /** The same of an element that has been taken, under a tag of its own. */
  idIn({ contentStart, end }: DerElement): string {
    if (end === contentStart || this.bytes[end - 1] >= 0x80) return this.fail()
    for (let i = contentStart; i < end; i++) {
      // no arc begins with a byte that adds nothing
      if (this.bytes[i] === 0x80 && (i === contentStart || this.bytes[i - 1] < 0x80)) return this.fail()
    }
    return hexOf(this.bytes, contentStart, end)
  }

  /** X.690 §11.1: one byte, all ones or all zeros. */
  takeBoolean(): boolean {
    const { contentStart, end } = this.take(DerTag.boolean)
    const value = this.bytes[contentStart]
    if (end - contentStart !== 1 || (value !== 0 && value !== 0xff)) return this.fail()
    return value === 0xff
  }

  /** An INTEGER in the fewest bytes, of either sign. X.690 §8.3.2 */
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

  /** The bytes of a BIT STRING; its unused bits are zero. X.690 §11.2.1 */
  takeBits(tag: number = DerTag.bitString): Uint8Array {
    const { contentStart, end } = this.take(tag)
    const unused = end > contentStart ? this.bytes[contentStart] : 8
    if (unused > 7 || (unused > 0 && end === contentStart + 1)) return this.fail()
    if (unused > 0 && (this.bytes[end - 1] & ((1 << unused) - 1)) !== 0) return this.fail()
    return this.bytes.subarray(contentStart + 1, end)
  }

  /** Nothing is left. */
  finish(): void {
    if (!this.isAtEnd) this.fail()
  }

  fail(): never {
    throw new Malformed(this.what)
  }
}

export const hexOf = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("hex")
