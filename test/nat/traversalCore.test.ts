/** NAT traversal as far as it is the connection's: candidates, probes, answers. draft-bruynooghe-n0-quic-nat-traversal */
import { describe, expect, it } from "vitest"
import { connectionProbeLimits, ProbeBudget } from "../../src/nat/ProbeBudget.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { writeAddressFrame, writePathChallenge, writeRemoveAddress } from "../../src/wire/frameWriters.ts"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { CorePair } from "../connection/CorePair.ts"
import { Duel } from "../connection/Duel.ts"
import { away } from "../migration/Roamer.ts"
import { CandidateNet, Heard, type Passing, places } from "./CandidateNet.ts"

const SECOND = 1_000_000
const [, direct] = places.server
const [, ownDirect] = places.client
const six: SocketAddress = { host: "2001:db8::6", port: 6000, family: 6 }

const between = (by: "client" | "server", to: SocketAddress) => (passing: Passing) =>
  passing.by === by && formatAddress(passing.to) === formatAddress(to)

describe("NAT traversal is negotiated", () => {
  const offers = [
    ["by both with several paths", {}, {}, 8],
    ["not without the client", { maxRemoteCandidates: 0 }, {}, 0],
    ["not without the server", {}, { maxRemoteCandidates: 0 }, 0],
    ["not without several paths", { maxPaths: 1 }, {}, 0]
  ] as const
  it.each(offers)("%s", (_, client, server, limit) => {
    const net = new CandidateNet({ client, server })
    expect([net.client.maxCandidates, net.server.maxCandidates]).toEqual([limit, limit])
    net.probe("client", direct).server.advertise(direct)
    net.exchange()
    expect(net.heard.client.calls).toEqual(limit === 0 ? [] : [expect.anything(), expect.anything()])
  })
})

describe("candidates of a server", () => {
  it("are advertised and withdrawn, of either family", () => {
    const net = new CandidateNet()
    expect([net.server.advertise(direct), net.server.advertise(six)]).toEqual([0, 1])
    net.exchange()
    net.server.withdraw(0)
    net.server.withdraw(7)
    net.exchange()
    expect(net.heard.client.calls).toEqual([
      "advertised 0 198.51.100.1:4434",
      "advertised 1 [2001:db8::6]:6000",
      "withdrawn 0"
    ])
  })

  it("are as many at a time as the client takes", () => {
    const net = new CandidateNet({ client: { maxRemoteCandidates: 2 } })
    const { server } = net
    expect([1, 2, 3].map((i) => server.advertise(away(i)))).toEqual([0, 1, undefined])
    server.withdraw(0)
    expect(server.advertise(away(3))).toBe(2)
    net.exchange()
    // the first was never sent, nor its withdrawal
    expect(net.heard.client.calls).toEqual([
      "advertised 1 198.51.100.2:4433",
      "advertised 2 198.51.100.3:4433"
    ])
  })

  it("are told to a listener that comes later", () => {
    const net = new CandidateNet({}, false)
    net.server.advertise(direct)
    net.client.reachOut(3, [ownDirect])
    net.exchange()
    for (const end of ["client", "server"] as const) net.attach(end)
    net.exchange()
    expect(net.heard.client.calls).toEqual(["advertised 0 198.51.100.1:4434"])
    expect(net.heard.server.calls).toEqual(["reachOut 3 198.51.100.2:5001"])
  })

  it("never are those of peers behind relays", () => {
    const net = new CandidateNet()
    expect(net.server.advertise({ ...six, relayed: "peer at relay" })).toBeUndefined()
    net.client.reachOut(1, [{ ...six, relayed: "peer at relay" }, ownDirect])
    net.exchange()
    expect(net.heard.server.calls).toEqual(["reachOut 1 198.51.100.2:5001"])
  })

  it("arrive although they are lost at first, and what is withdrawn meanwhile does not", () => {
    const net = new CandidateNet()
    net.nat = () => undefined
    net.server.advertise(direct)
    net.server.advertise(six)
    net.exchange()
    net.server.withdraw(0)
    net.nat = (passing) => passing
    net.advance(10 * SECOND)
    expect(net.heard.client.calls.filter((call) => call.startsWith("advertised 1"))).toHaveLength(1)
    expect(net.heard.client.calls.filter((call) => call.startsWith("advertised 0"))).toHaveLength(0)
  })
})

