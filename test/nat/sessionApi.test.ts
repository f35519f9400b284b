/** What is shown of a traversal: state, phase, events, counts, the tree and the log. Its session is a real one, told what happens. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { expect } from "vitest"
import { FiberTree, Qlog } from "../../src/index.ts"
import { ProbeBudget } from "../../src/nat/ProbeBudget.ts"
import { PhaseLog } from "../../src/nat/PhaseLog.ts"
import type { Phase, PhaseReason } from "../../src/nat/phases.ts"
import type { ShownSession } from "../../src/actor/TraversalRecord.ts"
import { pair } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

/** A connection whose server looks for direct paths, and the phases of the server's session. */
const traversing = Effect.fnUntraced(function* (world: World) {
  const ends = yield* pair(world, { serverEndpoint: { traversal: {} } })
  const { actor } = ends.far
  const log = new PhaseLog(actor.sinceMicros)
  let round = 0
  const session: ShownSession = {
    get phase() {
      return log.state
    },
    get round() {
      return round
    },
    get counts() {
      return log.counts
    },
    named: [{ host: "203.0.113.1", port: 1, family: 4 }],
    remotes: { all: [] },
    pairs: { all: [] }
  }
  const { counters: probes } = new ProbeBudget()
  const begin = () => actor.traversal!.begin(session, probes)
  const enter = (to: Phase, reason: PhaseReason, atMillis: number) => {
    if (to === "Synchronization") round++
    log.enter(to, reason, round, actor.sinceMicros + atMillis * 1000)
    for (let change = log.poll(); change !== undefined; change = log.poll()) actor.traversal!.onChange(change)
  }
  return { ...ends, begin, enter, probes }
})

/** A round that leads to a direct path. */
const succeed = (enter: (to: Phase, reason: PhaseReason, atMillis: number) => void) => {
  enter("Coordination", "gathered", 100)
  enter("Synchronization", "candidatesExchanged", 150)
  enter("Punching", "aligned", 250)
  enter("Validation", "probeAnswered", 300)
  enter("Connected", "pathValidated", 400)
}

const { it } = simulated

it("a connection that looks for no direct path is idle", (world) =>
  Effect.gen(function* () {
    const { near } = yield* pair(world)
    const { traversal } = near
    expect(traversal.state).toEqual({ _tag: "Idle" })
    expect(traversal.phase).toBeUndefined()
    expect(traversal.statistics).toMatchObject({ attempts: 0, direct: 0, firstDirectMillis: undefined })
    const events = yield* Effect.forkChild(Stream.runCollect(traversal.events))
    yield* near.close(7, "enough")
    expect(yield* Fiber.join(events)).toEqual([])
    expect(traversal.state).toMatchObject({ _tag: "Closed", reason: { reason: { code: 7 } } })
  }))

it("what a session does is shown as state, events and counts, also to who looked before it began", (world) =>
  Effect.gen(function* () {
    const { far, server, begin, enter, probes } = yield* traversing(world)
    const { traversal } = far
    expect(traversal.state).toEqual({ _tag: "Idle" })
    const events = yield* Effect.forkChild(Stream.runCollect(traversal.events))
    yield* Effect.yieldNow
    begin()
    expect(traversal.state).toEqual({ _tag: "Connected", isDirect: false })
    expect(traversal.localCandidates).toEqual([{ host: "203.0.113.1", port: 1, family: 4 }])
    enter("Coordination", "gathered", 100)
    enter("Synchronization", "candidatesExchanged", 150)
    expect(traversal.state).toEqual({ _tag: "Migrating", phase: "Synchronization" })
    enter("Punching", "aligned", 250)
    enter("Validation", "probeAnswered", 300)
    enter("Connected", "pathValidated", 400)
    expect(traversal.state).toEqual({ _tag: "Connected", isDirect: true })
    expect(traversal.statistics).toEqual({
      attempts: 1,
      successes: 1,
      direct: 1,
      relayed: 0,
      coordinationMillis: 150,
      firstDirectMillis: 400,
      probes: { sent: 0, bytes: 0, answered: 0, addresses: 0, refused: 0 }
    })
    Object.assign(probes, { probes: 5, bytes: 250, answered: 1, addresses: 2 })
    probes.refused.rate = 3
    probes.refused.round = 4
    expect(traversal.statistics.probes).toEqual({
      sent: 5,
      bytes: 250,
      answered: 1,
      addresses: 2,
      refused: 7
    })
    enter("Failed", "pathLost", 500)
    expect((yield* server.statistics).traversal).toMatchObject({
      attempts: 1,
      successes: 1,
      direct: 1,
      relayed: 1,
      coordinations: 1,
      coordinationMillis: 150
    })
    yield* far.close()
    const seen = yield* Fiber.join(events)
    expect(seen.map(({ number, from, to, round, atMillis }) => [number, from, to, round, atMillis])).toEqual([
      [1, "Discovery", "Coordination", 0, 100],
      [2, "Coordination", "Synchronization", 1, 150],
      [3, "Synchronization", "Punching", 1, 250],
      [4, "Punching", "Validation", 1, 300],
      [5, "Validation", "Connected", 1, 400],
      [6, "Connected", "Failed", 1, 500]
    ])
    expect(traversal.state._tag).toBe("Closed")
    expect(traversal.statistics.attempts).toBe(1)
  }))

it("the totals of an endpoint include connections that are gone", (world) =>
  Effect.gen(function* () {
    const { far, server, client, connectOptions, begin, enter } = yield* traversing(world)
    begin()
    succeed(enter)
    yield* far.close()
    yield* Effect.scoped(client.connect(connectOptions))
    expect((yield* server.statistics).traversal).toMatchObject({ attempts: 1, direct: 1, coordinations: 1 })
  }))

it("the latest 64 events are kept", (world) =>
  Effect.gen(function* () {
    const { far, begin, enter } = yield* traversing(world)
    begin()
    for (let i = 0; i < 50; i++) {
      enter("Failed", "noAnswer", 2 * i)
      enter("Discovery", "retry", 2 * i + 1)
    }
    const [first] = yield* Stream.runCollect(Stream.take(far.traversal.events, 1))
    expect(first.number).toBe(37)
  }))

it("the tree shows the session", (world) =>
  Effect.gen(function* () {
    const { server, begin, enter } = yield* traversing(world)
    begin()
    succeed(enter)
    const tree = yield* server.tree
    expect(tree.connections[0].traversal).toEqual({
      phase: "Connected",
      round: 1,
      localCandidates: 1,
      remoteCandidates: 0,
      pairs: 0
    })
    expect(FiberTree.print(tree)).toContain("traversal · connected · round 1 · 0 pairs of 1 × 0 candidates")
  }))

it("the log has each phase", (world) =>
  Effect.gen(function* () {
    const records: Array<string> = []
    const layer = Layer.merge(
      world.server.layer,
      Layer.succeed(Qlog, () => (text) => void records.push(text))
    )
    const { far, begin, enter } = yield* traversing({ ...world, server: { ...world.server, layer } })
    begin()
    succeed(enter)
    yield* far.close()
    yield* Effect.sleep(5_000)
    const phases = [...records.join("").matchAll(/"name":"nat:phase_updated","data":(\{[^}]*\})/g)]
    expect(phases.map(([, data]) => JSON.parse(data).new)).toEqual([
      "Coordination",
      "Synchronization",
      "Punching",
      "Validation",
      "Connected"
    ])
    expect(JSON.parse(phases[1][1])).toEqual({
      old: "Coordination",
      new: "Synchronization",
      trigger: "candidatesExchanged",
      round: 1
    })
  }))
