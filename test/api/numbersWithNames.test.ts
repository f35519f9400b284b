/** Numbers of versions, groups and alerts are shown with their names. */
import { expect, it } from "vitest"
import { groupName, NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { HandshakeRefused, VersionMismatch } from "../../src/QuicError.ts"
import { knownVersion, Version, versionName } from "../../src/wire/PacketType.ts"

it("versions, of which others have numbers", () => {
  for (const [name, version] of Object.entries(Version)) expect(knownVersion(version)).toBe(name)
  expect([Version.v2, 0xff00_001d, 5].map(versionName)).toEqual(["v2", "0xff00001d", "0x00000005"])
  expect(knownVersion(5)).toBeUndefined()
  expect(new VersionMismatch({ offered: [Version.v2, 0xff00_001d] }).message).toBe(
    "no QUIC version in common; the server offers v2, 0xff00001d"
  )
})

it("groups", () => {
  for (const [name, group] of Object.entries(NamedGroup)) expect(groupName(group)).toBe(name)
})

it("alerts, of which others have numbers", () => {
  const message = (alert: number) => new HandshakeRefused({ origin: "peer", alert, problem: "no" }).message
  expect(message(48)).toBe("handshake refused by the peer (TLS alert 48, unknown_ca): no")
  expect(message(255)).toBe("handshake refused by the peer (TLS alert 255): no")
})
