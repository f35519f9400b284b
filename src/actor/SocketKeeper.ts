/**
 * Opens and closes the sockets of one endpoint. Each has its own scope: the main one, which new connections use, stays
 * open; others are closed when no connection uses them.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { UdpPortShape, UdpSocket } from "../capability/UdpPort.ts"
import { BindFailed, EndpointClosed, MigrationFailed, type QuicError, quicError } from "../QuicError.ts"
import type { SocketNumber } from "../path/Route.ts"
import { whyUnreachable } from "../wire/destination.ts"
import { formatAddress, sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { EndpointActor } from "./EndpointActor.ts"
import type { LocalPlace } from "./PathActor.ts"

/** How often a socket no longer main is checked for use; by the first check, datagrams in flight have arrived. */
const LINGER_MILLIS = 1000

const closed = Effect.fail(quicError(new EndpointClosed()))

type Binding = ReturnType<UdpPortShape["bind"]>

interface KeptSocket {
  readonly socket: UdpSocket
  readonly scope: Scope.Closeable
}

export class SocketKeeper {
  private readonly udp: UdpPortShape
  private readonly scope: Scope.Scope
  private readonly isServer: boolean
  private main: KeptSocket | undefined = undefined

  /** The sockets are closed with `scope` at the latest. */
  constructor(udp: UdpPortShape, scope: Scope.Scope, isServer: boolean) {
    this.udp = udp
    this.scope = scope
    this.isServer = isServer
  }

  /** The socket that new connections use. */
  openMain(where: LocalPlace): Effect.Effect<UdpSocket, QuicError> {
    return Effect.map(this.open(this.bind(where)), (kept) => (this.main = kept).socket)
  }

  /** Switches the endpoint to another main socket; the old one is closed as soon as no connection uses it. */
  rebind(actor: EndpointActor, where: LocalPlace): Effect.Effect<void, QuicError> {
    return Effect.map(this.openFor(actor, this.bind(where)), (next) => {
      const { scope } = this.main!
      this.closeUnused(actor, actor.rebind(next.socket), scope)
      this.main = next
    })
  }

  /**
   * A socket for connections that have to leave theirs: it reaches every family, and is closed when none uses it. A
   * client's new connections use it too if `isForNew`.
   */
  openRefuge(actor: EndpointActor, isForNew: boolean): Effect.Effect<SocketNumber, QuicError> {
    const opened = Effect.map(this.openFor(actor, this.bindBoth(0)), (kept) => {
      if (this.isServer || !isForNew) {
        const number = actor.addSocket(kept.socket)
        this.closeUnused(actor, number, kept.scope)
        return number
      }
      this.closeUnused(actor, actor.replaceMain(kept.socket), this.main!.scope)
      this.main = kept
      return actor.mainNumber
    })
    return Effect.uninterruptible(opened)
  }

  /** Sockets for the preferred addresses, at the main port unless specified. */
  readonly openPreferred = Effect.fnUntraced(function* (
    this: SocketKeeper,
    wanted: { readonly ipv4?: LocalPlace; readonly ipv6?: LocalPlace }
  ) {
    const { port } = this.main!.socket.localAddress
    const ipv4 = wanted.ipv4 && (yield* this.open(this.bind({ port, ...wanted.ipv4 }))).socket
    const ipv6 = wanted.ipv6 && (yield* this.open(this.bind({ port, ...wanted.ipv6 }))).socket
    const sockets = [ipv4, ipv6].filter((socket) => socket !== undefined)
    const addresses = { ipv4: ipv4?.localAddress, ipv6: ipv6?.localAddress }
    return { sockets, addresses: sockets.length === 0 ? undefined : addresses }
  })

  private open(binding: Binding): Effect.Effect<KeptSocket, QuicError> {
    return Effect.uninterruptible(
      Effect.flatMap(Scope.fork(this.scope), (scope) =>
        Scope.provide(binding, scope).pipe(
          Effect.mapError((error) =>
            quicError(new BindFailed({ address: `${error.host}:${error.port}`, problem: error.message }))
          ),
          Effect.onError(() => Scope.close(scope, Exit.void)),
          Effect.map((socket) => ({ socket, scope }))
        )
      )
    )
  }

  /** Opens a socket; if the endpoint is closed meanwhile, the socket is closed again. */
  private openFor(actor: EndpointActor, binding: Binding): Effect.Effect<KeptSocket, QuicError> {
    return Effect.uninterruptible(
      Effect.flatMap(this.open(binding), (kept) =>
        actor.isClosed ? Effect.andThen(Scope.close(kept.scope, Exit.void), closed) : Effect.succeed(kept)
      )
    )
  }

  private bind({ host, port = 0 }: LocalPlace): Binding {
    if (host === undefined && !this.isServer) return this.bindBoth(port)
    return this.udp.bind({ host: host ?? "0.0.0.0", port, multihomed: this.isServer })
  }

  /** A dual-stack socket if the system supports it. */
  private bindBoth(port: number): Binding {
    return Effect.catchIf(
      this.udp.bind({ host: "::", port }),
      ({ reason }) => reason !== "AddressInUse" && reason !== "PermissionDenied",
      () => this.udp.bind({ host: "0.0.0.0", port })
    )
  }

  /** Opens a socket for one path, closed with the scope; returns its number for routes. */
  lend(
    actor: EndpointActor,
    where: LocalPlace,
    remote: SocketAddress,
    onRefused: (problem: string) => void
  ): Effect.Effect<number, QuicError, Scope.Scope> {
    const lent = Effect.gen({ self: this }, function* () {
      const { socket, scope } = yield* this.openFor(actor, this.bind(where))
      const why = whyUnreachable(socket.localAddress, remote)
      if (why === undefined) {
        const number = actor.addSocket(socket)
        // no other connection sends on it
        socket.onRefused((to, problem, isLasting) => {
          if (isLasting && sameAddress(to, remote)) onRefused(problem)
        })
        return { number, scope }
      }
      yield* Scope.close(scope, Exit.void)
      return yield* quicError(
        new MigrationFailed({ outcome: "Unreachable", problem: `${formatAddress(remote)}: ${why}` })
      )
    })
    const giveBack = Effect.fnUntraced(function* ({ number, scope }: Effect.Success<typeof lent>) {
      actor.removeSocket(number)
      yield* Scope.close(scope, Exit.void)
    })
    return Effect.map(Effect.acquireRelease(lent, giveBack), ({ number }) => number)
  }

  /** Closes a socket as soon as no connection uses it, in the background. */
  private closeUnused(actor: EndpointActor, number: number, scope: Scope.Closeable): void {
    const look: Effect.Effect<void> = Effect.suspend(() => {
      if (actor.usesSocket(number)) return lookLater
      actor.removeSocket(number)
      return Scope.close(scope, Exit.void)
    })
    // not at once when a connection moves away: datagrams to the old address are in flight
    const lookLater = Effect.andThen(
      Effect.timeoutOption(actor.connections.emptied.park, LINGER_MILLIS),
      look
    )
    actor.branch.fork(lookLater, (cause) => actor.report("a socket could not be closed", cause))
  }
}
