/**
 * Tracks asynchronous work outside the simulation: WebCrypto promises, file access, name lookups. Virtual time does not
 * advance meanwhile, so that its duration has no effect on a simulation.
 *
 * Node reports each such request through async_hooks. Timers and sockets are not included: only virtual time passes in a
 * simulation.
 */
import { createHook } from "node:async_hooks"

const isRequest = /^FSREQ|^GETADDRINFOREQ|^GETNAMEINFOREQ|^QUERYWRAP$|(?<!CLIENT)REQUEST$/

type Kind = "request" | "harmless" | "other"

/** By type of resource. */
const knownTypes = new Map<string, Kind>()

const kindOf = (type: string): Kind => {
  hasHooks = true
  const known = knownTypes.get(type)
  if (known !== undefined) return known
  const kind = isRequest.test(type) ? "request" : isHarmless.test(type) ? "harmless" : "other"
  knownTypes.set(type, kind)
  return kind
}

interface Job {
  run?: (...args: Array<unknown>) => unknown
}

const pending = new Map<number, string>()

/** Fibers that wait, and what `settle` runs itself: a simulation makes one for each step. Timers do not count. */
const isHarmless = /^effect\/Fiber$|^TickObject$|^Microtask$|^Timeout$/

/** Counts what was made that the event loop may have to run. */
let made = 0
/** What of that was there before its last turn. */
let given = -1
/** Some runtimes have no hooks: there every turn is one of the event loop. */
let hasHooks = false
/** Since the event loop had a turn. */
let settled = 0
/** How often in a row it may have none: what was made long ago, as sockets, may have something to report. */
const maxSettled = 64

const starts = createHook({
  // There are thousands of promises, without useful information.
  trackPromises: false,
  init(asyncId, type, _trigger, resource) {
    switch (kindOf(type)) {
      case "harmless":
        return
      case "other":
        made++
        return
      case "request":
        onRequest(asyncId, type, resource as Job)
    }
  }
})

const onRequest = (asyncId: number, type: string, job: Job): void => {
  const { run } = job
  if (run === undefined) return add(asyncId, type)
  // Synchronous calls use the same class; they return their result as an array and never call back.
  job.run = function (...args) {
    const outcome = run.apply(this, args)
    if (!Array.isArray(outcome)) add(asyncId, type)
    return outcome
  }
}

const add = (asyncId: number, type: string): void => {
  pending.set(asyncId, type)
  ends.enable()
}

/** Only while a request is pending: every step of a fiber calls it. */
const ends = createHook({
  trackPromises: false,
  before(asyncId) {
    if (pending.delete(asyncId) && pending.size === 0) ends.disable()
  }
})

let watchers = 0

/** Starts tracking; must be paired with `unwatch`. */
export const watch = (): void => {
  made++
  if (watchers++ === 0) starts.enable()
}

export const unwatch = (): void => {
  if (--watchers > 0) return
  starts.disable()
  ends.disable()
  pending.clear()
}

export const isPending = (): boolean => pending.size > 0

/** Describes pending work, for messages. */
export const describe = (): string => [...new Set(pending.values())].join(", ")

/** Runs the event loop once: promise callbacks run and finished requests are reported. */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    const before = made
    setImmediate(() => {
      // several simulations may run in a process
      given = Math.max(given, before)
      settled = 0
      resolve()
    })
    // the immediate just made does not count
    made = before
  })

/** Runs promise callbacks, and the event loop if it may have something to do: a turn of it costs twenty times as much. */
export const settle = (): Promise<void> => {
  if (made > given || !hasHooks || isPending() || ++settled > maxSettled) return turn()
  return new Promise((resolve) => process.nextTick(resolve))
}
