import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Fault, FaultSchedule } from "../../layers/sim/FaultSchedule.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { addressOf, arrivals, send } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** Three hosts around a router, `a` behind a NAT; each has a socket on port 1. */
const world = Effect.gen(function* () {
  const network = yield* SimNetwork
  const core = network.router("core")
  const nat = network.nat("nat", "203.0.113.1")
  const a = network.host("a", "192.168.1.2")
  const b = network.host("b", "198.51.100.2")
  const c = network.host("c", "198.51.100.3")
  const uplink = network.connect(nat.outside, core, { name: "uplink" })
  network.connect(a, nat.inside, { name: "wifi" })
  network.connect(b, core)
  network.connect(c, core)
  return { network, core, nat, a, b, c, uplink }
})

/** `from` sends `to` one datagram per 100 ms, offset by 50 ms; returns the arrival times. */
const listen = Effect.fnUntraced(function* (from: SimHost, to: SimHost) {
  const near = yield* from.udpPort.bind()
  const far = yield* to.udpPort.bind()
  const all = yield* arrivals(far)
  yield* Effect.forkScoped(
    Effect.sleep(50).pipe(
      Effect.andThen(Effect.sync(() => send(near, addressOf(to.addresses[0], far.localAddress.port)))),
      Effect.andThen(Effect.sleep(50)),
      Effect.forever
    )
  )
  return () => all.map(({ atMillis }) => Math.floor(atMillis / 100))
})

const allBut = (count: number, from: number, to: number): Array<number> =>
  Array.from({ length: count }, (_, i) => i).filter((i) => i < from || i >= to)

describe("a partition", () => {
  itSim("keeps groups apart over whatever way, address translation included, and heals", () =>
    Effect.gen(function* () {
      const { network, a, b, c } = yield* world
      const ab = yield* listen(a, b)
      const ac = yield* listen(a, c)
      const bc = yield* listen(b, c)
      const cb = yield* listen(c, b)
      yield* Effect.sleep(300)
      const heal = network.partition([["a", "c"], ["b"]])
      yield* Effect.sleep(400)
      heal()
      heal()
      yield* Effect.sleep(300)
      expect(ab()).toEqual(allBut(10, 3, 7))
      expect(bc()).toEqual(allBut(10, 3, 7))
      expect(cb()).toEqual(allBut(10, 3, 7))
      expect(ac()).toEqual(allBut(10, 0, 0))
    })
  )

  itSim("may be deaf on one side only", () =>
    Effect.gen(function* () {
      const { network, b, c } = yield* world
      const bc = yield* listen(b, c)
      const cb = yield* listen(c, b)
      network.partition([["b"], ["c"]], true)
      yield* Effect.sleep(300)
      expect(bc()).toEqual([])
      expect(cb()).toEqual([0, 1, 2])
    })
  )

  itSim("around a router cuts what goes through it", () =>
    Effect.gen(function* () {
      const { network, a, b, c } = yield* world
      const ab = yield* listen(a, b)
      const cb = yield* listen(c, b)
      network.partition([["nat"], ["core"]])
      yield* Effect.sleep(300)
      expect(ab()).toEqual([])
      expect(cb()).toEqual([0, 1, 2])
    })
  )
})

