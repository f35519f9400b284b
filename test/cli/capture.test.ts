import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { datagram } from "../../src/cli/pcapng.ts"
import { runCli, scratch } from "./runCli.ts"

interface Block {
  readonly type: number
  readonly body: DataView
}

/** The blocks of a pcapng file, which must cover it entirely. */
const blocksOf = (file: Uint8Array): ReadonlyArray<Block> => {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const blocks: Array<Block> = []
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at + 4)
    expect(length % 4).toBe(0)
    expect(view.getUint32(at + length - 4)).toBe(length)
    blocks.push({
      type: view.getUint32(at),
      body: new DataView(file.buffer, file.byteOffset + at + 8, length - 12)
    })
    at += length
  }
  return blocks
}

it("writes the demo's packets and secrets, each secret before the packets that need it", async () => {
  const file = join(scratch(), "demo.pcapng")
  const { code, stderr, stdout } = await runCli(["demo", "--size", "50kB", "--pcap", file])
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  const port = Number(/UDP 127\.0\.0\.1:(\d+)/.exec(stdout)![1])
  const blocks = blocksOf(readFileSync(file))
  expect(blocks.slice(0, 2).map(({ type }) => type)).toEqual([0x0a0d0d0a, 1])
  const packets = blocks.filter(({ type }) => type === 6)
  expect(packets.length).toBeGreaterThan(40)
  for (const { body } of packets) {
    const ports = [body.getUint16(40), body.getUint16(42)]
    expect(ports).toContain(port)
    expect(body.getUint16(44)).toBe(body.getUint32(12) - 20)
  }
  const secrets = blocks.filter(({ type }) => type === 10)
  const text = secrets.map(({ body }) =>
    new TextDecoder().decode(new Uint8Array(body.buffer, body.byteOffset + 8, body.getUint32(4)))
  )
  for (const label of [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_TRAFFIC_SECRET_0"
  ])
    expect(text.some((line) => new RegExp(`^${label} [0-9a-f]{64} [0-9a-f]{64}\\n$`).test(line))).toBe(true)
  // Wireshark looks up keys once, at the complete ServerHello, which spans two datagrams with an ML-KEM share
  const isFull = ({ body, type }: Block) =>
    type === 6 && body.getUint16(40) === port && body.getUint16(44) > 1200
  const [, hello] = blocks.flatMap((block, i) => (isFull(block) ? [i] : []))
  expect(blocks.findIndex(({ type }) => type === 10)).toBeLessThan(hello)
})

it("writes datagrams with their original headers", () => {
  const payload = Uint8Array.of(1, 2, 3)
  const four = datagram(
    { host: "192.0.2.1", port: 1000, family: 4 },
    { host: "192.0.2.255", port: 2000, family: 4 },
    payload,
    2 ** 32 + 7
  )
  const [{ body }] = blocksOf(four)
  expect([body.getUint32(4), body.getUint32(8), body.getUint32(12)]).toEqual([1, 7, 31])
  const header = new Uint8Array(body.buffer, body.byteOffset + 20, 31)
  expect(Buffer.from(header).toString("hex")).toMatch(
    /^4500001f000000004011[0-9a-f]{4}c0000201c00002ff03e807d0000b0000010203$/
  )
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += (header[i] << 8) | header[i + 1]
  expect(((sum & 0xffff) + (sum >> 16)) & 0xffff).toBe(0xffff)

  const six = datagram(
    { host: "2001:db8::1", port: 1, family: 6 },
    { host: "::1", port: 2, family: 6 },
    payload,
    0
  )
  const [{ body: packet }] = blocksOf(six)
  expect(Buffer.from(packet.buffer, packet.byteOffset + 20, 51).toString("hex")).toBe(
    `60000000000b1140${"20010db8000000000000000000000001"}${"00000000000000000000000000000001"}00010002000b0000010203`
  )
})
