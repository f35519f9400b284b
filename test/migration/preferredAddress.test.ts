/** A server's preferred address: how a client migrates there, and what a server must check. RFC 9000 §9.6 */
import type { SocketNumber } from "../../src/path/Route.ts"
import { describe, expect, it } from "vitest"
import { writeNewConnectionId, writePathResponse } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { Duel, puppetAddress } from "../connection/Duel.ts"
import type { SeenFrame } from "../connection/FrameLog.ts"
import { away, home, Roamer } from "./Roamer.ts"

const SECOND = 1_000_000
const preferred: SocketAddress = { host: "198.51.100.7", port: 444, family: 4 }
const probingFrames = ["onPathChallenge", "onPathResponse", "onNewConnectionId"]

interface SentDatagram {
  readonly to: string
  readonly socket: SocketNumber
  readonly destination: string
  readonly frames: ReadonlyArray<SeenFrame>
}

/** A client whose server, a puppet, prefers `address`; and what the client sent where. */
const invited = (
  address: SocketAddress,
  transport = {},
  ipv6?: SocketAddress
): { readonly duel: Duel; readonly sent: Array<SentDatagram> } => {
  const connectionId = new Uint8Array(8).fill(0x77)
  const statelessResetToken = new Uint8Array(16).fill(0x78)
  const duel = new Duel({
    victim: "client",
    transport,
    puppet: {
      parameters: (honest) => ({
        ...honest,
        preferredAddress: { ipv4: address, ipv6, connectionId, statelessResetToken }
      })
    }
  })
  const sent: Array<SentDatagram> = []
  duel.receive = (datagram) => {
    const { frames } = duel.puppet.seen
    const before = frames.length
    duel.puppet.receive(datagram)
    sent.push({
      to: formatAddress(duel.connection.transmit.remote),
      socket: duel.connection.transmit.socket,
      destination: Buffer.from(datagram.subarray(1, 9)).toString("hex"),
      frames: frames.slice(before)
    })
  }
  duel.shakeHands()
  return { duel, sent }
}

describe("a client of a server with a preferred address", () => {
  const there = formatAddress(preferred)

  // RFC 9000 §9.6.1 #S1 #S2, §9.6.2 #1, §9.5 #1 #2, §9.6.3 #1, §21.5.6 #S2
  it("probes it with the ID given for it, and migrates once it has answered", () => {
    const { duel, sent } = invited(preferred)
    const id = duel.connection.streams.open(true)
    duel.connection.streams.write(id, new Uint8Array(5_000))
    duel.exchange().advance(SECOND / 10)
    const probes = sent.filter(({ to }) => to === there)
    expect(probes.length).toBeGreaterThan(0)
    for (const { frames } of probes) for (const { name } of frames) expect(probingFrames).toContain(name)
    expect(new Set(probes.map(({ destination }) => destination))).toEqual(new Set(["77".repeat(8)]))
    expect(formatAddress(duel.connection.path.remote)).toBe(formatAddress(puppetAddress))
    const challenge = duel.puppet.seen.named("onPathChallenge").at(-1)!.bytes!
    sent.length = 0
    duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge)))
    expect(formatAddress(duel.connection.path.remote)).toBe(there)
    expect(sent.filter(({ to }) => to !== there)).toEqual([])
    expect(sent.length).toBeGreaterThan(0)
  })

  // RFC 9000 §9.6.3 #S1
  it("that migrates meanwhile probes both addresses from its new one, and ends at the preferred one", () => {
    for (const order of [
      [there, formatAddress(puppetAddress)],
      [formatAddress(puppetAddress), there]
    ]) {
      const { duel, sent } = invited(preferred)
      const { connection, puppet } = duel
      for (let n = 2; n <= 5; n++)
        duel.inject(
          puppet.packet(Level.OneRtt, (w) =>
            writeNewConnectionId(w, n, 0, new Uint8Array(8).fill(n), new Uint8Array(16).fill(n))
          )
        )
      sent.length = 0
      expect(connection.rebind(1, duel.nowMicros)).toBeUndefined()
      duel.exchange()
      const challengeTo = (to: string) =>
        sent
          .filter((letter) => letter.to === to && letter.socket === 1)
          .flatMap(({ frames }) => frames.filter(({ name }) => name === "onPathChallenge"))
          .at(-1)!.bytes!
      for (const to of order) {
        const challenge = challengeTo(to)
        const from = to === there ? preferred : puppetAddress
        const packet = puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge))
        duel.endpoint.handleDatagram(packet, from, 0, duel.nowMicros, 1)
        duel.exchange()
      }
      expect(formatAddress(connection.path.remote)).toBe(there)
      expect(connection.path.routes.current.socket).toBe(1)
      expect(connection.path.routes.isMoving).toBe(false)
    }
  })

  // RFC 9000 §9.6.3 #S3
  it("chooses the one of its own address family", () => {
    const other: SocketAddress = { host: "2001:db8::7", port: 444, family: 6 }
    const { duel, sent } = invited(preferred, {}, other)
    duel.advance(SECOND / 10)
    expect(new Set(sent.map(({ to }) => to))).toEqual(new Set([formatAddress(puppetAddress), there]))
  })

  // RFC 9000 §21.5.3, §21.5.6 #S1
  it("does not follow a public server to private or unusable addresses", () => {
    for (const host of [
      "127.0.0.1",
      "10.1.2.3",
      "192.168.0.1",
      "169.254.7.7",
      "224.0.0.1",
      "255.255.255.255"
    ]) {
      const { duel, sent } = invited({ host, port: 53, family: 4 })
      duel.advance(5 * SECOND)
      expect(new Set(sent.map(({ to }) => to)), host).toEqual(new Set([formatAddress(puppetAddress)]))
    }
  })

  // RFC 9000 §9 #5, §9.6 #S1
  it("discards packets from an address it was neither given nor connected to", () => {
    const { duel } = invited(preferred)
    const { counters } = duel.connection.receiver
    const ping = () => duel.puppet.packet(Level.OneRtt, Uint8Array.of(1))
    const before = counters.received
    duel.endpoint.handleDatagram(ping(), away(9), 0, duel.nowMicros)
    duel.endpoint.handleDatagram(ping(), { ...puppetAddress, port: 1 }, 0, duel.nowMicros)
    expect(counters.received).toBe(before)
    duel.endpoint.handleDatagram(ping(), puppetAddress, 0, duel.nowMicros)
    duel.endpoint.handleDatagram(ping(), preferred, 0, duel.nowMicros)
    expect(counters.received).toBe(before + 2)
  })
})

