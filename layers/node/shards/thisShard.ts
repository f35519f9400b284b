/** A shard's own side: what its endpoints publish, the datagrams it exchanges with others, and the questions it answers. */
import * as Effect from "effect/Effect"
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import type { ShardBinding, ShardedPart, ShardShape } from "../../../src/capability/Shard.ts"
import type { Crossing } from "../../udp/ShardedPort.ts"
import type { Stray } from "../../udp/ShardedSocket.ts"
import type { Answers, FromShard, Question, ShardStart, ToShard } from "./messages.ts"

/** Datagrams on their way to one other shard; further ones are dropped, or a busy shard's thread would collect them. */
const MAX_IN_TRANSIT = 4096

/** What keeps a thread alive after its program gets this long to end by itself. */
const LINGER_MILLIS = 200

const startOf = (data: unknown): ShardStart["effectQuicShard"] | undefined =>
  (data as Partial<ShardStart> | null | undefined)?.effectQuicShard

export class ThisShard implements ShardShape, ShardBinding, Crossing {
  readonly index: number
  readonly count: number
  readonly order: ReadonlyArray<number>
  readonly secret: Uint8Array
  readonly replays: SharedArrayBuffer
  readonly data: unknown
  private readonly parent: MessagePort
  private readonly parts = new Set<ShardedPart>()
  private readonly receivers = new Map<number, (strays: ReadonlyArray<Stray>) => void>()
  /** By shard. */
  private readonly inTransit: Array<number>
  private onStop: () => void = () => {}

  constructor(
    { index, count, order, secret, replays, data }: ShardStart["effectQuicShard"],
    parent: MessagePort
  ) {
    this.index = index
    this.count = count
    this.order = order
    this.secret = secret
    this.replays = replays
    this.data = data
    this.parent = parent
    this.inTransit = Array.from({ length: count }, () => 0)
    parent.on("message", (message: ToShard) => this.receiveMessage(message))
  }

  /** Waits until this shard is asked to end. */
  readonly stopped: Effect.Effect<void> = Effect.callback((resume) => {
    this.onStop = () => resume(Effect.void)
  })

  readonly publish = (part: ShardedPart) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        this.parts.add(part)
        this.say({ _tag: "listening", address: part.address })
      }),
      () => Effect.sync(() => void this.parts.delete(part))
    )

  readonly passOn: Crossing["passOn"] = (port, shard, strays) => {
    const room = MAX_IN_TRANSIT - this.inTransit[shard]
    if (room <= 0) return
    const going = strays.slice(0, room)
    this.inTransit[shard] += going.length
    this.say({ _tag: "strays", shard, port, strays: going })
  }

  readonly receive: Crossing["receive"] = (port, deliver) => {
    this.receivers.set(port, deliver)
    return () => void this.receivers.delete(port)
  }

  fail(problem: string): void {
    this.say({ _tag: "failed", problem })
  }

  /** Ends this thread: at once where nothing keeps it alive, and soon where something does. */
  leave(code: number): void {
    process.exitCode = code
    this.parent.close()
    setTimeout(() => process.exit(code), LINGER_MILLIS).unref()
  }

  private say(message: FromShard): void {
    this.parent.postMessage(message)
  }

  private receiveMessage(message: ToShard): void {
    switch (message._tag) {
      case "strays":
        this.receivers.get(message.port)?.(message.strays)
        return this.say({ _tag: "taken", by: message.shard, count: message.strays.length })
      case "taken":
        this.inTransit[message.by] = Math.max(0, this.inTransit[message.by] - message.count)
        return
      case "ask":
        Effect.runFork(
          Effect.map(this.answer(message.question), (answer) =>
            this.say({ _tag: "answer", id: message.id, answer })
          )
        )
        return
      case "stop":
        return this.onStop()
    }
  }

  private answer(question: Question): Effect.Effect<Answers[Question["about"]]> {
    const all = <A>(ask: (part: ShardedPart) => Effect.Effect<A>) =>
      Effect.forEach([...this.parts], ask, { concurrency: "unbounded" })
    switch (question.about) {
      case "statistics":
        return all(({ statistics }) => statistics)
      case "tree":
        return all(({ tree }) => tree)
      case "drain":
        return all(({ drain }) => drain(question.deadlineMillis, question.code, question.reason))
    }
  }
}

let found: ThisShard | undefined

/** The shard this thread is; undefined in other threads. */
export const thisShard = (): ThisShard | undefined => {
  const start = startOf(workerData)
  if (found === undefined && start !== undefined && parentPort !== null)
    found = new ThisShard(start, parentPort)
  return found
}
