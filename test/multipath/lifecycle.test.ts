/** D1, D2, D5, D6: paths that open, carry data, change their status, fall silent and end, between two of our endpoints. */
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { AbandonCode } from "../../src/connection/Multipath.ts"
import { Space } from "../../src/wire/PacketType.ts"
import { ends, type End, otherEnd, secondAddress, type Sent, TwoPaths } from "../connection/TwoPaths.ts"

const { APPLICATION_ABANDON_PATH } = AbandonCode
const SECOND = 1_000_000

const write = (two: TwoPaths, bytes: number): number => {
  const { streams } = two.pair.client
  const id = streams.open(false)
  streams.write(id, new Uint8Array(bytes).fill(7))
  streams.finish(id)
  return id
}

/** What the server has received of a stream; how much it is does not matter to most tests. */
const read = ({ pair }: TwoPaths, id: number): number => {
  let bytes = 0
  for (;;) {
    const chunk = pair.server!.streams.read(id, 1e6)
    if (chunk === undefined || chunk.length === 0) return bytes
    bytes += chunk.length
  }
}

const statesOf = (two: TwoPaths, end: End): ReadonlyArray<string> =>
  two.of(end).paths.all.map(({ id, status }) => `${id} ${status.state}${status.carries ? ", carries" : ""}`)

const socketsOf = (sent: ReadonlyArray<Sent>, by: End): Set<number> =>
  new Set(sent.filter((each) => each.by === by && each.bytes.length > 500).map(({ socket }) => socket))

const pathAt = (two: TwoPaths, end: End, id: number): ConnectionPath => two.of(end).paths.byId(id)!

describe("D1: a second path", () => {
  it("is opened by the client, validated by both, and carries data with numbers of its own", () => {
    const two = new TwoPaths()
    for (const end of ends) expect(statesOf(two, end)).toEqual(["0 active, carries", "1 active, carries"])
    const id = write(two, 400_000)
    two.exchange().advance(SECOND)
    expect(read(two, id)).toBe(400_000)
    expect(socketsOf(two.sent, "client")).toEqual(new Set([0, 1]))
    for (const path of two.of("client").paths) {
      expect(path.recovery.largestAcked(Space.Application)).toBeGreaterThan(20)
      expect(path.recovery.packetsInFlight).toBe(0)
    }
    for (const end of ends) expect(two.of(end).receiver.counters.undecryptable).toBe(0)
  })

  it("is refused when nobody negotiated it, to a server, beyond the limit, and without connection IDs", () => {
    const single = new TwoPaths({ server: { maxPaths: 1 } })
    expect(single.of("client").paths.all).toHaveLength(1)
    expect(single.of("client").multipath.open(secondAddress("server"), 1, single.nowMicros)).toBe(
      "notNegotiated"
    )
    const two = new TwoPaths()
    expect(two.of("server").multipath.open(secondAddress("server"), 1, two.nowMicros)).toBe("server")
    expect(two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)).toBe("limit")
    two.of("client").multipath.tellBlocked("limit")
    two.exchange()
    expect(two.of("client").lifecycle.isOpen).toBe(true)
  })

  it("that is not answered fails, and the connection goes on with the first", () => {
    const two = new TwoPaths({ client: { maxPaths: 3 }, server: { maxPaths: 3 } })
    two.arrives = ({ by, socket }) => by === "server" || socket === 0
    const third = two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)
    expect(third).toMatchObject({ id: 2 })
    two.exchange().advance(10 * SECOND)
    // its ID is used up, and another may be used in its place
    expect(statesOf(two, "client")).toContain("0 active, carries")
    expect(two.of("client").paths.byId(2)).toBeUndefined()
    expect(pathAt(two, "client", 3).status.state).toBe("created")
    expect(pathAt(two, "server", 3).status.state).toBe("created")
  })

  it("validates the client before the server sends it more than three times what it received", () => {
    const two = new TwoPaths({ client: { maxPaths: 3 }, server: { maxPaths: 3 } })
    two.arrives = ({ by, socket }) => by === "client" || socket === 0
    two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)
    const server = two.of("server")
    server.streams.write(server.streams.open(false), new Uint8Array(200_000))
    two.exchange().advance(SECOND)
    const { bytesReceived, bytesSent } = pathAt(two, "server", 2).traffic
    expect(bytesSent).toBeGreaterThan(0)
    expect(bytesSent).toBeLessThanOrEqual(3 * bytesReceived)
    expect(pathAt(two, "server", 2).status.carries).toBe(false)
  })
})

