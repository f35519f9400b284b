/** Kills a server in the middle of a reply, again and again, and sees what its client makes of it. */
import { type ChildProcess, fork } from "node:child_process"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { certificate } from "../bench/identity.ts"
import type { Census, ClientEvent, ServerEvent } from "./sides.ts"

export interface Kill {
  /** From the kill until the client's read failed, and with what. */
  readonly lossMillis: number
  readonly reason: string
  /** From the server's return until the client had a byte of the next reply. */
  readonly backMillis: number
  /** Whether the client knew of its loss before that return, and tried again and again. */
  readonly knew: boolean
  /** Whether the request for that reply came with the client's first flight. */
  readonly isEarly: boolean
}

export interface Kills {
  readonly kills: ReadonlyArray<Kill>
  /** After a tenth of the kills, and at the end. */
  readonly before: Census
  readonly after: Census
}

/** How long the server is away, from shorter than the client notices to longer. */
const downMillis = (n: number): number => 10 + ((n * 379) % 1_500)

const start = async (role: "server" | "client", ...args: ReadonlyArray<string>): Promise<ChildProcess> => {
  const { certPem, keyPem } = await certificate()
  return fork(new URL("sides.ts", import.meta.url), [role, ...args], {
    env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
}

const freePort = async (): Promise<number> => {
  const socket = createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
}

/** The client's events in order, each to be awaited. */
class Client {
  private readonly child: ChildProcess
  private readonly events: Array<ClientEvent> = []
  private wake = (): void => {}

  constructor(child: ChildProcess) {
    this.child = child
    child.on("message", (event: ClientEvent) => {
      this.events.push(event)
      this.wake()
    })
    child.on("exit", () => this.wake())
  }

  order(what: "stream" | "census"): void {
    this.child.send(what)
  }

  async next<K extends ClientEvent["kind"]>(kind: K): Promise<Extract<ClientEvent, { kind: K }>> {
    while (this.events.length === 0) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error("the client died")
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    const event = this.events.shift()!
    if (event.kind !== kind) throw new Error(`${kind} was due, and came ${JSON.stringify(event)}`)
    return event as Extract<ClientEvent, { kind: K }>
  }

  stop(): void {
    this.child.kill()
  }

  async census(): Promise<Census> {
    this.order("census")
    return (await this.next("census")).census
  }
}

/** A server that is loaded and waits for its turn. */
const standby = async (port: number, guardFile: string): Promise<ChildProcess> => {
  const child = await start("server", String(port), guardFile)
  await once(child, "message")
  return child
}

/** Nanoseconds of the monotonic clock when it served. */
const begin = async (server: ChildProcess): Promise<number> => {
  const serving = once(server, "message")
  server.send("serve")
  const [{ atNanos }]: ReadonlyArray<ServerEvent> = await serving
  return atNanos
}

const kill = async (server: ChildProcess): Promise<number> => {
  const atNanos = Number(process.hrtime.bigint())
  const gone = once(server, "exit")
  server.kill("SIGKILL")
  await gone
  return atNanos
}

const millis = (from: number, to: number): number => (to - from) / 1e6

/** A client in the middle of a reply, and the server that sends it. */
class Duel {
  private readonly port: number
  /** What outlives a server. */
  private readonly folder: string
  private readonly client: Client
  private server: ChildProcess
  private next: ChildProcess | undefined = undefined

  private constructor(port: number, folder: string, client: Client, server: ChildProcess) {
    this.port = port
    this.folder = folder
    this.client = client
    this.server = server
  }

  static async start(): Promise<Duel> {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), "effect-quic-soak-"))
    const server = await standby(port, join(folder, "guard"))
    const client = new Client(await start("client", String(port)))
    await begin(server)
    client.order("stream")
    await client.next("firstByte")
    return new Duel(port, folder, client, server)
  }

  /** Kills the server, and starts another after that long. `meanwhile` sees the client between two replies. */
  async kill(downMillis: number, meanwhile?: (client: Client) => Promise<void>): Promise<Kill> {
    // loaded before the kill, so as not to take the client's time after it
    const next = (this.next = await standby(this.port, join(this.folder, "guard")))
    await this.client.next("midStream")
    const killedAt = await kill(this.server)
    this.server = next
    const returned = sleep(downMillis).then(() => begin(next))
    const { atNanos: lostAt, reason } = await this.client.next("lost")
    if (meanwhile !== undefined) {
      await returned
      await meanwhile(this.client)
    }
    this.client.order("stream")
    const servedAt = await returned
    const { atNanos: backAt, isEarly } = await this.client.next("firstByte")
    return {
      lossMillis: millis(killedAt, lostAt),
      reason,
      backMillis: millis(servedAt, backAt),
      knew: lostAt < servedAt,
      isEarly
    }
  }

  stop(): void {
    this.client.stop()
    this.server.kill("SIGKILL")
    this.next?.kill("SIGKILL")
    rmSync(this.folder, { recursive: true })
  }
}

/** `onKill` is called after each. */
export const kills = async (count: number, onKill: (kill: Kill, n: number) => void): Promise<Kills> => {
  const duel = await Duel.start()
  try {
    const all: Array<Kill> = []
    const some = async (from: number, to: number): Promise<void> => {
      for (let n = from; n < to; n++) {
        all.push(await duel.kill(downMillis(n)))
        onKill(all[n], n)
      }
    }
    const census = async (): Promise<Census> => {
      let taken: Census | undefined
      await duel.kill(downMillis(0), async (client) => {
        taken = await client.census()
      })
      return taken!
    }
    const first = Math.ceil(count / 10)
    await some(0, first)
    const before = await census()
    await some(first, count)
    return { kills: all, before, after: await census() }
  } finally {
    duel.stop()
  }
}
