import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"
import { type NatBehaviour, natKinds } from "../../layers/sim/natBehaviour.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { addressOf, arrivals, send } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

/** A home and an office, each behind a NAT, and a server with two addresses, around one router. */
const world = Effect.fnUntraced(function* (
  kind: NatBehaviour,
  officeKind: NatBehaviour = natKinds.fullCone,
  outside: string | ReadonlyArray<string> = "203.0.113.1"
) {
  const network = yield* SimNetwork
  const core = network.router("core", "198.51.100.254")
  const server = network.host("server", "198.51.100.1", "198.51.100.2")
  for (const from of server.addresses) network.connect(server, core, { from, delayMillis: 1 })
  const home = network.nat("home", outside, kind)
  network.connect(home.outside, core, { delayMillis: 1 })
  const laptop = network.host("laptop", "192.168.1.2")
  const phone = network.host("phone", "192.168.1.3")
  const wifi = network.connect(laptop, home.inside, { delayMillis: 1 })
  network.connect(phone, home.inside, { delayMillis: 1 })
  const office = network.nat("office", "203.0.113.2", officeKind)
  network.connect(office.outside, core, { delayMillis: 1 })
  const desk = network.host("desk", "192.168.1.2")
  network.connect(desk, office.inside, { delayMillis: 1 })
  return { network, core, server, home, laptop, phone, wifi, office, desk }
})

/**
 * A STUN server on two addresses and two ports; reports the source address, from the requested endpoint. RFC 3489 §8
 */
const stun = Effect.fnUntraced(function* (server: SimHost) {
  const [a1, a2] = server.addresses
  const endpoints = [addressOf(a1, 3478), addressOf(a1, 3479), addressOf(a2, 3478), addressOf(a2, 3479)]
  const sockets: Array<UdpSocket> = []
  for (const { host, port } of endpoints) sockets.push(yield* server.udpPort.bind({ host, port }))
  for (const socket of sockets) {
    socket.onReadable(() => {
      socket.drain(Infinity, ({ bytes, from }) => {
        const text = new TextEncoder().encode(formatAddress(from))
        sockets[bytes[0]].send(text, 0, text.length, from, 0)
      })
    })
  }
  return endpoints
})

/** Asks the STUN server at `to` to answer from its endpoint number `from`; returns the address it saw, if answered. */
const ask = Effect.fnUntraced(function* (socket: UdpSocket, to: SocketAddress, from: number) {
  const heard = yield* arrivals(socket)
  socket.send(Uint8Array.of(from), 0, 1, to, 0)
  yield* Effect.sleep(100)
  return heard.length === 0 ? undefined : new TextDecoder().decode(heard[0].bytes)
})

/** The discovery of RFC 3489 §10.1, with tests ordered so that none opens a filter for the next. */
const discover = Effect.fnUntraced(function* (host: SimHost, [a1p1, , , a2p2]: ReadonlyArray<SocketAddress>) {
  const socket = yield* host.udpPort.bind()
  const first = yield* ask(socket, a1p1, 0)
  if (first === undefined) return "blocked"
  if (first === formatAddress({ ...socket.localAddress, host: host.addresses[0] })) return "open"
  if ((yield* ask(socket, a1p1, 3)) !== undefined) return "full cone"
  const isRestricted = (yield* ask(socket, a1p1, 1)) !== undefined
  if ((yield* ask(socket, a2p2, 3)) !== first) return "symmetric"
  return isRestricted ? "address-restricted" : "port-restricted"
})

