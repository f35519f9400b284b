/**
 * Typed channels: a conversation is declared once, as a value; both sides get handles with the types of its messages.
 *
 * A declaration names the channels, the schema and direction of each, and how its messages are to travel. Channels share
 * a connection, or a `Peer` over its reconnects, and none waits for another's lost packets.
 *
 * | intent        | messages arrive                                                     | carried by                 |
 * |---------------|---------------------------------------------------------------------|----------------------------|
 * | `"ordered"`   | all, in order                                                       | one stream                 |
 * | `"unordered"` | all; one that is late holds up no other                             | a stream for each          |
 * | `"realtime"`  | most, and none that waited longer than its deadline to be sent      | a datagram for each        |
 * | `"latest"`    | the newest that got through; it replaces those not yet received, and none overtakes it | a datagram for each |
 *
 * `deliver` tells what becomes of a datagram. Datagrams need a `maxDatagramFrameBytes` above 0
 * in the `transport` options of the receiving side.
 *
 * **Example** (A replication link)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Channels, type QuicConnection } from "effect-quic"
 *
 * const Replication = Channels.make("replication", {
 *   version: 1,
 *   channels: {
 *     log: { direction: "serverToClient", message: Schema.Struct({ at: Schema.Int, entry: Schema.String }) },
 *     acks: { direction: "clientToServer", message: Schema.Int, priority: 1 }
 *   }
 * })
 *
 * const follow = (connection: QuicConnection) =>
 *   Effect.gen(function* () {
 *     const { log, acks } = yield* Channels.client(Replication, connection)
 *     yield* Stream.runForEach(log.messages, ({ at }) => acks.send(at))
 *   }).pipe(Effect.scoped)
 *
 * const lead = (connection: QuicConnection, entries: Stream.Stream<string>) =>
 *   Effect.gen(function* () {
 *     const { log } = yield* Channels.server(Replication, connection)
 *     yield* Stream.runForEach(Stream.zipWithIndex(entries), ([entry, at]) => log.send({ at, entry }))
 *     yield* log.close
 *   }).pipe(Effect.scoped)
 * ```
 *
 * **Details**
 *
 * - A channel that is open in both directions is two: each side sends on its own, and closes its own
 * - Leaving the scope of the handles closes all channels: after success what was sent is still delivered, and the other
 *   side's `messages` end; after a failure or an interrupt they fail with `StreamReset`
 * - A wrong message, or a wrong opening, ends that channel on both sides, and no other: see `ChannelFailed`
 * - A peer that does not receive makes `send` wait, on that channel alone; but what it has not received counts against the
 *   connection's flow control window, of which an ordered channel takes up to `maxStreamWindowBytes`, an unordered one
 *   1 MiB or one message: size `connectionWindowBytes` for the channels that may stand still at once
 * - Over a `Peer`, a lost connection fails a `send` and a `receive` once, as accepted messages may be lost, and the channel
 *   goes on with the next connection; one of datagrams goes on without notice
 *
 * Two sides understand each other if each one's `version` is at least the other's `oldestVersion`. Adding a channel, or an
 * optional field, needs no new version: a channel that the other side does not know is refused, and the others go on.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Clock from "effect/Clock"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Carrier } from "./Carrier.ts"
import { ChannelReceiver } from "./channels/ChannelReceiver.ts"
import type { MessageSchema } from "./channels/codec.ts"
import { monotonicMicros } from "./capability/TimerClock.ts"
import { type ChannelSpec, isDatagrams, setSpec, type SetSpec } from "./channels/declaration.ts"
import { datagramPrefixOf } from "./channels/preamble.ts"
import { receiveSet } from "./channels/receiveSet.ts"
import { makeSender } from "./channels/senders.ts"
import { millisOf } from "./durationOption.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import type { DatagramFate } from "./stream/DatagramQueue.ts"

export type { MessageSchema } from "./channels/codec.ts"
export { channelErrorCodes } from "./channels/errors.ts"

/**
 * A channel of a declaration.
 *
 * @category models
 * @since 0.1.0
 */
export interface Channel {
  /** Who sends: one side, or both. The client is the side that calls `Channels.client`. */
  readonly direction: "both" | "clientToServer" | "serverToClient"
  /** Schema of the messages. With `Schema.Uint8Array`, bytes are sent as they are. */
  readonly message: MessageSchema
  /** How the messages travel; see the table above. Default `"ordered"`. */
  readonly intent?: "ordered" | "unordered" | "realtime" | "latest"
  /** Channels of higher priority are sent first; equal ones take turns. Any integer, default 0. */
  readonly priority?: number
  /** Largest encoded message sent and accepted, in bytes. 1 to 2^32−1, default 16 MiB. */
  readonly maxBytes?: number
  /**
   * How long a realtime message may wait to be sent; it is then dropped. Above 0. Default: any time.
   */
  readonly deadline?: Duration.Input
  /** How messages are encoded: by Effect's SchemaBinary, or as JSON. Default `"binary"`. */
  readonly encoding?: "binary" | "json"
  /**
   * Messages may be received twice. Then they may be sent in the first flight, as 0-RTT data that an attacker can replay.
   * Default false: they wait for the end of the handshake. RFC 9001 §9.2
   */
  readonly replaySafe?: boolean
}