describe("rounds of a client", () => {
  it("name as many addresses as the server takes, and a new one replaces the last", () => {
    const net = new CandidateNet({ server: { maxRemoteCandidates: 2 } })
    net.client.reachOut(1, [away(1)])
    net.client.reachOut(1, [away(2), away(3)])
    net.exchange()
    net.client.reachOut(0, [away(4)])
    net.client.reachOut(2, [away(5)])
    net.exchange()
    expect(net.heard.server.calls).toEqual([
      "reachOut 1 198.51.100.1:4433",
      "reachOut 1 198.51.100.2:4433",
      "reachOut 2 198.51.100.5:4433"
    ])
  })

  it("end the probes of both sides, silently", () => {
    const net = new CandidateNet()
    net.nat = (passing) =>
      formatAddress(passing.to) === formatAddress(places[passing.by === "client" ? "server" : "client"][0])
        ? passing
        : undefined
    net.client.reachOut(1, [ownDirect])
    net.probe("client", direct).exchange()
    net.probe("server", ownDirect).exchange()
    net.client.reachOut(2, [ownDirect])
    net.exchange()
    net.advance(60 * SECOND)
    expect(net.heard.client.calls).toEqual([])
    expect(net.heard.server.calls).toEqual(["reachOut 1 198.51.100.2:5001", "reachOut 2 198.51.100.2:5001"])
  })

  it("do not repeat the addresses of a round that is over", () => {
    const net = new CandidateNet()
    net.nat = () => undefined
    net.client.reachOut(1, [away(1)])
    net.exchange()
    net.client.reachOut(2, [away(2)])
    net.nat = (passing) => passing
    net.advance(10 * SECOND)
    expect(net.heard.server.calls).toEqual(["reachOut 2 198.51.100.2:4433"])
  })
})

