/**
 * The receiving side of one channel, over the connections of its carrier.
 *
 * One stream of the peer opens the channel; a second one at the same time is refused. What ends the channel ends it for
 * good: the peer's FIN, its reset, or a message that is wrong. A lost connection does not: whoever receives learns of it
 * once, and then waits for the next one.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { WaitList } from "../actor/WaitList.ts"
import type { Carrier } from "../Carrier.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import type { StreamReader } from "../StreamReader.ts"
import { type ChannelSpec, isDatagrams } from "./declaration.ts"
import { channelErrorCodes, codeOf, failedHere, failedThere, type Outcome, refuse } from "./errors.ts"
import { FLIGHT_BYTES } from "./Flight.ts"
import { countOf, readBody, readLength } from "./frames.ts"
import { Inbox, type Item } from "./Inbox.ts"
import type { DatagramHeader } from "./preamble.ts"

/** What is kept of an ordered channel for a slow receiver; the rest stays in the transport, under its flow control. */
const ORDERED_BYTES = 65_536

/** What is kept of an unordered channel, or else one message; and besides, what can be on its way. */
const UNORDERED_BYTES = 2 * 1024 * 1024

/** What is kept of a realtime channel for a slow receiver; newer messages push out older ones. */
const REALTIME_BYTES = 262_144

/** An incoming stream of the channel, behind its preamble. */
export interface Incoming {
  readonly stream: QuicStream
  readonly reader: StreamReader
  readonly connection: Carrier
}

const late = "its connection ended, and what had arrived was not received in time"

export class ChannelReceiver {
  readonly spec: ChannelSpec
  readonly inbox = new Inbox()
  /** Woken when the channel has ended, and with each message of an unordered one. */
  private readonly changed = new WaitList()
  /** Connections on which it is open. */
  private readonly open = new Set<Carrier>()
  /** What came over an earlier connection is received first. */
  private readonly turn = Semaphore.makeUnsafe(1)
  /** Messages that are arriving on streams of their own. */
  private arriving = 0
  /** How many messages an unordered one has received on each connection. */
  private readonly received = new WeakMap<Carrier, number>()
  private ended: QuicError | undefined = undefined
  /** Number of the newest message of a latest-only channel, and whose it is. */
  private newest = { epoch: 0, sequence: 0 }
  /** Datagrams that are not received. */
  discarded = 0
  /** Why the carrier is over. */
  private over: QuicError | undefined = undefined

  constructor(spec: ChannelSpec) {
    this.spec = spec
  }

  // — what the application sees ——————————————————————————————————————————————————————————————————————————————————

  /** Whether `next` has something to say. */
  get isReady(): boolean {
    return !this.inbox.isEmpty || this.end !== undefined
  }

  get ready(): Effect.Effect<void> {
    return Effect.suspend(() => (this.isReady ? Effect.void : this.inbox.arrived.parkThen(this.ready)))
  }

  get next(): Effect.Effect<unknown, QuicError> {
    return Effect.suspend(() => this.taken() ?? this.inbox.arrived.parkThen(this.next))
  }

  /** The next message, or why there is none; undefined if it has to be waited for. */
  taken(): Exit.Exit<unknown, QuicError> | Effect.Effect<never, QuicError> | undefined {
    return this.inbox.take() ?? (this.end === undefined ? undefined : Effect.fail(this.end))
  }

  /** Why no further message will arrive, if that is so. */
  private get end(): QuicError | undefined {
    return this.ended ?? (this.open.size + this.arriving === 0 ? this.over : undefined)
  }

  /** Whether `error` is the peer's FIN, rather than a failure. */
  isOrderly(error: QuicError): boolean {
    const { reason } = error
    return error === this.ended && reason._tag === "ChannelFailed" && reason.outcome === "Closed"
  }

  // — what the wire brings ———————————————————————————————————————————————————————————————————————————————————————

