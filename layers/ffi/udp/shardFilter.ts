/**
 * A filter by which Linux chooses among the sockets of one port, as a classic BPF program: the first byte of the
 * destination ID names the shard. `SO_ATTACH_REUSEPORT_CBPF` in socket(7) needs no privilege.
 */
import type { ShardBinding } from "../../../src/capability/Shard.ts"

/** Instructions: what they are called in linux/filter.h. */
const LOAD_BYTE = 0x30
const MODULO = 0x94
const JUMP = 0x05
const JUMP_IF_SET = 0x45
const JUMP_IF_EQUAL = 0x15
const RETURN = 0x06

/** Where the destination ID begins. RFC 9000 §17.2, §17.3 */
const ID_OF_LONG_HEADER = 6
const ID_OF_SHORT_HEADER = 1

export const INSTRUCTION_BYTES = 8

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

/**
 * The program, which returns the position of a socket in the order they were bound. A datagram too short for it goes to
 * the first; a position without a socket leaves the choice to the kernel.
 */
export const shardFilter = ({ count, order }: ShardBinding): Uint8Array => {
  const program: Array<Instruction> = [
    [LOAD_BYTE, 0, 0, 0],
    [JUMP_IF_SET, 2, 0, 0x80],
    [LOAD_BYTE, 0, 0, ID_OF_SHORT_HEADER],
    [JUMP, 0, 0, 1],
    [LOAD_BYTE, 0, 0, ID_OF_LONG_HEADER],
    [MODULO, 0, 0, count],
    ...order.flatMap(
      (shard, position): ReadonlyArray<Instruction> => [
        [JUMP_IF_EQUAL, 0, 1, shard],
        [RETURN, 0, 0, position]
      ]
    ),
    [RETURN, 0, 0, 0xffff]
  ]
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES)
  const view = new DataView(bytes.buffer)
  program.forEach(([code, ifTrue, ifFalse, operand], i) => {
    const at = i * INSTRUCTION_BYTES
    view.setUint16(at, code, true)
    view.setUint8(at + 2, ifTrue)
    view.setUint8(at + 3, ifFalse)
    view.setUint32(at + 4, operand, true)
  })
  return bytes
}
