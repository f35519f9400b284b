/**
 * Which port a NAT will give the next destination, judged by those it gave to several observers.
 *
 * A NAT whose mapping is endpoint-independent (RFC 4787 §4.1) shows all observers the same port, and there is nothing to
 * predict. Of the others, many count: the next port is the last one and a stride, and some more where other hosts
 * behind the same NAT have taken ports meanwhile. Of those that draw ports at random nothing is known but the range.
 */
import { formatAddress } from "../wire/SocketAddress.ts"
import type { RandomBytes } from "../internal/RandomBytes.ts"
import type { Observation } from "./CandidateSource.ts"

/** How a NAT chooses the ports of one socket, as far as the observations show. */
export type PortPattern =
  /** too few observers */
  "unknown" | "endpointIndependent" | "sequential" | "random"

export interface PortPrediction {
  /** The outside address of the NAT. */
  readonly host: string
  readonly family: 4 | 6
  readonly pattern: PortPattern
  /** Of a sequential pattern: what is added for each new mapping, negative if it counts down; otherwise 0. */
  readonly stride: number
  /** Observers that the judgement rests on. */
  readonly observers: number
  /** 0 to 1: how likely the next mapping has one of `ports`, or is at `lowest` to `highest` if there are none. */
  readonly confidence: number
  /** The likeliest first. */
  readonly ports: ReadonlyArray<number>
  /** Where the ports of a random pattern are to be expected. */
  readonly lowest: number
  readonly highest: number
}

/** Other ports than these are not given out. RFC 4787 §4.2.1 */
const LOWEST_PORT = 1024
const HIGHEST_PORT = 65_535
const PORTS = HIGHEST_PORT - LOWEST_PORT + 1

/** Mappings that others may have taken between two observations, at most. Two random ports are as close once in 500. */
const MAX_STEP = 64
/** That a stride is no coincidence. */
const SURE_ODDS = 16
/** After that, half of what was predicted has been taken by others. */
const HALF_LIFE_MICROS = 30_000_000
/** Observations that are looked at, the latest. */
const MAX_OBSERVATIONS = 64

