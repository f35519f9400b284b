import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { UdpSocket } from "../../src/capability/UdpPort.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { Entropy } from "../../src/capability/Entropy.ts"
import { type ConnectOptions, SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { arrivals } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

/** Two connected hosts with a socket each. */
const pair = Effect.fnUntraced(function* (options: ConnectOptions = {}) {
  const network = yield* SimNetwork
  const hostA = network.host("a", "10.0.0.1")
  const hostB = network.host("b", "10.0.0.2")
  const connection = network.connect(hostA, hostB, options)
  const a = yield* hostA.udpPort.bind({ host: "10.0.0.1", port: 1000 })
  const b = yield* hostB.udpPort.bind({ host: "10.0.0.2", port: 2000 })
  return { network, hostA, hostB, connection, a, b, atA: yield* arrivals(a), atB: yield* arrivals(b) }
})

const numbered = (index: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  new DataView(bytes.buffer).setUint32(0, index)
  return bytes
}

const numberOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)

const sendMany = (socket: UdpSocket, to: UdpSocket, count: number, length = 1000): void => {
  for (let i = 0; i < count; i++) socket.send(numbered(i, length), 0, length, to.localAddress, 0)
  socket.flush()
}

/** Within four standard deviations of the expected rate. */
const expectRate = (hits: number, trials: number, rate: number): void => {
  const slack = 4 * Math.sqrt(trials * rate * (1 - rate))
  expect(Math.abs(hits - trials * rate)).toBeLessThan(slack)
}

