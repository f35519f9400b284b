/** Probing routes, and the race between candidates for a move. */
import { describe, expect, it } from "vitest"
import { VALIDATION_TIMEOUT_MICROS } from "../../src/path/PathValidator.ts"
import { PeerConnectionIds } from "../../src/path/PeerConnectionIds.ts"
import { Route } from "../../src/path/Route.ts"
import { RouteProber } from "../../src/path/RouteProber.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

const PTO = 100_000
const GRACE = 100_000
const PEER = "x509:peer"
const remote = socketAddress("192.0.2.1", 4433)!
const ids = new PeerConnectionIds({ pathId: 0, limit: 8, first: Uint8Array.of(1) })

class Race {
  readonly routes: { readonly all: Array<Route> } = { all: [] }
  readonly prober = new RouteProber(this.routes)
  private drawn = 0

  enter(rank: number, verifierContext = PEER, pto = PTO): Route {
    const route = new Route(remote, this.routes.all.length, true, ids.activeId)
    this.routes.all.push(route)
    this.prober.probe(route, { rank, label: `rank ${rank}`, verifierContext }, 0, pto)
    return route
  }

  /** The data of a challenge that is sent on `route`. */
  challenge({ validator }: Route, now = 0): Uint8Array {
    const data = validator.pollChallenge(now, (length) => new Uint8Array(length).fill(++this.drawn), PTO)!
    validator.takeMustExpand()
    validator.onDatagramSent(1200)
    return data
  }

  answer(route: Route, now: number): void {
    expect(this.prober.onResponse(this.challenge(route), now)).toEqual({ outcome: "validated", route })
  }

  winner(now: number): Route | undefined {
    return this.prober.winner(PEER, now, GRACE)
  }
}

describe("A2 probing", () => {
  it("ends with Validated when the answer matches a challenge, and is Rejected when it matches none", () => {
    const race = new Race()
    const route = race.enter(0)
    const data = race.challenge(route)
    const forged = data.map((byte) => byte ^ 1)
    expect(race.prober.onResponse(forged, 10)).toEqual({ outcome: "rejected", route: undefined })
    expect(race.winner(10)).toBeUndefined()
    expect(race.prober.onResponse(data, 10)).toEqual({ outcome: "validated", route })
    expect(race.winner(10)).toBe(route)
  })

  it("never accepts a route nobody has answered on", () => {
    const race = new Race()
    const route = race.enter(0)
    race.challenge(route)
    for (let now = 0; now <= VALIDATION_TIMEOUT_MICROS; now += 100_000)
      expect(race.winner(now)).toBeUndefined()
  })

  it("times out after three seconds, and never before three PTOs; one sweep finds all that are overdue", () => {
    const race = new Race()
    const routes = [race.enter(0), race.enter(1)]
    const slow = race.enter(2, PEER, 2_000_000)
    for (const route of [...routes, slow]) race.challenge(route)
    expect(race.prober.sweep(VALIDATION_TIMEOUT_MICROS - 1)).toEqual([])
    expect(race.prober.sweep(VALIDATION_TIMEOUT_MICROS)).toEqual(routes)
    expect(race.prober.sweep(5_999_999)).toEqual([])
    expect(race.prober.sweep(6_000_000)).toEqual([slow])
  })
})

describe("A4 a race of candidates", () => {
  it("is won by the only one that validates, whatever its rank", () => {
    const race = new Race()
    const [, second] = [race.enter(0), race.enter(1)]
    race.answer(second, 20_000)
    race.challenge(race.routes.all[0])
    expect(race.prober.sweep(VALIDATION_TIMEOUT_MICROS)).toEqual([race.routes.all[0]])
    expect(race.winner(VALIDATION_TIMEOUT_MICROS)).toBe(second)
  })

  it("is won by the lowest rank, though a worse one validates first", () => {
    const race = new Race()
    const [best, worst, middle] = [race.enter(1), race.enter(9), race.enter(5)]
    race.answer(worst, 20_000)
    expect(race.winner(20_000)).toBeUndefined()
    race.answer(middle, 40_000)
    expect(race.winner(40_000)).toBeUndefined()
    race.answer(best, 60_000)
    expect(race.winner(60_000)).toBe(best)
  })

  it("does not wait for worse ones, nor for equals", () => {
    const race = new Race()
    const [first] = [race.enter(3), race.enter(3), race.enter(4)]
    race.answer(first, 20_000)
    expect(race.winner(20_000)).toBe(first)
  })

  it("waits for better ones as long as it is granted, from the first that validates", () => {
    const race = new Race()
    const [best, middle, worst] = [race.enter(0), race.enter(1), race.enter(2)]
    race.challenge(best)
    expect(race.prober.settleMicros).toBe(Number.POSITIVE_INFINITY)
    race.answer(worst, 20_000)
    expect(race.winner(20_000)).toBeUndefined()
    expect(race.prober.settleMicros).toBe(20_000 + GRACE)
    race.answer(middle, 90_000)
    expect(race.winner(90_000)).toBeUndefined()
    expect(race.prober.settleMicros).toBe(20_000 + GRACE)
    expect(race.winner(20_000 + GRACE)).toBe(middle)
    expect(race.prober.settleMicros).toBe(Number.POSITIVE_INFINITY)
  })

  it("is not won by a candidate for whom the peer was authenticated as somebody else", () => {
    const race = new Race()
    const [stranger, friend] = [race.enter(0, "x509:somebody else"), race.enter(1)]
    race.answer(stranger, 20_000)
    expect(race.winner(20_000)).toBeUndefined()
    race.answer(friend, 30_000)
    expect(race.winner(30_000)).toBe(friend)
  })

  it("knows each candidate by number, rank, label, and when it was seen", () => {
    const race = new Race()
    const route = new Route(remote, 7, true, ids.activeId)
    route.observedAtMicros = 5
    race.routes.all.push(route)
    race.enter(2)
    race.prober.probe(route, { rank: 4, label: "wifi", verifierContext: PEER }, 9, PTO)
    expect(route.candidate).toEqual({
      id: 2,
      rank: 4,
      label: "wifi",
      verifierContext: PEER,
      observedAtMicros: 5
    })
  })
})
