import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterEach, describe, expect, it, vi } from "vitest"
import { NodeCertificateVerifier, NodeIdentity } from "../../layers/node/index.ts"
import { SimNetwork } from "../../layers/sim/index.ts"
import { Timeline } from "../../layers/sim/Timeline.ts"
import { VirtualClock } from "../../layers/sim/VirtualClock.ts"
import { DeadlineTimer } from "../../src/actor/DeadlineTimer.ts"
import { EndpointLoop } from "../../src/actor/EndpointLoop.ts"
import { QuicEndpoint } from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"
import { itSim } from "../sim/itSim.ts"

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe("the timer of an endpoint", () => {
  const armed = () => {
    const timeline = new Timeline()
    const clock = new VirtualClock(timeline, 0)
    const fired: Array<number> = []
    const timer = new DeadlineTimer(clock, Effect.runFork, () => fired.push(clock.monotonicMicrosUnsafe()))
    return { timeline, clock, timer, fired }
  }

  it("needs no fiber in a simulation, moves to earlier deadlines only, and can be armed anew when it has fired", () => {
    const { timeline, timer, fired } = armed()
    timer.arm(300, 0)
    timer.arm(200.5, 0)
    timer.arm(400, 0)
    expect([timeline.pending, timer.isArmed]).toEqual([1, true])
    timeline.advance()
    expect([fired, timer.isArmed, timeline.pending]).toEqual([[201], false, 0])
    timer.arm(500, 201)
    timeline.advance()
    expect(fired).toEqual([201, 500])
  })

  it("leaves nothing when it is stopped, and cannot be armed any more", () => {
    const { timeline, timer } = armed()
    timer.arm(300, 0)
    timer.stop()
    timer.arm(300, 0)
    expect([timeline.pending, timer.isArmed]).toEqual([0, false])
  })

  it("needs no fiber with Effect's own clock, and is not early by a fraction", () => {
    vi.useFakeTimers()
    const clock = Context.get(Context.empty(), Clock.Clock)
    const runFork = vi.fn()
    const onFire = vi.fn()
    const timer = new DeadlineTimer(clock, runFork, onFire)
    timer.arm(25_400, 0)
    vi.advanceTimersByTime(25)
    expect(onFire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(onFire).toHaveBeenCalledOnce()
    timer.arm(30_000, 26_000)
    timer.stop()
    // months away, which is more than a timer can wait for
    const later = new DeadlineTimer(clock, runFork, onFire)
    later.arm(1e13, 0)
    vi.advanceTimersByTime(1e6)
    expect([onFire.mock.calls.length, runFork.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0, 1])
    later.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it("lets a fiber sleep where the clock knows nothing else", async () => {
    const { clock, fired } = armed()
    let slept: Duration.Duration | undefined
    const plain = {
      ...clock,
      sleep: (duration: Duration.Duration) => Effect.sync(() => void (slept = duration)),
      startTimerUnsafe: undefined
    }
    const timer = new DeadlineTimer(plain as never, Effect.runFork, () => fired.push(-1))
    timer.arm(300, 100)
    expect([Duration.toMillis(slept!), fired]).toEqual([0.2, [-1]])
  })
})

describe("the loop of an endpoint", () => {
  itSim("has no turn when a timer finds nothing due: a call takes five", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const [a, b] = [network.host("a", "10.0.0.1"), network.host("b", "10.0.0.2")]
      network.connect(a, b, { delayMillis: 10 })
      const identity = yield* NodeIdentity.developmentCertificate({ keyType: "ed25519" })
      const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
      const shared = Layer.merge(LiveCryptoSuite.layer, trust)
      const server = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["call"], identity } }).pipe(
        Effect.provide(Layer.merge(b.layer, shared))
      )
      yield* Effect.forkScoped(
        server.serveStreams((stream) => Effect.flatMap(stream.readAll(), (bytes) => stream.write(bytes)))
      )
      const client = yield* QuicEndpoint.make().pipe(Effect.provide(Layer.merge(a.layer, shared)))
      const connection = yield* client.connect({
        host: "10.0.0.2",
        port: 4433,
        alpn: ["call"],
        serverName: "localhost"
      })
      const call = Effect.scoped(
        Effect.gen(function* () {
          const stream = yield* connection.openBidi
          yield* stream.write(new Uint8Array(100))
          yield* stream.finish
          return yield* stream.readAll()
        })
      )
      // MTU discovery is over by then
      for (let i = 0; i < 5; i++) yield* Effect.andThen(call, Effect.sleep("2 seconds"))
      const turn = vi.spyOn(EndpointLoop.prototype as unknown as { turn: () => void }, "turn")
      expect((yield* call).length).toBe(100)
      yield* Effect.sleep("2 seconds")
      // the request, the answer, what the client makes of it, its acknowledgment, and that at the server
      expect(turn).toHaveBeenCalledTimes(5)
    })
  )
})