describe("a probe", () => {
  it("is answered with its round-trip time, moves and validates nothing", () => {
    const net = new CandidateNet()
    net.latencyMicros = 20_000
    net.probe("client", direct).exchange()
    const [probe] = net.passed
    net.advance(SECOND)
    expect(net.heard.client.calls).toEqual(["answered 198.51.100.1:4434 1 40000"])
    expect(net.heard.server.calls).toEqual(["probed 198.51.100.2:5001 1"])
    expect(probe.bytes.length).toBeLessThan(60)
    for (const end of ["client", "server"] as const) {
      const { path, paths } = net.of(end)
      expect([formatAddress(path.remote), path.routes.all.length]).toEqual([
        formatAddress(places[end === "client" ? "server" : "client"][0]),
        1
      ])
      expect(paths.used).toHaveLength(1)
      expect(path.routes.current.validator.state).toBe("idle")
    }
    // the second was sent before the answer came
    expect(net.budget.client.counters.probes).toBe(2)
  })

  it("of a server is answered by a client that does not know the address, and challenges it in turn", () => {
    const net = new CandidateNet()
    net.nat = (passing) =>
      // the server's NAT maps to another port for every destination
      passing.by === "server" && passing.from === direct ? { ...passing, from: away(77) } : passing
    net.probe("server", ownDirect).exchange()
    expect(net.heard.server.calls).toEqual([])
    // the answer goes to where the challenge came from
    expect(net.passed.filter(between("client", away(77)))).toHaveLength(1)
    expect(net.heard.client.calls).toEqual(["probed 198.51.100.77:4433 1"])
    expect(net.budget.client.counters.probes).toBe(1)
  })

  it("of a client is not challenged in turn", () => {
    const net = new CandidateNet()
    net.probe("client", direct).exchange()
    expect(net.budget.server.counters.probes).toBe(0)
    expect(net.passed.filter(between("server", ownDirect))).toHaveLength(1)
  })

  it("is repeated nine times at growing intervals, then given up", () => {
    const net = new CandidateNet()
    const times: Array<number> = []
    net.nat = (passing) => {
      if (!between("client", direct)(passing)) return passing
      times.push(net.nowMicros)
      return undefined
    }
    const start = net.nowMicros
    net.probe("client", direct).advance(60 * SECOND)
    const millis = times.map((time) => Math.round((time - start) / 1000))
    expect(millis).toEqual([0, 33, 100, 233, 500, 1032, 2098, 4098, 6098])
    expect(net.heard.client.calls).toEqual(["failed 198.51.100.1:4434 1"])
  })

  it("opens a hole: each side's is dropped until the other has sent", () => {
    const net = new CandidateNet()
    const sentTo = new Set<string>()
    net.nat = (passing) => {
      const [from, to] = [formatAddress(passing.from), formatAddress(passing.to)]
      if (passing.from === places[passing.by][0]) return passing
      sentTo.add(`${from} ${to}`)
      return sentTo.has(`${to} ${from}`) ? passing : undefined
    }
    net.probe("client", direct).advance(300_000)
    expect(net.heard.server.calls).toEqual([])
    net.probe("server", ownDirect).advance(SECOND)
    expect(net.heard.client.calls).toContain("probed 198.51.100.1:4434 1")
    expect(net.heard.client.calls.some((call) => call.startsWith("answered 198.51.100.1:4434 1"))).toBe(true)
    expect(net.heard.server.calls.some((call) => call.startsWith("answered 198.51.100.2:5001 1"))).toBe(true)
    expect(net.heard.client.calls.some((call) => call.startsWith("failed"))).toBe(false)
  })

  it("is followed by a path there, which is validated as always", () => {
    const net = new CandidateNet()
    net.probe("client", direct).exchange()
    const path = net.of("client").multipath.open(direct, 1, net.nowMicros)
    if (typeof path === "string") throw new Error(path)
    net.advance(SECOND)
    expect(path.status.state).toBe("active")
    expect(formatAddress(net.of("server").paths.byId(path.id)!.remote)).toBe(formatAddress(ownDirect))
  })

  it.each([
    ["rate", { probesPerSecond: 1, probesAtOnce: 2 }, 2],
    ["bytes", { bytesPerSecond: 1, bytesAtOnce: 120 }, 2],
    ["addresses", { addressesPerHour: 3 }, 3],
    ["round", { addressesPerRound: 4 }, 4],
    ["address", { probesPerAddressAndHour: 1 }, 10]
  ])("is charged to the budget: %s", (_, limits, atOnce) => {
    const net = new CandidateNet()
    net.client.attach(net.heard.client, new ProbeBudget({ ...connectionProbeLimits, ...limits }))
    for (let i = 0; i < 10; i++) net.probe("client", away(i))
    net.exchange()
    expect(net.passed).toHaveLength(atOnce)
    net.advance(60 * SECOND)
    // whatever the limit, each is over
    expect(net.heard.client.calls).toHaveLength(10)
  })

  it("is none without a budget, to an address behind a relay, or before the handshake is confirmed", () => {
    const unattached = new CandidateNet({}, false)
    unattached.probe("client", direct).exchange()
    expect(unattached.passed).toEqual([])
    const net = new CandidateNet()
    net.probe("client", { ...six, relayed: "peer at relay" }).exchange()
    expect(net.passed).toEqual([])
    expect(net.heard.client.calls).toEqual(["failed peer at relay 1"])
    const early = new CorePair({ client: { maxPaths: 2, maxRemoteCandidates: 4 } })
    early.client.traversal.attach(new Heard(), new ProbeBudget())
    early.client.traversal.probe(direct, 1, early.nowMicros)
    expect(early.client.traversal.deadlineMicros).toBe(Number.POSITIVE_INFINITY)
  })
})

describe("a NAT that rebinds", () => {
  it("is followed as always: what is no probe moves the path", () => {
    const net = new CandidateNet()
    const rebound = away(50)
    net.nat = (passing) => (passing.by === "client" ? { ...passing, from: rebound } : passing)
    net.of("client").ping()
    net.exchange()
    expect(formatAddress(net.of("server").path.remote)).toBe(formatAddress(rebound))
    expect(net.heard.server.calls).toEqual([])
  })

  it("to an address that was probed from is too", () => {
    const net = new CandidateNet()
    net.probe("client", places.server[0]).exchange()
    expect(net.heard.server.calls).toEqual(["probed 198.51.100.2:5001 0"])
    net.nat = (passing) => (passing.by === "client" ? { ...passing, from: ownDirect } : passing)
    net.of("client").ping()
    net.exchange().advance(SECOND)
    expect(formatAddress(net.of("server").path.remote)).toBe(formatAddress(ownDirect))
  })
})

