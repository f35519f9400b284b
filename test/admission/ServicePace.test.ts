/** How long a client takes to serve, by which those that would wait too long are refused. */
import { expect, it } from "vitest"
import { ServicePace } from "../../src/admission/ServicePace.ts"

const WINDOW_MICROS = 1_000_000

/** Takes turns of the same length, with others waiting. Returns when the last one began. */
const turns = (pace: ServicePace, count: number, eachMicros: number, fromMicros = 0): number => {
  for (let i = 1; i <= count; i++) pace.onTurn(fromMicros + i * eachMicros, true)
  return fromMicros + count * eachMicros
}

it("the pace of service is unknown until turns have taken an eighth of the window", () => {
  const pace = new ServicePace(WINDOW_MICROS)
  const nowMicros = turns(pace, 24, 5_000)
  expect(pace.microsEach).toBe(0)
  turns(pace, 4, 5_000, nowMicros)
  expect(pace.microsEach).toBeCloseTo(5_000)
})

it("the pace of service is that of a window of time: slow turns count for the time they take, no more", () => {
  const pace = new ServicePace(WINDOW_MICROS)
  const nowMicros = turns(pace, 1_000, 2_000)
  turns(pace, 5, 40_000, nowMicros)
  // of a second, 0.2 s gone by with 5 turns, and 0.8 s with 400
  expect(pace.microsEach).toBeGreaterThan(2_300)
  expect(pace.microsEach).toBeLessThan(2_600)
})

it("the pace of service follows a lasting change", () => {
  const pace = new ServicePace(WINDOW_MICROS)
  let nowMicros = turns(pace, 1_000, 2_000)
  nowMicros = turns(pace, 100, 40_000, nowMicros)
  expect(pace.microsEach).toBeGreaterThan(25_000)
  turns(pace, 1_000, 2_000, nowMicros)
  expect(pace.microsEach).toBeLessThan(2_600)
})

it("the pace of service is estimated in a short window too", () => {
  const pace = new ServicePace(1)
  turns(pace, 100, 100_000)
  expect(pace.microsEach).toBeCloseTo(50_000)
})
