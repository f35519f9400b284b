/** Proves by plain UDP that the kernel's NATs are of the kinds they are taken for, and that they forward nothing else. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Kind, kinds } from "../../nat/matrix.ts"
import { kindOf, type NatFindings } from "../../nat/classify.ts"
import { run } from "../commands.ts"
import { type NatNetwork, publicAddresses } from "./NatNetwork.ts"

const prober = fileURLToPath(new URL("prober.ts", import.meta.url))

/** Answers the tests at two public addresses until the scope closes. */
const answers = (network: NatNetwork): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const [first, second] = publicAddresses
        const args = ["netns", "exec", network.public, process.execPath, prober, "answer", first, second]
        const child = spawn("ip", args, { stdio: ["pipe", "pipe", "inherit"] })
        await Promise.race([once(child.stdout, "data"), once(child, "exit")])
        return child
      }),
      (child) =>
        Effect.promise(async () => {
          const exited = child.exitCode === null ? once(child, "exit") : undefined
          child.kill("SIGKILL")
          await exited
        })
    )
  )

export interface KindProof {
  readonly kind: Kind
  /** What the tests say. */
  readonly found: Kind | string
  readonly findings: NatFindings | undefined
}

/** Puts the client behind each kind in turn, and asks. */
export const proveKinds = (
  network: NatNetwork,
  onProof: (proof: KindProof) => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* answers(network)
    for (const kind of kinds) {
      network.place("client", kind)
      const own = network.insideOf("client")
      const [first, second] = publicAddresses
      const command = `ip netns exec ${network.hostOf("client")} ${process.execPath} ${prober} classify`
      const printed = yield* Effect.sync(() => run(`${command} ${own} ${first} ${second}`))
      const findings = (JSON.parse(printed) as NatFindings | null) ?? undefined
      onProof({ kind, found: kindOf(findings), findings })
    }
  })
