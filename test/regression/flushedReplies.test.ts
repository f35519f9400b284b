/** A reply outside any connection once stayed in sockets that send at `flush`, until something else was sent. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { pair } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"
import { layerBetween } from "../udp/interposed.ts"

/** Sends nothing before `flush`, as the contract of `UdpSocket` allows. */
const layerHolding = layerBetween((socket) => {
  let held: Array<() => void> = []
  return {
    send: (buffer, start, end, ...to) => {
      const bytes = buffer.slice(start, end)
      held.push(() => socket.send(bytes, 0, bytes.length, ...to))
    },
    flush: () => {
      for (const send of held) send()
      held = []
      socket.flush()
    }
  }
})

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
