/** A reply outside any connection once stayed in sockets that send at `flush`, until something else was sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { UdpPort, type UdpSocket } from "../../src/capability/UdpPort.ts"
import { pair } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"

/** Sends nothing before `flush`, as the contract of `UdpSocket` allows. */
const holding = (socket: UdpSocket): UdpSocket => {
  let held: Array<() => void> = []
  return new Proxy(socket, {
    get: (target, key) => {
      if (key === "send")
        return (buffer: Uint8Array, start: number, end: number, to: never, ecn: never) => {
          const bytes = buffer.slice(start, end)
          held.push(() => target.send(bytes, 0, bytes.length, to, ecn))
        }
      if (key === "flush")
        return () => {
          for (const send of held) send()
          held = []
          target.flush()
        }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === "function" ? value.bind(target) : value
    }
  })
}

const layerHolding = Layer.effect(
  UdpPort,
  Effect.map(UdpPort, (port) => ({ bind: (options) => Effect.map(port.bind(options), holding) }))
)

describe("over sockets that send at flush", () => {
  for (const [name, server, client] of [
    ["a Retry", { retry: "always" }, {}],
    [
      "Version Negotiation",
      { transport: { versions: ["v1"] } },
      { transport: { versions: ["v1", "v2"], originalVersion: "v2" } }
    ]
  ] as const)
    itSim(`${name} leaves at once, though nobody else has something to say`, () =>
      Effect.gen(function* () {
        const world = yield* simWorld
        const { near } = yield* pair(
          {
            ...world,
            server: { ...world.server, layer: Layer.provideMerge(layerHolding, world.server.layer) }
          },
          { server, client }
        )
        expect(near.facts.alpn).toBe("test")
      })
    )
})
