/** Attacks by strangers, from addresses that may be spoofed. */
import { Level, type Version } from "../../src/wire/PacketType.ts"
import { writeCryptoHeader } from "../../src/wire/frameWriters.ts"
import type { PacketOptions, Puppet } from "../connection/Puppet.ts"
import type { Attack } from "./Attack.ts"

const PACKETS = 1000
/** Each is the start of a handshake of its own. */
const HANDSHAKES = 300
/** Strangers that send many packets each. */
const HOARDERS = 20

/** What `make` does with the first Initial of a new client. */
const initials =
  (make: (first: Uint8Array, client: Puppet, n: number) => Uint8Array): NonNullable<Attack["spoofed"]> =>
  (stranger) =>
    Array.from({ length: HANDSHAKES }, (_, n) => {
      const client = stranger()
      client.start()
      return make(client.outbox[0], client, n)
    })

/** The start of a ClientHello that never ends. */
const loris = (client: Puppet, options: PacketOptions = {}): Uint8Array =>
  client.packet(
    Level.Initial,
    (w) => {
      writeCryptoHeader(w, 0, 8)
      w.copy(Uint8Array.of(1, 0, 0x20, 0, 3, 3, 0, 0))
    },
    { size: 1200, ...options }
  )

/** Ten bytes of a ClientHello, far from any others. */
const hoard = (client: Puppet, offset: number): Uint8Array =>
  client.packet(
    Level.Initial,
    (w) => {
      writeCryptoHeader(w, offset, 10)
      w.fill(0, 10)
    },
    { size: 1200 }
  )

const junk = (size: number, firstByte: number): NonNullable<Attack["spoofed"]> => {
  return (stranger) => {
    const { random } = stranger().options
    return Array.from({ length: PACKETS }, () => {
      const bytes = random(size)
      if (size > 0) bytes[0] = firstByte
      return bytes
    })
  }
}

/** A handshake costs a key exchange and a signature, of which admission lets few through. */
const HANDSHAKE_FACTOR = 200
/** Held for an unfinished handshake, of which `limits.handshakes` limits the number. */
const BYTES_PER_HANDSHAKE = 50_000

export const strangers: ReadonlyArray<Attack> = [
  {
    name: "spoofed Initial flood",
    reference: "RFC 9000 §21.1",
    spoofed: initials((first) => first),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  {
    name: "Initial with a forged token",
    reference: "CVE-2024-45311, CVE-2026-44894",
    spoofed: initials((_, client) => loris(client, { token: client.options.random(80) })),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  {
    name: "slow-loris handshake",
    reference: "CVE-2025-54939",
    spoofed: initials((_, client) => loris(client)),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  {
    name: "CRYPTO hoarded before a handshake",
    reference: "CVE-2025-54939",
    spoofed: (stranger) =>
      Array.from({ length: HOARDERS }, () => {
        const client = stranger()
        client.start()
        return Array.from({ length: PACKETS / HOARDERS }, (_, n) => hoard(client, 10 + 300 * n))
      }).flat(),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  {
    name: "connection IDs that collide",
    reference: "RFC 9000 §21",
    spoofed: (stranger) =>
      Array.from({ length: HANDSHAKES }, (_, n) => {
        const client = stranger()
        client.destination = Uint8Array.of(1, 1, 1, 1, 1, 1, n >> 8, n & 0xff)
        client.start()
        return client.outbox[0]
      }),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  {
    name: "one Initial from many addresses",
    reference: "RFC 9000 §21.1",
    spoofed: (stranger) => {
      const client = stranger()
      client.start()
      return Array.from({ length: PACKETS }, () => client.outbox[0].slice())
    },
    costFactor: HANDSHAKE_FACTOR,
    mayHold: HANDSHAKES * BYTES_PER_HANDSHAKE
  },
  { name: "0-RTT packets for nobody", reference: "RFC 9001 §9.2", spoofed: junk(1200, 0xd0) },
  {
    name: "Initial too small to be answered",
    reference: "RFC 9000 §14.1",
    spoofed: initials((_, client) => loris(client, { size: 600 }))
  },
  {
    name: "Initial that does not authenticate",
    reference: "RFC 9001 §5.2",
    spoofed: initials((first) => {
      first[first.length - 1] ^= 1
      return first
    })
  },
  {
    name: "unknown versions for reflection",
    reference: "RFC 9000 §6.1",
    spoofed: initials((_, client) => loris(client, { version: 0x1a2a3a4a as Version }))
  },
  { name: "stateless-reset oracle", reference: "RFC 9000 §21.11", spoofed: junk(1200, 0x40) },
  { name: "short packets for stateless resets", reference: "RFC 9000 §10.3.3", spoofed: junk(43, 0x40) },
  { name: "Handshake packets for nobody", reference: "RFC 9000 §10.3", spoofed: junk(1200, 0xe0) },
  { name: "datagrams without a byte", reference: "RFC 9000 §21", spoofed: junk(0, 0) }
]
