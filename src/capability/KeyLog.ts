/** Where TLS secrets go when someone wants to decrypt a capture: one line a secret, in the format of SSLKEYLOGFILE. */
import * as Context from "effect/Context"

/** Undefined, the default, keeps the secrets where they are. `layers/node` fills it from `SSLKEYLOGFILE`. */
export const KeyLog: Context.Reference<((line: string) => void) | undefined> = Context.Reference(
  "effect-quic/capability/KeyLog",
  { defaultValue: (): ((line: string) => void) | undefined => undefined }
)
