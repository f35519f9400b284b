/**
 * One connection as the application meets it: the pure `Connection`, and everyone who waits for it.
 *
 * It owns the wait lists, the fiber that asks the certificate verifier, and the error every operation fails with once
 * the connection is over. It never touches the socket: `touch` asks the endpoint's loop to send, and the loop calls
 * `settle` after each burst to wake whoever has something to see.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { Connection } from "../connection/Connection.ts"
import type { CloseReason } from "../connection/lifecycle.ts"
import type { Timed } from "../endpoint/DeadlineHeap.ts"
import type { SessionTicket } from "../handshake/SessionTicket.ts"
import type { TlsEvent } from "../handshake/TlsSession.ts"
import {
  ApplicationClosed,
  EndpointClosed,
  HandshakeRefused,
  HandshakeTimeout,
  IdleTimeout,
  MigrationFailed,
  type QuicError,
  type QuicErrorReason,
  quicError,
  StatelessReset,
  TransportClosed,
  VersionMismatch
} from "../QuicError.ts"
import { isUnidirectional } from "../stream/StreamId.ts"
import { formatAddress } from "../wire/SocketAddress.ts"
import { StreamWaiters } from "./StreamWaiters.ts"
import { WaitList } from "./WaitList.ts"

/** Where to bind a socket: an IP literal, `0.0.0.0` when left out, and a port, a free one when left out. */
export interface LocalPlace {
  readonly host?: string
  readonly port?: number
}

/** What an actor needs of the endpoint it lives in. */
export interface ConnectionHost {
  readonly verifier: CertificateVerifierShape
  readonly keyLog: ((line: string) => void) | undefined
  /** Runs a fiber of this connection; it ends with the endpoint at the latest. */
  readonly fork: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
  /** Microseconds on the endpoint's clock. */
  readonly now: () => number
  /** Opens another socket for routes of connections, and returns the number the core knows it by. */
  openSocket(where: LocalPlace): Effect.Effect<number, QuicError>
  /** The connection has something to send, or a new deadline. */
  touch(actor: ConnectionActor): void
  onEstablished(actor: ConnectionActor): void
  /** No datagram of this connection is expected any more. */
  onDrained(actor: ConnectionActor): void
}

/** client: where it is noted what the next connection to the same server can use. */
export interface ServerNotes {
  readonly onTicket: (ticket: SessionTicket) => Effect.Effect<void>
  readonly onAddressToken: (token: Uint8Array) => Effect.Effect<void>
}

export class ConnectionActor implements Timed {
  readonly core: Connection
  heapIndex = -1
  deadlineMicros = Number.POSITIVE_INFINITY
  /** On the endpoint's list of connections to serve. */
  isDirty = false
  /** Set when the connection is over: what every operation then fails with. */
  failure: Effect.Effect<never, QuicError> | undefined = undefined
  isDrained = false
  /** Established, or over. */
  readonly ready = new WaitList()
  /** Over. */
  readonly closed = new WaitList()
  /** Nothing is left on the wire. */
  readonly drained = new WaitList()
  /** A stream can be opened, or accepted, or a datagram read. */
  readonly changed = new WaitList()
  /** Something may have been acknowledged. */
  readonly delivered = new WaitList()
  readonly openedBidirectional: Array<number> = []
  readonly openedUnidirectional: Array<number> = []
  private readonly streams = new Map<number, StreamWaiters>()
  private readonly host: ConnectionHost
  private readonly notes: ServerNotes | undefined
  private verdict: Fiber.Fiber<unknown> | undefined = undefined
  /** The application may have it already. */
  private isShown = false

  constructor(core: Connection, host: ConnectionHost, notes: ServerNotes | undefined) {
    this.core = core
    this.host = host
    this.notes = notes
  }

  get isEstablished(): boolean {
    return this.core.lifecycle.state === "established"
  }

  /** Established, or with 0-RTT. */
  get isUsable(): boolean {
    return this.isShown && this.failure === undefined
  }

  /** Asks the loop to send what the core now has. Cheap, and harmless when there is nothing. */
  touch(): void {
    this.host.touch(this)
  }

  waiters(id: number): StreamWaiters {
    let waiters = this.streams.get(id)
    if (waiters === undefined) this.streams.set(id, (waiters = new StreamWaiters(id)))
    return waiters
  }

  /** Streams somebody holds or has waited for. */
  get streamCount(): number {
    return this.streams.size
  }

  /** Moves to another local address, once the peer has answered over it. */
  migrate(where: LocalPlace): Effect.Effect<void, QuicError> {
    const { core, host } = this
    const attempt = (local: number): Effect.Effect<void, QuicError> =>
      Effect.suspend(() => {
        if (this.failure !== undefined) return this.failure
        const refusal = core.migrate(local, host.now())
        // what only takes time is waited for
        if (refusal === "unconfirmed" || refusal === "noConnectionId")
          return Effect.flatMap(this.delivered.park, () => attempt(local))
        if (refusal !== undefined)
          return Effect.fail(quicError(new MigrationFailed({ problem: why[refusal] })))
        this.touch()
        return arrival(local)
      })
    const arrival = (local: number): Effect.Effect<void, QuicError> =>
      Effect.suspend(() => {
        if (this.failure !== undefined) return this.failure
        const { routes } = core.path
        if (routes.current.local === local) return Effect.void
        if (routes.all.every((route) => route.local !== local))
          return Effect.fail(quicError(new MigrationFailed({ problem: "the peer does not answer there" })))
        // not `changed`: a route can also be given up for a newer one, of which there is no news
        return Effect.flatMap(this.delivered.park, () => arrival(local))
      })
    return Effect.flatMap(host.openSocket(where), attempt)
  }

