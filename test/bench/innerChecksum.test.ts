/** The link of the benchmarks must carry what kernels send, whole. */
import { describe, expect, it } from "vitest"
import { completeChecksum } from "./innerChecksum.ts"

/** VXLAN, Ethernet, IPv4 and a segment of that protocol with an arbitrary checksum. */
const packet = (protocol: number, segment: ReadonlyArray<number>, etherType = 0x0800): Buffer => {
  const bytes = Buffer.alloc(8 + 14 + 20 + segment.length)
  bytes.writeUInt16BE(etherType, 20)
  bytes[22] = 0x45
  bytes.writeUInt16BE(20 + segment.length, 24)
  bytes[31] = protocol
  bytes.set([10, 99, 0, 1, 10, 99, 0, 2], 34)
  bytes.set(segment, 42)
  return bytes
}

/** What a receiver computes: all ones if the checksum is right. RFC 1071 §1 */
const verify = (bytes: Buffer, protocol: number): number => {
  const words = [...bytes.subarray(34), ...(bytes.length % 2 === 1 ? [0] : [])]
  let sum = protocol + bytes.length - 42
  for (let i = 0; i < words.length; i += 2) sum += 256 * words[i] + words[i + 1]
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000)
  return sum
}

const bytes = (length: number): Array<number> => Array.from({ length }, (_, i) => (i * 37 + 11) % 256)

describe("the inner checksum", () => {
  for (const [name, protocol] of [
    ["TCP", 6],
    ["UDP", 17]
  ] as const)
    for (const length of [20, 33, 1400])
      it(`of a ${name} segment of ${length} bytes is what its receiver expects`, () => {
        const sent = packet(protocol, bytes(length))
        expect(verify(sent, protocol)).not.toBe(0xffff)
        completeChecksum(sent)
        expect(verify(sent, protocol)).toBe(0xffff)
      })

  it("of anything else stays as it is: ICMP, ARP, and what is cut off", () => {
    const others = [packet(1, bytes(40)), packet(6, bytes(40), 0x0806), packet(6, bytes(40)).subarray(0, 50)]
    for (const each of others) {
      const before = Buffer.from(each)
      completeChecksum(each)
      expect(each).toEqual(before)
    }
  })
})
