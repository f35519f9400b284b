/**
 * The metrics of one endpoint: series that read the counters of the core when somebody asks for them.
 *
 * Nothing is done per packet. A connection costs its registration when its handshake is complete and when it moves;
 * strangers have no series, and no more than `maxConnections` connections have.
 */
import type * as Context from "effect/Context"
import type * as Metric from "effect/Metric"
import type { EndpointStatistics } from "../capability/EndpointStatistics.ts"
import type { Endpoint } from "../endpoint/Endpoint.ts"
import { endpointStatistics } from "../endpoint/endpointStatistics.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { type Attributes, addressAttributes, registerSeries, removeAll } from "./metricRegistry.ts"
import { endpointSeries, pathSeries, type Series } from "./metricSeries.ts"

/** The endpoint whose metrics they are. */
export interface MeasuredEndpoint {
  readonly core: Endpoint
  readonly socket: { readonly localAddress: SocketAddress }
  /** Changes with each turn of its loop. */
  readonly turns: number
  now(): number
}

type Registrations = ReadonlyArray<Metric.Registration>

/** A peer can move with every packet; beyond one move in this time its series follow when they are read. */
const MOVE_MICROS = 1_000_000

/** The series of a connection's paths. */
interface Listing {
  readonly registrations: Registrations
  /** When they last followed a move at once. */
  readonly movedMicros: number
}

export class EndpointMetrics {
  private readonly endpoint: MeasuredEndpoint
  private readonly context: Context.Context<never>
  private readonly maxConnections: number
  private readonly attributes: Attributes
  private readonly own: Registrations
  private readonly listed = new Map<ConnectionActor, Listing>()
  /** Connections that have moved since they were listed. */
  private readonly stale = new Set<ConnectionActor>()
  /** Connections beyond the limit, the oldest first. */
  private readonly unlisted = new Set<ConnectionActor>()
  private statistics: EndpointStatistics
  private asOfTurn: number

  /** Registers the series of the endpoint in the registry of `context`. */
  constructor(endpoint: MeasuredEndpoint, context: Context.Context<never>, maxConnections: number) {
    this.endpoint = endpoint
    this.context = context
    this.maxConnections = maxConnections
    this.attributes = addressAttributes("local", endpoint.socket.localAddress)
    this.statistics = endpointStatistics(endpoint.core)
    this.asOfTurn = endpoint.turns
    this.own = this.register(endpointSeries(this.statistics), this.attributes, () => this.current)
  }

  /** A connection is established, or its paths have changed. */
  update(actor: ConnectionActor): void {
    const { listed, endpoint } = this
    const before = listed.get(actor)
    if (before === undefined) {
      if (listed.size < this.maxConnections) this.list(actor)
      else this.unlisted.add(actor)
    } else if (endpoint.now() - before.movedMicros < MOVE_MICROS) this.stale.add(actor)
    else this.list(actor, endpoint.now())
  }

  /** A connection is gone: its place is free for another. */
  remove(actor: ConnectionActor): void {
    const { listed, unlisted } = this
    unlisted.delete(actor)
    this.stale.delete(actor)
    const listing = listed.get(actor)
    if (listing === undefined) return
    removeAll(listing.registrations)
    listed.delete(actor)
    const [next] = unlisted
    if (next === undefined) return
    unlisted.delete(next)
    this.list(next)
  }

  close(): void {
    removeAll(this.own)
    for (const { registrations } of this.listed.values()) removeAll(registrations)
    this.listed.clear()
    this.stale.clear()
    this.unlisted.clear()
  }

  /** Visits every connection, so not for each of the series: the counters change in turns of the loop only. */
  private get current(): EndpointStatistics {
    const { turns, core } = this.endpoint
    if (turns !== this.asOfTurn) {
      this.statistics = endpointStatistics(core)
      this.asOfTurn = turns
      for (const moved of this.stale) this.list(moved, this.endpoint.now())
      this.stale.clear()
    }
    return this.statistics
  }

  /** Registers the series of a connection, in place of those it had. */
  private list(actor: ConnectionActor, movedMicros = Number.NEGATIVE_INFINITY): void {
    const before = this.listed.get(actor)
    if (before !== undefined) removeAll(before.registrations)
    this.listed.set(actor, { registrations: this.registerPaths(actor), movedMicros })
  }

  private registerPaths(actor: ConnectionActor): Registrations {
    const { core, branch } = actor
    return core.paths.used.flatMap((path) =>
      this.register(
        pathSeries,
        {
          ...this.attributes,
          ...addressAttributes("peer", path.remote),
          "quic.role": core.config.role,
          "quic.connection": String(branch.fiberId),
          "quic.path": String(path.id)
        },
        () => path
      )
    )
  }

  private register<Source>(
    series: ReadonlyArray<Series<Source>>,
    attributes: Attributes,
    source: () => Source
  ): Registrations {
    return registerSeries(series, attributes, source, this.context)
  }
}
