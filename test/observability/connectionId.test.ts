/** `connection.id`: what both ends, their logs and their qlogs call a connection. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import { describe, expect } from "vitest"
import { Qlog, type QuicConnection } from "../../src/index.ts"
import { type PairOptions, pair, reasonOf } from "../api/pair.ts"
import { simWorld, type World } from "../api/World.ts"
import { dialWorld, options, pathKinds, peerAt, relayOnly, until } from "../dial/dialWorld.ts"
import { connected } from "../migration/connected.ts"
import { itSim } from "../sim/itSim.ts"

const HEXADECIMAL = /^[0-9a-f]{16}$/

/** Keeps the names of the qlogs, and the group_ids in them. */
const keeping = (world: World) => {
  const logs = new Map<string, string>()
  const qlog = (name: string) => (records: string) => {
    const [, header] = /"group_id":"([^"]*)"/.exec(records) ?? []
    if (header !== undefined) logs.set(name, header)
  }
  const place = (each: World["client"]) => ({
    ...each,
    layer: Layer.merge(each.layer, Layer.succeed(Qlog, qlog))
  })
  return { logs, world: { ...world, client: place(world.client), server: place(world.server) } }
}

/** The ends of a connection, and what their qlogs are called. */
const connectedAnd = Effect.fnUntraced(function* (given: PairOptions = {}) {
  const { logs, world } = keeping(yield* simWorld)
  return { ...(yield* pair(world, given)), logs }
})

describe("the id of a connection", () => {
  itSim("is the same at both ends and in their qlogs, and another connection has another", () =>
    Effect.gen(function* () {
      const { near, far, client, server, connectOptions, logs } = yield* connectedAnd()
      expect(near.id).toMatch(HEXADECIMAL)
      expect(far.id).toBe(near.id)
      const accepted = yield* Effect.forkScoped(server.accept)
      const other = yield* client.connect(connectOptions)
      expect((yield* Fiber.join(accepted)).id).toBe(other.id)
      expect(other.id).not.toBe(near.id)
      for (const { tree } of [client, server])
        expect((yield* tree).connections.map(({ id }) => id)).toEqual([near.id, other.id])
      const named = ({ id }: QuicConnection) => [`${id}_client`, `${id}_server`]
      expect([...logs.keys()].sort()).toEqual([...named(near), ...named(other)].sort())
      for (const [name, group] of logs) expect(name.startsWith(`${group}_`)).toBe(true)
      yield* near.close()
      yield* far.closed
      expect([near.id, far.id]).toEqual([[...logs.values()][0], [...logs.values()][0]])
    })
  )

  itSim("stays while the connection moves and changes its connection IDs", () =>
    Effect.gen(function* () {
      const { near, far } = yield* connected()
      const { id } = near
      expect(id).toMatch(HEXADECIMAL)
      yield* Effect.sleep(100)
      yield* near.migrate({ host: "10.0.1.1" })
      yield* near.rotateConnectionIds
      yield* near.ping
      yield* Effect.sleep(1_000)
      expect(far.remoteAddress.host).toBe("10.0.1.1")
      for (const { connectionIds } of [near, far])
        expect(connectionIds.remote.map((each) => each.id)).not.toContain(id)
      expect([near.id, far.id]).toEqual([id, id])
    })
  )

  itSim("is that of the first packet also if the server has asked for another one with a Retry", () =>
    Effect.gen(function* () {
      const { near, far, logs } = yield* connectedAnd({ server: { retry: "always" } })
      expect(far.id).toBe(near.id)
      expect([...logs.keys()].sort()).toEqual([`${near.id}_client`, `${near.id}_server`])
    })
  )

  itSim("is the same at both ends if they begin again with another version", () =>
    Effect.gen(function* () {
      const { near, far, logs } = yield* connectedAnd({
        client: { transport: { versions: ["v2", "v1"] } },
        server: { transport: { versions: ["v1"] } }
      })
      expect(far.id).toBe(near.id)
      expect(logs.get(`${near.id}_server`)).toBe(near.id)
    })
  )

  itSim("is the same at both ends of one that was dialed by key, through a relay and after it", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set({ up: false })
      const bob = yield* peerAt(world.there, { server: { alpn: ["test"] } })
      const alice = yield* peerAt(world.here)
      const accepted = yield* Effect.forkScoped(bob.endpoint.accept)
      const near = yield* alice.endpoint.dial(yield* relayOnly(bob.endpoint), options)
      const far = yield* Fiber.join(accepted)
      const { id } = near
      expect(id).toMatch(HEXADECIMAL)
      expect(far.id).toBe(id)
      world.cable.set({ up: true })
      yield* until(() => pathKinds(near).includes("direct"))
      expect([near.id, far.id]).toEqual([id, id])
    })
  )

  itSim("is in the span of an attempt that has failed, which leaves no connection to ask", () => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (given) => {
        const span = new Tracer.NativeSpan(given)
        spans.push(span)
        return span
      }
    })
    return Effect.gen(function* () {
      const { client, connectOptions } = yield* connectedAnd()
      spans.length = 0
      yield* reasonOf(client.connect({ ...connectOptions, alpn: ["unknown"] }))
      const handshake = spans.find(({ name }) => name === "quic.handshake")!
      expect(handshake.attributes.get("quic.connection.id")).toMatch(HEXADECIMAL)
    }).pipe(Effect.withTracer(tracer))
  })
})
