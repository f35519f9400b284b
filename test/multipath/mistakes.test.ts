/** What implementations of multipath have got wrong, and networks bring about: none of it may end a connection. */
import { describe, expect, it } from "vitest"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { writeMaxPathId, writePathFrame, writePathsBlocked } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { CorePair } from "../connection/CorePair.ts"
import { Duel } from "../connection/Duel.ts"
import { secondAddress, TwoPaths } from "../connection/TwoPaths.ts"

const SECOND = 1_000_000
const acceptEarlyData = () => true
const several = { maxPaths: 3 }

const writePing = (w: ByteWriter): void => w.u8(FrameType.PING)

/** A server of ours, which allows the path IDs 0 to 2, and a client by hand that does too. */
const duel = (): Duel =>
  new Duel({
    victim: "server",
    transport: several,
    puppet: { parameters: (honest) => ({ ...honest, initialMaxPathId: 2 }) }
  }).shakeHands()

describe("a session that is resumed, with 0-RTT data", () => {
  /** A client that remembers a server of `before`, of which the server of `now` accepts the data. */
  const resumed = (before: object, now: object) => {
    const first = new CorePair({ acceptEarlyData, client: several, server: before }).exchange()
    const pair = new CorePair({ acceptEarlyData, resume: first.tickets[0], client: several, server: now })
    const { client } = pair
    const id = client.streams.open(false)
    client.streams.write(id, new Uint8Array(500))
    const isNegotiatedEarly = client.multipath.isNegotiated
    const early = client.multipath.open(secondAddress("server"), 1, pair.nowMicros)
    pair.exchange().advance(SECOND)
    expect(client.handshake.facts?.earlyData).toBe("accepted")
    expect(pair.server!.streams.read(id, 1_000)?.length).toBe(500)
    return { pair, isNegotiatedEarly, early }
  }

  it("does not remember that the server took several paths: the new parameters say, draft-ietf-quic-multipath §2.1", () => {
    const { pair, isNegotiatedEarly, early } = resumed(several, several)
    expect([isNegotiatedEarly, early]).toEqual([false, "notNegotiated"])
    expect(pair.client.multipath.open(secondAddress("server"), 1, pair.nowMicros)).toMatchObject({ id: 1 })
  })

  it("has one path with a server that takes no more than one any longer", () => {
    const { pair } = resumed(several, { maxPaths: 1 })
    for (const end of [pair.client, pair.server!]) {
      expect(end.multipath.isNegotiated).toBe(false)
      expect(end.paths.all).toHaveLength(1)
      expect(end.lifecycle.isOpen).toBe(true)
    }
  })

  it("has several with a server that takes them now", () => {
    const { pair } = resumed({ maxPaths: 1 }, several)
    expect(pair.client.multipath.open(secondAddress("server"), 1, pair.nowMicros)).toMatchObject({ id: 1 })
  })
})

describe("a packet of another path behind one that is coalesced with it", () => {
  const setUp = () => {
    const against = duel()
    const { puppet, connection } = against
    const path = connection.paths.byId(1)!
    const [{ id: destination }] = path.localIds.snapshots()
    const options = { destination: destination.slice(), pathId: 1, packetNumber: 0 }
    const ofOther = puppet.packet(Level.OneRtt, writePing, options)
    // it has a length, and need not be authentic
    const first = puppet.packet(Level.Initial, writePing, { keys: puppet.write[Level.OneRtt]! })
    // without connection IDs of the client's the server could not answer on it
    against.inject(
      puppet.packet(Level.OneRtt, (w) => {
        w.varint(FrameType.PATH_NEW_CONNECTION_ID)
        for (const field of [1, 0, 0]) w.varint(field)
        w.u8(8)
        w.copy(new Uint8Array(8).fill(9))
        w.copy(new Uint8Array(16).fill(5))
      })
    )
    return { against, path, ofOther, first }
  }

  it("is dropped, and opens no path, RFC 9000 §12.2 #S2", () => {
    const { against, path, ofOther, first } = setUp()
    const joined = new Uint8Array([...first, ...ofOther])
    against.inject(joined)
    expect(path.status.state).toBe("created")
    expect(against.connection.lifecycle.state).toBe("established")
  })

  it("opens it in a datagram of its own", () => {
    const { against, path, ofOther } = setUp()
    against.inject(ofOther)
    expect(path.status.state).toBe("validating")
  })

  it("of a path that there is not is dropped, whatever is before it", () => {
    const { against, first } = setUp()
    const { puppet, connection } = against
    const options = { destination: new Uint8Array(8).fill(77), pathId: 7, packetNumber: 0 }
    const ofNone = puppet.packet(Level.OneRtt, writePing, options)
    const { received } = connection.receiver.counters
    against.inject(new Uint8Array([...first, ...ofNone]))
    against.inject(ofNone)
    expect(connection.receiver.counters.received).toBe(received)
    expect(connection.paths.all.map(({ id }) => id)).toEqual([0, 1, 2])
    expect(connection.lifecycle.state).toBe("established")
  })
})

