import type { RelayHub } from "../../../src/relay/RelayHub.ts"

/** The longest a timer of Node's can be set for is 2^31 ms. */
const LONGEST_MILLIS = 60_000

export const nowMicros = (): number => Math.round(performance.now() * 1000)

/** The one timer of a hub. */
export class HubTimer {
  private readonly hub: RelayHub
  private timer: NodeJS.Timeout | undefined
  private firesMicros = Number.POSITIVE_INFINITY

  constructor(hub: RelayHub) {
    this.hub = hub
  }

  /** After whatever may have brought the deadline forward. A timer that fires too early is set again. */
  update(): void {
    const { deadlineMicros } = this.hub
    if (deadlineMicros >= this.firesMicros) return
    clearTimeout(this.timer)
    const now = nowMicros()
    const millis = Math.min(LONGEST_MILLIS, Math.max(0, Math.ceil((deadlineMicros - now) / 1000)))
    this.firesMicros = now + millis * 1000
    this.timer = setTimeout(this.onTimer, millis)
  }

  stop(): void {
    clearTimeout(this.timer)
    this.firesMicros = Number.NEGATIVE_INFINITY
  }

  private readonly onTimer = (): void => {
    this.firesMicros = Number.POSITIVE_INFINITY
    this.hub.onTimeout(nowMicros())
    this.update()
  }
}
