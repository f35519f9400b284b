/** One thread of a sharded endpoint, as its parent sees it. */
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"
import { type QuicError, quicError, ShardFailed } from "../../../src/QuicError.ts"
import type { SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Answers, FromShard, Question, ShardStart, Strays, ToShard } from "./messages.ts"

/** How long a thread that was asked to end may take. */
const STOP_MILLIS = 2000

/** What threads tell their parent that concerns the others. */
export interface Exchange {
  readonly onStrays: (from: number, strays: Strays) => void
  readonly onTaken: (by: number, from: number, count: number) => void
}

export class ShardWorker {
  readonly index: number
  /** Its first endpoint is bound. */
  readonly listening = Deferred.makeUnsafe<SocketAddress, QuicError>()
  /** The thread has ended: by itself, or why. */
  readonly ended = Deferred.makeUnsafe<void, QuicError>()
  private readonly worker: Worker
  private readonly exchange: Exchange
  private readonly asked = new Map<number, (answer: Exit.Exit<never, QuicError> | unknown) => void>()
  private nextId = 0
  private problem: string | undefined = undefined

  constructor(module: URL, start: ShardStart, exchange: Exchange) {
    this.index = start.effectQuicShard.index
    this.exchange = exchange
    this.worker = new Worker(module, { workerData: start, argv: process.argv.slice(2) })
    this.worker.on("message", (message: FromShard) => this.receive(message))
    this.worker.on("error", (error) => {
      this.problem ??= error instanceof Error ? error.message : String(error)
    })
    this.worker.on("exit", (code) => this.onExit(code))
  }

  /** Without effect on a thread that has ended. */
  post(message: ToShard): void {
    this.worker.postMessage(message)
  }

  /** Fails with `ShardFailed` if the thread ends before it answers. */
  ask<About extends Question["about"]>(
    question: Extract<Question, { readonly about: About }>
  ): Effect.Effect<Answers[About], QuicError> {
    return Effect.callback((resume) => {
      if (Deferred.isDoneUnsafe(this.ended)) return resume(Effect.fail(this.failure))
      const id = this.nextId++
      this.asked.set(id, (answer) =>
        resume(answer === undefined ? Effect.fail(this.failure) : Effect.succeed(answer as Answers[About]))
      )
      this.post({ _tag: "ask", id, question })
      return Effect.sync(() => void this.asked.delete(id))
    })
  }

  /** Asks the thread to end, and ends it. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.post({ _tag: "stop" })
    return Effect.ignore(Effect.timeout(Deferred.await(this.ended), STOP_MILLIS))
  }).pipe(
    Effect.andThen(Effect.promise(() => this.worker.terminate())),
    Effect.andThen(Effect.ignore(Deferred.await(this.ended)))
  )

  private get failure(): QuicError {
    const { index, problem = "its thread has ended" } = this
    return quicError(new ShardFailed({ shard: index, problem }))
  }

  private receive(message: FromShard): void {
    switch (message._tag) {
      case "listening":
        return void Deferred.doneUnsafe(this.listening, Exit.succeed(message.address))
      case "answer": {
        const resume = this.asked.get(message.id)
        this.asked.delete(message.id)
        return resume?.(message.answer)
      }
      case "strays":
        return this.exchange.onStrays(this.index, message)
      case "taken":
        return this.exchange.onTaken(this.index, message.by, message.count)
      case "failed":
        this.problem = message.problem
    }
  }

  private onExit(code: number): void {
    if (code !== 0) this.problem ??= `its thread ended with code ${code}`
    const isFailure = this.problem !== undefined
    Deferred.doneUnsafe(this.ended, isFailure ? Exit.fail(this.failure) : Exit.void)
    Deferred.doneUnsafe(this.listening, Exit.fail(this.failure))
    for (const resume of this.asked.values()) resume(undefined)
    this.asked.clear()
  }
}

/** Starts a thread that ends with the scope. */
export const startWorker = (
  module: URL,
  start: ShardStart,
  exchange: Exchange
): Effect.Effect<ShardWorker, QuicError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new ShardWorker(module, start, exchange),
      // data that cannot be cloned, among others
      catch: (error) =>
        quicError(new ShardFailed({ shard: start.effectQuicShard.index, problem: String(error) }))
    }),
    (worker) => worker.stop
  )
