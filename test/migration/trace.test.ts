/** What the core records of moves and key updates. */
import { describe, expect, it } from "vitest"
import { MAX_CANDIDATES } from "../../src/connection/RouteSet.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { MigrationEntry } from "../../src/connection/MigrationEntry.ts"
import { MAX_TRACE_ENTRIES, type MigrationTrace } from "../../src/connection/MigrationTrace.ts"
import { verifierContext } from "../../src/connection/verifierContext.ts"
import { PeerId } from "../../src/index.ts"
import { QlogTrace } from "../../src/qlog/QlogTrace.ts"
import { readRecords } from "../qlog/schema.ts"
import { away, home, Roamer } from "./Roamer.ts"
import { suite } from "../io.ts"

const SECOND = 1_000_000
const B = away(1)

const entriesOf = (trace: MigrationTrace): ReadonlyArray<MigrationEntry> => {
  const entries: Array<MigrationEntry> = []
  for (let entry = trace.from(1); entry !== undefined; entry = trace.from(entry.number + 1))
    entries.push(entry)
  return entries
}

const traceOf = ({ connection }: Roamer) => connection.parts.migrationTrace

const steps = (roamer: Roamer) =>
  entriesOf(traceOf(roamer)).map(
    ({ _tag, reason, outcome, to }) => `${_tag} ${reason} ${outcome} ${to.remote.host}`
  )

