/** Attacks by strangers, from addresses that may be spoofed. */
import { defaultLimits } from "../../src/admission/Limits.ts"
import { Level, type Version } from "../../src/wire/PacketType.ts"
import { writeCryptoHeader } from "../../src/wire/frameWriters.ts"
import type { PacketOptions, Puppet } from "../connection/Puppet.ts"
import type { Attack } from "./Attack.ts"
import { collidingIds } from "./collisions.ts"

const PACKETS = 1000
/** Each is the start of a handshake of its own. */
const HANDSHAKES = 300
/** Strangers that send many packets each. */
const HOARDERS = 20

/** What `make` does with the first Initial of a new client. */
const initials =
  (make: (first: Uint8Array, client: Puppet, n: number) => Uint8Array) =>
  (stranger: () => Puppet): ReadonlyArray<Uint8Array> =>
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

/** The first byte of the tokens of a Retry. */
const RETRY_TOKEN = 0x52

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

/** Beyond a Retry, a handshake costs a key exchange and a signature: some hundred honest packets, of every sixth flood packet. */
const HANDSHAKE_FACTOR = 30
/** What those hold that come before a Retry is asked for; an unfinished handshake takes up to 50 kB. */
const UNPROVEN = defaultLimits.retryHandshakes * 50_000

export const strangers: ReadonlyArray<Attack> = [
  {
    name: "spoofed Initial flood",
    reference: "RFC 9000 §21.1",
    spoofed: initials((first) => first),
    costFactor: HANDSHAKE_FACTOR,
    mayHold: UNPROVEN
  },
  {
    name: "Initial with a forged token",
    reference: "CVE-2024-45311, CVE-2026-44894",
    spoofed: initials((_, client) => loris(client, { token: client.options.random(80) })),
    mayHold: UNPROVEN
  },
  {
    name: "slow-loris handshake",
    reference: "CVE-2025-54939",
    spoofed: initials((_, client) => loris(client)),
    mayHold: UNPROVEN
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
    mayHold: UNPROVEN
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
    mayHold: UNPROVEN
  },
  {
    name: "connection IDs that collide without the table's key",
    reference: "RFC 9000 §21",
    spoofed: (stranger) => {
      const { random } = stranger().options
      return collidingIds(0, 0, random).map((id) => {
        const client = stranger()
        client.destination = id
        client.start()
        return loris(client)
      })
    },
    costFactor: HANDSHAKE_FACTOR,
    mayHold: UNPROVEN
  },
  {
    name: "handshakes of one host",
    reference: "RFC 9000 §21.2",
    packets: (_, stranger) => initials((first) => first)(stranger),
    // a few in flight, and what the others have said until it is their turn
    mayHold: 1_000_000
  },
  {
    name: "Retry for reflection",
    reference: "RFC 9000 §8.1.2",
    retry: "always",
    spoofed: initials((first) => first),
    amplifies: 1
  },
  {
    name: "refusals for reflection",
    reference: "RFC 9000 §5.2.2",
    spoofed: initials((_, client) =>
      loris(client, { token: Uint8Array.of(RETRY_TOKEN, ...client.options.random(80)) })
    ),
    amplifies: 1
  },
  {
    name: "Retry token stolen from another client",
    reference: "CVE-2024-45311, CVE-2026-44894",
    retry: "always",
    spoofed: (stranger, attacker) =>
      initials((_, client) => loris(client, { token: attacker.token! }))(stranger),
    amplifies: 1
  },
  {
    name: "NEW_TOKEN token stolen and replayed",
    reference: "CVE-2024-45311, CVE-2026-44894",
    spoofed: (stranger, attacker) => {
      const { bytes: token } = attacker.seen.named("onNewToken")[0]
      return initials((_, client) => loris(client, { token: token! }))(stranger)
    },
    mayHold: UNPROVEN
  },
  {
    name: "NEW_TOKEN token replayed by its owner",
    reference: "CVE-2024-45311, CVE-2026-44894",
    packets: (attacker, stranger) => {
      const { bytes: token } = attacker.seen.named("onNewToken")[0]
      return initials((_, client) => loris(client, { token: token! }))(stranger)
    },
    mayHold: UNPROVEN
  },
  {
    name: "one Initial from many addresses",
    reference: "RFC 9000 §21.1",
    spoofed: (stranger) => {
      const client = stranger()
      client.start()
      return Array.from({ length: PACKETS }, () => client.outbox[0].slice())
    },
    mayHold: UNPROVEN
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
    spoofed: initials((_, client) => loris(client, { version: 0x1a2a3a4a as Version })),
    amplifies: 1
  },
  { name: "stateless-reset oracle", reference: "RFC 9000 §21.11", spoofed: junk(1200, 0x40), amplifies: 1 },
  {
    name: "short packets for stateless resets",
    reference: "RFC 9000 §10.3.3",
    spoofed: junk(43, 0x40),
    amplifies: 1
  },
  {
    name: "Handshake packets for nobody",
    reference: "RFC 9000 §10.3",
    spoofed: junk(1200, 0xe0),
    amplifies: 1
  },
  { name: "datagrams without a byte", reference: "RFC 9000 §21", spoofed: junk(0, 0) }
]
