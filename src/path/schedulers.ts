/** The policies of which path data is sent on. draft-ietf-quic-multipath §5.5 */
import type { PathScheduler, SchedulerPath, SendDemand } from "../capability/PathScheduling.ts"

type Measure = (path: SchedulerPath) => number

const sortedBy = (paths: ReadonlyArray<SchedulerPath>, measure: Measure): Array<SchedulerPath> =>
  paths.toSorted((a, b) => measure(a) - measure(b))

const least = (paths: ReadonlyArray<SchedulerPath>, measure: Measure): SchedulerPath =>
  paths.reduce((best, path) => (measure(path) < measure(best) ? path : best))

const smoothed: Measure = ({ smoothedRttMicros }) => smoothedRttMicros

/** When the last of `bytes` sent now would arrive: what is in flight has to be delivered before. */
const arrivalMicros = ({ bytesInFlight, rate, smoothedRttMicros }: SchedulerPath, bytes: number): number =>
  (bytesInFlight + bytes) / rate + smoothedRttMicros / 2

/**
 * The path on which a datagram would arrive first. Another is used while that one is full, unless all that is left would
 * arrive earlier by waiting for it: the end of a message never waits for a slow path.
 */
export const earliest = (): PathScheduler => ({
  choose: (paths, demand) => {
    const order = sortedBy(paths, (path) => arrivalMicros(path, path.datagramBytes))
    const best = least(paths, (path) => arrivalMicros(path, 0) - path.bytesInFlight / path.rate)
    if (best.hasRoom) return order
    const other = order.find((path) => path !== best && path.hasRoom)
    if (other === undefined) return order
    const there = arrivalMicros(other, other.datagramBytes)
    // as much as the best path delivers until then
    const most = Math.max(0, (there - best.smoothedRttMicros / 2) * best.rate - best.bytesInFlight)
    return demand.unsentBytes(most) < most ? [best] : order
  }
})

/** The path with the lowest round-trip time that has room. */
export const minRtt = (): PathScheduler => ({ choose: (paths) => sortedBy(paths, smoothed) })

/** Every path in proportion to its weight: by default to what its window lets through. */
export const weighted = (weightOf: (path: SchedulerPath) => number = ({ rate }) => rate): PathScheduler => {
  /** What each had sent when a path was last added or removed: a newcomer does not have to catch up with the others. */
  const before = new Map<SchedulerPath, number>()
  const beginAnew = (): void => {
    for (const path of before.keys()) before.set(path, path.bytesSent)
  }
  const sentOf = (path: SchedulerPath): number => path.bytesSent - (before.get(path) ?? 0)
  return {
    onAdded: (path) => {
      before.set(path, 0)
      beginAnew()
    },
    onRemoved: (path) => {
      before.delete(path)
      beginAnew()
    },
    choose: (paths) => sortedBy(paths, (path) => sentOf(path) / Math.max(weightOf(path), Number.MIN_VALUE))
  }
}

/** Each datagram on every path: as fast as the fastest for whatever gets through on any, at the cost of all others. */
export const redundant = (): PathScheduler => ({
  isRedundant: true,
  choose: (paths) => sortedBy(paths, smoothed)
})

/** The range and steps of BLEST's correction of its estimate. */
const LAMBDA = { initial: 1.2, least: 1, most: 1.3, up: 0.04, down: 0.01 }

interface BlestState {
  minRttMicros: number
  maxRttMicros: number
  lambda: number
  adjustedAtBytes: number
}

/**
 * Does not use a slower path if what it would hold back at the receiver fills the send window before its data arrives.
 * S. Ferlin et al., "BLEST: Blocking Estimation-based MPTCP Scheduler for Heterogeneous Networks", IFIP Networking 2016
 */
