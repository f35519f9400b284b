import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Collects garbage until finalizers have run. */
export const collected = async (haveRun: () => boolean): Promise<void> => {
  setFlagsFromString("--expose-gc")
  const collect: () => void = runInNewContext("gc")
  for (let turn = 0; !haveRun() && turn < 100; turn++) {
    collect()
    await new Promise((resume) => setImmediate(resume))
  }
}
