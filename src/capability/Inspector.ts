/** Where endpoints show their fiber trees, for someone outside the process to look at. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EndpointNode } from "./treeNodes.ts"

export interface InspectorShape {
  /** Shows an endpoint for as long as the scope lasts; `tree` is asked whenever somebody looks. */
  readonly show: (tree: Effect.Effect<EndpointNode>) => Effect.Effect<void, never, Scope.Scope>
}

/** Undefined, the default: nobody can look. `layers/node` has one that `effect-quic tree` talks to. */
export const Inspector: Context.Reference<InspectorShape | undefined> = Context.Reference(
  "effect-quic/capability/Inspector",
  { defaultValue: (): InspectorShape | undefined => undefined }
)
