import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import type { SimStream } from "../../layers/sim/stream/SimStream.ts"
import { natWorld, publicAddresses, type NatWorldOptions } from "../nat/simulated.ts"
import type { Kind } from "../nat/matrix.ts"
import { addressOf } from "./arrivals.ts"
import { itSim } from "./itSim.ts"

const port = 3340

interface End {
  readonly messages: Array<Uint8Array>
  stream: SimStream | undefined
  closed: string | undefined
}

const watched = (end: End, stream: SimStream): void => {
  end.stream = stream
  stream.onMessage = (message) => end.messages.push(message)
  stream.onClosed = (why) => {
    end.closed = why
  }
}

const emptyEnd = (): End => ({ messages: [], stream: undefined, closed: undefined })

/** A host behind a NAT with a stream to the public one. */
const connected = Effect.fnUntraced(function* (kind: Kind, options: NatWorldOptions = {}) {
  const world = yield* natWorld({ client: kind, server: "none" }, options)
  const near = emptyEnd()
  const far = emptyEnd()
  world.public.streams.listen(port, (stream) => watched(far, stream))
  open(near, world.client.host)
  yield* Effect.sleep(200)
  return { ...world, near, far }
})

const open = (end: End, host: SimHost): void => {
  const stream = host.streams.connect(addressOf(publicAddresses[0], port))
  if (stream === undefined) throw new Error("no way to the public host")
  watched(end, stream)
}

const messages = (seed: string, count: number): Array<Uint8Array> => {
  const random = new SeededRandom(seed)
  return Array.from({ length: count }, () => random.bytes(random.below(5000)))
}

describe("a simulated stream", () => {
  for (const kind of ["none", "symmetric-random", "udp-blocked"] as const)
    itSim(`carries messages of any size both ways, in order, where the host's kind is ${kind}`, () =>
      Effect.gen(function* () {
        const { near, far } = yield* connected(kind)
        const up = messages("up", 50)
        const down = messages("down", 50)
        for (const message of up) near.stream?.send(message)
        for (const message of down) far.stream?.send(message)
        yield* Effect.sleep("10 seconds")
        expect(far.messages).toEqual(up)
        expect(near.messages).toEqual(down)
        expect(near.stream?.bufferedBytes).toBe(0)
        near.stream?.end()
        yield* Effect.sleep("1 second")
        expect([near.closed, far.closed]).toEqual(["closed", "closed by the other end"])
      })
    )

  itSim(
    "repeats what a bad line loses, reorders, duplicates or corrupts",
    () =>
      Effect.gen(function* () {
        const { near, far, network } = yield* connected("port-restricted")
        const conditions = {
          lossRate: 0.1,
          reorderRate: 0.1,
          reorderMillis: 15,
          duplicateRate: 0.1,
          corruptRate: 0.1
        }
        network.apply([{ atMillis: 0, fault: { kind: "conditions", link: "client", conditions } }])
        const up = messages("up", 100)
        for (const message of up) near.stream?.send(message)
        yield* Effect.sleep("2 minutes")
        expect(far.messages).toEqual(up)
      }),
    { seeds: 5 }
  )

  itSim("fills a line with a short queue", () =>
    Effect.gen(function* () {
      const { near, far, network } = yield* connected("none")
      const conditions = { bitsPerSecond: 10e6, queue: { kind: "tailDrop", maxBytes: 40_000 } } as const
      network.apply([{ atMillis: 0, fault: { kind: "conditions", link: "client", conditions } }])
      const began = yield* Clock.currentTimeMillis
      const length = 20_000
      for (let i = 0; i < 100; i++) near.stream?.send(new Uint8Array(length))
      while (far.messages.length < 100) yield* Effect.sleep(10)
      // 2 MB take 1.6 s
      expect((yield* Clock.currentTimeMillis) - began).toBeLessThan(3_000)
    })
  )

  for (const [seconds, outcome] of [
    [5, "delays"],
    [40, "breaks"]
  ] as const)
    itSim(`is not helped by a partition of ${seconds} s, which ${outcome} it`, () =>
      Effect.gen(function* () {
        const { near, far, network } = yield* connected("port-restricted")
        network.apply([
          { atMillis: 0, fault: { kind: "linkDown", link: "client", forMillis: seconds * 1000 } }
        ])
        yield* Effect.sleep(10)
        near.stream?.send(Uint8Array.of(1, 2, 3))
        yield* Effect.sleep(seconds * 1000 + 5000)
        expect(far.messages.length).toBe(outcome === "delays" ? 1 : 0)
        expect(near.closed).toBe(outcome === "delays" ? undefined : "timed out")
      })
    )

  itSim("is reset once its NAT has forgotten it, or the other host has", () =>
    Effect.gen(function* () {
      const { near, client, public: open_ } = yield* connected("port-restricted")
      client.nat?.rebind()
      near.stream?.send(Uint8Array.of(1))
      yield* Effect.sleep(200)
      expect(near.closed).toBe("reset by the other end")
      const again = emptyEnd()
      open(again, client.host)
      yield* Effect.sleep(200)
      open_.crash()
      open_.restart()
      again.stream?.send(Uint8Array.of(1))
      yield* Effect.sleep(200)
      expect(again.closed).toBe("reset by the other end")
    })
  )

  itSim("is refused at a port where nobody listens, and gives up where nobody answers", () =>
    Effect.gen(function* () {
      const { client } = yield* connected("none")
      const refused = emptyEnd()
      watched(refused, client.host.streams.connect(addressOf(publicAddresses[0], 1))!)
      const silent = emptyEnd()
      watched(silent, client.host.streams.connect(addressOf("203.0.113.99", port))!)
      yield* Effect.sleep("1 second")
      expect([refused.closed, silent.closed]).toEqual(["reset by the other end", undefined])
      yield* Effect.sleep("20 seconds")
      expect(silent.closed).toBe("nobody answers")
    })
  )

  it("is the same in every run of a seed", async () => {
    const run = () =>
      SimRuntime.run(
        "same",
        Effect.gen(function* () {
          const { near, network } = yield* connected("symmetric-random")
          const conditions = { lossRate: 0.2 }
          network.apply([{ atMillis: 0, fault: { kind: "conditions", link: "client", conditions } }])
          for (const message of messages("up", 20)) near.stream?.send(message)
          yield* Effect.sleep("20 seconds")
        })
      )
    const [first, second] = [await run(), await run()]
    expect(first.exit._tag).toBe("Success")
    expect(second.digest).toBe(first.digest)
  })
})
