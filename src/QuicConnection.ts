/**
 * One connection: streams to open and accept, datagrams, what was negotiated, and its end.
 *
 * A connection lives in the scope it is made in. Leaving that scope closes it: after success it first delivers accepted
 * data, for at most `closeTimeout`; after a failure or an interrupt it closes at once.
 *
 * **Interruption**
 *
 * An operation interrupted before it takes effect, or while it waits, has no effect unless its docs say otherwise. What
 * it opens or accepts belongs to the caller from the step that takes it, so nothing is lost on the way.
 *
 * **Errors**
 *
 * Operations on a connection that has ended fail with the reason of its end: `ApplicationClosed`, `TransportClosed`,
 * `HandshakeRefused`, `HandshakeTimeout`, `IdleTimeout`, `StatelessReset`, `VersionMismatch` or `EndpointClosed`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { attempt, command } from "./actor/commands.ts"
import { closeDelivered } from "./actor/endConnection.ts"
import type { LocalPlace, MigrationCandidate } from "./actor/PathActor.ts"
import { connectionAttributes, traced } from "./actor/spans.ts"
import { sendMessage } from "./actor/sendMessage.ts"
import { openStream } from "./actor/streamSources.ts"
import { refuseBytes } from "./arguments.ts"
import { ServingConnection } from "./ServingConnection.ts"
import { ConnectionIds, refusedId } from "./ConnectionIds.ts"
import {
  type ConnectionFacts,
  type ConnectionStats,
  connectionFacts,
  connectionStats
} from "./ConnectionInfo.ts"
import * as Paths from "./ConnectionPaths.ts"
import { CandidatesSchema, RebindSchema } from "./EndpointOptions.ts"
import { refuseExport } from "./exportArguments.ts"
import { type QuicError, withErrorCode } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import { type OpenPathOptions, openPath, pathOf, type QuicPath } from "./QuicPath.ts"
import type { QuicStream } from "./QuicStream.ts"
import { takeToken } from "./reconnecting.ts"
import type { ReconnectToken } from "./ReconnectToken.ts"
import { type MessageOptions, messageIntent, refuseMessageOptions } from "./SendOptions.ts"
import { Traversal } from "./Traversal.ts"
import type { Role } from "./wire/Role.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

export type { ConnectionFacts, ConnectionStats } from "./ConnectionInfo.ts"

/**
 * A QUIC connection, made by `connect`, `accept`, `serve` or a `Peer`.
 *
 * **Example** (An echo over one stream)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { QuicConnection } from "effect-quic"
 *
 * const echo = (connection: QuicConnection, text: string) =>
 *   Effect.scoped(
 *     Effect.gen(function* () {
 *       const stream = yield* connection.openBidi
 *       yield* Stream.run(Stream.encodeText(Stream.make(text)), stream.writable)
 *       return yield* Stream.mkString(Stream.decodeText(stream.readable))
 *     })
 *   )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class QuicConnection extends ServingConnection {
  /**
   * Names the connection in logs: 16 to 40 hexadecimal digits, the same on both sides, whatever paths and connection IDs it
   * uses later. It is the destination connection ID of the client's first packet, which begins the names of qlog files.
   *
   * **Details**
   *
   * Log lines have it as `connection`, spans as `quic.connection.id`, `endpoint.tree` as `id`. It is on the wire unencrypted
   * and the client's choice: it proves nothing, and a client may use one twice. If the server does not speak the version of
   * the first packet, it is that of the second attempt, while the client's qlog keeps that of the first. RFC 9000 §7.2
   */
  get id(): string {
    return this.actor.core.id
  }

  /** Whether this side is the client or the server. */
  get role(): Role {
    return this.actor.core.config.role
  }

  /** Address of the peer on the path in use. */
  get remoteAddress(): SocketAddress {
    return this.actor.core.path.remote
  }

  /**
   * Waits for the end of the handshake and returns what it negotiated.
   *
   * Only a connection with 0-RTT is handed out before that: data a client writes earlier may be replayed by an
   * attacker, data a server reads earlier may have been.
   *
   * **Interruption**: while waiting; changes nothing.
   */
  get handshakeComplete(): Effect.Effect<ConnectionFacts, QuicError> {
    return Effect.map(this.whenComplete, () => this.facts)
  }

  /** What the handshake has negotiated. Final once `handshakeComplete` returns. */
  get facts(): ConnectionFacts {
    return connectionFacts(this.actor.core)
  }

  /** A snapshot of the counters. */
  get stats(): ConnectionStats {
    return connectionStats(this.actor.core)
  }

  /**
   * What this client has learned of its server, to come back at once from another process: see `ReconnectToken`.
   *
   * **Details**
   *
   * None on a server, and as long as the server has sent neither ticket nor token, which it does after the handshake. It is
   * taken from the `TicketStore`: what the token holds is not used otherwise any more. It can still be taken after the
   * connection has ended.
   *
   * **Interruption**: while the store is read; what was taken is lost, and a handshake will be a full one.
   */
  get reconnectToken(): Effect.Effect<Option.Option<ReconnectToken>> {
    return takeToken(this.actor)
  }

  /**
   * Derives secret bytes that only the two sides of this connection can compute; equal arguments give equal bytes on
   * both. RFC 8446 §7.5
   *
   * **Details**
   *
   * Signing or comparing them binds another protocol to this connection: it proves that both sides use the same one,
   * with nobody in between. Other labels, contexts and connections give other bytes, resumed sessions included. They
   * can still be derived after the connection has ended.
   *
   * - `label`: their purpose, 1 to 249 ASCII characters; registered labels begin with `EXPORTER` (RFC 5705 §6), private
   *   ones with `EXPERIMENTAL`
   * - `context`: what they are about, any bytes, or none
   * - `length`: how many bytes, 1 to 8160
   *
   * Fails with `InvalidOption`, which names the argument, or with the reason why the handshake failed.
   *
   * **Interruption**: while the handshake is in progress; changes nothing.
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
   * Opens a bidirectional stream, waiting while the peer's limit allows none. RFC 9000 §4.6
   *
   * Nothing is sent until the first `write` or `finish`. If its scope succeeds, the stream is finished; otherwise it is
   * reset and stopped with code 0.
   *
   * **Interruption**: while waiting; opens no stream.
   */
  get openBidi(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return openStream(this.actor, false, (stream) => this.show(stream))
  }

  /** Opens a unidirectional stream; otherwise as `openBidi`. */
  get openUni(): Effect.Effect<QuicStream, QuicError, Scope.Scope> {
    return openStream(this.actor, true, (stream) => this.show(stream))
  }

  /**
   * Sends a copy of `bytes` reliably, but in no order with others: on a unidirectional stream of its own, so that one that
   * is lost holds up no other. Waits while the peer's limit allows no stream; returns when the message is accepted, not when
   * it is delivered.
   *
   * **Details**
   *
   * The peer finds each message by `acceptUni` or `serveStreams`, and reads it to its end.
   *
   * **Errors**: `InvalidOption` if `bytes` is no Uint8Array or an option is out of range.
   *
   * **Interruption**: while waiting; the message is sent completely or not at all.
   */
  sendMessage(bytes: Uint8Array, options?: MessageOptions): Effect.Effect<void, QuicError> {
    return Effect.suspend(
      () =>
        refuseBytes(bytes) ??
        refuseMessageOptions(options) ??
        sendMessage(this.actor, bytes.slice(), messageIntent(options ?? {}))
    )
  }

  // — the connection itself —————————————————————————————————————————————————————————————————————————————————————

  /** Sends a PING; its acknowledgement keeps both sides from timing out. RFC 9000 §10.1.2 */
  get ping(): Effect.Effect<void, QuicError> {
    return command(this.actor, () => this.actor.core.ping())
  }

  /**
   * Moves the connection to another local address, by default a new port, over a socket of its own. RFC 9000 §9
   *
   * Returns once the server has answered over the new path, with unused connection IDs. Until then, and if it does not
   * answer, the connection stays where it is. If a tracing backend is installed, this is the span `quic.migrate`.
   *
   * **Details**
   *
   * Several candidates, 1 to 4, are raced: that of the lowest rank among those that validate wins, where one that validates
   * waits a probe timeout for better ones. The sockets of the others are closed.
   *
   * Fails with `MigrationFailed`, whose `outcome` says why, of all candidates the first to fail; with `BindFailed` if the
   * address cannot be bound; with `InvalidOption`.
   *
   * **Interruption**: while waiting; abandons the new paths and closes their sockets.
   */
  migrate(where: LocalPlace | ReadonlyArray<MigrationCandidate> = {}): Effect.Effect<void, QuicError> {
    const { path } = this.actor
    const moved = Array.isArray(where)
      ? Effect.flatMap(check(CandidatesSchema, where), (all) =>
          Effect.raceAll(all.map((each, rank) => path.migrate({ rank, ...each })))
        )
      : Effect.flatMap(check(RebindSchema, where), (place) => path.migrate(place))
    return traced(moved, "quic.migrate", () => ({
      attributes: connectionAttributes(this.actor.core, this.actor.branch.fiberId)
    }))
  }

  /** Opens another path, from another local address, once the peer has answered over it: see `QuicPath`. */
  openPath(options: OpenPathOptions = {}): Effect.Effect<QuicPath, QuicError> {
    return openPath(this.actor, options)
  }

  /** The path with that number, 0 for the first; undefined for one that is over. */
  path(id: number): QuicPath | undefined {
    return pathOf(this.actor, id)
  }

  /** A snapshot of the paths: addresses, states, and what has been measured. */
  get paths(): ReadonlyArray<Paths.PathInfo> {
    return Paths.pathInfos(this.actor)
  }

  /** The paths now, and again whenever their addresses or states have changed; ends with the connection. */
  get pathChanges(): Stream.Stream<ReadonlyArray<Paths.PathInfo>> {
    return Paths.pathChanges(this.actor)
  }

  /** What the paths are together. */
  get bonding(): Paths.BondingState {
    return this.actor.core.multipath.bond.state
  }

  /** What the paths are together, now and whenever that changes; ends with the connection. */
  get bondingChanges(): Stream.Stream<Paths.BondingState> {
    return Paths.bondingChanges(this.actor)
  }

  /**
   * What has happened to paths and keys, in numbered entries; ends with the connection.
   *
   * Begins with the oldest of the latest 64, which are kept. A subscriber that falls further behind finds a gap in the
   * numbers. With a `Qlog`, entries point to their events.
   */
  get migrations(): Stream.Stream<Paths.MigrationEntry> {
    return Paths.migrations(this.actor)
  }

  /** How the connection finds direct paths through NATs. */
  get traversal(): Traversal {
    return new Traversal(this.actor)
  }

  /** The connection IDs of both directions, for inspection, and to pick one of the peer's. RFC 9000 §5.1 */
  get connectionIds(): ConnectionIds {
    return new ConnectionIds(this.actor.core, (run) => attempt(this.actor, run))
  }

  /**
   * Changes the connection IDs in both directions, so that what was observed before cannot be linked with what follows:
   * sends to another of the peer's, and asks the peer to do so. RFC 9000 §5.1.2
   *
   * **Errors**: nothing is changed if one direction cannot change. `RotationPending`: the last change is not complete;
   * `NoSpareConnectionId`: the peer has provided no other yet; `NoConnectionIds`: neither side uses any, or they are used up.
   */
  get rotateConnectionIds(): Effect.Effect<void, QuicError> {
    return attempt(this.actor, () => refusedId(this.actor.core.rotateIds(this.actor.now())))
  }

  /** The phase of the packet keys, and whether it is changing. */
  get keyPhase(): Paths.KeyPhase {
    return Paths.keyPhase(this.actor)
  }

  /**
   * Requests new packet keys, used as soon as RFC 9001 §6 allows: see `keyPhase`. A request while an update is pending joins
   * it. Long before their AEAD limits, keys are updated without being asked.
   */
  get updateKeys(): Effect.Effect<void, QuicError> {
    return command(this.actor, () => this.actor.core.updateKeys())
  }

  /**
   * Delivers accepted data, for at most `closeTimeout`, then closes with an application error code. Idempotent.
   * RFC 9000 §10.2
   *
   * `code` is 0 to 2^53−1, default 0; `reason` is for people. Fails with `InvalidOption` if they are not.
   *
   * **Interruption**: while delivering; closes at once, with the same code.
   */
  close(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => closeDelivered(this.actor, code, reason), reason)
  }

  /** Closes at once; undelivered data is lost. Otherwise as `close`. */
  closeNow(code = 0, reason = ""): Effect.Effect<void, QuicError> {
    return withErrorCode(code, () => Effect.sync(() => this.actor.close(code, reason)), reason)
  }

  /** Closes with INTERNAL_ERROR, as a defect does. RFC 9000 §20.1 */
  crash(reason: string): Effect.Effect<void> {
    return Effect.sync(() => this.actor.crash(reason))
  }
}
