import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { LinkWatch } from "../../layers/node/relay/LinkWatch.ts"

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }))
afterEach(() => void vi.useRealTimers())

const watched = () => {
  const seen = { pings: 0, lost: [] as Array<string>, addresses: ["127.0.0.1", "192.0.2.1"] }
  const watch = new LinkWatch({
    ping: () => seen.pings++,
    onLost: (problem) => seen.lost.push(problem),
    addresses: () => seen.addresses
  })
  return { seen, watch }
}

it("a link is lost a second after its address has gone, not when another comes or goes", () => {
  const { seen, watch } = watched()
  watch.start("192.0.2.1")
  seen.addresses = ["192.0.2.1", "198.51.100.1"]
  vi.advanceTimersByTime(5_000)
  expect(seen.lost).toEqual([])
  seen.addresses = ["127.0.0.1", "198.51.100.1"]
  vi.advanceTimersByTime(1_000)
  expect(seen.lost).toEqual(["its address is gone"])
  watch.stop()
  vi.advanceTimersByTime(60_000)
  expect(seen.lost.length).toBe(1)
})

it("a link whose address was never listed is not lost for it; one that is silent is", () => {
  const { seen, watch } = watched()
  watch.start("127.0.0.2")
  vi.advanceTimersByTime(30_000)
  watch.onHeard()
  expect(seen).toMatchObject({ pings: 2, lost: [] })
  vi.advanceTimersByTime(45_000)
  expect(seen.lost).toEqual(["it is silent"])
})
