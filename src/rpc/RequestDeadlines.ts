/** Ends calls whose request does not arrive. */
import * as Effect from "effect/Effect"

/** A call whose request is arriving. */
export interface ArrivingCall {
  /** Bytes of the request that have arrived. */
  readonly arrived: number
  readonly expire: () => void
}

interface Progress {
  arrived: number
  ticks: number
}

/**
 * A request that brings fewer bytes than this within the time counts as stopped: otherwise a byte now and then would
 * keep it open.
 */
const PROGRESS_BYTES = 16 * 1024

const TICKS = 4

/**
 * Counts ticks of a common clock instead of measuring time: there is no timer for each call, and a tick that comes late,
 * because this process was busy, counts once.
 */
export class RequestDeadlines {
  private readonly tickMillis: number
  private readonly fork: (effect: Effect.Effect<void>) => void
  private readonly calls = new Map<ArrivingCall, Progress>()
  private ticking = false

  constructor(timeoutMillis: number, fork: (effect: Effect.Effect<void>) => void) {
    this.tickMillis = timeoutMillis / TICKS
    this.fork = fork
  }

  begin(call: ArrivingCall): void {
    this.calls.set(call, { arrived: 0, ticks: 0 })
    if (this.ticking) return
    this.ticking = true
    this.fork(this.tick)
  }

  end(call: ArrivingCall): void {
    this.calls.delete(call)
  }

  private get tick(): Effect.Effect<void> {
    return Effect.flatMap(Effect.sleep(this.tickMillis), () => {
      for (const [call, progress] of this.calls) this.count(call, progress)
      if (this.calls.size > 0) return this.tick
      this.ticking = false
      return Effect.void
    })
  }

  private count(call: ArrivingCall, progress: Progress): void {
    if (call.arrived - progress.arrived >= PROGRESS_BYTES) {
      progress.arrived = call.arrived
      progress.ticks = 0
    } else if (++progress.ticks > TICKS) {
      this.calls.delete(call)
      call.expire()
    }
  }
}
