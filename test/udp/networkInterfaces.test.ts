import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import * as NodeNetworkInterfaces from "../../layers/node/NodeNetworkInterfaces.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import { type InterfaceAddress, NetworkInterfaces } from "../../src/capability/NetworkInterfaces.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { itSim } from "../sim/itSim.ts"

const live = <A, E>(title: string, program: Effect.Effect<A, E, NetworkInterfaces | Scope.Scope>): void =>
  it(title, () => Effect.runPromise(Effect.scoped(Effect.provide(program, NodeNetworkInterfaces.layer))))

const remote = (host: string): SocketAddress => ({ host, port: 9, family: host.includes(":") ? 6 : 4 })

const addressOf = (name: string, address: string): InterfaceAddress => ({
  name,
  address,
  family: 4,
  isLoopback: false
})

describe("NodeNetworkInterfaces", () => {
  live(
    "lists what the system lists",
    Effect.gen(function* () {
      const { addresses } = yield* NetworkInterfaces
      const all = yield* addresses
      expect(all.length).toBe(Object.values(networkInterfaces()).flat().length)
      expect(all).toContainEqual({ name: "lo", address: "127.0.0.1", family: 4, isLoopback: true })
    })
  )

  live(
    "knows the address the system sends from, and none where it refuses to send",
    Effect.gen(function* () {
      const { sourceAddress } = yield* NetworkInterfaces
      expect(yield* sourceAddress(remote("127.0.0.1"))).toBe("127.0.0.1")
      expect(yield* sourceAddress(remote("127.8.9.10"))).toBe("127.0.0.1")
      expect(yield* sourceAddress(remote("::1"))).toBe("::1")
      expect(yield* sourceAddress(remote("255.255.255.255"))).toBe(undefined)
    })
  )

  itSim("polls while somebody watches, and not at all when nobody does", () =>
    Effect.gen(function* () {
      let table = [addressOf("wlan0", "192.0.2.1")]
      let polls = 0
      const { changes } = NodeNetworkInterfaces.make({
        pollInterval: 1_000,
        list: () => {
          polls++
          return table
        }
      })
      yield* Effect.sleep("1 minute")
      expect(polls).toBe(0)
      const seen = yield* Ref.make<ReadonlyArray<string>>([])
      const watch = Effect.forkScoped(
        Stream.runForEach(changes, ([{ address }]) => Ref.update(seen, (before) => [...before, address]))
      )
      const watchers = [yield* watch, yield* watch]
      yield* Effect.sleep(10_500)
      expect(polls).toBe(22)
      expect(yield* Ref.get(seen)).toEqual(["192.0.2.1", "192.0.2.1"])
      table = [addressOf("wlan0", "192.0.2.2")]
      yield* Effect.sleep(5_000)
      expect((yield* Ref.get(seen)).slice(2)).toEqual(["192.0.2.2", "192.0.2.2"])
      yield* Fiber.interruptAll(watchers)
      const before = polls
      yield* Effect.sleep("1 minute")
      expect(polls).toBe(before)
      table = [addressOf("wlan0", "192.0.2.3")]
      const [now] = yield* Stream.runCollect(Stream.take(changes, 1))
      expect(now[0].address).toBe("192.0.2.3")
    })
  )
})

describe("the network interfaces of a simulated host", () => {
  itSim("change with its addresses, and lead where its links lead", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const core = network.router("core")
      const phone = network.host("phone", "10.1.0.2", "10.2.0.2")
      const server = network.host("server", "203.0.113.10")
      network.connect(phone, core, { name: "wifi", from: "10.1.0.2" })
      network.connect(phone, core, { name: "lte", from: "10.2.0.2" })
      network.connect(server, core)
      const { addresses, changes, sourceAddress } = yield* Effect.provide(NetworkInterfaces, phone.layer)
      const seen: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(changes, (all) =>
          Effect.sync(() => seen.push(all.map(({ name, address }) => `${name} ${address}`).join(", ")))
        )
      )
      const source = sourceAddress(remote("203.0.113.10"))
      yield* Effect.sleep(10)
      expect(yield* source).toBe("10.1.0.2")
      network.apply([
        {
          atMillis: 100,
          fault: { kind: "interfaceDown", host: "phone", address: "10.1.0.2", forMillis: 100 }
        },
        { atMillis: 300, fault: { kind: "changeAddress", host: "phone", from: "10.1.0.2", to: "10.1.0.3" } }
      ])
      yield* Effect.sleep(150)
      expect((yield* addresses).map(({ address }) => address)).toEqual(["10.2.0.2"])
      expect(yield* source).toBe("10.2.0.2")
      yield* Effect.sleep(100)
      expect(yield* source).toBe("10.1.0.2")
      yield* Effect.sleep(100)
      expect(yield* source).toBe("10.1.0.3")
      expect(yield* sourceAddress(remote("10.1.0.3"))).toBe("10.1.0.3")
      expect(seen).toEqual([
        "eth0 10.1.0.2, eth1 10.2.0.2",
        "eth1 10.2.0.2",
        "eth1 10.2.0.2, eth0 10.1.0.2",
        "eth1 10.2.0.2, eth0 10.1.0.3"
      ])
    })
  )
})
