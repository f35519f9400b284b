/** A connection as a carrier: what protocols share of it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { serveStreams } from "./actor/serveStreams.ts"
import { openStream } from "./actor/streamSources.ts"
import { called, refuseFunction } from "./arguments.ts"
import { type Carrier, type OpenOptions, refuseOpenOptions, refusePreamble } from "./Carrier.ts"
import { acquireClaim, type Begun, claimWhile } from "./claims.ts"
import {
  deliverDatagram,
  maxDatagramPayloadBytes,
  receiveDatagram,
  receiveRefusal,
  sendDatagram
} from "./connectionDatagrams.ts"
import type { DatagramFate } from "./stream/DatagramQueue.ts"
import {
  claimedQueue,
  DatagramClaim,
  type DatagramClaimOptions,
  type DatagramPort,
  refuseDatagramClaim,
  takenPrefix
} from "./DatagramClaim.ts"
import { type PeerInfo, peerInfo } from "./PeerInfo.ts"
import type { QuicError } from "./QuicError.ts"
import { QuicStream } from "./QuicStream.ts"
import type { DatagramOptions } from "./SendOptions.ts"

/** The part of `QuicConnection` that is a `Carrier`. */
export abstract class ConnectionCarrier implements Carrier {
  /** @internal */
  readonly actor: ConnectionActor

  /** @internal */
  constructor(actor: ConnectionActor) {
    this.actor = actor
  }

  /** Opens a stream in either direction; see `Carrier`. `openBidi` and `openUni` wait for no handshake. */
  openStream(options?: OpenOptions): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return Effect.suspend(() => {
      const refusal = refuseOpenOptions(options)
      if (refusal !== undefined) return refusal
      const { unidirectional = false, replaySafe = false } = options ?? {}
      const open = openStream(this.actor, unidirectional, (stream) => new QuicStream(this.actor, stream))
      return replaySafe ? open : Effect.andThen(this.whenComplete, open)
    })
  }

  /** Serves the incoming streams that begin with `preamble`; see `Carrier`. */
  claimStreams<E, R>(
    preamble: Uint8Array,
    handler: (stream: QuicStream, connection: this) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Scope.Scope | Exclude<R, Scope.Scope>> {
    return (
      refusePreamble(preamble) ??
      refuseFunction(handler, "handler") ??
      claimWhile<Exclude<R, Scope.Scope>>(this.servePreamble(preamble, handler))
    )
  }

  /**
   * Claims in the step that runs it; ends with the connection, once the handlers are done or their time is up.
   *
   * @internal
   */
  servePreamble<E, R>(
    preamble: Uint8Array,
    handler: (stream: QuicStream, connection: this) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    const { actor } = this
    const serve = (stream: QuicStream) => called(() => handler(stream, this))
    return serveStreams(actor, (stream) => serve(new QuicStream(actor, stream)), {
      preamble: preamble.slice()
    })
  }

  /**
   * Queues a copy of `bytes` to be sent once, unreliably. While more than `sendBufferBytes` are queued, the oldest of the
   * lowest priority are dropped. RFC 9221
   *
   * **Errors**: `DatagramRefused` if it is larger than `maxDatagramPayloadBytes`; `InvalidOption` if `bytes` is no Uint8Array or an
   * option is out of range.
   *
   * **Interruption**: the datagram is queued completely or not at all.
   */
  sendDatagram(bytes: Uint8Array, options?: DatagramOptions): Effect.Effect<void, QuicError> {
    return sendDatagram(this.actor, bytes, options)
  }

  /** Largest payload of a datagram that can be sent now; 0 if the peer accepts none. RFC 9221 §3 */
  get maxDatagramPayloadBytes(): number {
    return maxDatagramPayloadBytes(this.actor)
  }

  /**
   * Sends a datagram as `sendDatagram` does, and waits for what becomes of it. RFC 9221 §5.2
   *
   * `"acknowledged"`: it reached the peer's QUIC stack; the application may still not read it. `"lost"`: it probably
   * did not arrive. `"dropped"`: it was never sent, as newer ones took its place. `"expired"`: it could not be sent within
   * its `deadline`.
   *
   * **Interruption**: while waiting; the datagram stays queued or sent.
   */
  deliverDatagram(bytes: Uint8Array, options?: DatagramOptions): Effect.Effect<DatagramFate, QuicError> {
    return deliverDatagram(this.actor, bytes, options)
  }

  /**
   * The next datagram that arrives.
   *
   * **Errors**: `DatagramRefused` if this side accepts none, as `transport.maxDatagramFrameBytes` is 0.
   *
   * **Interruption**: while waiting; consumes no datagram.
   */
  get receiveDatagram(): Effect.Effect<Uint8Array, QuicError> {
    return receiveDatagram(this.actor)
  }

  /** Claims the datagrams that begin with `prefix`; see `Carrier`. */
  claimDatagrams(
    prefix: number,
    options?: DatagramClaimOptions
  ): Effect.Effect<DatagramClaim, QuicError, Scope.Scope> {
    const { actor } = this
    const { changed } = actor.signals
    const port: DatagramPort = {
      actor: (early) => Effect.as(early ? Effect.void : this.whenComplete, actor),
      refusal: () => receiveRefusal(actor),
      changed
    }
    return Effect.suspend(() => {
      const refused = refuseDatagramClaim(prefix, options)
      if (refused !== undefined) return refused
      const queue = claimedQueue(options, changed)
      const begin = (): Begun => {
        if (actor.failure !== undefined) return { refusal: actor.failure }
        const release = actor.core.datagrams.claim(prefix, queue)
        return release === undefined ? { refusal: takenPrefix } : { release: Effect.sync(release) }
      }
      return acquireClaim(begin, new DatagramClaim(prefix, port, queue))
    })
  }

  /** Who is on the other side, once the handshake is complete. **Interruption**: while waiting. */
  get peerInfo(): Effect.Effect<PeerInfo, QuicError> {
    return Effect.map(this.whenComplete, () => peerInfo(this.actor))
  }

  /** Waits for the end of the connection and returns its reason. */
  get closed(): Effect.Effect<QuicError> {
    return Effect.suspend(() => {
      const { failure, signals } = this.actor
      return failure === undefined ? signals.closed.parkThen(this.closed) : Effect.flip(failure)
    })
  }

  /** Waits for the end of the handshake. */
  protected get whenComplete(): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { actor } = this
      if (actor.core.handshake.complete) return Effect.void
      return actor.failure ?? actor.signals.ready.parkThen(this.whenComplete)
    })
  }
}