describe("a schedule of faults", () => {
  itSim("takes links down and up again, in the direction asked for", () =>
    Effect.gen(function* () {
      const { network, a, b } = yield* world
      const ab = yield* listen(a, b)
      network.apply([
        { atMillis: 200, fault: { kind: "linkDown", link: "uplink", direction: "forward", forMillis: 300 } },
        { atMillis: 600, fault: { kind: "linkDown", link: "uplink", direction: "backward", forMillis: 300 } }
      ])
      yield* Effect.sleep(1000)
      expect(ab()).toEqual(allBut(10, 2, 5))
    })
  )

  itSim("changes conditions for a while; what overlaps ends when the last does", () =>
    Effect.gen(function* () {
      const { network, uplink, a, b } = yield* world
      const ab = yield* listen(a, b)
      const faults = network.apply([
        {
          atMillis: 100,
          fault: { kind: "conditions", link: "uplink", conditions: { lossRate: 1 }, forMillis: 400 }
        },
        {
          atMillis: 300,
          fault: { kind: "conditions", link: "uplink", conditions: { lossRate: 1 }, forMillis: 400 }
        },
        { atMillis: 800, fault: { kind: "conditions", link: "uplink", conditions: { delayMillis: 7 } } }
      ])
      yield* Effect.sleep(1000)
      expect(ab()).toEqual(allBut(10, 1, 7))
      expect(uplink.backward.conditions.delay).toEqual({ kind: "fixed", millis: 7 })
      expect(faults.isOver).toBe(true)
      faults.heal()
      expect(uplink.backward.conditions.delay).toEqual({ kind: "fixed", millis: 0 })
    })
  )

  itSim("moves hosts and rebinds NATs", () =>
    Effect.gen(function* () {
      const { network, nat, a, c } = yield* world
      const heard: Array<string> = []
      const far = yield* c.udpPort.bind({ port: 9 })
      const all = yield* arrivals(far)
      network.apply([
        { atMillis: 110, fault: { kind: "rebind", nat: "nat" } },
        {
          atMillis: 210,
          fault: { kind: "changeAddress", host: "a", from: "192.168.1.2", to: "192.168.1.9" }
        },
        {
          atMillis: 220,
          fault: { kind: "changeAddress", host: "a", from: "192.168.1.2", to: "192.168.1.7" }
        },
        { atMillis: 310, fault: { kind: "rebind", nat: "nat", address: "203.0.113.9" } }
      ])
      const near = yield* a.udpPort.bind({ port: 5000 })
      for (let i = 0; i < 4; i++) {
        yield* Effect.sleep(50)
        send(near, addressOf("198.51.100.3", 9))
        yield* Effect.sleep(50)
        const { host, port } = all.at(-1)!.from
        heard.push(`${nat.mappings.at(-1)!.inside.host} > ${host}:${port}`)
      }
      expect(heard).toEqual([
        "192.168.1.2 > 203.0.113.1:5000",
        "192.168.1.2 > 203.0.113.1:1024",
        "192.168.1.9 > 203.0.113.1:1025",
        "192.168.1.9 > 203.0.113.9:5000"
      ])
    })
  )

  itSim("is over when it is healed", () =>
    Effect.gen(function* () {
      const { network, a, b } = yield* world
      const ab = yield* listen(a, b)
      const faults = network.apply([
        { atMillis: 100, fault: { kind: "crash", host: "b" } },
        { atMillis: 100, fault: { kind: "partition", groups: [["a"], ["b"]] } },
        { atMillis: 100, fault: { kind: "linkDown", link: "wifi", forMillis: 60_000 } },
        { atMillis: 400, fault: { kind: "linkDown", link: "uplink" } }
      ])
      yield* Effect.sleep(300)
      expect(b.isUp).toBe(false)
      faults.heal()
      expect(b.isUp).toBe(true)
      expect(faults.isOver).toBe(true)
      const again = yield* listen(a, b)
      yield* Effect.sleep(300)
      expect(ab()).toEqual([0])
      expect(again()).toEqual([3, 4, 5])
    })
  )

  const everyKind: FaultSchedule = [
    { atMillis: 10, fault: { kind: "partition", groups: [["a"], ["b"], ["c"]], forMillis: 300 } },
    { atMillis: 400, fault: { kind: "linkDown", link: "uplink", forMillis: 100 } },
    {
      atMillis: 600,
      fault: {
        kind: "conditions",
        link: "b-core",
        direction: "backward",
        conditions: {
          delay: { kind: "normal", meanMillis: 20, deviationMillis: 5 },
          lossRate: 0.3,
          up: true
        },
        forMillis: 500
      }
    },
    { atMillis: 700, fault: { kind: "crash", host: "c", forMillis: 200 } },
    { atMillis: 800, fault: { kind: "changeAddress", host: "b", from: "198.51.100.2", to: "198.51.100.22" } },
    { atMillis: 900, fault: { kind: "rebind", nat: "nat", address: "203.0.113.7" } }
  ]

  it("survives a round trip through JSON, and gives the same trace for the same seed", async () => {
    const under = (schedule: FaultSchedule) =>
      SimRuntime.run(
        "faults",
        Effect.scoped(
          Effect.gen(function* () {
            const { network, a, b, c } = yield* world
            for (const [from, to] of [
              [a, b],
              [a, c],
              [b, c],
              [c, b]
            ])
              yield* listen(from, to)
            network.apply(schedule)
            yield* Effect.sleep("2 seconds")
          })
        )
      )
    const first = await under(everyKind)
    expect(first.exit._tag).toBe("Success")
    expect(await under(JSON.parse(JSON.stringify(everyKind)))).toEqual(first)
    expect((await under(everyKind.slice(1))).digest).not.toBe(first.digest)
  })

  itSim("that cannot be is refused as a whole, and says where", () =>
    Effect.gen(function* () {
      const { network } = yield* world
      const refusal =
        (fault: object, atMillis = 0) =>
        () =>
          network.apply([...everyKind, { atMillis, fault: fault as Fault }])
      expect(refusal({ kind: "crash", host: "z" })).toThrow(
        "schedule[6].fault.host names no host of the network: z"
      )
      expect(refusal({ kind: "crash", host: "core" })).toThrow("names no host")
      expect(refusal({ kind: "crash", host: "a" }, -1)).toThrow(
        "schedule[6].atMillis must be a number from 0"
      )
      expect(refusal({ kind: "crash", host: "a", forMillis: -1 })).toThrow("fault.forMillis must be")
      expect(refusal({ kind: "crash", hosts: "a" })).toThrow(
        "fault.hosts is unknown; expected one of kind, host"
      )
      expect(refusal({ kind: "fire" })).toThrow("fault.kind must be one of partition, linkDown,")
      expect(refusal({ kind: "linkDown", link: "x" })).toThrow("fault.link names no link")
      expect(refusal({ kind: "linkDown", link: "wifi", direction: "up" })).toThrow(
        "fault.direction must be one of"
      )
      expect(refusal({ kind: "partition", groups: [["a"]] })).toThrow("fault.groups must have two groups")
      expect(refusal({ kind: "partition", groups: [["a"], ["a"]] })).toThrow(
        "fault.groups contains a node twice"
      )
      expect(refusal({ kind: "partition", groups: [["a"], ["x"]] })).toThrow("fault.groups names no node")
      expect(refusal({ kind: "conditions", link: "wifi", conditions: { lossRate: 2 } })).toThrow(
        "schedule[6].fault.conditions.loss.rate must be"
      )
      expect(refusal({ kind: "conditions", link: "wifi", conditions: { bitsPerSecond: Infinity } })).toThrow(
        "schedule[6].fault.conditions.bitsPerSecond must be finite"
      )
      expect(refusal({ kind: "changeAddress", host: "a", from: "1.1.1.1", to: "::1" })).toThrow(
        "fault.to is not of"
      )
      expect(refusal({ kind: "rebind", nat: "nat", address: "::1" })).toThrow(
        "fault.address is of an address family"
      )
    })
  )
})

