/** Streams served by kind, handlers for those who have left, and reading to the end. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { describe, expect } from "vitest"
import type { QuicStream, ServeOptions } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, pair, pattern, reasonOf, text } from "./pair.ts"
import { simWorld } from "./World.ts"

const simPair = Effect.flatMap(simWorld, (world) => pair(world))

describe("stopped", () => {
  itSim("ends with the code, or undefined once nobody can stop it any more", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair
      const asking = yield* near.openBidi
      yield* asking.write(text("?"))
      const answering = yield* far.acceptBidi
      yield* asking.stop(7)
      expect(yield* answering.stopped).toBe(7)
      const other = yield* near.openBidi
      yield* other.write(text("?"))
      const done = yield* far.acceptBidi
      yield* done.finish
      expect(yield* other.readString()).toBe("")
      expect(yield* done.stopped).toBe(undefined)
      expect(yield* (yield* near.openUni).stopped.pipe(Effect.timeoutOption(100))).toMatchObject({
        _tag: "None"
      })
    })
  )
})

/** A handler that never answers, and what becomes of it. */
const served = Effect.fnUntraced(function* (options?: ServeOptions) {
  const { near, far } = yield* simPair
  const interrupted = yield* Deferred.make<void>()
  const wait = (stream: QuicStream) =>
    Effect.andThen(stream.read(), Effect.never).pipe(
      Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
    )
  yield* Effect.forkScoped(far.serveStreams(wait, options))
  const asking = yield* near.openBidi
  yield* asking.write(text("?"))
  yield* asking.finish
  yield* Effect.sleep(100)
  yield* asking.stop(3)
  return Effect.timeoutOption(Deferred.await(interrupted), 1_000)
})

describe("whenStopped", () => {
  itSim("interrupt: ends the handler of somebody who no longer listens", () =>
    Effect.gen(function* () {
      expect((yield* yield* served({ whenStopped: "interrupt" }))._tag).toBe("Some")
    })
  )

  itSim("by default, a handler goes on", () =>
    Effect.gen(function* () {
      expect((yield* yield* served())._tag).toBe("None")
    })
  )

  itSim("anything else is refused by name", () =>
    Effect.gen(function* () {
      const { far } = yield* simPair
      for (const bad of ["interrupt", { whenStopped: true }])
        expect(yield* reasonOf(far.serveStreams(() => Effect.void, bad as never))).toMatchObject({
          _tag: "InvalidOption",
          field: "whenStopped"
        })
    })
  )
})

describe("serveBidi and serveUni", () => {
  itSim("take their kind, and leave the other to accept", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair
      const seen: Array<string> = []
      yield* Effect.forkScoped(
        far.serveBidi((stream) => Effect.map(stream.readString(), (said) => void seen.push(said)))
      )
      const both = yield* near.openBidi
      yield* both.write(text("both ways"))
      yield* both.finish
      const one = yield* near.openUni
      yield* one.write(text("one way"))
      yield* one.finish
      yield* Effect.sleep(200)
      expect(seen).toEqual(["both ways"])
      yield* Effect.forkScoped(
        far.serveUni((stream) => Effect.map(stream.readString(), (said) => void seen.push(said)))
      )
      yield* Effect.sleep(200)
      expect(seen).toEqual(["both ways", "one way"])
    })
  )
})

describe("a client that leaves with code 0", () => {
  itSim("while its handler waits for it, is no warning; one that leaves with another is", () =>
    Effect.gen(function* () {
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Warn") warnings.push(message)
      })
      const { client, connectOptions, server } = yield* Effect.flatMap(simWorld, (world) => endpoints(world))
      yield* Effect.forkScoped(
        Effect.provide(
          server.serve((connection) => Effect.scoped(Effect.andThen(connection.acceptBidi, Effect.never))),
          Logger.layer([logger])
        )
      )
      for (const code of [0, 5]) {
        const connection = yield* client.connect(connectOptions)
        yield* Effect.sleep(100)
        yield* connection.close(code)
        yield* Effect.sleep(500)
        expect(warnings).toHaveLength(code === 0 ? 0 : 1)
      }
    })
  )
})

describe("readAll and readString", () => {
  itSim("read to the end, up to the limit", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair
      const send = Effect.fnUntraced(function* (bytes: Uint8Array) {
        const out = yield* near.openUni
        yield* out.write(bytes)
        yield* out.finish
        return yield* far.acceptUni
      })
      const long = pattern(100_000)
      expect(Buffer.compare(yield* (yield* send(long)).readAll(), long)).toBe(0)
      expect(Buffer.compare(yield* (yield* send(long)).readAll(100_000), long)).toBe(0)
      expect(yield* (yield* send(text("héllo"))).readString()).toBe("héllo")
      expect(yield* (yield* send(text(""))).readAll(0)).toEqual(new Uint8Array(0))
      const tooLong = yield* send(long)
      expect(yield* reasonOf(tooLong.readAll(99_999))).toMatchObject({ _tag: "ReadLimit", limit: 99_999 })
      for (const bad of [-1, 1.5, 2 ** 32, "1"])
        expect(yield* reasonOf(tooLong.readAll(bad as never))).toMatchObject({
          _tag: "InvalidOption",
          field: "limit"
        })
    })
  )
})
