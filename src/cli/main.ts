/** The command line of effect-quic. */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Command } from "effect/cli"
import { CliHost } from "./CliHost.ts"
import { demo } from "./demo.ts"
import { get } from "./get.ts"
import { keygen } from "./keygen.ts"
import { logger } from "./report.ts"
import { interop } from "./interop.ts"
import { perf } from "./perf.ts"
import { serve } from "./serve.ts"

const root = Command.make("effect-quic").pipe(
  Command.withDescription(
    "A secure, multipath, actor-model QUIC transport for Effect. Start with `effect-quic demo`; then serve a directory in one terminal and get a file from it in another."
  ),
  Command.withSubcommands([demo, serve, get, perf, keygen, interop])
)

/** Runs the command line that the arguments of this process are. */
export const main = Effect.flatMap(CliHost, ({ version }) => Command.run(root, { version })).pipe(
  Effect.provide(Logger.layer([logger]))
)
