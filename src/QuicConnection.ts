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
import { refuseExport } from "./exportArguments.ts"
import type { Role } from "./wire/Role.ts"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { called, type Refusal, refuseBytes, refuseFunction } from "./arguments.ts"
import type { PeerCertificate } from "./capability/CertificateVerifier.ts"
import type { NamedGroup } from "./capability/CryptoSuite.ts"
import { acquire, type Source, takeFrom } from "./actor/acquire.ts"
import type { RunFork } from "./actor/Branch.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { LocalPlace } from "./actor/PathActor.ts"
import type { Fifo } from "./internal/Fifo.ts"
import { cipherSuites } from "./protect/CipherSuite.ts"
import { DatagramRefused, QuicError, quicError, withErrorCode } from "./QuicError.ts"
import { RebindSchema } from "./EndpointOptions.ts"
import { check } from "./QuicOptions.ts"
import { QuicStream } from "./QuicStream.ts"
import type { DatagramFate } from "./stream/DatagramQueue.ts"
import type { Version } from "./wire/PacketType.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/** What the handshake settled. */
export interface ConnectionFacts {
  readonly version: Version
  /** For example `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  readonly group: NamedGroup
  readonly alpn: string
  readonly serverName: string | undefined
  /** What the peer proved to hold, now or in the session that is resumed; undefined for a client that was not asked. */
  readonly peer: PeerCertificate | undefined
  /** A session ticket stood in for certificates. Before the handshake is complete: if the server goes along. */
  readonly resumed: boolean
  /** What became of 0-RTT: `"none"` when it was not tried, `"pending"` until the server has decided. */
  readonly earlyData: "none" | "pending" | "accepted" | "rejected"
}

/** A snapshot; sizes in bytes, times in milliseconds, counts since the start. */
export interface ConnectionStats {
  readonly smoothedRttMillis: number
  readonly minRttMillis: number
  readonly congestionWindowBytes: number
  readonly bytesInFlight: number
  readonly datagramBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly datagramsSent: number
  readonly datagramsReceived: number
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly bytesLost: number
  /** Received, but not ours, malformed, duplicate or not authentic. */
  readonly packetsDropped: number
  /** Datagrams (RFC 9221) that newer ones took the place of, before they were sent or read. */
  readonly sendDatagramsDropped: number
  readonly receiveDatagramsDropped: number
  readonly probeTimeouts: number
  readonly keyUpdates: number
  /** Times that loss, or the network's ECN marks, made the sender slow down. */
  readonly congestionEvents: number
  /** Whether packets carry ECN marks: being found out, or settled. RFC 9000 §13.4.2 */
  readonly ecn: "testing" | "unknown" | "capable" | "failed"
}