describe("D2, D6: the end of a path", () => {
  it.each(ends)("asked for by the %s is followed by the other, and frees its ID after 3 PTO", (by) => {
    const two = new TwoPaths()
    const path = pathAt(two, by, 1)
    expect(two.of(by).multipath.abandon(path, APPLICATION_ABANDON_PATH, two.nowMicros)).toBe(true)
    expect(path.status.state).toBe("closing")
    two.exchange()
    expect(pathAt(two, otherEnd(by), 1).status.state).toBe("closing")
    const id = write(two, 100_000)
    const before = two.sent.length
    two.exchange().advance(10 * SECOND)
    expect(read(two, id)).toBe(100_000)
    expect(socketsOf(two.sent.slice(before), "client")).toEqual(new Set([0]))
    for (const end of ends) {
      expect(two.of(end).paths.byId(1)).toBeUndefined()
      expect(two.pair.ends[end].routedIds).toBe(
        [...two.of(end).paths].reduce((sum, { localIds }) => sum + localIds.count, 0)
      )
    }
    // the next one has another ID
    expect(two.of("client").multipath.open(pathAt(two, "client", 0).remote, 1, two.nowMicros)).toMatchObject({
      id: 2
    })
  })

  it("may be that of the first path", () => {
    const two = new TwoPaths()
    expect(two.of("client").multipath.abandon(pathAt(two, "client", 0), 0, two.nowMicros)).toBe(true)
    two.exchange().advance(10 * SECOND)
    const id = write(two, 100_000)
    const before = two.sent.length
    two.exchange().advance(SECOND)
    expect(read(two, id)).toBe(100_000)
    expect(socketsOf(two.sent.slice(before), "client")).toEqual(new Set([1]))
    expect(two.of("client").path.id).toBe(1)
  })

  it("is refused for the last one, and happens at once when both ask for it", () => {
    const two = new TwoPaths()
    for (const end of ends)
      expect(two.of(end).multipath.abandon(pathAt(two, end, 1), 0, two.nowMicros)).toBe(true)
    two.exchange().advance(10 * SECOND)
    for (const end of ends) {
      expect(two.of(end).paths.byId(1)).toBeUndefined()
      expect(two.of(end).multipath.abandon(pathAt(two, end, 0), 0, two.nowMicros)).toBe(false)
      expect(two.of(end).lifecycle.isOpen).toBe(true)
    }
  })

  it("loses nothing that was in flight on it, and late packets of it are acknowledged on the other", () => {
    const two = new TwoPaths()
    const late: Array<Sent> = []
    two.arrives = (sent) => sent.socket === 0 || late.push(sent) === 0
    const id = write(two, 300_000)
    two.exchange()
    expect(late.length).toBeGreaterThan(5)
    two.arrives = () => true
    two.of("server").multipath.abandon(pathAt(two, "server", 1), 0, two.nowMicros)
    two.exchange()
    const { largest } = pathAt(two, "server", 1).received[Space.Application]
    for (const sent of late) two.deliver(sent)
    expect(pathAt(two, "server", 1).received[Space.Application].largest).toBeGreaterThan(largest)
    two.exchange().advance(SECOND / 2)
    expect(pathAt(two, "server", 1)?.received[Space.Application].ackDeadlineMicros ?? Infinity).toBe(Infinity)
    two.advance(SECOND)
    expect(read(two, id)).toBe(300_000)
  })
})

/** The client prefers the second path, which has just died. */
const secondDies = () => {
  const two = new TwoPaths()
  const { multipath, streams } = two.of("client")
  multipath.setBackup(pathAt(two, "client", 0), true)
  two.exchange().advance(SECOND)
  two.arrives = ({ socket }) => socket === 0
  return { two, streams, pto: pathAt(two, "client", 1).recovery.ptoMicros(), id: streams.open(false) }
}

