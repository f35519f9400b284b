/** `effect-quic top`: a live view of the connections of running processes. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { Command, Flag } from "effect/cli"
import { monotonicMicros } from "../capability/TimerClock.ts"
import { printable, printableJson } from "../internal/printable.ts"
import { CliHost, type ProcessTree } from "./CliHost.ts"
import { interactive } from "./interactive.ts"
import { pidFlag } from "./pidFlag.ts"
import { fail, reported } from "./report.ts"
import { advance, type Seen } from "./topRates.ts"
import { initialState, onKey, onProblem, onSeen, type SortKey, sortKeys } from "./topState.ts"
import { frame, nothingRuns, report } from "./topView.ts"
import { topRecord } from "./topRecord.ts"

export interface TopOptions {
  /** The processes to watch. */
  readonly processes: Effect.Effect<ReadonlyArray<ProcessTree>, { readonly message: string }>
  readonly intervalMillis: number
  readonly sort: SortKey
  /** What to say when there is none. */
  readonly nothing: string
}

/** Looks again and again, `intervalMillis` apart however long a look takes. */
const watch = Effect.fnUntraced(function* <E, R>(
  { processes, intervalMillis }: TopOptions,
  onSeen: (seen: Seen) => Effect.Effect<void, E, R>,
  onFailure: (message: string) => Effect.Effect<void, E, R>
) {
  const nowMicros = yield* monotonicMicros
  let seen: Seen = []
  for (;;) {
    const startedAt = nowMicros()
    yield* Effect.matchEffect(processes, {
      onSuccess: (now) => {
        seen = advance(seen, now)
        return onSeen(seen)
      },
      onFailure: (error) => onFailure(printable(error.message))
    })
    const took = (nowMicros() - startedAt) / 1000
    yield* Effect.sleep(Math.max(intervalMillis - took, intervalMillis / 2))
  }
})

/** The whole screen, until the user quits. */
export const live = (options: TopOptions) =>
  interactive({
    initial: initialState(options.sort, options.nothing),
    updates: (change) =>
      watch(
        options,
        (seen) => change((state) => onSeen(state, seen)),
        (message) => change((state) => onProblem(state, message))
      ),
    onKey,
    frame
  })

/** Two looks, `intervalMillis` apart: what there is, and how fast. */
const lookTwice = Effect.fnUntraced(function* ({ processes, intervalMillis }: TopOptions) {
  const first = advance([], yield* processes)
  yield* Effect.sleep(intervalMillis)
  return advance(first, yield* processes)
})

/** Wide enough for everything, where nobody's terminal is concerned. */
const reportColumns = 160

const printReport = Effect.fnUntraced(function* (options: TopOptions) {
  const { columns } = yield* Terminal.Terminal
  const state = onSeen(initialState(options.sort, options.nothing), yield* lookTwice(options))
  yield* Console.log(report(state, (yield* columns) || reportColumns).join("\n"))
})

const printJson = (seen: Seen): Effect.Effect<void> => Console.log(printableJson(topRecord(seen)))

export const top = Command.make(
  "top",
  {
    pid: pidFlag,
    interval: Flag.Finite("interval").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Time between two looks, 0.1 to 3600 (default: 1)"),
      Flag.withSchema(Schema.Number.check(Schema.isBetween({ minimum: 0.1, maximum: 3600 }))),
      Flag.withDefault(1)
    ),
    sort: Flag.Literals("sort", sortKeys).pipe(
      Flag.withDescription("Order of the connections (default: rate)"),
      Flag.withDefault("rate")
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("Print once and end; so it does when standard output is no terminal"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("One JSON object per look and line, until interrupted; one with --once"),
      Flag.withDefault(false)
    )
  },
  ({ pid, interval, sort, once, json }) =>
    Effect.gen(function* () {
      const { running } = yield* CliHost
      const { stdoutIsTerminal } = yield* Stdio.Stdio
      const processes = Effect.map(running, (all) =>
        pid === 0 ? all : all.filter((each) => each.pid === pid)
      )
      const nothing = pid === 0 ? nothingRuns : `process ${pid} does not expose its endpoints`
      const options: TopOptions = { processes, intervalMillis: interval * 1000, sort, nothing }
      if (!json && !once && (yield* stdoutIsTerminal)) return yield* live(options)
      if ((yield* processes).length === 0) return yield* fail(nothing)
      if (!json) return yield* printReport(options)
      yield* once ? Effect.flatMap(lookTwice(options), printJson) : watch(options, printJson, fail)
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Show the connections of every effect-quic process of this user, refreshed in place: rates, round-trip times, loss, streams, and what endpoints drop. Select a connection to see its paths and streams. ? lists the keys."
  ),
  Command.withShortDescription("Watch connections and their rates"),
  Command.withExamples([
    { command: "effect-quic top", description: "Everything, once a second" },
    { command: "effect-quic top --pid 1234 --sort rtt", description: "One process, the slowest peers first" },
    { command: "effect-quic top --json --interval 10", description: "For scripts: a line every ten seconds" }
  ])
)