describe("a peer that breaks the rules", () => {
  const duel = (victim: "client" | "server", offer: object = { maxRemoteNatTraversalAddresses: 8 }): Duel =>
    new Duel({
      victim,
      transport: { maxPaths: 3, maxRemoteCandidates: 4 },
      puppet: { parameters: (honest) => ({ ...honest, initialMaxPathId: 2, ...offer }) }
    }).shakeHands()
  const send = (against: Duel, write: (w: ByteWriter) => void) =>
    against.inject(against.puppet.packet(Level.OneRtt, write))
  const frame = (type: "ADD_ADDRESS" | "REACH_OUT", number: number, index: number) => (w: ByteWriter) =>
    writeAddressFrame(w, FrameType[type], number, away(index))

  it.each([
    ["a server that reaches out", "client", frame("REACH_OUT", 1, 1)],
    ["a client that advertises", "server", frame("ADD_ADDRESS", 1, 1)],
    ["a client that withdraws", "server", (w: ByteWriter) => writeRemoveAddress(w, 1)]
  ] as const)("%s violates the protocol", (_, victim, write) => {
    const against = duel(victim)
    send(against, write)
    expect(against.connection.closeReason?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  it.each([
    ["client", frame("ADD_ADDRESS", 1, 1)],
    ["server", frame("REACH_OUT", 1, 1)]
  ] as const)("does so with what it did not negotiate towards a %s", (victim, write) => {
    const against = duel(victim, {})
    send(against, write)
    expect(against.connection.closeReason?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  it("does so with a candidate that changes its address", () => {
    const against = duel("client")
    send(against, frame("ADD_ADDRESS", 3, 1))
    send(against, frame("ADD_ADDRESS", 3, 1))
    expect(against.connection.lifecycle.isOpen).toBe(true)
    send(against, frame("ADD_ADDRESS", 3, 2))
    expect(against.connection.closeReason?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  it("is heard of four candidates, not of a thousand, and of none that was withdrawn before it came", () => {
    const against = duel("client")
    const heard = new Heard()
    against.connection.traversal.attach(heard, new ProbeBudget())
    send(against, (w) => writeRemoveAddress(w, 1))
    for (let seq = 0; seq < 200; seq++) send(against, frame("ADD_ADDRESS", seq, seq))
    against.connection.traversal.deliver()
    expect(heard.calls.map((call) => call.split(" ")[1])).toEqual(["0", "2", "3", "4"])
    expect(against.connection.lifecycle.isOpen).toBe(true)
  })

  it("is cut off when it goes on naming candidates", () => {
    const against = duel("server")
    const heard = new Heard()
    against.connection.traversal.attach(heard, new ProbeBudget())
    const many = (from: number) => (w: ByteWriter) => {
      for (let i = 0; i < 60; i++) frame("REACH_OUT", from + i, i)(w)
    }
    for (let round = 0; round < 100 && against.connection.lifecycle.isOpen; round++)
      send(against, many(round * 60))
    expect(against.connection.closeReason).toMatchObject({ code: TransportErrorCode.PROTOCOL_VIOLATION })
    expect(against.connection.closeReason!.reason).toContain("candidates")
    against.connection.traversal.deliver()
    expect(heard.calls.length).toBeLessThanOrEqual(300)
  })

  it("gets at most three times what it sends from addresses that are not its own", () => {
    const against = duel("server")
    let [brought, sent] = [0, 0]
    const receive = against.receive.bind(against)
    against.receive = (datagram) => {
      if (against.connection.transmit.remote.host.startsWith("198.51.100.")) sent += datagram.length
      receive(datagram)
    }
    for (let i = 0; i < 250; i++) {
      const challenge = against.puppet.packet(Level.OneRtt, (w) =>
        writePathChallenge(w, new Uint8Array(8).fill(i))
      )
      brought += challenge.length
      against.endpoint.handleDatagram(challenge, away(i), 0, against.nowMicros)
      against.exchange()
    }
    expect(sent).toBeGreaterThan(0)
    expect(sent).toBeLessThanOrEqual(3 * brought)
    expect(against.connection.path.routes.all).toHaveLength(1)
    against.advance(30 * SECOND)
    expect(sent).toBeLessThanOrEqual(3 * brought)
  })
})
