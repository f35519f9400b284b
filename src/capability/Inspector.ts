/**
 * Publishes the fiber trees of endpoints, to be inspected from outside the process.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EndpointNode } from "./treeNodes.ts"

/**
 * Somewhere to publish fiber trees.
 *
 * @category models
 * @since 0.1.0
 */
export interface InspectorShape {
  /** Publishes an endpoint while the scope lasts; `tree` is run at each inspection. */
  readonly show: (tree: Effect.Effect<EndpointNode>) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Where endpoints publish their fiber trees. Default undefined: nowhere.
 *
 * **Details**
 *
 * `NodeInspector.layer` in `effect-quic/layers/node` publishes them for `effect-quic tree`.
 *
 * @category references
 * @since 0.1.0
 */
export const Inspector: Context.Reference<InspectorShape | undefined> = Context.Reference(
  "effect-quic/capability/Inspector",
  { defaultValue: (): InspectorShape | undefined => undefined }
)
