/** Addresses that a peer names, and which of them are probed. */
import { describe, expect, it } from "vitest"
import { isInPrivateRange, scopeRefusal } from "../../src/nat/probeScope.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"

const relayed = "fd7a:e110:"
const at = (isPrivateAllowed: boolean) => ({
  isPrivateAllowed,
  isRelayed: ({ host }: { readonly host: string }) => host.startsWith(relayed)
})
const refusal = (host: string, port = 40_000, isPrivateAllowed = true) =>
  scopeRefusal(socketAddress(host, port)!, at(isPrivateAllowed))

describe("E5 scope of probes", () => {
  it.each([["198.51.100.7"], ["2001:db8::7"], ["64:ff9b::c633:6407"]])(
    "public addresses are probed: %s",
    (host) => {
      expect(refusal(host, 40_000, false)).toBeUndefined()
    }
  )

  it.each([
    ["0.0.0.0", "nowhere"],
    ["0.1.2.3", "nowhere"],
    ["255.255.255.255", "nowhere"],
    ["224.0.0.251", "nowhere"],
    ["240.0.0.1", "nowhere"],
    ["::", "nowhere"],
    ["ff02::fb", "nowhere"],
    ["ff0e::1", "nowhere"],
    ["127.0.0.1", "loopback"],
    ["127.9.9.9", "loopback"],
    ["::1", "loopback"],
    ["169.254.169.254", "linkLocal"],
    ["fe80::1", "linkLocal"],
    ["fe80::1%eth0", "linkLocal"],
    ["::ffff:127.0.0.1", "loopback"],
    ["::ffff:224.0.0.1", "nowhere"],
    ["64:ff9b::7f00:1", "loopback"],
    ["64:ff9b:1:fffe::e000:1", "nowhere"],
    ["2002:7f00:1::1", "loopback"],
    ["2002:e000:1::1", "nowhere"],
    // Teredo carries the client's address inverted
    ["2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"],
    ["::127.0.0.1", "loopback"],
    ["fd7a:e110::7", "relay"]
  ])("%s is refused as %s, whatever is allowed", (host, why) => {
    expect(refusal(host)).toBe(why)
  })

  it.each([
    "10.0.0.1",
    "172.31.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd00::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:c0a8:101::1"
  ])("private addresses only if they are allowed: %s", (host) => {
    expect(refusal(host, 40_000, false)).toBe("private")
    expect(refusal(host, 40_000, true)).toBeUndefined()
  })

  it.each([
    [0, "port"],
    [53, "port"],
    [123, "port"],
    [442, "port"],
    [1023, "port"],
    [443, undefined],
    [1024, undefined],
    [65_535, undefined]
  ])("port %i: %s", (port, why) => {
    expect(refusal("198.51.100.7", port)).toBe(why)
  })

  it("what is no address at all is refused", () => {
    const scope = at(true)
    expect(scopeRefusal({ host: "example.com", port: 4433, family: 4 }, scope)).toBe("malformed")
    expect(scopeRefusal({ host: "198.51.100.7", port: 70_000, family: 4 }, scope)).toBe("malformed")
    expect(scopeRefusal({ host: "198.51.100.7", port: Number.NaN, family: 4 }, scope)).toBe("malformed")
  })

  it("this host may have private neighbours if it has a private address itself", () => {
    expect(isInPrivateRange(["127.0.0.1", "198.51.100.1", "fe80::1%eth0"])).toBe(false)
    expect(isInPrivateRange(["198.51.100.1", "192.168.7.4"])).toBe(true)
    expect(isInPrivateRange(["fd12::1"])).toBe(true)
  })
})
