import { spareIds } from "../inspect.ts"
import { describe, expect, it } from "vitest"
import { PeerConnectionIds } from "../../src/path/PeerConnectionIds.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { framesOf, tokenOf } from "./frames.ts"
import { FrameType } from "../../src/wire/FrameType.ts"

const idOf = (sequence: number): Uint8Array => new Uint8Array([0xc0, sequence >> 8, sequence, 1, 2, 3, 4, 5])

const make = (limit = 4): PeerConnectionIds => new PeerConnectionIds({ pathId: 0, limit, first: idOf(0) })

const offer = (ids: PeerConnectionIds, sequence: number, retirePriorTo = 0) =>
  ids.onNew(sequence, retirePriorTo, idOf(sequence), tokenOf(idOf(sequence)))

const filled = (limit = 4): PeerConnectionIds => {
  const ids = make(limit)
  for (let i = 1; i < limit; i++) expect(offer(ids, i)).toBeUndefined()
  return ids
}

const retirements = (ids: PeerConnectionIds): Array<number> => framesOf(ids).map((frame) => frame.sequence)

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i])

describe("connection IDs issued by the peer", () => {
  it("start with the handshake's, which may still change", () => {
    const ids = make()
    expect(ids.activeId.id).toEqual(idOf(0))
    ids.replaceFirst(idOf(77))
    expect(ids.activeId.id).toEqual(idOf(77))
    expect(ids.activeId.sequence).toBe(0)
    expect(ids.usable).toBe(true)
  })

  it("are assigned one by one, each to a separate path", () => {
    const ids = filled()
    expect(spareIds(ids)).toBe(3)
    expect([ids.next(), ids.next(), ids.next()].map((spare) => spare?.sequence)).toEqual([1, 2, 3])
    expect(ids.next()).toBeUndefined()
    expect(spareIds(ids)).toBe(0)
  })

  it("replace the active one, which is then retired", () => {
    const ids = filled()
    const spare = ids.next()!
    expect(ids.activate(spare.sequence)).toBeUndefined()
    expect(ids.activeId.id).toEqual(idOf(1))
    expect(ids.retire(0)).toBeUndefined()
    expect(retirements(ids)).toEqual([0])
    expect(ids.count).toBe(3)
  })

  it("refuse to retire the active one, to activate a retired one, and to do either with an unknown one", () => {
    const ids = filled()
    expect(ids.retire(0)).toEqual({ _tag: "ActiveConnectionId", sequence: 0 })
    ids.retire(2)
    expect(ids.activate(2)).toEqual({ _tag: "RetiredConnectionId", sequence: 2 })
    expect(ids.retire(2)).toEqual({ _tag: "RetiredConnectionId", sequence: 2 })
    expect(ids.activate(9)).toEqual({ _tag: "UnknownConnectionId", sequence: 9 })
    expect(ids.retire(9)).toEqual({ _tag: "UnknownConnectionId", sequence: 9 })
    expect(ids.activeId.id).toEqual(idOf(0))
  })

  // RFC 9000 §19.15 #4
  it("may be issued again, unchanged", () => {
    const ids = filled()
    expect(offer(ids, 2)).toBeUndefined()
    expect(ids.count).toBe(4)
    ids.retire(2)
    expect(offer(ids, 2)).toBeUndefined()
    expect(ids.count).toBe(3)
    expect(retirements(ids)).toEqual([2])
  })

  it("are refused when they contradict an earlier frame", () => {
    const violation = { code: TransportErrorCode.PROTOCOL_VIOLATION, frameType: 0x18 }
    const ids = make(8)
    offer(ids, 1)
    expect(ids.onNew(1, 0, idOf(5), tokenOf(idOf(1)))).toMatchObject(violation)
    expect(ids.onNew(1, 0, idOf(1), tokenOf(idOf(5)))).toMatchObject(violation)
    expect(ids.onNew(2, 0, idOf(1), tokenOf(idOf(2)))).toMatchObject(violation)
    expect(ids.onNew(2, 0, idOf(2), tokenOf(idOf(1)))).toMatchObject(violation)
    expect(ids.onNew(0, 0, idOf(6), tokenOf(idOf(6)))).toMatchObject(violation)
    expect(ids.onNew(2, 0, idOf(0), tokenOf(idOf(2)))).toMatchObject(violation)
    expect(ids.count).toBe(2)
  })

  // RFC 9000 §5.1.1 #4
  it("are refused beyond the limit we declared", () => {
    const ids = filled()
    expect(offer(ids, 4)?.code).toBe(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR)
    expect(offer(filled(2), 2)?.code).toBe(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR)
    expect(offer(filled(), 4, 1)).toBeUndefined()
  })

  // RFC 9000 §19.15 #1 #6
  it("are refused with an invalid length, or a Retire Prior To above their sequence number", () => {
    const ids = make()
    const encoding = { code: TransportErrorCode.FRAME_ENCODING_ERROR }
    expect(ids.onNew(1, 0, new Uint8Array(0), new Uint8Array(16))).toMatchObject(encoding)
    expect(ids.onNew(1, 0, new Uint8Array(21), new Uint8Array(16))).toMatchObject(encoding)
    expect(ids.onNew(1, 0, idOf(1), new Uint8Array(15))).toMatchObject(encoding)
    expect(offer(ids, 1, 2)).toMatchObject(encoding)
    expect(ids.onNew(1, 0, new Uint8Array(20), new Uint8Array(16))).toBeUndefined()
  })

  // RFC 9000 §19.15 #3
  it("cannot come from a peer that uses none; every path shares the empty one", () => {
    const ids = new PeerConnectionIds({ pathId: 0, limit: 4, first: new Uint8Array(0) })
    expect(ids.isZeroLength).toBe(true)
    expect(offer(ids, 1)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    expect(ids.next()?.id).toEqual(new Uint8Array(0))
    expect(ids.retire(0)?._tag).toBe("ActiveConnectionId")
    expect(ids.hasFrames()).toBe(false)
  })

  it("start with sequence 0 on a path opened later, which becomes the active one", () => {
    const ids = new PeerConnectionIds({ pathId: 3, limit: 4, first: undefined })
    expect(ids.usable).toBe(false)
    expect(ids.isZeroLength).toBe(false)
    offer(ids, 0)
    expect(ids.usable).toBe(true)
    expect(ids.activeId.id).toEqual(idOf(0))
  })
})

describe("connection IDs retired by the peer", () => {
  // RFC 9000 §5.1.2 #1
  it("are retired at once, and the active one replaced", () => {
    const ids = filled()
    expect(offer(ids, 4, 3)).toBeUndefined()
    expect(ids.activeId.id).toEqual(idOf(3))
    expect(ids.count).toBe(2)
    expect(retirements(ids)).toEqual([0, 1, 2])
  })

  it("are reported to whoever still sends with one", () => {
    const ids = filled()
    const spare = ids.next()!
    expect(spare.state).toBe("used")
    offer(ids, 4, 2)
    expect(spare.state).toBe("retired")
  })

  // RFC 9000 §19.15 #8
  it("include those not yet received, which are retired once and not again on arrival", () => {
    const ids = make()
    expect(offer(ids, 3, 3)).toBeUndefined()
    expect(retirements(ids)).toEqual([0, 1, 2])
    expect(offer(ids, 1)).toBeUndefined()
    expect(offer(ids, 2)).toBeUndefined()
    expect(ids.hasFrames()).toBe(false)
    expect(ids.count).toBe(1)
  })

  // RFC 9000 §19.15 #7
  it("are not affected by a Retire Prior To below the largest", () => {
    const ids = filled()
    offer(ids, 4, 3)
    retirements(ids)
    expect(offer(ids, 5, 1)).toBeUndefined()
    expect(ids.hasFrames()).toBe(false)
    expect(ids.count).toBe(3)
  })

  it("leave nothing to send with until the peer issues another, if it retires all", () => {
    const ids = filled(2)
    ids.retire(1)
    // the peer retransmits the frame of a retired ID, now with a larger Retire Prior To
    expect(offer(ids, 1, 1)).toBeUndefined()
    expect(ids.usable).toBe(false)
    expect(ids.next()).toBeUndefined()
    expect(offer(ids, 2, 1)).toBeUndefined()
    expect(ids.usable).toBe(true)
    expect(ids.activeId.id).toEqual(idOf(2))
  })
})

describe("retirements", () => {
  it("are retransmitted when lost, until acknowledged", () => {
    const ids = filled()
    ids.retire(1)
    ids.retire(2)
    expect(retirements(ids)).toEqual([1, 2])
    ids.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, 1)
    ids.onLost(FrameType.RETIRE_CONNECTION_ID, 0, 1)
    ids.onLost(FrameType.RETIRE_CONNECTION_ID, 0, 2)
    ids.onLost(FrameType.RETIRE_CONNECTION_ID, 0, 2)
    expect(retirements(ids)).toEqual([2])
    ids.onLost(FrameType.RETIRE_CONNECTION_ID, 0, 2)
    ids.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, 2) // acknowledged late
    expect(ids.hasFrames()).toBe(false)
    expect(retirements(ids)).toEqual([])
  })

  it("wait for a packet with room", () => {
    const ids = filled()
    ids.retire(1)
    expect(framesOf(ids, 17)).toEqual([])
    expect(ids.hasFrames()).toBe(true)
    expect(framesOf(ids, 18)).toHaveLength(1)
  })

  // RFC 9000 §5.1.2 #2, §5.1.2 #S4
  it("forced by a peer that does not acknowledge are limited", () => {
    const ids = make(4)
    let error = offer(ids, 1, 1)
    let sequence = 1
    for (; error === undefined && sequence < 100; error = offer(ids, ++sequence, sequence)) retirements(ids)
    expect(error?.code).toBe(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR)
    expect(sequence).toBe(2 * 4 + 1)
  })

  it("forced by a peer all at once are limited, whatever its Retire Prior To", () => {
    const ids = make(4)
    expect(offer(ids, 2 ** 40 + 9, 2 ** 40)?.code).toBe(TransportErrorCode.CONNECTION_ID_LIMIT_ERROR)
    expect(ids.hasFrames()).toBe(false)
  })

  // RFC 9000 §5.1.2 #S3
  it("are paced: no ID is assigned while too many retirements are unacknowledged", () => {
    const ids = make(2)
    let sequence = 0
    for (; sequence < 20; ) {
      offer(ids, sequence + 1)
      const spare = ids.next()
      if (spare === undefined) break
      ids.activate(spare.sequence)
      ids.retire(sequence)
      sequence = spare.sequence
      retirements(ids)
    }
    expect(sequence).toBe(2)
    ids.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, 0)
    expect(ids.next()?.sequence).toBe(3)
  })

  it("on request are limited too", () => {
    const ids = make(2)
    let sequence = 1
    for (; sequence < 20; sequence++) {
      offer(ids, sequence)
      if (ids.retire(sequence) !== undefined) break
    }
    expect(ids.retire(sequence)).toEqual({ _tag: "RotationPending", sequence })
    expect(sequence - 1).toBe(3 * 2)
  })

  it("continue forever in bounded memory when the peer acknowledges", () => {
    const ids = filled(4)
    for (let sequence = 4; sequence < 5_000; sequence++) {
      const spare = ids.next()!
      const before = ids.activeId.sequence
      expect(ids.activate(spare.sequence)).toBeUndefined()
      expect(ids.retire(before)).toBeUndefined()
      for (const retired of retirements(ids)) ids.onAcked(FrameType.RETIRE_CONNECTION_ID, 0, retired)
      expect(offer(ids, sequence)).toBeUndefined()
      expect(ids.count).toBe(4)
    }
  })
})