describe("the STUN test matrix", () => {
  for (const [kind, name] of [
    ["fullCone", "full cone"],
    ["addressRestricted", "address-restricted"],
    ["portRestricted", "port-restricted"],
    ["symmetric", "symmetric"],
    ["symmetricRandom", "symmetric"]
  ] as const)
    itSim(`finds ${kind} to be ${name}`, () =>
      Effect.gen(function* () {
        const { server, laptop } = yield* world(natKinds[kind])
        expect(yield* discover(laptop, yield* stun(server))).toBe(name)
      })
    )

  itSim("finds no NAT where there is none", () =>
    Effect.gen(function* () {
      const { network, core, server } = yield* world(natKinds.fullCone)
      const open = network.host("open", "198.51.100.9")
      network.connect(open, core)
      expect(yield* discover(open, yield* stun(server))).toBe("open")
    })
  )

  for (const mapping of ["endpointIndependent", "addressDependent", "addressAndPortDependent"] as const)
    itSim(`sees ${mapping} mapping in the outside ports for three destinations`, () =>
      Effect.gen(function* () {
        const { server, laptop } = yield* world({ ...natKinds.symmetric, mapping })
        const endpoints = yield* stun(server)
        const socket = yield* laptop.udpPort.bind()
        const seen: Array<string | undefined> = []
        for (const index of [0, 1, 2]) seen.push(yield* ask(socket, endpoints[index], index))
        expect(seen).toEqual(
          {
            endpointIndependent: ["203.0.113.1:1024", "203.0.113.1:1024", "203.0.113.1:1024"],
            addressDependent: ["203.0.113.1:1024", "203.0.113.1:1024", "203.0.113.1:1025"],
            addressAndPortDependent: ["203.0.113.1:1024", "203.0.113.1:1025", "203.0.113.1:1026"]
          }[mapping]
        )
      })
    )
})

/** Both learn and exchange their outside endpoints, send to the peer's, and answer to wherever they receive from. */
const punch = Effect.fnUntraced(function* (a: SimHost, b: SimHost, [meeting]: ReadonlyArray<SocketAddress>) {
  const heard = [0, 0]
  const sockets = [yield* a.udpPort.bind(), yield* b.udpPort.bind()]
  const mapped = yield* Effect.forEach(sockets, (socket) => ask(socket, meeting, 0))
  const peers = mapped.map((text) => {
    const [host, port] = text!.split(":")
    return addressOf(host, Number(port))
  })
  const targets = [peers[1], peers[0]]
  sockets.forEach((socket, i) => {
    socket.onReadable(() => {
      heard[i] += socket.drain(Infinity, ({ from }) => {
        targets[i] = from
      })
    })
  })
  for (let round = 0; round < 5; round++) {
    for (const i of [0, 1]) send(sockets[i], targets[i])
    yield* Effect.sleep(50)
  }
  return heard[0] > 0 && heard[1] > 0
})

describe("hole punching", () => {
  const kinds = ["fullCone", "addressRestricted", "portRestricted", "symmetric", "symmetricRandom"] as const
  for (const [i, home] of kinds.entries())
    for (const office of kinds.slice(i)) {
      const isHard = home === "portRestricted" || home.startsWith("symmetric")
      const works = !(isHard && office.startsWith("symmetric"))
      itSim(`${works ? "works" : "fails"} between ${home} and ${office}`, () =>
        Effect.gen(function* () {
          const { server, laptop, desk } = yield* world(natKinds[home], natKinds[office])
          expect(yield* punch(laptop, desk, yield* stun(server))).toBe(works)
        })
      )
    }
})

