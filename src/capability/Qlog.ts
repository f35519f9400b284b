/** Where logs of connections go: one file each, in the format of qlog. draft-ietf-quic-qlog-main-schema */
import * as Context from "effect/Context"

/**
 * Begins the log of one connection and returns what appends whole records to it. `name` tells it from all others: the
 * original connection ID, and the role.
 */
export type QlogShape = (name: string) => (records: string) => void

/** Undefined, the default: nothing is logged, and it costs nothing. `layers/node` fills it from `QLOGDIR`. */
export const Qlog: Context.Reference<QlogShape | undefined> = Context.Reference(
  "effect-quic/capability/Qlog",
  { defaultValue: (): QlogShape | undefined => undefined }
)