describe("D3, D5: a path that falls silent", () => {
  it("gets nothing new, what was in flight is sent on the other, and it comes back when it answers", () => {
    const two = new TwoPaths()
    two.arrives = ({ socket }) => socket === 0
    const id = write(two, 300_000)
    two.exchange().advance(SECOND)
    expect(read(two, id)).toBe(300_000)
    expect(pathAt(two, "client", 1).status).toMatchObject({
      isSuspect: true,
      carries: false,
      state: "active"
    })
    two.arrives = () => true
    two.advance(10 * SECOND)
    expect(pathAt(two, "client", 1).status).toMatchObject({ isSuspect: false, carries: true })
  })

  it("gets what all carry while none answers, and loses nothing once another does", () => {
    const two = new TwoPaths()
    const id = write(two, 400_000)
    two.exchange().advance(SECOND)
    expect(read(two, id)).toBe(400_000)
    two.arrives = () => false
    const ids = [write(two, 10_000)]
    two.exchange().advance(2 * SECOND)
    ids.push(write(two, 300_000))
    two.exchange().advance(SECOND / 10)
    expect(statesOf(two, "client")).toEqual(["0 active, carries", "1 active, carries"])
    expect(pathAt(two, "client", 1).recovery.packetsInFlight).toBeGreaterThan(15)
    two.arrives = ({ socket }) => socket === 0
    two.advance(4 * SECOND)
    expect(ids.map((id) => read(two, id))).toEqual([10_000, 300_000])
    expect(statesOf(two, "client")).toEqual(["0 active, carries", "1 active"])
  })

  it("gets nothing while none answers, if another has been silent for a second less", () => {
    const two = new TwoPaths()
    two.arrives = ({ socket }) => socket === 0
    write(two, 10_000)
    for (let i = 0; i < 4; i++) {
      two.exchange().advance(SECOND / 2)
      write(two, 1000)
    }
    two.arrives = () => false
    write(two, 10_000)
    two.exchange().advance(SECOND)
    expect(two.of("client").paths.all.map(({ status }) => status.isSuspect)).toEqual([true, true])
    expect(statesOf(two, "client")).toEqual(["0 active, carries", "1 active"])
    // whichever answers first carries
    two.arrives = ({ socket }) => socket === 1
    two.advance(2 * SECOND)
    expect(statesOf(two, "client")).toEqual(["0 active", "1 active, carries"])
  })

  it("is found out though a little more is sent on it all the time", () => {
    const { two, streams, pto, id } = secondDies()
    let arrived = 0
    for (let i = 0; i < 40; i++) {
      streams.write(id, new Uint8Array(10))
      two.exchange().advance(pto / 5)
      arrived += read(two, id)
    }
    expect(arrived).toBeGreaterThan(200)
    expect(pathAt(two, "client", 1).status.isSuspect).toBe(true)
  })

  it("is found out within a PTO by much that is sent on it all the time, while the peer is silent on it", () => {
    const { two, streams, pto, id } = secondDies()
    const ptos: Array<number> = []
    for (let i = 0; i < 40 && !pathAt(two, "client", 1).status.isSuspect; i++) {
      streams.write(id, new Uint8Array(10))
      two.exchange().advance(pto / 10)
      ptos.push((i + 1) / 10)
    }
    expect(ptos.at(-1)).toBeCloseTo(1, 0)
  })

  it("is another one than that on which an ACK was lost, while the peer's data arrives", () => {
    const two = new TwoPaths()
    const [client, server] = ends.map((end) => two.of(end))
    server.multipath.setBackup(pathAt(two, "server", 0), true)
    two.exchange()
    const backupNumbers = () => ends.map((end) => pathAt(two, end, 0).recovery.counters.packetsSent)
    const before = backupNumbers()
    two.arrives = ({ by }) => by === "client"
    write(two, 5000)
    two.exchange()
    two.arrives = () => true
    two.advance(2000)
    // as long as a round trip
    two.advance(client.path.recovery.rtt.smoothedMicros)
    server.streams.write(server.streams.open(false), new Uint8Array(1000))
    two.exchange().advance(SECOND)
    expect(backupNumbers()).toEqual(before)
    expect(pathAt(two, "client", 1).recovery.packetsInFlight).toBe(0)
  })

  it("keeps the connection alive as long as the other works, though it was the first", () => {
    const two = new TwoPaths()
    two.arrives = ({ socket }) => socket === 1
    for (let i = 0; i < 5; i++) {
      const id = write(two, 50_000)
      two.exchange().advance(20 * SECOND)
      expect(read(two, id)).toBe(50_000)
    }
    expect(two.of("client").path.id).toBe(1)
  })
})

describe("D2: the status of a path", () => {
  it("as backup keeps data off it at both ends, until no other is left", () => {
    const two = new TwoPaths()
    two.of("client").multipath.setBackup(pathAt(two, "client", 1), true)
    two.exchange()
    expect(statesOf(two, "client")).toEqual(["0 active, carries", "1 standby"])
    expect(statesOf(two, "server")).toEqual(["0 active, carries", "1 active"])
    let before = two.sent.length
    const id = write(two, 100_000)
    two.exchange().advance(SECOND)
    expect(read(two, id)).toBe(100_000)
    expect(socketsOf(two.sent.slice(before), "client")).toEqual(new Set([0]))
    before = two.sent.length
    two.of("client").multipath.abandon(pathAt(two, "client", 0), 0, two.nowMicros)
    const next = write(two, 100_000)
    two.exchange().advance(SECOND)
    expect(read(two, next)).toBe(100_000)
    expect(socketsOf(two.sent.slice(before), "client")).toEqual(new Set([1]))
  })

  it("is that of the newest frame, in whatever order they arrive", () => {
    const two = new TwoPaths()
    const held: Array<Sent> = []
    for (const isBackup of [true, false, true]) {
      two.arrives = (sent) => sent.by === "server" || held.push(sent) === 0
      two.of("client").multipath.setBackup(pathAt(two, "client", 1), isBackup)
      two.exchange()
    }
    two.arrives = () => true
    for (const sent of held.toReversed()) two.deliver(sent)
    expect(pathAt(two, "server", 1).status.isPeerBackup).toBe(true)
  })
})
