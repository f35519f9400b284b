import { type Native, type Pinned, writePointer } from "../native.ts"
import { MSG_TRUNC } from "./socketCalls.ts"

const NAME_BYTES = 32
const CONTROL_BYTES = 256
const HEADER_BYTES = 16

/** Where the fields of a `msghdr` are. */
const at = { name: 0, nameLength: 8, vector: 16, vectorLength: 24, control: 32, controlLength: 40, flags: 48 }

/** A `msghdr` with an address, one piece of memory and control messages, used again for every call. */
export class Message {
  /** A `sockaddr`. */
  readonly name: Pinned
  readonly control: Pinned
  readonly pointer: bigint
  level = 0
  type = 0
  /** Where the data of the control message begins. */
  data = 0
  dataBytes = 0
  private next = 0
  private room = 0
  private readonly header: Pinned
  private readonly vector: Pinned

  constructor(native: Native) {
    this.name = native.pin(NAME_BYTES)
    this.control = native.pin(CONTROL_BYTES)
    this.vector = native.pin(16)
    this.header = native.pin(56)
    this.pointer = this.header.pointer
    writePointer(this.header, at.name, this.name)
    writePointer(this.header, at.vector, this.vector)
    writePointer(this.header, at.control, this.control)
    this.header.view.setUint32(at.vectorLength, 1, true)
  }

  /** The payload: what is sent, or the room for what is received. */
  setPayload(memory: Pinned, start: number): void {
    writePointer(this.vector, 0, memory, start)
    this.room = memory.bytes.length - start
    this.payloadBytes = this.room
  }

  /** Native code must not be told of more than there is. */
  set payloadBytes(length: number) {
    if (!(length >= 0 && length <= this.room)) throw new RangeError(`${length} of ${this.room} bytes`)
    this.vector.view.setUint32(8, length, true)
  }

  set nameBytes(length: number) {
    this.header.view.setUint32(at.nameLength, length, true)
  }

  get nameBytes(): number {
    return this.header.view.getUint32(at.nameLength, true)
  }

  set controlBytes(length: number) {
    this.header.view.setUint32(at.controlLength, length, true)
  }

  get controlBytes(): number {
    return Math.min(CONTROL_BYTES, this.header.view.getUint32(at.controlLength, true))
  }

  get isTruncated(): boolean {
    return (this.header.view.getUint32(at.flags, true) & MSG_TRUNC) !== 0
  }

  /** Makes room for what a call returns: it replaces the sizes by those of what it has written. */
  expect(): void {
    this.nameBytes = NAME_BYTES
    this.controlBytes = CONTROL_BYTES
  }

  /** Appends the header of a control message with `length` bytes of data, and returns the offset of these. */
  append(level: number, type: number, length: number, offset: number): number {
    const { view } = this.control
    view.setUint32(offset, HEADER_BYTES + length, true)
    view.setUint32(offset + 4, 0, true)
    view.setInt32(offset + 8, level, true)
    view.setInt32(offset + 12, type, true)
    return offset + HEADER_BYTES
  }

  /** The offset after `length` bytes of data at `offset`, where the next control message begins. */
  after(offset: number, length: number): number {
    return offset + ((length + 7) & ~7)
  }

  /** Goes back to before the first control message received. */
  rewind(): void {
    this.next = 0
  }

  /** Goes to the next control message, which `level`, `type`, `data` and `dataBytes` describe; false after the last. */
  nextControl(): boolean {
    const { view } = this.control
    const { next } = this
    const end = this.controlBytes
    if (next + HEADER_BYTES > end) return false
    const length = view.getUint32(next, true)
    if (length < HEADER_BYTES || next + length > end) return false
    this.level = view.getInt32(next + 8, true)
    this.type = view.getInt32(next + 12, true)
    this.data = next + HEADER_BYTES
    this.dataBytes = length - HEADER_BYTES
    this.next = this.after(next, length)
    return true
  }
}
