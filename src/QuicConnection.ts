/**
 * One connection: streams to open and accept, datagrams, the facts that were negotiated, and its end.
 *
 * A connection lives in the scope it was made in. Leaving that scope closes it: after success what was accepted is
 * still delivered (for `closeTimeoutMillis` at most), after a failure or an interrupt it ends at once.
 *
 * Every operation begins with a checkpoint: interrupted there it has changed nothing. After it, an operation that does
 * not wait happens wholly and at once; one that waits says what an interrupt leaves. What is taken or opened is the
 * caller's in the very step that takes it, so none is lost on the way.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { takeFrom } from "./actor/acquire.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import { closeDelivered } from "./actor/endConnection.ts"
import type { LocalPlace } from "./actor/PathActor.ts"
import { serveStreams } from "./actor/serveStreams.ts"
import type { StreamActor } from "./actor/StreamActor.ts"
import { acceptStream, openStream } from "./actor/streamSources.ts"
import { called, type Refusal, refuseBytes, refuseFunction } from "./arguments.ts"
import {
  type ConnectionFacts,
  type ConnectionStats,
  connectionFacts,
  connectionStats
} from "./ConnectionInfo.ts"
import { RebindSchema } from "./EndpointOptions.ts"
import { refuseExport } from "./exportArguments.ts"
import { DatagramRefused, type QuicError, quicError, withErrorCode } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import { QuicStream } from "./QuicStream.ts"
import type { DatagramFate } from "./stream/DatagramQueue.ts"
import type { Role } from "./wire/Role.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

export type { ConnectionFacts, ConnectionStats } from "./ConnectionInfo.ts"

/** What the header of a 0-RTT packet takes more than that of a 1-RTT packet: version, source ID, lengths. RFC 9000 §17.2.3 */
const LONG_HEADER_BYTES = 4 + 1 + 1 + 20 + 2

export class QuicConnection {
  /** @internal */
  readonly actor: ConnectionActor

  /** Made by `QuicEndpoint`; not for applications. */
  constructor(actor: ConnectionActor) {
    this.actor = actor
  }

  get role(): Role {
    return this.actor.core.config.role
  }

  get remoteAddress(): SocketAddress {
    return this.actor.core.path.remote
  }

  /**
   * Waits for the end of the handshake, and says what it settled. There is something to wait for only with 0-RTT: what
   * a client writes before may be replayed by others; what a server reads before may have been. A checkpoint, and it
   * only waits: interrupted, it has changed nothing.
   */
  get handshakeComplete(): Effect.Effect<ConnectionFacts, QuicError> {
    return Effect.suspend(() => {
      const { actor } = this
      if (actor.core.handshake.complete) return Effect.succeed(this.facts)
      return actor.failure ?? actor.signals.ready.parkThen(this.handshakeComplete)
    })
  }

  get facts(): ConnectionFacts {
    return connectionFacts(this.actor.core)
  }

  get stats(): ConnectionStats {
    return connectionStats(this.actor.core)
  }

  /**
   * Derives secret bytes that the two sides of this connection, and nobody else, can compute: equal arguments give equal
   * bytes on both. RFC 8446 §7.5
   *
   * **Details**
   *
   * They bind another protocol to this connection: signing or comparing them proves that both speak over the same one,
   * with nobody in between. Every label and context gives other bytes, and so does every connection, resumed or not.
   * The bytes are computed once the handshake is complete, also after the connection has ended.
   *
   * - `label`: what they are for, ASCII of 1 to 249 characters; registered ones begin with `EXPORTER` (RFC 5705 §6), others
   *   of one's own with `EXPERIMENTAL`
   * - `context`: what they are about, any bytes, or none
   * - `length`: how many, 1 to 8160
   *
   * **Errors**
   *
   * `InvalidOption` names the argument that is out of range; otherwise the reason why the handshake was not completed.
   *
   * **Interruption**
   *
   * Interruptible while the handshake goes on; it changes nothing.
   */
  exportKeyingMaterial(
    label: string,
    context: Uint8Array,
    length: number
  ): Effect.Effect<Uint8Array, QuicError> {
    return Effect.suspend(
      () =>
        refuseExport(label, context, length) ??
        Effect.map(this.handshakeComplete, () =>
          this.actor.core.handshake.exporter!.derive(label, context, length)
        )
    )
  }

