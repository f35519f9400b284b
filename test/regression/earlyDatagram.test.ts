import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { identity, makeClient, makeServer, to, visit, worldOfTwo } from "../resumption/worlds.ts"
import { itSim } from "../sim/itSim.ts"

itSim("the largest datagram fits a 0-RTT packet, too: it once called forth a window full of PINGs", () =>
  Effect.gen(function* () {
    const world = yield* worldOfTwo
    const id = yield* yield* identity
    const server = yield* makeServer(world.first, id, {
      earlyData: true,
      transport: { maxDatagramFrameBytes: 65_535 }
    })
    const client = yield* makeClient(world.client, id)
    const received: Array<number> = []
    yield* Effect.forkScoped(
      server.serve((connection) =>
        Effect.ignore(
          Effect.forever(
            Effect.map(connection.receiveDatagram, (bytes) => {
              received.push(bytes.length)
            })
          )
        )
      )
    )
    yield* visit(client, to(server))
    const connection = yield* client.connect(to(server, { earlyData: true }))
    expect(connection.facts.earlyData).toBe("pending")
    const size = connection.maxDatagramPayloadBytes
    yield* connection.sendDatagram(new Uint8Array(size))
    yield* Effect.sleep("80 millis")
    expect(connection.stats.packetsSent).toBeLessThan(8)
    yield* Effect.sleep("1 second")
    expect(received).toEqual([size])
  })
)
