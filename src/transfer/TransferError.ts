/** Why a transfer failed that did not fail with its connection. */
import * as Schema from "effect/Schema"

export class TransferError extends Schema.TaggedError<TransferError>()("TransferError", {
  kind: Schema.Literals([
    /** What arrived is not what was offered. */
    "corrupt",
    /** The sender does not give it. */
    "refused",
    /** The sender speaks the protocol wrongly, or offers what nobody should take. */
    "unacceptable"
  ]),
  message: Schema.String
}) {}
