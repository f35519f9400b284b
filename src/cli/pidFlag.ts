/** The flag that picks one process, of commands that look at running ones. */
import * as Schema from "effect/Schema"
import { Flag } from "effect/cli"

export const pidFlag = Flag.Int("pid").pipe(
  Flag.withDescription("Only the process with this PID (default: 0, all)"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 32 }))),
  Flag.withDefault(0)
)
