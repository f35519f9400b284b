/** Properties of every path of a connection, tested with two paths between two of our endpoints. */
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { secondAddress, TwoPaths } from "./TwoPaths.ts"

const BYTES = 60_000

const write = (two: TwoPaths, bytes = BYTES): number => {
  const id = two.pair.client.streams.open(false)
  two.pair.client.streams.write(id, new Uint8Array(bytes).fill(7))
  return id
}

const read = ({ pair }: TwoPaths, id: number): number => {
  let bytes = 0
  for (let chunk = pair.server!.streams.read(id, 1e6); chunk !== undefined; ) {
    bytes += chunk.length
    chunk = pair.server!.streams.read(id, 1e6)
  }
  return bytes
}

/** Packets that either side dropped or failed to decrypt. */
const faults = ({ pair }: TwoPaths): number =>
  [pair.client, pair.server!].reduce(
    (sum, { receiver: { counters } }) => sum + counters.dropped + counters.undecryptable,
    0
  )

describe("a connection with two paths", () => {
  it("sends on the second path while the first path's socket is blocked, and reads it there", () => {
    const two = new TwoPaths()
    two.congested.add(0)
    const id = write(two)
    expect(two.pair.client.paths.areHeldBack((socket) => two.congested.has(socket))).toBe(true)
    two.exchange().advance(500_000)
    expect(read(two, id)).toBe(BYTES)
    expect(new Set(two.sent.map(({ socket }) => socket))).toEqual(new Set([1]))
    expect(faults(two)).toBe(0)
    const { client, server } = two.second
    // acknowledged on the path they arrived on
    expect(client.recovery.largestAcked(Space.Application)).toBeGreaterThan(40)
    expect(client.recovery.packetsInFlight).toBe(0)
    expect(server.traffic.datagramsReceived).toBe(client.traffic.datagramsSent)
  })

  it("opens a packet only as one of the path its connection ID belongs to", () => {
    const two = new TwoPaths()
    const { pair } = two
    two.congested.add(0)
    two.arrives = () => false
    write(two)
    two.exchange()
    const [sent] = two.sent
    const moved = sent.bytes.slice()
    // the same packet, addressed to path 0
    moved.set(pair.client.path.routes.current.destinationId.id, 1)
    two.deliver({ by: "client", socket: 0, bytes: moved })
    expect(pair.server!.receiver.counters.undecryptable).toBe(1)
    two.deliver(sent)
    expect(pair.server!.receiver.counters.undecryptable).toBe(1)
    expect(two.second.server.received[Space.Application].largest).toBeGreaterThanOrEqual(0)
  })

  it("runs the loss timers of both, and sends probes on their own path", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    two.congested.add(0)
    two.arrives = () => false
    write(two, 500)
    two.exchange()
    const { recovery } = two.second.client
    expect(client.path.recovery.deadlineMicros()).toBe(Number.POSITIVE_INFINITY)
    expect(client.timeout(two.nowMicros)).toBe(recovery.deadlineMicros())
    const before = two.sent.length
    two.nowMicros = recovery.deadlineMicros()
    client.handleTimeout(two.nowMicros)
    two.exchange()
    expect(recovery.counters.probeTimeouts).toBe(1)
    const probes = two.sent.slice(before).filter(({ by }) => by === "client")
    expect(probes.map(({ socket }) => socket)).toEqual([1, 1])
  })

  it("wakes for the second path's MTU probes and connection IDs, as for the first's", () => {
    const two = new TwoPaths({ client: { rotateIdsAfter: 50_000 } })
    const { client } = two.pair
    two.exchange()
    const { mtu, rotation } = two.second.client
    mtu.deadlineMicros = two.nowMicros + 1
    expect(client.timeout(two.nowMicros)).toBe(two.nowMicros + 1)
    mtu.deadlineMicros = Number.POSITIVE_INFINITY
    rotation.deadlineMicros = two.nowMicros + 2
    expect(client.timeout(two.nowMicros)).toBe(two.nowMicros + 2)
    client.handleTimeout(two.nowMicros + 2)
    expect(rotation.deadlineMicros).toBe(two.nowMicros + 2 + 50_000_000)
  })

  it("waits for the slower of the two when it closes", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    const { rtt } = two.second.client.recovery
    rtt.onSample(2_000_000, 0, two.nowMicros)
    const pto = two.second.client.recovery.ptoMicros()
    expect(pto).toBeGreaterThan(client.path.recovery.ptoMicros())
    client.close(0, "", two.nowMicros)
    expect(client.timeout(two.nowMicros)).toBe(two.nowMicros + 3 * pto)
  })

  it("is reset by a token of either path, from an address of that path", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    const token = new Uint8Array(16).fill(9)
    two.second.client.peerIds.setFirstToken(token)
    two.pair.ends.client.routeIds(client)
    const reset = new Uint8Array(50).fill(0x41)
    reset.set(token, reset.length - token.length)
    two.pair.ends.client.handleDatagram(
      reset.slice(),
      { host: "203.0.113.1", port: 1, family: 4 },
      0,
      two.nowMicros
    )
    expect(client.lifecycle.isOpen).toBe(true)
    two.pair.ends.client.handleDatagram(reset, secondAddress("server"), 0, two.nowMicros, 1, 1)
    expect(client.closeReason).toMatchObject({ origin: "statelessReset" })
  })

  it("uses the sockets of all routes of both, and those it is validating", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    expect(client.paths.sockets).toEqual(new Set([0, 1]))
    expect(client.migrate(2, two.nowMicros)).toBeUndefined()
    expect(client.migrate(3, two.nowMicros, two.second.client)).toBeUndefined()
    expect(client.paths.sockets).toEqual(new Set([0, 1, 2, 3]))
    // the first path has not moved, and the first path's socket does not count as used by the second
    expect(client.path.routes.current.socket).toBe(0)
    client.abandonRoute(2, two.nowMicros)
    client.abandonRoute(3, two.nowMicros, two.second.client)
    expect(client.paths.sockets).toEqual(new Set([0, 1]))
  })

  it("skips packet numbers on each, however many were used on the other, RFC 9000 §21.4", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    // none among the first 32 of a path; handshake packets are in other spaces
    const unused = ({ recovery }: ConnectionPath): number =>
      recovery.nextPacketNumber(Space.Application) - recovery.counters.packetsSent
    const skipped = [client.path, two.second.client].map((path, socket) => {
      const before = unused(path)
      two.congested.clear()
      two.congested.add(1 - socket)
      // a number is skipped at least once every 32 + 1023 packets
      for (let i = 0; i < 1100; i++) {
        client.ping()
        two.exchange().advance(1_000)
      }
      // an ACK still delayed would be due, and held back, once this path's socket is blocked
      two.advance(100_000)
      return unused(path) - before
    })
    expect(skipped[0]).toBeGreaterThan(0)
    expect(skipped[1]).toBeGreaterThan(0)
  })

  it("updates the keys of both at once", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    for (const socket of [0, 1, 0]) {
      two.congested.clear()
      two.congested.add(socket)
      const { updates } = client.keys.phases
      client.updateKeys()
      const id = write(two)
      two.exchange().advance(5_000_000)
      expect(read(two, id)).toBe(BYTES)
      expect(client.keys.phases.updates).toBe(updates + 1)
    }
    expect(faults(two)).toBe(0)
    expect(two.pair.server!.keys.phases.updates).toBe(3)
  })
})
