/** How the messages of a channel are sent, by its intent. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Carrier } from "../Carrier.ts"
import type { ClaimedDatagramOptions, DatagramClaim } from "../DatagramClaim.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import type { DatagramFate } from "../stream/DatagramQueue.ts"
import { type ChannelSpec, isDatagrams, type SetSpec } from "./declaration.ts"
import { ChannelStream, type Farewell } from "./ChannelStream.ts"
import { failedHere } from "./errors.ts"
import { Flight } from "./Flight.ts"
import { countFrame, frameOf } from "./frames.ts"
import { datagramOf, preambleOf, StreamKind } from "./preamble.ts"

/** A sender whose messages are not typed yet. */
export interface AnySender {
  /** Opens the channel, though there is nothing to send yet. */
  readonly open: Effect.Effect<unknown, QuicError>
  readonly close: Effect.Effect<void, QuicError>
  send(message: unknown): Effect.Effect<void, QuicError>
  /** Of datagrams. */
  readonly deliver?: (message: unknown) => Effect.Effect<DatagramFate, QuicError>
}

type Restore = <A, E, R>(use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const noFarewell = () => new Uint8Array(0)

/** The message as bytes, unless it does not fit the schema or the limit. */
const encoded = (spec: ChannelSpec, message: unknown): Effect.Effect<Uint8Array, QuicError> =>
  Effect.flatMap(
    Effect.mapError(spec.codec.encode(message), ({ message: problem }) =>
      failedHere(spec.name, "EncodeFailed", `the message does not fit the schema: ${problem}`)
    ),
    (bytes) =>
      bytes.length > spec.maxBytes
        ? Effect.fail(
            failedHere(
              spec.name,
              "FrameTooLarge",
              `${bytes.length} bytes, above the limit of ${spec.maxBytes}`
            )
          )
        : Effect.succeed(bytes)
  )

/** Frames on the stream of the channel. */
const ordered = (channel: ChannelStream): AnySender => ({
  open: channel.current,
  close: channel.close,
  send: (message) =>
    Effect.flatMap(encoded(channel.spec, message), (bytes) => {
      const frame = frameOf(bytes)
      return channel.using((stream) => stream.write(frame))
    })
})

/**
 * A stream for each message; at its end, the stream of the channel says how many there were.
 *
 * Only so much is on its way at a time as the receiver has room for: were it more, pieces of messages without room could
 * fill the connection's flow control window, and no message, nor any of another channel, would arrive.
 */
const unordered = (
  { version, oldest, id }: SetSpec,
  scope: Scope.Scope,
  make: (farewell: Farewell) => ChannelStream
): AnySender => {
  /** Sent since the channel was opened on this connection, by `counted`. */
  let sent = 0
  let counted: QuicStream | undefined
  const flight = new Flight()
  const channel = make((stream) => countFrame(stream === counted ? sent : 0))
  const { carrier, spec } = channel
  const { priority, replaySafe } = spec
  const preamble = preambleOf(id, { version, oldest, kind: StreamKind.message, channelId: spec.id })
  /** Only what waits can be interrupted: a stream that is reset after it is written to would end the channel. */
  const sendFrame = Effect.fnUntraced(function* (frame: Uint8Array, restore: Restore) {
    const own = yield* restore(channel.alive)
    const stream = yield* restore(carrier.openStream({ replaySafe }))
    yield* stream.setPriority(priority)
    yield* restore(stream.writeAll([preamble, frame]))
    sent = counted === own ? sent + 1 : 1
    counted = own
    yield* stream.finish
    return stream
  })
  /** Waits until the message is acknowledged, and then until it is taken. */
  const landed = (stream: QuicStream, frame: Uint8Array) =>
    Effect.ignore(stream.finished).pipe(
      Effect.ensuring(Effect.sync(() => flight.acknowledge())),
      Effect.andThen(Effect.ignore(stream.read())),
      Effect.ensuring(Effect.sync(() => flight.leave(frame.length)))
    )
  const send = Effect.fnUntraced(function* (message: unknown, restore: Restore) {
    const frame = frameOf(yield* restore(encoded(spec, message)))
    yield* restore(flight.join(frame.length))
    const own = yield* Scope.fork(scope)
    const failed = (cause: Cause.Cause<QuicError>) => {
      flight.acknowledge()
      flight.leave(frame.length)
      return Scope.close(own, Exit.failCause(cause))
    }
    const stream = yield* Effect.onError(Scope.provide(sendFrame(frame, restore), own), failed)
    yield* Effect.forkIn(
      Effect.ensuring(Effect.interruptible(landed(stream, frame)), Scope.close(own, Exit.void)),
      scope
    )
  })
  return {
    open: channel.current,
    close: Effect.andThen(channel.close, flight.over),
    send: (message) => Effect.uninterruptibleMask((restore) => send(message, restore))
  }
}

/** Numbered datagrams; the stream of the channel tells the peer that it is open, or that it is closed. */
const datagrams = (
  { version, oldest }: SetSpec,
  channel: ChannelStream,
  claim: DatagramClaim,
  epoch: number
): AnySender => {
  const { spec } = channel
  const { id: channelId, priority, deadlineMillis, replaySafe } = spec
  const options: ClaimedDatagramOptions = {
    priority,
    replaySafe,
    ...(deadlineMillis !== undefined && { deadline: deadlineMillis }),
    ...(spec.intent === "latest" && { latest: channelId })
  }
  let sequence = 0
  // no datagram is promised to arrive, so that the loss of a connection is no news
  const open = Effect.catch(channel.alive, () => channel.current)
  const datagram = (message: unknown) =>
    Effect.flatMap(encoded(spec, message), (bytes) =>
      Effect.map(open, () => datagramOf({ version, oldest, channelId, epoch, sequence: ++sequence }, bytes))
    )
  return {
    open: channel.current,
    close: channel.close,
    send: (message) => Effect.flatMap(datagram(message), (bytes) => claim.send(bytes, options)),
    deliver: (message) => Effect.flatMap(datagram(message), (bytes) => claim.deliver(bytes, options))
  }
}

/** What all channels of a set have in common on their carrier. */
export interface Sending {
  readonly carrier: Carrier
  readonly set: SetSpec
  readonly scope: Scope.Scope
  /** Of a set with channels of datagrams. */
  readonly claim: DatagramClaim | undefined
  /** Tells the datagrams of these handles from those of earlier ones. */
  readonly epoch: number
}

export const makeSender = ({ carrier, set, scope, claim, epoch }: Sending, spec: ChannelSpec): AnySender => {
  const make = (farewell: Farewell) => new ChannelStream(carrier, set, spec, scope, farewell)
  if (claim !== undefined && isDatagrams(spec)) return datagrams(set, make(noFarewell), claim, epoch)
  return spec.intent === "unordered" ? unordered(set, scope, make) : ordered(make(noFarewell))
}
