/** The command line of effect-quic. */
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { Command } from "effect/cli"
import { CliHost } from "./CliHost.ts"
import { demo } from "./demo.ts"
import { doctor } from "./doctor.ts"
import { get } from "./get.ts"
import { inspect } from "./inspect.ts"
import { keygen } from "./keygen.ts"
import { ExitCode } from "./exitCodes.ts"
import * as Presenter from "./presenter.ts"
import { interop } from "./interop.ts"
import { perf } from "./perf.ts"
import { receive } from "./receive.ts"
import { ping } from "./ping.ts"
import { Reported } from "./report.ts"
import { send } from "./send.ts"
import { relay } from "./relay.ts"
import { serve } from "./serve.ts"
import { top } from "./top.ts"
import { tree } from "./tree.ts"

const root = Command.make("effect-quic").pipe(
  Command.withDescription(
    "A secure, multipath, actor-model QUIC transport for Effect. Start with `effect-quic demo`; then serve a directory in one terminal and get a file from it in another."
  ),
  Command.withSubcommands([
    demo,
    send,
    receive,
    ping,
    doctor,
    serve,
    get,
    perf,
    top,
    tree,
    inspect,
    relay,
    keygen,
    interop
  ])
)

/** Runs the command line with the arguments of this process. */
export const main = Effect.gen(function* () {
  const { version } = yield* CliHost
  const { stdoutIsTerminal } = yield* Stdio.Stdio
  const presentation = Presenter.layer(yield* stdoutIsTerminal)
  yield* Command.run(root, { version }).pipe(
    Effect.provide(presentation),
    // it has been said what is wrong
    Effect.catchTag("ShowHelp", (help) =>
      Effect.fail(help.errors.length === 0 ? help : new Reported({ exitCode: ExitCode.usage }))
    )
  )
})
