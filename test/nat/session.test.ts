/** Sessions of both roles against each other, behind every pair of NATs. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { printTable } from "../../src/internal/TransitionTable.ts"
import { phaseTransitions } from "../../src/nat/phases.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { NatWorld, type WorldNat } from "./NatWorld.ts"

const kinds: ReadonlyArray<WorldNat> = [
  "none",
  "fullCone",
  "addressRestricted",
  "portRestricted",
  "symmetric",
  "symmetricRandom",
  "udpBlocked"
]
const isSymmetric = (kind: WorldNat) => kind.startsWith("symmetric")

/** What theory allows: one side symmetric gets to any but a port-restricted one, if its ports cannot be predicted. */
const canBeDirect = (a: WorldNat, b: WorldNat): boolean => {
  if (a === "udpBlocked" || b === "udpBlocked") return false
  if (isSymmetric(a) && isSymmetric(b)) return false
  const [one, other] = isSymmetric(a) ? [a, b] : [b, a]
  return one !== "symmetricRandom" || other !== "portRestricted"
}

const started = (client: WorldNat, server: WorldNat, seed: string | number = 1): NatWorld => {
  const world = new NatWorld(client, server, seed)
  world.server.gather()
  world.client.gather()
  return world
}

describe("E5 E10 a hole is punched wherever that can be done", () => {
  for (const client of kinds)
    for (const server of kinds) {
      const isDirect = canBeDirect(client, server)
      it(`${client} → ${server}: ${isDirect ? "direct" : "relayed"}`, () => {
        for (let seed = 0; seed < 10; seed++) {
          const world = started(client, server, seed)
          world.run(isDirect ? 2 : 60, () => world.isDirect)
          expect(world.isDirect).toBe(isDirect)
          for (const { probes, session } of [world.client, world.server]) {
            expect(probes).toBeLessThan(isDirect ? 40 : 1000)
            expect(session.counts.direct).toBe(isDirect ? 1 : 0)
          }
        }
      })
    }

  it("takes one round, and two or three round trips, where ports are kept", () => {
    const world = started("portRestricted", "portRestricted")
    world.run(2, () => world.isDirect)
    expect(world.nowMicros).toBeLessThan(230_000)
    expect(world.client.session.counts).toMatchObject({ attempts: 1, successes: 1, direct: 1, relayed: 0 })
    expect(world.client.session.counts.coordinationMicros).toBeLessThan(100_000)
    expect(world.client.changes.map(({ to, reason }) => `${to}: ${reason}`)).toEqual([
      "Coordination: gathered",
      "Synchronization: candidatesExchanged",
      "Punching: aligned",
      "Validation: probeAnswered",
      "Connected: pathValidated"
    ])
    expect(world.server.changes.map(({ to }) => to)).toEqual([
      "Coordination",
      "Synchronization",
      "Punching",
      "Validation",
      "Connected"
    ])
  })

  it("finds a port among the 256 that a provider gives a customer, although it is drawn at random", () => {
    const block = { firstPort: 40_000, lastPort: 40_255 }
    let found = 0
    for (let seed = 0; seed < 10; seed++) {
      const world = new NatWorld("symmetricRandom", "portRestricted", seed, {}, block)
      world.server.gather()
      world.client.gather(5)
      world.run(110, () => world.isDirect)
      if (world.isDirect) found++
    }
    expect(found).toBeGreaterThanOrEqual(8)
  })

  it("fails without prediction where it is needed, in either role", () => {
    for (const [client, server] of [
      ["symmetric", "portRestricted"],
      ["portRestricted", "symmetric"]
    ] as const) {
      const world = new NatWorld(client, server, 1, { predictPorts: false })
      world.server.gather()
      world.client.gather()
      world.run(60, () => world.isDirect)
      expect(world.isDirect).toBe(false)
    }
  })
})

