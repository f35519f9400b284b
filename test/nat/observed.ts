/** Observations as a NAT would cause them. */
import type { Observation } from "../../src/nat/CandidateSource.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

export const OUTSIDE = "203.0.113.9"

/** What observers at as many hosts saw, one after the other, a millisecond apart. */
export const observed = (ports: ReadonlyArray<number>, atMicros = 0): ReadonlyArray<Observation> =>
  ports.map((port, i) => ({
    observer: socketAddress(`198.51.100.${i + 1}`, 7842)!,
    mapped: socketAddress(OUTSIDE, port)!,
    socket: 0,
    atMicros: atMicros + i * 1000
  }))
