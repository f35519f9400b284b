/** Sweeps of a stream's operations. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type QuicStream, StreamReader } from "../../src/index.ts"
import { concat, pattern, type PairOptions, readText, text } from "../api/pair.ts"
import { answered, connected, type Connected } from "./stages.ts"
import type { Outcome, Sweep } from "./sweep.ts"

interface WithStream extends Connected {
  /** A stream opened by the client, seen from each side; a greeting has already been read. */
  readonly mine: QuicStream
  readonly yours: QuicStream
  /** What the server has read so far. */
  readonly heard: Array<Uint8Array>
}

/** The server reads `size` bytes after a delay. */
const hear =
  (size: number) =>
  ({ yours, heard }: WithStream) =>
    Effect.gen(function* () {
      yield* Effect.sleep(40)
      for (let missing = size; missing > 0; ) {
        const bytes = yield* yours.read(missing)
        if (bytes === undefined) return
        heard.push(bytes)
        missing -= bytes.length
      }
    })

const withStream =
  (options: PairOptions = {}): Sweep<WithStream>["stage"] =>
  (world) =>
    Effect.gen(function* () {
      const stage = yield* connected(options)(world)
      const mine = yield* stage.near.openBidi
      yield* mine.write(text("hello"))
      const yours = yield* stage.far.acceptBidi
      yield* yours.read()
      return { ...stage, mine, yours, heard: [] }
    })

/** Ends the stream in both directions; returns what the server still read, or why it could not. */
const wrapUp = Effect.fnUntraced(function* ({ mine, yours, heard }: WithStream) {
  yield* mine.finish
  const before = new TextDecoder().decode(concat(heard))
  const read = yield* Effect.result(
    Effect.map(Effect.timeout(readText(yours), 5_000), (rest) => before + rest)
  )
  yield* yours.finish
  yield* Effect.ignore(Effect.timeout(readText(mine), 5_000))
  return read
})

/** One side operates on a stream, and the peer must see all of the effect or none. */
const all = (
  name: string,
  operation: (stage: WithStream) => Effect.Effect<unknown, unknown>,
  expected: (read: string | undefined, reason: string, outcome: Outcome) => boolean,
  more: Partial<Sweep<WithStream>> & { readonly options?: PairOptions } = {}
): Sweep<WithStream> => ({
  name,
  stage: withStream(more.options),
  operation,
  afterwards: (stage, outcome) =>
    Effect.map(wrapUp(stage), (read) => {
      const [got, reason] = Result.isSuccess(read) ? [read.success, ""] : [undefined, String(read.failure)]
      assert(expected(got, reason, outcome), `${outcome}, but the peer read ${got?.slice(0, 60)} ${reason}`)
    }),
  ...more
})

/** The peer reads `whole` if the operation completed, and all or nothing if it was interrupted. */
const wholeOrNothing =
  (whole: string) =>
  (read: string | undefined, _: string, outcome: Outcome): boolean =>
    read === whole ? outcome !== "never" : read === "" && outcome !== "done"

/** The peer reads to the end, or sees the stream reset with the documented code. */
const codeOrNothing =
  (code: number, before = "") =>
  (read: string | undefined, reason: string, outcome: Outcome): boolean =>
    read === before ? outcome !== "done" : outcome !== "never" && reason.includes(`${code}`)

const small: PairOptions = {
  client: { transport: { sendBufferBytes: 1_200 } },
  server: { transport: { streamWindowBytes: 1_200, maxStreamWindowBytes: 1_200 } }
}
const large = "x".repeat(3_000)

const oneStream: PairOptions = {
  server: { transport: { maxBidirectionalStreams: 1, maxUnidirectionalStreams: 1 } }
}

const opening: ReadonlyArray<Sweep<Connected>> = [
  { name: "openBidi", stage: answered(), operation: ({ near }) => near.openBidi },
  { name: "openUni", stage: answered(), operation: ({ near }) => near.openUni },
  {
    name: "openBidi, which waits for the peer's limit",
    stage: connected(oneStream),
    operation: ({ near }) => near.openBidi,
    meanwhile: ({ near, far }) =>
      Effect.gen(function* () {
        const first = yield* near.openBidi
        yield* first.finish
        const other = yield* far.acceptBidi
        yield* Effect.sleep(50)
        yield* readText(other)
      }),
    afterwards: ({ far }, outcome) =>
      // an empty stream, if it was opened
      outcome === "done" ? Effect.flatMap(far.acceptBidi, readText) : Effect.void
  },
  ...(["acceptBidi", "acceptUni"] as const).map(
    (name): Sweep<Connected> => ({
      name,
      stage: connected(),
      operation: ({ far }) => far[name],
      meanwhile: ({ near }) =>
        Effect.gen(function* () {
          const stream = yield* name === "acceptUni" ? near.openUni : near.openBidi
          yield* stream.write(text("take me"))
          yield* Effect.timeoutOption(Effect.ignore(stream.finished), 200)
        }),
      afterwards: ({ far }, outcome) =>
        Effect.gen(function* () {
          if (outcome === "done") return
          const stream = yield* Effect.timeout(far[name], 1_000)
          assert.equal(yield* readText(stream), "take me")
        })
    })
  )
]

