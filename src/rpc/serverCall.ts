/** One call on the server: its request, its handler and its replies. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { FromClientEncoded, FromServerEncoded, RequestEncoded } from "effect/rpc/RpcMessage"
import type { Parser } from "effect/rpc/RpcSerialization"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { type BudgetedCall, CALL_BYTES, type CallBudget } from "./CallBudget.ts"
import { type Arrival, BadFrame, frameOf, readFrame, rpcErrorCodes } from "./frames.ts"
import type { ArrivingCall, RequestDeadlines } from "./RequestDeadlines.ts"

/** What the calls of a server share. */
export interface CallLimits {
  readonly maxBytes: number
  readonly deadlines: RequestDeadlines
  readonly budget: CallBudget
}

export class ServerCall implements ArrivingCall, BudgetedCall, Arrival {
  readonly owner: QuicConnection
  readonly stream: QuicStream
  /** For `CallBudget`. */
  charged = 0
  arrived = 0
  /** Room for the request, while it arrives. */
  private requestRoom = 0
  /** Length of the reply that waits for room in the send buffer. */
  private waiting = 0
  private readonly parser: Parser
  private readonly limits: CallLimits
  private readonly ended = Deferred.makeUnsafe<void, BadFrame>()
  private request: RequestEncoded | undefined = undefined
  /** The caller wanted no reply, and knows that its call has begun. */
  private isDetached = false
  private cutShort: BadFrame | undefined = undefined

  constructor(owner: QuicConnection, stream: QuicStream, parser: Parser, limits: CallLimits) {
    this.owner = owner
    this.stream = stream
    this.parser = parser
    this.limits = limits
  }

  /** Undefined if the stream ends before a request begins. */
  get readRequest(): Effect.Effect<RequestEncoded | undefined, QuicError | BadFrame> {
    const { deadlines, maxBytes } = this.limits
    deadlines.begin(this)
    const read = Effect.flatMap(readFrame(this.stream, maxBytes, this), (frame) => {
      if (this.cutShort !== undefined) return Effect.fail(this.cutShort)
      if (frame === undefined) return Effect.undefined
      return Effect.map(this.decode(frame), (request) => {
        this.request = request
        return request
      })
    })
    return Effect.onExit(
      Effect.mapError(read, (error) => this.cutShort ?? error),
      () =>
        Effect.sync(() => {
          deadlines.end(this)
          this.requestRoom = 0
        })
    )
  }

  get holds(): number {
    return this.requestRoom + this.waiting + this.stream.unacknowledgedBytes
  }

  readonly received = (bytes: number): void => {
    this.arrived += bytes
  }

  readonly reserved = (bytes: number): void => {
    this.requestRoom += bytes
    this.limits.budget.raise(this)
  }

  readonly expire = (): void =>
    this.cut(new BadFrame(rpcErrorCodes.requestTimeout, "the request did not arrive"))

  readonly evict = (): void => this.cut(new BadFrame(rpcErrorCodes.busy, "open calls hold too much"))

  /** Ends the call in whatever it is doing. */
  private cut(why: BadFrame): void {
    this.cutShort ??= why
    Deferred.doneUnsafe(this.ended, Exit.fail(why))
    // wakes those who read and write
    Effect.runSync(Effect.ignore(Effect.andThen(this.stream.stop(why.code), this.stream.reset(why.code))))
  }

  private decode(frame: Uint8Array): Effect.Effect<RequestEncoded, BadFrame> {
    let messages: ReadonlyArray<FromClientEncoded>
    try {
      messages = this.parser.decode(frame) as ReadonlyArray<FromClientEncoded>
    } catch (cause) {
      return Effect.fail(bad("a frame does not decode", cause))
    }
    const [request] = messages
    return messages.length === 1 && request?._tag === "Request"
      ? Effect.succeed(request)
      : Effect.fail(bad("a call begins with one request"))
  }

  /**
   * Ends with the handler. A caller that goes away interrupts it, unless it is detached, which is a failure even so: what
   * `RpcServer` knows of the call must be removed, which it may just have done itself. Fails with the connection, and with
   * what the caller does wrong.
   */
  untilDone(
    interrupt: Effect.Effect<void>,
    connectionEnd: Effect.Effect<never, QuicError>
  ): Effect.Effect<void, QuicError | BadFrame> {
    let left: QuicError | undefined
    const callerLeft = (error: QuicError) => {
      if (this.isDetached) return connectionEnd
      left = error
      return Effect.andThen(interrupt, connectionEnd)
    }
    return Effect.suspend(() => {
      const ended = Deferred.await(this.ended)
      // a handler that waits for nothing needs nobody to watch its caller
      if (Deferred.isDoneUnsafe(this.ended)) return ended
      // the handler of a call that wanted no reply goes on after that has arrived
      const watched = Effect.raceFirst(this.untilReset, Effect.andThen(this.stream.finished, connectionEnd))
      return Effect.flatMap(Effect.raceFirst(ended, Effect.catchIf(watched, isOfStream, callerLeft)), () =>
        left === undefined ? Effect.void : Effect.fail(left)
      )
    })
  }

  /** A caller that has finished its side still waits for the reply. */
  private get untilReset(): Effect.Effect<never, QuicError | BadFrame> {
    return Effect.flatMap(this.stream.read(1), (more) =>
      more === undefined ? Effect.never : Effect.fail(bad("a call has one request"))
    )
  }

  /** Waits while flow control allows no more. Whether the caller is still there is the business of `untilDone`. */
  respond(response: FromServerEncoded): Effect.Effect<void> {
    let encoded: Uint8Array | string | undefined
    try {
      encoded = this.parser.encode(response)
    } catch (cause) {
      return this.failed(bad("a reply does not encode", cause))
    }
    if (encoded === undefined) return Effect.void
    return Effect.flatMap(frameOf(encoded, this.limits.maxBytes), (frame) => this.write(frame)).pipe(
      Effect.andThen(response._tag === "Exit" ? this.finishReply : Effect.void),
      Effect.catch((error) => (error instanceof BadFrame ? this.failed(error) : Effect.void))
    )
  }

  /** The end travels with the exit: the caller is not told to expect more. */
  private get finishReply(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.request?.discard === true) this.isDetached = true
      return this.stream.finish
    })
  }

  private write(frame: Uint8Array): Effect.Effect<void, QuicError> {
    this.waiting = frame.length
    this.limits.budget.raise(this)
    return Effect.onExit(this.stream.write(frame), () => Effect.sync(() => (this.waiting = 0)))
  }

  /** A long reply counts until its caller has it. */
  get untilDelivered(): Effect.Effect<void> {
    return Effect.flatMap(this.stream.finish, () =>
      this.stream.unacknowledgedBytes > CALL_BYTES ? Effect.ignore(this.stream.finished) : Effect.void
    )
  }

  private failed(error: BadFrame): Effect.Effect<void> {
    return Effect.asVoid(Deferred.fail(this.ended, error))
  }

  get end(): Effect.Effect<void> {
    return Effect.asVoid(Deferred.succeed(this.ended, undefined))
  }
}

const bad = (message: string, cause?: unknown): BadFrame =>
  new BadFrame(rpcErrorCodes.badFrame, message, cause)

const isOfStream = (error: QuicError | BadFrame): error is QuicError =>
  !(error instanceof BadFrame) &&
  (error.reason._tag === "StreamReset" || error.reason._tag === "StreamStopped")
