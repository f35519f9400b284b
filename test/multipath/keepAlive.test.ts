/** Paths that carry nothing: kept alive while the connection is used, and no longer. */
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { TwoPaths } from "../connection/TwoPaths.ts"

const SECOND = 1_000_000
/** NATs forget a mapping after 30 seconds of silence or more; half of that is allowed. RFC 9000 §10.1.2 */
const LONGEST = 15 * SECOND

const backupPath = (two: TwoPaths): ConnectionPath => {
  const path = two.of("client").paths.byId(1)!
  two.of("client").multipath.setBackup(path, true)
  two.exchange()
  return path
}

/** When the client sent something on its second socket, in the time that `step` takes `rounds` times. */
const sentAt = (two: TwoPaths, rounds: number, step: () => void): ReadonlyArray<number> => {
  const times: Array<number> = []
  two.arrives = ({ by, socket }) => {
    if (by === "client" && socket === 1) times.push(two.nowMicros)
    return true
  }
  for (let i = 0; i < rounds; i++) {
    step()
    two.exchange().advance(SECOND)
  }
  return times
}

const talk = (two: TwoPaths) => (): void => {
  const { streams } = two.of("client")
  const id = streams.open(false)
  streams.write(id, new Uint8Array(100))
  streams.finish(id)
}

const gaps = (times: ReadonlyArray<number>): ReadonlyArray<number> =>
  times.slice(1).map((time, i) => time - times[i])

describe("D2: a backup path", () => {
  it("sends something every 15 seconds while another carries data, so that no NAT forgets it", () => {
    const two = new TwoPaths()
    backupPath(two)
    const times = sentAt(two, 100, talk(two))
    expect(times.length).toBeGreaterThanOrEqual(5)
    expect(Math.max(...gaps(times))).toBeLessThanOrEqual(LONGEST)
    // and nothing but that
    expect(times.length).toBeLessThan(20)
  })

  it("that has died meanwhile is known to have before it is needed", () => {
    const two = new TwoPaths()
    const path = backupPath(two)
    two.arrives = ({ socket }) => socket === 0
    for (let i = 0; i < 40; i++) {
      talk(two)()
      two.exchange().advance(SECOND)
    }
    expect(path.status).toMatchObject({ isSuspect: true, state: "standby" })
    two.arrives = () => true
    two.advance(60 * SECOND)
    expect(path.status.isSuspect).toBe(false)
  })

  it("does not keep a connection from becoming idle", () => {
    const two = new TwoPaths({ client: { keepAliveInterval: 0 } })
    backupPath(two)
    talk(two)()
    two.exchange()
    two.advance(100 * SECOND)
    for (const end of ["client", "server"] as const)
      expect(two.of(end).closeReason).toMatchObject({ origin: "idleTimeout" })
  })

  it("is kept alive with a connection that is to be kept alive though nothing uses it", () => {
    const two = new TwoPaths({ client: { keepAliveInterval: 10_000 } })
    backupPath(two)
    const times = sentAt(two, 100, () => {})
    expect(two.of("client").lifecycle.isOpen).toBe(true)
    expect(times.length).toBeGreaterThanOrEqual(5)
    expect(Math.max(...gaps(times))).toBeLessThanOrEqual(LONGEST)
  })
})

describe("D5: a connection with two paths", () => {
  it("is not idle as long as any of them carries something", () => {
    const two = new TwoPaths()
    two.arrives = ({ socket }) => socket === 1
    for (let i = 0; i < 120; i++) {
      talk(two)()
      two.exchange().advance(SECOND)
    }
    for (const end of ["client", "server"] as const) expect(two.of(end).lifecycle.isOpen).toBe(true)
  })
})
