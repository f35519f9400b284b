/** Why a connection ID command was refused; nothing was changed. */
export type ConnectionIdError =
  /** No ID has this sequence number (yet). */
  | { readonly _tag: "UnknownConnectionId"; readonly sequence: number }
  /** The ID was retired and cannot be used again. RFC 9000 §5.1.2 */
  | { readonly _tag: "RetiredConnectionId"; readonly sequence: number }
  /** The ID is in use, by the current route or by one being validated: it is not retired, nor used on two. RFC 9000 §9.5 */
  | { readonly _tag: "ActiveConnectionId"; readonly sequence: number }
  /** The IDs of the last change are not yet retired, or their retirement is not acknowledged. RFC 9000 §5.1.2 */
  | { readonly _tag: "RotationPending"; readonly sequence: number }
  /** The peer has provided no unused ID, or the handshake is not confirmed. RFC 9000 §9, §9.5 */
  | { readonly _tag: "NoSpareConnectionId"; readonly sequence: number }
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
