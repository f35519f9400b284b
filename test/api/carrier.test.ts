/** Several protocols on one connection: streams claimed by their first bytes, the rest left to the application. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { type Carrier, carrierErrorCodes, type QuicConnection, type QuicStream } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, pair, type PairOptions, quietly, readText, reasonOf, text } from "./pair.ts"
import { live, simWorld } from "./World.ts"

const simPair = (options?: PairOptions) => Effect.flatMap(simWorld, (world) => pair(world, options))

/** Claims `preamble`, and collects what follows it on each stream. */
const collecting = Effect.fnUntraced(function* (carrier: Carrier, preamble: string) {
  const heard: Array<string> = []
  yield* carrier.claimStreams(text(preamble), (stream) =>
    Effect.map(readText(stream), (rest) => heard.push(rest))
  )
  return heard
})

/** The application takes what is left, and collects all of each stream. */
const application = Effect.fnUntraced(function* (connection: QuicConnection) {
  const heard: Array<string> = []
  const hear = (stream: QuicStream) => Effect.map(readText(stream), (all) => void heard.push(all))
  yield* Effect.forkScoped(Effect.ignore(connection.serveStreams(hear)))
  return heard
})

const send = Effect.fnUntraced(function* (carrier: Carrier, message: string, unidirectional = false) {
  const stream = yield* carrier.openStream({ unidirectional })
  yield* stream.write(text(message))
  yield* stream.finish
  return stream
})

const sleep = (millis: number) => Effect.sleep(millis)

describe("a carrier's streams", () => {
  itSim("go to the claim they begin with, and the others to the application, complete", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const heard = yield* application(far)
      const rpc = yield* collecting(far, "rpc1")
      const chat = yield* collecting(far, "chat")
      const messages = ["rpc1 call", "chat hello", "rpc2", "", "c", "cha", "chat", "application"]
      for (const message of messages) {
        yield* send(near, message)
        yield* send(near, message, true)
      }
      yield* sleep(200)
      const twice = (all: ReadonlyArray<string>) => all.flatMap((each) => [each, each]).sort()
      expect(rpc.sort()).toEqual(twice([" call"]))
      expect(chat.sort()).toEqual(twice([" hello", ""]))
      expect(heard.sort()).toEqual(twice(["rpc2", "", "c", "cha", "application"]))
    })
  )

  itSim("are told apart however their first bytes arrive, and hold up no other while they do", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const heard = yield* application(far)
      const slow = yield* collecting(far, "slowly")
      const [claimed, other] = [yield* near.openBidi, yield* near.openBidi]
      for (const [one, two] of ["ss", "ll", "oo", "ww", "l_"]) {
        yield* claimed.write(text(one))
        yield* other.write(text(two))
        yield* sleep(100)
        yield* send(near, "!")
      }
      yield* sleep(100)
      expect(heard).toEqual(["!", "!", "!", "!", "!"])
      yield* claimed.write(text("y, but surely"))
      yield* claimed.finish
      yield* other.finish
      yield* sleep(100)
      expect(slow).toEqual([", but surely"])
      expect(heard.at(-1)).toBe("slow_")
    })
  )

  itSim("reach acceptBidi and acceptUni, too, when no claim takes them", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      const accepting = yield* Effect.forkScoped(Effect.flatMap(far.acceptUni, readText))
      const half = yield* near.openUni
      yield* half.write(text("clai"))
      yield* sleep(100)
      expect(accepting.pollUnsafe()).toBeUndefined()
      yield* half.write(text("r"))
      yield* half.finish
      expect(yield* Fiber.join(accepting)).toBe("clair")
      yield* send(near, "both ways")
      expect(yield* Effect.flatMap(far.acceptBidi, readText)).toBe("both ways")
    })
  )

  itSim("that are reset before they can be told apart reach the application as they do without claims", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      const stream = yield* near.openUni
      yield* stream.write(text("cl"))
      yield* sleep(100)
      yield* stream.reset(9)
      const reason = yield* reasonOf(Effect.flatMap(far.acceptUni, (incoming) => incoming.read()))
      expect(reason).toMatchObject({ _tag: "StreamReset", code: 9 })
    })
  )

  itSim("are looked at only if there are claims", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const stream = yield* near.openBidi
      yield* stream.write(text("r"))
      const incoming = yield* far.acceptBidi
      expect(yield* incoming.read()).toEqual(text("r"))
      // nobody accepts it, and nobody minds
      yield* send(near, "waits")
      yield* sleep(20_000)
      expect(yield* Effect.flatMap(far.acceptBidi, readText)).toBe("waits")
    })
  )

  itSim("that arrived before the claim are claimed, and no more once it is released", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* send(near, "early one")
      yield* send(near, "other")
      yield* sleep(100)
      const scope = yield* Scope.make()
      const early = yield* Scope.provide(collecting(far, "early"), scope)
      yield* sleep(0)
      expect(early).toEqual([" one"])
      const half = yield* near.openBidi
      yield* half.write(text("ear"))
      yield* sleep(100)
      yield* Scope.close(scope, Exit.void)
      yield* half.finish
      yield* send(near, "early two")
      const all = yield* Effect.replicateEffect(Effect.flatMap(far.acceptBidi, readText), 3)
      expect([...all].sort()).toEqual(["ear", "early two", "other"])
      expect(early).toEqual([" one"])
    })
  )
})