describe("a server whose client migrates to its preferred address", () => {
  const PREFERRED_SOCKET = 1

  // RFC 9000 §9.6.2 #2 #3
  it("challenges the client from there, and does not migrate until the client has answered", () => {
    const roamer = new Roamer().supply(3)
    roamer.socket = PREFERRED_SOCKET
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.ping(home, 1200)
    const stream = roamer.connection.streams.open(true)
    roamer.connection.streams.write(stream, new Uint8Array(3_000))
    roamer.exchange()
    const from = (number: SocketNumber) => roamer.sightings.filter(({ socket }) => socket === number)
    expect(from(PREFERRED_SOCKET).flatMap(({ frames }) => frames.map(({ name }) => name))).toEqual([
      "onPathChallenge"
    ])
    expect(from(0).flatMap(({ frames }) => frames.map(({ name }) => name))).toContain("onStream")
    roamer.sightings.length = 0
    const challenge = roamer.puppet.seen.named("onPathChallenge").at(-1)!
    roamer.inject(roamer.puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge.bytes!)))
    roamer.connection.streams.write(stream, new Uint8Array(100))
    roamer.exchange()
    expect(roamer.connection.path.routes.current.socket).toBe(PREFERRED_SOCKET)
    const names = from(PREFERRED_SOCKET).flatMap(({ frames }) => frames.map(({ name }) => name))
    expect(names).toContain("onStream")
  })

  // RFC 9000 §9.6.2 #2
  it("does not migrate while the client only probes, though its address is validated", () => {
    const roamer = new Roamer().supply(3)
    roamer.socket = PREFERRED_SOCKET
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.probe(home)
    expect(roamer.connection.path.routes.current.socket).toBe(0)
  })

  // RFC 9000 §9.6.3 #2
  it("limits a client from an unknown address there as anywhere else", () => {
    const roamer = new Roamer().supply(3)
    const stream = roamer.connection.streams.open(true)
    roamer.connection.streams.write(stream, new Uint8Array(50_000))
    roamer.exchange()
    roamer.sightings.length = 0
    roamer.socket = PREFERRED_SOCKET
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.ping(away(5), 400).advance(2 * SECOND)
    const there = roamer.sentTo(away(5))
    expect(there.length).toBeGreaterThan(0)
    expect(there.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(3 * 400)
    for (const { frames } of there) for (const { name } of frames) expect(probingFrames).toContain(name)
  })
})
