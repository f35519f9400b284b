/**
 * The digest of a run that uses a bit of everything. As a program it prints it: `node test/sim/replay/digest.ts SEED`
 */
import { pbkdf2 } from "node:crypto"
import * as Effect from "effect/Effect"
import * as SimRuntime from "../../../layers/sim/SimRuntime.ts"
import { badLink, linkedEndpoints } from "../../api/badNetwork.ts"
import { pattern, readAll } from "../../api/pair.ts"

const payload = pattern(60_000)

/** Work that takes unpredictable real time. */
const realWork = Effect.callback<void>((resume) =>
  pbkdf2("a", "b", 2_000, 32, "sha512", () => resume(Effect.void))
)

export const digestOf = async (seed: string): Promise<string> => {
  const program = Effect.gen(function* () {
    const { server, connect } = yield* linkedEndpoints(badLink, { handshakeTimeout: 60_000 })
    yield* Effect.forkScoped(
      server.serveStreams((stream) =>
        Effect.gen(function* () {
          yield* realWork
          yield* stream.write(yield* readAll(stream))
        })
      )
    )
    const connection = yield* connect
    const calls = Effect.gen(function* () {
      const stream = yield* connection.openBidi
      yield* stream.write(payload)
      yield* stream.finish
      if ((yield* readAll(stream)).length !== payload.length)
        yield* Effect.die(new Error("the echo is incomplete"))
    }).pipe(Effect.scoped)
    yield* Effect.all([calls, calls, calls], { concurrency: "unbounded" })
  }).pipe(Effect.scoped)
  const { digest, exit } = await SimRuntime.run(seed, program, { interleaving: "seeded" })
  if (exit._tag === "Failure") throw new Error(`the run failed: ${exit.cause}`)
  return digest
}

if (import.meta.main) console.log(await digestOf(process.argv[2]))
