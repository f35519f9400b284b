/** Why a connection ID command was refused; nothing was changed. */
export type ConnectionIdError =
  /** No ID has this sequence number (yet). */
  | { readonly _tag: "UnknownConnectionId"; readonly sequence: number }
  /** The ID was retired and cannot be used again. RFC 9000 §5.1.2 */
  | { readonly _tag: "RetiredConnectionId"; readonly sequence: number }
  /** The ID is in use; another must be activated first. */
  | { readonly _tag: "ActiveConnectionId"; readonly sequence: number }
  /** The peer has not yet retired the IDs of the last request. RFC 9000 §5.1.2 */
  | { readonly _tag: "RotationPending"; readonly sequence: number }
  /** This path uses zero-length IDs or has exhausted its IDs. */
  | { readonly _tag: "NoConnectionIds"; readonly sequence: number }

export const connectionIdError = <Tag extends ConnectionIdError["_tag"]>(
  _tag: Tag,
  sequence: number
): { readonly _tag: Tag; readonly sequence: number } => ({ _tag, sequence })

/** RFC 9000 §17.2 #2 #4 */
export const MAX_CONNECTION_ID_BYTES = 20
/** RFC 9000 §10.3 */
export const RESET_TOKEN_BYTES = 16
