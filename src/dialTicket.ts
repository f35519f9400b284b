/** The bytes of a ticket. Reading takes only what writing makes, so that a peer has one ticket, not many. */
import { sha256 } from "@noble/hashes/sha2.js"
import { decodeBase32, encodeBase32 } from "./internal/base32.ts"
import { sameBytes } from "./internal/bytes.ts"
import { PUBLIC_KEY_BYTES } from "./internal/ed25519.ts"
import { MAX_RELAY_URL } from "./internal/relayUrl.ts"
import { formatIp, parseIp } from "./wire/ipAddress.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

export const MAX_RELAYS = 8
export const MAX_ADDRESSES = 32

/** What a ticket holds; where it is read from, nothing of it is checked but its size. */
export interface TicketContent {
  readonly publicKey: Uint8Array
  readonly relays: ReadonlyArray<string>
  readonly addresses: ReadonlyArray<SocketAddress>
}

const PREFIX = "quicpeer"
const VERSION = 1
const CHECK_BYTES = 4
const MAX_BYTES =
  1 + PUBLIC_KEY_BYTES + 1 + MAX_RELAYS * (1 + MAX_RELAY_URL) + 1 + MAX_ADDRESSES * 19 + CHECK_BYTES

/** Longest text that is looked at; white space counts. */
const MAX_TEXT = 16_384

const utf8 = new TextEncoder()
const latin1 = new TextDecoder("latin1")

export const encodeTicket = ({ publicKey, relays, addresses }: TicketContent): string => {
  const bytes: Array<number> = [VERSION, ...publicKey, relays.length]
  for (const url of relays) bytes.push(url.length, ...utf8.encode(url))
  bytes.push(addresses.length)
  for (const { host, port, family } of addresses)
    bytes.push(family, ...parseIp(host)!.bytes, port >> 8, port & 0xff)
  return PREFIX + encodeBase32(Uint8Array.of(...bytes, ...checkOf(Uint8Array.from(bytes))))
}

/** What the ticket says, or what is wrong with it. */
export const decodeTicket = (text: string): TicketContent | string => {
  if (typeof text !== "string") return "a ticket is text"
  if (text.length > MAX_TEXT) return `a ticket has at most ${MAX_TEXT} characters`
  const plain = text.replaceAll(/\s+/g, "").toLowerCase()
  if (!plain.startsWith(PREFIX)) return `a ticket begins with ${PREFIX}`
  if (plain.length > PREFIX.length + MAX_BYTES * 2) return "it is longer than any ticket"
  const bytes = decodeBase32(plain.slice(PREFIX.length))
  if (bytes === undefined) return "it has characters that no ticket has, or the last one is missing"
  if (bytes.length < 1 + CHECK_BYTES) return "it is cut off"
  const content = bytes.subarray(0, -CHECK_BYTES)
  if (!sameBytes(checkOf(content), bytes.subarray(-CHECK_BYTES))) return "it is damaged or cut off"
  if (content[0] !== VERSION)
    return `it is of version ${content[0]}, and this program knows version ${VERSION}`
  return new TicketReader(content).read() ?? "it is malformed"
}

const checkOf = (content: Uint8Array): Uint8Array => sha256(content).subarray(0, CHECK_BYTES)

class TicketReader {
  private readonly bytes: Uint8Array
  private position = 1
  private isMalformed = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  read(): TicketContent | undefined {
    const publicKey = this.take(PUBLIC_KEY_BYTES).slice()
    const relays = this.list(MAX_RELAYS, () => latin1.decode(this.take(this.byte())))
    const addresses = this.list(MAX_ADDRESSES, () => {
      const byte = this.byte()
      const family = byte === 4 ? 4 : 6
      if (byte !== family) this.isMalformed = true
      const host = formatIp(this.take(family === 4 ? 4 : 16))
      return { host, port: (this.byte() << 8) | this.byte(), family } as const
    })
    return this.isMalformed || this.position < this.bytes.length
      ? undefined
      : { publicKey, relays, addresses }
  }

  private list<A>(most: number, item: () => A): ReadonlyArray<A> {
    const count = this.byte()
    if (count > most) this.isMalformed = true
    const items: Array<A> = []
    while (!this.isMalformed && items.length < count) items.push(item())
    return items
  }

  private byte(): number {
    return this.take(1)[0]
  }

  private take(length: number): Uint8Array {
    const end = this.position + length
    if (end > this.bytes.length) {
      this.isMalformed = true
      return new Uint8Array(length)
    }
    const taken = this.bytes.subarray(this.position, end)
    this.position = end
    return taken
  }
}
