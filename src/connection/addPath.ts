import type { AddressDiscovery } from "./AddressDiscovery.ts"
import { ConnectionPath, type PathSetup } from "./ConnectionPath.ts"
import { Migration } from "./Migration.ts"
import type { MovingConnection } from "./MovingConnection.ts"
import type { PathSet } from "./PathSet.ts"

/** What a path becomes part of. */
export interface GrowingConnection extends MovingConnection {
  readonly paths: PathSet
  readonly discovery: AddressDiscovery
}

/** Adds a path; the caller applies the peer's transport parameters to it. */
export const addPath = (
  connection: GrowingConnection,
  setup: PathSetup,
  nowMicros: number
): ConnectionPath => {
  const path = new ConnectionPath(connection.config, setup, nowMicros, connection.paths)
  path.migration = new Migration(connection, path)
  connection.discovery.observe(path)
  connection.paths.add(path)
  return path
}
