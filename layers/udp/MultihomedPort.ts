/**
 * Any `UdpPort`, made to answer from the address it was asked at (`multihomed`): a socket bound to a wildcard gets one
 * beside it for each address of the machine. Addresses come and go, so they are looked at again now and then, and when
 * something arrives at an address that was not there before.
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

/** How often addresses are looked at when nothing happens. */
const LOOK_MILLIS = 5000
/** And at most, whatever happens: it costs some 0.05 ms. */
const LEAST_MILLIS = 20
/** For so long after a new address has its socket, what came there before may still be read from the socket of all. */
const GRACE_MILLIS = 100
/** A machine can have thousands; the others are answered for by the socket of all, as the system likes. */
const MAX_SOCKETS = 256

type Bind = (options: UdpBindOptions) => Effect.Effect<UdpSocket, UdpBindError, Scope.Scope>

/** `addresses` are those of this machine, now; the port may have sockets bound to them beside one bound to all. */
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
  const homes = new Homes(bind, addresses, options, shared, yield* Clock.Clock, yield* Effect.scope)
  yield* homes.look
  yield* Effect.forkScoped(homes.lookAgainAndAgain)
  return homes.socket as UdpSocket
})

/**
 * The socket for all addresses, one that others may be bound beside. A port is shared only once it is known to be free:
 * of two servers on it, the second would take the first one's datagrams. Undefined where ports cannot be shared.
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
    ({ reason }) => reason === "Unknown",
    () => Effect.undefined
  )
}

/** Somebody else was faster. */
const isTaken = ({ reason }: UdpBindError): boolean => reason === "AddressInUse"

/** The addresses of the machine, and the socket of each. */
class Homes {
  readonly socket: MultihomedSocket
  private readonly bind: Bind
  private readonly addresses: () => ReadonlyArray<string>
  private readonly options: UdpBindOptions
  private readonly clock: Clock.Clock
  private readonly scope: Scope.Scope
  private readonly scopes = new Map<string, Scope.Closeable>()
  /** Addresses that could not be bound, by another program's doing perhaps; tried again when looked at again. */
  private unbound = new Set<string>()
  private readonly due = Latch.makeUnsafe(false)
  private isDue = false
  private lookedAt = Number.NEGATIVE_INFINITY
  private foundAt = Number.NEGATIVE_INFINITY

  constructor(
    bind: Bind,
    addresses: () => ReadonlyArray<string>,
    options: UdpBindOptions,
    rest: UdpSocket,
    clock: Clock.Clock,
    scope: Scope.Scope
  ) {
    this.bind = bind
    this.addresses = addresses
    this.options = { ...options, port: rest.localAddress.port, reusePort: true }
    this.clock = clock
    this.scope = scope
    this.socket = new MultihomedSocket(rest, () => this.isPremature())
  }

  /** Binds what is new, and closes what is gone. */
  readonly look: Effect.Effect<void> = Effect.uninterruptible(
    Effect.suspend(() => {
      const now = new Set(this.listed())
      this.lookedAt = this.nowMillis
      this.unbound = new Set()
      const gone = this.socket.hosts.filter((host) => !now.has(host))
      const fresh = [...now].filter((host) => !this.socket.has(host))
      return Effect.andThen(
        Effect.forEach(gone, (host) => this.leave(host), { discard: true }),
        Effect.forEach(fresh, (host) => this.settle(host), { discard: true })
      )
    })
  )

  readonly lookAgainAndAgain: Effect.Effect<never> = Effect.forever(
    Effect.gen({ self: this }, function* () {
      yield* Effect.timeoutOption(this.due.await, LOOK_MILLIS)
      this.due.closeUnsafe()
      yield* this.look
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

  private settle(host: string): Effect.Effect<void> {
    return Effect.flatMap(Scope.fork(this.scope), (scope) =>
      Effect.matchEffect(Scope.provide(this.bind({ ...this.options, host }), scope), {
        onFailure: () => {
          this.unbound.add(host)
          return Scope.close(scope, Exit.void)
        },
        onSuccess: (socket) => {
          this.scopes.set(host, scope)
          return Effect.sync(() => {
            this.foundAt = this.nowMillis
            this.socket.add(host, socket)
          })
        }
      })
    )
  }

  private leave(host: string): Effect.Effect<void> {
    const scope = this.scopes.get(host)
    this.scopes.delete(host)
    this.socket.remove(host)
    return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
  }

  /** Something came to an address that is not known: perhaps it is new, and has a socket when the sender tries again. */
  private isPremature(): boolean {
    const now = this.nowMillis
    // read now, a first flight would be half at one address and half at another
    if (this.isDue || now - this.foundAt < GRACE_MILLIS) return true
    if (now - this.lookedAt < LEAST_MILLIS) return false
    this.lookedAt = now
    if (this.listed().every((host) => this.socket.has(host) || this.unbound.has(host))) return false
    this.isDue = true
    this.due.openUnsafe()
    return true
  }
}
