/** `effect-quic tree`: the fiber trees of running processes. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { Command, Flag } from "effect/cli"
import { type EndpointNode, print } from "../FiberTree.ts"
import { CliHost, type ProcessTree } from "./CliHost.ts"
import { interactive } from "./interactive.ts"
import { emptyTreeView, folded, onLines, onTreeKey, treeFrame } from "./treeView.ts"
import { printable, printableJson, withoutControls } from "../internal/printable.ts"
import { pidFlag } from "./pidFlag.ts"
import { fail, reported } from "./report.ts"

const everySecond = 1000

const endpointLines = (endpoint: EndpointNode): ReadonlyArray<string> =>
  print(endpoint).split("\n").map(withoutControls)

/** The trees of a process, a line for each node, or more where a terminal of `columns` has no room for it. */
export const linesOf = (
  { pid, command, endpoints }: ProcessTree,
  columns?: number
): ReadonlyArray<string> => [
  `process ${pid} · ${printable(command)}`,
  ...endpoints.map(endpointLines).flatMap((lines) => (columns === undefined ? lines : folded(lines, columns)))
]

type Processes = Effect.Effect<ReadonlyArray<ProcessTree>, { readonly message: string }>

/** On the whole screen, until the user quits. */
const watchOnScreen = (processes: Processes, nothing: string) =>
  interactive({
    initial: emptyTreeView,
    updates: (change) =>
      Effect.forever(
        Effect.matchEffect(processes, {
          onSuccess: (all) =>
            change((view) =>
              onLines(view, all.length === 0 ? [nothing] : all.flatMap((each) => linesOf(each)))
            ),
          onFailure: ({ message }) => change((view) => onLines(view, [printable(message)]))
        }).pipe(Effect.andThen(Effect.sleep(everySecond)))
      ),
    onKey: onTreeKey,
    frame: treeFrame
  })

export const tree = Command.make(
  "tree",
  {
    pid: pidFlag,
    watch: Flag.Boolean("watch").pipe(
      Flag.withDescription("Refresh every second until interrupted"),
      Flag.withDefault(false)
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("One JSON object per process and line"),
      Flag.withDefault(false)
    )
  },
  ({ pid, watch, json }) =>
    Effect.gen(function* () {
      const { running } = yield* CliHost
      const { stdoutIsTerminal } = yield* Stdio.Stdio
      const processes = Effect.map(running, (all) =>
        pid === 0 ? all : all.filter((each) => each.pid === pid)
      )
      const nothing =
        pid === 0
          ? "no process exposes its tree; effect-quic demo, serve, get and perf do while they run"
          : `process ${pid} does not expose its tree`
      if (watch && !json && (yield* stdoutIsTerminal)) return yield* watchOnScreen(processes, nothing)
      const terminal = yield* Terminal.Terminal
      const look = Effect.gen(function* () {
        const all = yield* processes
        if (all.length === 0) return watch ? undefined : yield* fail(nothing)
        const columns = (yield* stdoutIsTerminal) ? (yield* terminal.columns) || undefined : undefined
        const texts = all.map((each) => (json ? printableJson(each) : linesOf(each, columns).join("\n")))
        yield* Console.log(texts.join("\n"))
      })
      yield* watch ? Effect.forever(Effect.andThen(look, Effect.sleep(everySecond))) : look
    }).pipe(reported)
).pipe(
  Command.withDescription(
    "Print the fiber tree of every effect-quic process of this user: endpoints, peers, connections, paths and streams, with their states, ages and bytes. The commands of this program expose theirs; your own programs do with NodeInspector.layer."
  ),
  Command.withShortDescription("Print the fiber trees of running processes"),
  Command.withExamples([
    { command: "effect-quic demo --size 2GB & effect-quic tree", description: "Inspect a transfer" },
    { command: "effect-quic tree --watch", description: "Continuously" }
  ])
)
