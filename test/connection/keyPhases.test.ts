/**
 * One key phase for all paths, with separate packet number marks per path. RFC 9001 §6, draft-ietf-quic-multipath §2.5
 */
import { describe, expect, it } from "vitest"
import type { ConnectionPath } from "../../src/connection/ConnectionPath.ts"
import { IncomingPacket } from "../../src/connection/IncomingPacket.ts"
import { KeyPhases, type KeySlots } from "../../src/connection/KeyPhases.ts"
import { cipherSuites } from "../../src/protect/CipherSuite.ts"
import { PacketKeys } from "../../src/protect/PacketKeys.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { CorePair } from "./CorePair.ts"
import { pathOf } from "./TwoPaths.ts"
import { suite } from "../io.ts"

const PTO = 1_000
const OFFSET = 9
const newKeys = (seed: number) =>
  PacketKeys.fromSecret(suite, cipherSuites.get(0x1301)!, new Uint8Array(32).fill(seed), Version.v1)

const setup = () => {
  const { client } = new CorePair()
  const read: KeySlots = [undefined, undefined, undefined, newKeys(1)]
  const write: KeySlots = [undefined, undefined, undefined, newKeys(2)]
  let asked = 0
  const phases = new KeyPhases(read, write, {
    paths: { ptoMicros: PTO },
    frames: {
      ping: {
        request: () => {
          asked++
        }
      }
    },
    migrationTrace: { keyUpdate: () => {} }
  })
  phases.begin()
  const generations = [newKeys(1)]
  for (let i = 0; i < 3; i++) generations.push(generations[i].next())
  /** Opens the peer's packet `packetNumber`, sent on `path` in phase `phase`. */
  const open = (path: ConnectionPath, phase: number, packetNumber: number, nowMicros = 0) => {
    const packet = new IncomingPacket()
    const bytes = new Uint8Array(60)
    bytes[0] = 0x43 | ((phase & 1) << 2)
    new DataView(bytes.buffer).setUint32(OFFSET, packetNumber)
    const end = generations[phase].seal(bytes, 0, OFFSET, 4, 40, packetNumber, path.id)
    generations[phase].unmask(bytes, 0, OFFSET, end)
    Object.assign(packet, { bytes, path, level: Level.OneRtt, packetNumber, packetNumberLength: 4 })
    Object.assign(packet.header, { packetNumberOffset: OFFSET, end })
    return phases.open(packet, nowMicros)
  }
  return { phases, open, asked: () => asked, first: client.path, second: pathOf(client, 1), write }
}

describe("a key update by the peer, seen on one path", () => {
  it("does not make another path's packets belong to the new phase, however high their numbers", () => {
    const { open, phases, first, second } = setup()
    expect(open(first, 1, 10)).toBeUndefined()
    expect(phases.updates).toBe(1)
    expect(open(second, 0, 5_000)).toBeUndefined()
    expect(phases.updates).toBe(1)
  })

  it("does not make another path's packets a return to old keys, however low their numbers", () => {
    const { open, first, second } = setup()
    expect(open(first, 0, 5_000)).toBeUndefined()
    expect(open(second, 1, 3)).toBeUndefined()
    expect(open(first, 1, 5_001)).toBeUndefined()
    expect(open(second, 1, 4)).toBeUndefined()
  })

  it("still makes old keys with new packet numbers on the same path an error, RFC 9001 §6.4", () => {
    const { open, first, second } = setup()
    expect(open(first, 1, 10)).toBeUndefined()
    expect(open(second, 0, 50)).toBeUndefined()
    expect(open(second, 1, 49)).toMatchObject({ code: Code.KEY_UPDATE_ERROR })
  })

  it("leaves the other path's old packets readable for three PTOs, counted once", () => {
    const { open, first, second } = setup()
    expect(open(first, 1, 10, 0)).toBeUndefined()
    expect(open(second, 1, 7, PTO)).toBeUndefined()
    expect(open(second, 0, 5, 3 * PTO - 1)).toBeUndefined()
    expect(open(second, 0, 6, 3 * PTO)).toBe("dropped")
  })

  it("is confirmed by an ACK on either path that covers one of its packets, and by no other, RFC 9001 §6.2", () => {
    for (const hasAnswered of [false, true]) {
      const { open, phases, first, second } = setup()
      expect(open(first, 1, 10, 0)).toBeUndefined()
      phases.onAckSent((hasAnswered ? first : second).phaseMarks)
      const twice = open(first, 2, 11, 4 * PTO)
      if (hasAnswered) expect(twice).toBeUndefined()
      else expect(twice).toMatchObject({ code: Code.KEY_UPDATE_ERROR })
    }
  })
})

