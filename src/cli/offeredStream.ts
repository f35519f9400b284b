/** What `send -` offers: standard input, to the first who asks for it. */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { TransferRefusal } from "../transfer/requests.ts"
import { unavailable } from "../transfer/serveTransfer.ts"
import { offerOf } from "./offeredFiles.ts"

/** Nothing is read before somebody asks; the next who asks is refused, as what has been read is gone. */
export const offerStandardInput = Effect.fnUntraced(function* (name: string) {
  const { stdin } = yield* Stdio.Stdio
  let isTaken = false
  return yield* offerOf([{ kind: "stream", path: name }], {
    hashesOf: () => new Uint8Array(0),
    open: () =>
      Effect.gen(function* () {
        if (isTaken) return yield* unavailable(TransferRefusal.notOffered)
        isTaken = true
        const pull = yield* Stream.toPull(stdin)
        let waiting: Array<Uint8Array> = []
        return Effect.suspend(() => {
          const next = waiting.shift()
          if (next !== undefined) return Effect.succeed<Uint8Array | undefined>(next)
          return pull.pipe(
            Effect.map((chunks) => {
              waiting = [...chunks]
              return waiting.shift()
            }),
            Pull.catchDone(() => Effect.undefined),
            Effect.catch(() => unavailable(TransferRefusal.unreadable))
          )
        })
      })
  })
})
