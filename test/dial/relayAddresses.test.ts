/** Peers behind relays as addresses: stable, bounded, counted by key, and never anybody else's. */
import { randomBytes } from "node:crypto"
import { describe, expect, it } from "vitest"
import { RelaySocket } from "../../src/actor/RelaySocket.ts"
import type { RelayLink, RelayLinkListener } from "../../src/capability/RelayPort.ts"
import { isRelayPrefix, RelayAddresses } from "../../src/relay/RelayAddresses.ts"
import { whyUnreachable } from "../../src/wire/destination.ts"
import { parseIp } from "../../src/wire/ipAddress.ts"
import { formatAddress, socketAddress } from "../../src/wire/SocketAddress.ts"
import { writeSource } from "../../src/wire/sourcePrefix.ts"

const random = (length: number) => new Uint8Array(randomBytes(length))
const key = () => random(32)

interface Carrier {
  readonly url: string
  link: RelayLink | undefined
}
const carrier = (url: string): Carrier => ({ url, link: undefined })

const sourceOf = (host: string): string => {
  const into = new Uint8Array(16)
  const length = writeSource(socketAddress(host, 1)!, into)
  return Buffer.from(into.subarray(0, length)).toString("hex")
}

describe("the address of a peer behind a relay", () => {
  it("is the same as long as the process lives, also after it was forgotten", () => {
    const addresses = new RelayAddresses<Carrier>(random, 2)
    const relay = carrier("https://a/")
    const first = key()
    const { host } = addresses.of(relay, first)
    expect(addresses.of(relay, first.slice())).toBe(addresses.of(relay, first))
    for (let i = 0; i < 5; i++) addresses.of(relay, key())
    expect(addresses.size).toBe(2)
    expect(addresses.peerAt({ host, port: 1, family: 6 })).toBeUndefined()
    expect(addresses.of(relay, first).host).toBe(host)
    addresses.forget(relay)
    expect(addresses.size).toBe(0)
    expect(addresses.of(carrier("https://a/"), first).host).toBe(host)
    expect(new RelayAddresses<Carrier>(random).of(relay, first).host).not.toBe(host)
  })

  it("has the same source for a key at every relay, and another for each key", () => {
    const addresses = new RelayAddresses<Carrier>(random)
    const first = key()
    const [a, b] = [carrier("https://a/"), carrier("https://b/")].map((relay) => addresses.of(relay, first))
    expect(a.host).not.toBe(b.host)
    expect(sourceOf(a.host)).toBe(sourceOf(b.host))
    const others = Array.from({ length: 500 }, () =>
      sourceOf(addresses.of(carrier("https://a/"), key()).host)
    )
    expect(new Set([...others, sourceOf(a.host)]).size).toBe(501)
  })

  it("is in a prefix of its own, is shown as what it stands for, and is reached on its own socket only", () => {
    const addresses = new RelayAddresses<Carrier>(random)
    const address = addresses.of(carrier("https://a/"), key())
    expect(isRelayPrefix(parseIp(address.host)!.bytes)).toBe(true)
    expect(isRelayPrefix(parseIp("fd00::1")!.bytes)).toBe(false)
    expect(formatAddress(address)).toMatch(/^https:\/\/a\/ to [0-9a-f]{16}$/)
    expect(whyUnreachable(addresses.local, address)).toBeUndefined()
    expect(whyUnreachable({ host: "::", port: 1, family: 6 }, address)).toMatch(/through its relay only/)
    expect(whyUnreachable(addresses.local, { host: "::1", port: 1, family: 6 })).toMatch(
      /not reached through a relay/
    )
  })

  it("of those used lately, and of those that are pinned, is kept while strangers come and go", () => {
    const addresses = new RelayAddresses<Carrier>(random, 100)
    const relay = carrier("https://a/")
    const pinned = addresses.pin(relay, key())
    const used = addresses.of(relay, key())
    for (let i = 0; i < 1_000; i++) {
      if (i % 20 === 0) addresses.peerAt(used)
      addresses.of(relay, key())
    }
    expect(addresses.size).toBe(100)
    expect(addresses.peerAt(pinned.address)?.relay).toBe(relay)
    expect(addresses.peerAt(used)?.relay).toBe(relay)
    pinned.unpin()
    pinned.unpin()
    for (let i = 0; i < 1_000; i++) addresses.of(relay, key())
    expect(addresses.peerAt(pinned.address)).toBeUndefined()
  })

  it("can be pinned for any number of peers", () => {
    const addresses = new RelayAddresses<Carrier>(random, 2)
    const relay = carrier("https://a/")
    const pins = Array.from({ length: 5 }, () => addresses.pin(relay, key()))
    for (const { address } of pins) expect(addresses.peerAt(address)).toBeDefined()
  })
})

