import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { addressBytes, IpPrefix } from "../../layers/sim/IpPrefix.ts"
import type { LinkConditions } from "../../layers/sim/linkConditions.ts"
import { PathMtus } from "../../layers/sim/PathMtus.ts"
import { Timeline } from "../../layers/sim/Timeline.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { addressOf, arrivals, send } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

describe("a prefix", () => {
  const holds = (prefix: string, address: string): boolean =>
    new IpPrefix("route", prefix).contains(addressBytes(address)!)

  it("contains the addresses that begin with its bits", () => {
    expect(holds("10.0.0.0/8", "10.255.1.2")).toBe(true)
    expect(holds("10.0.0.0/8", "11.0.0.0")).toBe(false)
    expect(holds("192.0.2.128/25", "192.0.2.200")).toBe(true)
    expect(holds("192.0.2.128/25", "192.0.2.100")).toBe(false)
    expect(holds("192.0.2.1", "192.0.2.1")).toBe(true)
    expect(holds("192.0.2.1", "192.0.2.2")).toBe(false)
    expect(holds("2001:db8::/32", "2001:db8:1::7")).toBe(true)
    expect(holds("2001:db8::/32", "2001:db9::")).toBe(false)
    expect(holds("::/0", "fd00::1")).toBe(true)
    expect(holds("::/0", "10.0.0.1")).toBe(false)
    expect(holds("::ffff:10.0.0.0/104", "::ffff:10.1.2.3")).toBe(true)
  })

  it.each(["10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/", "example.org/8", "10.0.0.0/-1"])(
    "rejects %s",
    (prefix) => {
      expect(() => new IpPrefix("route", prefix)).toThrow("route must be a prefix such as")
    }
  )
})

/** `a` and `b` at opposite ends of a chain of routers, with addresses of both families, a millisecond per link. */
const chain = Effect.fnUntraced(function* (length: number, middle: Partial<LinkConditions> = {}) {
  const network = yield* SimNetwork
  const a = network.host("a", "10.1.0.1", "fd01::1")
  const b = network.host("b", "10.2.0.1", "fd02::1")
  const routers = Array.from({ length }, (_, i) =>
    network.router(`r${i}`, `10.0.0.${i + 1}`, `fd00::${i + 1}`)
  )
  const delayMillis = 1
  for (const from of a.addresses) network.connect(a, routers[0], { from, delayMillis })
  for (const from of b.addresses) network.connect(b, routers[length - 1], { from, delayMillis })
  const between = routers
    .slice(1)
    .map((router, i) =>
      network.connect(routers[i], router, { delayMillis, ...(i === 0 ? middle : undefined) })
    )
  return { network, a, b, routers, between }
})

