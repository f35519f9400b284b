/** D3: what the paths of a connection are together, and what becomes of a path that stays silent. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { Bond } from "../../src/connection/Bond.ts"
import { AbandonCode } from "../../src/connection/Multipath.ts"
import { bondingTransitions, type BondingState } from "../../src/path/bonding.ts"
import { StateMachine } from "../../src/internal/TransitionTable.ts"
import { ends, secondAddress, TwoPaths } from "../connection/TwoPaths.ts"

const SECOND = 1_000_000
const states = Object.keys(bondingTransitions) as Array<BondingState>

/** A connection that may have three paths, and has the first alone until it opens others. */
class Bonded {
  readonly two = new TwoPaths({ client: { maxPaths: 3 }, server: { maxPaths: 3 } })
  readonly seen: Array<BondingState> = ["bonded"]
  /** Sockets on which nothing arrives. */
  readonly silent = new Set<number>()

  constructor() {
    this.two.arrives = ({ socket }) => !this.silent.has(socket)
  }

  get state(): BondingState {
    return this.two.of("client").multipath.bond.state
  }

  path(id: number): ConnectionPath {
    return this.two.of("client").paths.byId(id)!
  }

  open(): this {
    const { two } = this
    const opened = two.of("client").multipath.open(secondAddress("server"), 1, two.nowMicros)
    expect(typeof opened, String(opened)).toBe("object")
    return this.settle()
  }

  abandon(id: number): this {
    const { two } = this
    two.of("client").multipath.abandon(this.path(id), AbandonCode.APPLICATION_ABANDON_PATH, two.nowMicros)
    return this.settle()
  }

  silence(...sockets: ReadonlyArray<number>): this {
    for (const socket of sockets) this.silent.add(socket)
    return this
  }

  answer(): this {
    this.silent.clear()
    return this
  }

  /** Sends a little, and waits. */
  wait(seconds: number): this {
    const { two } = this
    const { streams } = two.of("client")
    const id = streams.open(false)
    if (id >= 0) streams.write(id, new Uint8Array(30_000))
    two.exchange()
    // what comes and goes within the time is not missed
    for (let i = 0; i < seconds * 10; i++) {
      two.advance(SECOND / 10)
      this.note()
    }
    return this
  }

  private settle(): this {
    this.note()
    this.two.exchange()
    return this.note()
  }

  private note(): this {
    if (this.seen.at(-1) !== this.state) this.seen.push(this.state)
    return this
  }
}

describe("D3: the bonding of a connection", () => {
  const journeys: Record<string, readonly [(bonded: Bonded) => void, ReadonlyArray<BondingState>]> = {
    "bonded → singlePath: the other is abandoned": [(b) => b.abandon(1), ["bonded", "singlePath"]],
    "singlePath → pending → bonded: another is opened, and validated": [
      (b) => b.abandon(1).open(),
      ["bonded", "singlePath", "pending", "bonded"]
    ],
    "pending → singlePath: it is never answered": [
      (b) => b.abandon(1).silence(1).open().wait(10),
      ["bonded", "singlePath", "pending", "singlePath"]
    ],
    "bonded → degraded → bonded: one falls silent, and answers again": [
      (b) => b.silence(1).wait(2).answer().wait(10),
      ["bonded", "degraded", "bonded"]
    ],
    "degraded → singlePath: the silent one is abandoned": [
      (b) => b.silence(1).wait(2).abandon(1),
      ["bonded", "degraded", "singlePath"]
    ],
    "bonded → pending: one of two is abandoned while a third is being validated": [
      (b) => b.silence(1).open().abandon(1),
      ["bonded", "pending"]
    ],
    "degraded → pending: the silent one is abandoned while a third is being validated": [
      (b) => b.silence(1).wait(2).open().abandon(1),
      ["bonded", "degraded", "pending"]
    ],
    "pending → degraded: the first has fallen silent when the other is validated": [
      (b) => b.abandon(1).silence(1).open().silence(0).wait(0.5).answer().silence(0).wait(2),
      ["bonded", "singlePath", "pending", "degraded"]
    ]
  }

  it.each(Object.entries(journeys))("%s", (_, [journey, expected]) => {
    const bonded = new Bonded()
    journey(bonded)
    expect(bonded.seen).toEqual(expected)
  })

  it("makes each legal transition in one of these journeys", () => {
    const made = new Set(
      Object.values(journeys).flatMap(([, seen]) => seen.slice(1).map((state, i) => `${seen[i]} ${state}`))
    )
    const legal = states.flatMap((from) => Object.keys(bondingTransitions[from]).map((to) => `${from} ${to}`))
    expect([...made].sort()).toEqual(legal.sort())
  })

  it.each(
    states.flatMap((from) => states.filter((to) => !(to in bondingTransitions[from])).map((to) => [from, to]))
  )("never goes from %s to %s", (from, to) => {
    const machine = new StateMachine(bondingTransitions, from as BondingState)
    expect(machine.to(to as BondingState)).toBe(false)
    expect(machine.state).toBe(from)
  })

  it("is always that of a connection whose paths are as they are, whatever has happened to them", () => {
    const step = fc.constantFrom("open", "abandon 1", "abandon 2", "silence", "answer", "wait")
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const bonded = new Bonded()
        const { paths, multipath } = bonded.two.of("client")
        for (const each of steps) {
          const [what, id] = each.split(" ")
          if (what === "open") multipath.open(secondAddress("server"), 1, bonded.two.nowMicros)
          else if (what === "abandon" && paths.byId(Number(id)) !== undefined) bonded.abandon(Number(id))
          else if (what === "silence") bonded.silence(1)
          else if (what === "answer") bonded.answer()
          else bonded.wait(1)
          const usable = paths.open.filter(({ status }) => status.isUsable)
          const isDegraded = usable.some(({ status }) => status.isSuspect)
          const several = isDegraded ? "degraded" : "bonded"
          const one = paths.open.length > usable.length ? "pending" : "singlePath"
          expect(bonded.state, each).toBe(usable.length > 1 ? several : one)
        }
      }),
      { numRuns: 60, seed: 12 }
    )
  })

  it("is a single path without multipath", () => {
    const { client } = new TwoPaths({ server: { maxPaths: 1 } } as never).pair
    expect(client.multipath.bond).toBeInstanceOf(Bond)
    expect(client.multipath.bond.state).toBe("singlePath")
  })
})