/**
 * What a set is made of.
 *
 * @category options
 * @since 0.1.0
 */
export interface SetOptions<Declared extends Readonly<Record<string, Channel>>> {
  /** The version that this side writes. 1 to 65,535, default 1. */
  readonly version?: number
  /** The oldest version that this side still understands. 1 to `version`, default `version`. */
  readonly oldestVersion?: number
  /** The channels by name. A name is the channel's identity on the wire. */
  readonly channels: Declared
}

/**
 * A declared set of channels.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChannelSet<Declared extends Readonly<Record<string, Channel>>> {
  /** Name of the set, which tells it from others on the same connection. */
  readonly name: string
  /** The channels as declared. */
  readonly channels: Declared
  /** @internal */
  readonly spec: SetSpec
}

/**
 * Sends the messages of a channel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sender<in Message> {
  /**
   * Sends a message; waits while the peer receives no more. Returns when it is accepted, not when it is received.
   *
   * Fails with `ChannelFailed`, and with the end of the connection; as a datagram, with `DatagramRefused` if it is too large for
   * one, or the peer accepts none.
   *
   * **Interruption**: while waiting; sends nothing.
   */
  send(message: Message): Effect.Effect<void, QuicError>
  /**
   * Ends the channel after what was sent, and waits until the peer has acknowledged all of it. Idempotent. Fails as `send`
   * does.
   *
   * **Interruption**: while waiting; the channel is closed.
   */
  readonly close: Effect.Effect<void, QuicError>
}

/**
 * Sends the messages of a channel of datagrams.
 *
 * @category models
 * @since 0.1.0
 */
export interface DatagramSender<in Message> extends Sender<Message> {
  /**
   * Sends a message as `send` does, and waits for what becomes of it. RFC 9221 §5.2
   *
   * `"acknowledged"`: it reached the peer's QUIC stack; whoever receives may still have a newer one. `"lost"`: it probably did
   * not arrive. `"dropped"`: newer ones took its place before it was sent. `"expired"`: it could not be sent within
   * `deadline`.
   *
   * **Interruption**: while waiting; the message stays queued or sent.
   */
  deliver(message: Message): Effect.Effect<DatagramFate, QuicError>
}

/**
 * How long to receive.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** After that time without a message, the result is `None`. A message that is there is received even after none. */
  readonly timeout: Duration.Input
}

/**
 * Receives the messages of a channel. Several fibers share them; each message goes to one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Receiver<out Message> {
  /**
   * The next message.
   *
   * Fails with `ChannelFailed` once the channel has ended, and with the end of the connection.
   *
   * **Interruption**: while waiting; consumes nothing.
   */
  receive(): Effect.Effect<Message, QuicError>
  /** The next message, or `None` if there is none within the time. Otherwise as above. */
  receive(options: ReceiveOptions): Effect.Effect<Option.Option<Message>, QuicError>
  /**
   * The messages, until the peer closes the channel. Fails as `receive` does.
   *
   * **Interruption**: the chunk its consumer was processing is lost with the consumer.
   */
  readonly messages: Stream.Stream<Message, QuicError>
  /**
   * How many datagrams have arrived and are not received: stale ones of a latest-only channel, those of a realtime channel
   * that newer ones have pushed out, and those which do not decode.
   */
  readonly discarded: Effect.Effect<number>
}

/**
 * The handle of a channel, for a side that sends in `Out` and receives in `In`.
 *
 * @category models
 * @since 0.1.0
 */
export type Handle<C extends Channel, Out, In> = (C["direction"] extends Out
  ? C["intent"] extends "realtime" | "latest"
    ? DatagramSender<Schema.Schema.Type<C["message"]>>
    : Sender<Schema.Schema.Type<C["message"]>>
  : unknown) &
  (C["direction"] extends In ? Receiver<Schema.Schema.Type<C["message"]>> : unknown)