describe("a key update by this side", () => {
  const updated = () => {
    const made = setup()
    const { phases, first, second, write } = made
    phases.prepareToSend(first.phaseMarks, 1_000, true, 0)
    phases.prepareToSend(second.phaseMarks, 20, true, 0)
    phases.request()
    expect(phases.prepareToSend(second.phaseMarks, 21, true, 0)).toBe(true)
    expect(phases.updates).toBe(0)
    phases.onAcked(second.phaseMarks, 20, 0)
    phases.prepareToSend(second.phaseMarks, 21, true, 0)
    expect([phases.updates, phases.bit]).toEqual([1, 1])
    expect(write[Level.OneRtt]!.sealed).toBe(0)
    return made
  }

  it("takes effect on every path with its next packet, and is completed by an acknowledgement on any of them", () => {
    const { open, phases, first } = updated()
    phases.prepareToSend(first.phaseMarks, 1_001, true, 0)
    // the last packet of the previous phase, whose number exceeds the first of the other path in this phase
    phases.onAcked(first.phaseMarks, 1_000, 0)
    open(first, 1, 5, 0)
    phases.prepareToSend(first.phaseMarks, 1_002, true, 10 * PTO)
    expect(phases.updates).toBe(1)
    phases.onAcked(first.phaseMarks, 1_001, 10 * PTO)
    phases.request()
    phases.prepareToSend(first.phaseMarks, 1_003, true, 13 * PTO - 1)
    expect(phases.updates).toBe(1)
    phases.prepareToSend(first.phaseMarks, 1_003, true, 13 * PTO)
    expect(phases.updates).toBe(2)
  })

  it("is joined by a request made before it is completed; one that follows the peer's update is not", () => {
    const { open, phases, first } = updated()
    phases.prepareToSend(first.phaseMarks, 1_001, true, 0)
    expect(phases.state).toBe("committing")
    phases.request()
    expect(phases.state).toBe("committing")
    phases.onAcked(first.phaseMarks, 1_001, 0)
    expect(phases.state).toBe("settled")
    open(first, 1, 5, 0)
    phases.onAckSent(first.phaseMarks)
    open(first, 2, 6, 10 * PTO)
    expect([phases.updates, phases.state]).toEqual([2, "settled"])
    phases.request()
    expect(phases.state).toBe("requested")
  })

  it("asks for an acknowledgement once in each phase in which one is missing for it", () => {
    const { open, phases, first, asked } = setup()
    phases.prepareToSend(first.phaseMarks, 1, true, 0)
    expect(asked()).toBe(0)
    phases.request()
    for (let n = 2; n < 5; n++) phases.prepareToSend(first.phaseMarks, n, true, 0)
    expect([phases.updates, asked()]).toEqual([0, 1])
    phases.onAcked(first.phaseMarks, 4, 0)
    for (let n = 5; n < 8; n++) phases.prepareToSend(first.phaseMarks, n, true, 0)
    expect([phases.updates, asked()]).toEqual([1, 2])
    open(first, 1, 5, 0)
    phases.onAcked(first.phaseMarks, 7, 0)
    phases.onAckSent(first.phaseMarks)
    // the peer's update: nothing is missing until another is due
    open(first, 2, 6, 10 * PTO)
    phases.prepareToSend(first.phaseMarks, 8, true, 20 * PTO)
    expect([phases.updates, asked()]).toEqual([2, 2])
    phases.request()
    for (let n = 9; n < 12; n++) phases.prepareToSend(first.phaseMarks, n, true, 20 * PTO)
    expect([phases.updates, asked()]).toEqual([2, 3])
  })
})
