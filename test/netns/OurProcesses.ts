/** Our processes of a transfer, seen from outside: how far it has come, and what they can be told. */
import * as Effect from "effect/Effect"
import type { Role } from "../../src/wire/Role.ts"
import { InteropFailure } from "../interop/Peer.ts"
import type { PeerProcess } from "../interop/PeerProcess.ts"
import type { Progress } from "../interop/programs/program.ts"
import { bulkBytes } from "./scenarios.ts"

/** A line that program.ts reads. */
export type Command = "update-keys" | "open-path"

interface Waiter {
  readonly bytes: number
  readonly resume: () => void
}

export class OurProcesses {
  /** The longest time without a byte so far. */
  stallMillis = 0
  private readonly processes: Partial<Record<Role, PeerProcess>> = {}
  private readonly meterRole: Role
  private bytes = 0
  private waiters: ReadonlyArray<Waiter> = []

  /** `meterRole` is whose progress counts. */
  constructor(meterRole: Role) {
    this.meterRole = meterRole
  }

  readonly onStart = (process: PeerProcess, role: Role): void => {
    this.processes[role] = process
    if (role === this.meterRole) process.watch(this.onProgress)
  }

  /** Waits until so many bytes have passed, and fails when it is too late to do something about the rest. */
  reach(bytes: number): Effect.Effect<void, InteropFailure> {
    const passed = Effect.callback<void>((resume) => {
      if (this.bytes >= bytes) return resume(Effect.void)
      this.waiters = [...this.waiters, { bytes, resume: () => resume(Effect.void) }]
    })
    return Effect.flatMap(passed, () =>
      this.bytes < bulkBytes
        ? Effect.void
        : new InteropFailure({ reason: "the transfer was over before the network changed" })
    )
  }

  /** Writes a line to our client, or to our server if the client is not ours. */
  tell(command: Command): Effect.Effect<void, InteropFailure> {
    return Effect.suspend(() => {
      const { client, server } = this.processes
      return (client ?? server)?.tell(command) ?? Effect.void
    })
  }

  private readonly onProgress = ({ bytes, stallMillis }: Progress): void => {
    this.bytes = bytes
    this.stallMillis = stallMillis
    const due = this.waiters.filter((waiter) => waiter.bytes <= bytes)
    this.waiters = this.waiters.filter((waiter) => waiter.bytes > bytes)
    for (const { resume } of due) resume()
  }
}