/**
 * The client's handles: a `Sender`, a `Receiver`, or both, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type ClientHandles<Declared extends Readonly<Record<string, Channel>>> = {
  readonly [Name in keyof Declared]: Handle<
    Declared[Name],
    "both" | "clientToServer",
    "both" | "serverToClient"
  >
}

/**
 * The server's handles: a `Sender`, a `Receiver`, or both, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerHandles<Declared extends Readonly<Record<string, Channel>>> = {
  readonly [Name in keyof Declared]: Handle<
    Declared[Name],
    "both" | "serverToClient",
    "both" | "clientToServer"
  >
}

/**
 * Declares a set of channels. Throws a `QuicError` with `InvalidOption` for a bad one, which names the field.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Declared extends Readonly<Record<string, Channel>>>(
  name: string,
  options: SetOptions<Declared>
): ChannelSet<Declared> => {
  const spec = setSpec(name, options)
  return { name, channels: options.channels, spec }
}

/**
 * The client's side of a set, over a connection or a `Peer`: opens its channels, and claims those that the server opens.
 *
 * Returns at once; a channel is open once there is a connection. Fails with `InvalidOption` if the set is in use on the
 * carrier already, and with the end of the carrier.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client = <Declared extends Readonly<Record<string, Channel>>>(
  set: ChannelSet<Declared>,
  carrier: Carrier
): Effect.Effect<ClientHandles<Declared>, QuicError, Scope.Scope> =>
  Effect.map(openSet(set.spec, carrier, "clientToServer"), (handles) => handles as ClientHandles<Declared>)

/**
 * The server's side of a set; otherwise as `client`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = <Declared extends Readonly<Record<string, Channel>>>(
  set: ChannelSet<Declared>,
  carrier: Carrier
): Effect.Effect<ServerHandles<Declared>, QuicError, Scope.Scope> =>
  Effect.map(openSet(set.spec, carrier, "serverToClient"), (handles) => handles as ServerHandles<Declared>)

const openSet = Effect.fnUntraced(function* (
  set: SetSpec,
  carrier: Carrier,
  out: "clientToServer" | "serverToClient"
) {
  const scope = yield* Effect.scope
  const isOut = ({ direction }: ChannelSpec) => direction === "both" || direction === out
  const isIn = ({ direction }: ChannelSpec) => direction !== out
  const receivers = set.channels.filter(isIn).map((spec) => new ChannelReceiver(spec))
  const claim = set.channels.some(isDatagrams)
    ? yield* carrier.claimDatagrams(datagramPrefixOf(set.id))
    : undefined
  yield* receiveSet(carrier, set, new Map(receivers.map((receiver) => [receiver.spec.id, receiver])), claim)
  const epoch = (yield* Clock.currentTimeMillis) >>> 0
  const sending = { carrier, set, scope, claim, epoch }
  const handles: Record<string, object> = {}
  for (const spec of set.channels.filter(isOut)) {
    const sender = makeSender(sending, spec)
    yield* Effect.forkIn(Effect.ignore(sender.open), scope)
    const { send, close, deliver } = sender
    handles[spec.name] = deliver === undefined ? { send, close } : { send, close, deliver }
  }
  for (const receiver of receivers)
    handles[receiver.spec.name] = { ...handles[receiver.spec.name], ...receiverHandle(receiver) }
  return handles
})

const badTimeout = invalidOption("timeout", "a duration from 0, in an object of options")

const receiverHandle = (receiver: ChannelReceiver): Receiver<unknown> => ({
  receive: ((options?: ReceiveOptions) =>
    options === undefined ? receiver.next : receiveWithin(receiver, options)) as Receiver<unknown>["receive"],
  messages: Stream.fromPull(Effect.succeed(pullFrom(receiver))),
  discarded: Effect.sync(() => receiver.discarded)
})

/** All messages that are there, or else the next one. */
const pullFrom = (receiver: ChannelReceiver): Pull.Pull<NonEmptyReadonlyArray<unknown>, QuicError> =>
  Effect.matchEffect(receiver.next, {
    onSuccess: (first) => Effect.sync(() => [first, ...receiver.inbox.takeMessages()] as const),
    onFailure: (error): Pull.Pull<never, QuicError> =>
      receiver.isOrderly(error) ? Cause.done() : Effect.fail(error)
  })

/** Only waits in another fiber, and takes in this one: a message on its way between fibers could be lost. */
const receiveWithin = Effect.fnUntraced(function* (receiver: ChannelReceiver, options: ReceiveOptions) {
  const millis = millisOf(options?.timeout)
  if (millis === undefined || millis < 0) return yield* badTimeout
  const nowMicros = yield* monotonicMicros
  const deadlineMicros = nowMicros() + millis * 1000
  for (;;) {
    const there = receiver.taken()
    if (there !== undefined) return Option.some(yield* there)
    const left = deadlineMicros - nowMicros()
    if (left <= 0) return Option.none()
    yield* Effect.timeoutOption(receiver.ready, Math.ceil(left / 1000))
  }
})