describe("A6 the trace of a connection", () => {
  it("has the request, the move and the validation of a rebinding, in that order", () => {
    const roamer = new Roamer().ping(B).answer(B).answer(B)
    expect(steps(roamer)).toEqual([
      `Requested NatRebinding Pending ${B.host}`,
      `Committed NatRebinding Unvalidated ${B.host}`,
      `PathValidated NatRebinding Complete ${B.host}`
    ])
    for (const { from } of entriesOf(traceOf(roamer))) expect(from.remote).toEqual(home)
  })

  it("has the validation before the move if the client has probed first and changed connection IDs", () => {
    const roamer = new Roamer().supply(3)
    roamer.ping(home)
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.probe(B).answer(B).ping(B)
    expect(steps(roamer)).toEqual([
      `Requested ActiveMigration Pending ${B.host}`,
      `Committed ActiveMigration Complete ${B.host}`
    ])
  })

  it("says that nothing answered at the new address, and which one is used again", () => {
    const roamer = new Roamer().ping(B)
    roamer.advance(10 * SECOND)
    expect(steps(roamer).at(-1)).toBe(`Rejected NatRebinding TimedOut ${B.host}`)
    expect(entriesOf(traceOf(roamer)).at(-1)!.from.remote).toEqual(home)
    expect(roamer.connection.path.remote).toEqual(home)
  })

  it("says that a newer move took the place of one that was not validated yet", () => {
    const roamer = new Roamer().ping(B).ping(away(2)).answer(away(2)).answer(away(2))
    expect(steps(roamer)).toEqual([
      `Requested NatRebinding Pending ${B.host}`,
      `Committed NatRebinding Unvalidated ${B.host}`,
      `Requested ActiveMigration Pending ${away(2).host}`,
      `Rejected NatRebinding Superseded ${B.host}`,
      `Committed ActiveMigration Unvalidated ${away(2).host}`,
      `PathValidated ActiveMigration Complete ${away(2).host}`
    ])
  })

  it("says that a route was dropped because too many are probed at once", () => {
    const roamer = new Roamer({ victim: "client", transport: { activeConnectionIdLimit: 8 } }).supply(6)
    const { connection } = roamer
    for (let socket = 1; socket <= MAX_CANDIDATES + 1; socket++)
      expect(connection.migrate(socket, roamer.nowMicros)).toBeUndefined()
    expect(steps(roamer).filter((step) => !step.startsWith("Requested"))).toEqual([
      `Rejected ActiveMigration Superseded ${connection.path.remote.host}`
    ])
  })

  it("names the holder of a raw key by its PeerId, and a certificate by its fingerprint", () => {
    const spki = Uint8Array.of(1, 2, 3)
    expect(verifierContext({ _tag: "rawPublicKey", spki }, suite)).toBe(
      `rawPublicKey:${PeerId.fromSpki(spki)}`
    )
    expect(verifierContext({ _tag: "x509", chain: [spki, Uint8Array.of(4)] }, suite)).toBe(
      `x509:${PeerId.fromSpki(spki)}`
    )
    expect(verifierContext(undefined, suite)).toBe("anonymous")
  })

  it("has key updates of either side", () => {
    const roamer = new Roamer().ping(home)
    roamer.puppet.updateKeys()
    roamer.ping(home)
    const [entry, ...others] = entriesOf(traceOf(roamer))
    expect(others).toEqual([])
    expect(entry).toMatchObject({ _tag: "KeyUpdate", outcome: "Followed", keyPhase: 1, number: 1 })
    expect(entry.from).toEqual(entry.to)
  })

  it("keeps its latest entries and goes on counting, however often a client moves", () => {
    const roamer = new Roamer()
    for (let i = 1; i <= 60; i++) roamer.ping(away(i))
    const entries = entriesOf(traceOf(roamer))
    expect(entries.length).toBe(MAX_TRACE_ENTRIES)
    expect(entries.at(-1)!.number).toBe(traceOf(roamer).last)
    expect(traceOf(roamer).last).toBeGreaterThan(2 * 60)
    expect(entries.map(({ number }) => number)).toEqual(
      Array.from({ length: MAX_TRACE_ENTRIES }, (_, i) => traceOf(roamer).last - MAX_TRACE_ENTRIES + 1 + i)
    )
  })

  it("has one end for each request, however a client roams", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(`roams ${seed}`)
      const roamer = new Roamer({ transport: { activeConnectionIdLimit: 8 } }).supply(6)
      const open = new Set<string>()
      let next = 1
      for (let step = 0; step < 60 && roamer.connection.lifecycle.isOpen; step++) {
        const where = random.chance(0.2) ? home : away(1 + random.below(4))
        if (random.chance(0.4) && roamer.at(where, "onPathChallenge").length > 0) roamer.answer(where)
        else if (random.chance(0.2)) roamer.probe(where)
        else roamer.ping(where)
        if (random.chance(0.2)) roamer.advance(random.below(2 * SECOND))
        const trace = traceOf(roamer)
        for (let entry = trace.from(next); entry !== undefined; entry = trace.from(next)) {
          expect(entry.number).toBe(next++)
          const to = entry.to.remote.host
          if (entry._tag === "Requested")
            expect(open.has(to), `${seed}: ${to} is requested twice`).toBe(false)
          else expect(open.has(to), `${seed}: ${entry._tag} without a request`).toBe(true)
          if (entry.outcome === "Pending" || entry.outcome === "Unvalidated") open.add(to)
          else open.delete(to)
        }
        const { routes } = roamer.connection.path
        const moving = routes.all.filter(({ moveReason }) => moveReason !== undefined)
        expect(open).toEqual(new Set(moving.map(({ remote }) => remote.host)))
      }
      expect(next).toBeGreaterThan(10)
    }
  })

  it("points to the event of each entry in the qlog", () => {
    const files = new Map<string, string>()
    const qlog = (name: string) => (records: string) => {
      files.set(name, (files.get(name) ?? "") + records)
    }
    const roamer = new Roamer({
      observe: (role, id, nowMicros) => new QlogTrace(role, id, nowMicros, 0, qlog)
    })
    roamer.ping(B).answer(B).answer(B)
    roamer.puppet.updateKeys()
    roamer.ping(B)
    roamer.connection.close(0, "", roamer.nowMicros)
    roamer.exchange()
    const entries = entriesOf(traceOf(roamer))
    expect(entries.map(({ _tag }) => _tag)).toEqual(["Requested", "Committed", "PathValidated", "KeyUpdate"])
    const logged = entries.map(({ qlog, number }) => {
      const [, ...events] = readRecords(files.get(qlog!.log)!)
      const { time, name, data } = events[qlog!.event]
      expect(time).toBe(qlog!.timeMillis)
      if (name !== "quic:key_updated") expect(data.number).toBe(number)
      return [name, data.new ?? data.key_phase]
    })
    expect(logged).toEqual([
      ["quic:migration_state_updated", "probing_started"],
      ["quic:migration_state_updated", "migration_started"],
      ["quic:migration_state_updated", "migration_complete"],
      ["quic:key_updated", 1]
    ])
  })
})