describe("a simulated link", () => {
  itSim("delivers the bytes, the addresses and the ECN bits after its delay", () =>
    Effect.gen(function* () {
      const { a, b, atB } = yield* pair({ delayMillis: 25 })
      const buffer = new Uint8Array([9, 1, 2, 3, 9])
      a.send(buffer, 1, 4, b.localAddress, 2)
      buffer.fill(0)
      yield* Effect.sleep("1 second")
      expect(atB).toEqual([
        {
          atMillis: 25,
          bytes: new Uint8Array([1, 2, 3]),
          from: { host: "10.0.0.1", port: 1000, family: 4 },
          to: { host: "10.0.0.2", port: 2000, family: 4 },
          ecn: 2
        }
      ])
    })
  )

  itSim("adds jitter evenly, and keeps the order", () =>
    Effect.gen(function* () {
      const { a, b, atB } = yield* pair({ delayMillis: 10, jitterMillis: 20 })
      const delays: Array<number> = []
      for (let i = 0; i < 500; i++) {
        const before = Number(yield* Clock.monotonicTimeNanos) / 1e6
        a.send(numbered(i, 100), 0, 100, b.localAddress, 0)
        yield* Effect.sleep(100)
        delays.push(atB[i].atMillis - before)
      }
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(10)
      expect(Math.max(...delays)).toBeLessThanOrEqual(30)
      const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
      expect(mean).toBeGreaterThan(19)
      expect(mean).toBeLessThan(21)
      sendMany(a, b, 100)
      yield* Effect.sleep(100)
      expect(atB.slice(500).map(({ bytes }) => numberOf(bytes))).toEqual(
        Array.from({ length: 100 }, (_, i) => i)
      )
    })
  )

  itSim("paces packets at its rate, headers included, and drops what its queue cannot hold", () =>
    Effect.gen(function* () {
      // 1028 bytes at 1,028,000 bytes per second: one packet per millisecond.
      const { a, b, atB, connection } = yield* pair({ bitsPerSecond: 8 * 1_028_000, queueBytes: 50 * 1028 })
      sendMany(a, b, 80)
      yield* Effect.sleep("1 second")
      expect(atB.map(({ atMillis }) => atMillis)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
      expect(connection.forward.counters.queueFull).toBe(30)
      sendMany(a, b, 1)
      yield* Effect.sleep("1 second")
      expect(atB.at(-1)!.atMillis).toBe(1001)
    })
  )

  itSim("drains what waits at the new rate when the rate changes", () =>
    Effect.gen(function* () {
      const { a, b, atB, connection } = yield* pair({ bitsPerSecond: 8 * 1_028_000 })
      sendMany(a, b, 1)
      yield* Effect.sleep("10 millis")
      connection.set({ bitsPerSecond: 8 * 102_800 })
      sendMany(a, b, 2)
      yield* Effect.sleep("1 second")
      expect(atB.map(({ atMillis }) => atMillis)).toEqual([1, 20, 30])
    })
  )

  itSim("marks ECN-capable packets when its queue is long, and no others", () =>
    Effect.gen(function* () {
      const { a, b, atB } = yield* pair({ bitsPerSecond: 8_000_000, markAboveBytes: 3000 })
      for (const ecn of [2, 2, 2, 2, 0, 1] as const) a.send(numbered(0, 972), 0, 972, b.localAddress, ecn)
      yield* Effect.sleep("1 second")
      expect(atB.map(({ ecn }) => ecn)).toEqual([2, 2, 2, 2, 0, 3])
    })
  )

  itSim(
    "loses, corrupts, duplicates and reorders at the rates asked for",
    () =>
      Effect.gen(function* () {
        const trials = 5000
        const { a, b, atB, connection } = yield* pair({
          lossRate: 0.1,
          corruptRate: 0.05,
          duplicateRate: 0.02,
          reorderRate: 0.03
        })
        sendMany(a, b, trials, 64)
        yield* Effect.sleep("1 second")
        const { lost, corrupted, duplicated, reordered, delivered } = connection.forward.counters
        const survivors = trials - lost
        expectRate(lost, trials, 0.1)
        expectRate(corrupted, survivors, 0.05)
        expectRate(duplicated, survivors, 0.02)
        expectRate(reordered, survivors, 0.03)
        expect(delivered).toBe(survivors + duplicated)
        expect(atB.length).toBe(delivered)
      }),
    { seeds: 3 }
  )

  itSim("flips exactly one bit of a corrupted packet, and gives every twin bytes of its own", () =>
    Effect.gen(function* () {
      const { a, b, atB } = yield* pair({ corruptRate: 1, duplicateRate: 1 })
      a.send(new Uint8Array(100), 0, 100, b.localAddress, 0)
      yield* Effect.sleep(1)
      const [first, second] = atB
      const ones = first.bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0)
      expect(ones).toBe(1)
      expect(second.bytes).toEqual(first.bytes)
      expect(second.bytes.buffer).not.toBe(first.bytes.buffer)
    })
  )

  itSim("lets packets overtake a reordered one", () =>
    Effect.gen(function* () {
      const { a, b, atB, connection } = yield* pair({ delayMillis: 5, reorderMillis: 3, reorderRate: 1 })
      sendMany(a, b, 1)
      connection.set({ reorderRate: 0 })
      yield* Effect.sleep(1)
      a.send(numbered(1, 10), 0, 10, b.localAddress, 0)
      yield* Effect.sleep(100)
      expect(atB.map(({ bytes, atMillis }) => [numberOf(bytes), atMillis])).toEqual([
        [1, 6],
        [0, 8]
      ])
    })
  )

  itSim("drops packets above its MTU, unless their sender allows fragments", () =>
    Effect.gen(function* () {
      const { a, b, atB, hostA, connection } = yield* pair({ mtu: 1280 })
      sendMany(a, b, 1, 1252)
      sendMany(a, b, 1, 1253)
      hostA.dontFragment = false
      const careless = yield* hostA.udpPort.bind()
      expect(careless.capabilities.dontFragment).toBe(false)
      sendMany(careless, b, 1, 1253)
      yield* Effect.sleep(1)
      expect(atB.map(({ bytes }) => bytes.length)).toEqual([1252, 1253])
      expect(connection.forward.counters.tooLarge).toBe(1)
    })
  )

  itSim("carries nothing while it is down; the other direction is another link", () =>
    Effect.gen(function* () {
      const { a, b, atA, atB, connection } = yield* pair()
      connection.forward.set({ up: false })
      sendMany(a, b, 3)
      sendMany(b, a, 2)
      yield* Effect.sleep(1)
      expect(atB.length).toBe(0)
      connection.forward.set({ up: true })
      sendMany(a, b, 1)
      yield* Effect.sleep(1)
      expect(atB.length).toBe(1)
      expect(atA.length).toBe(2)
    })
  )

  itSim("drops what a test picks", () =>
    Effect.gen(function* () {
      const { a, b, atB, connection } = yield* pair()
      connection.forward.dropIf = (packet, index) => index === 2 || packet.bytes.length === 999
      sendMany(a, b, 4)
      sendMany(a, b, 1, 999)
      yield* Effect.sleep(1)
      expect(atB.map(({ bytes }) => numberOf(bytes))).toEqual([0, 1, 3])
      expect(connection.forward.counters.refused).toBe(2)
    })
  )
})

