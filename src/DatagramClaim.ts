/** Datagrams of one protocol among several: those that begin with its number. */
import * as Effect from "effect/Effect"
import { takeFrom } from "./actor/acquire.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { WaitList } from "./actor/WaitList.ts"
import { isRecord, type Refusal, refuseBytes } from "./arguments.ts"
import { deliverClaimed, sendClaimed } from "./connectionDatagrams.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { type DatagramOptions, refuseDatagramOptions } from "./SendOptions.ts"
import type { DatagramFate } from "./stream/DatagramQueue.ts"
import { ReceivedDatagrams } from "./stream/ReceivedDatagrams.ts"
import { ByteWriter, varintSize } from "./wire/ByteWriter.ts"

/**
 * How many datagrams a claim keeps.
 *
 * @category options
 * @since 0.1.0
 */
export interface DatagramClaimOptions {
  /**
   * Most bytes of datagrams that wait to be received, each counted with 256 bytes of overhead; beyond that, the oldest are
   * dropped. 256 to 2^53−1, default 1 MiB.
   */
  readonly maxQueuedBytes?: number
}

/**
 * How a claim's datagrams are sent.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClaimedDatagramOptions extends DatagramOptions {
  /** It may arrive twice, and may be sent in the first flight, as 0-RTT data. Default false. RFC 9001 §9.2 */
  readonly replaySafe?: boolean
}

/** What a claim needs of its carrier. */
export interface DatagramPort {
  /** The connection to send on. Not before its handshake is complete, unless it is `early`. */
  actor(early: boolean): Effect.Effect<ConnectionActor, QuicError>
  /** Why none will arrive any more. */
  refusal(): Refusal
  /** Woken when one has arrived, and when none will any more. */
  readonly changed: WaitList
}

/**
 * The datagrams that begin with one number, in both directions. Made by `claimDatagrams`.
 *
 * @category models
 * @since 0.1.0
 */
export class DatagramClaim {
  /** What they begin with, as a variable-length integer: 1 byte below 64, 2 below 16,384. RFC 9000 §16 */
  readonly prefix: number
  private readonly port: DatagramPort
  private readonly queue: ReceivedDatagrams

  /** Called by `claimDatagrams`; not for applications. @internal */
  constructor(prefix: number, port: DatagramPort, queue: ReceivedDatagrams) {
    this.prefix = prefix
    this.port = port
    this.queue = queue
  }

  /**
   * Sends a copy of `bytes` with the prefix in front, which counts as part of the datagram; otherwise as
   * `sendDatagram` of the carrier. Keys of `latest` are its own: they replace nothing of other claims, nor of the
   * application. Waits for the end of the handshake, unless it is `replaySafe`: see `OpenOptions`.
   *
   * **Interruption**: the datagram is queued completely or not at all.
   */
  send(bytes: Uint8Array, options?: ClaimedDatagramOptions): Effect.Effect<void, QuicError> {
    return this.using(sendClaimed, bytes, options)
  }

  /**
   * Sends a datagram as `send` does, and waits for what becomes of it: see `QuicConnection.deliverDatagram`.
   *
   * **Interruption**: while waiting; the datagram stays queued or sent.
   */
  deliver(bytes: Uint8Array, options?: ClaimedDatagramOptions): Effect.Effect<DatagramFate, QuicError> {
    return this.using(deliverClaimed, bytes, options)
  }

  private using<A>(
    send: (
      actor: ConnectionActor,
      datagram: Uint8Array,
      options: DatagramOptions,
      space: number
    ) => Effect.Effect<A, QuicError>,
    bytes: Uint8Array,
    options: ClaimedDatagramOptions = {}
  ): Effect.Effect<A, QuicError> {
    return Effect.suspend(() => {
      const given: unknown = options
      if (!isRecord(given)) return badOptions
      const { replaySafe = false, ...intent } = options
      if (typeof replaySafe !== "boolean") return badReplaySafe
      const refusal = refuseBytes(bytes) ?? refuseDatagramOptions(intent)
      if (refusal !== undefined) return refusal
      const size = varintSize(this.prefix)
      const datagram = new Uint8Array(size + bytes.length)
      new ByteWriter(datagram).varint(this.prefix)
      datagram.set(bytes, size)
      return Effect.flatMap(this.port.actor(replaySafe), (actor) =>
        send(actor, datagram, intent, this.prefix)
      )
    })
  }

  /**
   * The next datagram, without the prefix.
   *
   * **Errors**: the reason of its end, once the carrier is closed and none is left; `DatagramRefused` if this side of its
   * connection accepts none, as `transport.maxDatagramFrameBytes` is 0.
   *
   * **Interruption**: while waiting; consumes no datagram.
   */
  get receive(): Effect.Effect<Uint8Array, QuicError> {
    const { queue, port } = this
    return takeFrom({
      has: () => queue.length > 0,
      take: () => queue.shift(),
      refusal: () => port.refusal(),
      changed: port.changed
    })
  }

  /** How many were dropped because they were not received in time. */
  get dropped(): number {
    return this.queue.dropped
  }
}

const DEFAULT_QUEUED_BYTES = 1024 * 1024
const badPrefix = invalidOption("prefix", "an integer from 0 to 2^53-1")
const badOptions = invalidOption("options", "an object of options")
const badReplaySafe = invalidOption("replaySafe", "true or false")
const badQueued = invalidOption("maxQueuedBytes", "an integer from 256 to 2^53-1")

/** Fails because of another claim. */
export const takenPrefix = invalidOption("prefix", "a number that no other claim has")

export const refuseDatagramClaim = (prefix: unknown, options: unknown): Refusal => {
  if (!Number.isSafeInteger(prefix) || (prefix as number) < 0) return badPrefix
  if (options === undefined) return undefined
  if (!isRecord(options)) return badOptions
  const { maxQueuedBytes = DEFAULT_QUEUED_BYTES, ...others } = options
  const [other] = Object.keys(others)
  if (other !== undefined) return invalidOption(other, "one of the known options: maxQueuedBytes")
  return Number.isSafeInteger(maxQueuedBytes) && (maxQueuedBytes as number) >= 256 ? undefined : badQueued
}

/** The queue of a claim, whose arguments were checked, wakes `changed`. */
export const claimedQueue = (
  options: DatagramClaimOptions | undefined,
  changed: WaitList
): ReceivedDatagrams =>
  new ReceivedDatagrams(options?.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES, () => changed.wakeAll())
