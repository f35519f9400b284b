/**
 * The relays of an endpoint: keeps a link to each that it is configured with, and to others while a connection needs them.
 *
 * Each relay has a fiber, which connects, waits until the link is over, and connects again. Fibers are below the
 * endpoint's, so that closing the endpoint closes the links, after the last datagrams were given to them.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { RelayClosed, RelayIdentity, RelayLink, RelayPortShape } from "../capability/RelayPort.ts"
import { type QuicError, quicError, Unreachable } from "../QuicError.ts"
import { type LinkEnd, ReconnectDelay } from "../relay/reconnectDelay.ts"
import type { Branch } from "./Branch.ts"
import type { RelayCarrier, RelaySocket } from "./RelaySocket.ts"
import { WaitList } from "./WaitList.ts"

/** Relays that peers are reached at, besides those configured. */
const MAX_BORROWED = 16
/** How long a relay that nobody needs any more is kept: the next dial may need it, and the last packets have to leave. */
const LINGER_MILLIS = 30_000
/** A link that lasted this long was a success. */
const STABLE_MILLIS = 10_000
/** Another relay has to be that much nearer to become the home relay. */
const NEARER = 2 / 3

/** What relays need of their endpoint. */
export interface RelayHost {
  readonly branch: Branch
  /** Microseconds on the endpoint's clock. */
  now(): number
  report(what: string, cause: Cause.Cause<unknown>): void
  /** A relay is there again: what waits for it may be sent. */
  onRelayUp(relay: Relay): void
}

/** One relay, and what is known of it. */
export class Relay implements RelayCarrier {
  readonly url: string
  readonly isConfigured: boolean
  link: RelayLink | undefined = undefined
  /** Why there is no link; undefined while there is one, or none was tried. */
  problem: string | undefined = undefined
  /** No use in waiting: the relay does not let us in, or another endpoint has our key. */
  isRefused = false
  /** Attempts that failed. */
  failures = 0
  /** Connections that need it. */
  uses = 0
  /** Since when none does. */
  idleSinceMicros = 0
  isLingering = false
  branch: Branch | undefined = undefined

  constructor(url: string, isConfigured: boolean) {
    this.url = url
    this.isConfigured = isConfigured
  }
}

export interface RelaySettings {
  readonly port: RelayPortShape
  readonly identity: RelayIdentity
  readonly socket: RelaySocket<Relay>
  /** From 0 to 1. */
  readonly random: () => number
}

export class RelayLinks {
  /** Woken when a link begins or ends, when an attempt has failed, and when a relay is used no more. */
  readonly changed = new WaitList()
  readonly socket: RelaySocket<Relay>
  private readonly host: RelayHost
  private readonly settings: RelaySettings
  private readonly relays = new Map<string, Relay>()
  private lastHome: Relay | undefined = undefined

  constructor(host: RelayHost, settings: RelaySettings, urls: ReadonlyArray<string>) {
    this.host = host
    this.settings = settings
    this.socket = settings.socket
    for (const url of urls) this.start(new Relay(url, true))
  }

  get all(): Iterable<Relay> {
    return this.relays.values()
  }

  /** The configured relay that peers are told first: the nearest one that is linked; it stays unless another is much nearer. */
  get home(): Relay | undefined {
    const linked = [...this.relays.values()].filter(
      ({ isConfigured, link }) => isConfigured && link !== undefined
    )
    const nearest = linked.reduce<Relay | undefined>(
      (best, each) => (best === undefined || rttOf(each) < rttOf(best) ? each : best),
      undefined
    )
    const { lastHome } = this
    const stays =
      lastHome?.link !== undefined && nearest !== undefined && rttOf(nearest) > NEARER * rttOf(lastHome)
    return (this.lastHome = stays ? lastHome : nearest)
  }

  /** Those configured that are linked, the home relay first and then by distance. */
  get linked(): ReadonlyArray<Relay> {
    const { home } = this
    return [...this.relays.values()]
      .filter(({ isConfigured, link }) => isConfigured && link !== undefined)
      .sort((a, b) => Number(b === home) - Number(a === home) || rttOf(a) - rttOf(b))
  }

  /** Those that are used because a peer is there. */
  get borrowed(): ReadonlyArray<Relay> {
    return [...this.relays.values()].filter(({ isConfigured }) => !isConfigured)
  }

