/**
 * Knows whether the process waits for work of the real world: a WebCrypto promise, a file, a name lookup. Virtual time
 * stands still meanwhile, so that how long it takes has no effect on a simulation.
 *
 * Node tells of each such request through async_hooks. Timers and sockets are not requests: in a simulation they do
 * not count, only virtual time passes.
 */
import { createHook } from "node:async_hooks"

const isRequest = /^FSREQ|^GETADDRINFOREQ|^GETNAMEINFOREQ|^QUERYWRAP$|(?<!CLIENT)REQUEST$/

interface Job {
  run?: (...args: Array<unknown>) => unknown
}

const pending = new Map<number, string>()

const hook = createHook({
  // Promises would be thousands and say nothing.
  trackPromises: false,
  init(asyncId, type, _trigger, resource) {
    if (!isRequest.test(type)) return
    const job = resource as Job
    const run = job.run
    if (run === undefined) {
      pending.set(asyncId, type)
      return
    }
    // The same class serves synchronous calls, which return their outcome as an array and never call back.
    job.run = function (...args) {
      const outcome = run.apply(this, args)
      if (!Array.isArray(outcome)) pending.set(asyncId, type)
      return outcome
    }
  },
  before(asyncId) {
    pending.delete(asyncId)
  }
})

let watchers = 0

/** Starts watching; to be paired with `unwatch`. */
export const watch = (): void => {
  if (watchers++ === 0) hook.enable()
}

export const unwatch = (): void => {
  if (--watchers > 0) return
  hook.disable()
  pending.clear()
}

export const isPending = (): boolean => pending.size > 0

/** What is being waited for, for people. */
export const describe = (): string => [...new Set(pending.values())].join(", ")

/** Lets the event loop go round once: promise callbacks run, finished requests are reported. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
