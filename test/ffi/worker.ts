/** A worker with a socket that it does not read, which ends as its data says. */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import { ffiPort } from "./port.ts"

const end = workerData as "terminated" | "exits" | "fails" | "closes"
if (end === "exits") setTimeout(() => process.exit(), 20)
if (end === "fails") {
  setTimeout(() => {
    throw new Error("wrong")
  }, 20)
}

const program = Effect.gen(function* () {
  const socket = yield* ffiPort.bind({ host: "127.0.0.1" })
  parentPort!.postMessage(socket.localAddress.port)
  return yield* end === "closes" ? Effect.sleep(20) : Effect.never
})
await Effect.runPromise(Effect.scoped(program))
