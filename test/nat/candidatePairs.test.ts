/** Pairs of candidates: their order, their states, and their number. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CandidatePairs, type LocalCandidate, pairPriority } from "../../src/nat/CandidatePairs.ts"
import { type CandidateKind, candidateOf } from "../../src/nat/candidates.ts"
import { pairTransitions } from "../../src/nat/pairState.ts"
import { printTable } from "../../src/internal/TransitionTable.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

const remoteAt = (n: number, kind: CandidateKind = "serverReflexive", place = 0) =>
  candidateOf(kind, socketAddress(`198.51.${n >> 8}.${n & 255}`, 4433)!, place)
const local = (socket = 0, host = "192.168.1.5"): LocalCandidate => ({
  ...candidateOf("host", socketAddress(host, 4433)!),
  socket
})

describe("E4 candidate pairs", () => {
  it("have the priority of RFC 8445 §6.1.2.3", () => {
    expect(pairPriority(1, 2)).toBe((1n << 32n) + 4n)
    expect(pairPriority(2, 1)).toBe((1n << 32n) + 5n)
    const [host, reflexive] = [2_130_706_431, 1_694_498_815]
    expect(pairPriority(host, reflexive)).toBe(7_277_816_997_797_167_103n)
  })

  it("are ranked alike by both sides", () => {
    const priority = fc.integer({ min: 1, max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(priority, priority, priority, priority, (a, b, c, d) => {
        const [one, other] = [pairPriority(a, b), pairPriority(c, d)]
        const [least, most] = [Math.min(a, b) - Math.min(c, d), Math.max(a, b) - Math.max(c, d)]
        if (least !== 0) expect(one > other).toBe(least > 0)
        else if (most !== 0) expect(one > other).toBe(most > 0)
        expect(one < 1n << 63n).toBe(true)
      })
    )
  })

  it("have these states and no other transitions", () => {
    expect(printTable(pairTransitions)).toMatchInlineSnapshot(`
      "Waiting    │ InProgress, Succeeded, Cancelled
      InProgress │ Succeeded, Failed, Cancelled
      Succeeded  │ Waiting
      Failed     │ Waiting, Succeeded
      Cancelled  │ Waiting"
    `)
  })

  it("join a socket and an address of the same family", () => {
    const pairs = new CandidatePairs("client")
    pairs.addRemote(remoteAt(1), [local(0), local(1, "2001:db8::5"), local(2)])
    expect(pairs.all.map((pair) => pair.local.socket)).toEqual([0, 2])
  })

  it("the best wait first, and no more are begun than asked for", () => {
    const pairs = new CandidatePairs("client")
    for (let n = 0; n < 20; n++)
      pairs.addRemote(remoteAt(n, n % 2 === 0 ? "host" : "predicted", n), [local()])
    const best = pairs.nextWaiting(8)
    expect(best).toHaveLength(8)
    expect(best.every(({ remote }) => remote.kind === "host")).toBe(true)
    for (const pair of best) pair.to("InProgress")
    expect(pairs.nextWaiting(8)[0].remote.kind).toBe("host")
    expect(pairs.count("InProgress")).toBe(8)
  })

  it("one that is known keeps its state when it turns out to be better, and is ranked anew", () => {
    const pairs = new CandidatePairs("client")
    pairs.addRemote(remoteAt(1, "predicted"), [local()])
    pairs.addRemote(remoteAt(2), [local()])
    const known = pairs.at(remoteAt(1).address, 0)!
    known.to("InProgress")
    pairs.addRemote(remoteAt(1, "peerReflexive"), [local()])
    expect(pairs.all).toHaveLength(2)
    expect(pairs.all[0]).toMatchObject({
      state: "InProgress",
      remote: { kind: "peerReflexive" }
    })
    pairs.addRemote(remoteAt(1, "predicted"), [local()])
    expect(pairs.all[0].remote.kind).toBe("peerReflexive")
  })

  it("another round has all wait again; the end of one cancels those that are not answered", () => {
    const pairs = new CandidatePairs("server")
    for (let n = 0; n < 4; n++) pairs.addRemote(remoteAt(n), [local()])
    const [a, b, c] = pairs.all
    for (const pair of [a, b, c]) pair.to("InProgress")
    a.to("Succeeded")
    b.to("Failed")
    expect(pairs.best).toBe(a)
    pairs.cancel()
    expect(pairs.all.map(({ state }) => state)).toEqual(["Succeeded", "Failed", "Cancelled", "Cancelled"])
    expect(c.to("Succeeded")).toBe(false) // an answer that comes after the round
    pairs.restart()
    expect(pairs.count("Waiting")).toBe(4)
    pairs.nextWaiting(1)[0].to("InProgress")
    pairs.restart()
    expect(pairs.count("Waiting")).toBe(4)
  })

  it("a withdrawn address is tried no more, unless it has worked", () => {
    const pairs = new CandidatePairs("client")
    for (const n of [1, 2]) pairs.addRemote(remoteAt(n), [local()])
    pairs.at(remoteAt(2).address, 0)!.to("Succeeded")
    pairs.keepRemotes(() => false)
    expect(pairs.all.map(({ remote }) => remote.address)).toEqual([remoteAt(2).address])
  })

  it("are bounded, ordered and distinct whatever a peer names; none under way is dropped", () => {
    const named = fc.record({
      n: fc.nat(400),
      kind: fc.constantFrom<CandidateKind>("host", "predicted"),
      begins: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(named, { maxLength: 600 }), fc.integer({ min: 1, max: 32 }), (all, max) => {
        const pairs = new CandidatePairs("server", max)
        const begun = new Set<string>()
        for (const { n, kind, begins } of all) {
          pairs.addRemote(remoteAt(n, kind, n), [local()])
          const pair = begins ? pairs.at(remoteAt(n).address, 0) : undefined
          if (pair?.to("InProgress") === true) begun.add(pair.remote.address.host)
        }
        expect(pairs.all.length).toBeLessThanOrEqual(max)
        expect(new Set(pairs.all.map(({ remote }) => remote.address.host)).size).toBe(pairs.all.length)
        for (let i = 1; i < pairs.all.length; i++)
          expect(pairs.all[i - 1].priority >= pairs.all[i].priority).toBe(true)
        for (const host of begun)
          expect(pairs.all.some(({ remote }) => remote.address.host === host)).toBe(true)
      })
    )
  })

  it("a thousand addresses do not make more than the limit", () => {
    const pairs = new CandidatePairs("client")
    for (let n = 0; n < 1000; n++) pairs.addRemote(remoteAt(n, "host", n), [local()])
    expect(pairs.all).toHaveLength(256)
  })
})