  // — streams ———————————————————————————————————————————————————————————————————————————————————————————————————

  /**
   * Opens a stream both sides write, waiting while the peer's limit allows none. Nothing is sent until the first
   * `write` or `finish`. When its scope ends well the stream is finished, otherwise reset and stopped with code 0.
   * A checkpoint first, and whenever it waits; interrupted, it has opened none.
   */
  get openBidi(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return openStream(this.actor, false, (stream) => this.show(stream))
  }

  /**
   * Opens a stream only this side writes; a checkpoint first, and whenever it waits: interrupted, it has opened none.
   */
  get openUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return openStream(this.actor, true, (stream) => this.show(stream))
  }

  /** The next stream the peer has opened that goes both ways. A checkpoint first; interrupted, it has taken none. */
  get acceptBidi(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return acceptStream(this.actor, false, (stream) => this.show(stream))
  }

  /** The next stream the peer has opened that only it writes. A checkpoint first; interrupted, it has taken none. */
  get acceptUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return acceptStream(this.actor, true, (stream) => this.show(stream))
  }

  /**
   * Runs `handler` for every stream the peer opens, each in a fiber and a scope of its own, until the connection ends:
   * succeeds when it was closed with code 0 or fell idle, once the handlers still at work are done (they have
   * `closeTimeoutMillis` for that). A handler that fails or dies resets its own stream and is logged; the others never
   * notice.
   *
   * A checkpoint before each stream it takes. Interrupted, it interrupts the handlers, whose streams are reset and
   * stopped with code 0, and waits for them; streams without a handler stay to be accepted.
   */
  serveStreams<E, R>(
    handler: (stream: QuicStream) => Effect.Effect<void, E, R>
  ): Effect.Effect<void, QuicError, Exclude<R, Scope.Scope>> {
    return (
      refuseFunction(handler, "handler") ??
      serveStreams(this.actor, (stream) => called(() => handler(this.show(stream))))
    )
  }

  // — datagrams —————————————————————————————————————————————————————————————————————————————————————————————————

  /** The largest datagram that can be sent now, bytes; 0 when the peer takes none. RFC 9221 §3 */
  get maxDatagramBytes(): number {
    const { core } = this.actor
    const limit = Math.min(core.datagrams.peerMaxFrameBytes, core.path.maxFrameBytes)
    return core.datagrams.maxPayload(core.handshake.complete ? limit : limit - LONG_HEADER_BYTES)
  }

  /**
   * Sends a copy of `bytes` once, unreliably; when more than `sendBufferBytes` wait, the oldest are dropped. Fails with
   * `DatagramRefused` when it is too large. A checkpoint, then at once: interrupted, it has queued all of it or
   * nothing.
   */
  sendDatagram(bytes: Uint8Array): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const refusal = this.datagramRefusal(bytes)
      if (refusal !== undefined) return refusal
      this.actor.core.datagrams.send(bytes.slice(), false)
      this.actor.touch()
      return Effect.void
    })
  }

  /**
   * Sends as `sendDatagram` does, and waits for what becomes of it: `"acknowledged"` when it has reached the peer's
   * QUIC (the application may still not read it), `"lost"` when it probably has not, `"dropped"` when it never left. A
   * checkpoint first; interrupted while it waits, it only asks no longer. RFC 9221 §5.2
   */
  deliverDatagram(bytes: Uint8Array): Effect.Effect<DatagramFate, QuicError> {
    return Effect.suspend(() => {
      const { actor } = this
      return (
        this.datagramRefusal(bytes) ??
        Effect.callback((resume) => {
          const id = actor.core.datagrams.send(bytes.slice(), true)
          const forget = actor.onFate(id, (fate) => resume(fate))
          actor.touch()
          return Effect.sync(forget)
        })
      )
    })
  }

  private datagramRefusal(bytes: Uint8Array): Refusal {
    const failure = refuseBytes(bytes) ?? this.actor.failure
    if (failure !== undefined) return failure
    const limit = this.maxDatagramBytes
    if (limit === 0) return refuse("the peer takes no datagrams")
    return bytes.length > limit
      ? refuse(`a datagram of ${bytes.length} bytes; the path carries ${limit}`)
      : undefined
  }

  /** The next datagram that arrived. A checkpoint first, and whenever it waits; interrupted, it has taken none. */
  get receiveDatagram(): Effect.Effect<Uint8Array, QuicError> {
    const { actor } = this
    const { datagrams } = actor.core
    return takeFrom({
      has: () => datagrams.hasReceived,
      take: () => datagrams.receive(),
      refusal: () => actor.failure,
      changed: actor.signals.changed
    })
  }

  // — the connection itself —————————————————————————————————————————————————————————————————————————————————————

  /** Sends a PING; the answer keeps both sides from falling idle. A checkpoint, then at once. */
  get ping(): Effect.Effect<void, QuicError> {
    return this.command(() => this.actor.core.ping())
  }

  /**
   * Moves to another local address, a new port of the host when nothing is said: over a socket of its own, with
   * connection IDs not used before, as soon as the server has answered there. Until then, and if it does not, the
   * connection stays where it is. Fails with `MigrationFailed` on a server, and with a server that forbids it.
   * RFC 9000 §9
   *
   * A checkpoint first, and whenever it waits: interrupted before the server has answered, it gives up the way and
   * closes its socket; after that it has moved.
   */
  migrate(where: LocalPlace = {}): Effect.Effect<void, QuicError> {
    return Effect.flatMap(check(RebindSchema, where), (place) => this.actor.path.migrate(place))
  }

  /** Whether it is still to be seen if the peer answers over the path in use, or over one the connection moves to. */
  get isMigrating(): boolean {
    return this.actor.core.path.routes.isMoving
  }

  /** Waits until `isMigrating` or `remoteAddress` may have changed; interrupted, it has changed nothing. */
  get pathChanged(): Effect.Effect<void> {
    return this.actor.path.moved.park
  }

  /**
   * Changes the connection IDs in both directions, as far as the peer keeps any in store. A checkpoint, then at once.
   * RFC 9000 §5.1.2
   */
  get rotateConnectionIds(): Effect.Effect<void, QuicError> {
    return this.command(() => this.actor.rotateIds())
  }

  /** Asks for new packet keys; they change as soon as RFC 9001 §6 allows. A checkpoint, then at once. */
  get updateKeys(): Effect.Effect<void, QuicError> {
    return this.command(() => this.actor.core.updateKeys())
  }

  /** Waits for the end of the connection, and says what it was; interrupted, it has changed nothing. */
  get closed(): Effect.Effect<QuicError> {
    return Effect.suspend(() => {
      const { failure, signals } = this.actor
      return failure === undefined ? signals.closed.parkThen(this.closed) : Effect.flip(failure)
    })
  }

  /**
   * Delivers what was accepted, for `closeTimeoutMillis` at most, then closes with an application `code` (0 … 2^53−1)
   * and a `reason` for people. Idempotent. A checkpoint first; interrupted while it delivers, it closes at once, with
   * the same code.
   */
  close(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => closeDelivered(this.actor, code, reason), reason)
  }

  /** Closes at once; what is not delivered yet is lost. A checkpoint first. */
  closeNow(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => Effect.sync(() => this.actor.close(code, reason)), reason)
  }

  /** Closes with INTERNAL_ERROR, as after a defect. A checkpoint, then at once. */
  crash(reason: string): Effect.Effect<void> {
    return Effect.sync(() => this.actor.crash(reason))
  }

  private command(run: () => void): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      if (this.actor.failure !== undefined) return this.actor.failure
      run()
      this.actor.touch()
      return Effect.void
    })
  }

  private show(stream: StreamActor): QuicStream {
    return new QuicStream(this.actor, stream)
  }
}

const refuse = (problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new DatagramRefused({ problem })))
