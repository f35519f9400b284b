import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import {
  writeNewConnectionId,
  writePathChallenge,
  writePathResponse,
  writePing
} from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { Duel } from "./Duel.ts"
import { ackRange, type PuppetOptions } from "./Puppet.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

describe("a client whose server disables active migration", () => {
  const asked = (disableActiveMigration: boolean): Duel => {
    const duel = new Duel({
      victim: "client",
      puppet: { parameters: (honest) => ({ ...honest, disableActiveMigration }) }
    }).shakeHands()
    const id = new Uint8Array(8).fill(0xab)
    return duel.inject(
      duel.puppet.packet(Level.OneRtt, (w) => writeNewConnectionId(w, 1, 0, id, new Uint8Array(16).fill(9)))
    )
  }

  it("uses no other address of its own, RFC 9000 §18.2 #2", () => {
    const { connection, nowMicros } = asked(true)
    expect(connection.migrate(1, nowMicros)).toBe("disabled")
    expect(connection.rebind(1, nowMicros)).toBe("disabled")
    expect(connection.path.routes.all.map(({ socket }) => socket)).toEqual([0])
    const free = asked(false)
    expect(free.connection.migrate(1, free.nowMicros)).toBeUndefined()
    expect(free.connection.path.routes.all.map(({ socket }) => socket)).toEqual([0, 1])
  })
})

describe("a client whose server has a preferred address", () => {
  it("sends only probing packets there until it has answered, RFC 9000 §21.5.3", () => {
    const preferred = { host: "192.0.2.9", port: 4434, family: 4 } as const
    const duel = new Duel({
      victim: "client",
      puppet: {
        parameters: (honest) => ({
          ...honest,
          preferredAddress: {
            ipv4: preferred,
            ipv6: undefined,
            connectionId: new Uint8Array(8).fill(0xcd),
            statelessResetToken: new Uint8Array(16).fill(3)
          }
        })
      }
    })
    const { puppet } = duel
    const there: Array<string> = []
    duel.receive = (datagram) => {
      const before = puppet.seen.frames.length
      puppet.receive(datagram)
      if (duel.connection.transmit.remote.host === preferred.host)
        there.push(...puppet.seen.frames.slice(before).map(({ name }) => name))
    }
    duel.shakeHands()
    const { streams } = duel.connection
    streams.write(streams.open(false), new Uint8Array(3_000))
    duel.exchange().advance(500_000)
    expect(new Set(there)).toEqual(new Set(["onPathChallenge"]))
    const challenge = puppet.seen.named("onPathChallenge").at(-1)!.bytes!
    duel.inject(puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge)))
    expect(duel.connection.path.remote).toEqual(preferred)
    streams.write(streams.open(false), new Uint8Array(3_000))
    duel.exchange()
    expect(there).toContain("onStream")
  })
})

