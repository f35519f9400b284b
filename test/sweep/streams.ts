/** Sweeps of everything a stream can do. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import { text } from "../api/pair.ts"
import { answered, connected, type Connected } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

const openBidi: Sweep<Connected> = {
  name: "openBidi",
  stage: answered(),
  operation: ({ near }) => near.openBidi
}

const acceptUni: Sweep<Connected> = {
  name: "acceptUni",
  stage: connected(),
  operation: ({ far }) => far.acceptUni,
  meanwhile: ({ near }) =>
    Effect.gen(function* () {
      const stream = yield* near.openUni
      yield* stream.write(text("take me"))
      yield* Effect.ignore(stream.finished)
    }),
  afterwards: ({ far }, outcome) =>
    Effect.gen(function* () {
      if (outcome === "done") return
      const stream = yield* Effect.timeout(far.acceptUni, 1_000)
      assert.deepEqual(yield* stream.read(), text("take me"))
    })
}

export const streamSweeps = [openBidi, acceptUni]
