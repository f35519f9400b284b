/** Applies the faults of a schedule and ends them. */
import type { Fault, FaultSchedule } from "./FaultSchedule.ts"
import type { SimConnection } from "./SimConnection.ts"
import type { SimHost } from "./SimHost.ts"
import type { LinkConditions } from "./SimLink.ts"
import type { SimNat } from "./SimNat.ts"
import type { Timeline, TimelineEvent } from "./Timeline.ts"

/** What faults are applied to. */
export interface FaultTargets {
  readonly timeline: Timeline
  host(name: string): SimHost
  nat(name: string): SimNat
  connection(name: string): SimConnection
  partition(groups: ReadonlyArray<ReadonlyArray<string>>, oneWay: boolean): () => void
  /** Number of active crash faults per host. */
  readonly crashes: Map<SimHost, number>
}

const nothing = (): void => {}

/**
 * A running fault schedule, returned by `network.apply`.
 *
 * @category models
 * @since 0.1.0
 */
export class Faults {
  private readonly targets: FaultTargets
  /** Faults yet to begin or end. */
  private readonly pending = new Set<TimelineEvent>()
  /** Undo functions of the active faults, in order of start. */
  private readonly active = new Set<() => void>()

  /** The schedule must have been checked. @internal */
  constructor(schedule: FaultSchedule, targets: FaultTargets) {
    this.targets = targets
    for (const { atMillis, fault } of schedule) this.after(atMillis, () => this.begin(fault))
  }

  /** Whether all faults have begun and ended. */
  get isOver(): boolean {
    return this.pending.size === 0
  }

  /**
   * Cancels pending faults and ends active ones: partitions heal, links are restored, crashed hosts restart. Changed
   * addresses, mappings and clocks stay.
   */
  heal(): void {
    for (const event of this.pending) this.targets.timeline.cancel(event)
    this.pending.clear()
    for (const end of [...this.active]) end()
  }

  private after(millis: number, run: () => void): void {
    const { timeline } = this.targets
    const event = timeline.at(timeline.nowNanos + millis * 1e6, () => {
      this.pending.delete(event)
      run()
    })
    this.pending.add(event)
  }

  private begin(fault: Fault): void {
    const undo = this.applyFault(fault)
    if (undo === nothing) return
    const end = (): void => {
      this.active.delete(end)
      undo()
    }
    this.active.add(end)
    if ("forMillis" in fault && fault.forMillis !== undefined) this.after(fault.forMillis, end)
  }

  /** Applies the fault; returns its undo function. */
  private applyFault(fault: Fault): () => void {
    const { targets } = this
    switch (fault.kind) {
      case "partition":
        return targets.partition(fault.groups, fault.oneWay ?? false)
      case "linkDown":
        return this.overlay(fault, { up: false })
      case "conditions":
        return this.overlay(fault, fault.conditions)
      case "crash":
        return this.crash(targets.host(fault.host))
      case "changeAddress": {
        const host = targets.host(fault.host)
        if (host.owns(fault.from) && !host.owns(fault.to)) host.changeAddress(fault.from, fault.to)
        return nothing
      }
      case "interfaceDown": {
        const host = targets.host(fault.host)
        return host.takeDown(fault.address) ? () => host.bringUp(fault.address) : nothing
      }
      case "clockJump":
        targets.host(fault.host).jumpClock(fault.byMillis)
        return nothing
      case "rebind":
        targets.nat(fault.nat).rebind(fault.address)
        return nothing
    }
  }

  private overlay(
    { link, direction }: { readonly link: string; readonly direction?: "forward" | "backward" },
    conditions: Partial<LinkConditions>
  ): () => void {
    const { forward, backward } = this.targets.connection(link)
    const links =
      direction === "forward" ? [forward] : direction === "backward" ? [backward] : [forward, backward]
    const undos = links.map((each) => each.overlay(conditions))
    return () => {
      for (const undo of undos) undo()
    }
  }

  /** With overlapping crashes, a host restarts after the last. */
  private crash(host: SimHost): () => void {
    const { crashes } = this.targets
    const change = (by: number): number => {
      const count = (crashes.get(host) ?? 0) + by
      crashes.set(host, count)
      return count
    }
    change(1)
    host.crash()
    return () => {
      if (change(-1) === 0) host.restart()
    }
  }
}