for (const victim of roles)
  describe(`a ${victim}`, () => {
    // RFC 9000 §8.2.1 #4, §8.2.2 #1 #5, §19.17
    it("answers PATH_CHALLENGE with its data, in a datagram of 1200 bytes", () => {
      const duel = new Duel({ victim }).shakeHands()
      const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
      duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, data)))
      expect(duel.puppet.seen.named("onPathResponse")[0]?.bytes).toEqual(data)
      expect(duel.sent.at(-1)).toBe(1200)
    })

    it("answers only the newest of a flood of challenges", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.inject(
        duel.puppet.packet(Level.OneRtt, (w) => {
          for (let i = 0; i < 100; i++) writePathChallenge(w, new Uint8Array(8).fill(i))
        })
      )
      expect(duel.puppet.seen.named("onPathResponse").length).toBeLessThanOrEqual(8)
    })

    it("validates the address by a PATH_RESPONSE, and ignores a wrong one", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const { path } = connection
      const { amplification } = path
      amplification.validated = false
      amplification.onSent(amplification.remaining)
      amplification.onReceived(2_000)
      expect(amplification.remaining).toBe(6_000)
      path.validator.start(duel.nowMicros, path.recovery.ptoMicros())
      duel.exchange()
      const challenge = puppet.seen.named("onPathChallenge")[0].bytes!
      expect(duel.sent.at(-1)).toBe(1200)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writePathResponse(w, new Uint8Array(8))))
      expect(path.amplification.validated).toBe(false)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge)))
      expect(path.amplification.validated).toBe(true)
      expect(path.validator.state).toBe("validated")
    })

    // RFC 9000 §5.1.2 #1
    it("switches to another connection ID when the peer retires the first", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const id = new Uint8Array(8).fill(0xab)
      duel.inject(
        puppet.packet(Level.OneRtt, (w) => writeNewConnectionId(w, 1, 1, id, new Uint8Array(16).fill(9)))
      )
      expect(duel.connection.path.peerIds.activeId.id).toEqual(id)
      expect(puppet.seen.named("onRetireConnectionId").map((frame) => frame.values)).toEqual([[0, 0]])
    })

    // RFC 9000 §5.1.1: SHOULD
    for (const limit of [2, 3, 5, 20])
      it(`supplies ${limit} connection IDs to a peer that retires none until asked`, () => {
        const parameters: NonNullable<PuppetOptions["parameters"]> = (honest) => ({
          ...honest,
          activeConnectionIdLimit: limit
        })
        const duel = new Duel({ victim, puppet: { parameters } }).shakeHands()
        const { puppet, connection } = duel
        const retired = new Set<number>()
        let most = 0
        for (let move = 0; move < 20; move++) {
          const issued = puppet.seen.named("onNewConnectionId")
          expect(issued.length).toBeGreaterThan(move)
          puppet.destination = issued[move].bytes!
          duel.inject(puppet.packet(Level.OneRtt, writePing))
          const retirePriorTo = Math.max(
            ...puppet.seen.named("onNewConnectionId").map((frame) => Number(frame.values[2]))
          )
          for (let sequence = 0; sequence < retirePriorTo; sequence++)
            if (!retired.has(sequence)) {
              retired.add(sequence)
              duel.inject(puppet.packet(Level.OneRtt, Uint8Array.of(0x19, sequence)))
            }
          most = Math.max(most, connection.path.localIds.count)
          expect(connection.lifecycle.isOpen).toBe(true)
        }
        expect(most).toBe(Math.min(limit, 8))
      })

    it("replaces each connection ID the peer retires, and stops routing it", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, endpoint } = duel
      const first = puppet.destination
      const issued = puppet.seen.named("onNewConnectionId").length
      puppet.destination = puppet.seen.named("onNewConnectionId")[0].bytes!
      duel.inject(puppet.packet(Level.OneRtt, Uint8Array.of(0x19, 0)))
      expect(puppet.seen.named("onNewConnectionId").length).toBe(issued + 1)
      const sent = duel.sent.length
      const late = puppet.packet(Level.OneRtt, writePing, { destination: first, size: 30 })
      expect(endpoint.handleDatagram(late, duel.connection.path.remote, 0, duel.nowMicros)).toBeUndefined()
      expect(duel.sent.length).toBe(sent)
    })

    it("detects a peer that acknowledges packets it has not received", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, connection } = duel
      // acknowledging everything up to the largest is valid until a number is skipped
      for (let i = 0; i < 3_000 && connection.lifecycle.isOpen; i++) {
        connection.ping()
        duel.exchange()
        duel.inject(puppet.packet(Level.OneRtt, ackRange(0, puppet.largestReceived[Space.Application])))
      }
      expect(puppet.seen.close).toMatchObject({ code: Code.PROTOCOL_VIOLATION, frameType: 2 })
    })

    // RFC 9002 §7.2 #S2 #S3
    it("starts with a window of ten datagrams of the size the peer accepts", () => {
      const { connection } = new Duel({
        victim,
        transport: { initialDatagramBytes: 1_400, maxDatagramBytes: 1_400 },
        puppet: { parameters: (honest) => ({ ...honest, maxUdpPayloadSize: 1_200 }) }
      }).exchange()
      expect(connection.lifecycle.state).toBe("established")
      expect(connection.path.mtu.current).toBe(1_200)
      expect(connection.path.recovery.congestionWindow).toBe(12_000)
    })

    // RFC 9002 §6.2.4 #1 #2, §6.2.4 #S3
    it("probes with data in flight, but repeats no DATAGRAM frame and declares none lost", () => {
      const duel = new Duel({ victim, transport: { maxDatagramFrameBytes: 1_000 } }).shakeHands()
      const { puppet, connection } = duel
      const seen = puppet.seen.named("onDatagram").length
      const hold: Array<Uint8Array> = []
      duel.receive = (datagram) => hold.push(datagram)
      const id = connection.datagrams.send(Uint8Array.of(1, 2, 3), true)
      duel.exchange()
      duel.advance(5_000_000)
      expect(connection.path.recovery.counters.probeTimeouts).toBeGreaterThan(1)
      expect(connection.datagrams.takeFate()).toBeUndefined()
      for (const datagram of hold) puppet.receive(datagram)
      expect(puppet.seen.named("onDatagram").length).toBe(seen + 1)
      duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
      expect(connection.datagrams.takeFate()).toEqual({ id, fate: "acknowledged" })
    })
  })
