import { ByteReader } from "../wire/ByteReader.ts"

/** How many names an error message lists. */
const MAX_NAMES_LISTED = 8

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * A received ProtocolNameList. RFC 7301 §3.1. An unauthenticated ClientHello can list thousands of names, so they are
 * compared as bytes and not decoded to strings.
 */
export class ProtocolNames {
  /** The names, each preceded by its length. */
  private readonly list: Uint8Array
  readonly count: number

  private constructor(list: Uint8Array, count: number) {
    this.list = list
    this.count = count
  }

  /** Undefined if the body is malformed. */
  static read(body: Uint8Array): ProtocolNames | undefined {
    const r = new ByteReader(body)
    if (r.u16() !== r.remaining || r.remaining === 0) return undefined
    let count = 0
    while (r.remaining > 0) {
      const length = r.u8()
      r.skip(length)
      if (r.failed || length === 0) return undefined
      count++
    }
    return new ProtocolNames(body.subarray(2), count)
  }

  includes(protocol: string): boolean {
    const { list } = this
    const name = encoder.encode(protocol)
    for (let at = 0; at < list.length; at += 1 + list[at])
      if (list[at] === name.length && matches(list, at + 1, name)) return true
    return false
  }

  /** The first few names, for error messages. */
  toString(): string {
    const { list, count } = this
    const names: Array<string> = []
    for (let at = 0; at < list.length && names.length < MAX_NAMES_LISTED; at += 1 + list[at])
      names.push(decoder.decode(list.subarray(at + 1, at + 1 + list[at])))
    return names.join(", ") + (count > names.length ? ` and ${count - names.length} more` : "")
  }
}

const matches = (list: Uint8Array, start: number, name: Uint8Array): boolean => {
  for (let i = 0; i < name.length; i++) if (list[start + i] !== name[i]) return false
  return true
}
