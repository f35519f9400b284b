/** What is sent on routes that are not, or not yet, in use. RFC 9000 §8.2, §9, §9.5 */
import type { SocketNumber } from "../../src/path/Route.ts"
import { describe, expect, it } from "vitest"
import {
  writeHandshakeDone,
  writeNewConnectionId,
  writePathChallenge,
  writePathResponse,
  writePing
} from "../../src/wire/frameWriters.ts"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"
import { Puppet } from "../connection/Puppet.ts"
import { away, home, Roamer } from "./Roamer.ts"

const SECOND = 1_000_000
const probingFrames = ["onPathChallenge", "onPathResponse", "onNewConnectionId"]
const B = away(1)

/** The socket and destination ID of each datagram the victim sends. */
const watched = (duel: Duel): Array<readonly [socket: SocketNumber, destination: string]> => {
  const sent: Array<readonly [number, string]> = []
  duel.receive = (datagram) => {
    sent.push([duel.connection.transmit.socket, Buffer.from(datagram.subarray(1, 9)).toString("hex")])
    duel.puppet.receive(datagram)
  }
  return sent
}

const giveIds = (duel: Duel, count: number): void => {
  for (let n = 1; n <= count; n++)
    duel.inject(
      duel.puppet.packet(Level.OneRtt, (w) =>
        writeNewConnectionId(w, n, 0, new Uint8Array(8).fill(n), new Uint8Array(16).fill(n))
      )
    )
}

describe("a client", () => {
  // RFC 9000 §9 #1
  it("uses no other socket before the handshake is confirmed, neither to probe nor to migrate", () => {
    const duel = new Duel({ victim: "client" })
    const sent = watched(duel)
    duel.exchange()
    giveIds(duel, 3)
    expect(duel.connection.lifecycle.state).toBe("established")
    expect(duel.connection.migrate(1, duel.nowMicros)).toBe("unconfirmed")
    expect(duel.connection.rebind(2, duel.nowMicros)).toBe("unconfirmed")
    duel.connection.ping()
    duel.exchange().advance(SECOND)
    expect(new Set(sent.map(([socket]) => socket))).toEqual(new Set([0]))
    duel.inject(duel.puppet.packet(Level.OneRtt, writeHandshakeDone))
    expect(sent.at(-1)![0]).toBe(2)
  })

  // RFC 9000 §9.5 #1
  it("uses no connection ID from two sockets", () => {
    const duel = new Duel({ victim: "client", transport: { activeConnectionIdLimit: 8 } }).shakeHands()
    giveIds(duel, 4)
    const sent = watched(duel)
    duel.connection.ping()
    duel.exchange()
    for (const socket of [1, 2]) {
      expect(duel.connection.migrate(socket, duel.nowMicros)).toBeUndefined()
      duel.exchange().advance(SECOND / 10)
    }
    expect(duel.connection.rebind(3, duel.nowMicros)).toBeUndefined()
    duel.exchange()
    const socketsOf = new Map<string, Set<number>>()
    for (const [socket, destination] of sent)
      socketsOf.set(destination, (socketsOf.get(destination) ?? new Set()).add(socket))
    expect(new Set(sent.map(([socket]) => socket)).size).toBe(4)
    for (const sockets of socketsOf.values()) expect(sockets.size).toBe(1)
  })
})

it("a client that has migrated retires the ID of its previous path, RFC 9000 §5.1.2 #S1", () => {
  const duel = new Duel({ victim: "client" }).shakeHands()
  const { connection, puppet } = duel
  giveIds(duel, 2)
  expect(connection.migrate(1, duel.nowMicros)).toBeUndefined()
  duel.exchange()
  const answer = puppet.seen.named("onPathChallenge").at(-1)!.bytes!
  for (const payload of [(w: ByteWriter) => writePathResponse(w, answer), writePing]) {
    expect(puppet.seen.named("onRetireConnectionId")).toEqual([])
    duel.endpoint.handleDatagram(puppet.packet(Level.OneRtt, payload), home, 0, duel.nowMicros, 1)
    duel.exchange()
  }
  expect(connection.path.routes.current.socket).toBe(1)
  expect(puppet.seen.named("onRetireConnectionId").map(({ values }) => values.at(-1))).toEqual([0])
})

