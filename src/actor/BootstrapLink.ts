/**
 * One bootstrap node in one address family: a peer that is connected for as long as the node is listed, and what it has
 * told of this endpoint's address.
 *
 * A node that is gone is believed until the first attempt to reach it again has failed: what it told is then no reason to
 * tell others.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { BootstrapNode } from "../nat/TraversalSettings.ts"
import type { Observation } from "../nat/CandidateSource.ts"
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { sameAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { EndpointActor, PeerPlace } from "./EndpointActor.ts"
import { PeerActor, type PeerConnection, type PeerSettings } from "./PeerActor.ts"
import type { PeerState } from "./peerState.ts"

/** A connection to a bootstrap node. */
export interface BootstrapConnection extends PeerConnection {
  readonly actor: ConnectionActor
}

/** Which addresses of a node are tried; undefined for any. */
export type Family = 4 | 6 | undefined

/** Connects to a node. */
export type DialBootstrap = (
  target: LinkTarget,
  peer: PeerPlace
) => ReturnType<PeerSettings<BootstrapConnection>["dial"]>

/** 1 s, doubling up to 30 s, each varied by up to a fifth. */
const schedule = Schedule.exponential("1 second").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(30)))),
  Schedule.jittered
)

/** What links need of their endpoint. */
export interface BootstrapHost {
  readonly endpoint: EndpointActor
  readonly dial: DialBootstrap
}

/** Where a link leads. */
export interface LinkTarget {
  readonly node: BootstrapNode
  readonly family: Family
}

/** A node that has told nothing by then after the handshake is not waited for. */
const ANSWER_MILLIS = 1_000
/** Nor is one that has not answered the first packets: a relay may not do address discovery, or UDP not get out. */
const PATIENCE_MILLIS = 3_000

export class BootstrapLink {
  readonly target: LinkTarget
  /** What it told last; undefined while it has not, and once it is not believed any more. */
  observation: Observation | undefined = undefined
  /** When it told that. */
  observedMicros: number | undefined = undefined
  /** Times that it told an address that was not the last one. */
  observations = 0
  /** Handshakes completed with it. */
  connections = 0
  /** Rounds of traversals in which the address that it told was offered to a peer. */
  coordinations = 0
  readonly peer: PeerActor<BootstrapConnection>
  /** The last one, from the handshake on. */
  private connection: ConnectionActor | undefined = undefined
  /** It was asked a while ago, and has told nothing. */
  private isSilent = false
  private readonly host: BootstrapHost
  private readonly onChange: () => void

  constructor(
    target: LinkTarget,
    host: BootstrapHost,
    state: SubscriptionRef.SubscriptionRef<PeerState<BootstrapConnection>>,
    onChange: () => void
  ) {
    const { endpoint, dial } = host
    const { node, family } = target
    this.target = target
    this.host = host
    this.onChange = onChange
    const name = `bootstrap ${hostPort(node)}${family === undefined ? "" : ` over IPv${family}`}`
    this.peer = new PeerActor(
      {
        name,
        restart: "eager",
        schedule,
        stableMillis: 10_000,
        maxWaiting: 0,
        dial: (peer) => dial(target, peer)
      },
      endpoint,
      state
    )
    endpoint.peers.add(this.peer)
    this.peer.attach(({ actor }) => {
      this.connections++
      this.connection = actor
      this.isSilent = false
      this.fork(
        Effect.delay(
          Effect.sync(() => this.lookForSilence()),
          ANSWER_MILLIS
        )
      )
      this.listenTo(actor, undefined)
    })
    this.fork(this.follow)
    const look = Effect.sync(() => {
      if (this.actor === undefined) this.lookForSilence()
    })
    this.fork(Effect.delay(look, PATIENCE_MILLIS))
  }

  private fork(effect: Effect.Effect<void>): void {
    this.peer.branch.fork(effect, (cause) =>
      this.host.endpoint.report("a bootstrap node is not followed any more", cause, { peer: this.peer.name })
    )
  }

  private lookForSilence(): void {
    this.isSilent = this.observation === undefined
    if (this.isSilent) this.onChange()
  }

  /** It was asked, and may answer in a moment. */
  get isAwaited(): boolean {
    const { observation, isSilent, state } = this
    if (observation !== undefined || isSilent) return false
    return state._tag !== "Closed" && (state._tag !== "Connecting" || state.attempt === 1)
  }

  get state(): PeerState<BootstrapConnection> {
    return SubscriptionRef.getUnsafe(this.peer.state)
  }

  /** The connection to it. */
  get actor(): ConnectionActor | undefined {
    return this.connection?.isOver === false ? this.connection : undefined
  }

  private get follow(): Effect.Effect<void> {
    const following = Stream.runForEach(SubscriptionRef.changes(this.peer.state), (state) =>
      Effect.sync(() => this.onState(state))
    )
    return Effect.ensuring(
      following,
      Effect.sync(() => this.doubt())
    )
  }

  /** It cannot be reached. */
  private doubt(): void {
    this.observation = this.observedMicros = undefined
    this.onChange()
  }

  private onState(state: PeerState<BootstrapConnection>): void {
    if (state._tag === "Connecting" && state.attempt > 1) this.doubt()
    else this.onChange()
  }

  /** `last` is what the node has told on this connection so far. */
  private listenTo(actor: ConnectionActor, last: SocketAddress | undefined): void {
    const { routes, remote } = actor.core.path
    const told = routes.observation?.own
    // until it tells again, what it has told is about the socket before
    if (told !== undefined && told !== last) this.onObserved(actor, told, remote)
    if (!actor.isOver) actor.path.moved.listen(() => this.listenTo(actor, told))
  }

  private onObserved(actor: ConnectionActor, mapped: SocketAddress, observer: SocketAddress): void {
    if (!isCredible(mapped, observer)) return
    const before = this.observation
    const { socket } = actor.core.path.routes.current
    const isKnown =
      before !== undefined &&
      before.socket === socket &&
      sameAddress(before.mapped, mapped) &&
      sameAddress(before.observer, observer)
    if (isKnown) return
    // a NAT chooses when the first datagram passes; what changes later was chosen just now
    const isFirst = before === undefined || before.atMicros < actor.sinceMicros
    this.observedMicros = this.host.endpoint.now()
    const atMicros = isFirst ? actor.sinceMicros : this.observedMicros
    this.observation = { observer, mapped, socket, atMicros }
    this.observations++
    this.onChange()
  }
}

/**
 * Who is told an address sends there, so what cannot be ours is not told: nobody sees us from farther away than the address
 * reaches.
 */
const isCredible = (mapped: SocketAddress, observer: SocketAddress): boolean =>
  mapped.port > 0 &&
  mapped.family === observer.family &&
  addressScope(mapped) !== AddressScope.nowhere &&
  addressScope(mapped) >= addressScope(observer)

/** As text, also of a name. */
export const hostPort = ({ host, port }: Pick<BootstrapNode, "host" | "port">): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
