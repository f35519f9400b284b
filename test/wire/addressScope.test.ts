import { describe, expect, it } from "vitest"
import { AddressScope, addressScope } from "../../src/wire/addressScope.ts"

const expected: Record<keyof typeof AddressScope, ReadonlyArray<string>> = {
  nowhere: [
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1"
  ],
  host: ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"],
  link: ["169.254.1.1", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.1.1"],
  site: [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.0.1",
    "fc00::1",
    "fdff::1",
    "fec0::1"
  ],
  global: [
    "9.9.9.9",
    "11.0.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.1.1",
    "100.128.0.1",
    "169.253.1.1",
    "223.1.1.1"
  ]
}

describe("an address", () => {
  it("has the scope of its block", () => {
    for (const [scope, hosts] of Object.entries(expected))
      for (const host of hosts)
        expect(addressScope({ host, port: 1, family: host.includes(":") ? 6 : 4 }), host).toBe(
          AddressScope[scope as keyof typeof AddressScope]
        )
    for (const host of ["2001:db8::1", "2606:4700::1111", "::ffff:9.9.9.9", "::2", "1::1"])
      expect(addressScope({ host, port: 1, family: 6 }), host).toBe(AddressScope.global)
  })
})
