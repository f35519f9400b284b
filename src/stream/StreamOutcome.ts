/** How the receiving side of a stream stands, as the application sees it. */
export type ReceiveOutcome =
  /** More may come, or is waiting to be read. */
  | { readonly _tag: "open" }
  /** Everything was read, to the FIN. */
  | { readonly _tag: "finished" }
  /** The peer abandoned it; `code` is the application's. */
  | { readonly _tag: "reset"; readonly code: number }
  /** This side stopped reading it. */
  | { readonly _tag: "stopped" }
  /** It is unidirectional, the other way; or there is no such stream. */
  | { readonly _tag: "none" }
  /** It ended both ways and has been forgotten. */
  | { readonly _tag: "closed" }

/** How the sending side of a stream stands, as the application sees it. */
export type SendOutcome =
  | { readonly _tag: "open" }
  /** `finish` was called; `acknowledged` when the peer has everything, FIN included. */
  | { readonly _tag: "finished"; readonly acknowledged: boolean }
  /** This side reset it, with `code`. */
  | { readonly _tag: "reset"; readonly code: number }
  /** The peer wants no more of it; `code` is the application's. */
  | { readonly _tag: "stopped"; readonly code: number }
  | { readonly _tag: "none" }
  | { readonly _tag: "closed" }