/** What the header of a 0-RTT packet takes more than that of a 1-RTT packet: version, source ID, lengths. RFC 9000 §17.2.3 */
const LONG_HEADER_BYTES = 4 + 1 + 1 + 20 + 2
/** Codes with which a scope that ends badly resets its streams. */
const CANCELLED = 0

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
      return actor.failure ?? actor.ready.parkThen(this.handshakeComplete)
    })
  }

  get facts(): ConnectionFacts {
    const { core } = this.actor
    const facts = core.handshake.facts!
    return {
      version: core.versions.negotiated,
      cipherSuite: cipherSuites.get(facts.cipherSuite)!.name,
      group: facts.group,
      alpn: facts.alpn,
      serverName: facts.serverName,
      resumed: facts.resumed,
      earlyData: facts.earlyData,
      peer:
        facts.peer === undefined
          ? undefined
          : facts.peer._tag === "x509"
            ? { _tag: "x509", chain: facts.peer.chain }
            : { _tag: "rawPublicKey", spki: facts.peer.spki }
    }
  }

  get stats(): ConnectionStats {
    const { core } = this.actor
    const { path } = core
    const { recovery } = path
    const { counters } = core.receiver
    return {
      smoothedRttMillis: recovery.rtt.smoothedMicros / 1000,
      minRttMillis: recovery.rtt.minMicros / 1000,
      congestionWindowBytes: recovery.congestionWindow,
      bytesInFlight: recovery.bytesInFlight,
      datagramBytes: path.mtu.current,
      ...path.traffic,
      packetsSent: recovery.counters.packetsSent,
      packetsReceived: counters.received,
      packetsLost: recovery.counters.packetsLost,
      bytesLost: recovery.counters.bytesLost,
      packetsDropped: counters.dropped + counters.duplicates + counters.undecryptable,
      sendDatagramsDropped: core.datagrams.sendDropped,
      receiveDatagramsDropped: core.datagrams.receiveDropped,
      probeTimeouts: recovery.counters.probeTimeouts,
      keyUpdates: core.keys.phases.updates,
      congestionEvents: recovery.counters.congestionEvents,
      ecn: path.ecn.state
    }
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
    return this.scoped(this.openable(false))
  }

  /**
   * Opens a stream only this side writes; a checkpoint first, and whenever it waits: interrupted, it has opened none.
   */
  get openUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.scoped(this.openable(true))
  }

  /** The next stream the peer has opened that goes both ways. A checkpoint first; interrupted, it has taken none. */
  get acceptBidi(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.scoped(this.opened(this.actor.openedBidirectional))
  }

  /** The next stream the peer has opened that only it writes. A checkpoint first; interrupted, it has taken none. */
  get acceptUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return this.scoped(this.opened(this.actor.openedUnidirectional))
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
    const { actor } = this
    const refusal = refuseFunction(handler, "handler")
    if (refusal !== undefined) return refusal
    // on a connection that is over every handler fails, and none is to blame; nor for what the peer does to the stream
    const isNews = (cause: Cause.Cause<unknown>): boolean =>
      Cause.hasDies(cause) || (actor.failure === undefined && !isEndedByPeer(Cause.squash(cause)))
    const serve = Effect.gen({ self: this }, function* () {
      const runFork = Effect.runForkWith(yield* Effect.context<Exclude<R, Scope.Scope>>())
      const handlers = yield* Effect.acquireRelease(
        Effect.sync(() => actor.handlers.open(runFork as RunFork)),
        (group) => actor.handlers.close(group)
      )
      const start = (stream: QuicStream): void => {
        const handled = Effect.scoped(called(() => handler(stream))) as Effect.Effect<void, E>
        actor.stream(stream.id).handler = handlers.leaf(handled, (exit) => {
          if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
            const log = isNews(exit.cause) ? Effect.logWarning : Effect.logDebug
            runFork(log(`stream ${stream.id} failed`, exit.cause))
          }
          this.endStream(stream, exit)
        })
      }
      const bidirectional = this.opened(actor.openedBidirectional)
      const unidirectional = this.opened(actor.openedUnidirectional)
      const serveOne = Effect.suspend(() => {
        const stream = (bidirectional.has() ? bidirectional : unidirectional).take()
        if (stream === undefined) return actor.failure ?? actor.changed.park
        // in the same step: no interrupt falls before there is a fiber that answers for the stream
        start(stream)
        return Effect.void
      })
      yield* Effect.forever(serveOne, { disableYield: true }).pipe(
        Effect.catch((error: QuicError) => (isQuietEnd(error) ? Effect.void : Effect.fail(error)))
      )
      yield* Effect.timeoutOption(handlers.whenEmpty, actor.core.config.transport.closeTimeoutMillis)
    })
    return Effect.scoped(serve)
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
      changed: actor.changed
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
      const { failure, closed } = this.actor
      return failure === undefined ? closed.parkThen(this.closed) : Effect.flip(failure)
    })
  }

  /**
   * Delivers what was accepted, for `closeTimeoutMillis` at most, then closes with an application `code` (0 … 2^53−1)
   * and a `reason` for people. Idempotent. A checkpoint first; interrupted while it delivers, it closes at once, with
   * the same code.
   */
  close(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(
      code,
      () =>
        Effect.ensuring(
          this.flushed,
          Effect.sync(() => this.actor.close(code, reason))
        ),
      reason
    )
  }

  /** Closes at once; what is not delivered yet is lost. A checkpoint first. */
  closeNow(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => Effect.sync(() => this.actor.close(code, reason)), reason)
  }

  /** Waits until the peer has everything that was written, or the time for that is over, or the connection is. */
  private get flushed(): Effect.Effect<void> {
    const { actor } = this
    const wait: Effect.Effect<void> = Effect.suspend(() =>
      actor.failure !== undefined ||
      (!actor.core.streams.hasUndelivered && (actor.core.hasFinished || !actor.isUsable))
        ? Effect.void
        : actor.delivered.parkThen(wait)
    )
    return Effect.asVoid(Effect.timeoutOption(wait, actor.core.config.transport.closeTimeoutMillis))
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

  /** Streams this side opens. */
  private openable(unidirectional: boolean): Source<QuicStream, QuicError> {
    const { actor } = this
    const { streams } = actor.core
    return {
      has: () => actor.failure === undefined && streams.canOpen(unidirectional),
      take: () => {
        const id = streams.open(unidirectional)
        return id >= 0 ? new QuicStream(actor, actor.stream(id)) : undefined
      },
      refusal: () => actor.failure,
      changed: actor.changed,
      ask: () => {
        const leave = streams.awaitOpen(unidirectional)
        actor.touch()
        return leave
      }
    }
  }

  /** Streams the peer has opened. */
  private opened(ids: Fifo<number>): Source<QuicStream, QuicError> {
    const { actor } = this
    return {
      has: () => ids.length > 0,
      take: () => {
        const id = ids.shift()
        return id === undefined ? undefined : new QuicStream(actor, actor.stream(id))
      },
      refusal: () => actor.failure,
      changed: actor.changed
    }
  }

  private scoped(source: Source<QuicStream, QuicError>): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return acquire(source, (stream, exit) => Effect.sync(() => this.endStream(stream, exit)))
  }

  /** What leaving its scope means for a stream. */
  private endStream({ id }: QuicStream, exit: Exit.Exit<unknown, unknown>): void {
    const { actor } = this
    const { streams } = actor.core
    // what its author has reset already, with a code of their own perhaps, or with bytes to deliver, stays as it is
    if (Exit.isSuccess(exit)) streams.finish(id)
    else if (streams.sendOutcome(id)._tag !== "reset") streams.reset(id, CANCELLED)
    streams.stop(id, CANCELLED)
    actor.touch()
    actor.streams.get(id)?.readable.wakeAll()
  }
}

/** The peer may reset and stop streams as it likes. */
const isEndedByPeer = (error: unknown): boolean =>
  error instanceof QuicError && (error.reason._tag === "StreamReset" || error.reason._tag === "StreamStopped")

/** An end that a server's handler need not fail with. */
const isQuietEnd = ({ reason }: QuicError): boolean =>
  reason._tag === "IdleTimeout" ||
  reason._tag === "EndpointClosed" ||
  (reason._tag === "ApplicationClosed" && (reason.code === 0 || reason.origin === "local")) ||
  (reason._tag === "TransportClosed" && reason.code === 0)

const refuse = (problem: string): Effect.Effect<never, QuicError> =>
  Effect.fail(quicError(new DatagramRefused({ problem })))