  /** Waits until a configured relay is linked. */
  get whenHome(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.home === undefined ? this.changed.parkThen(this.whenHome) : Effect.void
    )
  }

  /** Keeps a relay for as long as the scope lasts, and for a while after. Fails with `Unreachable` if there are too many. */
  hold(url: string): Effect.Effect<Relay, QuicError, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        const relay = this.relays.get(url) ?? this.borrow(url)
        if (relay === undefined)
          return Effect.fail(unreachable(url, `more than ${MAX_BORROWED} relays are in use`))
        relay.uses++
        return Effect.succeed(relay)
      }),
      (relay) =>
        Effect.sync(() => {
          relay.uses--
          this.closeUnused(relay)
        })
    )
  }

  /** Waits until the relay is linked. Fails with `Unreachable` as soon as an attempt has failed. */
  linkOf(relay: Relay): Effect.Effect<void, QuicError> {
    return Effect.suspend(() => {
      const { failures } = relay
      const look: Effect.Effect<void, QuicError> = Effect.suspend(() => {
        if (relay.link !== undefined) return Effect.void
        if (relay.isRefused || relay.failures > failures)
          return Effect.fail(unreachable(relay.url, relay.problem ?? "it does not answer"))
        return this.changed.parkThen(look)
      })
      return look
    })
  }

  private borrow(url: string): Relay | undefined {
    const { borrowed } = this
    if (borrowed.length >= MAX_BORROWED) {
      const idle = borrowed.find(({ uses }) => uses === 0)
      if (idle === undefined) return undefined
      this.end(idle)
    }
    return this.start(new Relay(url, false))
  }

  private start(relay: Relay): Relay {
    this.relays.set(relay.url, relay)
    relay.branch = this.host.branch.fork(this.live(relay), (cause) =>
      this.host.report(`the relay ${relay.url} is not used any more`, cause)
    )
    return relay
  }

  private closeUnused(relay: Relay): void {
    if (relay.isConfigured || relay.uses > 0) return
    relay.idleSinceMicros = this.host.now()
    if (relay.isLingering) return
    relay.isLingering = true
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const leftMillis = LINGER_MILLIS - (this.host.now() - relay.idleSinceMicros) / 1000
      if (relay.uses === 0 && leftMillis > 0) return Effect.delay(look, leftMillis)
      relay.isLingering = false
      if (relay.uses === 0) this.end(relay)
      return Effect.void
    })
    relay.branch?.fork(Effect.delay(look, LINGER_MILLIS), () => {})
  }

  private end(relay: Relay): void {
    if (this.relays.get(relay.url) !== relay) return
    this.relays.delete(relay.url)
    this.socket.addresses.forget(relay)
    relay.branch?.interruptUnsafe()
    this.changed.wakeAll()
  }

  /** Connects again and again. */
  private live(relay: Relay): Effect.Effect<never> {
    const { host, settings } = this
    const delays = new ReconnectDelay()
    const nowMillis = () => host.now() / 1000
    const once = Effect.gen({ self: this }, function* () {
      const attempt = yield* Effect.result(Effect.scoped(this.linkOnce(relay)))
      const random = settings.random()
      if (Result.isFailure(attempt)) {
        const { reason, message } = attempt.failure
        const end: LinkEnd = reason === "Denied" ? "denied" : "lost"
        this.onFailed(relay, message, reason === "Denied")
        return delays.after(end, nowMillis(), random)
      }
      const { closed, lastedMillis } = attempt.success
      if (lastedMillis >= STABLE_MILLIS) delays.reset()
      if (closed._tag === "Restarting") {
        this.onFailed(relay, "it restarts", false)
        return delays.afterRestarting(closed.reconnectInMillis, closed.tryForMillis, nowMillis(), random)
      }
      this.onFailed(relay, problemOf(closed), closed._tag !== "Lost")
      const end: LinkEnd =
        closed._tag === "Lost" ? "lost" : closed._tag === "Replaced" ? "replaced" : "denied"
      return delays.after(end, nowMillis(), random)
    })
    // not before the endpoint is complete
    return Effect.andThen(
      Effect.yieldNow,
      Effect.forever(Effect.flatMap(once, (millis) => Effect.sleep(millis)))
    )
  }

  /** One link from the first byte to its end. */
  private linkOnce(relay: Relay) {
    const { host, settings, socket } = this
    return Effect.gen({ self: this }, function* () {
      const link = yield* settings.port.connect(relay.url, settings.identity)
      const sinceMicros = host.now()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          relay.link = link
          relay.problem = undefined
          relay.isRefused = false
          socket.attach(relay, link)
          host.onRelayUp(relay)
          this.changed.wakeAll()
        }),
        () =>
          Effect.sync(() => {
            relay.link = undefined
            socket.detach(relay)
          })
      )
      const closed = yield* link.closed
      return { closed, lastedMillis: (host.now() - sinceMicros) / 1000 }
    })
  }

  private onFailed(relay: Relay, problem: string, isRefused: boolean): void {
    relay.problem = problem
    relay.isRefused = isRefused
    relay.failures++
    this.changed.wakeAll()
  }
}

const rttOf = ({ link }: Relay): number => link?.rttMillis ?? Number.MAX_VALUE

const problemOf = (closed: RelayClosed): string => {
  switch (closed._tag) {
    case "Restarting":
      return "it restarts"
    case "Replaced":
      return "another endpoint has connected to it with the same key"
    default:
      return closed.problem
  }
}

const unreachable = (url: string, problem: string): QuicError =>
  quicError(new Unreachable({ address: url, problem }))
