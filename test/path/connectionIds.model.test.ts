import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LocalConnectionIds } from "../../src/path/LocalConnectionIds.ts"
import { PeerConnectionIds } from "../../src/path/PeerConnectionIds.ts"
import { type Frame, framesOf, idMaker, tokenOf } from "./frames.ts"
import { FrameType } from "../../src/wire/FrameType.ts"

const PEER_LIMIT = 5

/** Both registries of one direction, and a network in between that loses, delays and duplicates packets. */
class Pair {
  readonly issuer: LocalConnectionIds
  readonly user: PeerConnectionIds
  readonly routed = new Map<string, Uint8Array>()
  private readonly everIssued = new Set<string>()
  private readonly towardsUser: Array<Frame> = []
  private readonly towardsIssuer: Array<Frame> = []

  constructor() {
    const makeCid = idMaker()
    const first = makeCid()
    this.issuer = new LocalConnectionIds({
      pathId: 0,
      length: 8,
      makeCid,
      makeToken: tokenOf,
      firstCid: first
    })
    this.user = new PeerConnectionIds({ pathId: 0, limit: PEER_LIMIT, first })
    this.issuer.setPeerLimit(PEER_LIMIT)
    this.check()
  }

  send(): void {
    this.towardsUser.push(...framesOf(this.issuer, 150))
    this.towardsIssuer.push(...framesOf(this.user, 20))
  }

  /** Delivers the frame at `index` of those in flight, and its acknowledgment if `acknowledged`. */
  deliver(index: number, acknowledged: boolean): void {
    const frame = this.take(index)
    if (frame?.kind === "new") {
      expect(this.user.onNew(frame.sequence, frame.retirePriorTo, frame.id, frame.token)).toBeUndefined()
      if (acknowledged) this.issuer.onAcked(FrameType.NEW_CONNECTION_ID, 0, frame.sequence)
      else this.issuer.onLost(FrameType.NEW_CONNECTION_ID, 0, frame.sequence)
    } else if (frame !== undefined) {
      expect(this.issuer.onRetire(frame.sequence)).toBeUndefined()
      if (acknowledged) this.user.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, frame.sequence)
      else this.user.onLost(FrameType.RETIRE_CONNECTION_ID, 0, frame.sequence)
    }
    this.check()
  }

  lose(index: number): void {
    const frame = this.take(index)
    if (frame?.kind === "new") this.issuer.onLost(FrameType.NEW_CONNECTION_ID, 0, frame.sequence)
    else if (frame !== undefined) this.user.onLost(FrameType.RETIRE_CONNECTION_ID, 0, frame.sequence)
  }

  /** Switches to a fresh ID, like a migration. */
  move(): void {
    const before = this.user.activeId.sequence
    const spare = this.user.next()
    if (spare === undefined) return
    expect(this.user.activate(spare.sequence)).toBeUndefined()
    // the previous ID may already be retired at the issuer's request
    const error = this.user.retire(before)
    expect(error === undefined || error._tag === "RetiredConnectionId").toBe(true)
    this.check()
  }

  /** Lets everything arrive. */
  settle(): void {
    for (let round = 0; round < 50; round++) {
      this.send()
      while (this.underWay > 0) this.deliver(0, true)
    }
  }

  private get underWay(): number {
    return this.towardsUser.length + this.towardsIssuer.length
  }

  private take(index: number): Frame | undefined {
    if (this.underWay === 0) return undefined
    const at = index % this.underWay
    return at < this.towardsUser.length
      ? this.towardsUser.splice(at, 1)[0]
      : this.towardsIssuer.splice(at - this.towardsUser.length, 1)[0]
  }

  private check(): void {
    const { issuer, user, routed } = this
    const changes = issuer.takeChanges()
    for (const { id } of changes?.added ?? []) {
      expect(this.everIssued.has(String(id))).toBe(false)
      this.everIssued.add(String(id))
      routed.set(String(id), id)
    }
    for (const id of changes?.removed ?? []) expect(routed.delete(String(id))).toBe(true)
    expect(routed.size).toBe(issuer.count)
    expect(issuer.count).toBeLessThanOrEqual(2 * PEER_LIMIT)
    expect(user.count).toBeLessThanOrEqual(PEER_LIMIT)
    // the ID in use always reaches the issuer
    if (user.usable) expect(routed.has(String(user.activeId.id))).toBe(true)
  }
}

const step = fc.record({
  do: fc.constantFrom("send", "send", "deliver", "deliver", "repeat", "lose", "move", "use", "rotate"),
  /** Selects a packet, or a number of IDs. */
  n: fc.integer({ min: 1, max: 20 })
})

describe("connection IDs between two honest sides", () => {
  it("never violate a rule or limit, whatever the network does, and recover fully once it works", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const pair = new Pair()
        for (const action of steps) {
          if (action.do === "send") pair.send()
          else if (action.do === "deliver") pair.deliver(action.n, true)
          else if (action.do === "repeat") pair.deliver(action.n, false)
          else if (action.do === "lose") pair.lose(action.n)
          else if (action.do === "move") pair.move()
          else if (action.do === "use") pair.issuer.onUsed(pair.user.activeId.sequence)
          else pair.issuer.rotate(action.n)
        }
        pair.settle()
        expect(pair.user.usable).toBe(true)
        expect(pair.user.count).toBe(PEER_LIMIT)
        expect(pair.issuer.count).toBe(PEER_LIMIT)
        expect(pair.issuer.hasFrames()).toBe(false)
        expect(pair.user.hasFrames()).toBe(false)
      }),
      { numRuns: 500 }
    )
  })
})

describe("connection IDs from a peer that sends anything", () => {
  it("stay within every limit, or close the connection", () => {
    const frame = fc.record({
      sequence: fc.oneof(fc.nat(12), fc.maxSafeInteger().map(Math.abs)),
      retirePriorTo: fc.oneof(fc.nat(12), fc.maxSafeInteger().map(Math.abs)),
      id: fc.uint8Array({ minLength: 0, maxLength: 3 }),
      token: fc.nat(3),
      acked: fc.boolean(),
      command: fc.constantFrom("none", "next", "retire")
    })
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 200 }), (frames) => {
        const limit = 4
        const user = new PeerConnectionIds({ pathId: 0, limit, first: new Uint8Array([1, 2, 3, 4]) })
        let unacknowledged: Array<number> = []
        for (const { sequence, retirePriorTo, id, token, acked, command } of frames) {
          const error = user.onNew(
            sequence,
            Math.min(retirePriorTo, sequence),
            id,
            new Uint8Array(16).fill(token)
          )
          if (error === undefined) expect(id.length).toBeGreaterThan(0)
          expect(user.count).toBeLessThanOrEqual(limit)
          if (command === "next") user.next()
          if (command === "retire") user.retire(sequence)
          unacknowledged.push(...framesOf(user).map((sent) => sent.sequence))
          if (acked) {
            for (const sent of unacknowledged) user.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, sent)
            unacknowledged = []
          }
          expect(unacknowledged.length).toBeLessThanOrEqual(3 * limit)
          expect(new Set(unacknowledged).size).toBe(unacknowledged.length)
        }
      })
    )
  })
})
