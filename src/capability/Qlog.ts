/**
 * Records connections, one log each, in the qlog format. draft-ietf-quic-qlog-main-schema
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Starts the log of one connection and returns a function that appends whole records to it.
 *
 * **Details**
 *
 * `name` is unique: the original destination connection ID and the role.
 *
 * @category models
 * @since 0.1.0
 */
export type QlogShape = (name: string) => (records: string) => void

/**
 * Where qlogs are written. Default undefined: nothing is recorded, at no cost.
 *
 * **Details**
 *
 * `NodeQlog.layer` in `effect-quic/layers/node` writes them into the directory that the environment variable `QLOGDIR`
 * names.
 *
 * @category references
 * @since 0.1.0
 */
export const Qlog: Context.Reference<QlogShape | undefined> = Context.Reference(
  "effect-quic/capability/Qlog",
  { defaultValue: (): QlogShape | undefined => undefined }
)