describe("D2, D6: a path that stays silent", () => {
  const silentFor = (bonded: Bonded, seconds: number): Bonded => {
    for (let i = 0; i < seconds; i++) bonded.wait(1)
    return bonded
  }

  it("is given up after the idle timeout, with a reason, and its ID is free for another", () => {
    const bonded = silentFor(new Bonded().silence(1), 50)
    expect(bonded.path(1).status).toMatchObject({ isSuspect: true, state: "active" })
    const path = bonded.path(1)
    silentFor(bonded, 20)
    expect(path.status.abandonment).toEqual({ by: "local", code: AbandonCode.PATH_UNSTABLE_OR_POOR })
    for (const end of ends) {
      expect(bonded.two.of(end).paths.used.map(({ id }) => id)).toEqual([0])
      expect(bonded.two.of(end).lifecycle.isOpen).toBe(true)
    }
    bonded.answer().open()
    expect(bonded.state).toBe("bonded")
  })

  it("is probed each second while another carries the data, and so used again as soon as it is back", () => {
    const bonded = silentFor(new Bonded().silence(1), 45)
    expect(bonded.state).toBe("degraded")
    bonded.answer().wait(1.2)
    expect(bonded.state).toBe("bonded")
  })

  it("is given up after a minute where connections are idle for longer, or for ever", () => {
    for (const maxIdleTimeout of [0, 86_400_000]) {
      const two = new TwoPaths({ client: { maxIdleTimeout }, server: { maxIdleTimeout } })
      two.arrives = ({ socket }) => socket === 0
      const { streams, paths } = two.of("client")
      for (let i = 0; i < 70; i++) {
        streams.write(streams.open(false), new Uint8Array(10_000))
        two.exchange().advance(SECOND)
      }
      expect(paths.used.map(({ id }) => id)).toEqual([0])
    }
  })

  it("is kept while no other answers either: the connection has an idle timeout of its own", () => {
    const bonded = new Bonded().silence(0, 1)
    for (let i = 0; i < 20; i++) bonded.wait(2)
    expect(bonded.two.of("client").lifecycle.isOpen).toBe(true)
    expect(bonded.path(1).status.isEnding || bonded.path(0).status.isEnding).toBe(false)
    bonded.answer()
    for (let i = 0; i < 20; i++) bonded.wait(2)
    expect(bonded.state).toBe("bonded")
  })

  it("is given up by the side that hears nothing on it, not by the one that still hears the other's probes", () => {
    const bonded = new Bonded()
    const { two } = bonded
    two.arrives = ({ by, socket }) => by === "server" || socket === 0
    const statuses = ends.map((end) => two.of(end).paths.byId(1)!.status)
    for (const end of ends) two.of(end).parts.frames.pingOn(two.of(end).paths.byId(1)!)
    silentFor(bonded, 70)
    expect(statuses.map(({ abandonment }) => abandonment?.by)).toEqual(["peer", "local"])
  })
})