describe("E6 phases", () => {
  it("have these transitions and no others", () => {
    expect(printTable(phaseTransitions)).toMatchInlineSnapshot(`
      "Discovery       │ Coordination, Synchronization, Connected, Failed
      Coordination    │ Synchronization, Connected, Failed
      Synchronization │ Punching, Connected, Failed
      Punching        │ Validation, Synchronization, Connected, Failed
      Validation      │ Synchronization, Connected, Failed
      Connected       │ Discovery, Synchronization, Failed
      Failed          │ Discovery, Synchronization, Connected"
    `)
  })

  it("Discovery ends after 10 s without any address", () => {
    const world = new NatWorld("portRestricted", "portRestricted", 1)
    world.client.drive()
    world.run(10.5)
    expect(world.client.changes).toEqual([
      { from: "Discovery", to: "Failed", reason: "noCandidates", round: 0, atMicros: 10_000_000 }
    ])
  })

  it("Coordination ends after the time configured: without a server's addresses it is asked to reach out all the same", () => {
    const world = new NatWorld("portRestricted", "fullCone", 1)
    world.client.gather()
    world.run(11)
    const [, synchronizing] = world.client.changes
    expect(synchronizing).toMatchObject({ to: "Synchronization", reason: "timeout", atMicros: 10_000_000 })
    const asked = world.server.changes[0]
    expect(asked).toMatchObject({ from: "Discovery", to: "Synchronization", reason: "askedByPeer", round: 1 })
  })

  it("Punching ends after 5 s without an answer, and the next attempts wait 1 s, 2 s, … 30 s", () => {
    const world = started("symmetric", "symmetric")
    world.run(200)
    const { changes, session } = world.client
    const punched = changes.filter(({ from, to }) => from === "Punching" && to === "Failed")
    const begun = changes.filter(({ to }) => to === "Punching")
    for (const [i, failed] of punched.entries()) expect(failed.atMicros - begun[i].atMicros).toBe(5_000_000)
    const waits = changes
      .filter(({ from }) => from === "Failed")
      .map(({ atMicros }, i) => (atMicros - punched[i].atMicros) / 1e6)
    expect(waits.length).toBeGreaterThan(6)
    for (const [i, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(Math.max(1, 0.75 * Math.min(30, 2 ** i)))
      expect(wait).toBeLessThanOrEqual(Math.min(30, 1.25 * 2 ** i))
    }
    expect(new Set(waits.map((wait, i) => wait / Math.min(30, 2 ** i))).size).toBeGreaterThan(3)
    expect(session.counts).toMatchObject({ successes: 0, direct: 0, relayed: session.counts.attempts })
  })

  it("Validation ends after 5 s: what was answered is no path", () => {
    const world = started("none", "none")
    world.losesPaths = true
    world.run(5.5)
    const failed = world.server.changes.find(({ to }) => to === "Failed")
    expect(failed).toMatchObject({ from: "Validation", reason: "notValidated" })
    const entered = world.server.changes.find(({ to }) => to === "Validation")!
    expect(failed!.atMicros - entered.atMicros).toBe(5_000_000)
    expect(world.client.changes.some(({ to, reason }) => to === "Failed" && reason === "notValidated")).toBe(
      true
    )
  })

  it("another address that has answered is taken if no path can be opened at the best", () => {
    const world = started("none", "none")
    world.losesPaths = true
    world.run(2, () => world.client.session.phase === "Validation")
    const { session } = world.client
    session.handleProbeAnswered(socketAddress("198.51.100.99", 4433)!, 0, 1000, world.nowMicros)
    session.handleOpenFailed(world.nowMicros)
    session.drive(world.nowMicros)
    expect(session.pollOpen()).toMatchObject({ remote: { host: "198.51.100.99" }, roundTripMicros: 1000 })
    session.handleOpenFailed(world.nowMicros)
    session.drive(world.nowMicros)
    expect(session.phase).toBe("Failed")
  })

  it("a path that is lost is replaced: at once, or after a wait if it had not lasted", () => {
    const world = started("portRestricted", "addressRestricted")
    world.run(2, () => world.isDirect)
    world.run(15)
    const lost = world.nowMicros
    for (const side of [world.client, world.server]) side.lose()
    world.run(5, () => world.isDirect)
    expect(world.isDirect).toBe(true)
    expect(world.nowMicros - lost).toBeLessThan(400_000)
    for (const side of [world.client, world.server]) side.lose()
    expect(world.client.session.phase).toBe("Failed")
    const again = world.nowMicros
    world.run(5, () => world.isDirect)
    expect(world.isDirect).toBe(true)
    expect(world.nowMicros - again).toBeGreaterThan(1_000_000)
    expect(world.client.session.counts).toMatchObject({ successes: 3, direct: 3 })
  })

  it("a new address of this side ends the wait", () => {
    const world = started("udpBlocked", "portRestricted")
    world.run(120)
    expect(world.client.session.phase).toBe("Failed")
    world.client.changeNat("portRestricted")
    const before = world.nowMicros
    world.run(3, () => world.isDirect)
    expect(world.isDirect).toBe(true)
    expect(world.nowMicros - before).toBeLessThan(1_500_000)
    expect(world.client.changes.some(({ reason }) => reason === "candidatesChanged")).toBe(true)
  })

  it("always one side has a timer, whatever happens", () => {
    const step = fc.constantFrom("lose", "cut", "heal", "gather", "time", "longTime")
    const kind = fc.constantFrom(...kinds)
    fc.assert(
      fc.property(
        kind,
        kind,
        fc.array(fc.tuple(step, fc.boolean()), { maxLength: 20 }),
        fc.nat(),
        (a, b, steps, seed) => {
          const world = started(a, b, seed)
          for (const [what, isClient] of steps) {
            const side = isClient ? world.client : world.server
            if (what === "lose") side.lose()
            else if (what === "gather") side.gather()
            else if (what === "time") world.run(0.5)
            else if (what === "longTime") world.run(20)
            else side.isCut = what === "cut"
            for (const { session, changes, role } of [world.client, world.server]) {
              if (session.phase !== "Connected" && role === "client")
                expect(session.deadlineMicros).toBeLessThan(Number.POSITIVE_INFINITY)
              for (let i = 1; i < changes.length; i++) {
                expect(changes[i].from).toBe(changes[i - 1].to)
                expect(changes[i].atMicros).toBeGreaterThanOrEqual(changes[i - 1].atMicros)
                expect(phaseTransitions[changes[i].from][changes[i].to]).toBe(changes[i].to)
              }
            }
          }
          for (const side of [world.client, world.server]) side.isCut = false
          for (const side of [world.client, world.server]) if (side.session.phase === "Connected") side.lose()
          world.run(90, () => world.isDirect)
          if (canBeDirect(a, b)) expect(world.isDirect).toBe(true)
        }
      ),
      { numRuns: 60 }
    )
  })
})