describe("over real sockets", () => {
  live.it("streams go to the claim they begin with, too", (world) =>
    Effect.gen(function* () {
      const { near, far } = yield* pair(world)
      yield* far.claimStreams(text("echo1"), (stream) =>
        Effect.flatMap(readText(stream), (all) => stream.write(text(all)))
      )
      yield* Effect.forkScoped(Effect.ignore(far.serveStreams((stream) => stream.write(text("application")))))
      expect(yield* Effect.flatMap(send(near, "echo1 hello"), readText)).toBe(" hello")
      expect(yield* Effect.flatMap(send(near, "echo2 hello"), readText)).toBe("application")
    })
  )
})

describe("what nobody takes", () => {
  const end = (stream: QuicStream) => reasonOf(Effect.forever(stream.read()))

  itSim("is refused in time: half a preamble", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      yield* application(far)
      const stream = yield* near.openBidi
      yield* stream.write(text("claim"))
      const ended = yield* Effect.forkScoped(end(stream))
      yield* sleep(7_400)
      expect(ended.pollUnsafe()).toBeUndefined()
      yield* sleep(2_700)
      const { undecided } = carrierErrorCodes
      expect(yield* Fiber.join(ended)).toMatchObject({ _tag: "StreamReset", code: undecided })
      expect(yield* reasonOf(stream.write(text("ed")))).toMatchObject({
        _tag: "StreamStopped",
        code: undecided
      })
    })
  )

  itSim("is refused in time: a stream of no claim, if the application accepts none", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      const stream = yield* send(near, "what is this?")
      const ended = yield* Effect.forkScoped(end(stream))
      yield* sleep(7_400)
      expect(ended.pollUnsafe()).toBeUndefined()
      yield* sleep(2_700)
      const { unclaimed } = carrierErrorCodes
      expect(yield* Fiber.join(ended)).toMatchObject({ _tag: "StreamReset", code: unclaimed })
      expect(Option.isNone(yield* Effect.timeoutOption(Effect.scoped(far.acceptBidi), 100))).toBe(true)
    })
  )

  itSim("is refused in time though other streams are half a preamble all the time", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      yield* application(far)
      for (let i = 0; i < 8; i++) {
        yield* Effect.forkScoped(
          Effect.gen(function* () {
            const stream = yield* near.openBidi
            yield* stream.write(text("claim"))
            const [millis] = yield* Effect.timed(end(stream))
            expect(Duration.toMillis(millis)).toBeGreaterThan(7_500)
            expect(Duration.toMillis(millis)).toBeLessThan(10_100)
          })
        )
        yield* sleep(1_700)
      }
      yield* sleep(10_000)
    })
  )

  itSim("waits for the application, if that has ever accepted such a stream", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      yield* send(near, "one")
      expect(yield* Effect.flatMap(far.acceptBidi, readText)).toBe("one")
      yield* send(near, "two")
      yield* sleep(20_000)
      expect(yield* Effect.flatMap(far.acceptBidi, readText)).toBe("two")
    })
  )

  itSim("is bounded: the oldest of more than 1024 streams that do not say whose they are", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair({ server: { transport: { maxBidirectionalStreams: 2_000 } } })
      const heard = yield* collecting(far, "claimed")
      const streams = yield* Effect.replicateEffect(
        Effect.tap(near.openBidi, (stream) => stream.write(text("claim"))),
        1_026
      )
      yield* sleep(500)
      const { undecided } = carrierErrorCodes
      for (const stream of streams.slice(0, 2))
        expect(yield* end(stream)).toMatchObject({ _tag: "StreamReset", code: undecided })
      for (const stream of streams.slice(2)) {
        yield* stream.write(text("ed"))
        yield* stream.finish
      }
      yield* sleep(500)
      expect(heard.length).toBe(1_024)
    })
  )
})

