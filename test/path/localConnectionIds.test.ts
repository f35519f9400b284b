import { describe, expect, it } from "vitest"
import { LIFETIME_LIMIT, LocalConnectionIds, INITIAL_DESTINATION } from "../../src/path/LocalConnectionIds.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { framesOf, idMaker, tokenOf } from "./frames.ts"
import { FrameType } from "../../src/wire/FrameType.ts"

const make = (options: { length?: number; limitOurs?: number; spares?: number; first?: boolean } = {}) => {
  const makeCid = idMaker()
  return new LocalConnectionIds({
    pathId: 0,
    length: options.length ?? 8,
    makeCid,
    makeToken: tokenOf,
    firstCid: options.length === 0 ? new Uint8Array(0) : options.first === false ? undefined : makeCid(),
    ...(options.spares === undefined ? {} : { spares: options.spares }),
    ...(options.limitOurs === undefined ? {} : { limitOurs: options.limitOurs })
  })
}

const sequences = (ids: LocalConnectionIds): Array<number> => framesOf(ids).map((frame) => frame.sequence)

describe("connection IDs issued by this side", () => {
  it("start with the handshake's, which needs no frame", () => {
    const ids = make()
    expect(ids.hasFrames()).toBe(false)
    expect(ids.takeChanges()).toMatchObject({
      added: [{ id: new Uint8Array([0, 0, 0, 1, 0, 0, 0, 0]), sequence: 0 }],
      removed: []
    })
    expect(ids.takeChanges()).toBeUndefined()
  })

  // RFC 9000 §7.2
  it("are routed along with the one the client chose, until that expires", () => {
    const [initialDestination, first] = [new Uint8Array(8), new Uint8Array(8).fill(1)]
    const options = {
      pathId: 0,
      length: 8,
      makeCid: idMaker(),
      makeToken: tokenOf,
      firstCid: first,
      initialDestination
    }
    const ids = new LocalConnectionIds(options)
    expect(ids.takeChanges()).toMatchObject({
      added: [
        { id: first, sequence: 0 },
        { id: initialDestination, sequence: INITIAL_DESTINATION }
      ],
      removed: []
    })
    expect(ids.deadlineMicros).toBe(Number.POSITIVE_INFINITY)
    ids.keepInitialDestinationUntil(5)
    expect(ids.deadlineMicros).toBe(5)
    ids.sweep(4)
    expect(ids.takeChanges()).toBeUndefined()
    ids.sweep(5)
    expect(ids.takeChanges()).toEqual({ added: [], removed: [initialDestination] })
    expect([ids.deadlineMicros, ids.count]).toEqual([Number.POSITIVE_INFINITY, 1])
    const ended = new LocalConnectionIds(options)
    ended.clear()
    expect(ended.takeChanges()?.removed).toEqual([first, initialDestination])
  })

  // RFC 9000 §5.1.1 #1 #3, §5.1.1 #S1, §9.5 #S3
  it("are issued up to the peer's limit, numbered one by one", () => {
    const ids = make()
    ids.setPeerLimit(4)
    expect(sequences(ids)).toEqual([1, 2, 3])
    expect(ids.hasFrames()).toBe(false)
    expect(ids.takeChanges()?.added).toHaveLength(4)
  })

  it("are issued up to our own limit of 8 when the peer allows more", () => {
    const ids = make()
    ids.setPeerLimit(1000)
    expect(sequences(ids)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it("have a limit of at least two", () => {
    const ids = make({ limitOurs: 0 })
    ids.setPeerLimit(8)
    expect(ids.count).toBe(2)
  })

  it("start with sequence 0 in a frame on a path opened later", () => {
    const ids = make({ first: false })
    ids.setPeerLimit(2)
    expect(sequences(ids)).toEqual([0, 1])
  })

  it("carry the token of each ID", () => {
    const ids = make()
    ids.setPeerLimit(3)
    for (const frame of framesOf(ids)) {
      if (frame.kind !== "new") throw new Error(frame.kind)
      expect(frame.token).toEqual(tokenOf(frame.id))
      expect(frame.retirePriorTo).toBe(0)
    }
  })

  it("are split over several packets if needed", () => {
    const ids = make()
    ids.setPeerLimit(8)
    const first = framesOf(ids, 120)
    expect(first.length).toBeGreaterThan(0)
    expect(first.length).toBeLessThan(7)
    expect(framesOf(ids, 53)).toEqual([]) // less than the largest frame
    expect([...first, ...framesOf(ids)].map((frame) => frame.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it("are retransmitted when lost, and not once acknowledged", () => {
    const ids = make()
    ids.setPeerLimit(4)
    sequences(ids)
    ids.onAcked(FrameType.NEW_CONNECTION_ID, 0, 1)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 2)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 2)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 1)
    expect(ids.hasFrames()).toBe(true)
    expect(sequences(ids)).toEqual([2])
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 3)
    ids.onAcked(FrameType.NEW_CONNECTION_ID, 0, 3) // acknowledged late
    expect(ids.hasFrames()).toBe(false)
  })

  // RFC 9000 §5.1.1 #S2
  it("are replaced when the peer retires one", () => {
    const ids = make()
    ids.setPeerLimit(3)
    sequences(ids)
    ids.takeChanges()
    expect(ids.onRetire(1)).toBeUndefined()
    expect(sequences(ids)).toEqual([3])
    const changes = ids.takeChanges()
    expect(changes?.added).toHaveLength(1)
    expect(changes?.removed).toEqual([new Uint8Array([0, 0, 0, 2, 0, 0, 0, 0])])
    expect(ids.count).toBe(3)
  })

  it("ignore a repeated retirement", () => {
    const ids = make()
    ids.setPeerLimit(3)
    sequences(ids)
    ids.onRetire(1)
    sequences(ids)
    expect(ids.onRetire(1)).toBeUndefined()
    expect(ids.hasFrames()).toBe(false)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 1) // is not retransmitted
    expect(ids.hasFrames()).toBe(false)
  })

  // RFC 9000 §19.16 #1
  it("refuse the retirement of an ID that was never sent, even if it is queued", () => {
    const ids = make()
    ids.setPeerLimit(3)
    expect(ids.onRetire(1)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    sequences(ids)
    expect(ids.onRetire(1)).toBeUndefined()
    expect(ids.onRetire(3)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    expect(ids.onRetire(2 ** 62)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
  })

  // RFC 9000 §19.16 #2
  it("refuse the retirement of the ID that the packet was sent to", () => {
    const ids = make()
    ids.setPeerLimit(3)
    sequences(ids)
    expect(ids.onRetire(1, 1)).toMatchObject({
      code: TransportErrorCode.PROTOCOL_VIOLATION,
      frameType: 0x19
    })
    expect(ids.onRetire(2, 1)).toBeUndefined()
  })

  it("do not retransmit an ID that has been retired", () => {
    const ids = make()
    ids.setPeerLimit(3)
    sequences(ids)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 1)
    ids.onRetire(1)
    expect(sequences(ids)).toEqual([3])
    expect(ids.hasFrames()).toBe(false)
  })

  // RFC 9000 §19.15 #2, §19.16 #3
  it("are never issued by a side that uses zero-length ones", () => {
    const ids = make({ length: 0 })
    ids.setPeerLimit(8)
    expect(ids.hasFrames()).toBe(false)
    expect(ids.onRetire(0)?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    expect(ids.rotate(1)).toEqual({ _tag: "NoConnectionIds", sequence: 1 })
  })

  it("are routed with their sequence numbers", () => {
    const ids = make()
    ids.takeChanges()
    ids.setPeerLimit(3)
    const frames = framesOf(ids).map((frame) => (frame.kind === "new" ? [frame.sequence, frame.id] : frame))
    expect(ids.takeChanges()?.added.map(({ sequence, id }) => [sequence, id])).toEqual(frames)
    expect(frames).toHaveLength(2)
  })

  // RFC 9000 §18.2 #3 #4
  it("include the preferred address's as number 1, delivered in the handshake", () => {
    const ids = make()
    const preferred = ids.issuePreferred()
    expect(preferred.token).toEqual(tokenOf(preferred.id))
    expect(ids.hasFrames()).toBe(false)
    expect(ids.onRetire(1)).toBeUndefined()
    ids.setPeerLimit(3)
    expect(sequences(ids)).toEqual([2, 3])
  })

  it("all stop being routed when the path is closed", () => {
    const ids = make()
    ids.setPeerLimit(3)
    ids.takeChanges()
    ids.clear()
    expect(ids.takeChanges()?.removed).toHaveLength(3)
    expect(ids.count).toBe(0)
    expect(ids.hasFrames()).toBe(false)
    expect(ids.onRetire(0)).toBeUndefined()
    expect(ids.count).toBe(0)
    expect(ids.rotate(1)?._tag).toBe("NoConnectionIds")
  })
})

describe("the supply of connection IDs", () => {
  it("keeps two spare ones beyond those the peer has used, up to its limit", () => {
    const ids = make({ spares: 2 })
    ids.setPeerLimit(5)
    expect(sequences(ids)).toEqual([1, 2])
    ids.onUsed(1)
    expect(sequences(ids)).toEqual([3])
    ids.onUsed(0)
    ids.onUsed(1)
    expect(sequences(ids)).toEqual([])
    ids.onUsed(2)
    expect(sequences(ids)).toEqual([4])
    ids.onUsed(3)
    expect(sequences(ids)).toEqual([])
    expect(ids.count).toBe(5)
  })

  it("grows back to two when the peer retires what it has used", () => {
    const ids = make({ spares: 2 })
    ids.setPeerLimit(8)
    sequences(ids)
    ids.onUsed(2)
    expect(sequences(ids)).toEqual([3])
    ids.onRetire(0)
    expect(sequences(ids)).toEqual([])
    ids.onRetire(1)
    expect(sequences(ids)).toEqual([4])
    expect(ids.count).toBe(3)
  })

  it("requests retirement of used ones, except the one in use, when the peer has no other", () => {
    const ids = make({ spares: 2 })
    ids.setPeerLimit(3)
    sequences(ids)
    ids.onUsed(1)
    expect(sequences(ids)).toEqual([])
    ids.onUsed(2)
    expect(framesOf(ids)).toMatchObject([
      { sequence: 3, retirePriorTo: 2 },
      { sequence: 4, retirePriorTo: 2 }
    ])
    ids.onUsed(1)
    expect(sequences(ids)).toEqual([])
  })

  it("requests retirement of the oldest even when that is in use, if there is no other way", () => {
    const ids = make({ spares: 2 })
    ids.setPeerLimit(2)
    sequences(ids)
    ids.onUsed(1)
    expect(framesOf(ids)).toMatchObject([{ sequence: 2, retirePriorTo: 1 }])
    ids.onUsed(2)
    ids.onUsed(1)
    expect(sequences(ids)).toEqual([])
    ids.onRetire(0)
    expect(framesOf(ids)).toMatchObject([{ sequence: 3, retirePriorTo: 2 }])
    ids.onRetire(1)
    expect(ids.count).toBe(2)
  })
})

describe("connection ID rotation", () => {
  it("retires the oldest and issues as many new ones", () => {
    const ids = make()
    ids.setPeerLimit(4)
    sequences(ids)
    expect(ids.rotate(2)).toBeUndefined()
    expect(framesOf(ids)).toMatchObject([
      { sequence: 4, retirePriorTo: 2 },
      { sequence: 5, retirePriorTo: 2 }
    ])
    expect(ids.count).toBe(6)
    ids.onRetire(0)
    ids.onRetire(1)
    expect(ids.count).toBe(4)
    expect(ids.hasFrames()).toBe(false)
  })

  it("can replace all of them, and never more", () => {
    const ids = make()
    ids.setPeerLimit(4)
    sequences(ids)
    expect(ids.rotate(100)).toBeUndefined()
    const frames = framesOf(ids)
    expect(frames).toHaveLength(4)
    expect(frames.every((frame) => frame.kind === "new" && frame.retirePriorTo === 4)).toBe(true)
    expect(ids.count).toBe(8)
  })

  // RFC 9000 §5.1.2 #S5
  it("waits until the previous one was answered", () => {
    const ids = make()
    ids.setPeerLimit(4)
    sequences(ids)
    ids.rotate(2)
    sequences(ids)
    expect(ids.rotate(1)).toEqual({ _tag: "RotationPending", sequence: 2 })
    ids.onRetire(1)
    expect(ids.rotate(1)?._tag).toBe("RotationPending")
    ids.onRetire(0)
    expect(ids.rotate(1)).toBeUndefined()
    expect(ids.count).toBe(5)
  })

  // RFC 9000 §19.15 #5
  it("keeps Retire Prior To within the sequence number of retransmitted frames", () => {
    const ids = make()
    ids.setPeerLimit(4)
    sequences(ids)
    ids.onLost(FrameType.NEW_CONNECTION_ID, 0, 1)
    ids.rotate(4)
    expect(framesOf(ids)[0]).toMatchObject({ sequence: 1, retirePriorTo: 1 })
  })

  it("issues a bounded number in a lifetime, and leaves the peer with those it has", () => {
    const ids = make()
    ids.setPeerLimit(2)
    let retired = 0
    for (; ids.onRetire(retired) === undefined && retired < LIFETIME_LIMIT + 10; retired++) {
      framesOf(ids)
      ids.takeChanges()
    }
    expect(retired).toBe(LIFETIME_LIMIT)
    expect(ids.rotate(1)?._tag).toBe("NoConnectionIds")
  })
})
