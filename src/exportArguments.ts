/** Checks the arguments of `QuicConnection.exportKeyingMaterial`. */
import { isBytes, type Refusal } from "./arguments.ts"
import { MAX_EXPORTED_BYTES, MAX_EXPORTER_LABEL_BYTES } from "./handshake/Exporter.ts"
import { invalidOption } from "./QuicError.ts"

// RFC 5705 §4: ASCII without NUL
const labels = new RegExp(`^[\\x01-\\x7f]{1,${MAX_EXPORTER_LABEL_BYTES}}$`)

const badLabel = invalidOption(
  "label",
  `ASCII text of 1 to ${MAX_EXPORTER_LABEL_BYTES} characters, none of them NUL`
)
const badContext = invalidOption("context", "a Uint8Array, which may be empty")
const badLength = invalidOption("length", `an integer from 1 to ${MAX_EXPORTED_BYTES}`)

/** Fails with why the arguments are rejected; undefined if they are not. */
export const refuseExport = (label: unknown, context: unknown, length: unknown): Refusal => {
  if (typeof label !== "string" || !labels.test(label)) return badLabel
  if (!isBytes(context)) return badContext
  const isLength =
    typeof length === "number" && Number.isInteger(length) && length >= 1 && length <= MAX_EXPORTED_BYTES
  return isLength ? undefined : badLength
}
