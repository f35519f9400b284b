/** Offers the binders 0 … 4999 to a shared guard; answers with those it admitted. */
import { parentPort, workerData } from "node:worker_threads"
import { SharedReplayGuard } from "../../layers/node/shards/SharedReplayGuard.ts"

const guard = new SharedReplayGuard(workerData as SharedArrayBuffer)
const binder = (number: number): Uint8Array => Uint8Array.of(9, 9, 0, 0, 0, 0, number >>> 8, number & 0xff)
const admitted: Array<number> = []
for (let number = 0; number < 5000; number++)
  if (guard.admit(binder(number), 2000, 2000)) admitted.push(number)
parentPort!.postMessage(admitted)
