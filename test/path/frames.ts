import { SentFrames } from "../../src/recovery/SentFrames.ts"
import { ByteReader } from "../../src/wire/ByteReader.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameType } from "../../src/wire/FrameType.ts"

export interface NewId {
  readonly kind: "new"
  readonly sequence: number
  readonly retirePriorTo: number
  readonly id: Uint8Array
  readonly token: Uint8Array
}
export interface RetireId {
  readonly kind: "retire"
  readonly sequence: number
}
export type Frame = NewId | RetireId

interface Writes {
  hasFrames(): boolean
  writeFrames(w: ByteWriter, sent: SentFrames): void
}

/** The frames `manager` writes into a packet with `room` bytes. */
export const framesOf = (manager: Writes, room = 1200): Array<Frame> => {
  const w = new ByteWriter(new Uint8Array(room))
  const sent = new SentFrames()
  manager.writeFrames(w, sent)
  const frames: Array<Frame> = []
  const r = new ByteReader(w.bytes, 0, w.offset)
  while (r.remaining > 0) {
    const type = r.u8()
    const sequence = r.varint()
    if (type === FrameType.RETIRE_CONNECTION_ID) frames.push({ kind: "retire", sequence })
    else if (type === FrameType.NEW_CONNECTION_ID) {
      const retirePriorTo = r.varint()
      const id = r.take(r.u8()).slice()
      frames.push({ kind: "new", sequence, retirePriorTo, id, token: r.take(16).slice() })
    } else throw new Error(`frame type ${type}`)
  }
  if (r.failed || sent.length !== 4 * frames.length) throw new Error("frames and their records differ")
  for (let i = 0; i < frames.length; i++)
    if (sent.values[4 * i + 2] !== frames[i].sequence) throw new Error("a frame was recorded as another")
  return frames
}

/** Creates distinct 8-byte IDs. */
export const idMaker = (): (() => Uint8Array) => {
  let made = 0
  return () => {
    const id = new Uint8Array(8)
    new DataView(id.buffer).setUint32(0, ++made)
    return id
  }
}

export const tokenOf = (id: Uint8Array): Uint8Array => {
  const token = new Uint8Array(16).fill(0x55)
  token.set(id.subarray(0, 8))
  return token
}