describe("a socket over relays", () => {
  const linked = () => {
    const socket = new RelaySocket<Carrier>(new RelayAddresses(random))
    const sent: Array<{ readonly to: Uint8Array; readonly ecn: number; readonly bytes: Uint8Array }> = []
    const relay = carrier("https://a/")
    const state = { congested: false, listener: undefined as RelayLinkListener | undefined }
    const link = {
      get congested() {
        return state.congested
      },
      listen: (listener: RelayLinkListener) => {
        state.listener = listener
      },
      send: (to: Uint8Array, ecn: number, buffer: Uint8Array, start: number, end: number) =>
        sent.push({ to, ecn, bytes: buffer.slice(start, end) })
    } as unknown as RelayLink
    relay.link = link
    socket.attach(relay, link)
    return { socket, sent, relay, state }
  }

  it("sends to the key that an address stands for, and drops and counts what goes nowhere", () => {
    const { socket, sent, relay } = linked()
    const peer = key()
    const address = socket.addresses.of(relay, peer)
    const start = socket.reserve(5_000)
    socket.buffer.set([1, 2, 3], start)
    socket.commit(start + 3, address, 2)
    expect(sent).toEqual([{ to: peer, ecn: 2, bytes: Uint8Array.of(1, 2, 3) }])
    socket.send(new Uint8Array(9), 0, 9, { host: "192.0.2.1", port: 1, family: 4 }, 0)
    socket.send(new Uint8Array(65_200), 0, 65_200, address, 0)
    relay.link = undefined
    socket.send(new Uint8Array(9), 0, 9, address, 0)
    expect(sent).toHaveLength(1)
    expect(socket.counters).toMatchObject({ sent: 1, sendDropped: 2, sendTooLarge: 1 })
  })

  it("hands out what arrives, a bounded number, and wakes its reader once", () => {
    const { socket, relay, state } = linked()
    let wakes = 0
    socket.onReadable(() => wakes++)
    const peer = key()
    // a Buffer's `slice` would not copy
    const lent = Buffer.of(7)
    for (let i = 0; i < 600; i++) state.listener!.onDatagram(peer, 1, lent)
    lent[0] = 8
    expect(wakes).toBe(1)
    const seen: Array<unknown> = []
    const count = socket.drain(1_000, ({ bytes, from, ecn }) => seen.push([bytes[0], from, ecn]))
    expect(count).toBe(512)
    expect(seen[0]).toEqual([7, socket.addresses.of(relay, peer), 1])
    expect(socket.counters).toMatchObject({ received: 512, receiveDropped: 88 })
  })

  it("is congested when all its links are, and wakes its reader when one is not any more", () => {
    const { socket, relay, state } = linked()
    let wakes = 0
    socket.onReadable(() => wakes++)
    expect(socket.congested).toBe(false)
    state.congested = true
    expect(socket.congested).toBe(true)
    state.congested = false
    state.listener!.onWritable()
    expect(wakes).toBe(1)
    state.congested = true
    socket.detach(relay)
    expect(socket.congested).toBe(false)
  })

  it("says that a peer has left, which is not for ever", () => {
    const { socket, relay, state } = linked()
    const told: Array<unknown> = []
    socket.onRefused((...refused) => told.push(refused))
    const peer = key()
    state.listener!.onGone(peer)
    expect(told).toEqual([[socket.addresses.of(relay, peer), "it has left https://a/", false]])
  })
})