describe("routers", () => {
  for (const [from, to] of [
    ["10.1.0.1", "10.2.0.1"],
    ["fd01::1", "fd02::1"]
  ])
    itSim(`carry packets from ${from} to ${to} and back, over all links between`, () =>
      Effect.gen(function* () {
        const { a, b, routers } = yield* chain(3)
        const near = yield* a.udpPort.bind({ host: from, port: 1 })
        const far = yield* b.udpPort.bind({ host: to, port: 2 })
        const atNear = yield* arrivals(near)
        const atFar = yield* arrivals(far)
        send(near, far.localAddress)
        yield* Effect.sleep(100)
        expect(atFar.map(({ atMillis, from }) => [atMillis, from])).toEqual([[4, near.localAddress]])
        send(far, atFar[0].from)
        yield* Effect.sleep(100)
        expect(atNear.map(({ from }) => from)).toEqual([far.localAddress])
        expect(routers.map(({ counters }) => counters.forwarded)).toEqual([2, 2, 2])
      })
    )

  itSim("take the way with the fewest links, unless a route says otherwise; the longest prefix says it", () =>
    Effect.gen(function* () {
      const { network, a, b, routers } = yield* chain(2)
      const detour = network.router("detour")
      const there = network.connect(routers[0], detour, { delayMillis: 50 })
      network.connect(detour, routers[1], { delayMillis: 50 })
      const near = yield* a.udpPort.bind({ host: "10.1.0.1" })
      const far = yield* b.udpPort.bind({ host: "10.2.0.1", port: 2 })
      const atFar = yield* arrivals(far)
      const millis = Effect.gen(function* () {
        const before = (atFar.at(-1)?.atMillis ?? 0) < 1000 ? 0 : 1000
        send(near, far.localAddress)
        yield* Effect.sleep(1000)
        return atFar.at(-1)!.atMillis - before
      })
      expect(yield* millis).toBe(3)
      routers[0].addRoute("10.2.0.0/16", there.forward)
      yield* millis
      expect(detour.counters.forwarded).toBe(1)
      routers[0].addRoute("10.0.0.0/8", undefined)
      yield* millis
      expect(detour.counters.forwarded).toBe(2)
      routers[0].addRoute("10.2.0.1", undefined)
      send(near, far.localAddress)
      yield* Effect.sleep(1000)
      expect(detour.counters.forwarded).toBe(2)
      expect(routers[0].counters.noRoute).toBe(1)
    })
  )

  itSim(
    "bring what is for one of a host's addresses over the link of that address, however long the way",
    () =>
      Effect.gen(function* () {
        const network = yield* SimNetwork
        const tower = network.router("tower")
        const core = network.router("core")
        const phone = network.host("phone", "10.0.0.1", "10.1.0.1")
        const server = network.host("server", "192.0.2.1")
        network.connect(tower, core, { delayMillis: 20 })
        const wifi = network.connect(phone, core, { from: "10.0.0.1", delayMillis: 1 })
        const cellular = network.connect(phone, tower, { from: "10.1.0.1", delayMillis: 20 })
        network.connect(server, core)
        const far = yield* server.udpPort.bind()
        const atPhone = yield* arrivals(yield* phone.udpPort.bind({ port: 9 }))
        for (const host of phone.addresses) send(far, addressOf(host, 9))
        yield* Effect.sleep(100)
        expect(atPhone.map(({ to, atMillis }) => [to!.host, atMillis])).toEqual([
          ["10.0.0.1", 1],
          ["10.1.0.1", 40]
        ])
        phone.changeAddress("10.1.0.1", "10.1.0.2")
        send(far, addressOf("10.1.0.2", 9))
        send(far, addressOf("10.1.0.1", 9))
        yield* Effect.sleep(100)
        expect(wifi.backward.counters.entered).toBe(1)
        expect(cellular.backward.counters.entered).toBe(2)
      })
  )

  itSim("end a packet that goes round in circles", () =>
    Effect.gen(function* () {
      const { a, routers, between } = yield* chain(2)
      routers[0].addRoute("192.0.2.0/24", between[0].forward)
      routers[1].addRoute("192.0.2.0/24", between[0].backward)
      const socket = yield* a.udpPort.bind({ host: "10.1.0.1" })
      send(socket, addressOf("192.0.2.1", 9))
      yield* Effect.sleep("1 second")
      const [first, second] = routers.map(({ counters }) => counters)
      expect(first.forwarded + second.forwarded).toBe(63)
      expect(first.ttlExpired + second.ttlExpired).toBe(1)
    })
  )

  itSim("drop what they know no way for", () =>
    Effect.gen(function* () {
      const { a, routers } = yield* chain(1)
      send(yield* a.udpPort.bind({ host: "10.1.0.1" }), addressOf("192.0.2.1", 9))
      yield* Effect.sleep("1 second")
      expect(routers[0].counters.noRoute).toBe(1)
    })
  )

  itSim("find a host at its new address, where sockets bound to any address go on", () =>
    Effect.gen(function* () {
      const { a, b } = yield* chain(2)
      const any = yield* a.udpPort.bind({ port: 1 })
      const bound = yield* a.udpPort.bind({ host: "10.1.0.1", port: 3 })
      const far = yield* b.udpPort.bind({ host: "10.2.0.1", port: 2 })
      const atAny = yield* arrivals(any)
      const atFar = yield* arrivals(far)
      a.changeAddress("10.1.0.1", "10.1.0.99")
      send(any, far.localAddress)
      send(bound, far.localAddress)
      yield* Effect.sleep(100)
      expect(atFar.map(({ from }) => from)).toEqual([addressOf("10.1.0.99", 1)])
      expect(bound.counters.lastError).toBe("no route from a to 10.2.0.1")
      send(far, addressOf("10.1.0.99", 1))
      send(far, addressOf("10.1.0.1", 1))
      yield* Effect.sleep(100)
      expect(atAny.length).toBe(1)
      expect(() => a.changeAddress("10.1.0.1", "10.1.0.2")).toThrow("has no address 10.1.0.1")
      expect(() => a.changeAddress("10.1.0.99", "fd01::2")).toThrow("of another address family")
    })
  )
})