describe("a simulated host", () => {
  itSim(
    "refuses taken ports, foreign addresses and impossible ports, and gives the port back with the scope",
    () =>
      Effect.gen(function* () {
        const host = (yield* SimNetwork).host("h", "10.0.0.1", "fd00::1")
        const reason = (options: { host?: string; port?: number }) =>
          Effect.scoped(host.udpPort.bind(options)).pipe(
            Effect.match({ onFailure: (error) => error.reason, onSuccess: () => "bound" })
          )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* host.udpPort.bind({ host: "10.0.0.1", port: 443 })
            expect(yield* reason({ port: 443 })).toBe("AddressInUse")
            expect(yield* reason({ host: "fd00::1", port: 443 })).toBe("bound")
          })
        )
        expect(yield* reason({ port: 443 })).toBe("bound")
        expect(yield* reason({ host: "10.9.9.9" })).toBe("AddressNotAvailable")
        expect(yield* reason({ port: 65_536 })).toBe("InvalidAddress")
      })
  )

  itSim("sends from the address its socket is bound to, over that address's own link", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const phone = network.host("phone", "10.0.0.1", "10.1.0.1")
      const server = network.host("server", "192.0.2.1")
      network.connect(phone, server, { from: "10.0.0.1", delayMillis: 10 })
      network.connect(phone, server, { from: "10.1.0.1", delayMillis: 50 })
      const atServer = yield* arrivals(yield* server.udpPort.bind({ port: 443 }))
      const to = { host: "192.0.2.1", port: 443, family: 4 } as const
      for (const host of ["10.0.0.1", "10.1.0.1"]) {
        const socket = yield* phone.udpPort.bind({ host })
        socket.send(new Uint8Array(1), 0, 1, to, 0)
      }
      yield* Effect.sleep("1 second")
      expect(atServer.map(({ from, atMillis }) => [from.host, atMillis])).toEqual([
        ["10.0.0.1", 10],
        ["10.1.0.1", 50]
      ])
      expect(atServer[0].to).toEqual(to)
    })
  )

  itSim("reaches its own sockets, and counts what it has no route for", () =>
    Effect.gen(function* () {
      const host = (yield* SimNetwork).host("alone", "10.0.0.1")
      const a = yield* host.udpPort.bind()
      const b = yield* host.udpPort.bind({ host: "10.0.0.1" })
      const atB = yield* arrivals(b)
      sendMany(a, b, 1)
      a.send(new Uint8Array(1), 0, 1, { host: "192.0.2.1", port: 1, family: 4 }, 0)
      yield* Effect.sleep(1)
      expect(atB[0].from).toEqual({ ...a.localAddress, host: "10.0.0.1" })
      expect(a.counters.sent).toBe(1)
      expect(a.counters.lastError).toBe("no route from alone to 192.0.2.1")
    })
  )

  itSim("can refuse to take datagrams, and wakes the sender when it takes them again", () =>
    Effect.gen(function* () {
      const { a, b, hostA, atB } = yield* pair()
      let wakes = 0
      a.onReadable(() => wakes++)
      hostA.takeDatagrams(false)
      sendMany(a, b, 1100)
      expect(a.congested).toBe(true)
      expect(a.counters.sendDropped).toBe(1100 - 1024)
      yield* Effect.sleep(1)
      expect(atB.length).toBe(0)
      hostA.takeDatagrams(true)
      expect(a.congested).toBe(false)
      expect(wakes).toBe(1)
      yield* Effect.sleep(1)
      expect(atB.length).toBe(1024)
    })
  )

  itSim("drops what its socket's queue cannot hold, and wakes the reader once a burst", () =>
    Effect.gen(function* () {
      const { a, hostB } = yield* pair()
      const b = yield* hostB.udpPort.bind({ port: 9, receiveQueueLength: 10 })
      let wakes = 0
      b.onReadable(() => wakes++)
      sendMany(a, { ...b, localAddress: { host: "10.0.0.2", port: 9, family: 4 } } as UdpSocket, 25)
      yield* Effect.sleep(1)
      expect(wakes).toBe(1)
      expect(b.counters.receiveDropped).toBe(15)
      const froms = new Set<unknown>()
      expect(b.drain(4, ({ from }) => froms.add(from))).toBe(4)
      expect(b.drain(100, ({ from }) => froms.add(from))).toBe(6)
      expect(froms.size).toBe(1)
    })
  )

  itSim("hides ECN from sockets when the host has none", () =>
    Effect.gen(function* () {
      const { a, hostB, atB, b } = yield* pair()
      hostB.ecn = false
      const blind = yield* hostB.udpPort.bind({ host: "10.0.0.2" })
      const atBlind = yield* arrivals(blind)
      a.send(new Uint8Array(1), 0, 1, b.localAddress, 2)
      a.send(new Uint8Array(1), 0, 1, blind.localAddress, 2)
      yield* Effect.sleep(1)
      expect([atB[0].ecn, atBlind[0].ecn]).toEqual([2, 0])
    })
  )
})