describe("a response to a challenge", () => {
  // RFC 9000 §8.2.2 #2
  it("is sent at once, even while the congestion window is full", () => {
    for (const victim of ["client", "server"] as const) {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const id = connection.streams.open(true)
      connection.streams.write(id, new Uint8Array(100_000))
      duel.exchange()
      expect(connection.path.mayElicit(duel.nowMicros)).toBe(false)
      expect(connection.streams.hasFrames()).toBe(true)
      const data = new Uint8Array(8).fill(9)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, data)))
      expect(puppet.seen.named("onPathResponse").map(({ bytes }) => bytes)).toEqual([data])
    }
  })

  // RFC 9000 §9.3.3 #S1
  it("on the path in use is accompanied by a non-probing frame", () => {
    for (const victim of ["client", "server"] as const) {
      const duel = new Duel({ victim }).shakeHands().advance(SECOND)
      const { puppet } = duel
      const before = puppet.seen.frames.length
      const data = new Uint8Array(8).fill(9)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, data)))
      const names = puppet.seen.frames.slice(before).map(({ name }) => name)
      expect(names).toContain("onPathResponse")
      expect(names.filter((name) => !probingFrames.includes(name)).length).toBeGreaterThan(0)
    }
  })

  // RFC 9000 §8.2.2 #6, §8.2.1 #2
  it("is not padded beyond the limit of an unvalidated address", () => {
    for (let size = 40; size <= 1200; size += 80) {
      const roamer = new Roamer().probe(B, size)
      const sent = roamer.sentTo(B).reduce((sum, each) => sum + each.size, 0)
      expect(roamer.at(B, "onPathResponse").length, `${size} bytes`).toBe(1)
      expect(sent, `${size} bytes`).toBeLessThanOrEqual(3 * Math.max(size, 46))
      expect(sent >= 1200, `${size} bytes`).toBe(3 * size >= 1200)
    }
  })
})

describe("a client that has migrated", () => {
  const tokens = (roamer: Roamer) => roamer.puppet.seen.named("onNewToken").map(({ bytes }) => bytes!)

  /** Whether an Initial from `from` with that token has a validated address. */
  const proves = (roamer: Roamer, token: Uint8Array, from = B): boolean => {
    const puppet = new Puppet({ ...roamer.puppet.options, role: "client" })
    puppet.start()
    const initial = puppet.packet(Level.Initial, writePing, { token, size: 1200 })
    return roamer.endpoint.handleDatagram(initial, from, 0, roamer.nowMicros)!.path.amplification.validated
  }

  // RFC 9000 §8.1.3, §9.3, §9.3 #S1
  it("gets a token for its new address once that is validated, and none for another port", () => {
    const roamer = new Roamer()
    expect(tokens(roamer).length).toBe(1)
    roamer.ping(B, 1200)
    roamer.answer(home, B)
    expect(tokens(roamer).length).toBe(1)
    roamer.answer(B)
    expect(tokens(roamer).length).toBe(2)
    roamer.ping({ ...B, port: 99 }, 1200).answer({ ...B, port: 99 })
    expect(tokens(roamer).length).toBe(2)
    const [first, second] = tokens(roamer)
    expect([proves(roamer, first), proves(roamer, second), proves(roamer, second, home)]).toEqual([
      false,
      true,
      false
    ])
  })

  it("gets it again when it is lost, and not the one for its old address", () => {
    const roamer = new Roamer()
    const before = tokens(roamer)
    const { receive } = roamer
    roamer.ping(B, 1200)
    const lost: Array<Uint8Array> = []
    roamer.receive = (datagram) => lost.push(datagram)
    roamer.answer(B)
    expect(lost.length).toBeGreaterThan(0)
    roamer.receive = receive
    roamer.advance(5 * SECOND)
    expect(tokens(roamer).slice(before.length).length).toBeGreaterThan(0)
    for (const token of tokens(roamer).slice(before.length)) expect(token).not.toEqual(before[0])
  })
})