describe("a link in the middle with a smaller MTU", () => {
  const over = Effect.fnUntraced(function* (tooLarge: "drop" | "icmp") {
    const { a, b, between } = yield* chain(3, { mtu: 1300, tooLarge })
    const near = yield* a.udpPort.bind({ host: "10.1.0.1" })
    const far = yield* b.udpPort.bind({ host: "10.2.0.1", port: 2 })
    const atFar = yield* arrivals(far)
    const lengths = (...all: ReadonlyArray<number>) =>
      Effect.gen(function* () {
        for (const length of all) send(near, far.localAddress, length)
        yield* Effect.sleep(100)
      })
    return { near, atFar, lengths, entered: () => between[0].forward.counters }
  })

  itSim("says nothing when told to, and every packet too large is lost there", () =>
    Effect.gen(function* () {
      const { near, atFar, lengths, entered } = yield* over("drop")
      yield* lengths(1272, 1273)
      yield* lengths(1273)
      expect(atFar.map(({ bytes }) => bytes.length)).toEqual([1272])
      expect(near.counters).toMatchObject({ sent: 3, sendTooLarge: 0, socketErrors: 0 })
      expect(entered().tooLarge).toBe(2)
    })
  )

  itSim("tells the sender, whose system refuses what is too large from then on, for ten minutes", () =>
    Effect.gen(function* () {
      const { near, atFar, lengths, entered } = yield* over("icmp")
      yield* lengths(1272, 1273)
      expect(near.counters).toMatchObject({ sent: 2, sendTooLarge: 0, socketErrors: 1 })
      expect(near.counters.lastError).toBe(
        "message too long: the path MTU to 10.2.0.1 is 1300 bytes (EMSGSIZE)"
      )
      yield* lengths(1272, 1273)
      expect(near.counters).toMatchObject({ sent: 3, sendTooLarge: 1, socketErrors: 1 })
      expect(atFar.map(({ bytes }) => bytes.length)).toEqual([1272, 1272])
      expect(entered().tooLarge).toBe(1)
      yield* Effect.sleep("11 minutes")
      yield* lengths(1273)
      expect(near.counters).toMatchObject({ sent: 4, sendTooLarge: 1, socketErrors: 2 })
    })
  )

  it("is remembered for the last thousand destinations, until the host forgets", () => {
    const known = new PathMtus(new Timeline())
    for (let i = 0; i < 1025; i++) known.learn(`host ${i}`, 1300)
    expect([known.to("host 0"), known.to("host 1"), known.to("host 1024")]).toEqual([Infinity, 1300, 1300])
    known.forget()
    expect(known.to("host 1024")).toBe(Infinity)
  })

  itSim("is refused by the sender's own system when it is the sender's own link", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const a = network.host("a", "10.0.0.1")
      const b = network.host("b", "10.0.0.2")
      network.connect(a, b, { mtu: 1300, tooLarge: "icmp" })
      const near = yield* a.udpPort.bind()
      send(near, addressOf("10.0.0.2", 1), 1273)
      send(near, addressOf("10.0.0.2", 1), 1272)
      expect(near.counters).toMatchObject({ sent: 1, sendTooLarge: 1 })
    })
  )
})