export const blest = (): PathScheduler => {
  const states = new Map<number, BlestState>()
  const stateOf = (path: SchedulerPath): BlestState => {
    const { latestRttMicros: latest, smoothedRttMicros } = path
    let state = states.get(path.id)
    if (state === undefined) {
      const { initial: lambda } = LAMBDA
      state = { minRttMicros: smoothedRttMicros, maxRttMicros: smoothedRttMicros, lambda, adjustedAtBytes: 0 }
      states.set(path.id, state)
    }
    if (latest > 0) {
      state.minRttMicros = Math.min(state.minRttMicros, latest)
      state.maxRttMicros = Math.max(state.maxRttMicros, latest)
    }
    return state
  }
  const mayUse = (slow: SchedulerPath, fast: SchedulerPath, demand: SendDemand): boolean => {
    const of = stateOf(slow)
    const ofFast = stateOf(fast)
    const waitMicros = Math.max(
      slow.smoothedRttMicros,
      of.minRttMicros +
        ((of.maxRttMicros - of.minRttMicros) * (slow.bytesInFlight + slow.datagramBytes)) /
          slow.congestionWindow
    )
    const rounds = Math.floor(waitMicros / ((ofFast.minRttMicros + ofFast.maxRttMicros) / 2)) + 1
    const window = fast.congestionWindow
    const onFast =
      fast.slowStartThreshold === Number.POSITIVE_INFINITY
        ? window * (2 ** Math.min(rounds, 16) - 1)
        : (Math.max(window + fast.datagramBytes, fast.slowStartThreshold + fast.datagramBytes) +
            ((rounds - 1) / 2) * fast.datagramBytes) *
          rounds
    const isBlocking = onFast * of.lambda > demand.creditBytes - slow.bytesInFlight - slow.datagramBytes
    adjust(of, slow, demand.creditBytes <= 0)
    return !isBlocking
  }
  /** Once for each window sent: more careful after the window was exhausted. */
  const adjust = (state: BlestState, path: SchedulerPath, wasBlocked: boolean): void => {
    if (path.bytesSent - state.adjustedAtBytes < path.congestionWindow && !wasBlocked) return
    state.adjustedAtBytes = path.bytesSent
    const next = state.lambda + (wasBlocked ? LAMBDA.up : -LAMBDA.down)
    state.lambda = Math.min(LAMBDA.most, Math.max(LAMBDA.least, next))
  }
  return {
    onRemoved: ({ id }) => states.delete(id),
    choose: (paths, demand) => {
      const order = sortedBy(paths, smoothed)
      const [fast, ...others] = order
      for (const path of paths) stateOf(path)
      return fast.hasRoom
        ? order
        : [fast, ...others.filter((path) => !path.hasRoom || mayUse(path, fast, demand))]
    }
  }
}

/** How much more the faster path has to promise once it is waited for. */
const ECF_HYSTERESIS = 0.25

/**
 * Waits for the faster path if everything that is left would be delivered earlier by that.
 * Y.-s. Lim et al., "ECF: An MPTCP Path Scheduler to Manage Heterogeneous Paths", CoNEXT 2017
 */
export const ecf = (): PathScheduler => {
  let waiting = 0
  return {
    choose: (paths, demand) => {
      const order = sortedBy(paths, smoothed)
      const [fast] = order
      if (fast.hasRoom) return order
      const slow = order.find(({ hasRoom }) => hasRoom)
      if (slow === undefined) return order
      const left = demand.unsentBytes(Number.MAX_SAFE_INTEGER)
      const delta = Math.max(fast.rttVariationMicros, slow.rttVariationMicros)
      const onFast = fast.smoothedRttMicros * (1 + Math.max(left / fast.congestionWindow, 1))
      const isSooner = onFast < (1 + waiting * ECF_HYSTERESIS) * (slow.smoothedRttMicros + delta)
      if (!isSooner) {
        waiting = 0
        return order
      }
      const onSlow = slow.smoothedRttMicros * Math.max(left / slow.congestionWindow, 1)
      if (onSlow < 2 * fast.smoothedRttMicros + delta) return order
      waiting = 1
      return [fast]
    }
  }
}