  /** The carrier is over: what has arrived can still be received. */
  finish(reason: QuicError): void {
    this.over = reason
    this.inbox.arrived.wakeAll()
  }

  /** The peer's set is too new or too old: the application has to know why nothing arrives. */
  incompatible(stream: QuicStream): Effect.Effect<void> {
    this.inbox.putFailure(failedHere(this.spec.name, "IncompatibleVersion"))
    return refuse(stream, channelErrorCodes.incompatibleVersion)
  }

  /** Serves the stream that opens the channel. */
  serve(incoming: Incoming): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { stream, connection } = incoming
      if (this.ended !== undefined) return refuse(stream, codeOf(this.ended))
      if (this.open.has(connection)) return refuse(stream, channelErrorCodes.duplicate)
      this.open.add(connection)
      const closed = Effect.sync(() => {
        this.open.delete(connection)
        this.inbox.arrived.wakeAll()
      })
      const work = this.spec.intent === "ordered" ? this.frames(incoming) : this.count(incoming)
      const inTurn = this.turn.withPermit(this.guarded(work, stream))
      return Effect.raceFirst(inTurn, this.whenEnded(stream)).pipe(Effect.ensuring(closed))
    })
  }

  /** Serves a stream that is one message. */
  serveMessage(incoming: Incoming): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { stream, connection } = incoming
      if (this.ended !== undefined) return refuse(stream, codeOf(this.ended))
      if (this.spec.intent !== "unordered") return refuse(stream, channelErrorCodes.badPreamble)
      const limit = Math.max(UNORDERED_BYTES, this.spec.maxBytes) + FLIGHT_BYTES
      let item: Item | undefined
      const put = (message: unknown, bytes: number) => {
        item = this.inbox.put(message, bytes)
      }
      const work = Effect.map(this.message(incoming, limit, put), (outcome) => {
        if (outcome !== "message") return outcome ?? "BadFrame"
        this.received.set(connection, (this.received.get(connection) ?? 0) + 1)
        this.changed.wakeAll()
        return undefined
      })
      this.arriving++
      const done = Effect.sync(() => {
        this.arriving--
        this.inbox.arrived.wakeAll()
      })
      // the end of the handler finishes our side of the stream, which tells the sender
      const taken = Effect.suspend(() => (item === undefined ? Effect.void : this.inbox.whenTaken(item)))
      return Effect.andThen(Effect.ensuring(this.guarded(work, stream), done), taken)
    })
  }

  /** Takes a datagram; one that is of no use is counted, and has no other effect. */
  datagram(header: DatagramHeader, bytes: Uint8Array): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (
        this.ended !== undefined ||
        !isDatagrams(this.spec) ||
        bytes.length > this.spec.maxBytes ||
        !this.isNewer(header)
      ) {
        this.discarded++
        return Effect.void
      }
      return Effect.match(this.spec.codec.decode(bytes), {
        onFailure: () => {
          this.discarded++
        },
        onSuccess: (message) => {
          if (this.spec.intent === "latest") {
            this.newest = header
            this.inbox.putNewest(message, bytes.length, 0)
          } else this.discarded += this.inbox.putNewest(message, bytes.length, REALTIME_BYTES)
        }
      })
    })
  }

  /** Of a latest-only channel, a message that was overtaken is of no use. */
  private isNewer({ epoch, sequence }: DatagramHeader): boolean {
    const { newest, spec } = this
    return spec.intent !== "latest" || epoch !== newest.epoch || sequence > newest.sequence
  }

  /** All messages of an ordered channel, to its end. */
  private frames(incoming: Incoming): Effect.Effect<Outcome | undefined, QuicError> {
    return Effect.flatMap(this.message(incoming, ORDERED_BYTES), (outcome) => {
      if (outcome === "message") return this.frames(incoming)
      if (outcome === undefined) this.conclude(failedThere(this.spec.name, channelErrorCodes.closed))
      return Effect.succeed(outcome)
    })
  }

  /** The end of another channel, for which an unordered one waits until it has received all messages. */
  private count({ reader, connection }: Incoming): Effect.Effect<Outcome | undefined, QuicError> {
    const isCounted = this.spec.intent === "unordered"
    const all = (count: number): Effect.Effect<void> =>
      Effect.suspend(() =>
        (this.received.get(connection) ?? 0) >= count ? Effect.void : this.changed.parkThen(all(count))
      )
    return Effect.gen({ self: this }, function* () {
      const length = yield* readLength(reader, 8)
      if (typeof length === "string") return length
      if ((length === undefined) === isCounted) return "BadFrame" as const
      if (length !== undefined) {
        const bytes = yield* readBody(reader, length)
        const count = typeof bytes === "string" ? undefined : countOf(bytes)
        if (count === undefined || (yield* reader.read()) !== undefined) return "BadFrame" as const
        yield* all(count)
      }
      this.conclude(failedThere(this.spec.name, channelErrorCodes.closed))
      return undefined
    })
  }

  /** Receives one message; undefined at the end of the stream. */
  private message(
    { reader }: Incoming,
    limit: number,
    put: (message: unknown, bytes: number) => void = (message, bytes) => this.inbox.put(message, bytes)
  ): Effect.Effect<Outcome | "message" | undefined, QuicError> {
    const { codec, maxBytes } = this.spec
    return Effect.flatMap(readLength(reader, maxBytes), (length) => {
      if (typeof length !== "number") return Effect.succeed(length)
      const receive = Effect.flatMap(readBody(reader, length), (bytes) =>
        typeof bytes === "string"
          ? Effect.succeed(bytes)
          : Effect.match(codec.decode(bytes), {
              onFailure: () => "DecodeFailed" as const,
              onSuccess: (message) => {
                put(message, length)
                return "message" as const
              }
            })
      )
      return this.withRoom(length, limit, receive)
    })
  }

  /** Room is reserved before the body is read: a message that does not fit yet stays under the peer's flow control. */
  private withRoom<A>(
    bytes: number,
    limit: number,
    receive: Effect.Effect<A, QuicError>
  ): Effect.Effect<A, QuicError> {
    return Effect.andThen(
      this.inbox.reserve(bytes, limit),
      Effect.onExit(receive, (exit) =>
        Effect.sync(() => {
          if (exit._tag === "Failure" || exit.value !== "message") this.inbox.release(bytes)
        })
      )
    )
  }

  /** A wrong message ends the channel, a lost connection only this stream. */
  private guarded(
    work: Effect.Effect<Outcome | undefined, QuicError>,
    stream: QuicStream
  ): Effect.Effect<void> {
    return Effect.matchEffect(work, {
      onSuccess: (outcome) => {
        if (outcome === undefined) return Effect.void
        const error = failedHere(this.spec.name, outcome)
        this.conclude(error)
        return refuse(stream, codeOf(error))
      },
      onFailure: (error) =>
        Effect.sync(() => {
          if (this.ended !== undefined) return
          if (error.reason._tag === "StreamReset") this.conclude(error)
          else this.lost(error)
        })
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          // its connection is over, and nobody has received in time what had arrived
          if (this.ended === undefined) this.lost(failedHere(this.spec.name, "Closed", late))
        })
      )
    )
  }

  /** Messages may be lost with the connection; of datagrams, none was promised. */
  private lost(error: QuicError): void {
    if (!isDatagrams(this.spec)) this.inbox.putFailure(error)
  }

  private conclude(reason: QuicError): void {
    this.ended ??= reason
    this.inbox.arrived.wakeAll()
    this.changed.wakeAll()
  }

  /** Tells the peer, once another stream has ended the channel. */
  private whenEnded(stream: QuicStream): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.ended === undefined
        ? this.changed.parkThen(this.whenEnded(stream))
        : refuse(stream, codeOf(this.ended))
    )
  }
}
