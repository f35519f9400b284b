/** Datagrams of one connection: their size, and how they are sent and received. RFC 9221 */
import * as Effect from "effect/Effect"
import { takeFrom } from "./actor/acquire.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { type Refusal, refuseBytes } from "./arguments.ts"
import { DatagramRefused, type QuicError, quicError } from "./QuicError.ts"
import { type DatagramOptions, datagramIntent, refuseDatagramOptions } from "./SendOptions.ts"
import { type DatagramFate, NO_SPACE } from "./stream/DatagramQueue.ts"

/** How much longer the header of a 0-RTT packet is than that of a 1-RTT packet: version, source ID, lengths. RFC 9000 §17.2.3 */
const LONG_HEADER_BYTES = 4 + 1 + 1 + 20 + 2

export const maxDatagramPayloadBytes = ({ core }: ConnectionActor): number => {
  const limit = Math.min(core.datagrams.peerMaxFrameBytes, core.path.maxFrameBytes)
  return core.datagrams.maxPayload(core.handshake.complete ? limit : limit - LONG_HEADER_BYTES)
}

/** Queues a copy of `bytes`. */
export const sendDatagram = (
  actor: ConnectionActor,
  bytes: Uint8Array,
  options: DatagramOptions | undefined
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    const refusal = refusalOf(actor, bytes, options)
    if (refusal !== undefined) return refusal
    queue(actor, bytes.slice(), options, false)
    actor.touch()
    return Effect.void
  })

/** Queues `datagram` itself, of a claim whose keys are those of `space`. */
export const sendClaimed = (
  actor: ConnectionActor,
  datagram: Uint8Array,
  options: DatagramOptions | undefined,
  space: number
): Effect.Effect<void, QuicError> =>
  Effect.suspend(() => {
    const refusal = refusalOf(actor, datagram, options)
    if (refusal !== undefined) return refusal
    queue(actor, datagram, options, false, space)
    actor.touch()
    return Effect.void
  })

/** Queues a copy of `bytes`, and waits for what becomes of it. */
export const deliverDatagram = (
  actor: ConnectionActor,
  bytes: Uint8Array,
  options: DatagramOptions | undefined
): Effect.Effect<DatagramFate, QuicError> =>
  Effect.suspend(() => refuseBytes(bytes) ?? deliverClaimed(actor, bytes.slice(), options, NO_SPACE))

/** Queues `datagram` itself, as `sendClaimed` does, and waits for what becomes of it. */
export const deliverClaimed = (
  actor: ConnectionActor,
  datagram: Uint8Array,
  options: DatagramOptions | undefined,
  space: number
): Effect.Effect<DatagramFate, QuicError> =>
  Effect.suspend(
    () =>
      refusalOf(actor, datagram, options) ??
      Effect.callback((resume) => {
        const id = queue(actor, datagram, options, true, space)
        const forget = actor.onFate(id, (fate) => resume(fate))
        actor.touch()
        return Effect.sync(forget)
      })
  )

export const receiveDatagram = (actor: ConnectionActor): Effect.Effect<Uint8Array, QuicError> => {
  const { datagrams } = actor.core
  return takeFrom({
    has: () => datagrams.hasReceived,
    take: () => datagrams.receive(),
    refusal: () => receiveRefusal(actor),
    changed: actor.signals.changed
  })
}

/** Why a datagram is not waited for: none will come any more, or none can. */
export const receiveRefusal = ({ core, failure }: ConnectionActor): Refusal =>
  failure ??
  (core.config.transport.maxDatagramFrameBytes === 0
    ? refuse("this side accepts no datagrams: its transport.maxDatagramFrameBytes is 0, the default")
    : undefined)

const queue = (
  actor: ConnectionActor,
  bytes: Uint8Array,
  options: DatagramOptions | undefined,
  track: boolean,
  space = NO_SPACE
): number => {
  const intent = options === undefined ? undefined : datagramIntent(options, actor.now(), space)
  return actor.core.datagrams.send(bytes, track, intent)
}

const refusalOf = (
  actor: ConnectionActor,
  bytes: Uint8Array,
  options: DatagramOptions | undefined
): Refusal => {
  const failure = refuseBytes(bytes) ?? refuseDatagramOptions(options) ?? actor.failure
  if (failure !== undefined) return failure
  const limit = maxDatagramPayloadBytes(actor)
  if (limit === 0)
    return refuse("the peer accepts no datagrams: its transport.maxDatagramFrameBytes is 0, the default")
  return bytes.length > limit
    ? refuse(`a datagram of ${bytes.length} bytes; the path carries ${limit}`)
    : undefined
}

const refuse = (problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new DatagramRefused({ problem })))
