/** Pings a relay, and notices when nothing comes back, or when nothing can: TCP waits for minutes. */

/** How often the way to the relay is measured. */
const PING_MILLIS = 15_000
/** The relay pings as often as we do: two were lost, and the answer to one of ours. */
export const SILENT_MILLIS = 40_000
/** How often it is looked whether this machine still has the address of the connection. */
const LOOK_MILLIS = 1_000

export interface WatchedLink {
  ping(): void
  onLost(problem: string): void
  /** Those of this machine. */
  addresses(): ReadonlyArray<string>
}

export class LinkWatch {
  private readonly link: WatchedLink
  private timers: ReadonlyArray<NodeJS.Timeout> = []
  private heardAt = 0

  constructor(link: WatchedLink) {
    this.link = link
  }

  /** `localAddress` is that of the connection. */
  start(localAddress: string | undefined): void {
    this.onHeard()
    const silence = setInterval(() => {
      if (performance.now() - this.heardAt > SILENT_MILLIS) this.link.onLost("it is silent")
      else this.link.ping()
    }, PING_MILLIS)
    this.timers = [silence]
    // what is not listed now would never be missed
    if (localAddress === undefined || !this.hasAddress(localAddress)) return
    const presence = setInterval(() => {
      if (!this.hasAddress(localAddress)) this.link.onLost("its address is gone")
    }, LOOK_MILLIS)
    this.timers = [silence, presence]
  }

  onHeard(): void {
    this.heardAt = performance.now()
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer)
    this.timers = []
  }

  private hasAddress(address: string): boolean {
    return this.link.addresses().some((each) => each === address || each.startsWith(`${address}%`))
  }
}