describe("a simulated network", () => {
  /** Two programs, unaware of the simulation, that play ping-pong over a bad link. */
  const pingPong = Effect.scoped(
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const client = network.host("client", "10.0.0.1")
      const server = network.host("server", "10.0.0.2")
      network.connect(client, server, {
        delayMillis: 20,
        jitterMillis: 5,
        lossRate: 0.1,
        duplicateRate: 0.1,
        corruptRate: 0.1,
        reorderRate: 0.1,
        bitsPerSecond: 1_000_000
      })
      const echo = Effect.gen(function* () {
        const socket = yield* (yield* UdpPort).bind({ port: 7 })
        socket.onReadable(() => {
          socket.drain(Infinity, ({ bytes, from }) => socket.send(bytes, 0, bytes.length, from, 0))
          socket.flush()
        })
      })
      const ping = Effect.gen(function* () {
        const socket = yield* (yield* UdpPort).bind()
        const { randomBytes } = yield* Entropy
        let heard = 0
        socket.onReadable(() => {
          heard += socket.drain(Infinity, () => {})
        })
        for (let i = 0; i < 200; i++) {
          socket.send(randomBytes(300), 0, 300, { host: "10.0.0.2", port: 7, family: 4 }, 0)
          socket.flush()
          yield* Effect.sleep(10)
        }
        return heard
      })
      yield* echo.pipe(Effect.provide(server.layer))
      return yield* ping.pipe(Effect.provide(client.layer))
    })
  )

  it("gives the same trace for the same seed, byte for byte, and a different one for another seed", async () => {
    const first = await SimRuntime.run(7, pingPong)
    const again = await SimRuntime.run(7, pingPong)
    const other = await SimRuntime.run(8, pingPong)
    expect(again).toEqual(first)
    expect(other.digest).not.toBe(first.digest)
    expect(first.virtualMillis).toBe(2000)
  })

  it("gives the same trace when fibers are interleaved by the seed", async () => {
    const options = { interleaving: "seeded" } as const
    expect(await SimRuntime.run(7, pingPong, options)).toEqual(await SimRuntime.run(7, pingPong, options))
  })

  it("reports the last packets when a program is stuck", async () => {
    const stuck = Effect.scoped(
      Effect.gen(function* () {
        const { a, b, connection } = yield* pair({ delayMillis: 5 })
        sendMany(a, b, 1)
        yield* Effect.sleep(10)
        connection.backward.set({ up: false })
        sendMany(b, a, 1, 20)
        return yield* Effect.never
      })
    )
    const { exit } = await SimRuntime.run(1, stuck)
    const text = String(exit)
    expect(text).toContain("0.000000 s  10.0.0.1:1000 > 10.0.0.2:2000  1000 B  sent")
    expect(text).toContain("0.005000 s  10.0.0.1:1000 > 10.0.0.2:2000  1000 B  arrived")
    expect(text).toContain("20 B  refused")
  })
})
