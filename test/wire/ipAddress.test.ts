import { isIP } from "node:net"
import { describe, expect, it } from "vitest"
import { onLinkOf, whyUnreachable } from "../../src/wire/destination.ts"
import { parseIp } from "../../src/wire/ipAddress.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"

const canonical = (host: string) => socketAddress(host, 1)?.host
const at = (host: string, port = 443): SocketAddress => socketAddress(host, port)!

describe("the canonical form of an address", () => {
  it("is unique, however the address is written", () => {
    for (const [form, ...written] of [
      ["::1", "::1", "0:0:0:0:0:0:0:1", "0000::0001", "0::1", "::0:1", "::0.0.0.1", "::1%lo"],
      ["127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1", "0:0:0:0:0:ffff:127.0.0.1"],
      ["2001:db8::1", "2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "2001:db8::0.0.0.1", "2001:db8::1%eth0"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"],
      ["2001:0:0:1::1", "2001:0:0:1:0:0:0:1", "2001::1:0:0:0:1"],
      ["fe80::1%eth0", "fe80::1%eth0", "FE80:0::1%eth0"],
      ["::", "::", "0:0:0:0:0:0:0:0", "::0.0.0.0"],
      ["0.0.0.0", "0.0.0.0", "::ffff:0:0"]
    ] as const)
      for (const text of written) expect(canonical(text), text).toBe(form)
  })

  it("has the family of the address", () => {
    expect(at("::ffff:192.0.2.1").family).toBe(4)
    expect(at("::192.0.2.1").family).toBe(6)
  })

  it("has the zone as sockets write it, and none where it is meaningless", () => {
    const zoneName = (zone: string | undefined) => (zone === "4" || zone === undefined ? "eth0" : zone)
    expect(socketAddress("fe80::1%4", 1, zoneName)?.host).toBe("fe80::1%eth0")
    expect(socketAddress("fe80::1", 1, zoneName)?.host).toBe("fe80::1%eth0")
    expect(socketAddress("fe80::1%eth1", 1, zoneName)?.host).toBe("fe80::1%eth1")
    expect(socketAddress("fd00::1%4", 1, zoneName)?.host).toBe("fd00::1")
  })

  it("exists for exactly what Node accepts as an address", () => {
    const pieces = [
      "0",
      "1",
      "ffff",
      "fe80",
      "255",
      "256",
      "12345",
      "g",
      "01",
      ":",
      "::",
      ":",
      "1.2.3.4",
      ".",
      "%",
      "eth0",
      ""
    ]
    let state = 7
    const next = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
      return (state >> 8) % below
    }
    let literals = 0
    for (let i = 0; i < 30_000; i++) {
      const text = Array.from({ length: 1 + next(12) }, () => pieces[next(pieces.length)]).join("")
      const isLiteral = isIP(text) !== 0
      if (isLiteral) literals++
      if ((parseIp(text) !== undefined) !== isLiteral) expect.fail(`${text}: Node says ${isLiteral}`)
    }
    expect(literals).toBeGreaterThan(100)
  })
})

describe("a destination", () => {
  const anywhere = at("::", 1)

  it("is recognized as impossible", () => {
    for (const host of [
      "0.0.0.0",
      "::",
      "255.255.255.255",
      "224.0.0.1",
      "239.1.2.3",
      "ff02::1",
      "::ffff:224.0.0.1",
      "fe80::1"
    ])
      expect(whyUnreachable(anywhere, at(host)), host).toBeTypeOf("string")
    expect(whyUnreachable(anywhere, at("192.0.2.1", 0))).toContain("port 0")
    for (const host of ["192.0.2.1", "2001:db8::1", "127.0.0.1", "::1", "fe80::1%eth0", "240.0.0.1"])
      expect(whyUnreachable(anywhere, at(host)), host).toBeUndefined()
  })

  it("must be of a family the socket supports", () => {
    expect(whyUnreachable(at("0.0.0.0", 1), at("2001:db8::1"))).toContain("bound to 0.0.0.0")
    expect(whyUnreachable(at("192.0.2.2", 1), at("2001:db8::1"))).toContain("IPv6")
    expect(whyUnreachable(at("2001:db8::2", 1), at("192.0.2.1"))).toContain("IPv4")
    expect(whyUnreachable(at("0.0.0.0", 1), at("::ffff:192.0.2.1"))).toBeUndefined()
  })

  it("named by a link-local peer is on that link, and unusable for others", () => {
    expect(onLinkOf(at("fe80::7"), at("fe80::1%eth0"))?.host).toBe("fe80::7%eth0")
    expect(onLinkOf(at("fe80::7"), at("2001:db8::1"))).toBeUndefined()
    expect(onLinkOf(at("2001:db8::7"), at("fe80::1%eth0"))?.host).toBe("2001:db8::7")
  })
})