describe("a network", () => {
  itSim("refuses what makes no sense, and says where", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const a = network.host("a", "10.0.0.1", "fd00::1")
      const b = network.host("b", "10.0.0.2")
      const r = network.router("r")
      expect(() => network.host("a", "10.0.0.3")).toThrow("a is already the name of another node")
      expect(() => network.host("c")).toThrow("host c requires an IP address")
      expect(() => network.host("c", "10.0.0")).toThrow('host c must be an IP address, but is "10.0.0"')
      expect(() => network.host("c", "FD00:0::1")).toThrow(
        "host c must be written as fd00::1, but is FD00:0::1"
      )
      expect(() => a.changeAddress("10.0.0.1", "10.0.0.1")).toThrow("already has the address 10.0.0.1")
      expect(() => network.router("s", "x")).toThrow("router s must be an IP address")
      expect(() => network.connect(a, b, { from: "fd00::1" })).toThrow("of different address families")
      expect(() => network.connect(a, b, { from: "10.0.0.9" })).toThrow("knows no address 10.0.0.9 of a")
      expect(() => network.connect(a, r, { to: "10.0.0.9" })).toThrow("accepts an address for hosts only")
      expect(() => network.connect(a, r, { lossRate: 2 })).toThrow("a-r.loss.rate must be")
      expect(() => network.connect(a, r, { backward: { mtu: 1 } })).toThrow("a-r.backward.mtu must be")
      network.connect(a, b, { name: "cable" })
      expect(() => network.connect(a, b, { name: "cable" })).toThrow("connect.name cable is already in use")
      expect(network.connect(a, b).name).toBe("a-b")
      expect(network.connect(a, b).name).toBe("a-b 2")
    })
  )

  itSim("changes each direction of a connection by itself, and takes back what was laid over it", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const cable = network.connect(network.host("a", "10.0.0.1"), network.router("r"), {
        delayMillis: 10,
        backward: { delayMillis: 30 }
      })
      const link = cable.forward
      expect(cable.backward.conditions.delay).toEqual({ kind: "fixed", millis: 30 })
      const slow = link.overlay({ delayMillis: 100, up: false })
      const lossy = link.overlay({ lossRate: 0.5, up: true })
      link.set({ mtu: 1400 })
      expect(link.conditions).toMatchObject({
        up: false,
        mtu: 1400,
        delay: { millis: 100 },
        loss: { rate: 0.5 }
      })
      slow()
      slow()
      expect(link.conditions).toMatchObject({
        up: true,
        mtu: 1400,
        delay: { millis: 10 },
        loss: { rate: 0.5 }
      })
      lossy()
      expect(link.conditions).toMatchObject({ delay: { millis: 10 }, loss: { rate: 0 } })
      expect(() => link.overlay({ lossRate: 3 })).toThrow("loss.rate must be")
    })
  )
})

describe("the event loop of a simulation", () => {
  const turnsOf = async (length: number): Promise<number> => {
    const original = globalThis.setImmediate
    let turns = 0
    globalThis.setImmediate = ((...args: Parameters<typeof original>) => {
      turns++
      return original(...args)
    }) as typeof original
    try {
      await SimRuntime.runPromise(
        "turns",
        Effect.gen(function* () {
          const { a, b } = yield* chain(length)
          const from = yield* a.udpPort.bind({ host: "10.1.0.1", port: 1 })
          const to = yield* b.udpPort.bind({ host: "10.2.0.1", port: 2 })
          const arrived = yield* arrivals(to)
          send(from, to.localAddress)
          yield* Effect.sleep(1000)
          expect(arrived).toHaveLength(1)
        }).pipe(Effect.scoped)
      )
    } finally {
      globalThis.setImmediate = original
    }
    return turns
  }

  it("has no turn for instants in which packets only move", async () => {
    expect(await turnsOf(50)).toBe(await turnsOf(2))
  })

  itSim(
    "has its turn after a packet that a test watches: promises it resolves come before later packets",
    () =>
      Effect.gen(function* () {
        const { a, b, between } = yield* chain(4)
        const from = yield* a.udpPort.bind({ host: "10.1.0.1", port: 1 })
        const to = yield* b.udpPort.bind({ host: "10.2.0.1", port: 2 })
        const seen: Array<string> = []
        for (const [i, { forward }] of between.entries())
          forward.dropIf = () => {
            void Promise.resolve().then(() => seen.push(`promise ${i}`))
            seen.push(`packet ${i}`)
            return false
          }
        send(from, to.localAddress)
        yield* Effect.sleep(1000)
        expect(seen).toEqual([0, 1, 2].flatMap((i) => [`packet ${i}`, `promise ${i}`]))
      })
  )
})
