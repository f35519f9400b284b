/** Sends and receives that are interrupted while they wait: whole messages, none lost, none twice. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Channels } from "../../src/index.ts"
import type { PairOptions } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"
import { both, link } from "./world.ts"

const transport = {
  sendBufferBytes: 4_000,
  streamWindowBytes: 8_000,
  maxStreamWindowBytes: 8_000,
  connectionWindowBytes: 16_384,
  maxConnectionWindowBytes: 16_384
}
const narrow: PairOptions = { client: { transport }, server: { transport } }
const MESSAGES = 300

describe("C1: an unordered channel", () => {
  itSim("of large messages never stands still, and holds up no other, for a receiver that begins late", () =>
    Effect.gen(function* () {
      const { near, far } = yield* both()
      const large = Channels.make("large", {
        channels: {
          parts: {
            direction: "clientToServer",
            message: Schema.Uint8Array,
            intent: "unordered",
            maxBytes: 500_000
          },
          talk: { direction: "clientToServer", message: Schema.String }
        }
      })
      const client = yield* Channels.client(large, near)
      const server = yield* Channels.server(large, far)
      yield* Effect.forkScoped(
        Effect.forEach(
          Array.from({ length: 20 }, (_, i) => i),
          (i) => client.parts.send(new Uint8Array(400_000).fill(i))
        )
      )
      yield* Effect.sleep(20_000)
      yield* client.talk.send("meanwhile")
      expect(yield* server.talk.receive()).toBe("meanwhile")
      const seen = new Set<number>()
      for (let i = 0; i < 20; i++) {
        const next = Option.getOrThrow(yield* server.parts.receive({ timeout: 20_000 }))
        expect(next.length).toBe(400_000)
        seen.add(next[0])
      }
      expect(seen.size).toBe(20)
    })
  )
})

describe("C7: interrupted while they wait,", () => {
  for (const name of ["blobs", "parcels"] as const)
    itSim(
      `sends to ${name} send a message or none, and receives consume none`,
      () =>
        Effect.gen(function* () {
          const { cable, client, server } = yield* both(narrow)
          cable.set({ bitsPerSecond: 2e6, lossRate: 0.02 })
          const accepted: Array<number> = []
          const send = (i: number) =>
            Effect.gen(function* () {
              const message = new Uint8Array(3_000).fill(i)
              new DataView(message.buffer).setUint32(0, i)
              const sent = yield* Effect.timeoutOption(client[name].send(message), 1 + (i % 17))
              if (Option.isSome(sent)) accepted.push(i)
            })
          yield* Effect.forkScoped(
            Effect.andThen(
              Effect.forEach(
                Array.from({ length: MESSAGES }, (_, i) => i),
                send
              ),
              client[name].close
            )
          )
          const received: Array<number> = []
          for (let turn = 0; ; turn++) {
            const next = yield* Effect.result(server[name].receive({ timeout: turn % 13 }))
            if (next._tag === "Failure") {
              expect(next.failure.reason).toMatchObject({ outcome: "Closed", side: "there" })
              break
            }
            if (Option.isNone(next.success)) continue
            const bytes = next.success.value
            expect(bytes.length).toBe(3_000)
            received.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))
          }
          expect(accepted.length).toBeLessThan(MESSAGES)
          expect(accepted.length).toBeGreaterThan(MESSAGES / 10)
          expect([...received].sort((a, b) => a - b)).toEqual(accepted)
          if (name === "blobs") expect(received).toEqual(accepted)
        }),
      { seeds: 3 }
    )

  itSim("handles that are made leave nothing behind: the set can be used again", () =>
    Effect.gen(function* () {
      const { near } = yield* both()
      for (let i = 0; i < 3; i++) {
        const other = Channels.make("other", { channels: link.channels })
        const made = yield* Effect.timeoutOption(Effect.scoped(Channels.client(other, near)), 1)
        expect(Option.isSome(made)).toBe(true)
      }
    })
  )
})
