/**
 * Exports TLS secrets for decrypting a capture, in the format of SSLKEYLOGFILE.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Receives one line for each TLS secret, without the line break. Default undefined: secrets are not exported.
 *
 * **Details**
 *
 * Whoever reads the lines can decrypt the connections. `NodeKeyLog.layer` in `effect-quic/layers/node` appends them to
 * the file that the environment variable `SSLKEYLOGFILE` names. draft-ietf-tls-keylogfile
 *
 * @category references
 * @since 0.1.0
 */
export const KeyLog: Context.Reference<((line: string) => void) | undefined> = Context.Reference(
  "effect-quic/capability/KeyLog",
  { defaultValue: (): ((line: string) => void) | undefined => undefined }
)