describe("a claim", () => {
  itSim("is refused if a stream could begin with it and another, or if it is no preamble", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "abc")
      for (const other of ["abc", "ab", "abcd"])
        expect(yield* reasonOf(collecting(far, other))).toMatchObject({
          _tag: "InvalidOption",
          field: "preamble"
        })
      yield* collecting(far, "abd")
      for (const bad of ["", "x".repeat(65)])
        expect(yield* reasonOf(collecting(far, bad))).toMatchObject({
          _tag: "InvalidOption",
          field: "preamble"
        })
      for (const bad of ["abc", undefined])
        expect(yield* reasonOf(far.claimStreams(bad as never, () => Effect.void))).toMatchObject({
          _tag: "InvalidOption",
          field: "preamble"
        })
      expect(
        yield* reasonOf(far.claimStreams(text("x"), 1 as unknown as () => Effect.Effect<void>))
      ).toMatchObject({ field: "handler" })
      expect(yield* reasonOf(near.openStream({ unidirectional: 1 as never }))).toMatchObject({
        field: "options"
      })
      expect(yield* reasonOf(near.openStream({ other: true } as never))).toMatchObject({ field: "options" })
      const longest = yield* collecting(far, "x".repeat(64))
      yield* send(near, `${"x".repeat(64)}y`)
      yield* sleep(100)
      expect(longest).toEqual(["y"])
    })
  )

  itSim("can be made again once its scope has ended, which interrupts its handlers", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      const scope = yield* Scope.make()
      let ended = 0
      const handler = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended++))
      yield* Scope.provide(far.claimStreams(text("a"), handler), scope)
      const stream = yield* near.openBidi
      yield* stream.write(text("a"))
      yield* sleep(100)
      yield* Scope.close(scope, Exit.void)
      expect(ended).toBe(1)
      expect(yield* reasonOf(stream.read())).toMatchObject({ _tag: "StreamReset", code: 0 })
      const again = yield* collecting(far, "a")
      yield* send(near, "again")
      yield* sleep(100)
      expect(again).toEqual(["gain"])
    })
  )

  itSim("has handlers that fail by themselves", () =>
    quietly(
      Effect.gen(function* () {
        const { near, far } = yield* simPair()
        const echo = Effect.fnUntraced(function* (stream: QuicStream) {
          const all = yield* readText(stream)
          if (all === "!") return yield* Effect.die("it broke")
          yield* stream.write(text(all))
        })
        yield* far.claimStreams(text("echo"), echo)
        const broken = yield* send(near, "echo!")
        expect(yield* reasonOf(broken.read())).toMatchObject({ _tag: "StreamReset" })
        expect(yield* Effect.flatMap(send(near, "echo?"), readText)).toBe("?")
      })
    )
  )

  itSim("ends with its connection; one on a connection that has ended fails with the reason", () =>
    Effect.gen(function* () {
      const { near, far } = yield* simPair()
      yield* collecting(far, "claimed")
      yield* near.close(7)
      expect((yield* far.closed).reason).toMatchObject({ _tag: "ApplicationClosed", code: 7 })
      expect(yield* reasonOf(collecting(far, "late"))).toMatchObject({ _tag: "ApplicationClosed", code: 7 })
    })
  )
})

