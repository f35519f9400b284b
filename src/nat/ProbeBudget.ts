/** How much a peer may have us send to the addresses it names, so that we are neither an amplifier nor a port scanner. */
import { formatAddress, type SocketAddress } from "../wire/SocketAddress.ts"
import { TokenBucket } from "./TokenBucket.ts"

/** What one connection, or all of an endpoint, may probe. */
export interface ProbeLimits {
  /** Addresses of one round. A probe that is repeated counts once. */
  readonly addressesPerRound: number
  /** Addresses not probed before, in an hour; so many are remembered. */
  readonly addressesPerHour: number
  /** Datagrams: on average, and at once. */
  readonly probesPerSecond: number
  readonly probesAtOnce: number
  /** UDP payload: on average, and at once. */
  readonly bytesPerSecond: number
  readonly bytesAtOnce: number
  /** Datagrams to one address that does not answer, in an hour. */
  readonly probesPerAddressAndHour: number
}

const HOUR_MICROS = 3_600_000_000

/**
 * Of one connection. A round of eight pairs with nine tries each is 72 datagrams over several seconds, and what is beyond
 * is for predicted ports. One such round every 30 s, the slowest pace, is not limited by the hour.
 */
export const connectionProbeLimits: ProbeLimits = {
  addressesPerRound: 96,
  addressesPerHour: 512,
  probesPerSecond: 64,
  probesAtOnce: 96,
  bytesPerSecond: 8_192,
  bytesAtOnce: 16_384,
  probesPerAddressAndHour: 1_200
}

/** Of all connections of an endpoint, as a peer may have many. */
export const endpointProbeLimits: ProbeLimits = {
  addressesPerRound: Number.POSITIVE_INFINITY,
  addressesPerHour: 8_192,
  probesPerSecond: 512,
  probesAtOnce: 1_024,
  bytesPerSecond: 65_536,
  bytesAtOnce: 131_072,
  probesPerAddressAndHour: 4_800
}

/** Which limit was hit. */
export type ProbeRefusal = "round" | "addresses" | "rate" | "bytes" | "address"

/** What was probed, and what was not. */
export interface ProbeCounters {
  probes: number
  bytes: number
  /** Probes of which one datagram was answered. */
  answered: number
  /** Addresses probed, each once until it was forgotten. */
  addresses: number
  /** By limit. */
  readonly refused: { [Limit in ProbeRefusal]: number }
}

export const noProbes = (): ProbeCounters => ({
  probes: 0,
  bytes: 0,
  answered: 0,
  addresses: 0,
  refused: { round: 0, addresses: 0, rate: 0, bytes: 0, address: 0 }
})

/**
 * Charged before anything is sent: `admit` for each address of a round, `take` for each datagram. `shared` is charged too,
 * that of the endpoint; what it refuses costs nothing here.
 */
export class ProbeBudget {
  /** Of the one that is shared: of all that charge it. */
  readonly counters = noProbes()
  private readonly limits: ProbeLimits
  private readonly shared: ProbeBudget | undefined
  private readonly fresh: TokenBucket
  private readonly probes: TokenBucket
  private readonly bytes: TokenBucket
  /** What each address may still be sent, the latest last. */
  private readonly known = new Map<string, TokenBucket>()
  private readonly inRound = new Set<string>()

  constructor(limits: ProbeLimits = connectionProbeLimits, shared?: ProbeBudget) {
    this.limits = limits
    this.shared = shared
    this.fresh = hourly(limits.addressesPerHour)
    this.probes = new TokenBucket(limits.probesAtOnce, limits.probesPerSecond / 1_000_000)
    this.bytes = new TokenBucket(limits.bytesAtOnce, limits.bytesPerSecond / 1_000_000)
  }

  /** Another round: the addresses of the one before are probed no more. */
  startRound(): void {
    this.inRound.clear()
  }

  /** Whether `address` may be one of this round's; asking again costs nothing. */
  admit(address: SocketAddress, nowMicros: number): ProbeRefusal | undefined {
    const key = formatAddress(address)
    if (this.inRound.has(key)) return undefined
    if (this.inRound.size >= this.limits.addressesPerRound) return this.refuse("round")
    const refusal = this.makeKnown(key, nowMicros)
    if (refusal === undefined) this.inRound.add(key)
    return refusal
  }

  /** Charges for a datagram of `size` bytes to an admitted address; unless it returns a limit, it may be sent. */
  take(address: SocketAddress, size: number, nowMicros: number): ProbeRefusal | undefined {
    const key = formatAddress(address)
    return this.whyNot(key, size, nowMicros) ?? this.charge(key, size)
  }

  /** When the rates will permit a datagram of `size` bytes, if nothing else is sent: a time to try again. */
  permittedMicros(size: number, nowMicros: number): number {
    const own = Math.max(this.probes.whenMicros(1, nowMicros), this.bytes.whenMicros(size, nowMicros))
    return Math.max(own, this.shared?.permittedMicros(size, nowMicros) ?? nowMicros)
  }

  /** The peer has answered from there: what was sent to it no longer counts. */
  onAnswered(address: SocketAddress): void {
    const key = formatAddress(address)
    for (const { known, limits, counters } of this.both) {
      counters.answered++
      if (known.has(key)) known.set(key, hourly(limits.probesPerAddressAndHour))
    }
  }

  private get both(): ReadonlyArray<ProbeBudget> {
    return this.shared === undefined ? [this] : [this, this.shared]
  }

  private makeKnown(key: string, nowMicros: number): ProbeRefusal | undefined {
    const { known, limits } = this
    if (known.has(key)) return undefined
    if (!this.fresh.has(1, nowMicros)) return this.refuse("addresses")
    const refusal = this.shared?.makeKnown(key, nowMicros)
    if (refusal !== undefined) return this.refusedThere(refusal)
    this.fresh.take(1)
    this.counters.addresses++
    if (known.size >= limits.addressesPerHour) known.delete(known.keys().next().value!)
    known.set(key, hourly(limits.probesPerAddressAndHour))
    return undefined
  }

  private whyNot(key: string, size: number, nowMicros: number): ProbeRefusal | undefined {
    if (this.known.get(key)?.has(1, nowMicros) !== true) return this.refuse("address")
    if (!this.probes.has(1, nowMicros)) return this.refuse("rate")
    if (!this.bytes.has(size, nowMicros)) return this.refuse("bytes")
    const refusal = this.shared?.whyNot(key, size, nowMicros)
    return refusal && this.refusedThere(refusal)
  }

  private charge(key: string, size: number): undefined {
    for (const { probes, bytes, known, counters } of this.both) {
      probes.take(1)
      bytes.take(size)
      counters.probes++
      counters.bytes += size
      const left = known.get(key)!
      left.take(1)
      // moved to the end: the one not probed for longest is forgotten first
      known.delete(key)
      known.set(key, left)
    }
  }

  private refuse(limit: ProbeRefusal): ProbeRefusal {
    for (const { counters } of this.both) counters.refused[limit]++
    return limit
  }

  /** By the shared one, which has counted it. */
  private refusedThere(limit: ProbeRefusal): ProbeRefusal {
    this.counters.refused[limit]++
    return limit
  }
}

const hourly = (count: number): TokenBucket => new TokenBucket(count, count / HOUR_MICROS)