/** One prediction for each socket and outside address; `count` ports at most, those of a sequential pattern. */
export const predictPorts = (
  observations: ReadonlyArray<Observation>,
  nowMicros: number,
  count: number
): ReadonlyArray<PortPrediction> => {
  const groups = new Map<string, Array<Observation>>()
  for (const observation of observations) {
    const key = `${observation.socket} ${observation.mapped.host}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [observation])
    else group.push(observation)
  }
  return [...groups.values()].map((group) => predict(group, nowMicros, count))
}

const predict = (all: ReadonlyArray<Observation>, nowMicros: number, count: number): PortPrediction => {
  const group = latestOfEach(all)
  const { host, family } = group[0].mapped
  const ports = group.map(({ mapped }) => mapped.port)
  const about = { host, family, observers: group.length }
  const all0 = { stride: 0, ports: [], lowest: Math.min(...ports), highest: Math.max(...ports) }
  const isSame = new Set(ports).size === 1
  // a mapping may depend on the address alone, and observers may share one. RFC 4787 §4.1
  const observerHosts = new Set(group.map(({ observer }) => observer.host)).size
  if (group.length < 2 || (isSame && observerHosts < 2))
    return { ...about, ...all0, pattern: "unknown", confidence: 0 }
  if (isSame) return { ...about, ...all0, pattern: "endpointIndependent", confidence: 1 - 2 ** -group.length }
  const stride = strideOf(ports)
  if (stride === 0) return { ...about, ...rangeOf(ports), stride: 0, ports: [], pattern: "random" }
  const steps = ports.slice(1).map((port, i) => distance(ports[i], port) / stride)
  const regular = steps.filter((step) => step === 1).length
  const ageMicros = Math.max(0, nowMicros - group.at(-1)!.atMicros)
  // a rule of succession: how often the next port was the next one
  const confidence = ((regular + 1) / (steps.length + 2)) * 2 ** (-ageMicros / HALF_LIFE_MICROS)
  const next = nextSteps(stride, steps.length, count).map((step) => shifted(ports.at(-1)!, step))
  return { ...about, ...all0, pattern: "sequential", stride, confidence, ports: next }
}

/**
 * What is added to the last port: multiples of the stride, and the steps between in turn with them unless a NAT that counts by
 * one would hardly ever have shown this stride, as others took ports.
 */
const nextSteps = (stride: number, observed: number, count: number): ReadonlyArray<number> => {
  const size = Math.abs(stride)
  const isSure = size === 1 || size ** (observed - 1) >= SURE_ODDS
  const steps: Array<number> = []
  for (let multiple = size, between = 1; steps.length < count; multiple += size) {
    steps.push(multiple)
    if (isSure || steps.length === count) continue
    steps.push(between)
    between += (between + 1) % size === 0 ? 2 : 1
  }
  return steps.map((step) => Math.sign(stride) * step)
}

/** In the order of their mappings, one of each observer. */
const latestOfEach = (all: ReadonlyArray<Observation>): ReadonlyArray<Observation> => {
  const byObserver = new Map<string, Observation>()
  for (const observation of [...all].sort((a, b) => a.atMicros - b.atMicros)) {
    const key = formatAddress(observation.observer)
    byObserver.delete(key)
    byObserver.set(key, observation)
  }
  return [...byObserver.values()].slice(-MAX_OBSERVATIONS)
}

/** From one port to another, the short way around the range. */
const distance = (from: number, to: number): number => {
  const forward = (((to - from) % PORTS) + PORTS) % PORTS
  return forward > PORTS / 2 ? forward - PORTS : forward
}

const shifted = (port: number, by: number): number =>
  LOWEST_PORT + ((((port - LOWEST_PORT + by) % PORTS) + PORTS) % PORTS)

/** What all steps between the ports are multiples of, 0 if they are no steps in one direction. */
const strideOf = (ports: ReadonlyArray<number>): number => {
  let stride = 0
  let direction = 0
  for (let i = 1; i < ports.length; i++) {
    const step = distance(ports[i - 1], ports[i])
    if (step === 0) continue // two observers behind one address
    if (Math.abs(step) > MAX_STEP || (direction !== 0 && Math.sign(step) !== direction)) return 0
    direction = Math.sign(step)
    stride = greatestCommonDivisor(stride, Math.abs(step))
  }
  return stride * direction
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b)

/**
 * Where ports drawn uniformly come from, judged by few of them: the span seen, and as much beyond it at either end as lies
 * between two on average. A NAT of many customers gives each a block of some hundred ports. RFC 6888 §3, RFC 7422
 */
const rangeOf = (ports: ReadonlyArray<number>): Pick<PortPrediction, "lowest" | "highest" | "confidence"> => {
  const [first, last] = [Math.min(...ports), Math.max(...ports)]
  const gap = Math.ceil((last - first) / (ports.length - 1))
  const lowest = Math.max(Math.min(LOWEST_PORT, first), first - gap)
  const highest = Math.min(HIGHEST_PORT, last + gap)
  // two of the n + 1 gaps that n ports leave are outside of the span
  return { lowest, highest, confidence: (ports.length - 1) / (ports.length + 1) }
}

/** Ports to try, and how likely the mapping has one of them. */
export interface PortSpread {
  readonly ports: ReadonlyArray<number>
  readonly hitProbability: number
}

/**
 * For a random pattern: at most `budget` ports of the range, each once and none of `tried`, in random order. One mapping
 * per port of ours can be hit, so a spread over all ports is a lottery: `hitProbability` says so.
 */
export const spreadPorts = (
  { lowest, highest, confidence }: Pick<PortPrediction, "lowest" | "highest" | "confidence">,
  budget: number,
  random: RandomBytes,
  tried: ReadonlySet<number> = new Set()
): PortSpread => {
  const left: Array<number> = []
  for (let port = lowest; port <= highest; port++) if (!tried.has(port)) left.push(port)
  const count = Math.min(budget, left.length)
  // the first steps of a Fisher–Yates shuffle
  for (let i = 0; i < count; i++) {
    const j = i + below(left.length - i, random)
    ;[left[i], left[j]] = [left[j], left[i]]
  }
  const hitProbability = left.length === 0 ? 0 : (confidence * count) / (highest - lowest + 1)
  return { ports: left.slice(0, count), hitProbability }
}

const below = (bound: number, random: RandomBytes): number => {
  const [a, b, c, d] = random(4)
  return Math.floor(((((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32) * bound)
}
