/** `effect-quic tree`: the fiber trees of running processes. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Command, Flag } from "effect/cli"
import { print } from "../FiberTree.ts"
import { CliHost } from "./CliHost.ts"
import { printable } from "../internal/printable.ts"
import { fail, reported } from "./report.ts"

/** Replaces control and format characters a terminal would interpret. */
const plain = (line: string): string => line.replaceAll(/[\p{Cc}\p{Cf}]/gu, "\ufffd")

const everySecond = 1000
/** Clears the terminal and moves the cursor to the top. */
const clear = "\u001b[2J\u001b[H"

export const tree = Command.make(
  "tree",
  {
    pid: Flag.Int("pid").pipe(
      Flag.withDescription("Only the process with this PID (default: 0, all)"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 }))),
      Flag.withDefault(0)
    ),
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
      const host = yield* CliHost
      const look = Effect.gen(function* () {
        const all = yield* host.running
        const wanted = all.filter((each) => pid === 0 || each.pid === pid)
        if (wanted.length === 0 && !watch)
          return yield* fail(
            pid === 0
              ? "no process exposes its tree; effect-quic demo, serve, get and perf do while they run"
              : `process ${pid} does not expose its tree`
          )
        const text = wanted.map((each) =>
          json
            ? JSON.stringify(each)
            : [
                `process ${each.pid} · ${printable(each.command)}`,
                ...each.endpoints.flatMap((endpoint) => print(endpoint).split("\n").map(plain))
              ].join("\n")
        )
        yield* Console.log((watch && !json ? clear : "") + text.join("\n"))
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