describe("a crash", () => {
  itSim(
    "kills sockets without a word, takes nothing while it lasts, and leaves the ports free for the restart",
    () =>
      Effect.gen(function* () {
        const { b, c } = yield* world
        const near = yield* b.udpPort.bind({ port: 1 })
        const far = yield* c.udpPort.bind({ port: 1 })
        const atFar = yield* arrivals(far)
        c.crash()
        c.crash()
        send(near, addressOf("198.51.100.3", 1))
        send(far, addressOf("198.51.100.2", 1))
        yield* Effect.sleep(10)
        expect(far.counters.sendDropped).toBe(1)
        expect(yield* Effect.flip(c.udpPort.bind({ port: 2 }))).toMatchObject({
          reason: "AddressNotAvailable",
          message: "Cannot bind 0.0.0.0 port 2 on c: the host is down"
        })
        c.restart()
        const again = yield* c.udpPort.bind({ port: 1 })
        const atAgain = yield* arrivals(again)
        send(near, addressOf("198.51.100.3", 1))
        yield* Effect.sleep(10)
        expect([atFar.length, atAgain.length]).toEqual([0, 1])
      })
  )

  itSim(
    "interrupts the programs of the host, which begin again when it restarts, and end when they end",
    () =>
      Effect.gen(function* () {
        const { network, b, c } = yield* world
        const diary: Array<string> = []
        const note = (text: string) => Effect.map(now, (millis) => diary.push(`${millis} ${text}`))
        let lives = 0
        const program = Effect.gen(function* () {
          const life = ++lives
          yield* note(`life ${life} begins`)
          yield* Effect.addFinalizer(() => note(`life ${life} ends`))
          const socket = yield* (yield* UdpPort).bind({ port: 1 })
          // a datagram sent by a finalizer of an interrupted run is lost
          yield* Effect.addFinalizer(() => Effect.sync(() => send(socket, addressOf("198.51.100.2", 1))))
          yield* Effect.sleep(100)
          return life
        })
        const heard = yield* arrivals(yield* b.udpPort.bind({ port: 1 }))
        network.apply([
          { atMillis: 60, fault: { kind: "crash", host: "c", forMillis: 40 } },
          { atMillis: 80, fault: { kind: "crash", host: "c", forMillis: 40 } },
          { atMillis: 150, fault: { kind: "crash", host: "c", forMillis: 0 } },
          { atMillis: 151, fault: { kind: "crash", host: "b", forMillis: 0 } }
        ])
        expect(yield* c.run(program)).toBe(3)
        expect(diary).toEqual([
          "0 life 1 begins",
          "60 life 1 ends",
          "120 life 2 begins",
          "150 life 2 ends",
          "150 life 3 begins",
          "250 life 3 ends"
        ])
        expect(heard.length).toBe(0)
        yield* Effect.sleep(10)
      })
  )

  itSim("passes on what the program fails with, and waits with a program until the host is up", () =>
    Effect.gen(function* () {
      const { b } = yield* world
      b.crash()
      yield* Effect.forkScoped(
        Effect.andThen(
          Effect.sleep(70),
          Effect.sync(() => b.restart())
        )
      )
      expect(yield* Effect.flip(b.run(Effect.fail("no")))).toBe("no")
      expect(yield* now).toBe(70)
    })
  )
})
