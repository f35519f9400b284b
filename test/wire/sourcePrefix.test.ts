/** The source of an address, compared with a parser that takes its time. */
import { expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { formatIp, parseIp } from "../../src/wire/ipAddress.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { SOURCE_BYTES, writeSource } from "../../src/wire/sourcePrefix.ts"

const sourceOf = (host: string): Uint8Array => {
  const into = new Uint8Array(SOURCE_BYTES).fill(0xaa)
  return into.slice(0, writeSource(socketAddress(host, 1)!, into))
}

it("the source of an IPv4 address is the address", () => {
  for (const host of ["0.0.0.0", "192.0.2.1", "255.255.255.255", "10.20.30.40"])
    expect(sourceOf(host)).toEqual(parseIp(host)!.bytes)
})

it("the source of an IPv6 address is its first 64 bits, wherever it is compressed", () => {
  const random = new SeededRandom("prefixes")
  for (let i = 0; i < 2_000; i++) {
    const bytes = random.bytes(16)
    bytes[0] = 0x20
    // runs of zeros of any length at any place
    const [from, length] = random.bytes(2)
    for (let at = 1 + (from % 15); at < 16 && at < 1 + (from % 15) + (length % 16); at++) bytes[at] = 0
    expect(sourceOf(formatIp(bytes))).toEqual(bytes.slice(0, 8))
  }
  for (const host of ["::1", "2001:db8::", "1:2:3:4:5:6:7:8", "2001:db8:0:1::"])
    expect(sourceOf(host)).toEqual(parseIp(host)!.bytes.slice(0, 8))
})

it("addresses of one link, and of one translator, count one by one", () => {
  for (const host of ["fe80::1:2:3:4", "64:ff9b::c000:201"])
    expect(sourceOf(host)).toEqual(parseIp(host)!.bytes)
  expect(sourceOf("fe80::1:2:3:4%eth0")).toEqual(parseIp("fe80::1:2:3:4")!.bytes)
  expect(sourceOf("::ffff:192.0.2.1")).toEqual(Uint8Array.of(192, 0, 2, 1))
})