describe("a NAT", () => {
  itSim("keeps the port if it can, and gives the next free one if another host has it", () =>
    Effect.gen(function* () {
      const { server, laptop, phone, home } = yield* world(natKinds.portRestricted)
      const [meeting] = yield* stun(server)
      for (const host of [laptop, phone, laptop]) {
        const port = host === laptop && home.mappings.length > 0 ? 6000 : 5000
        yield* ask(yield* host.udpPort.bind({ port }), meeting, 0)
      }
      expect(home.mappings.map(({ inside, outside }) => [inside.host, inside.port, outside.port])).toEqual([
        ["192.168.1.2", 5000, 5000],
        ["192.168.1.3", 5000, 1024],
        ["192.168.1.2", 6000, 6000]
      ])
    })
  )

  itSim("gives random ports all over its range, each to one", () =>
    Effect.gen(function* () {
      const { server, laptop, home } = yield* world({
        ...natKinds.symmetricRandom,
        firstPort: 2001,
        lastPort: 3000
      })
      const socket = yield* laptop.udpPort.bind()
      for (let port = 1; port <= 1000; port++) send(socket, addressOf(server.addresses[0], port))
      yield* Effect.sleep(100)
      const ports = home.mappings.map(({ outside }) => outside.port)
      expect(ports.length).toBe(1000)
      expect([...ports].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => 2001 + i))
      const firstHundred = ports.slice(0, 100)
      expect(Math.max(...firstHundred)).toBeGreaterThan(2900)
      expect(firstHundred.filter((port, i) => port === firstHundred[i - 1] + 1).length).toBeLessThan(5)
      send(socket, addressOf(server.addresses[0], 1001))
      yield* Effect.sleep(100)
      expect(home.counters).toMatchObject({ outbound: 1000, tableFull: 1 })
    })
  )

  itSim("with sequential ports goes on counting when earlier ones are free again", () =>
    Effect.gen(function* () {
      const kind = { ...natKinds.symmetric, firstPort: 7000, lastPort: 7002, mappingTimeoutMillis: 1000 }
      const { server, laptop } = yield* world(kind)
      const endpoints = yield* stun(server)
      const socket = yield* laptop.udpPort.bind()
      const seen: Array<string> = []
      for (let i = 0; i < 4; i++) {
        seen.push((yield* ask(socket, endpoints[i], i))!)
        yield* Effect.sleep(2000)
      }
      expect(seen.map((address) => Number(address.split(":")[1]))).toEqual([7000, 7001, 7002, 7000])
    })
  )

  itSim("that others use too passes over as many sequential ports as it may", () =>
    Effect.gen(function* () {
      const { server, laptop, home } = yield* world({ ...natKinds.symmetric, skippedPorts: 3 })
      const socket = yield* laptop.udpPort.bind()
      for (let port = 1; port <= 100; port++) send(socket, addressOf(server.addresses[0], port))
      yield* Effect.sleep(100)
      const ports = home.mappings.map(({ outside }) => outside.port)
      const steps = new Set(ports.slice(1).map((port, i) => port - ports[i]))
      expect([...steps].sort()).toEqual([1, 2, 3, 4])
    })
  )

  itSim("whose table is full lets nobody new out until something has timed out", () =>
    Effect.gen(function* () {
      const { server, laptop, home } = yield* world({ ...natKinds.symmetric, maxMappings: 3 })
      const socket = yield* laptop.udpPort.bind()
      const to = (port: number) => send(socket, addressOf(server.addresses[0], port))
      for (const port of [1, 2, 3, 4, 1]) to(port)
      yield* Effect.sleep("119 seconds")
      to(1)
      yield* Effect.sleep("2 seconds")
      to(4)
      to(5)
      to(6)
      yield* Effect.sleep(10)
      expect(home.counters).toMatchObject({ outbound: 7, tableFull: 2 })
      expect(home.mappings.length).toBe(3)
      for (const first of [10, 20, 30]) {
        yield* Effect.sleep("1 hour")
        for (const port of [first, first + 1, first + 2, first + 3]) to(port)
      }
      yield* Effect.sleep(10)
      expect(home.counters).toMatchObject({ outbound: 16, tableFull: 5 })
    })
  )

  for (const inboundRefresh of [false, true])
    itSim(`forgets a mapping without ${inboundRefresh ? "any" : "outbound"} traffic for its timeout`, () =>
      Effect.gen(function* () {
        const kind = { ...natKinds.portRestricted, mappingTimeoutMillis: 10_000, inboundRefresh }
        const { server, laptop, home } = yield* world(kind)
        const far = yield* server.udpPort.bind({ port: 9 })
        const atFar = yield* arrivals(far)
        const near = yield* laptop.udpPort.bind()
        const atNear = yield* arrivals(near)
        send(near, addressOf("198.51.100.1", 9))
        yield* Effect.sleep(9000)
        send(near, addressOf("198.51.100.1", 9))
        for (const wait of [6000, 3500, 6000]) {
          yield* Effect.sleep(wait)
          send(far, atFar[0].from)
        }
        yield* Effect.sleep(100)
        expect(new Set(atFar.map(({ from }) => from)).size).toBe(1)
        expect(atNear.length).toBe(inboundRefresh ? 3 : 2)
        expect(home.counters.noRoute).toBe(0)
        expect(home.counters.unmapped).toBe(inboundRefresh ? 0 : 1)
      })
    )

  itSim("lets those answer who were sent to lately, while the mapping is kept for others", () =>
    Effect.gen(function* () {
      const { server, laptop, home } = yield* world({
        ...natKinds.portRestricted,
        mappingTimeoutMillis: 10_000
      })
      const first = yield* server.udpPort.bind({ port: 1 })
      const near = yield* laptop.udpPort.bind()
      const atNear = yield* arrivals(near)
      send(near, addressOf("198.51.100.1", 1))
      for (let i = 0; i < 3; i++) {
        yield* Effect.sleep(4000)
        send(near, addressOf("198.51.100.1", 2))
      }
      expect(home.mappings).toMatchObject([{ permitted: ["198.51.100.1:1", "198.51.100.1:2"] }])
      send(first, home.mappings[0].outside)
      yield* Effect.sleep(100)
      expect(atNear.length).toBe(0)
      expect(home.counters.filtered).toBe(1)
    })
  )

  itSim("remembers the last thousand or so who may answer through one mapping", () =>
    Effect.gen(function* () {
      const { server, laptop, home } = yield* world(natKinds.portRestricted)
      const near = yield* laptop.udpPort.bind()
      for (let port = 1; port <= 1025; port++) send(near, addressOf("198.51.100.1", port))
      yield* Effect.sleep(100)
      const [{ permitted, outside }] = home.mappings
      expect([permitted.length, permitted[0], permitted.at(-1)]).toEqual([
        1024,
        "198.51.100.1:2",
        "198.51.100.1:1025"
      ])
      send(yield* server.udpPort.bind({ host: "198.51.100.1", port: 1 }), outside)
      yield* Effect.sleep(100)
      expect(home.counters.filtered).toBe(1)
    })
  )

  for (const hairpinning of [true, false])
    itSim(
      `${hairpinning ? "with" : "without"} hairpinning takes inside hosts ${hairpinning ? "" : "not "}to each other`,
      () =>
        Effect.gen(function* () {
          const { server, laptop, phone, home } = yield* world({ ...natKinds.fullCone, hairpinning })
          const [meeting] = yield* stun(server)
          const a = yield* laptop.udpPort.bind({ port: 5000 })
          const b = yield* phone.udpPort.bind({ port: 6000 })
          yield* ask(b, meeting, 0)
          const atB = yield* arrivals(b)
          send(a, addressOf("203.0.113.1", 6000))
          yield* Effect.sleep(100)
          expect(atB.map(({ from }) => formatAddress(from))).toEqual(hairpinning ? ["203.0.113.1:5000"] : [])
          expect(home.counters).toMatchObject(
            hairpinning ? { hairpinned: 1, filtered: 0 } : { hairpinned: 0, filtered: 1 }
          )
        })
    )

  itSim("filters what hairpins like all else: by the sender's outside address", () =>
    Effect.gen(function* () {
      const { laptop, phone, home } = yield* world({ ...natKinds.addressRestricted, hairpinning: true })
      const a = yield* laptop.udpPort.bind({ port: 5000 })
      const b = yield* phone.udpPort.bind({ port: 6000 })
      const atB = yield* arrivals(b)
      send(b, addressOf("198.51.100.1", 9))
      yield* Effect.sleep(100)
      send(a, addressOf("203.0.113.1", 6000))
      yield* Effect.sleep(100)
      expect(atB.length).toBe(0)
      send(b, addressOf("203.0.113.1", 7000))
      yield* Effect.sleep(100)
      send(a, addressOf("203.0.113.1", 6000))
      yield* Effect.sleep(100)
      expect(atB.map(({ from }) => formatAddress(from))).toEqual(["203.0.113.1:5000"])
      expect(home.counters).toMatchObject({ hairpinned: 1, filtered: 1, unmapped: 1 })
    })
  )

  itSim("leaves alone what inside hosts send each other by their inside addresses", () =>
    Effect.gen(function* () {
      const { laptop, phone, home } = yield* world(natKinds.symmetric)
      const a = yield* laptop.udpPort.bind({ port: 5000 })
      const b = yield* phone.udpPort.bind({ port: 6000 })
      const atB = yield* arrivals(b)
      send(a, addressOf("192.168.1.3", 6000))
      yield* Effect.sleep(100)
      expect(atB.map(({ from }) => formatAddress(from))).toEqual(["192.168.1.2:5000"])
      expect(home.mappings).toEqual([])
    })
  )

  itSim(
    "that is rebound gives other ports, even if it would rather keep them, and knows nothing of the old ones",
    () =>
      Effect.gen(function* () {
        const { server, laptop, home } = yield* world(natKinds.fullCone)
        const endpoints = yield* stun(server)
        const [meeting] = endpoints
        const socket = yield* laptop.udpPort.bind({ port: 5000 })
        const far = yield* server.udpPort.bind({ port: 9 })
        expect(yield* ask(socket, meeting, 0)).toBe("203.0.113.1:5000")
        home.rebind()
        expect(home.mappings).toEqual([])
        expect(yield* ask(socket, meeting, 0)).toBe("203.0.113.1:1024")
        home.rebind("203.0.113.77")
        expect(yield* ask(socket, meeting, 0)).toBe("203.0.113.77:5000")
        const heard = yield* arrivals(socket)
        for (const old of ["203.0.113.1", "203.0.113.77"]) send(far, addressOf(old, 5000))
        yield* Effect.sleep(100)
        expect(heard.length).toBe(1)
        expect(() => home.rebind("fd00::1")).toThrow("nat home.rebind has no address of fd00::1's family")
      })
  )

  itSim("with several outside addresses gives every inside host one and the same for all it does", () =>
    Effect.gen(function* () {
      const { server, laptop, phone } = yield* world(natKinds.symmetric, natKinds.fullCone, [
        "203.0.113.1",
        "203.0.113.3"
      ])
      const endpoints = yield* stun(server)
      const hosts: Array<string> = []
      for (const host of [laptop, phone, laptop, phone]) {
        const seen = yield* ask(yield* host.udpPort.bind(), endpoints[hosts.length], hosts.length)
        hosts.push(seen!.split(":")[0])
      }
      expect(hosts).toEqual(["203.0.113.1", "203.0.113.3", "203.0.113.1", "203.0.113.3"])
    })
  )

  itSim("works behind another, and rebinds by itself", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const server = network.host("server", "198.51.100.1", "198.51.100.2")
      const core = network.router("core")
      for (const from of server.addresses) network.connect(server, core, { from })
      const carrier = network.nat("carrier", "203.0.113.1", natKinds.symmetric)
      network.connect(carrier.outside, core)
      const aggregation = network.router("aggregation")
      network.connect(aggregation, carrier.inside)
      const home = network.nat("home", "100.64.0.7")
      network.connect(home.outside, aggregation)
      const laptop = network.host("laptop", "192.168.1.2")
      network.connect(laptop, home.inside)
      const endpoints = yield* stun(server)
      expect(yield* discover(laptop, endpoints)).toBe("symmetric")
      const socket = yield* laptop.udpPort.bind({ port: 5000 })
      const before = yield* ask(socket, endpoints[0], 0)
      home.rebind()
      expect(yield* ask(socket, endpoints[0], 0)).not.toBe(before)
      expect(home.mappings[0].outside).toEqual(addressOf("100.64.0.7", 1024))
    })
  )

  itSim(
    "translates IPv6 to an IPv6 address of its own, and has no way out for a family it has no address of",
    () =>
      Effect.gen(function* () {
        const network = yield* SimNetwork
        const server = network.host("server", "2001:db8::1")
        for (const [name, outside] of [
          ["six", "2001:db8::77"],
          ["four", "203.0.113.1"]
        ]) {
          const nat = network.nat(name, outside)
          const laptop = network.host(`behind ${name}`, "fd00::2")
          network.connect(laptop, nat.inside)
          network.connect(nat.outside, server)
          const far = yield* Effect.scoped(
            Effect.gen(function* () {
              const atFar = yield* arrivals(yield* server.udpPort.bind({ host: "::", port: 9 }))
              send(yield* laptop.udpPort.bind({ host: "fd00::2", port: 5000 }), addressOf("2001:db8::1", 9))
              yield* Effect.sleep(10)
              return atFar.map(({ from }) => formatAddress(from))
            })
          )
          expect(far).toEqual(name === "six" ? ["[2001:db8::77]:5000"] : [])
          expect(nat.counters.tableFull).toBe(name === "six" ? 0 : 1)
        }
      })
  )

  itSim("translates what routers say about packets that are too large, in both directions", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const server = network.host("server", "198.51.100.1")
      const core = network.router("core", "198.51.100.254")
      network.connect(core, server, { mtu: 1300, tooLarge: "icmp" })
      const home = network.nat("home", "203.0.113.1")
      network.connect(home.outside, core)
      const laptop = network.host("laptop", "192.168.1.2")
      network
        .connect(laptop, home.inside, { mtu: 1290, tooLarge: "icmp", name: "wifi" })
        .forward.set({ mtu: 1500 })
      const near = yield* laptop.udpPort.bind()
      const far = yield* server.udpPort.bind({ port: 9 })
      const atFar = yield* arrivals(far)
      send(near, addressOf("198.51.100.1", 9), 1273)
      send(near, addressOf("198.51.100.1", 9), 100)
      yield* Effect.sleep(10)
      expect(near.counters.socketErrors).toBe(1)
      expect(near.counters.lastError).toContain("198.51.100.1 is 1300 bytes")
      send(far, atFar[0].from, 1272)
      yield* Effect.sleep(10)
      expect(far.counters.socketErrors).toBe(1)
      expect(far.counters.lastError).toContain("203.0.113.1 is 1290 bytes")
    })
  )

  itSim("refuses what makes no sense, and says where", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const nat = (behaviour: Partial<NatBehaviour>) => () =>
        network.nat("n", "203.0.113.1", { ...natKinds.fullCone, ...behaviour })
      expect(nat({ firstPort: 0 })).toThrow("nat n.firstPort must be a number from 1 to 65535, but is 0")
      expect(nat({ firstPort: 2000, lastPort: 1999 })).toThrow(
        "nat n.lastPort must be a number from 2000 to 65535"
      )
      expect(nat({ maxMappings: 0 })).toThrow("nat n.maxMappings must be")
      expect(nat({ mappingTimeoutMillis: 0 })).toThrow("nat n.mappingTimeoutMillis must be")
      expect(nat({ mapping: "cone" as "endpointIndependent" })).toThrow("nat n.mapping must be one of")
      expect(nat({ hairpin: true } as object)).toThrow("nat n.hairpin is unknown")
      expect(() => network.nat("n", [])).toThrow("nat n needs an outside address")
      expect(() => network.nat("n", "here")).toThrow('nat n must be an IP address, but is "here"')
    })
  )
})