describe("stateless reset tokens", () => {
  const datagram = (token: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(40).fill(7)
    bytes.set(token, 24)
    return bytes
  }

  // RFC 9000 §10.3.1 #2
  it("match for IDs in use, and not for unused or retired ones", () => {
    const ids = filled()
    const token = tokenOf(idOf(1))
    expect(ids.isResetToken(datagram(token), 24, equal)).toBe(false)
    ids.next()
    expect(ids.isResetToken(datagram(token), 24, equal)).toBe(true)
    expect(ids.isResetToken(datagram(token), 23, equal)).toBe(false)
    ids.retire(1)
    expect(ids.isResetToken(datagram(token), 24, equal)).toBe(false)
  })

  it("include the one the server sent with its transport parameters", () => {
    const ids = make()
    const token = tokenOf(idOf(0))
    expect(ids.isResetToken(datagram(token), 24, equal)).toBe(false)
    ids.setFirstToken(token)
    expect(ids.isResetToken(datagram(token), 24, equal)).toBe(true)
  })

  // RFC 9000 §10.3.1 #3
  it("are all compared, whichever matches", () => {
    const ids = filled()
    ids.setFirstToken(tokenOf(idOf(0)))
    ids.next()
    ids.next()
    for (const sequence of [0, 1, 2, 99]) {
      let compared = 0
      ids.isResetToken(datagram(tokenOf(idOf(sequence))), 24, (a, b) => {
        compared++
        return equal(a, b)
      })
      expect(compared).toBe(3)
    }
  })

  it("are reported to the endpoint when they come into use and when they are retired", () => {
    const ids = filled()
    const [first, second, third] = [0, 1, 2].map((sequence) => tokenOf(idOf(sequence)))
    expect(ids.takeTokenChanges()).toBeUndefined()
    ids.setFirstToken(first)
    ids.next()
    expect(ids.takeTokenChanges()).toEqual({ added: [first, second], removed: [] })
    expect(ids.takeTokenChanges()).toBeUndefined()
    ids.activate(1)
    ids.retire(0)
    ids.activate(2)
    expect(ids.takeTokenChanges()).toEqual({ added: [third], removed: [first] })
    ids.clear()
    expect(ids.takeTokenChanges()).toEqual({ added: [], removed: [second, third] })
    expect(ids.isResetToken(datagram(second), 24, equal)).toBe(false)
  })

  it("are not read past the datagram", () => {
    const ids = make()
    ids.setFirstToken(new Uint8Array(16))
    expect(ids.isResetToken(new Uint8Array(16), -1, equal)).toBe(false)
    expect(ids.isResetToken(new Uint8Array(16), 1, equal)).toBe(false)
    expect(ids.isResetToken(new Uint8Array(16), 0, equal)).toBe(true)
  })
})
