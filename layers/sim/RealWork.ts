/**
 * Tracks asynchronous work outside the simulation: WebCrypto promises, file access, name lookups. Virtual time does not
 * advance meanwhile, so that its duration has no effect on a simulation.
 *
 * Node reports each such request through async_hooks. Timers and sockets are not included: only virtual time passes in a
 * simulation.
 */
import { createHook } from "node:async_hooks"

const isRequest = /^FSREQ|^GETADDRINFOREQ|^GETNAMEINFOREQ|^QUERYWRAP$|(?<!CLIENT)REQUEST$/

/** By type of resource; a simulation makes one for each step of a fiber that waits. */
const knownTypes = new Map<string, boolean>()

const isRequestType = (type: string): boolean => {
  const known = knownTypes.get(type)
  if (known !== undefined) return known
  const isOne = isRequest.test(type)
  knownTypes.set(type, isOne)
  return isOne
}

interface Job {
  run?: (...args: Array<unknown>) => unknown
}

const pending = new Map<number, string>()

const hook = createHook({
  // There are thousands of promises, without useful information.
  trackPromises: false,
  init(asyncId, type, _trigger, resource) {
    if (!isRequestType(type)) return
    const job = resource as Job
    const run = job.run
    if (run === undefined) {
      pending.set(asyncId, type)
      return
    }
    // Synchronous calls use the same class; they return their result as an array and never call back.
    job.run = function (...args) {
      const outcome = run.apply(this, args)
      if (!Array.isArray(outcome)) pending.set(asyncId, type)
      return outcome
    }
  },
  before(asyncId) {
    if (pending.size > 0) pending.delete(asyncId)
  }
})

let watchers = 0

/** Starts tracking; must be paired with `unwatch`. */
export const watch = (): void => {
  if (watchers++ === 0) hook.enable()
}

export const unwatch = (): void => {
  if (--watchers > 0) return
  hook.disable()
  pending.clear()
}

export const isPending = (): boolean => pending.size > 0

/** Describes pending work, for messages. */
export const describe = (): string => [...new Set(pending.values())].join(", ")

/** Runs the event loop once: promise callbacks run and finished requests are reported. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
