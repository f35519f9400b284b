/** What programs expect of Effect RPC, whichever transport carries it. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RpcClient from "effect/rpc/RpcClient"
import { describe, expect } from "vitest"
import { quietly } from "../api/pair.ts"
import type { Universe, World } from "../api/World.ts"
import { Book, library, OutOfPrint } from "./suiteService.ts"
import type { Transport } from "./transports.ts"

export interface Subject {
  readonly name: string
  readonly universe: Universe
  readonly transport: Transport
  /** Conditions of the network once there is a client. */
  readonly disturb?: (world: World) => void
}

const start = Effect.fnUntraced(function* (subject: Subject, world: World) {
  const started = yield* library(yield* subject.transport(world))
  // the transport may be disturbed once it has carried something
  yield* started.calls.Find({ id: "0" })
  subject.disturb?.(world)
  return started
})

type Started = Effect.Success<ReturnType<typeof start>>

/** Waits until `read` gives the same value twice, `apart` milliseconds from each other. */
const settled = (read: () => number, apart: number): Effect.Effect<number> =>
  Effect.flatMap(Effect.sync(read), (before) =>
    Effect.andThen(
      Effect.sleep(apart),
      Effect.suspend(() => (read() === before ? Effect.succeed(before) : settled(read, apart)))
    )
  )

