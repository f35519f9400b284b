/**
 * The nodes that tell an endpoint which address it has from outside: its bootstrap nodes, and its relays.
 *
 * Each is asked over the endpoint's own socket and stays connected, so that what it tells stays true: the binding of a NAT
 * does not expire meanwhile, and a node tells at once when it has changed. One that cannot be reached is tried again after
 * 1 s, doubling up to 30 s.
 *
 * **Example** (The addresses of this endpoint, as they change)
 *
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { formatAddress, type QuicEndpointShape } from "effect-quic"
 *
 * const watch = (endpoint: QuicEndpointShape) =>
 *   Effect.gen(function* () {
 *     yield* endpoint.bootstraps.add("relay.example.org")
 *     yield* Stream.runForEach(endpoint.bootstraps.changes, (nodes) =>
 *       Console.log(nodes.flatMap(({ observed }) => (observed === undefined ? [] : formatAddress(observed))))
 *     )
 *   })
 * ```
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { BootstrapLink } from "./actor/BootstrapLink.ts"
import { type BootstrapSet, MAX_BOOTSTRAPS } from "./actor/BootstrapSet.ts"
import { EndpointClosed, invalidOption, type QuicError, quicError } from "./QuicError.ts"
import { type BootstrapOption, bootstrapNode } from "./TraversalOptions.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/**
 * A bootstrap node in one address family, and what it has told.
 *
 * @category models
 * @since 0.1.0
 */
export interface BootstrapInfo {
  /** As it was added. */
  readonly host: string
  /** UDP port. */
  readonly port: number
  /** URL of the relay of this endpoint that answers there; undefined if it is none. */
  readonly relay: string | undefined
  /**
   * The family of the addresses that are tried. A name is asked over both, as there may be another NAT for each, if the
   * endpoint's socket reaches both; undefined if there is no choice.
   */
  readonly family: 4 | 6 | undefined
  /** `migrating`: connected, and validating another path; `closed`: for good, as the endpoint closes. */
  readonly state: "connecting" | "connected" | "migrating" | "closed"
  /** Why the last attempt to connect failed; undefined if it did not. */
  readonly problem: string | undefined
  /** Where it is connected. */
  readonly remote: SocketAddress | undefined
  /** Smoothed round-trip time, while it is connected and once it is measured. */
  readonly rttMillis: number | undefined
  /** This endpoint's address as the node sees it. */
  readonly observed: SocketAddress | undefined
  /** Time since it has told that. */
  readonly observedAgoMillis: number | undefined
  /** Times that it has told another address than before. */
  readonly observations: number
  /** Handshakes completed with it. */
  readonly connections: number
  /** Rounds of NAT traversal in which the address that it told was offered to a peer. */
  readonly coordinations: number
}

/**
 * The bootstrap nodes of an endpoint: `endpoint.bootstraps`.
 *
 * @category models
 * @since 0.1.0
 */
export class Bootstraps {
  /** @internal */
  readonly nodes: BootstrapSet

  /** Called by `QuicEndpoint.make`; not for applications. */
  constructor(nodes: BootstrapSet) {
    this.nodes = nodes
  }

  /**
   * Adds a node, and connects to it in the background.
   *
   * Fails with `InvalidOption` for `node`, or a field of it, if it is wrong, there already, or the 17th besides the relays;
   * with `EndpointClosed`. **Interruption**: only before it is added.
   */
  add(node: BootstrapOption): Effect.Effect<void, QuicError> {
    return Effect.flatMap(bootstrapNode(node, "node"), (checked) =>
      Effect.suspend(() => {
        const { nodes } = this
        if (nodes.endpoint.isClosed) return Effect.fail(quicError(new EndpointClosed()))
        if (nodes.has(checked)) return invalidOption("node", "one that is not there already")
        if (nodes.size >= MAX_BOOTSTRAPS) return invalidOption("node", `at most ${MAX_BOOTSTRAPS} nodes`)
        return nodes.add(checked)
      })
    )
  }

  /**
   * Removes a node, given as it was added, and closes the connection to it. What it told is not offered to peers any more.
   * False if it is not there. A relay can be removed too, by its host and port: it is a relay still, and not asked any more.
   *
   * Fails with `InvalidOption` if it is no node. **Interruption**: while the connection closes; it is removed all the same.
   */
  remove(node: BootstrapOption): Effect.Effect<boolean, QuicError> {
    return Effect.flatMap(bootstrapNode(node, "node"), (checked) => this.nodes.remove(checked))
  }

  /** The nodes now, in the order they were added. */
  get list(): ReadonlyArray<BootstrapInfo> {
    const nowMicros = this.nodes.endpoint.now()
    return this.nodes.links.map((link) => infoOf(link, nowMicros))
  }

  /**
   * The nodes now, and again whenever one is added, removed, connected, lost, or tells another address; ends when
   * the endpoint drains or is closed. One who is slow to look sees the latest only.
   *
   * **Interruption**: stops watching, and leaves nothing behind.
   */
  get changes(): Stream.Stream<ReadonlyArray<BootstrapInfo>> {
    const { changes, endpoint } = this.nodes
    return changes.stream.pipe(
      Stream.map(() => this.list),
      Stream.interruptWhen(Deferred.await(endpoint.drain.begun))
    )
  }
}

const infoOf = (link: BootstrapLink, nowMicros: number): BootstrapInfo => {
  const { target, state, actor, observation, observations, connections, coordinations } = link
  const rtt = actor?.core.path.recovery.rtt
  return {
    host: target.node.host,
    port: target.node.port,
    relay: target.node.relay,
    family: target.family,
    state: stateOf(link),
    problem: state._tag === "Connecting" ? state.lastFailure?.message : undefined,
    remote: actor?.core.path.remote,
    rttMillis: rtt?.hasSample ? rtt.smoothedMicros / 1000 : undefined,
    observed: observation?.mapped,
    observedAgoMillis:
      link.observedMicros === undefined ? undefined : (nowMicros - link.observedMicros) / 1000,
    observations,
    connections,
    coordinations
  }
}

const stateOf = ({ actor, state }: BootstrapLink): BootstrapInfo["state"] => {
  if (actor !== undefined) return actor.path.isMigrating ? "migrating" : "connected"
  return state._tag === "Closed" ? "closed" : "connecting"
}
