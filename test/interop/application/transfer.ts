/** The protocol of programs/program.ts: one bidirectional stream, the client's bytes one way and the server's the other. */
import * as Effect from "effect/Effect"
import { Receipt } from "../Receipt.ts"
import { type Exchange, readAll, writeAll } from "./Exchange.ts"

export const transfer: Exchange = {
  alpn: "transfer",
  doneCode: 0,
  begin: () => Effect.void,
  asClient: Effect.fnUntraced(function* (stream, task, beside) {
    const receipt = new Receipt()
    yield* Effect.all(
      [
        Effect.andThen(writeAll(stream, task.send.bytes, beside), stream.finish),
        readAll(stream, (bytes) => receipt.add(bytes), beside)
      ],
      { concurrency: "unbounded" }
    )
    return receipt
  }),
  asServer: Effect.fnUntraced(function* (stream, task, beside) {
    const receipt = new Receipt()
    yield* Effect.all(
      [readAll(stream, (bytes) => receipt.add(bytes), beside), writeAll(stream, task.send.bytes, beside)],
      { concurrency: "unbounded" }
    )
    yield* stream.finish
    return receipt
  })
}
