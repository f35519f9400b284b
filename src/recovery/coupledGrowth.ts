/** A path whose growth is coupled with that of others. */
export interface CoupledPath {
  readonly status: { readonly carries: boolean }
  readonly recovery: { readonly congestionWindow: number; readonly rtt: { readonly smoothedMicros: number } }
}

/**
 * How much the window of each path may grow, in datagrams per byte acknowledged: all together as much as one connection on
 * the best of them, as their bottleneck may be the same. This is alpha / cwnd_total of RFC 6356 §3, §4.
 *
 *     max(cwnd_i / rtt_i²) / (Σ cwnd_i / rtt_i)²
 */
export const coupledGrowth = (paths: ReadonlyArray<CoupledPath>): number => {
  let best = 0
  let sum = 0
  for (let i = 0; i < paths.length; i++) {
    const { status, recovery } = paths[i]
    if (!status.carries) continue
    const rttMicros = Math.max(1, recovery.rtt.smoothedMicros)
    best = Math.max(best, recovery.congestionWindow / rttMicros ** 2)
    sum += recovery.congestionWindow / rttMicros
  }
  return sum === 0 ? Number.POSITIVE_INFINITY : best / sum ** 2
}
