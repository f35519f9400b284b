/** Sweeps of what is done with the paths of a connection. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import type { QuicPath } from "../../src/index.ts"
import { connected, type Connected } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

const several = { server: { transport: { maxPaths: 3 } }, client: { transport: { maxPaths: 3 } } }

interface WithPath extends Connected {
  readonly path: QuicPath
}

/** A connection with a second path. */
const withPath = (world: Connected["world"]) =>
  Effect.gen(function* () {
    const stage = yield* connected(several)(world)
    const path = yield* stage.near.openPath({ local: { host: world.client.host } })
    yield* Effect.sleep(1_000)
    return { ...stage, path } satisfies WithPath
  })

/** Until both ends have forgotten the paths that were abandoned, and the client has closed their sockets. */
const settled = Effect.sleep(15_000)

const shown = ({ near, far }: Connected): ReadonlyArray<string> =>
  [near, far].map(({ paths }) => paths.map(({ id, state }) => `${id} ${state}`).join())

const withPaths: ReadonlyArray<Sweep<WithPath>> = [
  {
    name: "abandon of a path",
    stage: withPath,
    operation: ({ path }) => path.abandon,
    // the rest of what an interrupt left: it must be all or nothing, at both ends
    afterwards: (stage, outcome) =>
      Effect.gen(function* () {
        yield* settled
        const [mine, theirs] = shown(stage)
        assert.equal(mine, theirs)
        assert(mine === "0 active" || (outcome !== "done" && mine === "0 active,1 active"), mine)
        yield* stage.path.abandon
        yield* settled
      })
  },
  {
    name: "setStatus of a path",
    stage: withPath,
    operation: ({ path }) => path.setStatus("backup"),
    afterwards: (stage, outcome) =>
      Effect.gen(function* () {
        yield* Effect.sleep(1_000)
        const isBackup = shown(stage)[0] === "0 active,1 standby"
        assert(isBackup || outcome !== "done", "it is not kept as a backup")
        const carries = stage.far.paths.map(({ carriesData }) => carriesData)
        assert.deepEqual(carries, isBackup ? [true, false] : [true, true])
      })
  },
  {
    name: "closed of a path that the peer abandons",
    stage: withPath,
    lasts: true,
    operation: ({ path }) => path.closed,
    meanwhile: ({ far }) => far.path(1)!.abandon,
    afterwards: (stage) => Effect.map(settled, () => assert.deepEqual(shown(stage), ["0 active", "0 active"]))
  }
]

export const pathSweeps: ReadonlyArray<Sweep<never>> = [
  ...["available", "backup"].map(
    (status): Sweep<Connected> => ({
      name: `openPath, ${status}`,
      lasts: true,
      // one round trip
      takesMillis: 20,
      stage: connected(several),
      operation: ({ near, world }) =>
        near.openPath({ local: { host: world.client.host }, status: status as "available" | "backup" }),
      afterwards: (stage, outcome) =>
        Effect.gen(function* () {
          yield* settled
          const [mine] = shown(stage)
          const opened = status === "backup" ? "0 active,1 standby" : "0 active,1 active"
          if (outcome === "done") return assert.equal(mine, opened)
          assert.equal(mine, "0 active")
        })
    })
  ),
  ...withPaths
] as never
