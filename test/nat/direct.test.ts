/** Whole endpoints behind simulated NATs: they dial through the relay and go direct. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect, vi } from "vitest"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimLink } from "../../layers/sim/SimLink.ts"
import { TraversalSession } from "../../src/nat/TraversalSession.ts"
import { itSim } from "../sim/itSim.ts"
import type { Kind } from "./matrix.ts"
import { alpn, echoed, isDirect } from "./peers.ts"
import { simulatedPeers } from "./simulatedCell.ts"

/** Waits until `holds`, looking every 10 ms, for so long at most. */
const within = (millis: number, holds: () => boolean): Effect.Effect<boolean> =>
  Effect.suspend(() =>
    holds() || millis <= 0 ? Effect.succeed(holds()) : Effect.delay(within(millis - 10, holds), 10)
  )

const dialed = Effect.fnUntraced(function* (client: Kind, server: Kind) {
  const peers = yield* simulatedPeers({ client, server })
  const connection = yield* peers.endpoint.dial(peers.ticket, { alpn })
  return { ...peers, connection }
})

const linesOf = (host: SimHost) =>
  host.links
    .flatMap((line) => [line, ...line.to.links.filter(({ to }) => to === host)])
    .filter((line) => line instanceof SimLink)

/** Whether UDP gets through the client's line; the relay's streams do in any case. */
const udp = (world: { readonly client: { readonly host: SimHost } }, passes: boolean): void => {
  for (const link of linesOf(world.client.host))
    link.dropIf = passes ? undefined : ({ isSegment }) => isSegment !== true
}

describe("E7 a dialed connection goes direct by itself", () => {
  const cells: ReadonlyArray<readonly [Kind, Kind]> = [
    ["port-restricted", "port-restricted"],
    ["symmetric-sequential", "port-restricted"],
    ["port-restricted", "symmetric-sequential"],
    ["symmetric-random", "address-restricted"]
  ]
  for (const [client, server] of cells)
    itSim(`${client} → ${server}`, () =>
      Effect.gen(function* () {
        const { connection, endpoint } = yield* dialed(client, server)
        expect(isDirect(connection)).toBe(false)
        expect(yield* within(5_000, () => isDirect(connection))).toBe(true)
        expect(connection.traversal.phase).toBe("Connected")
        expect(yield* echoed(connection, 100_000)).toBe(100_000)
        // its only one, whose own limits refuse what is refused
        const { refused, ...own } = connection.traversal.statistics.probes
        const { refused: byLimit, ...all } = (yield* endpoint.statistics).traversal.probes
        expect(own.sent).toBeGreaterThan(0)
        expect(all).toEqual(own)
        expect(Object.values(byLimit).reduce((sum, count) => sum + count, 0)).toBe(refused)
      })
    )
})

describe("a direct path that dies", () => {
  itSim(
    "is replaced by the relay in under a second without a byte lost, and by another one when it can be",
    () =>
      Effect.gen(function* () {
        const world = yield* dialed("port-restricted", "address-restricted")
        const { connection } = world
        yield* within(5_000, () => isDirect(connection))
        yield* Effect.sleep(12_000)
        const transfer = yield* Effect.forkScoped(echoed(connection, 400_000))
        yield* Effect.sleep(50)
        udp(world, false)
        expect(yield* within(1_000, () => !isDirect(connection))).toBe(true)
        expect(yield* Fiber.join(transfer)).toBe(400_000)
        expect(isDirect(connection)).toBe(false)
        expect(connection.traversal.phase).not.toBe("Connected")
        const { attempts } = connection.traversal.statistics
        yield* Effect.sleep(8_000)
        expect(connection.traversal.statistics.attempts).toBeGreaterThan(attempts)
        udp(world, true)
        expect(yield* within(25_000, () => isDirect(connection))).toBe(true)
        expect(yield* echoed(connection, 100_000)).toBe(100_000)
        const events = yield* Stream.runCollect(Stream.take(connection.traversal.events, 6))
        expect(events.map(({ to }) => to).slice(0, 6)).toContain("Connected")
      })
  )
})

describe("the fiber that looks for direct paths", () => {
  itSim("ends with its connection at both ends, wherever it stands", () =>
    Effect.gen(function* () {
      const peers = yield* simulatedPeers({ client: "port-restricted", server: "symmetric-sequential" })
      yield* Effect.sleep(15_000)
      for (const millis of [0, 40, 80, 120, 160, 200, 250, 2_000]) {
        const before = [yield* peers.endpoint.tree, yield* peers.far.tree]
        yield* Effect.scoped(
          Effect.andThen(peers.endpoint.dial(peers.ticket, { alpn }), Effect.sleep(millis))
        )
        yield* Effect.sleep(15_000)
        for (const [i, endpoint] of [peers.endpoint, peers.far].entries()) {
          const { connections, fibers } = yield* endpoint.tree
          expect(connections.length).toBe(before[i].connections.length)
          expect(fibers).toBe(before[i].fibers)
        }
      }
    })
  )

  itSim("goes down alone: the connection stays on the relay", () =>
    Effect.gen(function* () {
      const peers = yield* simulatedPeers({ client: "port-restricted", server: "port-restricted" })
      const witness = vi.spyOn(TraversalSession.prototype, "drive").mockImplementation(() => {
        throw new Error("a defect")
      })
      const connection = yield* peers.endpoint.dial(peers.ticket, { alpn })
      yield* Effect.sleep(1_000)
      expect(witness).toHaveBeenCalled()
      witness.mockRestore()
      yield* Effect.sleep(5_000)
      expect(isDirect(connection)).toBe(false)
      expect(yield* echoed(connection, 10_000)).toBe(10_000)
    })
  )
})
