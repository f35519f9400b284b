/**
 * Peers behind relays as addresses, so that to the rest of the transport a relay is a network like others.
 *
 * An address is made of a keyed hash of the peer's key and of the relay: the same pair has the same address for as long as
 * the process lives, however often it was forgotten meanwhile. All addresses of a key share its first 64 bits, by which
 * what strangers may cost is counted; who does not know the secret cannot choose a key with the prefix of another.
 *
 * The table is bounded: anybody a relay lets in may send. What was not used for longest is forgotten, and known again with
 * the next datagram from there.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import { sameBytes } from "../internal/bytes.ts"
import { spkiOf } from "../internal/ed25519.ts"
import { hexadecimal } from "../internal/hexadecimal.ts"
import { KeyedTable } from "../internal/KeyedTable.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import { formatIp } from "../wire/ipAddress.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/** Unique-local addresses of our own: nobody else's network has them, except by a chance of one in 65,536. RFC 4193 */
const PREFIX = Uint8Array.of(0xfd, 0x51, 0x1c)

/** A peer, at one relay. */
export interface RelayedPeer<Relay> {
  readonly relay: Relay
  /** Its Ed25519 public key. */
  readonly key: Uint8Array
  readonly address: SocketAddress
}

class Entry<Relay> implements RelayedPeer<Relay> {
  readonly relay: Relay
  readonly key: Uint8Array
  readonly address: SocketAddress
  /** Again, since it was added or last passed over. */
  wasUsed = false
  /** How many depend on it being known. */
  pins = 0

  constructor(relay: Relay, key: Uint8Array, address: SocketAddress) {
    this.relay = relay
    this.key = key
    this.address = address
  }
}

/** Peers remembered at the same time. */
export const MAX_RELAYED_PEERS = 4096

export class RelayAddresses<Relay extends { readonly url: string }> {
  /** The address of the socket that reaches all of them. */
  readonly local: SocketAddress = { ...addressAt(new Uint8Array(13)), relayed: "relays" }
  private readonly random: RandomBytes
  private readonly secret: Uint8Array
  private readonly capacity: number
  private readonly byHost = new Map<string, Entry<Relay>>()
  private readonly byKey = new Map<Relay, KeyedTable<Entry<Relay>>>()

  constructor(random: RandomBytes, capacity = MAX_RELAYED_PEERS) {
    this.random = random
    this.secret = random(32)
    this.capacity = capacity
  }

  get size(): number {
    return this.byHost.size
  }

  /** The address of the holder of a key, 32 bytes, at a relay. */
  of(relay: Relay, key: Uint8Array): SocketAddress {
    const known = this.byKey.get(relay)?.get(key, 0, key.length)
    if (known === undefined) return this.add(relay, new Uint8Array(key))
    known.wasUsed = true
    return known.address
  }

  /** Keeps the address of a peer that may not be heard from, until the returned function is called. */
  pin(relay: Relay, key: Uint8Array): { readonly address: SocketAddress; readonly unpin: () => void } {
    const address = this.of(relay, key)
    const entry = this.byHost.get(address.host)!
    entry.pins++
    let isPinned = true
    const unpin = () => {
      if (isPinned) entry.pins--
      isPinned = false
    }
    return { address, unpin }
  }

  /** Whose address it is; undefined if it is none of these, or was forgotten. */
  peerAt({ host }: SocketAddress): RelayedPeer<Relay> | undefined {
    const known = this.byHost.get(host)
    if (known !== undefined) known.wasUsed = true
    return known
  }

  /** Forgets all that are reached through a relay, pinned or not. */
  forget(relay: Relay): void {
    this.byKey.delete(relay)
    for (const [host, entry] of this.byHost) if (entry.relay === relay) this.byHost.delete(host)
  }

  private add(relay: Relay, key: Uint8Array): SocketAddress {
    if (this.byHost.size >= this.capacity) this.evict()
    const tail = new Uint8Array(13)
    tail.set(this.hash(key).subarray(0, 5))
    tail.set(this.hash(key, relay.url).subarray(0, 8), 5)
    const id = hexadecimal(sha256(spkiOf(key)), 0, 8)
    const address = { ...addressAt(tail), relayed: `${relay.url} to ${id}` }
    const entry = new Entry(relay, key, address)
    this.byHost.set(address.host, entry)
    const table = this.byKey.get(relay) ?? new KeyedTable<Entry<Relay>>(this.random)
    this.byKey.set(relay, table)
    table.add(key, entry)
    return address
  }

  /** One that was used since the last look gets another turn. */
  private evict(): void {
    let turns = 2 * this.byHost.size
    for (const [host, entry] of this.byHost) {
      if (turns-- === 0) return
      this.byHost.delete(host)
      if (entry.wasUsed || entry.pins > 0) {
        entry.wasUsed = false
        this.byHost.set(host, entry)
        continue
      }
      this.byKey.get(entry.relay)?.remove(entry.key, entry)
      return
    }
  }

  private hash(key: Uint8Array, url = ""): Uint8Array {
    return sha256(Uint8Array.of(...this.secret, ...key, ...utf8.encode(url)))
  }
}

const utf8 = new TextEncoder()

/** Ports mean nothing behind a relay; zero would be nobody's. */
const addressAt = (tail: Uint8Array): SocketAddress => ({
  host: formatIp(Uint8Array.of(...PREFIX, ...tail)),
  port: 1,
  family: 6
})

/** Whether bytes of an IP address are within our prefix: such an address is never sent to, or told to anyone. */
export const isRelayPrefix = (ip: Uint8Array): boolean =>
  ip.length === 16 && sameBytes(PREFIX, ip.subarray(0, PREFIX.length))
