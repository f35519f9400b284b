/** How often an endpoint's loop has a turn. */
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { endpoints } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"

/** Fiber tasks and events of a simulation in which `calls` calls are made, one after the other. */
const stepsOf = async (calls: number): Promise<number> => {
  const program = Effect.gen(function* () {
    const { client, server, connectOptions } = yield* endpoints(yield* simWorld)
    yield* Effect.forkScoped(
      server.serveStreams((stream) => Effect.andThen(stream.read(), stream.write(new Uint8Array(100))))
    )
    const connection = yield* client.connect(connectOptions)
    for (let i = 0; i < calls; i++) {
      const stream = yield* connection.openBidi
      yield* stream.write(new Uint8Array(100))
      yield* stream.finish
      yield* stream.read()
      yield* Effect.sleep(1000)
    }
  })
  const { exit, steps } = await SimRuntime.run("steps", Effect.scoped(program))
  expect(exit._tag).toBe("Success")
  return steps
}

it("what a fiber does when it is woken is sent in the same turn, and no turn follows it for nothing", async () => {
  const first = await stepsOf(20)
  expect(((await stepsOf(120)) - first) / 100).toBeLessThan(13)
})
