/**
 * Makes any `UdpPort` reply from the address a datagram was sent to (`multihomed`): beside a socket bound to a wildcard
 * it binds one for each address of the machine. The addresses are refreshed periodically, and when a datagram arrives
 * at an unknown one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { UdpBindError, UdpBindOptions, UdpPortShape, UdpSocket } from "../../src/capability/UdpPort.ts"
import { isWildcard } from "../../src/wire/destination.ts"
import { familyOf } from "./hostLiteral.ts"
import { MultihomedSocket } from "./MultihomedSocket.ts"

/** Refresh interval of the addresses. */
const REFRESH_MILLIS = 5000
/** Minimum time between refreshes, which take about 0.05 ms each. */
const MIN_REFRESH_MILLIS = 20
/** How long after binding a new address its earlier datagrams may still arrive on the wildcard socket. */
const GRACE_MILLIS = 100
/** A machine can have thousands of addresses; further ones use the wildcard socket and the system's source address. */
const MAX_SOCKETS = 256

type Bind = (options: UdpBindOptions) => Effect.Effect<UdpSocket, UdpBindError, Scope.Scope>

/**
 * A port that supports `multihomed` on top of one that does not.
 *
 * **Details**
 *
 * `addresses` returns the current addresses of this machine. The port must allow binding them beside a wildcard.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (port: UdpPortShape, addresses: () => ReadonlyArray<string>): UdpPortShape => ({
  ...port,
  bind: (options = {}) =>
    options.multihomed === true && isWildcard(options.host ?? "0.0.0.0")
      ? bindAll(port.bind, addresses, options)
      : port.bind(options)
})

const bindAll = Effect.fnUntraced(function* (
  bind: Bind,
  addresses: () => ReadonlyArray<string>,
  options: UdpBindOptions
) {
  const shared = yield* bindShared(bind, options)
  if (shared === undefined) return yield* bind(options)
  const sockets = new AddressSockets(
    bind,
    addresses,
    options,
    shared,
    yield* Clock.Clock,
    yield* Effect.scope
  )
  yield* sockets.refresh
  yield* Effect.forkScoped(sockets.refreshLoop)
  return sockets.socket as UdpSocket
})

/**
 * The wildcard socket, bound so that others can share its port. The port is checked to be free first, or a second server
 * on it would take the datagrams of the first. Undefined if ports cannot be shared, which some systems call unknown and
 * Deno calls a port in use.
 */
const bindShared = (
  bind: Bind,
  options: UdpBindOptions
): Effect.Effect<UdpSocket | undefined, UdpBindError, Scope.Scope> => {
  if (options.reusePort === true) return bind(options)
  const free = Effect.scoped(Effect.map(bind(options), ({ localAddress }) => localAddress.port))
  const share = Effect.flatMap(free, (port) => bind({ ...options, port, reusePort: true }))
  const attempts = options.port ? share : Effect.retry(share, { times: 3, while: isTaken })
  return Effect.catchIf(
    attempts,
    (error) => error.reason === "Unknown" || isTaken(error),
    () => Effect.undefined
  )
}

/** Another process bound the port in between. */
const isTaken = ({ reason }: UdpBindError): boolean => reason === "AddressInUse"

/** The addresses of the machine and their sockets. */
class AddressSockets {
  readonly socket: MultihomedSocket
  private readonly bind: Bind
  private readonly addresses: () => ReadonlyArray<string>
  private readonly options: UdpBindOptions
  private readonly clock: Clock.Clock
  private readonly scope: Scope.Scope
  private readonly scopes = new Map<string, Scope.Closeable>()
  /** Addresses that could not be bound, perhaps used by another program; retried at the next refresh. */
  private unbindable = new Set<string>()
  private readonly due = Latch.makeUnsafe(false)
  private isDue = false
  private refreshedAt = Number.NEGATIVE_INFINITY
  private boundAt = Number.NEGATIVE_INFINITY

  constructor(
    bind: Bind,
    addresses: () => ReadonlyArray<string>,
    options: UdpBindOptions,
    wildcard: UdpSocket,
    clock: Clock.Clock,
    scope: Scope.Scope
  ) {
    this.bind = bind
    this.addresses = addresses
    this.options = { ...options, port: wildcard.localAddress.port, reusePort: true }
    this.clock = clock
    this.scope = scope
    this.socket = new MultihomedSocket(wildcard, () => this.isPremature())
  }

  /** Binds new addresses and closes removed ones. */
  readonly refresh: Effect.Effect<void> = Effect.uninterruptible(
    Effect.suspend(() => {
      const now = new Set(this.listed())
      this.refreshedAt = this.nowMillis
      this.unbindable = new Set()
      const removed = this.socket.hosts.filter((host) => !now.has(host))
      const added = [...now].filter((host) => !this.socket.has(host))
      return Effect.andThen(
        Effect.forEach(removed, (host) => this.unbindAddress(host), { discard: true }),
        Effect.forEach(added, (host) => this.bindAddress(host), { discard: true })
      )
    })
  )

  readonly refreshLoop: Effect.Effect<never> = Effect.forever(
    Effect.gen({ self: this }, function* () {
      yield* Effect.timeoutOption(this.due.await, REFRESH_MILLIS)
      this.due.closeUnsafe()
      yield* this.refresh
      this.isDue = false
    })
  )

  private get nowMillis(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  private listed(): ReadonlyArray<string> {
    const { host, ipv6Only } = this.options
    const families = host === "::" ? (ipv6Only === true ? [6] : [4, 6]) : [4]
    return this.addresses()
      .filter((address) => families.includes(familyOf(address)))
      .slice(0, MAX_SOCKETS)
  }

  private bindAddress(host: string): Effect.Effect<void> {
    return Effect.flatMap(Scope.fork(this.scope), (scope) =>
      Effect.matchEffect(Scope.provide(this.bind({ ...this.options, host }), scope), {
        onFailure: () => {
          this.unbindable.add(host)
          return Scope.close(scope, Exit.void)
        },
        onSuccess: (socket) => {
          this.scopes.set(host, scope)
          return Effect.sync(() => {
            this.boundAt = this.nowMillis
            this.socket.add(host, socket)
          })
        }
      })
    )
  }

  private unbindAddress(host: string): Effect.Effect<void> {
    const scope = this.scopes.get(host)
    this.scopes.delete(host)
    this.socket.remove(host)
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  }

  /** Whether a datagram arrived at an unknown address, which may be bound by the time the sender retransmits. */
  private isPremature(): boolean {
    const now = this.nowMillis
    // otherwise a first flight could be split between two addresses
    if (this.isDue || now - this.boundAt < GRACE_MILLIS) return true
    if (now - this.refreshedAt < MIN_REFRESH_MILLIS) return false
    this.refreshedAt = now
    if (this.listed().every((host) => this.socket.has(host) || this.unbindable.has(host))) return false
    this.isDue = true
    this.due.openUnsafe()
    return true
  }
}