const reading: ReadonlyArray<Sweep<WithStream>> = [
  ...["there", "still to come"].map(
    (when): Sweep<WithStream> => ({
      name: `read of bytes that are ${when}`,
      stage: withStream(),
      operation: ({ yours }) => yours.read(),
      meanwhile: ({ mine }) => mine.write(text("take me")),
      ...(when === "there" && {
        stage: (world) => Effect.tap(withStream()(world), ({ mine }) => mine.write(text("take me")))
      }),
      ...(when === "there" && { meanwhile: () => Effect.void }),
      afterwards: (stage, outcome) =>
        Effect.map(wrapUp(stage), (read) => {
          assert.deepEqual(read, Result.succeed(outcome === "done" ? "" : "take me"))
        })
    })
  ),
  {
    name: "readInto",
    stage: withStream(),
    operation: ({ yours }) => yours.readInto(new Uint8Array(10)),
    meanwhile: ({ mine }) => Effect.andThen(Effect.sleep(30), mine.write(text("take me"))),
    afterwards: (stage, outcome) =>
      Effect.map(wrapUp(stage), (read) => {
        assert.deepEqual(read, Result.succeed(outcome === "done" ? "" : "take me"))
      })
  },
  {
    name: "readable",
    stage: withStream(),
    operation: ({ yours }) => Stream.runDrain(yours.readable),
    meanwhile: ({ mine }) =>
      Effect.gen(function* () {
        for (const chunk of ["a", "b", "c"]) {
          yield* mine.write(text(chunk))
          yield* Effect.sleep(30)
        }
        yield* mine.finish
      }),
    afterwards: (stage) =>
      // a chunk the consumer held when interrupted is lost with it; what follows is not
      Effect.map(wrapUp(stage), (read) => {
        assert("abc".endsWith(Result.getOrThrow(read)))
      })
  }
]

interface WithReader extends WithStream {
  /** Reads `yours`. */
  readonly reader: StreamReader
}

const exactReads: ReadonlyArray<Sweep<WithReader>> = ([undefined, 5_000] as const).map(
  (within): Sweep<WithReader> => ({
    name: within === undefined ? "StreamReader.readExactly" : "StreamReader.readExactly within a time",
    stage: (world) =>
      Effect.map(withStream()(world), (stage) => ({ ...stage, reader: new StreamReader(stage.yours) })),
    operation: ({ reader }) => reader.readExactly(7, within === undefined ? {} : { within }),
    meanwhile: ({ mine }) =>
      Effect.gen(function* () {
        for (const part of ["ta", "ke ", "me"]) {
          yield* mine.write(text(part))
          yield* Effect.sleep(30)
        }
      }),
    afterwards: ({ mine, yours, reader }, outcome) =>
      Effect.gen(function* () {
        yield* mine.finish
        yield* yours.finish
        const left = [...(yield* Stream.runCollect(reader.readable))]
        assert.equal(new TextDecoder().decode(concat(left)), outcome === "done" ? "" : "take me")
        yield* Effect.ignore(Effect.timeout(readText(mine), 5_000))
      })
  })
)

const writing: ReadonlyArray<Sweep<WithStream>> = [
  all("write", ({ mine }) => mine.write(text("all of it")), wholeOrNothing("all of it")),
  all(
    "writeAll",
    ({ mine }) => mine.writeAll([text("all "), text("of "), text("it")]),
    wholeOrNothing("all of it")
  ),
  all(
    "writeAll, which waits for room",
    ({ mine }) => mine.writeAll([text("y".repeat(1_500)), text("y".repeat(500))]),
    (read, _, outcome) =>
      read === large ? outcome !== "done" : read === large + "y".repeat(2_000) && outcome !== "never",
    {
      meanwhile: hear(2_500),
      stage: (world) => Effect.tap(withStream(small)(world), ({ mine }) => mine.write(text(large)))
    }
  ),
  all("tryWrite", ({ mine }) => mine.tryWrite(text("all of it")), wholeOrNothing("all of it")),
  all(
    "write, which waits for room",
    ({ mine }) => mine.write(text("y".repeat(2_000))),
    (read, _, outcome) =>
      read === large ? outcome !== "done" : read === large + "y".repeat(2_000) && outcome !== "never",
    {
      meanwhile: hear(2_500),
      stage: (world) => Effect.tap(withStream(small)(world), ({ mine }) => mine.write(text(large)))
    }
  ),
  all(
    "finish",
    ({ mine }) => mine.finish,
    (read) => read === ""
  ),
  all(
    "finished",
    ({ mine }) => Effect.andThen(mine.finish, mine.finished),
    (read) => read === ""
  ),
  all("reset", ({ mine }) => mine.reset(77), codeOrNothing(77)),
  all(
    "reset that still delivers",
    ({ mine }) => Effect.andThen(mine.write(text("begin and end")), mine.reset(77, { deliver: 5 + 5 })),
    (read, reason, outcome) =>
      outcome === "done"
        ? reason.includes("77")
        : read === "" || read === "begin and end" || reason.includes("77")
  ),
  all(
    "setPriority",
    ({ mine }) => mine.setPriority(3),
    (read) => read === ""
  ),
  all(
    "stop",
    ({ mine }) => mine.stop(78),
    (read) => read === ""
  ),
  all(
    "writable",
    ({ mine }) => Stream.run(Stream.rechunk(Stream.make(text("a"), text("b"), text("c")), 1), mine.writable),
    (read, _, outcome) => (outcome === "done" ? read === "abc" : "abc".startsWith(read!))
  ),
  all(
    "a large write, and all of it delivered",
    ({ mine }) =>
      Effect.gen(function* () {
        yield* mine.write(pattern(40_000, 7))
        yield* mine.finish
        yield* mine.finished
      }),
    (read) => read !== undefined && (read === "" || read.length > 30_000),
    {
      meanwhile: hear(20_000),
      stride: 3
    }
  )
]

export const streamSweeps: ReadonlyArray<Sweep<never>> = [
  ...opening,
  ...reading,
  ...exactReads,
  ...writing
] as never