describe("an endpoint that drains", () => {
  itSim("lets the handlers of a claim finish, while half a preamble holds up nothing", () =>
    Effect.gen(function* () {
      const { near, far, server } = yield* simPair()
      yield* far.claimStreams(text("slow"), (stream) =>
        Effect.andThen(sleep(1_000), stream.write(text("done")))
      )
      const stream = yield* send(near, "slow")
      const half = yield* near.openBidi
      yield* half.write(text("sl"))
      yield* sleep(100)
      const draining = yield* Effect.forkScoped(server.drain("30 seconds"))
      expect(yield* readText(stream)).toBe("done")
      const { undecided } = carrierErrorCodes
      expect(yield* reasonOf(half.read())).toMatchObject({ _tag: "StreamReset", code: undecided })
      yield* half.reset(0)
      yield* Fiber.join(draining)
      expect((yield* near.closed).reason).toMatchObject({ _tag: "ApplicationClosed" })
    })
  )
})

describe("a peer as a carrier", () => {
  itSim("claims again on each new connection, and opens streams on the current one", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const { server, client, connectOptions } = yield* endpoints(world)
      const connections: Array<QuicConnection> = []
      yield* Effect.forkScoped(
        server.serve((connection) =>
          Effect.gen(function* () {
            connections.push(connection)
            // at once: nothing of the application's may be faster than the claim
            yield* send(connection, `event${connections.length}`)
            yield* connection.serveStreams((stream) => stream.write(text("hello")))
          })
        )
      )
      const peer = yield* client.peer({ ...connectOptions, restart: "eager" })
      const everything: Array<string> = []
      yield* Effect.forkScoped(
        Effect.ignore(
          peer.serveStreams((stream) => Effect.map(readText(stream), (all) => void everything.push(all)))
        )
      )
      const events = yield* collecting(peer, "event")
      expect(yield* reasonOf(collecting(peer, "events"))).toMatchObject({ field: "preamble" })
      expect((yield* peer.peerInfo).address.port).toBe(server.localAddress.port)
      yield* sleep(200)
      yield* connections[0].closeNow(1)
      yield* sleep(2_000)
      yield* peer.restart
      yield* sleep(2_000)
      expect(events).toEqual(["1", "2", "3"])
      expect(everything).toEqual([])
      const stream = yield* peer.openStream()
      yield* stream.finish
      expect(yield* readText(stream)).toBe("hello")
      yield* peer.close()
      expect((yield* peer.closed).reason).toMatchObject({ _tag: "PeerClosed" })
      expect(yield* reasonOf(collecting(peer, "late"))).toMatchObject({ _tag: "PeerClosed" })
    })
  )

  itSim("releases a claim with its scope, on the current connection and the next ones", () =>
    Effect.gen(function* () {
      const world = yield* simWorld
      const { server, client, connectOptions } = yield* endpoints(world)
      const peer = yield* client.peer({ ...connectOptions, restart: "eager" })
      const far = yield* server.accept
      const scope = yield* Scope.make()
      const events = yield* Scope.provide(collecting(peer, "event"), scope)
      yield* send(far, "event1")
      yield* sleep(100)
      yield* Scope.close(scope, Exit.void)
      yield* send(far, "event2")
      expect(
        yield* peer.use((connection) => Effect.flatMap(connection.acceptBidi, readText)).pipe(Effect.scoped)
      ).toBe("event2")
      expect(events).toEqual(["1"])
    })
  )
})