export const rpcSuite = (subject: Subject): void => {
  describe(`C9: RPC behaves as over Effect's own transports: ${subject.name}`, () => {
    const it = <E>(name: string, program: (started: Started) => Effect.Effect<void, E, Scope.Scope>): void =>
      subject.universe.it(name, (world) => quietly(Effect.flatMap(start(subject, world), program)))

    it("get: a call returns an instance of its class, and fails with one of its error's", ({ calls }) =>
      Effect.gen(function* () {
        const book = yield* calls.Get({ id: "1" })
        expect(book).toBeInstanceOf(Book)
        expect(book).toEqual(new Book({ id: "1", title: "book 1" }))
        expect(yield* Effect.flip(calls.Get({ id: "0" }))).toBeInstanceOf(OutOfPrint)
      }))

    it("deferred: a handler that returns a Deferred replies when it is done", ({ calls, seen }) =>
      Effect.gen(function* () {
        const later = yield* Effect.forkScoped(calls.Later())
        yield* calls.Find({ id: "1" })
        expect(later.pollUnsafe()).toBe(undefined)
        yield* Deferred.succeed(seen.later, "now")
        expect(yield* Fiber.join(later)).toBe("now")
      }))

    it("nested: a group with a prefix is called by the prefixed name", ({ calls }) =>
      Effect.gen(function* () {
        expect(yield* calls["shelf.Count"]()).toBe(7)
      }))

    it("Option: it is not flattened", ({ calls }) =>
      Effect.gen(function* () {
        const found = yield* calls.Find({ id: "1" })
        expect(found).toEqual(Option.some(new Book({ id: "1", title: "book 1" })))
        expect(yield* calls.Find({ id: "0" })).toEqual(Option.none())
      }))

    it("headers: those of the call and those around it reach the middleware", ({ calls }) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(calls.Borrow({ id: "1" }))).toBe("no card")
        const around = RpcClient.withHeaders(calls.Borrow({ id: "1" }), { reader: "Ada" })
        expect(yield* around).toBe("Ada has 1")
        expect(yield* calls.Borrow({ id: "2" }, { headers: { reader: "Bob" } })).toBe("Bob has 2")
      }))

    it("many calls at once: each gets its own reply", ({ calls }) =>
      Effect.gen(function* () {
        const ids = Array.from({ length: 200 }, (_, i) => `${i + 1}`)
        const books = yield* Effect.forEach(ids, (id) => calls.Get({ id }), { concurrency: "unbounded" })
        expect(books.map(({ title }) => title)).toEqual(ids.map((id) => `book ${id}`))
      }))

    it("Stream: it arrives whole and in order, large items too, and ends with its error", ({ calls }) =>
      Effect.gen(function* () {
        const pages = yield* Stream.runCollect(calls.Pages({ bytes: 20_000, count: 100 }))
        expect(pages.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
        expect(pages.every(({ text }) => text.length === 20_000)).toBe(true)
        const numbers: Array<number> = []
        const failure = yield* calls.Pages({ bytes: 1, count: 3 }).pipe(
          Stream.runForEach(({ number }) => Effect.sync(() => numbers.push(number))),
          Effect.flip
        )
        expect(numbers).toEqual([1, 2, 3])
        expect(failure).toEqual(new OutOfPrint({ id: "4" }))
      }))

    it("Stream: one taken in part interrupts its handler", ({ calls, seen }) =>
      Effect.gen(function* () {
        const pages = Stream.take(calls.Pages({ bytes: 1000, count: 10_000_000 }), 5)
        expect((yield* Stream.runCollect(pages)).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5])
        yield* Deferred.await(seen.pagesInterrupted)
        expect(seen.pages).toBeLessThan(10_000_000)
      }))

    it("Stream: an interrupted consumer interrupts its handler", ({ calls, seen }) =>
      Effect.gen(function* () {
        const first = yield* Deferred.make<void>()
        const consumer = yield* calls.Pages({ bytes: 1000, count: 10_000_000 }).pipe(
          Stream.runForEach(() => Deferred.succeed(first, undefined)),
          Effect.forkScoped
        )
        yield* Deferred.await(first)
        yield* Fiber.interrupt(consumer)
        yield* Deferred.await(seen.pagesInterrupted)
      }))

    it("Stream: backpressure reaches the handler, and lets it go on", ({ calls, seen }) =>
      Effect.gen(function* () {
        // 10 GB, if nothing held it
        const pages = yield* calls.Pages({ bytes: 100_000, count: 100_000 }, { asQueue: true })
        yield* Queue.take(pages)
        const held = yield* settled(() => seen.pages, 200)
        expect(held).toBeLessThan(1000)
        for (let i = 0; i < held + 10; i++) yield* Queue.take(pages)
        expect(seen.pages).toBeGreaterThan(held)
      }))

    it("defect: it is the defect of its caller", ({ calls }) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(calls.Burn())
        expect(Exit.isFailure(exit) && exit.cause).toEqual(Cause.die("fire"))
        expect(yield* calls["shelf.Count"]()).toBe(7)
      }))

    it("versions: what the other side does not know or cannot decode is a defect of the caller", ({
      calls,
      strange
    }) =>
      Effect.gen(function* () {
        for (const call of [
          strange.Get({ id: { shelf: 1, place: 2 } }),
          strange.Find({ id: "1" }),
          strange.Sell({ id: "1" })
        ]) {
          const exit = yield* Effect.exit(call)
          expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
        }
        expect(yield* calls["shelf.Count"]()).toBe(7)
      }))

    it("never: a call waits for its handler, and one interrupted tells it that its caller gave up", ({
      calls,
      seen
    }) =>
      Effect.gen(function* () {
        const call = yield* Effect.forkScoped(calls.Wait())
        yield* Deferred.await(seen.waiting)
        expect(yield* calls["shelf.Count"]()).toBe(7)
        expect(call.pollUnsafe()).toBe(undefined)
        yield* Fiber.interrupt(call)
        expect(yield* Deferred.await(seen.abandoned)).toBe(true)
      }))

    it("stop: a server that stops ends the calls in flight as interrupted, and waits for their handlers", ({
      calls,
      seen,
      stop
    }) =>
      Effect.gen(function* () {
        const call = yield* Effect.forkScoped(calls.Wait())
        yield* Deferred.await(seen.waiting)
        yield* stop
        expect(seen.abandoned.effect).not.toBe(undefined)
        const exit = yield* Fiber.await(call)
        expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      }))

    it("discard: a call that wants no reply returns once it has begun, and its handler goes on", ({
      calls,
      seen
    }) =>
      Effect.gen(function* () {
        yield* calls.Return({ id: "1" }, { discard: true })
        for (let i = 0; i < 5; i++) yield* calls["shelf.Count"]()
        yield* Deferred.succeed(seen.mayReturn, undefined)
        expect(yield* Deferred.await(seen.returned)).toBe("1")
      }))

    it("timing: middleware sees how calls end", ({ calls, seen }) =>
      Effect.gen(function* () {
        expect(yield* calls.Timed({ fails: false })).toBe(1)
        expect(yield* Effect.flip(calls.Timed({ fails: true }))).toBe("late")
        expect(seen.timed).toEqual({ success: 1, failure: 1 })
      }))

    it("tracing: a handler's span belongs to the trace of its caller", ({ calls }) =>
      Effect.gen(function* () {
        const [own, handlers] = yield* Effect.all([Effect.currentSpan, calls.Trace()])
        expect(handlers).toBe(own.traceId)
      }).pipe(Effect.withSpan("caller")))
  })
}
