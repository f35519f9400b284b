import * as Effect from "effect/Effect"
import { describe, expect, expectTypeOf, it } from "vitest"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import * as SimTopology from "../../layers/sim/SimTopology.ts"
import { formatAddress } from "../../src/wire/SocketAddress.ts"
import { addressOf, arrivals, send } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

const topology = SimTopology.make({
  hosts: { laptop: "192.168.1.2", server: ["198.51.100.1", "2001:db8::1"] },
  routers: { core: {}, detour: { routes: { "198.51.100.0/24": "short", "192.0.2.0/24": null } } },
  nats: { home: { outside: "203.0.113.1", kind: "symmetric", firstPort: 7000 } },
  links: {
    wifi: ["laptop", "home.inside", { delayMillis: 3 }],
    line: ["home.outside", "detour", { delayMillis: 10, backward: { delayMillis: 5 } }],
    short: ["detour", "core", { delayMillis: 1 }],
    uplink: ["server", "core", { delayMillis: 1 }],
    uplink6: ["server", "core", { from: "2001:db8::1" }]
  }
})

describe("a topology", () => {
  itSim("is built as it is written, and its parts are found by name", () =>
    Effect.gen(function* () {
      const { network, hosts, nats, links, routers } = yield* topology.build
      expectTypeOf(hosts).toEqualTypeOf<Readonly<Record<"laptop" | "server", SimHost>>>()
      const near = yield* hosts.laptop.udpPort.bind()
      const far = yield* hosts.server.udpPort.bind({ port: 9 })
      const atFar = yield* arrivals(far)
      const atNear = yield* arrivals(near)
      send(near, addressOf("198.51.100.1", 9))
      send(near, addressOf("192.0.2.1", 9))
      yield* Effect.sleep(100)
      expect(atFar.map(({ from, atMillis }) => [formatAddress(from), atMillis])).toEqual([
        ["203.0.113.1:7000", 15]
      ])
      expect(routers.detour.counters).toMatchObject({ forwarded: 1, noRoute: 1 })
      send(far, atFar[0].from)
      yield* Effect.sleep(100)
      expect(atNear.map(({ atMillis }) => atMillis)).toEqual([110])
      expect(nats.home.mappings.length).toBe(2)
      expect(links.line.forward.counters.delivered).toBe(2)
      network.apply([{ atMillis: 0, fault: { kind: "linkDown", link: "line" } }])
      yield* Effect.sleep(1)
      expect(links.line.forward.conditions.up).toBe(false)
    })
  )

  itSim("is the same after a trip through JSON", () =>
    Effect.gen(function* () {
      const again = SimTopology.make(JSON.parse(JSON.stringify(topology.definition)))
      expect(again.definition).toEqual(topology.definition)
      const { hosts } = yield* again.build
      expect(Object.keys(hosts)).toEqual(["laptop", "server"])
    })
  )

  it("that is invalid is rejected when it is made, naming the field", () => {
    const hosts = { a: "10.0.0.1", b: "10.0.0.2" }
    const link = (from: string, to: string) => () =>
      SimTopology.make({
        hosts,
        nats: { n: { outside: "192.0.2.1" } },
        links: { x: [from as "a", to as "b"] }
      })
    expect(link("a", "c")).toThrow("links.x[1] names no node: c")
    expect(link("n", "b")).toThrow("links.x[0] names no node: n")
    expect(() => SimTopology.make({ hosts, links: { x: ["a", "b", { lossRate: 7 }] } })).toThrow(
      "x.loss.rate must be"
    )
    expect(() => SimTopology.make({ hosts: { a: "10.0.0" }, links: {} })).toThrow(
      "host a must be an IP address"
    )
    expect(() => SimTopology.make({ hosts, routers: { a: {} }, links: {} })).toThrow(
      "a is already the name of another node"
    )
    expect(() =>
      SimTopology.make({
        hosts,
        nats: { n: { outside: "192.0.2.1", kind: "cone" as "fullCone" } },
        links: {}
      })
    ).toThrow("nats.n.kind must be one of fullCone")
    expect(() =>
      SimTopology.make({ hosts, routers: { r: { routes: { "0.0.0.0/0": "x" } } }, links: { x: ["a", "b"] } })
    ).toThrow("routers.r.routes names no link of the router: x")
    expect(() =>
      SimTopology.make({ hosts, routers: { r: { routes: { "0.0.0.0": null, x: null } } }, links: {} })
    ).toThrow("r.addRoute must be a prefix")
  })

  it("that names unknown nodes is rejected by the compiler", () => {
    const hosts = { a: "10.0.0.1", b: "10.0.0.2" }
    const nats = { n: { outside: "192.0.2.1" } } as const
    type End = SimTopology.LinkDefinition<"a" | "b" | "n.inside" | "n.outside">
    const made = SimTopology.make({ hosts, nats, links: { x: ["a", "n.inside"] } })
    expectTypeOf(made.definition.links.x).toEqualTypeOf<End>()
  })
})
