import type { Route } from "../path/Route.ts"
import type { PathRecovery } from "../recovery/PathRecovery.ts"
import type { TransportParameters } from "../wire/TransportParameters.ts"
import type { Closer } from "./Closer.ts"
import type { ConnectionEvent } from "./ConnectionEvents.ts"
import type { MigrationTrace } from "./MigrationTrace.ts"
import type { OfferingConnection } from "./offerToken.ts"
import type { RouteSet } from "./RouteSet.ts"

/** The path that migrates. */
export interface MovingPath {
  readonly routes: RouteSet
  readonly recovery: PathRecovery
  /** Probe packets due per space. */
  readonly probes: [number, number, number]
  /** The current route was replaced. */
  onMoved(before: Route, nowMicros: number): void
}

/** What the migration of a path needs of its connection. */
export interface MovingConnection extends OfferingConnection {
  readonly handshake: {
    readonly confirmed: boolean
    readonly peerParameters: TransportParameters | undefined
  }
  readonly events: Array<ConnectionEvent>
  readonly closer: Closer
  readonly paths: OfferingConnection["paths"] & { readonly hasSeveralOpen: boolean }
  readonly frames: OfferingConnection["frames"] & { pingOn(path: MovingPath): void }
  readonly migrationTrace: MigrationTrace
}
