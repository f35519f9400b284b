import type { ConnectionPath } from "./ConnectionPath.ts"
import type { PathSet } from "./PathSet.ts"

/** Decides which path the next datagram leaves on. */
export interface PathScheduler {
  /**
   * All paths by preference: the first that has something to send and may send it is used. Those that carry no data send
   * their own frames only.
   * draft-ietf-quic-multipath §5.5
   */
  order(paths: PathSet): ReadonlyArray<ConnectionPath>
}

/** Prefers the path on which a datagram sent now would arrive first; others are used while its congestion window is full. */
export const earliest = (): PathScheduler => {
  const order: Array<ConnectionPath> = []
  return {
    order: ({ all }) => {
      if (all.length === 1) return all
      order.length = 0
      for (const path of all) {
        const arrival = arrivalMicros(path)
        let at = order.length
        while (at > 0 && arrivalMicros(order[at - 1]) > arrival) at--
        order.splice(at, 0, path)
      }
      return order
    }
  }
}

/** How long a datagram sent now would take: what is in flight has to be delivered before it. */
const arrivalMicros = ({ recovery, status }: ConnectionPath): number => {
  // what concerns such a path itself is urgent and little: its challenges, probes and acknowledgements
  if (!status.carries) return 0
  const { smoothedMicros } = recovery.rtt
  const rate = recovery.congestionWindow / Math.max(1, smoothedMicros)
  return recovery.bytesInFlight / rate + smoothedMicros / 2
}
