import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { StreamRouter } from "../../src/actor/StreamRouter.ts"
import type { QuicStream } from "../../src/index.ts"
import type { StreamSet } from "../../src/stream/StreamSet.ts"
import { pair, text } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

/** A router, the streams its peer opens, and those taken by a claim. */
const routed = () => {
  const opened: Array<number> = []
  const core = { pollOpened: () => opened.shift() ?? -1 } as unknown as StreamSet
  const router = new StreamRouter(core, () => 0, { add: () => {} })
  const open = (...ids: ReadonlyArray<number>) => {
    opened.push(...ids)
    return router.routeOpened(1_000)
  }
  const claim = (takes: (id: number) => boolean) => {
    const offered: Array<number> = []
    const taken: Array<number> = []
    const release = router.claim({
      offer: (id) => {
        offered.push(id)
        if (takes(id)) taken.push(id)
        return takes(id)
      }
    })
    return { offered, taken, release }
  }
  const waiting = () => [router.unclaimed(false).length, router.unclaimed(true).length]
  return { router, open, claim, waiting }
}

const any = () => true

describe("a stream that the peer opens", () => {
  it("waits to be accepted while it is not claimed", () => {
    const { router, open, waiting } = routed()
    expect(open(0, 2, 4)).toBe(3)
    expect(open()).toBe(0)
    expect(waiting()).toEqual([2, 1])
    expect(router.unclaimed(false).shift()).toBe(0)
    expect(router.unclaimed(true).shift()).toBe(2)
  })

  it("goes to the first claim that takes it", () => {
    const { open, claim, waiting } = routed()
    const picky = claim((id) => id === 4)
    const greedy = claim(any)
    open(0, 4, 2)
    expect(picky).toMatchObject({ offered: [0, 4, 2], taken: [4] })
    expect(greedy.offered).toEqual([0, 2])
    expect(waiting()).toEqual([0, 0])
  })

  it("goes to a later claim if it is still waiting, and is offered to each claim once", () => {
    const { open, claim, waiting } = routed()
    const picky = claim(() => false)
    open(0, 2, 4)
    expect(picky.offered).toEqual([0, 4, 2])
    const late = claim((id) => id !== 4)
    expect(late).toMatchObject({ offered: [0, 4, 2], taken: [0, 2] })
    expect(waiting()).toEqual([1, 0])
    open(8)
    expect(picky.offered).toEqual([0, 4, 2, 8])
    expect(late.offered).toEqual([0, 4, 2, 8])
  })

  it("waits again once its claim is released", () => {
    const { open, claim, waiting } = routed()
    const { release, taken } = claim(any)
    open(0)
    release()
    open(4)
    expect(taken).toEqual([0])
    expect(waiting()).toEqual([1, 0])
  })
})

describe("many streams at once", () => {
  const COUNT = 50

  simulated.it(
    "are answered as they are served: replies to the first leave before the last are begun",
    (world) =>
      Effect.gen(function* () {
        const { far, near } = yield* pair(world)
        const sentBefore: Array<number> = []
        const answer = (stream: QuicStream) =>
          Effect.sync(() => sentBefore.push(far.stats.datagramsSent)).pipe(
            Effect.andThen(stream.write(text("yes")))
          )
        yield* Effect.forkScoped(Effect.ignore(far.serveStreams(answer)))
        const streams = yield* Effect.replicateEffect(near.openBidi, COUNT)
        for (const stream of streams) yield* stream.write(text("?"))
        yield* Effect.forEach(streams, (stream) => stream.readAll(), { concurrency: COUNT })
        expect(sentBefore).toHaveLength(COUNT)
        expect(sentBefore.at(-1)).toBeGreaterThan(sentBefore[0])
      })
  )

  simulated.it("wake their readers in turns, and all of them", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* pair(world)
      const streams = yield* Effect.replicateEffect(near.openBidi, COUNT)
      for (const stream of streams) yield* stream.write(text("?"))
      const accepted = yield* Effect.replicateEffect(far.acceptBidi, COUNT)
      yield* Effect.forEach(accepted, (stream) => stream.read(), { concurrency: COUNT })
      const sentBefore: Array<number> = []
      const echoes = yield* Effect.forkScoped(
        Effect.forEach(
          accepted,
          (stream) =>
            Effect.flatMap(stream.read(), (bytes) => {
              sentBefore.push(far.stats.datagramsSent)
              return stream.write(bytes!)
            }),
          { concurrency: COUNT }
        )
      )
      yield* Effect.sleep(100)
      for (const stream of streams) yield* stream.write(text("!"))
      yield* Fiber.join(echoes)
      expect(sentBefore).toHaveLength(COUNT)
      expect(sentBefore.at(-1)).toBeGreaterThan(sentBefore[0])
    })
  )
})

simulated.it("serveStreams leaves nothing to accept; interrupted, it leaves what follows", (world) =>
  Effect.gen(function* () {
    const { near, far } = yield* pair(world)
    const served: Array<number> = []
    const accepting = yield* Effect.forkScoped(far.acceptBidi)
    const serving = yield* Effect.forkScoped(
      far.serveStreams((stream) => Effect.sync(() => void served.push(stream.id)))
    )
    yield* Effect.sleep(10)
    for (const stream of [yield* near.openBidi, yield* near.openBidi]) yield* stream.write(text("x"))
    yield* Effect.sleep(100)
    expect(served).toEqual([0, 4])
    expect(accepting.pollUnsafe()).toBeUndefined()
    yield* Fiber.interrupt(serving)
    yield* (yield* near.openBidi).write(text("x"))
    expect((yield* Fiber.join(accepting)).id).toBe(8)
  })
)