  /** Changes the connection IDs. */
  rotateIds(): void {
    this.core.rotateIds(this.host.now())
    this.touch()
  }

  close(code: number, reason: string): void {
    this.core.close(code, reason, this.host.now())
    this.touch()
  }

  /** INTERNAL_ERROR: a defect in this connection's own fibers. */
  crash(reason: string): void {
    this.core.crash(reason, this.host.now())
    this.touch()
  }

  /** The endpoint is going away without waiting any longer. */
  abandon(): void {
    this.verdict?.interruptUnsafe()
    const wasOpen = this.failure === undefined
    if (wasOpen) this.fail(new EndpointClosed())
    this.isDrained = true
    this.drained.wakeAll()
    if (wasOpen) this.wakeEverybody()
  }

  /** Passes on what the core has to tell. Called by the loop, outside the core; those it wakes may call `touch`. */
  settle(): void {
    const { core } = this
    let ended = false
    for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) {
      switch (event._tag) {
        case "verifyPeer":
          this.verify(event.request)
          break
        case "early":
        case "established":
          if (!this.isShown) this.host.onEstablished(this)
          this.isShown = true
          this.ready.wakeAll()
          break
        case "keyLog":
          this.host.keyLog?.(event.line)
          break
        case "closed":
          this.fail(reasonOf(core))
          ended = true
          break
        case "drained":
          this.isDrained = true
          this.host.onDrained(this)
          this.drained.wakeAll()
          break
        case "moved":
          this.changed.wakeAll()
          break
        case "newToken":
          if (this.notes !== undefined) this.host.fork(this.notes.onAddressToken(event.token))
          break
        case "ticket":
          if (this.notes !== undefined) this.host.fork(this.notes.onTicket(event.ticket))
          break
        case "confirmed":
          break
      }
    }
    if (ended) this.wakeEverybody()
    if (this.failure === undefined) this.settleStreams()
  }

  private settleStreams(): void {
    const { streams } = this.core
    let changed = streams.pollOpenable(false)
    changed = streams.pollOpenable(true) || changed
    for (let id = streams.pollOpened(); id >= 0; id = streams.pollOpened()) {
      if (isUnidirectional(id)) this.openedUnidirectional.push(id)
      else this.openedBidirectional.push(id)
      changed = true
    }
    for (let id = streams.pollReadable(); id >= 0; id = streams.pollReadable())
      this.streams.get(id)?.readable.wakeAll()
    for (let id = streams.pollWritable(); id >= 0; id = streams.pollWritable())
      this.streams.get(id)?.writable.wakeAll()
    for (let id = streams.pollStopped(); id >= 0; id = streams.pollStopped())
      this.streams.get(id)?.writable.wakeAll()
    for (let id = streams.pollClosed(); id >= 0; id = streams.pollClosed()) {
      const waiters = this.streams.get(id)
      if (waiters === undefined) continue
      waiters.ended = { receive: streams.receiveOutcome(id), send: streams.sendOutcome(id) }
      waiters.wakeAll()
      this.streams.delete(id)
    }
    this.delivered.wakeAll()
    if (changed || this.core.datagrams.hasReceived) this.changed.wakeAll()
  }

  private verify(request: Extract<TlsEvent, { _tag: "verifyPeer" }>): void {
    const { core, host } = this
    const peer =
      request.peer.kind === "x509"
        ? ({ _tag: "x509", chain: request.peer.chain } as const)
        : ({ _tag: "rawPublicKey", spki: request.peer.spki } as const)
    const role = core.config.role === "client" ? "server" : "client"
    const judge = host.verifier.verify({ peer, role, serverName: core.config.tls.expectedName })
    this.verdict = host.fork(
      Effect.matchCause(Effect.result(judge), {
        // a verifier that dies accepts nobody
        onFailure: () => this.conclude({ ok: false, alert: 80, reason: "the certificate verifier failed" }),
        onSuccess: (result) =>
          this.conclude(
            Result.isSuccess(result)
              ? { ok: true }
              : { ok: false, alert: result.failure.alert, reason: result.failure.reason }
          )
      })
    )
  }

  private conclude(verdict: Parameters<Connection["handleVerdict"]>[0]): void {
    this.verdict = undefined
    this.core.handleVerdict(verdict, this.host.now())
    this.touch()
  }

  private fail(reason: QuicErrorReason): void {
    this.failure = Effect.fail(quicError(reason))
    this.verdict?.interruptUnsafe()
  }

  /** The connection is over: whoever waits for anything finds that out. */
  private wakeEverybody(): void {
    this.ready.wakeAll()
    this.changed.wakeAll()
    this.delivered.wakeAll()
    for (const waiters of this.streams.values()) waiters.wakeAll()
    this.closed.wakeAll()
  }
}

const reasonOf = (core: Connection): QuicErrorReason => {
  const close = core.closeReason!
  switch (close.origin) {
    case "idleTimeout":
      return new IdleTimeout()
    case "handshakeTimeout":
      return new HandshakeTimeout({ address: formatAddress(core.path.remote) })
    case "statelessReset":
      return new StatelessReset()
    case "versionNegotiation":
      return new VersionMismatch({ offered: core.offeredVersions })
    case "local":
    case "peer":
      return closedBy(close.origin, close)
  }
}

const why = {
  disabled: "the server forbids it",
  server: "only clients move"
} as const

const closedBy = (
  origin: "local" | "peer",
  { application, code, frameType, reason }: CloseReason
): QuicErrorReason => {
  if (application) return new ApplicationClosed({ origin, code, problem: reason })
  // RFC 9001 §4.8
  if (code >= 0x100 && code <= 0x1ff)
    return new HandshakeRefused({ origin, alert: code - 0x100, problem: reason })
  return new TransportClosed({ origin, code, frameType, problem: reason })
}
