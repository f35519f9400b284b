/** What a peer can do wrong with the frames of multipath, and what it makes us keep. draft-ietf-quic-multipath §4 */
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { describe, expect, it } from "vitest"
import type { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { AckFrame } from "../../src/wire/AckFrame.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import {
  writeAck,
  writeMaxPathId,
  writeNewConnectionId,
  writePathFrame,
  writePathsBlocked,
  writeRetireConnectionId
} from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { Duel, type DuelOptions } from "../connection/Duel.ts"

const { PATH_ABANDON, PATH_STATUS_AVAILABLE, PATH_STATUS_BACKUP, PATH_CIDS_BLOCKED } = FrameType
const { PROTOCOL_VIOLATION, FRAME_ENCODING_ERROR } = TransportErrorCode
const SECOND = 1_000_000

type Frame = (w: ByteWriter) => void

/** A server of ours that allows the path IDs 0 to 2, and a client that allows 0 to `theirs`. */
const duel = (theirs: number | "no multipath" = 2, more: Partial<DuelOptions> = {}): Duel =>
  new Duel({
    victim: "server",
    transport: { maxPaths: 3 },
    puppet: {
      parameters: (honest) => ({ ...honest, ...(typeof theirs === "number" && { initialMaxPathId: theirs }) })
    },
    ...more
  }).shakeHands()

const send = (against: Duel, ...frames: ReadonlyArray<Frame>): Duel => {
  const { puppet } = against
  return against.inject(
    puppet.packet(Level.OneRtt, (w) => {
      for (const write of frames) write(w)
    })
  )
}

const acknowledge = (against: Duel): Duel =>
  against.inject(against.puppet.packet(Level.OneRtt, against.puppet.ackAll(Level.OneRtt)))

const pathAck =
  (pathId: number): Frame =>
  (w) => {
    const ack = new AckFrame()
    ack.isPathAck = true
    ack.pathId = pathId
    ack.largest = 0
    ack.rangeCount = 1
    ack.largestOf[0] = ack.smallest[0] = 0
    writeAck(w, ack)
  }

const newId = (pathId: number, sequence: number, retirePriorTo = 0): Frame => {
  const id = new Uint8Array(8).fill(16 * pathId)
  const token = new Uint8Array(16).fill(16 * pathId)
  new DataView(id.buffer).setUint32(0, sequence)
  new DataView(token.buffer).setUint32(0, sequence)
  return (w) => writeNewConnectionId(w, sequence, retirePriorTo, id, token, pathId)
}

const abandon =
  (pathId: number): Frame =>
  (w) =>
    writePathFrame(w, PATH_ABANDON, pathId, 0)

/** Every frame about a path. */
const about: Record<string, (pathId: number) => Frame> = {
  PATH_ACK: pathAck,
  PATH_ABANDON: abandon,
  PATH_STATUS_BACKUP: (pathId) => (w) => writePathFrame(w, PATH_STATUS_BACKUP, pathId, 0),
  PATH_STATUS_AVAILABLE: (pathId) => (w) => writePathFrame(w, PATH_STATUS_AVAILABLE, pathId, 0),
  PATH_NEW_CONNECTION_ID: (pathId) => newId(pathId, 0),
  PATH_RETIRE_CONNECTION_ID: (pathId) => (w) => writeRetireConnectionId(w, 0, pathId),
  PATHS_BLOCKED: (pathId) => (w) => writePathsBlocked(w, pathId),
  PATH_CIDS_BLOCKED: (pathId) => (w) => writePathFrame(w, PATH_CIDS_BLOCKED, pathId, 0)
}

describe("a path ID beyond the limit", () => {
  it.each(Object.entries(about))("is a PROTOCOL_VIOLATION in %s", (_, frame) => {
    for (const pathId of [3, 0xffff_ffff]) {
      const against = send(duel(), frame(pathId))
      expect(against.puppet.seen.close).toMatchObject({ application: false, code: PROTOCOL_VIOLATION })
    }
  })

  it.each(
    Object.entries(about).filter(([name]) => name !== "PATH_ACK" && name !== "PATH_RETIRE_CONNECTION_ID")
  )("is none in %s about a path that is not open yet", (_, frame) => {
    expect(send(duel(), frame(2)).connection.lifecycle.state).toBe("established")
  })
})

