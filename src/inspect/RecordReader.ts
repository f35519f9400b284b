/** A longer record is skipped: no packet of ours takes a tenth of it. UTF-16 code units. */
export const MAX_RECORD = 262_144

const RECORD_SEPARATOR = "\u001e"

export type JsonObject = { readonly [field: string]: unknown }

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Splits JSON text sequences into records. A record that is not an object, or is too long, is counted and skipped; at
 * most one record is held. RFC 7464
 */
export class RecordReader {
  /** Records that could not be read, without the last one. */
  malformed = 0
  /** Whether the file ends in the middle of a record, as it does while it is written. */
  isTruncated = false
  private readonly onRecord: (record: JsonObject) => void
  private rest = ""
  /** Whether the record that has begun is too long. */
  private isSkipping = false

  constructor(onRecord: (record: JsonObject) => void) {
    this.onRecord = onRecord
  }

  push(text: string): void {
    let start = 0
    for (let end = text.indexOf(RECORD_SEPARATOR); end >= 0; end = text.indexOf(RECORD_SEPARATOR, start)) {
      this.append(text, start, end)
      this.finish()
      start = end + 1
    }
    this.append(text, start, text.length)
  }

  end(): void {
    const record = parsed(this.rest)
    if (record !== undefined) this.onRecord(record)
    else this.isTruncated = this.isSkipping || this.rest.trim() !== ""
    this.rest = ""
    this.isSkipping = false
  }

  private append(text: string, start: number, end: number): void {
    if (this.isSkipping) return
    if (this.rest.length + end - start <= MAX_RECORD) this.rest += text.slice(start, end)
    else {
      this.rest = ""
      this.isSkipping = true
    }
  }

  private finish(): void {
    const { rest, isSkipping } = this
    this.rest = ""
    this.isSkipping = false
    if (!isSkipping && rest.trim() === "") return
    const record = isSkipping ? undefined : parsed(rest)
    if (record === undefined) this.malformed++
    else this.onRecord(record)
  }
}

const parsed = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
