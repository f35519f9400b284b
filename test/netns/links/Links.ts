/**
 * A client with two interfaces and a server, each in a network namespace of its own, and between them two links that
 * emulator.c gives a rate, a delay, a queue and losses:
 *
 *     client  wifi 10.1.0.2 ════ 10.1.0.1  server
 *             lte  10.2.0.2 ════ 10.2.0.1          203.0.113.10
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, statSync } from "node:fs"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed, run, tryRun } from "../commands.ts"
import { namespace, namespaceName } from "../namespaces.ts"

export const SERVER = "203.0.113.10"
export const CLIENT = { wifi: "10.1.0.2", lte: "10.2.0.2" } as const
export type LinkName = keyof typeof CLIENT
const names = Object.keys(CLIENT) as ReadonlyArray<LinkName>

export interface Conditions {
  /** Of IP packets, each way. */
  readonly megabits: number
  readonly rttMillis: number
  /** The share of packets lost each way, 0 to 1; 1 is silence. Default 0. */
  readonly lossRate?: number
}

const source = new URL("emulator.c", import.meta.url).pathname
const directory = new URL("../../../.cache/netns", import.meta.url).pathname
const binary = `${directory}/emulator`

const build = (): void => {
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return
  mkdirSync(directory, { recursive: true })
  run(`cc -O2 -o ${binary} ${source}`)
}

/** One link's process, which answers each line that it is told with another. */
class Emulator {
  private readonly process: ChildProcess
  private readonly lines: AsyncIterator<string>

  constructor(client: string, server: string, device: string) {
    this.process = spawn(binary, [client, device, server, device], { stdio: ["pipe", "pipe", "inherit"] })
    this.lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]()
  }

  readonly answered = async (expected: string): Promise<void> => {
    const { value } = await this.lines.next()
    if (value !== expected) throw new CommandFailed("emulator", `it says ${value}`, false)
  }

  /** A queue holds one bandwidth-delay product. */
  async set({ megabits, rttMillis, lossRate = 0 }: Conditions): Promise<void> {
    const queueBytes = Math.max(30_000, (megabits * rttMillis * 1000) / 8)
    const numbers = [megabits * 1e6, rttMillis * 500, lossRate * 1e6, queueBytes]
    this.process.stdin!.write(`${numbers.map(Math.round).join(" ")}\n`)
    await this.answered("set")
  }

  stop(): void {
    this.process.kill()
  }
}

export class Links {
  /** What puts a program into a namespace. */
  readonly client: ReadonlyArray<string>
  readonly server: ReadonlyArray<string>
  private readonly names: { readonly client: string; readonly server: string }
  private readonly emulators = new Map<LinkName, Emulator>()

  private constructor(names: Links["names"]) {
    this.names = names
    const inside = (name: string) => ["ip", "netns", "exec", name]
    this.client = inside(names.client)
    this.server = inside(names.server)
  }

  /** Stands until the scope closes; dies with `CommandFailed` where there can be none. */
  static readonly make: Effect.Effect<Links, never, Scope.Scope> = Effect.gen(function* () {
    const links = new Links({ client: namespaceName("client"), server: namespaceName("server") })
    for (const name of Object.values(links.names)) yield* namespace(name)
    yield* Effect.acquireRelease(
      Effect.promise(() => links.start()),
      () => Effect.sync(() => links.stop())
    )
    return links
  })

  private async start(): Promise<void> {
    build()
    const { client, server } = this.names
    for (const name of names) {
      const emulator = new Emulator(client, server, name)
      this.emulators.set(name, emulator)
      await emulator.answered("ready")
    }
    run(`ip -n ${server} addr add ${SERVER}/32 dev lo`)
    for (const [at, name] of names.entries()) this.connect(name, at + 1)
    // one of the two ways back is not the one that the kernel would choose
    for (const name of [client, server]) run(`ip netns exec ${name} sysctl -qw net.ipv4.conf.all.rp_filter=0`)
    // not every kernel has it
    for (const name of [client, server])
      tryRun(`ip -n ${name} mptcp limits set subflow 2 add_addr_accepted 2`)
    tryRun(`ip -n ${client} mptcp endpoint add ${CLIENT.lte} dev lte subflow`)
  }

  private connect(name: LinkName, table: number): void {
    const { client, server } = this.names
    const gateway = CLIENT[name].replace(/2$/, "1")
    for (const [end, address] of [
      [client, CLIENT[name]],
      [server, gateway]
    ]) {
      run(`ip -n ${end} addr add ${address}/24 dev ${name}`)
      run(`ip -n ${end} link set ${name} txqueuelen 2000 up`)
    }
    run(`ip -n ${client} route add default via ${gateway} dev ${name} metric ${table}`)
    run(`ip -n ${client} route add default via ${gateway} dev ${name} table ${table}`)
    run(`ip -n ${client} rule add from ${CLIENT[name]} table ${table}`)
  }

  set(name: LinkName, conditions: Conditions): Promise<void> {
    return this.emulators.get(name)!.set(conditions)
  }

  /** Bytes of IP packets that have come out of the links at the client's end. */
  get received(): number {
    return names
      .map((name) => JSON.parse(run(`ip -n ${this.names.client} -s -j link show dev ${name}`)))
      .reduce((sum, [{ stats64 }]) => sum + stats64.rx.bytes, 0)
  }

  private stop(): void {
    for (const emulator of this.emulators.values()) emulator.stop()
  }
}