describe("frames without negotiation", () => {
  const all = {
    ...about,
    MAX_PATH_ID:
      (pathId: number): Frame =>
      (w) =>
        writeMaxPathId(w, pathId)
  }

  it.each(Object.entries(all))("%s: PROTOCOL_VIOLATION when only we offered multipath", (_, frame) => {
    expect(send(duel("no multipath"), frame(1)).puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
  })

  it.each(Object.entries(all))("%s: an unknown frame to one that does not know multipath", (_, frame) => {
    const against = duel(2, { transport: { maxPaths: 1 } })
    expect(send(against, frame(1)).puppet.seen.close).toMatchObject({ code: FRAME_ENCODING_ERROR })
  })

  it("PATH_ABANDON of the only path ends no connection that has no others", () => {
    expect(send(duel("no multipath"), abandon(0)).puppet.seen.close).toMatchObject({
      code: PROTOCOL_VIOLATION
    })
  })
})

describe("MAX_PATH_ID", () => {
  const having = (...maxima: ReadonlyArray<number>): Duel =>
    send(duel(), ...maxima.map((maximum) => (w: ByteWriter) => writeMaxPathId(w, maximum)))

  it("below the initial one, or above 2^32 - 1, is a PROTOCOL_VIOLATION", () => {
    for (const maximum of [0, 1, 2 ** 32, 2 ** 53 - 1])
      expect(having(maximum).puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
  })

  it("lower than before is ignored: it was overtaken", () => {
    const against = having(7, 5, 2, 0xffff_ffff)
    expect(against.connection.lifecycle.state).toBe("established")
    // and whatever a peer allows, we have no more paths than we allow
    expect(against.connection.paths.all.map(({ id }) => id)).toEqual([0, 1, 2])
  })
})

describe("the parameter", () => {
  it("from a peer without connection IDs is a PROTOCOL_VIOLATION, draft-ietf-quic-multipath §2.1", () => {
    const random = new SeededRandom("nameless")
    let calls = 0
    const against = new Duel({
      victim: "server",
      transport: { maxPaths: 3 },
      puppet: {
        // the first is its connection ID
        random: (length) => (calls++ === 0 ? new Uint8Array(0) : random.bytes(length)),
        parameters: (honest) => ({ ...honest, initialMaxPathId: 2 })
      }
    }).exchange()
    expect(against.puppet.source).toHaveLength(0)
    expect(against.puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
  })
})

describe("PATH_CIDS_BLOCKED", () => {
  const blocked =
    (pathId: number, next: number): Frame =>
    (w) =>
      writePathFrame(w, PATH_CIDS_BLOCKED, pathId, next)

  it("for a path that was abandoned, and for one that is gone, is ignored", () => {
    const against = send(duel(), abandon(1), blocked(1, 2))
    expect(against.connection.paths.byId(1)!.status.state).toBe("closing")
    acknowledge(against).advance(20 * SECOND)
    expect(against.connection.paths.byId(1)).toBeUndefined()
    send(against, blocked(1, 2), blocked(1, 1_000))
    expect(against.connection.lifecycle.state).toBe("established")
  })

  it("that expects a connection ID we never issued is a PROTOCOL_VIOLATION; what we did issue is not", () => {
    const { issued } = duel().connection.paths.byId(1)!.localIds
    expect(issued).toBeGreaterThan(0)
    expect(send(duel(), blocked(1, issued)).connection.lifecycle.state).toBe("established")
    expect(send(duel(), blocked(1, issued + 1)).puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
  })
})

describe("a peer that abandons paths for ever", () => {
  /** Abandons whatever it may, again and again, for ten minutes; returns how many paths it has used up. */
  const usedUp = (against: Duel, answers: boolean): number => {
    for (let i = 0; i < 600; i++) {
      const { connection, puppet } = against
      if (!connection.lifecycle.isOpen) throw new Error(JSON.stringify(connection.closeReason))
      const open = connection.paths.all.filter(({ id, status }) => id > 0 && !status.isEnding)
      send(against, (w) => w.u8(FrameType.PING), ...open.map(({ id }) => abandon(id)))
      expect(connection.paths.all.length).toBeLessThanOrEqual(3)
      if (answers) acknowledge(against)
      else against.inject(puppet.packet(Level.OneRtt, (w) => w.u8(FrameType.PING)))
      against.advance(SECOND)
    }
    return Math.max(...against.connection.paths.all.map(({ id }) => id)) - 2
  }

  it("gets another ID for each only 3 PTO later, which bounds what it costs", () => {
    const against = duel()
    const used = usedUp(against, true)
    expect(used).toBeGreaterThan(10)
    expect(used).toBeLessThanOrEqual(600 * 2)
    expect(against.endpoint.routedIds).toBeLessThan(30)
  })

  it("gets none while it does not acknowledge our PATH_ABANDON, of which no more are kept than there are paths", () => {
    expect(usedUp(duel(), false)).toBe(0)
  })

  it("has repetitions counted as needless, and is struck for a flood of them", () => {
    const against = send(duel(), abandon(1))
    const { removeAtMicros } = against.connection.paths.byId(1)!.status
    against.advance(1_000)
    send(against, abandon(1))
    expect(against.connection.paths.byId(1)!.status.removeAtMicros).toBe(removeAtMicros)
    const flood = Array.from({ length: 200 }, () => abandon(1))
    for (let i = 0; i < 200 && against.connection.lifecycle.isOpen; i++) send(against, ...flood)
    expect(against.puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
    expect(against.puppet.seen.close!.reason).toContain("path_abandon")
  })
})

describe("PATH_NEW_CONNECTION_ID for a path that nobody has opened", () => {
  it("is kept up to the limit of each path", () => {
    const against = duel()
    const { activeConnectionIdLimit } = against.connection.config.transport
    for (const pathId of [1, 2])
      send(against, ...Array.from({ length: activeConnectionIdLimit }, (_, i) => newId(pathId, i)))
    expect(against.connection.lifecycle.state).toBe("established")
    send(against, newId(2, activeConnectionIdLimit))
    expect(against.puppet.seen.close).toMatchObject({ code: TransportErrorCode.CONNECTION_ID_LIMIT_ERROR })
  })

  it("that has us retire others is struck when there are too many", () => {
    const against = duel()
    for (let i = 0; i < 5_000 && against.connection.lifecycle.isOpen; i++) {
      send(against, newId(1, i, i))
      acknowledge(against)
    }
    expect(against.connection.lifecycle.isOpen).toBe(false)
    expect(against.puppet.seen.close).toMatchObject({ code: PROTOCOL_VIOLATION })
    expect(against.puppet.seen.named("onRetireConnectionId").length).toBeLessThan(2_000)
  })
})