describe("PATHS_BLOCKED and PATH_CIDS_BLOCKED", () => {
  it("that were lost, and arrive when what they ask for has long been granted, are ignored", () => {
    const against = duel()
    const { issued } = against.connection.paths.byId(1)!.localIds
    expect(issued).toBeGreaterThan(0)
    const stale: ReadonlyArray<(w: ByteWriter) => void> = [
      ...[0, 1, 2].map((maximum) => (w: ByteWriter) => writePathsBlocked(w, maximum)),
      ...[0, issued].map((next) => (w: ByteWriter) => writePathFrame(w, FrameType.PATH_CIDS_BLOCKED, 1, next))
    ]
    for (const frame of [...stale, ...stale]) against.inject(against.puppet.packet(Level.OneRtt, frame))
    expect(against.connection.lifecycle.state).toBe("established")
    expect(against.connection.paths.byId(1)!.localIds.issued).toBe(issued)
    // they are not the peer's fault either
    expect(against.connection.parts.strikes.total).toBe(0)
  })

  it("of ours are not repeated once the peer has raised the limit", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    const blocked = () => client.multipath.frames.hasToArrive(FrameType.PATHS_BLOCKED, 0)
    const refused = client.multipath.open(secondAddress("server"), 1, two.nowMicros)
    expect(refused).toBe("limit")
    client.multipath.tellBlocked("limit")
    two.arrives = ({ by }) => by === "server"
    two.exchange()
    expect(blocked()).toBe(true)
    const error = client.multipath.onMaxPathId(2, FrameType.MAX_PATH_ID, two.nowMicros)
    expect([error, blocked()]).toEqual([undefined, false])
    two.arrives = () => true
    two.advance(5 * SECOND)
    expect(client.paths.all.every(({ recovery }) => recovery.packetsInFlight === 0)).toBe(true)
  })

  it("of ours are repeated until the peer knows, or has raised the limit", () => {
    const two = new TwoPaths()
    const { client } = two.pair
    client.multipath.tellBlocked("limit")
    let lost = 0
    two.arrives = ({ by }) => by === "server" || ++lost > 3
    two.exchange().advance(5 * SECOND)
    expect(lost).toBeGreaterThan(3)
    expect(client.multipath.frames.hasToArrive(FrameType.PATHS_BLOCKED, 0)).toBe(false)
  })
})

describe("MAX_PATH_ID", () => {
  it("repeated, or overtaken by a later one, changes nothing", () => {
    const against = duel()
    for (const maximum of [5, 3, 5, 4])
      against.inject(against.puppet.packet(Level.OneRtt, (w) => writeMaxPathId(w, maximum)))
    expect(against.connection.lifecycle.state).toBe("established")
    expect(against.connection.paths.all).toHaveLength(3)
    expect(against.connection.paths.all[0].received[Space.Application].largest).toBeGreaterThan(0)
  })
})
