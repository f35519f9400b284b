/** Transfers from the server to the client over both links or one, by us and by the kernel's TCP and MPTCP. */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { certificate } from "../../bench/identity.ts"
import { heard } from "../../bench/sides.ts"
import { CommandFailed } from "../commands.ts"
import { type Links, SERVER } from "./Links.ts"
import type { Congestion, Fetched, Question, Usage } from "./side.ts"

/** What a transfer is by the clock, and by what the links carried. */
export interface Figures {
  /** Data and nothing else, from before connecting to the last byte. */
  readonly goodputMegabits: number
  /** IP packets, headers and repetitions included. */
  readonly linkMegabits: number
  readonly millis: number
  readonly gaps: Fetched["gaps"]
  /** CPU time per second of the transfer; of the kernel's transfers, that of the client alone, without the kernel's own. */
  readonly clientCpu: number
  readonly serverCpu: number | undefined
  /** Of the sender, by path: bytes sent, and packets lost. */
  readonly paths: ReadonlyArray<{ readonly bytesSent: number; readonly packetsLost: number }>
}

export interface Transfer {
  readonly bytes: number
  readonly paths: 1 | 2
  readonly congestion: Congestion
}

const figuresOf = (fetched: Fetched, linkBytes: number, serverCpuMillis?: number): Figures => {
  const { bytes, millis, gaps, cpuMillis } = fetched
  return {
    goodputMegabits: (8 * bytes) / millis / 1000,
    linkMegabits: (8 * linkBytes) / millis / 1000,
    millis,
    gaps,
    clientCpu: cpuMillis / millis,
    serverCpu: serverCpuMillis === undefined ? undefined : serverCpuMillis / millis,
    paths: []
  }
}

const side = async (launcher: ReadonlyArray<string>): Promise<ChildProcess> => {
  const { certPem: BENCH_CERT, keyPem: BENCH_KEY } = await certificate()
  const [execPath, ...execArgv] = [...launcher, process.execPath]
  const child = fork(new URL("side.ts", import.meta.url), {
    execPath,
    execArgv,
    env: { ...process.env, BENCH_CERT, BENCH_KEY },
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
  await heard(child)
  return child
}

const ask = <A extends object>(child: ChildProcess, question: Question): Promise<A> => {
  const answer = heard<A>(child)
  child.send(question)
  return answer
}

/** Both processes have made a transfer before, as those of a service have. */
const WARM_UP: Transfer = { bytes: 4_000_000, paths: 2, congestion: "cubic" }

/** A client and a server of ours. */
export class OurTransfers {
  private readonly links: Links
  private readonly sides: { readonly client: ChildProcess; readonly server: ChildProcess }

  private constructor(links: Links, sides: OurTransfers["sides"]) {
    this.links = links
    this.sides = sides
  }

  static readonly make = (links: Links): Effect.Effect<OurTransfers, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const transfers = new OurTransfers(links, {
          client: await side(links.client),
          server: await side(links.server)
        })
        await transfers.run(WARM_UP)
        return transfers
      }),
      ({ sides }) =>
        Effect.sync(() => {
          for (const child of Object.values(sides)) child.kill()
        })
    )

  async run({ bytes, paths, congestion }: Transfer): Promise<Figures> {
    const { client, server } = this.sides
    const { port } = await ask<{ port: number }>(server, { kind: "serve", congestion })
    const before = await ask<Usage>(server, { kind: "usage" })
    const received = this.links.received
    const fetched = await ask<Fetched>(client, { kind: "fetch", port, bytes, paths, congestion })
    const linkBytes = this.links.received - received
    const after = await ask<Usage>(server, { kind: "usage" })
    if (fetched.bytes !== bytes) throw new Error(`${fetched.bytes} bytes of ${bytes}`)
    return {
      ...figuresOf(fetched, linkBytes, after.cpuMillis - before.cpuMillis),
      paths: after.paths.map(({ bytesSent, packetsLost }) => ({ bytesSent, packetsLost }))
    }
  }
}

const program = new URL("tcp.py", import.meta.url).pathname

const python = (launcher: ReadonlyArray<string>, ...args: ReadonlyArray<string>): ChildProcess => {
  const [command, ...before] = [...launcher, "python3", program]
  return spawn(command, [...before, ...args], { stdio: ["ignore", "pipe", "inherit"] })
}

const firstLine = async (child: ChildProcess): Promise<string> => {
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout! }), "line"),
    once(child, "exit").then(() => Promise.reject(new CommandFailed("python3", "it ended", false)))
  ])
  return line
}

/** The same by the kernel: MPTCP over two paths, TCP over one. Fails where it has none. */
export const byKernel = async (links: Links, { bytes, paths, congestion }: Transfer): Promise<Figures> => {
  const common = [SERVER, paths === 2 ? "mptcp" : "tcp", congestion]
  const server = python(links.server, "server", ...common)
  try {
    const port = await firstLine(server)
    const received = links.received
    const client = python(links.client, "client", ...common, port, String(bytes))
    const fetched: Fetched = JSON.parse(await firstLine(client))
    return figuresOf(fetched, links.received - received)
  } finally {
    server.kill()
  }
}
