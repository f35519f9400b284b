/** Status of the receiving side of a stream, as seen by the application. */
export type ReceiveOutcome =
  /** Data may be readable, or may still arrive. */
  | { readonly _tag: "open" }
  /** Everything was read, including the FIN. */
  | { readonly _tag: "finished" }
  /** The peer reset it; `code` is an application error code. */
  | { readonly _tag: "reset"; readonly code: number }
  /** This side stopped reading it. */
  | { readonly _tag: "stopped" }
  /** The stream has no such side, or does not exist. */
  | { readonly _tag: "none" }
  /** Both sides ended and the stream was forgotten. */
  | { readonly _tag: "closed" }

/** Status of the sending side of a stream, as seen by the application. */
export type SendOutcome =
  | { readonly _tag: "open" }
  /** `finish` was called; `acknowledged` once the peer has everything, including the FIN. */
  | { readonly _tag: "finished"; readonly acknowledged: boolean }
  /** This side reset it, with `code`. */
  | { readonly _tag: "reset"; readonly code: number }
  /** The peer sent STOP_SENDING; `code` is an application error code. */
  | { readonly _tag: "stopped"; readonly code: number }
  | { readonly _tag: "none" }
  | { readonly _tag: "closed" }
