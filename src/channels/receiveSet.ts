/** Brings the incoming streams of a channel set to their channels, or refuses them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Carrier } from "../Carrier.ts"
import type { DatagramClaim } from "../DatagramClaim.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { StreamReader } from "../StreamReader.ts"
import type { ChannelReceiver } from "./ChannelReceiver.ts"
import { isDatagrams, type SetSpec } from "./declaration.ts"
import { channelErrorCodes, refuse } from "./errors.ts"
import {
  areCompatible,
  claimOf,
  datagramHeaderOf,
  HEADER_BYTES,
  headerOf,
  type StreamHeader,
  StreamKind
} from "./preamble.ts"

/** Time for the rest of a preamble, which its sender writes as one. */
const PREAMBLE_MILLIS = 5_000

/** Undefined if it is malformed, cut off or late. */
const readHeader = (reader: StreamReader): Effect.Effect<StreamHeader | undefined, QuicError> =>
  Effect.catchReasons(
    Effect.map(reader.readExactly(HEADER_BYTES, { within: PREAMBLE_MILLIS }), (bytes) =>
      bytes === undefined ? undefined : headerOf(bytes)
    ),
    "QuicError",
    { ReadTimeout: () => Effect.undefined, StreamEnded: () => Effect.undefined }
  )

/** Until the scope ends. `receivers` are those of the channels that this side receives. */
export const receiveSet = (
  carrier: Carrier,
  set: SetSpec,
  receivers: ReadonlyMap<number, ChannelReceiver>,
  datagrams: DatagramClaim | undefined
): Effect.Effect<void, QuicError, Scope.Scope> => {
  const limit = Math.max(...set.channels.map(({ maxBytes }) => maxBytes), 64)

  const serve = Effect.fnUntraced(function* (stream: QuicStream, connection: Carrier) {
    const reader = new StreamReader(stream, { maxBytes: limit })
    const header = yield* readHeader(reader)
    if (header === undefined) return yield* refuse(stream, channelErrorCodes.badPreamble)
    const receiver = receivers.get(header.channelId)
    if (!areCompatible(header, set))
      return yield* receiver?.incompatible(stream) ?? refuse(stream, channelErrorCodes.incompatibleVersion)
    if (receiver === undefined) {
      const isKnown = set.channels.some(({ id }) => id === header.channelId)
      const { wrongDirection, unknownChannel } = channelErrorCodes
      return yield* refuse(stream, isKnown ? wrongDirection : unknownChannel)
    }
    const incoming = { stream, reader, connection }
    return yield* header.kind === StreamKind.channel
      ? receiver.serve(incoming)
      : receiver.serveMessage(incoming)
  })

  /** Fails once the carrier is over, and what has arrived is received. */
  const receiveDatagrams = (claim: DatagramClaim): Effect.Effect<never, QuicError> =>
    Effect.forever(
      Effect.flatMap(claim.receive, (bytes) => {
        const header = datagramHeaderOf(bytes)
        if (header === undefined || !areCompatible(header, set)) return Effect.void
        return receivers.get(header.channelId)?.datagram(header, header.message) ?? Effect.void
      })
    )

  return Effect.gen(function* () {
    yield* carrier.claimStreams(claimOf(set.id), serve)
    if (datagrams !== undefined)
      yield* Effect.forkScoped(
        Effect.catchReason(receiveDatagrams(datagrams), "QuicError", "DatagramRefused", (_, refused) =>
          Effect.sync(() => {
            for (const receiver of receivers.values())
              if (isDatagrams(receiver.spec)) receiver.finish(refused)
          })
        )
      )
    const over = Effect.map(carrier.closed, (reason) => {
      for (const receiver of receivers.values()) receiver.finish(reason)
    })
    yield* Effect.forkScoped(over)
  })
}
